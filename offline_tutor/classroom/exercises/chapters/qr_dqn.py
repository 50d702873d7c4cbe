"""Exercises of the chapter 22_qr_dqn."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from offline_tutor.classroom.exercises.chapters.shared import (
    flags,
    gaussian,
    pick,
    with_other,
)
from offline_tutor.classroom.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    NotDone,
    Seen,
    compiled,
    gradients,
    looks_like,
    same,
)
from offline_tutor.types import Array


def quantile_loss(predicted: Array, fractions: Array, targets: Array, kappa: float) -> Array:
    """Quantile Huber loss: (batch,), mean over targets and sum over predictions.

    `predicted`: (batch, quantiles). `fractions`: (quantiles,), what share of the targets should
    lie below each. `targets`: (batch, samples).
    """
    errors = targets[:, None, :] - predicted[:, :, None]  # (batch, quantiles, samples)
    straight = kappa * (jnp.abs(errors) - kappa / 2)
    size = jnp.where(jnp.abs(errors) <= kappa, errors**2 / 2, straight)
    weight = jnp.abs(fractions[:, None] - (errors < 0))
    return (weight * size).mean(axis=2).sum(axis=1)


def _with_three_samples(case: Case) -> Case:
    """The case with fewer samples than predictions, where exchanged axes can no longer hide."""
    return {**case, "targets": case["targets"][:, :3]}


@compiled
def _on_three_samples(function: Any, case: Case) -> dict[str, Any]:
    return {"value with three samples": function(**_with_three_samples(case))}


def _quantile_probe(function: Any, case: Case) -> dict[str, Any]:
    """Value and gradient, and the value with three samples: not a number if that fails."""
    seen = dict(gradients("predicted")(function, case))
    try:
        return {**seen, **_on_three_samples(function, case)}
    except (NotDone, NotImplementedError):
        raise
    except Exception:  # with as many samples as predictions it ran, so its shapes are at fault
        return seen | {"value with three samples": jnp.full(len(case["predicted"]), jnp.nan)}


def _fails_on_three_samples(mine: Seen, right: Seen, case: Case) -> bool:
    fails = np.isnan(mine["value with three samples"]).all()
    return bool(fails) and same(mine["value"], right["value"])


def _quantile_case(rng: np.random.Generator) -> Case:
    return {
        "predicted": gaussian(rng, 4, 5, scale=2.0),
        "fractions": (jnp.arange(5) + 0.5) / 5,
        "targets": gaussian(rng, 4, 5, scale=2.0),  # as many as predictions, as in QR-DQN
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
    probe=_quantile_probe,
    mistakes=(
        Mistake(
            "sum and mean exchanged",
            looks_like(_quantile_by(gather=lambda x: x.mean(1).sum(1)), probe=_on_three_samples),
            "With as many samples as predictions this gives the right number. With three samples "
            "it does not: the mean runs over predictions and the sum over samples. Samples are as "
            "good as one another, so their mean is right; predictions answer different questions, "
            "and their losses add up.",
        ),
        Mistake(
            "only as many samples as predictions",
            _fails_on_three_samples,
            "Right while there are as many samples as predictions. With three samples it stops "
            "with an error: some line takes the length of one axis for that of the other.",
        ),
        Mistake(
            "fractions along the wrong axis",
            looks_like(
                _quantile_by(weight=lambda p, u: jnp.abs(p - (u < 0))),
                _quantile_by(weight=lambda p, u: jnp.abs(p[:, None] - (u < 0)).swapaxes(1, 2)),
            ),
            "Each fraction belongs to a prediction, and here it runs along the samples. With as "
            "many of one as of the other no error is raised; every prediction then looks for the "
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
            "far away samples are, a quantile only how many lie on either side.",
        ),
        Mistake(
            "kappa taken as 1",
            looks_like(
                _quantile_by(size=lambda u, k: jnp.where(abs(u) <= 1, u**2 / 2, abs(u) - 1 / 2)),
                _quantile_by(size=lambda u, k: jnp.where(abs(u) <= k, u**2 / 2, abs(u) - 1 / 2)),
            ),
            "This is right for kappa = 1 only. Kappa stands in three places: where the straight "
            "part begins, its slope, and what is taken off so that the two parts join.",
        ),
        Mistake(
            "the half is missing",
            looks_like(
                _quantile_by(size=lambda u, k: jnp.where(abs(u) <= k, u**2, k * (2 * abs(u) - k))),
                _quantile_by(size=lambda u, k: jnp.where(abs(u) <= k, u**2, k * (abs(u) - k / 2))),
            ),
            "Up to kappa the size of an error is *half* its square. Without the half the slope "
            "at kappa is twice what the straight part continues with.",
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
            "their mean is right; predictions answer different questions, and their losses add "
            "up. Beside another term of the loss, such as a penalty, the factor matters.",
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
        "First the matrix of errors of each row, predictions down and samples along: its shape is "
        "(batch, quantiles, samples).",
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
        "rewards": gaussian(rng, 9),
        "terminations": flags(rng, 9),
        "next_quantiles": jnp.sort(gaussian(rng, 9, 3, 5, scale=2.0), axis=-1),
        "discount": float(rng.uniform(0.8, 0.95)),
    }


def _targets_by(next_return: Any) -> Any:
    """Targets with another return of the next state, of its quantiles."""

    def wrong(rewards: Any, terminations: Any, next_quantiles: Any, discount: Any) -> Any:
        after = next_return(next_quantiles)
        return rewards[:, None] + discount * (1 - terminations)[:, None] * after

    return wrong


def _by_score(score: Any) -> Any:
    return _targets_by(lambda z: pick(z, score(z).argmax(-1)))


def _targets_endless(**case: Any) -> Any:
    return quantile_targets(**{**case, "terminations": jnp.zeros(9)})


def _is_only_the_mean(mine: Seen, right: Seen, case: Case) -> bool:
    """The mean, as one number for each row or in the place of each quantile."""
    mean = right["value"].mean(axis=-1)
    spread = np.broadcast_to(mean[:, None], right["value"].shape)
    return any(same(mine["value"], other) for other in (mean, mean[:, None], spread))


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
            "the action with the best median",
            looks_like(_by_score(lambda z: jnp.median(z, -1))),
            "The action is chosen by its middle quantile. The policy goes by the mean of all "
            "quantiles, which a rare disaster or a rare prize moves and the median ignores.",
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
            "The action whose worst case is least bad is chosen. That may be wise, but it is "
            "another algorithm: here the mean decides.",
        ),
        Mistake(
            "ends are missed",
            looks_like(_targets_endless),
            "After a termination all samples are the reward itself: nothing random is left.",
        ),
        Mistake(
            "ends the wrong way round",
            looks_like(with_other(quantile_targets, terminations=lambda flags: 1 - flags)),
            "The future counts where the episode has ended and is left out where it goes on. The "
            "flag is 1 at an end, so the future is multiplied by what is missing to 1.",
        ),
        Mistake(
            "no discount",
            looks_like(with_other(quantile_targets, discount=lambda discount: 1.0)),
            "The next return counts in full. One step later it is worth a little less.",
        ),
        Mistake(
            "the mean alone",
            _is_only_the_mean,
            "The action is right, but only the mean of its return is left, and that is DQN. This "
            "network is there to learn the quantiles, so carry them all along.",
        ),
    ),
    hints=(
        "Take one row with two actions, one safe and one a gamble, and write down what the "
        "colleague's target is. Which action has that return?",
        "Which action comes next is decided by the mean of its quantiles: one action a row.",
        "`next_quantiles[rows, best]` has all quantiles of one action in each row; rewards and "
        "flags need an axis more to meet them.",
    ),
    praise="Choose by the mean, then carry the whole distribution along. The colleague's line "
    "is a maximum over the same axis and has the right shape, so only its numbers give it away.",
)


def best_prediction(returns: np.ndarray, fraction: float) -> float:
    """The return that predicts all of them best, by the mean pinball loss.

    `returns`: (n,). The loss of an error, return less prediction, is its size times `fraction`
    where the return lies above, and times 1 - `fraction` where it lies below.
    """
    errors = returns[:, None] - returns[None, :]  # (returns, predictions)
    losses = (np.abs(fraction - (errors < 0)) * np.abs(errors)).mean(axis=0)
    return float(returns[losses.argmin()])


def _prediction_case(rng: np.random.Generator) -> Case:
    place = rng.choice([1, 2, 3, 7, 8, 9])
    # Where a library's quantile, rounded to one of the returns, is not the best of them.
    within = rng.uniform(0.88, 0.95) if place < 5 else rng.uniform(0.05, 0.12)
    return {
        "returns": rng.exponential(10.0, size=11) * rng.choice([1.0, 5.0], size=11),
        "fraction": float((place + within) / 11),
    }


def _prediction_probe(function: Any, case: Case) -> dict[str, Any]:
    """At a fraction and at the rest: who rounds up, or down, is wrong at one of the two."""
    rest = 1 - case["fraction"]
    other = function(**{**case, "fraction": rest})
    return {"value": function(**case), "value at the rest": other}


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
    probe=_prediction_probe,
    choices={
        "a": Choice(
            "10",
            "No: that is the mean, which the squared error would find. For the minimum of the "
            "pinball loss it does not matter how far away the 100 is, only that it is one of ten. "
            "Now compute it.",
        ),
        "b": Choice(
            "0",
            "Yes: at one half the loss looks for the median, and most episodes bring nothing. One "
            "large number in ten does not move it. Now compute it for any fraction.",
        ),
        "c": Choice(
            "50",
            "No: that is half way between the two outcomes, as if they were equally frequent. The "
            "loss counts how many lie on either side. Now compute it.",
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
            "The two sides are exchanged. At a fraction of 0.9 it should hurt most when returns "
            "lie *above* the prediction, so that it moves up until only a tenth of them do.",
        ),
        Mistake(
            "between two returns",
            looks_like(lambda returns, fraction: np.quantile(returns, fraction)),
            "Close: this lies between two of the returns, where a library draws a line. The "
            "smallest loss is at one of the returns themselves, and the task asks for that one.",
        ),
        Mistake(
            "a neighbour of the best",
            looks_like(
                lambda returns, fraction: np.quantile(returns, fraction, method="nearest"),
                lambda returns, fraction: np.quantile(returns, fraction, method="lower"),
                lambda returns, fraction: np.quantile(returns, fraction, method="higher"),
            ),
            "This is one of the returns, but now and then the one beside the best. A library's "
            "quantile counts the gaps between the returns. Compute the loss of each instead.",
        ),
        Mistake(
            "the position instead of the return",
            looks_like(
                lambda returns, fraction: np.flatnonzero(
                    returns == best_prediction(returns, fraction)
                )[0]
            ),
            "This is where the best return stands in the array. Return the return itself.",
        ),
        Mistake(
            "the loss instead of the return",
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
    praise="Nothing is assumed except the loss: every candidate is tried, and a quantile comes "
    "out. Gradient descent finds the same number, a small step at a time.",
)

EXERCISES: tuple[Exercise, ...] = (
    QUANTILE_LOSS,
    QUANTILE_TARGETS,
    BEST_PREDICTION,
)
