"""Exercises of the chapter 32_td3_bc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from offline_tutor.classroom.exercises.chapters.shared import (
    ACTIONS,
    BATCH,
    Values,
    hill,
    no_gradient,
    uniform_actions,
    where_value_is_right,
)
from offline_tutor.classroom.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    gradients,
    looks_like,
    same,
)
from offline_tutor.types import Array


def td3_bc_weight(q: Array, alpha: float) -> Array:
    """The value term's weight, (): alpha over the mean size of Q; no gradient.

    `q`: (batch,), what the critic says of the policy's own actions.
    """
    return alpha / jax.lax.stop_gradient(jnp.abs(q).mean())


def _weight_case(rng: np.random.Generator) -> Case:
    q = rng.uniform(0.5, 4, size=BATCH) * rng.permutation([1, 1, 1, 1, -1, -1])
    return {"q": jnp.asarray(q, jnp.float32), "alpha": float(rng.uniform(1.5, 4))}


def _is_a_row(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["value"].shape == case["q"].shape


def _has_a_gradient(mine: Seen, right: Seen, case: Case) -> bool:
    return same(mine["value"], right["value"]) and bool(mine["gradient by q"].any())


TD3_BC_WEIGHT = Exercise(
    id="td3-bc-weight",
    chapter="32_td3_bc",
    kind="fill in",
    title="An exchange rate",
    minutes=10,
    points=3,
    function="td3_bc_weight",
    reference=td3_bc_weight,
    case=_weight_case,
    probe=gradients("q"),
    mistakes=(
        Mistake(
            "weight not stopped",
            _has_a_gradient,
            "The number is right, but a gradient passes through it. Multiplied by the mean of Q "
            "it lets the actor change the exchange rate instead of its actions: where all values "
            "have one sign, weight times value is then a constant, and nothing makes it climb.",
        ),
        Mistake(
            "size of the mean",
            looks_like(
                lambda q, alpha: alpha / jnp.abs(q.mean()), lambda q, alpha: alpha / q.mean()
            ),
            "This divides by the mean, in which values of either sign cancel: it can be next to "
            "nothing while every value is large, and the weight is then enormous. Take the size "
            "of each value first.",
        ),
        Mistake(
            "one weight a row",
            _is_a_row,
            "Each row gets a weight of its own, so that all rows climb equally hard and the "
            "size of a value no longer counts. One number for the minibatch is wanted.",
        ),
        Mistake(
            "upside down",
            looks_like(
                lambda q, alpha: jnp.abs(q).mean() / alpha, lambda q, alpha: jnp.abs(q).mean()
            ),
            "The larger the values, the larger this weight. It should undo their size: a critic "
            "that says a hundred times as much must leave the loss as it is.",
        ),
        Mistake(
            "multiplied",
            looks_like(lambda q, alpha: alpha * jnp.abs(q).mean()),
            "Here the size of Q counts twice. Divide by the mean size, and for a given critic the "
            "loss no longer depends on the unit in which rewards are counted.",
        ),
        Mistake(
            "alpha is missing",
            looks_like(lambda q, alpha: 1 / jnp.abs(q).mean()),
            "This brings the value term to size 1. The dial is missing that says how much it "
            "should count against cloning.",
        ),
        Mistake(
            "sum instead of the mean",
            looks_like(lambda q, alpha: alpha / jnp.abs(q).sum()),
            "Divided by the sum, a minibatch of 256 climbs eight times less than one of 32. Take "
            "the mean.",
        ),
        Mistake(
            "another measure of size",
            looks_like(
                lambda q, alpha: alpha / jnp.sqrt((q**2).mean()),
                lambda q, alpha: alpha / jnp.abs(q).max(),
                lambda q, alpha: alpha / q.std(),
            ),
            "This is a measure of size, but not the one that was asked for: the mean of the "
            "absolute values.",
        ),
    ),
    hints=(
        "The size of a value is `jnp.abs` of it. Over the minibatch take the mean.",
        "The larger the values, the smaller the weight: alpha stands above the line.",
        "The weight rescales, and is nothing that the actor may change: `jax.lax.stop_gradient` "
        "says so.",
    ),
    praise="Only what depends on the actor is stopped, where it arises. After that the weight is a "
    "number like alpha itself, and the product with Q has the gradient of Q alone.",
)


def td3_bc_loss(q: Values, proposed: Array, actions: Array, alpha: float) -> Array:
    """The actor's loss of TD3+BC: ().

    `q`: a function, what the critic says of actions (batch, action) in the minibatch's states:
    (batch,). `proposed`: (batch, action), the policy's. `actions`: (batch, action), the data's.
    """
    value = q(proposed)
    size = jax.lax.stop_gradient(jnp.abs(value).mean())
    distance = ((proposed - actions) ** 2).mean()
    return distance - alpha / size * value.mean()


def _loss_case(rng: np.random.Generator) -> Case:
    signs = rng.permutation([-1, -1, 1, 1, 1, 1])  # of Q: with one sign alone bugs would hide
    height = jnp.asarray(rng.uniform(6, 8) * signs, jnp.float32)
    return {
        "q": Partial(hill, uniform_actions(rng, BATCH, ACTIONS), height),
        "proposed": uniform_actions(rng, BATCH, ACTIONS),
        "actions": uniform_actions(rng, BATCH, ACTIONS),
        "alpha": float(rng.uniform(1.5, 4)),
    }


def _bc_loss(
    weight: Callable[[Array, float], Array],
    distance: Callable[[Array], Array] = lambda gap: (gap**2).mean(),
    sign: int = -1,
    counts: Callable[[Array], Array] = lambda value: value,
) -> Callable[..., Any]:
    """A variation of the loss, by its weight, its distance, its sign, and what counts of Q."""

    def wrong(q: Any, proposed: Any, actions: Any, alpha: Any) -> Any:
        value = q(proposed)
        return sign * weight(value, alpha) * counts(value).mean() + distance(proposed - actions)

    return wrong


def _bc_alpha_clones(q: Any, proposed: Any, actions: Any, alpha: Any) -> Any:
    value = q(proposed)
    return -td3_bc_weight(value, 1.0) * value.mean() + alpha * ((proposed - actions) ** 2).mean()


def _bc_data_value(q: Any, proposed: Any, actions: Any, alpha: Any) -> Any:
    value = q(actions)
    return -td3_bc_weight(value, alpha) * value.mean() + ((proposed - actions) ** 2).mean()


def _unstopped(value: Any, alpha: Any) -> Any:
    return alpha / jnp.abs(value).mean()


_by_proposal = gradients("proposed")

TD3_BC_LOSS = Exercise(
    id="td3-bc-loss",
    chapter="32_td3_bc",
    kind="find the bug",
    title="Stopped too much",
    minutes=15,
    points=4,
    function="td3_bc_loss",
    reference=td3_bc_loss,
    case=_loss_case,
    probe=_by_proposal,
    mistakes=(
        Mistake(
            "stopped too much",
            where_value_is_right(
                looks_like(
                    _bc_loss(td3_bc_weight, counts=jax.lax.stop_gradient), probe=_by_proposal
                )
            ),
            "The loss is right to the last digit, and its gradient is cloning's: nothing climbs. "
            "stop_gradient stands around all of Q, so the critic cannot say which way is up. Only "
            "the weight's denominator must not pass a gradient.",
        ),
        Mistake(
            "weight not stopped",
            where_value_is_right(looks_like(_bc_loss(_unstopped), probe=_by_proposal)),
            "Now nothing is stopped: the value is right, and the gradient also passes through the "
            "weight. The actor can then change the exchange rate instead of its actions. In one of "
            "its two places Q is a number that only rescales.",
        ),
        Mistake(
            "cloning stopped",
            where_value_is_right(
                looks_like(
                    _bc_loss(td3_bc_weight, lambda gap: (jax.lax.stop_gradient(gap) ** 2).mean()),
                    probe=_by_proposal,
                )
            ),
            "The value is right, and nothing holds the actor near the data: the distance passes no "
            "gradient. It is TD3 that is trained here, whatever the loss says.",
        ),
        Mistake(
            "no gradient",
            no_gradient("proposed"),
            "The number is right, and nothing can be learned from it: both terms are stopped.",
        ),
        Mistake(
            "away from the critic",
            looks_like(_bc_loss(td3_bc_weight, sign=1)),
            "The actor walks downhill: a loss is made *small*, and the value of its actions should "
            "become large.",
        ),
        Mistake(
            "sum over the components",
            looks_like(_bc_loss(td3_bc_weight, lambda gap: (gap**2).sum(axis=-1).mean())),
            "The distance is summed over the numbers of an action. The paper does not say how they "
            "are combined; this book follows the authors' code, which takes the mean over all.",
        ),
        Mistake(
            "alpha on the wrong term",
            looks_like(_bc_alpha_clones),
            "Here alpha weighs the cloning. In TD3+BC it weighs the climb: with alpha = 0 nothing "
            "but cloning is left.",
        ),
        Mistake(
            "value of the data's actions",
            looks_like(_bc_data_value),
            "The critic is asked about what the data did, and the actor cannot change that. Ask it "
            "about the actor's own proposal.",
        ),
        Mistake(
            "no weight",
            looks_like(
                _bc_loss(lambda value, alpha: alpha * jnp.ones(())),
                _bc_loss(lambda value, alpha: jnp.ones(())),
            ),
            "The value counts in its own unit: a critic that says a hundred times as much would "
            "make the actor a hundred times as greedy. Divide by the mean size of Q.",
        ),
        Mistake(
            "distance without the square",
            looks_like(_bc_loss(td3_bc_weight, lambda gap: jnp.abs(gap).mean())),
            "The distance is the absolute one here. Cloning's is squared.",
        ),
    ),
    hints=(
        "The given loss is right as a number. What is its gradient by `proposed`, and whose "
        "gradient is that?",
        "Q occurs twice: once as what is to be climbed, once as the size that it is divided by. "
        "Which of the two is only a number?",
        "Take the value without a stop, and stop the mean of its size.",
    ),
    praise="Each quantity has a name, and the one that must not pass a gradient is stopped where "
    "it gets its name. A loss that is right to the last digit shows nothing: look at the gradient.",
)


def dial(grid: np.ndarray, q: np.ndarray, actions: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """Where an actor goes in one state, for each alpha: (settings,), out of `grid`.

    `grid`: (places,), the actions it may choose. `q`: (places,), what the critic says of each, over
    its mean size. `actions`: (rows,), what the data did there. `alphas`: (settings,).
    """
    distance = ((grid[:, None] - actions) ** 2).mean(axis=1)
    losses = distance - alphas[:, None] * q
    return grid[losses.argmin(axis=1)]


def _dial_case(rng: np.random.Generator) -> Case:
    grid = np.linspace(-1, 1, 41)
    phase, lean = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    left = rng.integers(5, 8)  # of nine rows, for one side; the others went to the other
    sides = lean * np.where(np.arange(9) < left, -0.7, 0.7)
    return {
        "grid": grid,
        "q": 1 + lean * 0.4 * grid + 0.3 * np.sin(5 * grid + phase),
        "actions": sides + rng.normal(scale=0.1, size=9),
        "alphas": np.array([0.0, *np.sort(rng.uniform(0.2, 4, size=5)), 100.0]),
    }


def _dial_by(loss: Callable[[Any, Any, Any, Any], Any]) -> Callable[..., Any]:
    """The dial of another loss; it is given grid as (places, 1), alphas as (settings, 1)."""

    def wrong(grid: Any, q: Any, actions: Any, alphas: Any) -> Any:
        losses = loss(grid[:, None], q, actions, alphas[:, None])
        return grid[np.broadcast_to(losses, (len(alphas), len(grid))).argmin(axis=1)]

    return wrong


def _apart(grid: Any, actions: Any) -> Any:
    return ((grid - actions) ** 2).mean(axis=1)


DIAL = Exercise(
    id="alpha-dial",
    chapter="32_td3_bc",
    kind="predict then run",
    title="From one end of the dial to the other",
    minutes=15,
    points=3,
    function="dial",
    reference=dial,
    case=_dial_case,
    choices={
        "a": Choice(
            "at -0.8: it does what most did",
            "A vote would do that. But the squared distance has its minimum at the *mean* of what "
            "was done, and the mean of these four is somewhere else. Compute the dial and look.",
        ),
        "b": Choice(
            "at -0.4, which nobody did",
            "Yes: the mean of three times -0.8 and once 0.8. It stays near an average and not near "
            "the data. Now turn the dial up, and see where it ends.",
        ),
        "c": Choice(
            "at 1, where the critic's values are highest",
            "That is the other end of the dial: alpha weighs the climb, so with 0 the critic is "
            "not asked at all. Compute both ends and look.",
        ),
    },
    mistakes=(
        Mistake(
            "the critic is not asked",
            looks_like(_dial_by(lambda grid, q, actions, alphas: _apart(grid, actions))),
            "It stays at the data's mean whatever alpha is. Where does the critic come in?",
        ),
        Mistake(
            "the data is not asked",
            looks_like(_dial_by(lambda grid, q, actions, alphas: -alphas * q)),
            "It goes to the critic's top whatever the data did; that is TD3. Where is the "
            "distance to the data?",
        ),
        Mistake(
            "the worst instead of the best",
            looks_like(
                _dial_by(lambda grid, q, actions, alphas: alphas * q - _apart(grid, actions))
            ),
            "These are the places where the loss is *largest*. A loss is to be made small.",
        ),
        Mistake(
            "away from the critic",
            looks_like(
                _dial_by(lambda grid, q, actions, alphas: alphas * q + _apart(grid, actions))
            ),
            "As alpha grows it flees from the critic's top: the value must make the loss smaller.",
        ),
        Mistake(
            "alpha on the wrong term",
            looks_like(
                _dial_by(lambda grid, q, actions, alphas: alphas * _apart(grid, actions) - q)
            ),
            "The dial is the wrong way round: with 0 it should clone, and with a large alpha "
            "climb. Alpha weighs the value.",
        ),
        Mistake(
            "the nearest row instead of all",
            looks_like(
                _dial_by(
                    lambda grid, q, actions, alphas: (
                        ((grid - actions) ** 2).min(axis=1) - alphas * q
                    )
                )
            ),
            "This is the distance to the nearest row of the data. That is a fine idea, which later "
            "algorithms had, but TD3+BC takes the mean over all rows.",
        ),
        Mistake(
            "the distance without its square",
            looks_like(
                _dial_by(
                    lambda grid, q, actions, alphas: (
                        np.abs(grid - actions).mean(axis=1) - alphas * q
                    )
                )
            ),
            "The absolute distance is least at the median, and there the crowd wins. The task "
            "asks for the squared one.",
        ),
        Mistake(
            "a place's number instead of the place",
            looks_like(lambda **case: np.searchsorted(case["grid"], dial(**case) - 1e-9)),
            "These are numbers of places in the grid. Return the actions that stand there.",
        ),
    ),
    hints=(
        "For one action of the grid: what is the mean squared distance to what the data did?",
        "A table with a line for each alpha and a column for each place holds all losses: give "
        "one array a new axis with `[:, None]`.",
        "Then find the smallest loss of each line, and look up which action stands there.",
    ),
    praise="One table holds every setting of the dial, and one argmin reads it. Its first entry is "
    "cloning, its last TD3; and between them, for a while, an action that nobody took.",
)

EXERCISES: tuple[Exercise, ...] = (
    TD3_BC_WEIGHT,
    TD3_BC_LOSS,
    DIAL,
)
