"""Exercises of part 2, discrete actions: 21_q_learning, 22_qr_dqn, 23_cql_discrete."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.data import Array
from offline_tutor.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    gradients,
    looks_like,
    same,
)


def _normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> jax.Array:
    return jnp.asarray(rng.normal(scale=scale, size=shape), jnp.float32)


def _flags(rng: np.random.Generator, rows: int) -> jax.Array:
    """Some are set and some are not."""
    return jnp.asarray(rng.permutation(np.arange(rows) < rng.integers(2, rows // 2 + 1)))


def _pick(table: Any, actions: Any) -> Any:
    return table[jnp.arange(len(actions)), actions]


def _stopped(name: str) -> Any:
    """Shows where the value is right and its gradient is zero."""

    def shows(mine: Seen, right: Seen, case: Case) -> bool:
        return same(mine["value"], right["value"]) and not mine[f"gradient by {name}"].any()

    return shows


# -------------------------------------------------------------------------- 21_q_learning


def bootstrap_target(
    rewards: Array, terminations: Array, truncations: Array, next_q: Array, discount: float
) -> Array:
    """What Q should have said of the data's actions: (batch,).

    `rewards`, `terminations`, `truncations`: (batch,), the last two bool. `next_q`: (batch,
    actions), what the target network says of the next observations.
    """
    return rewards + discount * (1 - terminations) * next_q.max(axis=-1)


def _bootstrap_case(rng: np.random.Generator) -> Case:
    ends = np.arange(9) < 5
    task = np.arange(9) < 3
    order = rng.permutation(9)
    return {
        "rewards": _normal(rng, 9),
        "terminations": jnp.asarray((ends & task)[order]),
        "truncations": jnp.asarray((ends & ~task)[order]),
        "next_q": _normal(rng, 9, 4, scale=3.0) + 5.0,
        "discount": float(rng.uniform(0.8, 0.95)),
    }


def _bootstrap_by(goes_on: Any, best: Any = lambda q: q.max(axis=-1)) -> Any:
    """Targets with other ends, or another value of the next state."""

    def wrong(rewards: Any, terminations: Any, truncations: Any, next_q: Any, discount: Any) -> Any:
        return rewards + discount * goes_on(terminations, truncations) * best(next_q)

    return wrong


def _not_ended(terminations: Any, truncations: Any) -> Any:
    return 1 - terminations


def _bootstrap_undiscounted(**case: Any) -> Any:
    return bootstrap_target(**{**case, "discount": 1.0})


def _bootstrap_without_last(**case: Any) -> Any:
    return (1 - case["terminations"]) * bootstrap_target(**case)


BOOTSTRAP_TARGET = Exercise(
    id="bootstrap-target",
    chapter="21_q_learning",
    kind="fill in",
    title="When the recording stops",
    minutes=10,
    points=3,
    function="bootstrap_target",
    reference=bootstrap_target,
    case=_bootstrap_case,
    mistakes=(
        Mistake(
            "time limits treated as ends",
            looks_like(_bootstrap_by(lambda d, t: 1 - (d | t))),
            "Where a time limit stopped the clock, this takes the future for worthless. The task "
            "would have gone on: a pole that stood for 500 steps was not worth less in the last "
            "of them. Look ahead there as anywhere else.",
        ),
        Mistake(
            "terminations treated as time limits",
            looks_like(_bootstrap_by(lambda d, t: 1 - t)),
            "Time limits end the sum here, and real ends do not. It is the other way round: after "
            "a termination nothing is left to earn.",
        ),
        Mistake(
            "nothing ends",
            looks_like(_bootstrap_by(lambda d, t: 1.0)),
            "Rows that end the task look ahead as well. Nothing comes after a termination; what "
            "the network says of that last observation, nobody ever corrects.",
        ),
        Mistake(
            "ends only",
            looks_like(_bootstrap_by(lambda d, t: d), _bootstrap_by(lambda d, t: d | t)),
            "The future counts where the task ended, and nowhere else. It is the other way round.",
        ),
        Mistake(
            "no reward at the end",
            looks_like(_bootstrap_without_last),
            "At a termination the target is 0, and the last reward is lost: the one that says how "
            "it ended. Only what comes *after* is switched off.",
        ),
        Mistake(
            "mean over the actions",
            looks_like(_bootstrap_by(_not_ended, lambda q: q.mean(axis=-1))),
            "This values the next state as if actions were drawn by lot. Q-learning goes on with "
            "the best of them.",
        ),
        Mistake(
            "maximum over the minibatch",
            looks_like(_bootstrap_by(_not_ended, lambda q: q.max())),
            "The maximum ran over all rows, so every row looks ahead to the best state of the "
            "minibatch. Each row has its own next state: name the axis.",
        ),
        Mistake(
            "no discount",
            looks_like(_bootstrap_undiscounted),
            "What comes a step later counts in full here; the discount is an argument.",
        ),
    ),
    hints=(
        "The reward, plus the discounted best of what is left, where something is left.",
        "Two flags stop a recording. After which of them is there really nothing more?",
        "The best action of each row is along the last axis; (1 - d) switches the future off.",
    ),
    praise="`truncations` is not used at all, and that is the point: a time limit says something "
    "about the recording and nothing about the task.",
)


def double_target(
    rewards: Array, terminations: Array, trained_q: Array, target_q: Array, discount: float
) -> Array:
    """Targets of double DQN: (batch,).

    `trained_q`, `target_q`: (batch, actions), what the trained network and the target network say
    of the next observations. `rewards`, `terminations`: (batch,).
    """
    best = trained_q.argmax(axis=-1)
    next_q = target_q[jnp.arange(len(best)), best]
    return rewards + discount * (1 - terminations) * next_q


def _double_case(rng: np.random.Generator) -> Case:
    return {
        "rewards": _normal(rng, 9),
        "terminations": _flags(rng, 9),
        "trained_q": _normal(rng, 9, 4, scale=3.0),
        "target_q": _normal(rng, 9, 4, scale=3.0),
        "discount": float(rng.uniform(0.8, 0.95)),
    }


def _double_by(value: Any) -> Any:
    """Targets with another value of the next state: `value(trained_q, target_q)`."""

    def wrong(rewards: Any, terminations: Any, trained_q: Any, target_q: Any, discount: Any) -> Any:
        return rewards + discount * (1 - terminations) * value(trained_q, target_q)

    return wrong


def _double_endless(**case: Any) -> Any:
    return double_target(**{**case, "terminations": jnp.zeros(9)})


DOUBLE_TARGET = Exercise(
    id="double-choice",
    chapter="21_q_learning",
    kind="find the bug",
    title="Who chooses, and who values?",
    minutes=15,
    points=4,
    function="double_target",
    reference=double_target,
    case=_double_case,
    mistakes=(
        Mistake(
            "roles exchanged",
            looks_like(_double_by(lambda q, t: _pick(q, t.argmax(-1)))),
            "The target network chooses and the trained one values. So each step moves the very "
            "numbers that it is trained towards, and the target network no longer stands still "
            "for anybody. Exchange their roles.",
        ),
        Mistake(
            "the target network does both",
            looks_like(_double_by(lambda q, t: t.max(-1))),
            "This is plain DQN: one network chooses and values, so an error upwards is chosen "
            "*because* it is large, and then believed.",
        ),
        Mistake(
            "the trained network does both",
            looks_like(_double_by(lambda q, t: q.max(-1))),
            "The target network is not asked. Without it, targets move with every step.",
        ),
        Mistake(
            "smaller of the two",
            looks_like(
                _double_by(lambda q, t: jnp.minimum(q.max(-1), t.max(-1))),
                _double_by(lambda q, t: jnp.minimum(q, t).max(-1)),
            ),
            "The smaller of two opinions is TD3's cure, of a later chapter. Here one network "
            "chooses an action, and the other is asked about that action alone.",
        ),
        Mistake(
            "ends are missed",
            looks_like(_double_endless),
            "After a termination nothing is left to earn: what the networks say there must not "
            "count.",
        ),
    ),
    hints=(
        "Read the two lines of the chapter again: which network stands in the argmax, and which "
        "one at the very end?",
        "Compare with `target_values` of DQN: what there is one maximum is here two steps.",
        "First the actions, (batch,), by one network; then the other's row at those actions.",
    ),
    praise="Two lines with two names in them, so that a reader can see who chooses. Exchanged, "
    "they have the same shapes and much the same numbers: no run would tell.",
)


def td_loss(
    weights: Array,
    observations: Array,
    actions: Array,
    rewards: Array,
    next_observations: Array,
    terminations: Array,
    discount: float,
) -> Array:
    """Mean squared temporal-difference error of a linear Q: ().

    Q is `observations @ weights`: (batch, actions). `weights`: (observation, actions). `actions`:
    (batch,) int. The gradient by `weights` is that of Q-learning: targets stand still.
    """
    q = (observations @ weights)[jnp.arange(len(actions)), actions]
    next_q = jax.lax.stop_gradient((next_observations @ weights).max(axis=-1))
    targets = rewards + discount * (1 - terminations) * next_q
    return ((q - targets) ** 2).mean()


def _td_case(rng: np.random.Generator) -> Case:
    return {
        "weights": _normal(rng, 3, 4),
        "observations": _normal(rng, 8, 3),
        "actions": jnp.asarray(rng.integers(0, 4, size=8)),
        "rewards": _normal(rng, 8),
        "next_observations": _normal(rng, 8, 3),
        "terminations": _flags(rng, 8),
        "discount": 0.9,
    }


def _td_by(q: Any, next_q: Any, measure: Any = lambda error: (error**2).mean()) -> Any:
    """The loss with other values: of the data's actions, `q(table, actions)`, and of what comes."""

    def wrong(
        weights: Any,
        observations: Any,
        actions: Any,
        rewards: Any,
        next_observations: Any,
        terminations: Any,
        discount: Any,
    ) -> Any:
        after = next_q((next_observations @ weights).max(axis=-1))
        targets = rewards + discount * (1 - terminations) * after
        return measure(q(observations @ weights, actions) - targets)

    return wrong


