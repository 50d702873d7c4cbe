"""Malformed arrays and files: one DatasetError each, which says what, where and what to do."""

from decimal import Decimal

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from test_data import EPISODES, change_metadata, make_arrays, minari_root, write_minari

from offline_tutor.data import DatasetError, from_arrays, load_dataset

__all__ = ["minari_root"]  # a fixture
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari", "ignore:.*is set to None")


class Tensor:
    """As torch's, when it needs gradients."""

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self


class Missing:
    """As pandas.NA."""

    def __repr__(self):
        return "<NA>"

    def __float__(self):
        raise TypeError("not NAType")

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


def objects(key, place, value):
    """Return one column of good arrays as Python objects, one of them another."""
    column = make_arrays()[key].astype(object)
    column[place] = value
    return {key: column}


def column_of_arrays():
    column = np.empty(12, object)
    column[:] = list(make_arrays()["observations"])
    return column


DISCRETE = {"actions": np.arange(12) % 3, "num_actions": 3}
OBSERVED = ("observations", "next_observations")
HUGE = float(np.finfo(np.float32).max)
ARRAYS = {
    "a tensor that needs gradients": (
        {"rewards": Tensor()},
        r"rewards is not .*requires grad\. Give rewards\.detach\(\)",
    ),
    "pandas.NA": (objects("observations", (3, 1), Missing()), "row 3, column 1 is <NA>, .*leave"),
    "None": (objects("rewards", 3, None), "rewards is not .* row 3 is None"),
    "text among numbers": (objects("rewards", 5, "1.5"), "row 5 is '1.5', of type str"),
    "text": ({"rewards": ["1.5"] * 12}, r"text; numpy\.asarray\(x, float\)"),
    "a column of arrays": ({"observations": column_of_arrays()}, r"numpy\.stack\(x\) makes"),
    "rows of two lengths": (
        {"observations": [[1, 2]] * 5 + [[1]] + [[1, 2]] * 6},
        "row 0 has 2 numbers, row 5 has 1",
    ),
    "complex numbers": ({"rewards": np.ones(12) * 1j}, "complex; give the real"),
    "dates": ({"rewards": np.arange(12).astype("M8[s]")}, "dates; give numbers"),
    "records": ({"observations": np.zeros(12, [("x", float)])}, "records with fields; numpy.stack"),
    "a generator": ({"rewards": (x for x in range(12))}, "generator.*give one row for each"),
    "a dictionary": ({"observations": {"x": 1}}, r"it is \{'x': 1\}, of type dict"),
    "nothing": ({"rewards": None}, "it is None"),
    "one number": ({"rewards": 3.0}, r"rewards has the shape \(\), not \(any\)"),
    "a column of rewards": ({"rewards": np.zeros((12, 1))}, r"Give rewards\[:, 0\]"),
    "a column of flags": ({"terminations": np.zeros((12, 1))}, r"Give terminations\[:, 0\]"),
    "no flags": ({"terminations": None}, r"terminations is None; give .*numpy\.zeros\(n, bool\)"),
    "a series of actions": ({"actions": np.zeros(12)}, r"numpy\.asarray\(actions\)\[:, None\]"),
    "masked": ({"rewards": np.ma.masked_less(np.arange(12), 1)}, "row 0 is masked; fill it"),
    "an int too large": (objects("rewards", 7, 10**400), "row 7 is too large"),
    "a Decimal that is none": ({"rewards": [Decimal("NaN")] * 12}, "row 0 .*nan is not a finite"),
    "no columns": (dict.fromkeys(OBSERVED, np.zeros((12, 0))), "rows need at least one number"),
    "negative actions": (DISCRETE | {"actions": np.arange(12) % 3 - 1}, "row 0 .*Count actions"),
    "one-hot actions": (DISCRETE | {"actions": np.eye(3)[np.arange(12) % 3]}, r"argmax\(axis=1\)"),
    "too many actions": (DISCRETE | {"num_actions": 2**40}, "num_actions is 1099511627776"),
    "num_actions=True": (DISCRETE | {"num_actions": True}, "num_actions is True"),
    "bounds of numbers": (DISCRETE | {"action_bounds": (-1, 1)}, "give one of the two"),
    "an environment": ({"environment": object()}, "give its Gymnasium id"),
    "a Box for bounds": (
        {"action_bounds": gymnasium.spaces.Box(-1, 1, (2,))},
        r"action_bounds=\(space\.low, space\.high\)",
    ),
    "bounds that overflow": ({"action_bounds": (-HUGE, HUGE)}, "bounds of action 0 are .*too wide"),
    "bounds whose sum does": ({"action_bounds": (2e38, 3e38)}, "bounds of action 0 .*too wide"),
    "bounds beyond float32": ({"action_bounds": (-1e300, 1e300)}, "too wide for float32"),
    "bounds of integers": ({"action_bounds": (-(10**400), 10**400)}, r"\.\.\., .*smallest and"),
    "bounds too narrow": ({"action_bounds": (-1e-40, 1e-40)}, "too narrow for float32"),
    "bounds as text": ({"action_bounds": "12"}, "they must be a smallest and a largest"),
    "pairs of bounds": ({"action_bounds": [(0, -1), (1, -2)]}, "not a pair for each number"),
    "a large picture": (
        {"observations": np.full((12, 9, 9), np.nan), "next_observations": np.zeros((12, 9, 9))},
        "row 0 .*: number 0 of it, nan, is not a finite number",
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_malformed_arrays(name):
    changes, message = ARRAYS[name]
    with pytest.raises(DatasetError, match=message) as caught:
        from_arrays(**make_arrays(**changes), name="mine")
    text = str(caught.value)
    assert text.startswith("mine: ") and text.endswith(".") and len(text) < 500


FINE = {
    "lists": lambda column: column.tolist(),
    "byte-swapped": lambda column: column.astype(column.dtype.newbyteorder()),
    "every other row": lambda column: np.repeat(column, 2, axis=0)[::2],
    "column by column": np.asfortranarray,
    "backwards twice": lambda column: column[::-1].copy()[::-1],
    "objects": lambda column: column.astype(object),
    "long doubles": lambda column: column.astype(np.longdouble),
}


@pytest.mark.parametrize("name", FINE)
def test_arrays_of_any_make_are_the_same(name):
    arrays = make_arrays()
    dataset = from_arrays(**{key: FINE[name](column) for key, column in arrays.items()})
    for mine, other in zip(dataset.transitions, from_arrays(**arrays).transitions, strict=True):
        assert np.array_equal(mine, other) if mine is not None else other is None


def test_large_action_numbers_are_kept():
    actions = 2**24 + np.arange(12)  # float32 has only every other of these
    dataset = from_arrays(**make_arrays(actions=actions), num_actions=2**24 + 12)
    assert np.array_equal(dataset.transitions.actions, actions)


# The user's rows


def cut_rows(**changes):
    """Return 100 rows of which 5 are cut, without next observations."""
    rng = np.random.default_rng(0)
    return {
        "observations": np.cumsum(rng.normal(size=(100, 2)), axis=0),
        "actions": rng.uniform(-1, 1, (100, 1)),
        "rewards": np.zeros(100),
        "terminations": np.zeros(100, bool),
        "truncations": np.arange(100) % 20 == 19,
        **changes,
    }


@pytest.mark.parametrize("key", ["observations", "actions", "rewards"])
@pytest.mark.parametrize("row", [0, 20, 80])
def test_the_row_is_the_users(key, row):
    column = np.array(cut_rows()[key])
    column[row] = np.nan
    with pytest.raises(
        DatasetError, match=rf"{key}, row {row} \(episode {row // 20}\).* of 100 rows"
    ):
        from_arrays(**cut_rows(**{key: column}))


@pytest.mark.filterwarnings("ignore:arrays")
def test_what_is_left_out_may_be_anything_but_its_observation_counts():
    actions, observations = (np.array(cut_rows()[key]) for key in ("actions", "observations"))
    actions[39] = np.nan
    assert len(from_arrays(**cut_rows(actions=actions))) == 95
    observations[39] = np.nan
    with pytest.raises(DatasetError, match=r"observations, row 39 \(episode 1\)"):
        from_arrays(**cut_rows(observations=observations))


# Files


def put(path, value):
    """Return a change of a file: an array in another's place."""

    def change(data):
        with h5py.File(data / "main_data.hdf5", "a") as file:
            del file[path]
            file[path] = value

    return change


def group(path):
    def change(data):
        with h5py.File(data / "main_data.hdf5", "a") as file:
            del file[path]
            file.create_group(path)

    return change


FILES = {  # of episode 1, of three steps
    "observations of one number": (
        put("episode_1/observations", np.zeros((4, 1))),
        r"observations have the shape \(4, 1\), not \(4, 3\)",
    ),
    "actions of one number": (
        put("episode_1/actions", np.zeros((3, 1))),
        r"actions have the shape \(3, 1\), not \(3, 2\)",
    ),
    "one action for all": (
        put("episode_1/actions", np.zeros(2)),
        r"the shape \(2,\), not \(3, 2\)",
    ),
    "one flag for all": (put("episode_1/terminations", np.zeros(1, bool)), r"\(1,\), not \(3,\)"),
    "a column of rewards": (put("episode_1/rewards", np.zeros((3, 1))), r"\(3, 1\), not \(3,\)"),
    "rewards as text": (put("episode_1/rewards", [b"a", b"b", b"c"]), "not numbers"),
    "complex rewards": (put("episode_1/rewards", np.zeros(3, complex)), "complex128, not numbers"),
    "half a flag": (put("episode_1/truncations", np.full(3, 0.5)), "hold 0.5, which is not True"),
    "a flag that is none": (
        put("episode_1/truncations", np.full(3, np.nan)),
        "truncations hold nan",
    ),
    "one reward": (put("episode_1/rewards", 1.0), "rewards are a single value, not an array"),
    "a group of rewards": (group("episode_1/rewards"), "rewards are a group, not an array"),
    "a group of observations": (group("episode_1/observations"), "observations are a group"),
    "an array for an episode": (put("episode_1", np.zeros(3)), "cannot be read"),
    "a value": (put("episode_1/rewards", [0, np.nan, 0]), "rewards, row 6 .*not a finite number"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_malformed_episode_is_named_and_can_be_left_out(minari_root, name):
    damage, message = FILES[name]
    write_minari()
    data = minari_root / "test/small-v0/data"
    damage(data)
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset("test/small-v0")
    text = str(caught.value)
    assert "episode 1" in text and "damaged" not in text and "delete the folder" not in text
    advice = text[text.index("To load the others: ") :].removeprefix("To load the others: ")
    names = {"load_dataset": load_dataset, "minari": minari, "numpy": np}
    assert len(eval(advice.rstrip("."), names)) == EPISODES[0] + EPISODES[2]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_metadata(total_steps=10**15), "no memory for them.*Correct the metadata"),
        (change_metadata(total_steps=-1), "the metadata counts -1"),
        (change_metadata(minari_version="9.9"), r"Nothing is wrong .*pip install 'minari>=9\.9'"),
        (change_metadata(minari_version="0.1.0"), r"pip install 'minari==0\.1\.0'"),
        (change_metadata(data_format="arrow"), "pyarrow.*Install the packages"),
        (
            lambda data: (data / "metadata.json").write_text("[]", encoding="utf-8"),
            "damaged or incomplete. Copy",
        ),
        (lambda data: (data / "main_data.hdf5").write_bytes(b""), "damaged or incomplete. Copy"),
    ],
)
def test_no_advice_costs_the_only_copy(minari_root, damage, message):
    write_minari()
    damage(minari_root / "test/small-v0/data")
    with pytest.raises(DatasetError, match=message) as caught:
        load_dataset("test/small-v0")
    assert "delete" not in str(caught.value)


def test_a_discrete_dataset_has_no_bounds(minari_root):
    write_minari(actions=np.arange(5) % 2, action_space=gymnasium.spaces.Discrete(2))
    with pytest.raises(DatasetError, match="its actions are discrete, without bounds"):
        load_dataset("test/small-v0", action_bounds=(-1, 1))


def test_infinite_bounds_can_be_given(minari_root):
    infinite = gymnasium.spaces.Box(-np.inf, np.inf, (2,))
    write_minari(action_space=infinite)
    for bounds in ((-2, 2), np.array([[-2, -2], [2, 2]])):
        assert load_dataset("test/small-v0", action_bounds=bounds).spec.actions.high == (2, 2)
