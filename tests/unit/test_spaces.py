"""Every kind of space that Gymnasium has is taken for what it is, or refused by its name."""

import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces import Box

from offline_tutor.algorithms import TD3
from offline_tutor.algorithms.algorithm import Functions
from offline_tutor.data import from_arrays
from offline_tutor.data.units import units_of
from offline_tutor.policies import Policy
from offline_tutor.spaces import actions_of, check_fits, continuous, join, spec_of
from offline_tutor.types import Continuous, Discrete, Spec


class Task(NamedTuple):
    """What `spec_of` looks at."""

    observation_space: Any = Box(-1, 1, (3,))
    action_space: Any = Box(-1, 1, (2,))


VECTORS = Continuous((-1.0, -1.0), (1.0, 1.0))
PLACE, GOAL = Box(-9, 9, (2,)), Box(-9, 9, (1,))
GRAPH = spaces.Graph(PLACE, None)
OTHERS = [
    spaces.MultiDiscrete([3, 2]),
    spaces.Tuple([PLACE, GOAL]),
    spaces.Text(4),
    GRAPH,
    spaces.Sequence(PLACE),
    spaces.OneOf([PLACE, GOAL]),
]


@pytest.mark.parametrize(
    ("space", "actions"),
    [
        (Box(-1, 1, (2,)), VECTORS),
        (Box(-1, 1, (2,), np.float64), VECTORS),
        (Box(-np.inf, np.inf, (1,)), Continuous((-np.inf,), (np.inf,))),
        (spaces.Discrete(3), Discrete(3)),
    ],
)
def test_actions_that_can_be_used(space: Any, actions: Any) -> None:
    assert actions_of(space) == actions


@pytest.mark.parametrize(
    "space",
    [
        *OTHERS,
        spaces.Discrete(3, start=1),
        spaces.MultiBinary(2),
        spaces.Dict(place=PLACE),
        Box(0, 9, (2,), np.int32),
        Box(-1, 1, (2, 2)),
        Box(-1, 1, ()),
    ],
    ids=str,
)
def test_other_actions_are_refused_by_name(space: Any) -> None:
    with pytest.raises(ValueError, match=rf"^actions are {re.escape(str(space))}.*TransformAction"):
        spec_of(Task(action_space=space))


@pytest.mark.parametrize(
    ("space", "shape", "keys"),
    [
        (Box(-1, 1, (3,)), (3,), ()),
        (Box(0, 255, (8, 8, 3), np.uint8), (8, 8, 3), ()),
        (spaces.MultiBinary(4), (4,), ()),
        (spaces.Dict(place=PLACE, goal=GOAL), (3,), (("place", 2), ("goal", 1))),
        (spaces.Dict({"place": PLACE, "goal": GOAL}), (3,), (("goal", 1), ("place", 2))),
        (spaces.Dict(arm=spaces.Dict(goal=GOAL), bits=spaces.MultiBinary(2)), (3,),
         (("arm/goal", 1), ("bits", 2))),
    ],
)  # fmt: skip
def test_observations_that_can_be_used(space: Any, shape: Any, keys: Any) -> None:
    assert spec_of(Task(observation_space=space)) == Spec(shape, VECTORS, keys)


@pytest.mark.parametrize("space", [*OTHERS, spaces.Discrete(4), Box(-1, 1, ())], ids=str)
def test_other_observations_are_refused_by_name(space: Any) -> None:
    named = re.escape(str(space))
    with pytest.raises(ValueError, match=rf"^observations are {named}.*FlattenObservation"):
        spec_of(Task(space))
    with pytest.raises(ValueError, match=rf"^observations: 'arm/x' is {named}.*Flatten"):
        spec_of(Task(spaces.Dict(arm=spaces.Dict(x=space))))


def test_a_dictionary_is_joined_by_its_keys() -> None:
    keys = (("goal", 1), ("arm/place", 2))
    seen = {"arm": {"place": np.ones((4, 2))}, "goal": np.zeros((4, 1))}
    np.testing.assert_array_equal(join(seen, keys), [[0, 1, 1]] * 4)
    np.testing.assert_array_equal(join({"arm": {"place": [1, 1]}, "goal": [0]}, keys), [0, 1, 1])
    for changed, message in (
        ({"goal": np.zeros((4, 1))}, r"lack arm/place; needed are goal \(1\), arm/place \(2\)"),
        (seen | {"speed": np.zeros((4, 1))}, "also have speed; needed are goal"),
        (seen | {"goal": np.zeros((4, 3))}, "goal has 3 numbers; needed are goal"),
        (seen | {"goal": 0.5}, "goal has no numbers"),
    ):
        with pytest.raises(ValueError, match=f"^observations:? ?{message}"):
            join(changed, keys)