def _leave(x: Any) -> Any:
    return x


_td_probe = gradients("weights")
_stop = jax.lax.stop_gradient

TD_LOSS = Exercise(
    id="still-target",
    chapter="21_q_learning",
    kind="find the bug",
    title="A target that gives way",
    minutes=15,
    points=4,
    function="td_loss",
    reference=td_loss,
    case=_td_case,
    probe=_td_probe,
    mistakes=(
        Mistake(
            "gradient through the target",
            looks_like(_td_by(_pick, _leave), probe=_td_probe),
            "The number is right and its gradient is not: it also flows through the target. Then "
            "a step may close the gap by making the *future* worse, in place of learning from it. "
            "The target says what should have been said; hold it still.",
        ),
        Mistake(
            "the prediction is held still",
            looks_like(_td_by(lambda q, a: _stop(_pick(q, a)), _leave), probe=_td_probe),
            "The gradient flows through the target alone, and the prediction is held still. It "
            "is the other way round: the prediction is to move towards the target.",
        ),
        Mistake(
            "everything is held still",
            _stopped("weights"),
            "The number is right, and its gradient is zero: nothing would ever be learned. Only "
            "the target is to stand still.",
        ),
        Mistake(
            "largest value in place of the data's",
            looks_like(
                _td_by(lambda q, a: q.max(-1), _stop), _td_by(lambda q, a: q.max(-1), _leave)
            ),
            "The reward is that of the action which the data took, and the value that is "
            "corrected is that of the best one. Pick the value of the row's own action.",
        ),
        Mistake(
            "sum in place of the mean",
            looks_like(_td_by(_pick, _stop, lambda error: (error**2).sum())),
            "The number is the sum over the rows. With the mean a step does not depend on how "
            "many rows there are.",
        ),
        Mistake(
            "error without the square",
            looks_like(
                _td_by(_pick, _stop, jnp.mean), _td_by(_pick, _stop, lambda e: abs(e).mean())
            ),
            "The errors are not squared. Their mean can be zero while every one of them is large, "
            "and the absolute value seeks a median.",
        ),
    ),
    hints=(
        "The value of the loss is right. What else does training use of it?",
        "`weights` stands in the loss twice. Through which of the two should a step go?",
        "`jax.lax.stop_gradient(x)` is x, and a constant for every gradient.",
    ),
    praise="One call marks the one thing that is given. In the package the targets are computed "
    "before the gradient is taken, with other parameters, and so cannot be touched at all.",
)

