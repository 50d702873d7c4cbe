"""Exercises of the chapter 23_cql_discrete."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.classroom.exercises.chapters.shared import gaussian, no_gradient, pick
from offline_tutor.classroom.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    gradients,
    looks_like,
)
from offline_tutor.types import Array

_stop = jax.lax.stop_gradient


def penalty(q: Array, actions: Array) -> Array:
    """CQL's penalty, before its weight, as the mean over the rows: ().

    `q`: (batch, actions), what the network says each action is worth. `actions`: (batch,) int,
    what the data did.
    """
    chosen = q[jnp.arange(len(actions)), actions]
    return (jax.nn.logsumexp(q, axis=-1) - chosen).mean()


def _penalty_case(rng: np.random.Generator) -> Case:
    # Two of the states have values that an exponential taken by hand does not survive.
    level = rng.permutation([0.0] * 5 + [150.0, -150.0])
    return {
        "q": gaussian(rng, 7, 4, scale=1.5) + jnp.asarray(level[:, None], jnp.float32),
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
            "overflow",
            lambda mine, right, case: not np.isfinite(mine["value"]).all(),
            "Some values here are near 150 and some near -150, and your penalty of them is not "
            "finite: `exp` leaves the range of 32-bit numbers at 89. Subtract the largest value of "
            "a state before `exp` and add it outside the logarithm, or let `jax.nn.logsumexp` do "
            "it.",
        ),
        Mistake(
            "sign of the penalty",
            looks_like(lambda q, actions: -penalty(q, actions)),
            "The sign is the wrong way round: minimised, this pushes the data's actions down and "
            "lifts all others. Ask what a step downhill does to the action that the data took.",
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
            "the data never took only has to be the largest to be left alone.",
        ),
        Mistake(
            "a hard maximum",
            looks_like(lambda q, actions: (q.max(-1) - pick(q, actions)).mean()),
            "This is a hard maximum: only one action of each state feels it. The logarithm of "
            "summed exponentials is the soft one, which pushes each action by its share.",
        ),
        Mistake(
            "mean of the values",
            looks_like(lambda q, actions: (q.mean(-1) - pick(q, actions)).mean()),
            "The mean pushes all actions down alike, the harmless ones as much as the absurd one. "
            "The penalty pushes most where the value looks best.",
        ),
        Mistake(
            "over the whole minibatch",
            looks_like(
                lambda q, actions: jax.nn.logsumexp(q) - pick(q, actions).mean(),
                lambda q, actions: jax.nn.logsumexp(q, axis=0).mean() - pick(q, actions).mean(),
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
                lambda q, actions: (_stop(_soft(q)) - pick(q, actions)).mean(),
                probe=_penalty_probe,
            ),
            "The number is right, and half of its gradient is missing: nothing pushes down. A "
            "stop_gradient on the soft maximum leaves only the pull upwards on the data's "
            "actions. This very line has stood in public code.",
        ),
        Mistake(
            "no gradient",
            no_gradient("q"),
            "The number is right, and its gradient is zero: training will not feel this penalty.",
        ),
    ),
    hints=(
        "Two parts: a soft maximum over the actions of each state, and the value of what was done.",
        "`jax.nn.logsumexp(q, axis=...)` is the soft maximum. Which axis holds the actions?",
        "To read row i at action i, index with `jnp.arange(len(actions))` and `actions` together.",
    ),
    praise="Two lines, and the whole difference between QR-DQN and CQL. It is cross-entropy with Q "
    "as the scores: the loss of cloning, as a penalty.",
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
    return {"q": gaussian(rng, 5, 4, scale=2.0) + jnp.asarray(level[:, None], jnp.float32)}


_soft_probe = gradients("q")


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
    "whatever Q is. `jax.nn.logsumexp` does this; use it.",
)


def force(q: Array, behaviour: Array, alpha: float) -> Array:
    """The force of CQL's penalty on each value of a state, upwards positive.

    `q`: (actions,). `behaviour`: (actions,), the shares in which the data took each action.
    """
    return alpha * (behaviour - jax.nn.softmax(q))


def _force_case(rng: np.random.Generator) -> Case:
    share = rng.dirichlet(np.ones(5))
    share[rng.integers(5)] = 0.0
    return {
        "q": gaussian(rng, 5, scale=1.5),
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
            "100: a more absurd value is pushed harder",
            "A squared error would. The penalty's gradient is a share, softmax, and no share "
            "exceeds 1. Now compute it.",
        ),
        "b": Choice(
            "1: as hard as alpha, and no harder",
            "Yes: its softmax share is practically 1, and the force is at most alpha, however "
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
            "gradient instead of the force",
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
            "Right, except for the weight: alpha says how much the penalty counts.",
        ),
        Mistake(
            "values instead of shares",
            looks_like(
                lambda q, behaviour, alpha: alpha * (behaviour - q),
                lambda q, behaviour, alpha: alpha * (behaviour - jnp.exp(q)),
            ),
            "The push is not as large as the value, nor as its exponential: it is the share of "
            "the exponentials' sum, so that the shares add up to one.",
        ),
        Mistake(
            "weighed by the data",
            looks_like(lambda q, behaviour, alpha: behaviour * alpha * (1 - jax.nn.softmax(q))),
            "The data's share multiplies here, so an action that the data never took feels "
            "nothing. The penalty exists for exactly those: the two shares are subtracted, not "
            "multiplied.",
        ),
    ),
    hints=(
        "Write the penalty of one state, averaged over the rows there, and differentiate by Q(b).",
        "Of the soft maximum the derivative is a share, `jax.nn.softmax(q)`; of the other part it "
        "is how often the data took b.",
        "Downhill is minus the gradient, and alpha multiplies all of it.",
    ),
    praise="The data's share minus the softmax share, times alpha: bounded by alpha, zero in sum, "
    "and zero where the two agree.",
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
    praise="A good answer takes its cases from the tables of the chapter, and says what to look at "
    "in a new file before deciding.",
    rubric=(
        (1, "perfect or nearly perfect data, or good episodes that can be told: cloning does it"),
        (1, "broad data that show every action: the parent does it, and a large alpha loses"),
        (
            1,
            "alpha, the loss and the unit of the rewards: a weight from elsewhere means nothing,"
            " and choosing it takes trials that an offline problem may not allow",
        ),
        (
            1,
            "the values: a bound for one policy and a large enough alpha, not for what is deployed;"
            " not to be used as a promise",
        ),
        (
            1,
            "what CQL remains useful for: mixed data without good whole episodes, and what to look"
            " at in a file to see that it is such a case",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    PENALTY,
    SOFT_MAXIMUM,
    FORCE,
    WHEN_NOT,
)