IN_ORDER = spaces.Dict(place=PLACE, goal=GOAL)
SORTED = Spec((3,), VECTORS, (("goal", 1), ("place", 2)))


@pytest.mark.parametrize(
    ("spec", "task", "message"),
    [
        (SORTED, Task(spaces.Dict(place=PLACE)), "observations lack goal; needed are goal"),
        (SORTED, Task(spaces.Dict(place=PLACE, goal=PLACE)), "goal has 2 numbers"),
        (SORTED, Task(Box(-9, 9, (3,))), r"arrays \(3,\); the policy takes dictionaries, of goal"),
        (Spec((3,), VECTORS), Task(IN_ORDER), "order .* is not known.*FlattenObservation"),
        (Spec((2,), VECTORS), Task(), r"observations are \(3,\); the policy takes \(2,\)"),
        (Spec((3,), Discrete(2)), Task(), "trained on 2 discrete actions: is it another task"),
        (Spec((3,), Discrete(2)), Task(action_space=spaces.Discrete(3)), r"Discrete\(3\); .* on 2"),
        (Spec((3,), Discrete(2)), Task(action_space=spaces.MultiBinary(2)), "are MultiBinary"),
        (Spec((3,), VECTORS), Task(action_space=Box(-1, 1, (3,))), "of length 2 .*another task"),
    ],
)
def test_what_does_not_fit_is_said(spec: Spec, task: Task, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_fits(spec, task)


@pytest.mark.parametrize("high", [1.0, 1.5, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_policy_fits_within_the_bounds(high: float, dtype: Any) -> None:
    check_fits(SORTED, Task(IN_ORDER, Box(-high, high, (2,), dtype)))


def test_a_policy_that_reaches_beyond_the_bounds_is_clipped_and_that_is_said() -> None:
    with pytest.warns(UserWarning, match=r"from \[-1.0, -1.0\].*takes .*beyond its bounds are cl"):
        check_fits(SORTED, Task(IN_ORDER, Box(np.float32([-1, -0.5]), np.float32([1, 2]))))


def two_decimals(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Bounds with two decimals, such as (-2, -1.93), as somebody would write them."""
    rng = np.random.default_rng(0)
    low = rng.integers(-300, 300, count)
    return low / 100, (low + rng.integers(1, 300, count)) / 100


def lean(state: Any, observations: Any, config: Any) -> Any:
    """An action at the lower bound of every dimension, or the upper one, as the observation is."""
    return observations * np.ones(config.hidden[0], np.float32)


LEANING = Functions(name="leaning", Config=TD3.Config, init=None, update=None, act=lean)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", ["the space", "numbers"])
def test_saturated_actions_stay_in_their_space(dtype: Any, given: str) -> None:
    low, high = two_decimals(2000)
    space = Box(low.astype(dtype), high.astype(dtype), dtype=dtype)
    bounds = (space.low, space.high) if given == "the space" else (low, high)
    data = from_arrays(
        np.zeros((1, 1)), space.sample()[None], [0.0], terminations=[True], action_bounds=bounds
    )
    for spec in (data.spec, spec_of(Task(Box(-1, 1, (1,)), space))):
        config = TD3.Config(hidden=(2000,))
        policy = Policy(None, units_of(spec), LEANING, (config,), spec)
        for end, wanted in ((-1.0, space.low), (1.0, space.high), (0.3, None)):
            action = np.asarray(policy([end]))
            assert space.contains(action)
            if wanted is not None:
                np.testing.assert_allclose(action, wanted, atol=1e-6)


def test_bounds_become_the_last_float32_numbers_within_them() -> None:
    found = continuous([-1.93, 0.1, -1e300], [0.1, 0.1, np.inf])
    assert found.low[0] > -1.93 and found.high[0] < 0.1
    assert found.low[1] == found.high[1] == np.float32(0.1)  # nothing lies within
    assert found.low[2] == np.finfo(np.float32).min and found.high[2] == np.inf
    assert continuous(np.float32([0.1]), np.float32([0.7])) == Continuous(
        (float(np.float32(0.1)),), (float(np.float32(0.7)),)
    )