# ------------------------------------------------------------------------------ 22_qr_dqn


def quantile_loss(predicted: Array, fractions: Array, targets: Array, kappa: float) -> Array:
    """Quantile Huber loss: (batch,), the mean over targets and the sum over predictions.

    `predicted`: (batch, quantiles). `fractions`: (quantiles,), what share of the targets should
    lie below each. `targets`: (batch, samples).
    """
    errors = targets[:, None, :] - predicted[:, :, None]  # (batch, quantiles, samples)
    straight = kappa * (jnp.abs(errors) - kappa / 2)
    size = jnp.where(jnp.abs(errors) <= kappa, errors**2 / 2, straight)
    weight = jnp.abs(fractions[:, None] - (errors < 0))
    return (weight * size).mean(axis=2).sum(axis=1)


def _quantile_case(rng: np.random.Generator) -> Case:
    return {
        "predicted": _normal(rng, 4, 5, scale=2.0),
        "fractions": (jnp.arange(5) + 0.5) / 5,
        "targets": _normal(rng, 4, 5, scale=2.0),  # as many as predictions, as in QR-DQN
        "kappa": float(rng.uniform(0.4, 0.8)),
    }


def _quantile_by(
    weight: Any = lambda p, u: jnp.abs(p[:, None] - (u < 0)),
    size: Any = lambda u, k: jnp.where(abs(u) <= k, u**2 / 2, k * (abs(u) - k / 2)),
    gather: Any = lambda x: x.mean(2).sum(1),
    sign: int = 1,
) -> Any:
    """The loss with one of its parts replaced."""

    def wrong(predicted: Any, fractions: Any, targets: Any, kappa: Any) -> Any:
        errors = sign * (targets[:, None, :] - predicted[:, :, None])
        return gather(weight(fractions, errors) * size(errors, kappa))

    return wrong


