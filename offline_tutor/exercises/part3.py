"""Exercises of part 3, continuous actions: 31_td3, 32_td3_bc, 33_sac, 34_cql_continuous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from offline_tutor.data import Array
from offline_tutor.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    compiled,
    gradients,
    looks_like,
    returns,
    same,
)

Values = Callable[[Array], Array]  # what a critic says of actions, (batch, action): (batch,)
Shows = Callable[[Seen, Seen, Case], bool]  # of a mistake
Critic = Callable[[Array, Array], Array]  # the same of observations and actions: (...)

BATCH, ACTIONS = 6, 3  # rows and action components of the random inputs


def _random(rng: np.random.Generator, *shape: int, mean: float = 0.0) -> Array:
    return jnp.asarray(rng.normal(mean, size=shape), jnp.float32)


def _inside(rng: np.random.Generator, *shape: int) -> Array:
    """Actions inside the box."""
    return jnp.asarray(rng.uniform(-1, 1, size=shape), jnp.float32)


def _with(right: Callable[..., Any], **changes: Callable[[Any], Any]) -> Callable[..., Any]:
    """The right function, but asked about arguments that have been changed."""

    def wrong(**case: Any) -> Any:
        return right(**{**case, **{name: change(case[name]) for name, change in changes.items()}})

    return wrong


def _numbers(*wrong: Callable[..., Any]) -> Shows:
    """`looks_like` for wrong functions in NumPy: there is nothing to compile."""

    def plain(function: Callable[..., Any], case: Case) -> dict[str, Any]:
        return {"value": function(**jax.tree.map(np.asarray, dict(case)))}

    return looks_like(*wrong, probe=plain)


def _where_value_is_right(shows: Shows) -> Shows:
    """Asks only where the value is right, since a gradient takes a while to compile."""
    return lambda mine, right, case: (
        same(mine["value"], right["value"]) and shows(mine, right, case)
    )


def _no_gradient(name: str) -> Shows:
    """Shows where the value is right and its gradient is zero."""

    def shows(mine: Seen, right: Seen, case: Case) -> bool:
        return same(mine["value"], right["value"]) and not mine[name].any()

    return shows


def _overflows(mine: Seen, right: Seen, case: Case) -> bool:
    """Shows where the value is infinite or no number, and should be neither."""
    return not np.isfinite(mine["value"]).all()


def _hill(top: Array, height: Array, actions: Array) -> Array:
    """A critic of actions, (batch, action), with one hill in each row: (batch,)."""
    return height - ((actions - top) ** 2).sum(axis=-1)


# --------------------------------------------------------------------------------- 31_td3


def td3_targets(
    q1: Values,
    q2: Values,
    rewards: Array,
    terminations: Array,
    next_actions: Array,
    noise: Array,
    noise_clip: float,
    discount: float,
) -> Array:
    """What both critics should have said: (batch,).

    `q1`, `q2`: functions, what each target critic says of actions (batch, action) in the rows' next
    states: (batch,). `rewards`, `terminations`: (batch,). `next_actions`: (batch, action), the
    target actor's, between -1 and 1. `noise`: (batch, action), as drawn, not clipped yet.
    """
    noise = jnp.clip(noise, -noise_clip, noise_clip)
    tried = jnp.clip(next_actions + noise, -1, 1)
    smaller = jnp.minimum(q1(tried), q2(tried))
    return rewards + discount * (1 - terminations) * smaller


def _targets_case(rng: np.random.Generator) -> Case:
    actions, noise = rng.uniform(-1, 1, size=(BATCH, ACTIONS)), rng.normal(size=(BATCH, ACTIONS))
    actions[:2, 0], noise[:2, 0] = (0.95, 0.0), (0.9, 0.9)  # one leaves the box, one is clipped
    ended = [0.0, 0.0, *rng.permutation([0.0, 0.0, 1.0, 1.0])]  # those two go on
    twins = [Partial(_hill, _random(rng, BATCH, ACTIONS), _random(rng, BATCH)) for _ in range(2)]
    return {
        "q1": twins[0],
        "q2": twins[1],
        "rewards": _random(rng, BATCH),
        "terminations": jnp.asarray(ended, jnp.float32),
        "next_actions": jnp.asarray(actions, jnp.float32),
        "noise": jnp.asarray(noise, jnp.float32),
        "noise_clip": float(rng.uniform(0.2, 0.5)),
        "discount": float(rng.uniform(0.8, 0.95)),
    }


def _targets_by(choose: Callable[[Array, Array], Array]) -> Callable[..., Any]:
    def wrong(**case: Any) -> Any:
        def both(actions: Array) -> Array:
            return choose(case["q1"](actions), case["q2"](actions))

        return td3_targets(**{**case, "q1": both, "q2": both})

    return wrong


def _targets_outside(q1: Any, q2: Any, noise: Any, noise_clip: Any, **case: Any) -> Any:
    tried = case["next_actions"] + jnp.clip(noise, -noise_clip, noise_clip)
    alive = case["discount"] * (1 - case["terminations"])
    return case["rewards"] + alive * jnp.minimum(q1(tried), q2(tried))


def _targets_discounted(**case: Any) -> Any:
    return td3_targets(**{**case, "rewards": case["discount"] * case["rewards"]})


TD3_TARGET = Exercise(
    id="td3-target",
    chapter="31_td3",
    kind="fill in",
    title="What the twins should have said",
    minutes=15,
    points=4,
    function="td3_targets",
    reference=td3_targets,
    case=_targets_case,
    mistakes=(
        Mistake(
            "terminations ignored",
            looks_like(_with(td3_targets, terminations=jnp.zeros_like)),
            "Rows on which the task ended count on a next state here. There is none: after a "
            "termination the reward was the last thing to come, and the target is that reward.",
        ),
        Mistake(
            "terminations the wrong way round",
            looks_like(_with(td3_targets, terminations=lambda ended: 1 - ended)),
            "Only rows on which the task ended look ahead here, and all others stop. The flag is 1 "
            "where there is *no* next value to be had.",
        ),
        Mistake(
            "one minimum for the whole minibatch",
            looks_like(_targets_by(lambda a, b: jnp.full_like(a, jnp.minimum(a, b).min()))),
            "Every row gets the smallest value of the whole minibatch, so that a row's target "
            "depends on which other rows were drawn. The smaller of *two* numbers is meant, row "
            "by row.",
        ),
        Mistake(
            "not the smaller of the twins",
            looks_like(
                _targets_by(jnp.maximum),
                _targets_by(lambda a, b: (a + b) / 2),
                _targets_by(lambda a, b: a),
                _targets_by(lambda a, b: b),
            ),
            "All is right but how the two critics are joined. The actor goes to where a critic "
            "errs upwards; the repair is to believe whichever promises less, row by row.",
        ),
        Mistake(
            "noise not clipped",
            looks_like(_with(td3_targets, noise_clip=lambda clip: np.inf)),
            "The noise may be as large as it was drawn. The target is to look at *similar* "
            "actions: cut the noise off at noise_clip on both sides before you add it.",
        ),
        Mistake(
            "outside the box",
            looks_like(_targets_outside),
            "An action near its limit, plus noise, lies beyond what the motor can do: nobody ever "
            "tried it, and nothing that the critic says there was learned. Clip once more.",
        ),
        Mistake(
            "no noise",
            looks_like(_with(td3_targets, noise=jnp.zeros_like)),
            "The critics are asked about the target actor's action itself. TD3 asks about one "
            "near it, so that a narrow spike is not believed: where is the noise?",
        ),
        Mistake(
            "no discount",
            looks_like(_with(td3_targets, discount=lambda discount: 1.0)),
            "What comes later counts in full here. The next value is worth discount times as much.",
        ),
        Mistake(
            "reward discounted",
            looks_like(_targets_discounted),
            "The reward is discounted, too. It comes now; only what follows it is further away.",
        ),
    ),
    hints=(
        "Three steps: which action is tried in the next state, what is it worth, what is the "
        "target.",
        "The action is clipped twice: the noise before it is added, and the sum afterwards, so "
        "that it stays in the box from -1 to 1.",
        "`jnp.minimum` of two arrays goes row by row; `.min()` of one does not. And a factor of "
        "`1 - terminations` belongs to what comes after the row, not to its reward.",
    ),
    praise="Each line is one repair: similar actions, allowed actions, the twin that promises "
    "less. And the last says when to look ahead at all, which no repair can do without.",
)


def follow(start: np.ndarray, online: np.ndarray, tau: float, delay: int) -> np.ndarray:
    """A target network's parameters after each step of the critics: (steps, parameters).

    `start`: (parameters,), the target's before the first step. `online`: (steps, parameters), the
    critic's after each step. After each `delay`-th step the target moves by the share `tau`.
    """
    target, after = start, []
    for step, trained in enumerate(online, start=1):
        if step % delay == 0:
            target = target + tau * (trained - target)
        after.append(target)
    return np.stack(after)


def _follow_case(rng: np.random.Generator) -> Case:
    return {
        "start": rng.normal(size=3),
        "online": rng.normal(size=(13, 3)).cumsum(axis=0),
        "tau": float(rng.uniform(0.05, 0.3)),
        "delay": int(rng.integers(2, 5)),
    }


def _follow_early(start: Any, online: Any, tau: Any, delay: Any) -> Any:
    moves = np.arange(len(online)) % delay == 0
    after = []
    for trained, moved in zip(online, moves, strict=True):
        start = start + moved * tau * (trained - start)
        after.append(start)
    return np.stack(after)


def _other_share(share: float) -> float:
    return 1 - share


def _follow_start(start: Any, online: Any, tau: Any, delay: Any) -> Any:
    after = []
    for step in range(1, len(online) + 1):
        moves = step // delay
        latest = online[moves * delay - 1] if moves else start
        after.append(start + tau * (latest - start))
    return np.stack(after)


def _follow_adds(start: Any, online: Any, tau: Any, delay: Any) -> Any:
    moves = (np.arange(1, len(online) + 1) % delay == 0)[:, None]
    return start + np.cumsum(moves * tau * online, axis=0)


SLOW_COPIES = Exercise(
    id="slow-copies",
    chapter="31_td3",
    kind="find the bug",
    title="The copy that hurries",
    minutes=10,
    points=3,
    function="follow",
    reference=follow,
    case=_follow_case,
    mistakes=(
        Mistake(
            "the wrong way round",
            looks_like(
                _with(follow, tau=_other_share),
                _with(_follow_early, tau=_other_share),
                _with(follow, tau=_other_share, delay=lambda delay: 1),
            ),
            "The shares have changed places: with a small tau the target takes nearly all of the "
            "trained network, and keeps next to nothing of itself. What is slow about it then?",
        ),
        Mistake(
            "moves at the first step already",
            looks_like(_follow_early),
            "The shares are right, and it moves too early: at the first step, then delay steps "
            "later. Count steps that are *done*: with a delay of 2 the target rests at the first "
            "and moves after the second.",
        ),
        Mistake(
            "moves at every step",
            looks_like(_with(follow, delay=lambda delay: 1)),
            "The target moves after every step of the critics, so the hill never settles. It waits "
            "for each delay-th.",
        ),
        Mistake(
            "forgets where it was",
            looks_like(_follow_start),
            "Each time the target is mixed from its very first parameters and the trained ones. "
            "It should go on from where it is: what it was a moment ago, and a little of the new.",
        ),
        Mistake(
            "a full copy",
            looks_like(_with(follow, tau=lambda tau: 1.0)),
            "The target becomes the trained network whenever it moves. That is how Q-learning's "
            "target does it, after thousands of steps; TD3's moves by the share tau.",
        ),
        Mistake(
            "adds in place of mixing",
            looks_like(_follow_adds),
            "The target keeps all of itself and takes a share of the new besides, so it grows and "
            "grows. The two shares have to add up to 1.",
        ),
    ),
    hints=(
        "Let the critic jump to 1 and stay there. With tau = 0.1 and a delay of 2, what should "
        "the target be after one, two, three, four steps?",
        "There are two slips: how much it takes, and at which steps.",
        "It keeps the share 1 - tau of itself. `enumerate(online, start=1)` counts as people do.",
    ),
    praise="Written as a step towards the trained network, target + tau * (difference), the shares "
    "cannot change places: a small tau is a small step. With the wrong one nothing crashes: each "
    "critic then learns from what it has just said itself.",
)


def promises(errors1: np.ndarray, errors2: np.ndarray) -> tuple[float, float]:
    """What is promised at the first critic's favourite action, on average over states.

    Two numbers: by that critic, and by the smaller of both. `errors1`, `errors2`: (states,
    actions), what the critics say where everything is worth 0.
    """
    rows = np.arange(len(errors1))
    favourite = errors1.argmax(axis=1)
    first, second = errors1[rows, favourite], errors2[rows, favourite]
    return first.mean(), np.minimum(first, second).mean()


def _promises_case(rng: np.random.Generator) -> Case:
    return {"errors1": rng.normal(size=(30, 5)), "errors2": rng.normal(size=(30, 5))}


def _smaller(function: Any, case: Case) -> dict[str, Any]:
    return {"smaller": function(**case)[1]}


_promised = returns("promise", "smaller")


def _promises_first_join(errors1: Any, errors2: Any) -> Any:
    smaller = np.minimum(errors1, errors2)
    return errors1.max(axis=1).mean(), smaller.max(axis=1).mean()


def _promises_own(errors1: Any, errors2: Any) -> Any:
    first, second = errors1.max(axis=1), errors2.max(axis=1)
    return first.mean(), np.minimum(first, second).mean()


def _promises_second(errors1: Any, errors2: Any) -> Any:
    second = errors2[np.arange(len(errors1)), errors1.argmax(axis=1)]
    return errors1.max(axis=1).mean(), second.mean()


def _promises_late_minimum(errors1: Any, errors2: Any) -> Any:
    first, second = _promises_second(errors1, errors2)
    return first, min(first, second)


def _promises_of_columns(errors1: Any, errors2: Any) -> Any:
    return promises(errors1.T, errors2.T)


def _promises_one_action(errors1: Any, errors2: Any) -> Any:
    best = errors1.mean(axis=0).argmax()
    return errors1[:, best].mean(), np.minimum(errors1, errors2)[:, best].mean()


TWIN_PROMISES = Exercise(
    id="twin-promises",
    chapter="31_td3",
    kind="predict then run",
    title="What a favourite promises",
    minutes=10,
    points=3,
    function="promises",
    reference=promises,
    case=_promises_case,
    probe=_promised,
    choices={
        "a": Choice(
            "about 1.5, as the first does",
            "It would be, if the second critic had chosen, too, or if both made the same errors. "
            "Here it was asked about an action that it did not choose. Measure what it says.",
        ),
        "b": Choice(
            "about 0, a little below",
            "Well seen: the second critic did not choose this action, so its error there is as "
            "often up as down. And why a little below? Measure it.",
        ),
        "c": Choice(
            "about -1.5",
            "The second critic has no reason to be wrong in the *opposite* direction either: it "
            "knows nothing of the first one's errors. Measure what it says.",
        ),
    },
    mistakes=(
        Mistake(
            "the minimum too early",
            looks_like(_promises_first_join, probe=_smaller),
            "Here the actor looks for the best of the *smaller* values. TD3's actor listens to the "
            "first critic alone; the second is asked afterwards, about the action chosen by then.",
        ),
        Mistake(
            "each critic its own favourite",
            looks_like(_promises_own, probe=_smaller),
            "The second number takes the largest value of each critic, at two different actions. "
            "Both must be asked about the same one, the first critic's favourite.",
        ),
        Mistake(
            "only the second critic",
            looks_like(_promises_second, probe=_promised),
            "This is what the second critic says. In some states the first says less even at its "
            "own favourite, and then the smaller is the first's.",
        ),
        Mistake(
            "the minimum of two means",
            looks_like(_promises_late_minimum, probe=_promised),
            "The smaller of two averages is not the average of the smaller ones. Compare the two "
            "critics in each state, then take the mean.",
        ),
        Mistake(
            "a favourite among states",
            looks_like(_promises_of_columns, probe=_promised),
            "The largest value is looked for down the columns: for each action its best state. An "
            "actor is in one state and chooses among the actions: the other axis.",
        ),
        Mistake(
            "one action for all states",
            looks_like(_promises_one_action, probe=_promised),
            "One action is chosen for all states together. An actor answers each state by itself.",
        ),
        Mistake(
            "the two numbers swapped",
            looks_like(lambda **case: promises(**case)[::-1], probe=_promised),
            "Both numbers are right and have changed places: first what the first critic promises.",
        ),
    ),
    hints=(
        "In each state: at which action is the first critic's value largest?",
        "`errors1.argmax(axis=1)` gives a column for each state. An array of row numbers beside it "
        "picks one entry of each row.",
        "Pick from both arrays at the same places, take the smaller of the two in each state, and "
        "only then the mean.",
    ),
    praise="The same rows and columns pick from both arrays, so that both critics are surely asked "
    "about one action. The first promises a lot although it is right on average: it was asked "
    "where it errs upwards. The second was not.",
)

# ------------------------------------------------------------------------------ 32_td3_bc


def td3_bc_weight(q: Array, alpha: float) -> Array:
    """The weight of the value term, (): alpha over the mean size of Q, a number without gradient.

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
            "The number is right, but a gradient passes through it. Multiplied by the mean of Q it "
            "lets the actor change the exchange rate in place of its actions: where all values "
            "have one sign, weight times value is then a constant, and nothing is climbed at all.",
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
            "The larger the values, the larger this weight. It should undo their size: if rewards "
            "are counted in cents in place of dollars, the loss must not notice.",
        ),
        Mistake(
            "multiplied",
            looks_like(lambda q, alpha: alpha * jnp.abs(q).mean()),
            "Here the unit of the reward counts twice. Divide by the mean size, and the loss does "
            "not notice whether rewards are dollars or cents.",
        ),
        Mistake(
            "alpha is missing",
            looks_like(lambda q, alpha: 1 / jnp.abs(q).mean()),
            "This brings the value term to size 1. The dial is missing that says how much it "
            "should count against cloning.",
        ),
        Mistake(
            "sum in place of the mean",
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
            "A measure of size, and not the one that was asked for: the mean of the absolute "
            "values.",
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
        "q": Partial(_hill, _inside(rng, BATCH, ACTIONS), height),
        "proposed": _inside(rng, BATCH, ACTIONS),
        "actions": _inside(rng, BATCH, ACTIONS),
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
            _where_value_is_right(
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
            _where_value_is_right(looks_like(_bc_loss(_unstopped), probe=_by_proposal)),
            "Now nothing is stopped: the value is right, and the gradient also passes through the "
            "weight. The actor can then change the exchange rate in place of its actions. One of "
            "the two places where Q occurs is a number that only rescales.",
        ),
        Mistake(
            "cloning stopped",
            _where_value_is_right(
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
            _no_gradient("gradient by proposed"),
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
            "The distance is summed over the numbers of an action, as the paper has it. This book "
            "follows the authors' code, and so every published number: the mean over all of them.",
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
            "The value counts in its own unit: rewards in cents would make the actor a hundred "
            "times as greedy. Divide by the mean size of Q.",
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
    """Where an actor goes in one state, for each alpha: (settings,), elements of `grid`.

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
            "the worst in place of the best",
            looks_like(
                _dial_by(lambda grid, q, actions, alphas: alphas * q - _apart(grid, actions))
            ),
            "These are the places where the loss is *largest*. A loss is made small.",
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
            "The dial is turned round: with 0 it should clone, and at its other end climb. Alpha "
            "weighs the value.",
        ),
        Mistake(
            "the nearest row in place of all",
            looks_like(
                _dial_by(
                    lambda grid, q, actions, alphas: (
                        ((grid - actions) ** 2).min(axis=1) - alphas * q
                    )
                )
            ),
            "The distance to the nearest row that the data holds: a fine idea, which later "
            "algorithms had, and not this one. Cloning's loss is the mean over all rows.",
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
            "a place's number in place of the place",
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

# --------------------------------------------------------------------------------- 33_sac


def log_density(mean: Array, log_std: Array, noise: Array) -> Array:
    """The log-density of the action tanh(u), u = mean + exp(log_std) * noise: (batch,).

    `mean`, `log_std`, `noise`: (batch, action); the noise is standard normal.
    """
    u = mean + jnp.exp(log_std) * noise
    log_normal = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)
    log_slope = 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
    return (log_normal - log_slope).sum(axis=-1)


def _density_case(rng: np.random.Generator) -> Case:
    mean = rng.normal(size=(BATCH, ACTIONS))
    mean[0, 0] = rng.choice([-1, 1]) * rng.uniform(12, 14)  # tanh of it rounds to 1
    log_std = rng.uniform(-1.5, -0.3, size=(BATCH, ACTIONS))
    return {
        "mean": jnp.asarray(mean, jnp.float32),
        "log_std": jnp.asarray(log_std, jnp.float32),
        "noise": _random(rng, BATCH, ACTIONS),
    }


def _density_by(
    normal: Callable[[Array, Array], Array] = lambda noise, log_std: (
        -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
    ),
    correction: Callable[[Array], Array] = lambda u: (
        -2 * (np.log(2.0) - u - np.logaddexp(0.0, -2 * u))
    ),
    over: Callable[[Array], Array] = lambda each: each.sum(axis=-1),
) -> Callable[..., Any]:
    """A variation of the log-density, by its normal, its correction, and how components join."""

    def wrong(mean: Any, log_std: Any, noise: Any) -> Any:
        return over(normal(noise, log_std) + correction(mean + np.exp(log_std) * noise))

    return wrong


def _stands_still(mine: Seen, right: Seen, case: Case) -> bool:
    """Shows where ordinary rows agree roughly, and those do not that run far out."""
    u = np.abs(case["mean"] + np.exp(case["log_std"]) * case["noise"])
    near, far = (u < 2.5).all(axis=-1), (u > 8).any(axis=-1)
    if mine["value"].shape != near.shape or not near.any():
        return False
    gap = np.abs(mine["value"] - right["value"])
    return bool(gap[near].max() < 0.05 and gap[far].min() > 0.5)


def _is_not_summed(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["value"].shape == case["mean"].shape


TANH_DENSITY = Exercise(
    id="tanh-log-density",
    chapter="33_sac",
    kind="fill in",
    title="How likely was that action?",
    minutes=15,
    points=4,
    function="log_density",
    reference=log_density,
    case=_density_case,
    probe=gradients("mean"),
    mistakes=(
        Mistake(
            "one density for each component",
            _is_not_summed,
            "There is a number for each of an action's components. The components are drawn "
            "independently, so the action's density is their product, and its logarithm one sum "
            "for each row.",
        ),
        Mistake(
            "rounds to infinity",
            _overflows,
            "Where u is large, tanh(u) rounds to 1 and the logarithm of 0 is minus infinity: one "
            "such sample makes the whole network a NaN. 1 - tanh(u)^2 is 4 / (e^u + e^-u)^2; "
            "write its logarithm with softplus.",
        ),
        Mistake(
            "correction missing",
            _numbers(_density_by(correction=np.zeros_like)),
            "This is the density of u. The action is tanh(u), which presses the whole line into "
            "(-1, 1), so that its density is larger where tanh is flat. As it stands it does not "
            "integrate to one.",
        ),
        Mistake(
            "correction the wrong way round",
            _numbers(
                _density_by(correction=lambda u: 2 * (np.log(2.0) - u - np.logaddexp(0.0, -2 * u)))
            ),
            "The correction has the wrong sign. tanh presses the line *together*: the same "
            "probability on a shorter piece, so the density grows where tanh is flat.",
        ),
        Mistake(
            "patched with a small number",
            _stands_still,
            "A small number inside the logarithm keeps it finite, and makes it wrong just where it "
            "matters: far out the true correction goes on growing, and yours stands still and "
            "has no gradient. Find the form that is exact; softplus helps.",
        ),
        Mistake(
            "mean over the components",
            _numbers(_density_by(over=lambda each: each.mean(axis=-1))),
            "The components' log-densities are averaged. A product of densities has the *sum* of "
            "their logarithms: with a mean an arm of seven joints would seem as easy to guess as "
            "one.",
        ),
        Mistake(
            "sum over the rows",
            _numbers(
                _density_by(over=lambda each: each.sum(axis=0)),
                _density_by(over=lambda each: each.sum()),
            ),
            "Rows of the minibatch are added up. Sum over the components of each action, the last "
            "axis.",
        ),
        Mistake(
            "deviation left out",
            _numbers(_density_by(lambda noise, log_std: -0.5 * noise**2 - 0.5 * np.log(2 * np.pi))),
            "As it stands every policy is equally sure of itself: the normal density of u falls as "
            "its deviation grows, and that term is missing.",
        ),
        Mistake(
            "deviation in place of its logarithm",
            _numbers(
                _density_by(
                    lambda noise, log_std: (
                        -0.5 * noise**2 - np.exp(log_std) - 0.5 * np.log(2 * np.pi)
                    )
                )
            ),
            "The deviation itself is subtracted where its logarithm belongs.",
        ),
        Mistake(
            "the normal's constant is missing",
            _numbers(
                _density_by(lambda noise, log_std: -0.5 * noise**2 - log_std),
                _density_by(lambda noise, log_std: -0.5 * noise**2 - log_std - np.log(2 * np.pi)),
            ),
            "A constant of the normal density is missing or twice there. No gradient of the actor "
            "notices it, but the thermostat does: it compares this with an entropy in nats.",
        ),
    ),
    hints=(
        "Two parts for each component: the log-density of u, which is normal, and the correction "
        "for tanh.",
        "u is `noise` deviations away from its mean, so the normal part needs only `noise` and "
        "`log_std`. Do not forget the constant with 2 pi.",
        "log(1 - tanh(u)^2) = 2 (log 2 - u - log(1 + e^(-2u))), and `jax.nn.softplus(x)` is "
        "log(1 + e^x). Sum over the last axis.",
    ),
    praise="It never asks for 1 - tanh(u)^2, which is 0 in 32 bits from about u = 9 on, but for "
    "its logarithm, which is an ordinary number everywhere. And since the noise is at hand, "
    "nothing has to be inverted.",
)


def soft_targets(
    rewards: Array,
    terminations: Array,
    next_q1: Array,
    next_q2: Array,
    next_log_density: Array,
    temperature: float,
    discount: float,
) -> Array:
    """What SAC's critics should have said: (batch,).

    All arrays (batch,): `next_q1`, `next_q2` are what the target critics say of an action drawn in
    the next state, `next_log_density` how likely it was.
    """
    soft = jnp.minimum(next_q1, next_q2) - temperature * next_log_density
    return rewards + discount * (1 - terminations) * soft


def _soft_case(rng: np.random.Generator) -> Case:
    return {
        "rewards": _random(rng, BATCH),
        "terminations": jnp.asarray(rng.permutation([0.0, 0.0, 0.0, 0.0, 1.0, 1.0]), jnp.float32),
        "next_q1": _random(rng, BATCH),
        "next_q2": _random(rng, BATCH),
        "next_log_density": _random(rng, BATCH),
        "temperature": float(rng.uniform(0.2, 0.8)),
        "discount": float(rng.uniform(0.7, 0.9)),
    }


def _soft_by(target: Callable[..., Any]) -> Callable[..., Any]:
    """Another target: of (r, q, d, h, g), reward, smaller value, termination, pay, discount."""

    def wrong(**case: Any) -> Any:
        q = jnp.minimum(case["next_q1"], case["next_q2"])
        pay = -case["temperature"] * case["next_log_density"]
        return target(case["rewards"], q, case["terminations"], pay, case["discount"])

    return wrong


def _soft_from(choose: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def wrong(**case: Any) -> Any:
        q = choose(case["next_q1"], case["next_q2"])
        return soft_targets(**{**case, "next_q1": q, "next_q2": q})

    return wrong


SOFT_TARGET = Exercise(
    id="soft-target",
    chapter="33_sac",
    kind="find the bug",
    title="Paid after the end",
    minutes=10,
    points=3,
    function="soft_targets",
    reference=soft_targets,
    case=_soft_case,
    mistakes=(
        Mistake(
            "paid after the end",
            looks_like(
                _soft_by(lambda r, q, d, h, g: r + g * (1 - d) * q + h),
                _soft_by(lambda r, q, d, h, g: r + g * (1 - d) * q + g * h),
            ),
            "Entropy is paid where the episode has ended: there is no next state in which anybody "
            "could be undecided. All that comes from the next state ends with the episode.",
        ),
        Mistake(
            "pay not discounted",
            looks_like(_soft_by(lambda r, q, d, h, g: r + (1 - d) * (g * q + h))),
            "The entropy of the next state is paid in full, as if it came now. It is earned one "
            "step later, like the value beside it.",
        ),
        Mistake(
            "doubt is fined",
            looks_like(_with(soft_targets, temperature=lambda temperature: -temperature)),
            "A sure policy is paid here, and doubt is fined. Entropy is the mean of *minus* the "
            "log-density.",
        ),
        Mistake(
            "terminations ignored",
            looks_like(_with(soft_targets, terminations=jnp.zeros_like)),
            "Rows on which the task ended count on a next state. There is none.",
        ),
        Mistake(
            "doubt is not paid",
            looks_like(_with(soft_targets, temperature=lambda temperature: 0.0)),
            "This is TD3's target without its noise. Where is the pay for entropy?",
        ),
        Mistake(
            "temperature is missing",
            looks_like(_with(soft_targets, temperature=lambda temperature: 1.0)),
            "A nat of entropy counts like a reward of 1. What it is worth is the temperature.",
        ),
        Mistake(
            "not the smaller of the twins",
            looks_like(
                _soft_from(jnp.maximum),
                _soft_from(lambda a, b: (a + b) / 2),
                _soft_from(lambda a, b: a),
                _soft_from(lambda a, b: jnp.minimum(a, b).min()),
            ),
            "All is right but how the twins are joined: the smaller of the two, row by row.",
        ),
    ),
    hints=(
        "Take a row with a termination, and compute its target by hand. What does the given "
        "function say?",
        "The reward is of this step. What of the rest is of the next state?",
        "Join the smaller value and the pay for doubt first; then discount both, and drop both "
        "where the task has ended.",
    ),
    praise="The value of a next state, doubt included, is one quantity and has one name, so that "
    "discount and termination cannot miss a part of it. With the slip a robot that falls is paid, "
    "or fined, for a state that it never reaches.",
)


def temperature_loss(log_temperature: Array, log_densities: Array, target_entropy: float) -> Array:
    """What the thermostat makes small: ().

    `log_temperature`: (), what is trained. `log_densities`: (batch,), of the policy's own actions,
    given numbers. `target_entropy`: in nats.
    """
    surprise = log_densities.mean() + target_entropy  # positive where the policy is too sure
    return -log_temperature * surprise


def _thermostat_case(rng: np.random.Generator) -> Case:
    return {
        "log_temperature": jnp.asarray(rng.uniform(0.5, 1.5) * rng.choice([-1, 1]), jnp.float32),
        "log_densities": _random(rng, BATCH, mean=rng.uniform(1, 3)),
        "target_entropy": float(-rng.uniform(1, 7)),
    }


def _thermostat_target(log_temperature: Any, log_densities: Any, target_entropy: Any) -> Any:
    return -log_temperature * (log_densities.mean() - target_entropy)


def _thermostat_paper(log_temperature: Any, log_densities: Any, target_entropy: Any) -> Any:
    return -jnp.exp(log_temperature) * (log_densities.mean() + target_entropy)


def _negative(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **case: -function(**case)


def _is_a_loss_a_row(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["value"].shape == case["log_densities"].shape


THERMOSTAT = Exercise(
    id="thermostat",
    chapter="33_sac",
    kind="predict then run",
    title="Which way does the thermostat turn?",
    minutes=10,
    points=3,
    function="temperature_loss",
    reference=temperature_loss,
    case=_thermostat_case,
    probe=gradients("log_temperature"),
    choices={
        "a": Choice(
            "up: doubt is paid better",
            "A thermostat heats while it is too cold. Is this policy too sure of itself, or more "
            "undecided than it was told to be? Compare 0.4 with -1, and look at the gradient.",
        ),
        "b": Choice(
            "down: doubt is paid less",
            "Yes: the policy is more undecided than it was told to be, so doubt may cost more. Now "
            "write the loss whose gradient does that.",
        ),
        "c": Choice(
            "it stays: an entropy above 0 is enough",
            "Nothing is special about an entropy of 0; a density can have a negative one. What "
            "counts is the distance from the target, here -1. Write the loss and look.",
        ),
    },
    mistakes=(
        Mistake(
            "a loss for each row",
            _is_a_loss_a_row,
            "There is one temperature for all rows, and one loss: take the mean of the "
            "log-densities.",
        ),
        Mistake(
            "turned the wrong way round",
            looks_like(_negative(temperature_loss)),
            "This heats while it is too hot: the surer the policy, the less doubt is paid, until "
            "none is left. Try it: with a policy that is too sure, one step *down* the gradient "
            "should raise the temperature.",
        ),
        Mistake(
            "sign of the target",
            looks_like(_thermostat_target, _negative(_thermostat_target)),
            "Entropy is *minus* the mean log-density, so where log-densities stand, the target "
            "enters with the other sign than where entropies stand. At the target the bracket has "
            "to be 0.",
        ),
        Mistake(
            "temperature in place of its logarithm",
            looks_like(_thermostat_paper, _negative(_thermostat_paper)),
            "This has the temperature where the task asks for its logarithm. So has the paper; its "
            "authors' code and this book train the logarithm, whose steps do not get smaller as "
            "the temperature does.",
        ),
        Mistake(
            "sum in place of the mean",
            looks_like(
                lambda log_temperature, log_densities, target_entropy: (
                    -log_temperature * (log_densities + target_entropy).sum()
                ),
                lambda log_temperature, log_densities, target_entropy: (
                    -log_temperature * (log_densities.sum() + target_entropy)
                ),
            ),
            "The entropy is a mean over the rows; with a sum the balance depends on the size of "
            "the minibatch.",
        ),
        Mistake(
            "no target",
            looks_like(_with(temperature_loss, target_entropy=lambda target: 0.0)),
            "As it stands the thermostat is set to an entropy of 0, whatever the target.",
        ),
        Mistake(
            "no gradient",
            _no_gradient("gradient by log_temperature"),
            "The number is right, and the temperature will never move: its gradient is zero.",
        ),
    ),
    hints=(
        "The policy's entropy is minus the mean of `log_densities`. How far is it from its target?",
        "The loss is the logarithm of the temperature times a number that is positive where the "
        "policy is too undecided, so that a step downhill cools.",
        "That number is the entropy less its target. Written with log-densities, both signs turn.",
    ),
    praise="The bracket has a name that says when it is positive, and only one sign is left to get "
    "wrong. Neither return nor losses show that one soon; two numbers in a test do.",
)

# ---------------------------------------------------------------------- 34_cql_continuous


def log_integral(
    q_uniform: Array,
    q_here: Array,
    q_next: Array,
    log_here: Array,
    log_next: Array,
    action_dim: int,
) -> Array:
    """An estimate of the logarithm of the integral of exp Q over all actions: (batch,).

    `q_uniform`, `q_here`, `q_next`: (batch, n), what a critic says, all in this state, of actions
    drawn uniformly from the cube with sides from -1 to 1, from the policy here, and from the policy
    in the next state. `log_here`, `log_next`: (batch, n), the log-densities that the latter two
    were drawn with.
    """
    log_uniform = -action_dim * jnp.log(2.0)
    groups = [q_uniform - log_uniform, q_here - log_here, q_next - log_next]
    weighed = jnp.concatenate(groups, axis=1)
    return jax.nn.logsumexp(weighed, axis=1) - jnp.log(weighed.shape[1])


def _integral_case(rng: np.random.Generator) -> Case:
    q = rng.normal(size=(3, BATCH, 4))
    q[:, 0] += 100  # exp of it is more than 32 bits can hold
    return {
        "q_uniform": jnp.asarray(q[0], jnp.float32),
        "q_here": jnp.asarray(q[1], jnp.float32),
        "q_next": jnp.asarray(q[2], jnp.float32),
        "log_here": _random(rng, BATCH, 4, mean=1),
        "log_next": _random(rng, BATCH, 4, mean=-1),
        "action_dim": int(rng.integers(3, 7)),
    }


def _integral_by(
    weigh: Callable[..., Any] = lambda q, log_density: q - log_density,
    log_uniform: Callable[[int], Any] = lambda dim: -dim * np.log(2.0),
    count: Callable[[int], Any] = lambda n: 3 * n,
) -> Callable[..., Any]:
    """A variation of the estimate, by the weights, the uniform density and the number."""

    def wrong(
        q_uniform: Any, q_here: Any, q_next: Any, log_here: Any, log_next: Any, action_dim: Any
    ) -> Any:
        uniform = weigh(q_uniform, log_uniform(action_dim))
        groups = [uniform, weigh(q_here, log_here), weigh(q_next, log_next)]
        number = np.log(count(q_here.shape[1]))
        return np.logaddexp.reduce(np.concatenate(groups, axis=1), axis=1) - number

    return wrong


def _integral_one_policy(log_next: Any, log_here: Any, **case: Any) -> Any:
    return _integral_by()(log_here=log_here, log_next=log_here, **case)


def _integral_mean_of_logs(**case: Any) -> Any:
    weighed = [
        case["q_uniform"] + case["action_dim"] * np.log(2.0),
        case["q_here"] - case["log_here"],
        case["q_next"] - case["log_next"],
    ]
    logs = [np.logaddexp.reduce(each, axis=1) - np.log(each.shape[1]) for each in weighed]
    return sum(logs) / 3


def _integral_of_means(**case: Any) -> Any:
    groups = (
        case["q_uniform"] + case["action_dim"] * np.log(2.0),
        case["q_here"] - case["log_here"],
    )
    return np.concatenate([*groups, case["q_next"] - case["log_next"]], axis=1).mean(axis=1)


IMPORTANCE_WEIGHTS = Exercise(
    id="importance-weights",
    chapter="34_cql_continuous",
    kind="fill in",
    title="Thirty samples for an integral",
    minutes=20,
    points=4,
    function="log_integral",
    reference=log_integral,
    case=_integral_case,
    mistakes=(
        Mistake(
            "overflow",
            _overflows,
            "e to the power of a value of 100 is more than a number of 32 bits can hold, and "
            "values of 100 are nothing special. `jax.nn.logsumexp` takes out the largest first.",
        ),
        Mistake(
            "uniform density forgotten",
            _numbers(_integral_by(log_uniform=lambda dim: 0.0)),
            "The uniform samples count as if their density were 1. They fill a cube whose sides "
            "are 2 long: what is its volume, and so the density that integrates to one?",
        ),
        Mistake(
            "uniform density the wrong way round",
            _numbers(_integral_by(log_uniform=lambda dim: dim * np.log(2.0))),
            "The uniform density is the volume of the cube here. A density is one *over* the "
            "volume; its logarithm is negative.",
        ),
        Mistake(
            "one side of the cube",
            _numbers(
                _integral_by(log_uniform=lambda dim: -np.log(2.0)),
                _integral_by(log_uniform=lambda dim: -np.log(2.0 * dim)),
            ),
            "The cube has a side for each component of the action, and its volume is the product "
            "of all of them. In which dimension is yours right?",
        ),
        Mistake(
            "one policy's density for both",
            _numbers(_integral_one_policy),
            "Actions that were drawn in the next state are weighed with the density of the policy "
            "*here*. What counts is the density that a sample was really drawn with.",
        ),
        Mistake(
            "no densities",
            _numbers(_integral_by(weigh=lambda q, log_density: q)),
            "Every sample counts alike. Where the policy draws many actions there are then many "
            "terms, and they are pushed down because they are drawn often, not because Q is large "
            "there. Divide each by the density that it was drawn with.",
        ),
        Mistake(
            "multiplied by the densities",
            _numbers(_integral_by(weigh=lambda q, log_density: q + log_density)),
            "Samples that are drawn often are counted even more here. A density makes up for how "
            "often a sample is drawn: divide by it, so subtract its logarithm.",
        ),
        Mistake(
            "number of samples left out",
            _numbers(_integral_by(count=lambda n: 1)),
            "Right but for a constant, so the gradient is right, and CQL's code stops here. An "
            "estimate of the integral is a *mean* over samples, though: subtract the logarithm of "
            "how many there are.",
        ),
        Mistake(
            "three integrals added",
            _numbers(_integral_by(count=lambda n: n)),
            "Each group is an estimate of the whole integral, and here the three are added up. "
            "Take their mean: how many samples are there altogether?",
        ),
        Mistake(
            "mean of three logarithms",
            _numbers(_integral_mean_of_logs),
            "Each group's logarithm is taken by itself, and those are averaged. Average the "
            "integrals, then take the logarithm: put all samples into one sum.",
        ),
        Mistake(
            "mean in place of the logsumexp",
            _numbers(_integral_of_means),
            "A mean of Q less log-density: every sample is pushed equally, whether its value is "
            "large or small. The integral is of exp Q.",
        ),
    ),
    hints=(
        "For each sample: e^Q over the density that it was drawn with. In logarithms that is a "
        "difference.",
        "The uniform density on a cube of volume V is 1 / V. Here V has a factor of 2 for each "
        "component.",
        "Put the three groups side by side, `jax.nn.logsumexp` over the samples of each row, and "
        "make a mean of the sum.",
    ),
    praise="The three groups are treated alike, since what makes them differ is only the density. "
    "A sample drawn from another policy is as good as any, so long as that one's density is used. "
    "For a straight line the integral is known: that is the test which the wrong ones do not pass.",
)


def conservative_gap(
    q: Critic,
    observations: Array,
    next_observations: Array,
    actions: Array,
    here: Array,
    there: Array,
    log_here: Array,
    log_there: Array,
) -> Array:
    """How far a critic stands above what it says of the data's actions, mean over rows: ().

    `q`: a function of observations (..., observation) and actions (..., action): (...). `here`,
    `there`: (batch, n, action), actions that the policy would take in `observations` and in
    `next_observations`, both (batch, observation), drawn with the log-densities `log_here` and
    `log_there`, (batch, n). `actions`: (batch, action), the data's.
    """
    sampled = jnp.concatenate([here, there], axis=1)
    log_densities = jnp.concatenate([log_here, log_there], axis=1)
    states = jnp.repeat(observations[:, None], sampled.shape[1], axis=1)
    soft_maximum = jax.nn.logsumexp(q(states, sampled) - log_densities, axis=1)
    return (soft_maximum - q(observations, actions)).mean()


def _hollow(state: Array, action: Array, observations: Array, actions: Array) -> Array:
    """A critic in plain operators, as good for NumPy as for JAX: (...)."""
    return (observations * state).sum(axis=-1) + (actions * (action + actions)).sum(axis=-1)


def _gap_case(rng: np.random.Generator) -> Case:
    return {
        "q": Partial(_hollow, _random(rng, 2), _random(rng, ACTIONS)),
        "observations": _random(rng, BATCH, 2),
        "next_observations": _random(rng, BATCH, 2),
        "actions": _inside(rng, BATCH, ACTIONS),
        "here": _inside(rng, BATCH, 4, ACTIONS),
        "there": _inside(rng, BATCH, 4, ACTIONS),
        "log_here": _random(rng, BATCH, 4, mean=1),
        "log_there": _random(rng, BATCH, 4, mean=-1),
    }


@compiled
def _gap_and_gradient(function: Any, case: Case) -> dict[str, Any]:
    """The value, and the gradient by the critic's weights."""

    def total(q: Any) -> Any:
        gap = function(**{**case, "q": q})
        return jnp.sum(gap), gap

    by_critic, gap = jax.grad(total, has_aux=True)(case["q"])
    return {"value": gap, "gradient by the critic": jnp.concatenate(jax.tree.leaves(by_critic))}


def _gap_by(
    join: Callable[[Array, Array], Array] = lambda pushed, held: (pushed - held).mean(),
    push: Callable[[Array], Array] = lambda terms: np.logaddexp.reduce(terms, axis=1),
    weigh: Callable[[Array, Array], Array] = lambda q, log_density: q - log_density,
    of_next: str = "observations",
    of_data: str = "observations",
) -> Callable[..., Any]:
    """A variation of the gap, by its parts and by the states in which actions are valued."""

    def wrong(q: Any, actions: Any, here: Any, there: Any, **case: Any) -> Any:
        q_here, q_there = q(case["observations"][:, None], here), q(case[of_next][:, None], there)
        terms = [weigh(q_here, case["log_here"]), weigh(q_there, case["log_there"])]
        return join(push(np.concatenate(terms, axis=1)), q(case[of_data], actions))

    return wrong


def _gap_stopped(ndim: int) -> Callable[..., Any]:
    """The gap without a gradient by values of actions of this many dimensions."""

    def wrong(q: Any, **case: Any) -> Any:
        def stopped(observations: Any, actions: Any) -> Any:
            value = q(observations, actions)
            return jax.lax.stop_gradient(value) if actions.ndim == ndim else value

        return conservative_gap(stopped, **case)

    return wrong


CONSERVATIVE_GAP = Exercise(
    id="conservative-gap",
    chapter="34_cql_continuous",
    kind="find the bug",
    title="Which state is being valued?",
    minutes=15,
    points=4,
    function="conservative_gap",
    reference=conservative_gap,
    case=_gap_case,
    probe=_gap_and_gradient,
    mistakes=(
        Mistake(
            "valued at the next state",
            _numbers(_gap_by(of_next="next_observations")),
            "Actions of the next state are valued in the next state. The integral is over all "
            "actions *here*; the next state is only another place to draw some from. Valued there "
            "they belong to another integral, whose data action is not in the bracket.",
        ),
        Mistake(
            "all valued at the next state",
            _numbers(
                _gap_by(of_data="next_observations"),
                _gap_by(of_next="next_observations", of_data="next_observations"),
            ),
            "The data's action is valued in the next state. It was taken in this one, and here it "
            "has to be held up.",
        ),
        Mistake(
            "nothing is pushed down",
            _where_value_is_right(
                looks_like(
                    _gap_stopped(3),
                    probe=_gap_and_gradient,
                )
            ),
            "The number is right, and the sampled actions have no gradient: all that is left is "
            "to raise the data's values, and nothing else is pushed down. A published table was "
            "made with this one.",
        ),
        Mistake(
            "nothing is held up",
            _where_value_is_right(
                looks_like(
                    _gap_stopped(2),
                    probe=_gap_and_gradient,
                )
            ),
            "The number is right, and the data's actions have no gradient: values are pushed down "
            "everywhere, and nothing holds up what the data did.",
        ),
        Mistake(
            "the data's term is lost",
            _numbers(_gap_by(lambda pushed, held: pushed.mean())),
            "Values are pushed down wherever they are large, at the data's actions too, and "
            "nothing holds those up. What the critic says of them has to be subtracted.",
        ),
        Mistake(
            "sign of the data's term",
            _numbers(_gap_by(lambda pushed, held: (pushed + held).mean())),
            "The data's own actions are pushed down, twice as hard as any other. They are to be "
            "held up.",
        ),
        Mistake(
            "sign of the penalty",
            _numbers(_gap_by(lambda pushed, held: (held - pushed).mean())),
            "The penalty is turned round: it rewards a critic that stands above the data.",
        ),
        Mistake(
            "no densities",
            _numbers(_gap_by(weigh=lambda q, log_density: q)),
            "Actions are pushed down because they are drawn often. Each has to be divided by the "
            "density that it was drawn with, in logarithms: a difference.",
        ),
        Mistake(
            "multiplied by the densities",
            _numbers(_gap_by(weigh=lambda q, log_density: q + log_density)),
            "The log-densities have the wrong sign: a sample is divided by its density.",
        ),
        Mistake(
            "pooled over the minibatch",
            _numbers(_gap_by(push=lambda terms: np.logaddexp.reduce(terms, axis=None))),
            "One logsumexp runs over all rows together, so that only the state with the largest "
            "values is pushed down. Each row has an integral of its own.",
        ),
        Mistake(
            "mean in place of the logsumexp",
            _numbers(_gap_by(push=lambda terms: terms.mean(axis=1))),
            "All samples are pushed equally, whatever their values. It is what stands out that is "
            "to be pressed down: a softmax, the gradient of a logsumexp.",
        ),
        Mistake(
            "sum in place of the mean",
            _numbers(_gap_by(lambda pushed, held: (pushed - held).sum())),
            "A sum over rows: alpha would mean something else for each size of minibatch.",
        ),
    ),
    hints=(
        "Which integral is it, over which actions, in which state? The one next to the data's "
        "action in the bracket.",
        "What does `there` tell apart from `here`? Only the density that it was drawn with.",
        "Put both groups of actions side by side, and value all of them in `observations`.",
    ),
    praise="Once the actions are side by side there is only one place left where a state is "
    "chosen, and `next_observations` is not needed at all. This is the question that is asked most "
    "often where this algorithm is discussed.",
)

BLIND_ALPHA = Exercise(
    id="alpha-without-trying",
    chapter="34_cql_continuous",
    kind="open",
    title="An alpha that nobody may try out",
    minutes=25,
    points=6,
    hints=(
        "What is alpha compared with? Multiply all rewards by 100, and ask what becomes of each "
        "term of the loss.",
        "What do you know of the values before any training? What do the data's own returns say?",
    ),
    praise="No answer gets rid of the choice. A good one says what it rests on, errs on the side "
    "on which an error is cheap, and names beforehand what would make it change its mind.",
    rubric=(
        (1, "the unit: an alpha belongs to a unit of reward, and says how this record's is fixed"),
        (
            1,
            "the breadth: looks at how varied the actions are in similar states, and says which "
            "way a narrow and a broad record push alpha",
        ),
        (
            1,
            "bounds known beforehand: no value above 0 here, none below -3 / (1 - discount), and "
            "belief compared with the discounted returns of the record",
        ),
        (1, "does not choose by losses or by the critic's own promises, and says why they deceive"),
        (
            1,
            "a baseline and a careful side: cloning beside it, the larger alpha in doubt, and why "
            "that error is the cheaper one; several seeds",
        ),
        (
            1,
            "honest about the rest: what cannot be known without trying, and a first deployment "
            "that is watched, small, and counted as a trial",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    TD3_TARGET,
    SLOW_COPIES,
    TWIN_PROMISES,
    TD3_BC_WEIGHT,
    TD3_BC_LOSS,
    DIAL,
    TANH_DENSITY,
    SOFT_TARGET,
    THERMOSTAT,
    IMPORTANCE_WEIGHTS,
    CONSERVATIVE_GAP,
    BLIND_ALPHA,
)
