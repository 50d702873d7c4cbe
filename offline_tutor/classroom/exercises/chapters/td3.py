"""Exercises of the chapter 31_td3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from offline_tutor.classroom.exercises.chapters.shared import (
    ACTIONS,
    BATCH,
    Values,
    gaussian,
    hill,
    with_other,
)
from offline_tutor.classroom.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    looks_like,
    returns,
    same,
)
from offline_tutor.types import Array


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
    """Bootstrapped targets for both critics: (batch,).

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
    twins = [Partial(hill, gaussian(rng, BATCH, ACTIONS), gaussian(rng, BATCH)) for _ in range(2)]
    return {
        "q1": twins[0],
        "q2": twins[1],
        "rewards": gaussian(rng, BATCH),
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


def _wrong_where(ended: bool) -> Callable[[Seen, Seen, Case], bool]:
    """Whether targets of the right shape are wrong on the rows that ended, or on the others."""

    def shows(mine: Seen, right: Seen, case: Case) -> bool:
        rows = (np.asarray(case["terminations"]) == 1) == ended
        fits = mine["value"].shape == right["value"].shape
        return fits and not same(mine["value"][rows], right["value"][rows])

    return shows


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
            looks_like(with_other(td3_targets, terminations=jnp.zeros_like)),
            "Rows on which the task ended count on a next state here. There is none: after a "
            "termination the reward was the last thing to come, and the target is that reward.",
        ),
        Mistake(
            "terminations the wrong way round",
            looks_like(with_other(td3_targets, terminations=lambda ended: 1 - ended)),
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
            "All is right except how the two critics are combined. The actor goes to where a "
            "critic errs upwards. The repair is to believe the one that promises less, row by row.",
        ),
        Mistake(
            "noise not clipped",
            looks_like(with_other(td3_targets, noise_clip=lambda clip: np.inf)),
            "The noise may be as large as it was drawn. The target is to look at *similar* "
            "actions: cut the noise off at noise_clip on both sides before you add it.",
        ),
        Mistake(
            "outside the box",
            looks_like(_targets_outside),
            "An action near its limit, plus noise, lies beyond what the motor can do. It was never "
            "tried, so the critic has learned nothing about it. Clip once more.",
        ),
        Mistake(
            "no noise",
            looks_like(with_other(td3_targets, noise=jnp.zeros_like)),
            "The critics are asked about the target actor's action itself. TD3 asks about one "
            "near it, so that a narrow spike is not believed: where is the noise?",
        ),
        Mistake(
            "no discount",
            looks_like(with_other(td3_targets, discount=lambda discount: 1.0)),
            "What comes later counts in full here. The next value is worth discount times as much.",
        ),
        Mistake(
            "reward discounted",
            looks_like(_targets_discounted),
            "The reward is discounted, too. It comes now; only what follows it is further away.",
        ),
        Mistake(
            "rows that ended, and perhaps more",
            _wrong_where(ended=True),
            "These numbers fit no single slip that we know, so there may be two. Begin with the "
            "rows on which the task ended: there the target should be the reward and nothing else, "
            "and yours is not. Put that right, then check again.",
        ),
        Mistake(
            "the next value, in several ways",
            _wrong_where(ended=False),
            "On the rows where the task ended you are right, so reward and termination are in "
            "order. On the others the next state's value is off, and not by a single slip that we "
            "know. Go through it one part at a time: the noise cut off, the sum kept between -1 "
            "and 1, the smaller of the two critics row by row, the discount.",
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
    praise="Two repairs, a similar action and the critic that promises less, and between them the "
    "clip that keeps the action possible. That one is easily missed: without it the critics are "
    "asked about actions that cannot be taken. The last line says when to look ahead at all.",
)


def follow(start: np.ndarray, online: np.ndarray, tau: float, delay: int) -> np.ndarray:
    """A target network's parameters after each critic step: (steps, parameters).

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
                with_other(follow, tau=_other_share),
                with_other(_follow_early, tau=_other_share),
                with_other(follow, tau=_other_share, delay=lambda delay: 1),
            ),
            "The shares have changed places. With a small tau this target takes nearly all of the "
            "trained network and keeps next to nothing of itself, so it is not slow at all.",
        ),
        Mistake(
            "moves at the first step already",
            looks_like(_follow_early),
            "The shares are right, but the target moves too early: at the first step, and then "
            "delay steps later. Count the steps that are *done*: with a delay of 2 the target "
            "rests after the first and moves after the second.",
        ),
        Mistake(
            "moves at every step",
            looks_like(with_other(follow, delay=lambda delay: 1)),
            "The target moves after every step of the critics, so the hill never settles. It waits "
            "for each delay-th.",
        ),
        Mistake(
            "forgets where it was",
            looks_like(_follow_start),
            "Each time the target is mixed from its very first parameters and the trained ones. "
            "It should go on from where it is: what it was a moment ago, and a little of the "
            "trained network.",
        ),
        Mistake(
            "a full copy",
            looks_like(with_other(follow, tau=lambda tau: 1.0)),
            "The target becomes the trained network whenever it moves. That is how Q-learning's "
            "target does it, after thousands of steps; TD3's moves by the share tau.",
        ),
        Mistake(
            "adds instead of mixing",
            looks_like(_follow_adds),
            "The target keeps all of itself and adds a share of the trained network, so it grows "
            "and grows. The two shares have to add up to 1.",
        ),
    ),
    hints=(
        "Let the critic jump to 1 and stay there. With tau = 0.1 and a delay of 2, what should "
        "the target be after one, two, three, four steps?",
        "There are two slips: how much it takes, and at which steps.",
        "It keeps the share 1 - tau of itself. `enumerate(online, start=1)` counts from 1.",
    ),
    praise="Written as a step towards the trained network, target + tau * difference, the shares "
    "cannot change places: a small tau is a small step. With the slip nothing crashes, but each "
    "critic learns from what it has just said itself.",
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
            "So it would be if both critics made the same errors. Here the second critic is asked "
            "about an action that it did not choose. Measure what it says.",
        ),
        "b": Choice(
            "about 0, a little below",
            "Well seen: the second critic did not choose this action, so its error there is as "
            "often up as down. Measure how far below 0 the smaller one is, and think about why.",
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

EXERCISES: tuple[Exercise, ...] = (
    TD3_TARGET,
    SLOW_COPIES,
    TWIN_PROMISES,
)