QUANTILE_LOSS = Exercise(
    id="quantile-loss",
    chapter="22_qr_dqn",
    kind="fill in",
    title="A loss whose minimum is a quantile",
    minutes=20,
    points=5,
    function="quantile_loss",
    reference=quantile_loss,
    case=_quantile_case,
    probe=gradients("predicted"),
    mistakes=(
        Mistake(
            "fractions along the wrong axis",
            looks_like(
                _quantile_by(weight=lambda p, u: jnp.abs(p - (u < 0))),
                _quantile_by(weight=lambda p, u: jnp.abs(p[:, None] - (u < 0)).swapaxes(1, 2)),
            ),
            "Each fraction belongs to a prediction, and here it runs along the samples. With as "
            "many of one as of the other nothing complains; every prediction then looks for the "
            "same number, the median.",
        ),
        Mistake(
            "sign of the errors",
            looks_like(_quantile_by(sign=-1)),
            "An error is the sample less the prediction. The other way round the two arms of the "
            "V are exchanged, and the number meant for the lowest tenth settles at the highest.",
        ),
        Mistake(
            "weight without its size",
            looks_like(_quantile_by(weight=lambda p, u: p[:, None] - (u < 0))),
            "Samples below a prediction get a negative weight, so the loss falls without end "
            "as predictions run away upwards. Both arms of the V go up: take the size.",
        ),
        Mistake(
            "both arms alike",
            looks_like(
                _quantile_by(weight=lambda p, u: p[:, None]),
                _quantile_by(weight=lambda p, u: 1.0),
            ),
            "Samples above and below a prediction weigh the same, so all predictions look for "
            "the middle. Below, the weight is the rest of the fraction.",
        ),
        Mistake(
            "corner not rounded",
            looks_like(
                _quantile_by(size=lambda u, k: abs(u)), _quantile_by(size=lambda u, k: k * abs(u))
            ),
            "This is plain quantile regression, with a corner at zero. Up to kappa the size of an "
            "error is half its square, and beyond it a straight line that joins on.",
        ),
        Mistake(
            "squared everywhere",
            looks_like(
                _quantile_by(size=lambda u, k: u**2 / 2), _quantile_by(size=lambda u, k: u**2)
            ),
            "Large errors are squared, too. Then the minimum is no quantile: a square minds how "
            "far samples are, a quantile only how many lie on either side.",
        ),
        Mistake(
            "divided by kappa",
            looks_like(
                _quantile_by(
                    size=lambda u, k: jnp.where(abs(u) <= k, u**2 / 2, k * (abs(u) - k / 2)) / k
                )
            ),
            "This is divided by kappa, as in a later paper (IQN). Equation 10 of this one, and "
            "the chapter, leave it out.",
        ),
        Mistake(
            "mean over the wrong axis",
            looks_like(_quantile_by(gather=lambda x: x.mean((1, 2)))),
            "The mean is taken over predictions, too. Samples are as good as one another, so "
            "their mean is right; predictions are different questions, and their losses add up. "
            "Beside another term of the loss, such as a penalty, the factor matters.",
        ),
        Mistake(
            "sum over the samples",
            looks_like(_quantile_by(gather=lambda x: x.sum((1, 2)))),
            "The samples are summed, too. With twice as many of them the loss would be twice as "
            "large, for the same question: take their mean.",
        ),
        Mistake(
            "mean over the minibatch",
            lambda mine, right, case: same(mine["value"], right["value"].mean()),
            "The minibatch is averaged already. One loss for each row is wanted, (batch,).",
        ),
    ),
    hints=(
        "First the matrix of errors of each row: predictions down, samples along, (4, 5, 5).",
        "Two things multiply: the size of an error, Huber's, and its weight, which depends on the "
        "prediction's fraction and on the side on which the sample lies.",
        "A new axis puts the fractions where the predictions are: `fractions[:, None]`. At the "
        "end the mean runs over the last axis and the sum over the one before it.",
    ),
    praise="The axes are named once, in a comment, and every line below keeps to them. "
    "`abs(p - (u < 0))` is p above and 1 - p below, without a branch.",
)


def quantile_targets(
    rewards: Array, terminations: Array, next_quantiles: Array, discount: float
) -> Array:
    """Samples of the return that should have been predicted: (batch, quantiles).

    `next_quantiles`: (batch, actions, quantiles), the target network's of the next observations.
    `rewards`, `terminations`: (batch,).
    """
    best = next_quantiles.mean(axis=-1).argmax(axis=-1)
    next_return = next_quantiles[jnp.arange(len(best)), best]
    return rewards[:, None] + discount * (1 - terminations)[:, None] * next_return


def _targets_case(rng: np.random.Generator) -> Case:
    return {
        "rewards": _normal(rng, 9),
        "terminations": _flags(rng, 9),
        "next_quantiles": jnp.sort(_normal(rng, 9, 3, 5, scale=2.0), axis=-1),
        "discount": float(rng.uniform(0.8, 0.95)),
    }


