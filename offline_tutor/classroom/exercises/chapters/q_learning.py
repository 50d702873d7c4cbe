"""Exercises of the chapter 21_q_learning."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.classroom.exercises.chapters.shared import flags, gaussian, no_gradient, pick
from offline_tutor.classroom.exercises.exercise import (
    Case,
    Exercise,
    Mistake,
    gradients,
    looks_like,
)
from offline_tutor.types import Array


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
        "rewards": gaussian(rng, 9),
        "terminations": jnp.asarray((ends & task)[order]),
        "truncations": jnp.asarray((ends & ~task)[order]),
        "next_q": gaussian(rng, 9, 4, scale=3.0) + 5.0,
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
            "Where a time limit stopped the recording, this treats the future as worthless. The "
            "task would have gone on: a pole that stood for 500 steps was not worth less in the "
            "last of them. Look ahead there as anywhere else.",
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
            "Rows that end the task look ahead as well. Nothing comes after a termination, and "
            "what the network says of that last observation is never corrected.",
        ),
        Mistake(
            "ends only",
            looks_like(_bootstrap_by(lambda d, t: d), _bootstrap_by(lambda d, t: d | t)),
            "The future counts only where the task ended. It is the other way round.",
        ),
        Mistake(
            "no reward at the end",
            looks_like(_bootstrap_without_last),
            "At a termination the target is 0, so the last reward is lost, the one that says how "
            "it ended. Switch off only what comes *after*.",
        ),
        Mistake(
            "mean over the actions",
            looks_like(_bootstrap_by(_not_ended, lambda q: q.mean(axis=-1))),
            "This values the next state as if its action were drawn at random. Q-learning goes on "
            "with the best one.",
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
        "Two flags stop a recording. After which of them is there really nothing more to earn?",
        "The best action of each row is along the last axis; (1 - d) switches the future off.",
    ),
    praise="`truncations` is not used at all, and that is the point: a time limit says something "
    "about the recording, but nothing about the task.",
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
        "rewards": gaussian(rng, 9),
        "terminations": flags(rng, 9),
        "trained_q": gaussian(rng, 9, 4, scale=3.0),
        "target_q": gaussian(rng, 9, 4, scale=3.0),
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
            looks_like(_double_by(lambda q, t: pick(q, t.argmax(-1)))),
            "The target network chooses and the trained one values. So each step moves the very "
            "numbers that it is trained towards, and the target network no longer keeps them "
            "still. Exchange their roles.",
        ),
        Mistake(
            "the target network does both",
            looks_like(_double_by(lambda q, t: t.max(-1))),
            "This is plain DQN: one network both chooses and values, so a value that is too high "
            "is chosen *because* it is too high, and then believed.",
        ),
        Mistake(
            "the trained network does both",
            looks_like(_double_by(lambda q, t: q.max(-1))),
            "The target network is not used. Without it, targets move with every step.",
        ),
        Mistake(
            "smaller of the two",
            looks_like(
                _double_by(lambda q, t: jnp.minimum(q.max(-1), t.max(-1))),
                _double_by(lambda q, t: jnp.minimum(q, t).max(-1)),
            ),
            "Taking the smaller of two opinions is TD3's cure, in a later chapter. Here one "
            "network chooses an action, and the other values that action alone.",
        ),
        Mistake(
            "ends are missed",
            looks_like(_double_endless),
            "After a termination nothing is left to earn: what the networks say there must not "
            "count.",
        ),
    ),
    hints=(
        "Read the two formulas of the chapter again: which network stands in the argmax, and "
        "which one at the very end?",
        "Compare with `target_values` of DQN: one maximum there becomes two steps here.",
        "First the actions, (batch,), by one network; then the other's row at those actions.",
    ),
    praise="Two lines with two names, so that a reader can see which network chooses. With the "
    "networks exchanged, shapes are equal and numbers similar: no single run would show it.",
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
        "weights": gaussian(rng, 3, 4),
        "observations": gaussian(rng, 8, 3),
        "actions": jnp.asarray(rng.integers(0, 4, size=8)),
        "rewards": gaussian(rng, 8),
        "next_observations": gaussian(rng, 8, 3),
        "terminations": flags(rng, 8),
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
            looks_like(_td_by(pick, _leave), probe=_td_probe),
            "The number is right and its gradient is not: it also flows through the target. So "
            "a step may close the gap by making the *future* look worse instead of learning from "
            "it. The target is what the value should have been; hold it still.",
        ),
        Mistake(
            "the prediction is held still",
            looks_like(_td_by(lambda q, a: _stop(pick(q, a)), _leave), probe=_td_probe),
            "The gradient flows through the target alone, and the prediction is held still. It "
            "should be the other way round: the prediction moves towards the target.",
        ),
        Mistake(
            "everything is held still",
            no_gradient("weights"),
            "The number is right, and its gradient is zero: nothing would ever be learned. Hold "
            "only the target still.",
        ),
        Mistake(
            "largest value instead of the data's",
            looks_like(
                _td_by(lambda q, a: q.max(-1), _stop), _td_by(lambda q, a: q.max(-1), _leave)
            ),
            "The reward belongs to the action that the data took, but the value that is corrected "
            "belongs to the best one. Pick the value of the row's own action.",
        ),
        Mistake(
            "sum instead of the mean",
            looks_like(_td_by(pick, _stop, lambda error: (error**2).sum())),
            "The number is the sum over the rows. With the mean a step does not depend on how "
            "many rows there are.",
        ),
        Mistake(
            "error without the square",
            looks_like(_td_by(pick, _stop, jnp.mean), _td_by(pick, _stop, lambda e: abs(e).mean())),
            "The errors are not squared. Their plain mean can be zero while all of them are "
            "large, and the mean of their absolute values asks for a median.",
        ),
    ),
    hints=(
        "The value of the loss is right. What else of the loss does training use?",
        "`weights` occurs twice in the loss. Through which of the two should the gradient flow?",
        "`jax.lax.stop_gradient(x)` equals x, but every gradient treats it as a constant.",
    ),
    praise="One call marks what is given. In the package the targets are computed before the "
    "gradient is taken, from other parameters, so no gradient can reach them at all.",
)

EXERCISES: tuple[Exercise, ...] = (
    BOOTSTRAP_TARGET,
    DOUBLE_TARGET,
    TD_LOSS,
)
