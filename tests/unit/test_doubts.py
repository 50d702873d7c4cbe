"""Data that look wrong: a warning names the row or the column, and is silent on good data."""

import warnings

import numpy as np
import pytest

from offline_tutor.data import from_arrays, library, load_dataset

RECORDINGS, LENGTH = 3, 100


def notes(function, *arguments, **options):
    """Return the texts of the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments, **options)
    return [str(note.message) for note in caught if issubclass(note.category, UserWarning)]


def record(step, recordings=RECORDINGS, length=LENGTH, seed=0):
    """Return recordings put end to end, `step(rng)` added at each row, with all their flags."""
    rng = np.random.default_rng(seed)
    walks = [
        rng.normal(0, 60, 2) + np.cumsum([step(rng) for _ in range(length + 1)], axis=0)
        for _ in range(recordings)
    ]
    rows = recordings * length
    return {
        "observations": np.concatenate([walk[:-1] for walk in walks]),
        "next_observations": np.concatenate([walk[1:] for walk in walks]),
        "actions": rng.uniform(-1, 1, (rows, 1)),
        "rewards": rng.normal(size=rows),
        "terminations": np.zeros(rows, bool),
        "truncations": np.arange(rows) % length == length - 1,
    }


def gauss(rng):
    return rng.normal(size=2)


def without(arrays, *keys):
    return {key: column for key, column in arrays.items() if key not in keys}


# Episodes


def test_forgotten_truncations_are_seen_where_observations_jump():
    found = notes(from_arrays, **without(record(gauss), "truncations", "next_observations"))
    assert "left out: 1 row that cut" in found[0] and "longest episode has 300 rows" in found[0]
    assert "after 2 rows inside episodes, the first of them row 99" in found[1]
    assert "a multiple of 100 rows" in found[1] and "mark these rows in truncations" in found[1]


def test_one_jump_is_enough():
    found = notes(
        from_arrays, **without(record(gauss, recordings=2), "truncations", "next_observations")
    )
    assert "after 1 row inside episodes, the first of them row 99" in found[1]
    assert "multiple" not in found[1]


def test_forgotten_truncations_are_seen_in_next_observations():
    (found,) = notes(from_arrays, **without(record(gauss), "truncations"))
    assert "after 2 rows inside episodes, the first of them row 99" in found
    assert "another observation than next_observations has" in found


def test_next_observations_of_other_rows():
    arrays = record(gauss)
    order = np.random.default_rng(1).permutation(len(arrays["rewards"]))
    (found,) = notes(from_arrays, **dict(arrays, next_observations=arrays["observations"][order]))
    assert "next_observations of 294 rows, the first of them row 0, have nothing to do" in found
    (found,) = notes(from_arrays, **dict(arrays, next_observations=arrays["observations"]))
    assert "they repeat the observations of their own rows" in found


def test_shuffled_rows_are_welcome_as_single_transitions():
    arrays = record(gauss)
    order = np.random.default_rng(1).permutation(len(arrays["rewards"]))
    shuffled = {key: column[order] for key, column in arrays.items()}
    (found,) = notes(from_arrays, **without(shuffled, "truncations"))
    assert "rows were shuffled" in found and "truncations=~terminations" in found
    assert notes(from_arrays, **dict(shuffled, truncations=~shuffled["terminations"])) == []


STEPS = {
    "Gaussian": gauss,
    "heavy-tailed": lambda rng: rng.standard_t(4, 2),
    "Laplacian": lambda rng: rng.laplace(size=2),
    "on a grid": lambda rng: rng.integers(-1, 2, 2),
    "drifting": lambda rng: rng.normal(1, 0.1, 2),
    "at rest": lambda rng: np.zeros(2),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("seed", range(3))
def test_stochastic_tasks_raise_no_doubts(step, seed):
    arrays = record(STEPS[step], seed=seed)
    assert notes(from_arrays, **arrays) == []
    (only,) = notes(from_arrays, **without(arrays, "next_observations"))
    assert "left out: 3 rows that cut an episode" in only


@pytest.mark.parametrize("seed", range(3))
def test_states_that_are_drawn_anew_raise_no_doubts(seed):
    rng = np.random.default_rng(seed)
    for states in (rng.normal(size=(400, 2)), np.eye(5)[rng.integers(5, size=400)]):
        rows = {"actions": rng.uniform(-1, 1, (400, 1)), "rewards": np.zeros(400)}
        ends = {"terminations": np.zeros(400, bool)}
        assert len(notes(from_arrays, states, **rows, **ends)) == 1  # the last row is left out


def test_an_angle_may_wrap():
    turn = np.cumsum(np.full(400, 0.1))
    states = np.stack([(turn + np.pi) % (2 * np.pi) - np.pi, np.sin(turn)], axis=1)
    rows = {"actions": np.sin(turn)[:, None], "rewards": np.zeros(400)}
    assert len(notes(from_arrays, states, **rows, terminations=np.zeros(400, bool))) == 1


def test_two_measurements_may_differ_a_little():
    arrays = record(gauss)
    arrays["next_observations"] += np.random.default_rng(3).normal(0, 0.1, (300, 2))
    assert notes(from_arrays, **arrays) == []


@pytest.mark.parametrize("name", library.embedded())
def test_the_embedded_datasets_raise_no_doubts(name):
    assert notes(load_dataset, name) == []
    dataset = load_dataset(name)
    arrays = without(dataset.transitions._asdict(), "next_actions")
    space = dataset.spec.actions
    if hasattr(space, "num"):
        task = {"num_actions": space.num}
    else:
        task = {"action_bounds": (space.low, space.high)}
    options = {**task, "truncations": dataset.truncations}
    assert notes(from_arrays, **arrays, **options) == []
    only = notes(from_arrays, **without(arrays, "next_observations"), **options)
    assert len(only) == dataset.truncations.any()


# What float32 keeps


def test_a_column_that_float32_swallows_is_named():
    arrays = record(gauss)
    seconds = 1.7e9 + np.arange(300)
    arrays["observations"] = np.c_[arrays["observations"], seconds]
    arrays["next_observations"] = np.c_[arrays["next_observations"], seconds + 1]
    (found,) = notes(from_arrays, **arrays)
    assert "observations, column 2: values such as 1700000000.0 and 1700000299.0" in found
    assert "float32 tells at most 3 apart" in found and "Subtract the smallest" in found
    (found,) = notes(from_arrays, **dict(record(gauss), rewards=seconds.astype(np.int64)))
    assert found.startswith("arrays: rewards: values such as")
    (found,) = notes(from_arrays, **dict(record(gauss), rewards=arrays["rewards"] * 1e-42))
    assert "rewards: values such as" in found


@pytest.mark.parametrize(
    "column",
    [
        np.full(300, 0.1),  # no float32 number, but constant
        0.3 + 1e-16 * np.arange(300) % 3,
        1.7e9 + 86_400 * np.arange(300.0),  # days
        2.0**24 + 2 * np.arange(300),  # kept as they are
        np.arange(300),
        np.arange(300, dtype=np.uint8),
    ],
)
def test_a_column_that_float32_keeps(column):
    assert notes(from_arrays, **dict(record(gauss), rewards=column)) == []


# Bounds


def test_bounds_far_beyond_the_data():
    (found,) = notes(from_arrays, **record(gauss), action_bounds=(-1e6, 1e6))
    assert "actions, column 0: the data use less than 1 % of the range" in found
    assert notes(from_arrays, **record(gauss), action_bounds=(-50, 50)) == []
    still = dict(record(gauss), actions=np.zeros((300, 1)))
    assert notes(from_arrays, **still, action_bounds=(-1e6, 1e6)) == []


def test_actions_from_0_to_1_and_no_bounds():
    arrays = record(gauss)
    arrays["actions"] = np.abs(arrays["actions"])
    (found,) = notes(from_arrays, **arrays)
    assert "none is below 0, and action_bounds was not given" in found
    for bounds in ((-1, 1), (0, 1)):
        assert notes(from_arrays, **arrays, action_bounds=bounds) == []


def test_a_warning_points_to_the_line_that_asked():
    with pytest.warns(UserWarning) as caught:
        from_arrays(**record(gauss), action_bounds=(-1e6, 1e6))
    assert not caught[0].filename.startswith(str(library.ROOT.parent.parent))