def _targets_by(next_return: Any) -> Any:
    """Targets with another return of the next state, of its quantiles."""

    def wrong(rewards: Any, terminations: Any, next_quantiles: Any, discount: Any) -> Any:
        after = next_return(next_quantiles)
        return rewards[:, None] + discount * (1 - terminations)[:, None] * after

    return wrong


def _by_score(score: Any) -> Any:
    return _targets_by(lambda z: _pick(z, score(z).argmax(-1)))


def _targets_endless(**case: Any) -> Any:
    return quantile_targets(**{**case, "terminations": jnp.zeros(9)})


def _is_only_the_mean(mine: Seen, right: Seen, case: Case) -> bool:
    value = mine["value"].squeeze(-1) if mine["value"].shape == (9, 1) else mine["value"]
    return same(value, right["value"].mean(axis=-1))


QUANTILE_TARGETS = Exercise(
    id="dream-return",
    chapter="22_qr_dqn",
    kind="find the bug",
    title="The best of all returns",
    minutes=15,
    points=4,
    function="quantile_targets",
    reference=quantile_targets,
    case=_targets_case,
    mistakes=(
        Mistake(
            "each quantile from another action",
            looks_like(_targets_by(lambda z: z.max(axis=1))),
            "Each quantile is taken from the action where it is largest: the caution of one and "
            "the luck of another, a return that no action has. Choose *one* action for each row, "
            "and take all its quantiles.",
        ),
        Mistake(
            "the luckiest action",
            looks_like(_by_score(lambda z: z[..., -1]), _by_score(lambda z: z.max(-1))),
            "The action with the largest best case is chosen. The policy goes by the mean, and "
            "the target must follow the policy that one means to have.",
        ),
        Mistake(
            "the safest action",
            looks_like(_by_score(lambda z: z[..., 0]), _by_score(lambda z: z.min(-1))),
            "The action with the least bad worst case is chosen. That may be wise, and is another "
            "algorithm: here the mean decides.",
        ),
        Mistake(
            "ends are missed",
            looks_like(_targets_endless),
            "After a termination all samples are the reward itself: nothing random is left.",
        ),
        Mistake(
            "the mean alone",
            _is_only_the_mean,
            "The right action, and of its return only the mean is left. That is DQN: the "
            "quantiles are what this network is for.",
        ),
    ),
    hints=(
        "Take one row with two actions, one safe and one a gamble, and write down what the "
        "colleague's target is. Which action has that return?",
        "Which action comes next is decided by the mean of its quantiles: one action a row.",
        "`next_quantiles[rows, best]` has all quantiles of one action in each row; rewards and "
        "flags need an axis more to meet them.",
    ),
    praise="Choose by the mean, then carry the whole distribution along. The wrong one is a "
    "maximum, too, over one axis, and has the right shape.",
)


def best_prediction(returns: np.ndarray, fraction: float) -> float:
    """The one of the returns that predicts them best, by the mean pinball loss at a fraction.

    `returns`: (n,). The loss of an error, return less prediction, is its size times `fraction`
    where the return lies above, and times 1 - `fraction` where it lies below.
    """
    errors = returns[:, None] - returns[None, :]  # (returns, predictions)
    losses = (np.abs(fraction - (errors < 0)) * np.abs(errors)).mean(axis=0)
    return float(returns[losses.argmin()])


def _prediction_case(rng: np.random.Generator) -> Case:
    place = rng.choice([1, 2, 3, 4, 6, 7, 8, 9])
    return {
        "returns": rng.exponential(10.0, size=11) * rng.choice([1.0, 5.0], size=11),
        "fraction": float((place + rng.uniform(0.3, 0.7)) / 11),
    }


BEST_PREDICTION = Exercise(
    id="lottery",
    chapter="22_qr_dqn",
    kind="predict then run",
    title="One episode in ten",
    minutes=15,
    points=4,
    function="best_prediction",
    reference=best_prediction,
    case=_prediction_case,
    choices={
        "a": Choice(
            "10",
            "That is the mean, which the squared error would find. The pinball loss does not "
            "mind how far away the 100 is, only that it is one of ten. Now compute it.",
        ),
        "b": Choice(
            "0",
            "Yes: at one half the loss looks for the median, and most episodes bring nothing. It "
            "is deaf to one large number in ten. Now compute it for any fraction.",
        ),
        "c": Choice(
            "50",
            "Half way between the two outcomes, as if they were equally frequent. The loss counts "
            "how many lie on either side. Now compute it.",
        ),
    },
    mistakes=(
        Mistake(
            "the mean",
            looks_like(lambda returns, fraction: returns.mean()),
            "This is the mean. It makes squared errors small; the pinball loss has straight arms.",
        ),
        Mistake(
            "always the median",
            looks_like(lambda returns, fraction: np.median(returns)),
            "This is the median, whatever the fraction is. The two arms of the V weigh "
            "differently as soon as the fraction is not one half.",
        ),
        Mistake(
            "arms exchanged",
            looks_like(
                lambda returns, fraction: best_prediction(returns, 1 - fraction),
                lambda returns, fraction: np.quantile(returns, 1 - fraction),
            ),
            "The two sides are exchanged. At a fraction of .9 it should hurt most when returns "
            "lie *above* the prediction, so that it moves up until only a tenth do.",
        ),
        Mistake(
            "between two returns",
            looks_like(lambda returns, fraction: np.quantile(returns, fraction)),
            "Close: this lies between two of the returns, where a library draws a line. The "
            "smallest loss is at one of the returns themselves, and the task asks for that one.",
        ),
        Mistake(
            "the loss in place of the place",
            looks_like(
                lambda returns, fraction: (
                    (
                        np.abs(fraction - (returns[:, None] < returns))
                        * abs(returns[:, None] - returns)
                    )
                    .mean(0)
                    .min()
                )
            ),
            "This is how small the loss can get. The question is *where*: which return has it.",
        ),
    ),
    hints=(
        "Try every return as the prediction, and compute the mean loss of each.",
        "A table helps: returns down, predictions along, errors inside; two weights by sign.",
        "The mean over the returns, the place of the smallest, `argmin`, and the return there.",
    ),
    praise="Nothing is assumed but the loss: every candidate is tried, and a quantile comes out. "
    "That is what gradient descent finds, a small step at a time.",
)

# ------------------------------------------------------------------------ 23_cql_discrete


def penalty(q: Array, actions: Array) -> Array:
    """CQL's penalty, before its weight, as the mean over the rows: ().

    `q`: (batch, actions), what the network says each action is worth. `actions`: (batch,) int,
    what the data did.
    """
    chosen = q[jnp.arange(len(actions)), actions]
    return (jax.nn.logsumexp(q, axis=-1) - chosen).mean()


def _penalty_case(rng: np.random.Generator) -> Case:
    return {
        "q": _normal(rng, 7, 4, scale=1.5),
        "actions": jnp.asarray(rng.integers(0, 4, size=7)),
    }


_penalty_probe = gradients("q")


def _soft(q: Any) -> Any:
    return jax.nn.logsumexp(q, axis=-1)


PENALTY = Exercise(
    id="cql-penalty",
    chapter="23_cql_discrete",
    kind="fill in",
    title="The penalty",
    minutes=10,
    points=4,
    function="penalty",
    reference=penalty,
    case=_penalty_case,
    probe=_penalty_probe,
    mistakes=(
        Mistake(
            "sign of the penalty",
            looks_like(lambda q, actions: -penalty(q, actions)),
            "The sign is turned round: minimised, this pushes the data's actions down and lifts "
            "all others. Ask what a step downhill does to the action that the data took.",
        ),
        Mistake(
            "nothing holds up",
            looks_like(lambda q, actions: _soft(q).mean(), lambda q, actions: _soft(q).sum()),
            "Only the half that pushes down is there. Nothing holds up what the data did, so all "
            "values sink without end, and the loss looks splendid. The forces on the actions of "
            "a state must add up to zero.",
        ),
        Mistake(
            "the policy's own action",
            looks_like(lambda q, actions: (_soft(q) - q.max(-1)).mean()),
            "What is held up is the policy's best action, not the data's. Then an action that "
            "nobody tried only has to be the largest to be left in peace.",
        ),
        Mistake(
            "a hard maximum",
            looks_like(lambda q, actions: (q.max(-1) - _pick(q, actions)).mean()),
            "This is a hard maximum: only one action of each state feels it. The logarithm of "
            "summed exponentials is the soft one, which pushes each action by its share.",
        ),
        Mistake(
            "mean of the values",
            looks_like(lambda q, actions: (q.mean(-1) - _pick(q, actions)).mean()),
            "The mean pushes all actions down alike, the harmless ones as much as the absurd one. "
            "The penalty pushes most where the value looks best.",
        ),
        Mistake(
            "over the whole minibatch",
            looks_like(
                lambda q, actions: jax.nn.logsumexp(q) - _pick(q, actions).mean(),
                lambda q, actions: jax.nn.logsumexp(q, axis=0).mean() - _pick(q, actions).mean(),
            ),
            "The soft maximum runs over rows, so states push on each other. It runs over the "
            "actions of one state: which axis is that?",
        ),
        Mistake(
            "sum over the rows",
            looks_like(lambda q, actions: penalty(q, actions) * len(actions)),
            "The number is the sum over the rows, so that its weight against the rest of the loss "
            "grows with the minibatch. Take the mean.",
        ),
        Mistake(
            "data's values averaged over all actions",
            looks_like(lambda q, actions: (_soft(q)[:, None] - q[:, actions]).mean()),
            "`q[:, actions]` is a table (batch, batch): every row's values at every row's action. "
            "Row i is to be read at action i alone.",
        ),
        Mistake(
            "push down stopped",
            looks_like(
                lambda q, actions: (_stop(_soft(q)) - _pick(q, actions)).mean(),
                probe=_penalty_probe,
            ),
            "The number is right, and half of its gradient is missing: nothing pushes down. A "
            "stop_gradient on the soft maximum leaves only the pull upwards on the data's "
            "actions. This very line has stood in public code.",
        ),
        Mistake(
            "no gradient",
            _stopped("q"),
            "The number is right, and its gradient is zero: a penalty that nobody feels.",
        ),
    ),
    hints=(
        "Two parts: a soft maximum over the actions of each state, and the value of what was done.",
        "`jax.nn.logsumexp(q, axis=...)` is the soft maximum. Which axis holds the actions?",
        "To read row i at action i, index with `jnp.arange(len(actions))` and `actions` together.",
    ),
    praise="Two lines, and the whole difference between QR-DQN and CQL. It is cross-entropy with Q "
    "for the scores: the loss of cloning, as a penalty.",
)


def soft_maximum(q: Array) -> Array:
    """log(sum(exp(q))) over the actions, for values of any size: (batch,).

    `q`: (batch, actions).
    """
    largest = q.max(axis=-1)
    rest = jnp.exp(q - largest[:, None])  # none is above 1
    return largest + jnp.log(rest.sum(axis=-1))


def _soft_case(rng: np.random.Generator) -> Case:
    level = rng.permutation([-900.0, -300.0, 0.0, 300.0, 900.0]) + rng.uniform(-50, 50, size=5)
    return {"q": _normal(rng, 5, 4, scale=2.0) + jnp.asarray(level[:, None], jnp.float32)}


_soft_probe = gradients("q")


def _exp_by_hand(q: Any) -> Any:
    return jnp.log(jnp.exp(q).sum(axis=-1))


def _overflows(mine: Seen, right: Seen, case: Case) -> bool:
    """Infinite where values are large, and minus infinity where they are very negative."""
    level = np.asarray(case["q"]).max(axis=-1)
    shape = mine["value"].shape == level.shape
    return shape and bool(
        np.isposinf(mine["value"][level > 100]).all()
        and np.isneginf(mine["value"][level < -200]).all()
    )


def _one_shift(q: Any) -> Any:
    return q.max() + jnp.log(jnp.exp(q - q.max()).sum(axis=-1))


def _clipped(mine: Seen, right: Seen, case: Case) -> bool:
    """Finite everywhere, right for small values, and far too small for large ones."""
    level = np.asarray(case["q"]).max(axis=-1)
    value, wanted = mine["value"], right["value"]
    if value.shape != wanted.shape or not np.isfinite(value).all():
        return False
    small, large = np.abs(level) < 60, level > 100
    return bool(
        np.allclose(value[small], wanted[small], atol=0.05) and (value[large] < 100).all()
    ) and not np.allclose(value, wanted - level, atol=0.2)


SOFT_MAXIMUM = Exercise(
    id="log-sum-exp",
    chapter="23_cql_discrete",
    kind="find the bug",
    title="The exponential by hand",
    minutes=15,
    points=4,
    function="soft_maximum",
    reference=soft_maximum,
    case=_soft_case,
    probe=_soft_probe,
    mistakes=(
        Mistake(
            "overflow",
            _overflows,
            "At values of a few hundred this is infinite, and minus infinity at values of minus "
            "a few hundred: exp leaves the range of 32-bit numbers at 89. One such step and the "
            "gradient is no number. Make the exponents small before you take exp.",
        ),
        Mistake(
            "shift not added back",
            looks_like(lambda q: jnp.log(jnp.exp(q - q.max(-1, keepdims=True)).sum(-1))),
            "Well shifted, and never shifted back: all that is left is by how much the soft "
            "maximum exceeds the hard one. What was subtracted inside has to be added outside.",
        ),
        Mistake(
            "one shift for all rows",
            looks_like(_one_shift),
            "The largest value of the whole minibatch is subtracted everywhere. Rows that lie far "
            "below it become exp(-1000), which is 0, and its logarithm minus infinity. Each row "
            "needs its own.",
        ),
        Mistake(
            "clipped",
            _clipped,
            "It no longer overflows, because large values are cut off: Q = 900 counts like Q = 80, "
            "and has no gradient. But large values are what the penalty is for.",
        ),
        Mistake(
            "a hard maximum",
            looks_like(lambda q: q.max(-1), probe=_soft_probe),
            "This is the hard maximum: safe, and another function. Only one action of each state "
            "feels its gradient; the soft one gives each action its share.",
        ),
    ),
    hints=(
        "Up to which number can you take `jnp.exp` of? Try 80, 88, 89.",
        "exp(a + b) is exp(a) exp(b), so a common part of all exponents can be taken out of the "
        "sum, and out of the logarithm. Which part makes the rest harmless?",
        "Subtract the largest value of each row inside, and add it outside.",
    ),
    praise="The largest exponent becomes 0, so the sum lies between 1 and the number of actions, "
    "whatever Q is. `jax.nn.logsumexp` does this; now you know why nobody should write it anew.",
)


def force(q: Array, behaviour: Array, alpha: float) -> Array:
    """The force of CQL's penalty on each value of one state, upwards positive: (actions,).

    `q`: (actions,). `behaviour`: (actions,), the shares in which the data took each action.
    """
    return alpha * (behaviour - jax.nn.softmax(q))


def _force_case(rng: np.random.Generator) -> Case:
    share = rng.dirichlet(np.ones(5))
    share[rng.integers(5)] = 0.0
    return {
        "q": _normal(rng, 5, scale=1.5),
        "behaviour": jnp.asarray(share / share.sum(), jnp.float32),
        "alpha": float(rng.uniform(0.5, 4)),
    }


FORCE = Exercise(
    id="penalty-force",
    chapter="23_cql_discrete",
    kind="predict then run",
    title="How hard does it push?",
    minutes=10,
    points=3,
    function="force",
    reference=force,
    case=_force_case,
    choices={
        "a": Choice(
            "100: the more absurd, the harder",
            "A squared error would. The penalty's gradient is a share, softmax, and no share "
            "exceeds 1. Now compute it.",
        ),
        "b": Choice(
            "1: as hard as alpha, and no harder",
            "Yes: its softmax share is as good as 1, and the force is at most alpha, however "
            "absurd the value is. Now compute it for every action.",
        ),
        "c": Choice(
            "0: the data never took it",
            "The data's part of the force is 0 there, but the other part is not: the share that "
            "softmax gives to it. That is how untried actions are reached. Now compute it.",
        ),
    },
    mistakes=(
        Mistake(
            "gradient in place of the force",
            looks_like(lambda q, behaviour, alpha: -force(q, behaviour, alpha)),
            "This is the gradient. A step goes *down* the loss, so the force on a value is minus "
            "the gradient: upwards for what the data did.",
        ),
        Mistake(
            "nothing holds up",
            looks_like(
                lambda q, behaviour, alpha: -alpha * jax.nn.softmax(q),
                lambda q, behaviour, alpha: alpha * jax.nn.softmax(q),
            ),
            "The data's part is missing: this pushes on every value and holds none up. Over the "
            "actions of a state the forces add up to zero.",
        ),
        Mistake(
            "alpha is missing",
            looks_like(lambda q, behaviour, alpha: force(q, behaviour, 1.0)),
            "Right, but for the weight: alpha says how much the penalty counts.",
        ),
        Mistake(
            "values in place of shares",
            looks_like(
                lambda q, behaviour, alpha: alpha * (behaviour - q),
                lambda q, behaviour, alpha: alpha * (behaviour - jnp.exp(q)),
            ),
            "The push is not as large as the value, nor as its exponential: it is the share of "
            "the exponentials' sum, so that shares add up to one.",
        ),
        Mistake(
            "weighed by the data",
            looks_like(lambda q, behaviour, alpha: behaviour * alpha * (1 - jax.nn.softmax(q))),
            "The data's share multiplies here, so an action that nobody took feels nothing. The "
            "penalty is there for exactly those: the two shares are compared, not multiplied.",
        ),
    ),
    hints=(
        "Write the penalty of one state, averaged over the rows there, and differentiate by Q(b).",
        "Of the soft maximum the derivative is a share, `jax.nn.softmax(q)`; of the other part it "
        "is how often the data took b.",
        "Downhill is minus the gradient, and alpha multiplies all of it.",
    ),
    praise="Data's share less softmax share, nothing else: bounded by alpha, zero in sum, and at "
    "peace where the two agree.",
)

WHEN_NOT = Exercise(
    id="when-not-cql",
    chapter="23_cql_discrete",
    kind="open",
    title="When would you rather not?",
    minutes=20,
    points=5,
    hints=(
        "The chapter's dial has two ends, and three datasets. What wins on which?",
        "Think of who chooses alpha, and with what.",
    ),
    praise="A good answer takes its cases from the tables of the chapter, and says what it would "
    "look at in a new file before deciding.",
    rubric=(
        (1, "perfect or nearly perfect data of one driver: cloning does it, with less"),
        (1, "broad data that show every action: the parent does it, and a large alpha loses"),
        (
            1,
            "alpha and the unit of the rewards: a weight from elsewhere means nothing, and choosing"
            " it takes trials that an offline problem may not allow",
        ),
        (
            1,
            "the values: a bound for one policy and a large enough alpha, not for what is deployed;"
            " not to be used as a promise",
        ),
        (
            1,
            "what it would be used for all the same: mixed data, gaps, and what one looks at in a"
            " file to see that it is such a one",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    BOOTSTRAP_TARGET,
    DOUBLE_TARGET,
    TD_LOSS,
    QUANTILE_LOSS,
    QUANTILE_TARGETS,
    BEST_PREDICTION,
    PENALTY,
    SOFT_MAXIMUM,
    FORCE,
    WHEN_NOT,
)
