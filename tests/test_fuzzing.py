"""Random input of every kind: an error of the house, or a trained and finite policy.

`FUZZING=long` tries twenty times as many examples, other ones each time; the suite's are the same
every time. The smallest inputs of faults that were found are plain tests in the files they concern.
"""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from house_errors import faults_of, judge, limit, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offline_tutor import cli
from offline_tutor.algorithms import ALGORITHMS, BC, BC_DISCRETE, TD3_BC
from offline_tutor.data import Dataset, from_arrays, load_dataset
from offline_tutor.policies import Policy, load_policy
from offline_tutor.training import train
from offline_tutor.types import Discrete

LONG = os.environ.get("FUZZING") == "long"


def examples(number: int) -> Callable[..., Any]:
    """So many examples, the same each time; many more, and others, in the long form."""
    return settings(
        max_examples=number * 20 if LONG else number,
        derandomize=not LONG,
        database=None,
        deadline=None,  # `outcome` has a limit of its own
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Warnings are for people; nobody answers on the network; no dataset is at home."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "home"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ------------------------------------------------------------------------------- values


def pick(values: Iterable[Any]) -> st.SearchStrategy[Any]:
    """One of the values, which, other than for `sampled_from`, need not be hashable."""
    values = list(values)
    return st.integers(0, len(values) - 1).map(values.__getitem__)


NUMBERS = st.one_of(
    st.floats(width=64),
    st.integers(-3, 5),
    pick([0, 1, -1, 10**30, 10**400, 2**63, 1e39, -0.0, 1e-45, 2.5, math.nan, math.inf]),
)
ODD = pick(
    [
        None, True, False, "", "2", "many", b"2", 1j, [], (), {}, {"a": 1}, {1, 2}, [1, [2]], [None],
        Fraction(1, 3), np.float16(1.5), np.int64(3), np.float64("nan"), np.array(2.0), np.array([1]),
        np.array(["a"]), np.array([None]), np.datetime64("2020-01-01"), np.timedelta64(1), range(3),
        object, len, float, iter([1]), jnp.array(1.0), jnp.ones(2), np.ma.masked, Ellipsis, slice(3),
        np.array([1, 2], "timedelta64[s]"), np.zeros(0), np.zeros((8, 0)), np.zeros((0, 3)),
        np.zeros(8, [("a", float)]), memoryview(b"ab"), np.str_("x"), "\ud800", "x" * 1000,
    ]
)  # fmt: skip
ANYTHING = st.one_of(NUMBERS, ODD)


# ------------------------------------------------------------------------------- training


def finite(tree: Any) -> bool:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if np.asarray(leaf).dtype.kind == "f"]
    return all(np.isfinite(leaf).all() for leaf in leaves)


def check_policy(policy: Policy, dataset: Dataset) -> None:
    assert finite(policy.state), "its parameters are not finite"
    actions = np.asarray(policy.seed(0)(dataset.transitions.observations[:8]))
    assert np.isfinite(actions).all(), "its actions are not finite"
    space = dataset.spec.actions
    if isinstance(space, Discrete):
        assert ((actions >= 0) & (actions < space.num)).all()
    else:
        assert (actions >= np.float32(space.low)).all() and (
            actions <= np.float32(space.high)
        ).all()


def check_dataset(dataset: Dataset) -> None:
    rows = dataset.transitions
    assert len(dataset) >= 1
    assert all(np.isfinite(column).all() for column in rows[:4])
    assert sum(dataset.episode_lengths()) == len(dataset)
    assert rows.observations.shape[1:] == dataset.spec.observation_shape


def train_on(dataset: Dataset, normalize: bool = False) -> None:
    """Trains a moment; the same few programs for all examples of the usual shapes."""
    if dataset.spec.observation_shape != (3,) or len(dataset) not in (8, 7):
        return
    discrete = isinstance(dataset.spec.actions, Discrete)
    if (not discrete and dataset.spec.action_dim != 2) or (
        discrete and dataset.spec.num_actions != 3
    ):
        return
    algorithm = BC_DISCRETE if discrete else BC
    config = algorithm.Config(hidden=(4,))
    sizes: dict[str, Any] = {"num_steps": 2, "batch_size": 4, "seeds": 1, "progress": False}
    run = outcome(train, algorithm, dataset, config=config, normalize=normalize, **sizes)
    if run is not None:
        check_policy(run.policy, dataset)


# ------------------------------------------------------------------------------- arrays


def rows(discrete: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    ends = np.arange(8) % 4 == 3
    return {
        "observations": rng.normal(size=(8, 3)),
        "actions": np.arange(8) % 3 if discrete else rng.uniform(-1, 1, (8, 2)),
        "rewards": rng.normal(size=8),
        "next_observations": rng.normal(size=(8, 3)),
        "terminations": ends & (np.arange(8) > 4),
        "truncations": ends & (np.arange(8) < 4),
    }


DTYPES = pick(["f2", "f4", "f8", "i1", "i8", "u1", "u8", "b", "c8", "O", "U5", "S5", "M8[s]", "g"])


@st.composite
def damaged(draw: Any, array: np.ndarray) -> Any:
    """The column with something done to it, or something else in its place."""
    with np.errstate(all="ignore"):
        kind = draw(pick(["value", "dtype", "shape", "length", "form", "odd", "large"]))
        if kind == "value":
            array = array.astype(object if draw(st.booleans()) else float)
            array.flat[draw(st.integers(0, array.size - 1))] = draw(
                ANYTHING
                if array.dtype == object
                else NUMBERS.filter(lambda x: abs(x) < 1e300 or x != x)
            )
            return array
        if kind == "dtype":
            return array.astype(draw(DTYPES))
        if kind == "shape":
            return draw(pick([
                array[..., None], array[None], array.reshape(-1), array.T, array[..., 0], array[0],
                array.reshape(len(array), -1)[:, :1], np.repeat(array[..., None], 2, -1),
            ]))  # fmt: skip
        if kind == "length":
            return np.resize(array, (draw(pick([0, 1, 7, 9])), *array.shape[1:]))
        if kind == "form":
            return draw(pick([
                array.tolist(), tuple(array.tolist()), jnp.asarray(array.astype(np.float32)),
                np.ma.masked_array(array, array > 0), np.ma.masked_array(array), list(array),
                array[::-1], np.asfortranarray(array), iter(array.tolist()), [*array.tolist()[:-1], []],
                {"a": array}, str(array.tolist()), memoryview(np.ascontiguousarray(array, float)),
            ]))  # fmt: skip
        if kind == "large":
            return array * draw(pick([0, 1e-40, 1e20, 1e38, 1e39, 1e300, -1]))
        return draw(ODD)


@given(st.data())
@examples(150)
def test_arrays(data: st.DataObject) -> None:
    discrete = data.draw(st.booleans())
    arrays = rows(discrete)
    for name in data.draw(st.lists(pick(sorted(arrays)), max_size=2, unique=True)):
        arrays[name] = data.draw(damaged(arrays[name]), label=name)
    if data.draw(st.integers(0, 3)) == 0:
        arrays.pop(data.draw(pick(["next_observations", "truncations"])))
    options: dict[str, Any] = {"num_actions": 3} if discrete else {}
    option = data.draw(pick(["", "", "num_actions", "action_bounds", "name", "environment"]))
    if option == "action_bounds":
        pairs = st.tuples(ANYTHING, ANYTHING)
        options[option] = data.draw(st.one_of(pairs, ODD, pick([(-2, 2), ([-1, -3], 9)])))
    elif option:
        options[option] = data.draw(ANYTHING, label=option)
    dataset = outcome(from_arrays, **arrays, **options)
    if dataset is not None:
        check_dataset(dataset)
        train_on(dataset, data.draw(st.booleans()))


# ------------------------------------------------------------------------------- configurations


@given(st.data())
@examples(200)
def test_configurations(data: st.DataObject) -> None:
    algorithm = data.draw(pick(list(ALGORITHMS.values())))
    names = [field.name for field in fields(algorithm.Config)]
    chosen = data.draw(st.lists(pick(names), min_size=1, max_size=2, unique=True))
    values = {name: data.draw(ANYTHING, label=name) for name in chosen}
    config = outcome(algorithm.Config, **values)
    if config is not None:
        numbers = [getattr(config, name) for name in config.floats]
        assert all(number is None or math.isfinite(number) for number in numbers)
        hash(config)
        repr(config)


TRAINED = ("actor_learning_rate", "discount", "tau", "alpha", "policy_noise", "noise_clip")


@given(
    st.dictionaries(pick([*TRAINED, "critic_learning_rate"]), NUMBERS, max_size=3),
    pick([1, 1e-30, 1e4, 1e18, 1e37]),
)
@examples(60)
def test_numbers_that_a_configuration_accepts_train(values: dict[str, Any], scale: float) -> None:
    config = outcome(TD3_BC.Config, hidden=(4,), **values)
    if config is None:
        return
    arrays = rows()
    dataset = from_arrays(**arrays | {"rewards": arrays["rewards"] * scale})
    sizes: dict[str, Any] = {"num_steps": 4, "batch_size": 4, "seeds": 1, "progress": False}
    run = outcome(train, TD3_BC, dataset, config=config, **sizes)
    if run is not None:
        check_policy(run.policy, dataset)


OPTIONS: dict[str, Any] = {
    "num_steps": st.one_of(st.integers(-2, 3), st.floats(-2, 3), ODD, st.just(math.nan)),
    "batch_size": st.one_of(st.integers(-2, 0), st.floats(-2, 0.5), ODD, st.just(math.inf)),
    "every": ANYTHING,
    "seeds": st.one_of(st.integers(-2, 1), st.lists(st.integers(-1, 2**33), max_size=1), ODD),
    "config": ANYTHING,
    "dataset": ANYTHING,
    "algorithm": ANYTHING,
    "evaluate": ODD,
    "callbacks": ODD,
    "checkpoint": pick([1, b"x", True, 2.5, [], {}, "\0", "x" * 300, "/dev/null/x"]),
    "draw_rows": ODD,
    "normalize": ODD,
}


@given(st.data())
@examples(120)
def test_arguments_of_training(data: st.DataObject) -> None:
    name = data.draw(pick(sorted(OPTIONS)))
    value = data.draw(OPTIONS[name], label=name)
    named: dict[str, Any] = {"algorithm": BC, "dataset": from_arrays(**rows())}
    named |= {"config": BC.Config(hidden=(4,)), "num_steps": 2, "batch_size": 4, "seeds": 1}
    run = outcome(train, **named | {"progress": False, name: value})
    if run is not None:
        assert finite(run.policy.state)


# ------------------------------------------------------------------------------- Minari's files


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset in Minari's format: two episodes of four steps."""
    import minari
    from minari.data_collector import EpisodeBuffer

    root = tmp_path_factory.mktemp("minari")
    arrays = rows()
    buffers = [
        EpisodeBuffer(
            id=number,
            observations=np.vstack([arrays["observations"][:4], arrays["observations"][:1]]),
            actions=arrays["actions"][:4].astype(np.float32),
            rewards=arrays["rewards"][:4],
            terminations=np.zeros(4, bool),
            truncations=np.arange(4) == 3,
            infos={},
        )
        for number in range(2)
    ]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("MINARI_DATASETS_PATH", str(root))
        minari.create_dataset_from_buffers(
            "fuzz/small-v0", buffers, action_space=gymnasium.spaces.Box(-1, 1, (2,)),
            observation_space=gymnasium.spaces.Box(-9, 9, (3,), float),
        )  # fmt: skip
    return root / "fuzz" / "small-v0" / "data"


SPACES = pick(
    [
        gymnasium.spaces.Box(-1, 1, (2,)), gymnasium.spaces.Box(-1, 1, (3,)),
        gymnasium.spaces.Box(-np.inf, np.inf, (2,)), gymnasium.spaces.Box(0, 255, (3, 3), np.uint8),
        gymnasium.spaces.Box(-2, 2, (2,), float), gymnasium.spaces.Box(-5, 5, (2,), int),
        gymnasium.spaces.Box(-1, 1, ()), gymnasium.spaces.Box(-1, 1, (0,)),
        gymnasium.spaces.Box(np.float32([-1, 1]), np.float32([1, 1])), gymnasium.spaces.Discrete(3),
        gymnasium.spaces.Discrete(1), gymnasium.spaces.Discrete(3, start=1),
        gymnasium.spaces.Discrete(3, start=-1), gymnasium.spaces.MultiBinary(2),
        gymnasium.spaces.MultiBinary((2, 2)), gymnasium.spaces.MultiDiscrete([2, 3]),
        gymnasium.spaces.Text(3), gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(2)] * 2),
        gymnasium.spaces.Dict(b=gymnasium.spaces.Box(-9, 9, (2,)), a=gymnasium.spaces.Box(-9, 9, (1,))),
        gymnasium.spaces.Dict(a=gymnasium.spaces.Discrete(2)), gymnasium.spaces.Dict(),
        gymnasium.spaces.Sequence(gymnasium.spaces.Discrete(2)),
    ]
)  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 20), st.text(max_size=4), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)  # fmt: skip
HOSTILE = pick(["[" * 100_000, "{", "", "null", "[]", "1e999", "\x00", '{"a": NaN}'])


def damage_tree(data: st.DataObject, path: Path) -> None:
    """Deletes or replaces a group or an array of an HDF5 file."""
    with h5py.File(path, "a") as file:
        everything: list[str] = []
        file.visit(everything.append)
        name = data.draw(pick(sorted(everything)))
        found = file[name]
        kind = data.draw(pick(["delete", "array", "group", "attribute", "rename", "value"]))
        old = found[()] if isinstance(found, h5py.Dataset) else np.zeros(3)
        if kind == "attribute":
            for key in list(found.attrs):
                if data.draw(st.booleans()):
                    del found.attrs[key]
                else:
                    found.attrs[key] = data.draw(pick([-1, "x", 1.5, [1, 2], 10**9]))
        elif kind == "rename":
            file.move(name, name + "x")
        elif kind == "value" and isinstance(found, h5py.Dataset) and old.size:
            place = np.unravel_index(data.draw(st.integers(0, old.size - 1)), old.shape)
            value = data.draw(pick([math.nan, math.inf, 1e300, -5.0, 1.0, 0.0, 7.0]))
            if old.dtype.kind == "f":
                found[place] = value
        else:
            del file[name]
            if kind == "group":
                file.create_group(name)
            elif kind == "array":
                new = data.draw(pick([
                    old[:-1], old[..., None], old[..., :1], np.vstack([old, old]), old.astype("f2"),
                    old.astype("i8"), old.astype("S3"), np.float64(3), np.zeros(0), old.astype("c8"),
                    np.zeros((0, 3)), old.astype([("a", "f8")]), old.astype("?"), old.reshape(-1)[:1],
                ]))  # fmt: skip
                file[name] = new


def damage_metadata(data: st.DataObject, path: Path) -> None:
    from minari.serialization import serialize_space

    metadata = json.loads(path.read_text(encoding="utf-8"))
    key = data.draw(pick([*sorted(metadata), "new"]))
    kind = data.draw(pick(["delete", "json", "space", "hostile", "file"]))
    if kind == "file":
        path.write_text(data.draw(HOSTILE), encoding="utf-8")
        return
    if kind == "delete":
        metadata.pop(key, None)
    elif kind == "json":
        metadata[key] = data.draw(JSON)
    elif kind == "space":
        key = data.draw(pick(["action_space", "observation_space"]))
        metadata[key] = serialize_space(data.draw(SPACES))
    else:
        metadata[key] = data.draw(HOSTILE)
    path.write_text(json.dumps(metadata), encoding="utf-8")


def damage_bytes(data: st.DataObject, path: Path) -> None:
    """Cuts a file off, or changes some of its bits."""
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(
                st.integers(0, 7)
            )
    path.write_bytes(content)


@given(st.data())
@examples(150)
def test_minari_folders(
    recorded: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged") / "data"
    shutil.copytree(recorded, folder)
    for _ in range(data.draw(st.integers(1, 2))):
        kind = data.draw(pick(["tree", "tree", "metadata", "metadata", "bytes"]))
        try:
            if kind == "tree":
                damage_tree(data, folder / "main_data.hdf5")
            elif kind == "metadata":
                damage_metadata(data, folder / "metadata.json")
            else:
                damage_bytes(data, data.draw(pick(sorted(folder.iterdir()))))
        except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError):
            pass  # what is damaged already can be damaged no further
    dataset = outcome(load_dataset, folder)
    if dataset is not None:
        check_dataset(dataset)
        train_on(dataset)
    shutil.rmtree(folder.parent)


# ------------------------------------------------------------------------------- saved files


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a policy and a checkpoint."""
    folder = tmp_path_factory.mktemp("saved")
    continued(folder, 4).policy.save(folder / "policy.npz")
    return folder


def continued(folder: Path, steps: int) -> Any:
    config = BC.Config(hidden=(4,))
    return train(
        BC, from_arrays(**rows()), config=config, num_steps=steps, batch_size=4, seeds=1,
        progress=False, checkpoint=folder,
    )  # fmt: skip


def damage_arrays(data: st.DataObject, path: Path) -> None:
    """Deletes or changes an array of a file, or its description."""
    with np.load(path) as file:
        arrays = dict(file)
    name = data.draw(pick(sorted(arrays)))
    old = arrays[name]
    kind = data.draw(pick(["delete", "array", "value", "description", "description", "new"]))
    if kind == "delete":
        del arrays[name]
    elif kind == "new":
        arrays[name + "x"] = old
    elif kind == "array":
        arrays[name] = data.draw(pick([
            old[..., None], old.reshape(-1)[:1], np.zeros(0), old.astype("U9"), np.zeros((3, 4)),
            np.zeros((), "f4"), np.zeros(8, [("a", "f4")]), np.zeros(2, "M8[s]"), old.astype("V4"),
        ]))  # fmt: skip
    elif kind == "value" and old.dtype.kind == "f" and old.size:
        old.flat[data.draw(st.integers(0, old.size - 1))] = data.draw(
            pick([math.nan, math.inf, 1e38, 0])
        )
    else:
        text = str(arrays.get("description", "{}"))
        description = json.loads(text)
        key = data.draw(pick(sorted(description)))
        inner = description[key]
        if isinstance(inner, dict) and data.draw(st.booleans()):
            inner[data.draw(pick([*sorted(inner), "new"]))] = data.draw(JSON)
        elif key == "configs" and data.draw(st.booleans()):
            one = inner[0]
            one[data.draw(pick([*sorted(one), "new"]))] = data.draw(st.one_of(JSON, NUMBERS))
        else:
            description[key] = data.draw(JSON)
        new = data.draw(
            st.one_of(st.just(json.dumps(description)), st.just(json.dumps(description)), HOSTILE)
        )
        arrays["description"] = np.array(new)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def damage_archive(data: st.DataObject, path: Path) -> None:
    """Writes the archive anew: compressed, with something twice, or a header that lies."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(pick(sorted(members)))
    kind = data.draw(pick(["method", "header", "pickle", "text", "folder"]))
    if kind == "header":
        huge = {
            "descr": "<f4",
            "fortran_order": False,
            "shape": data.draw(pick([(10**13,), (2**63,), (-1,), (10**5,) * 3])),
        }
        buffer = io.BytesIO()
        np.lib.format.write_array_header_1_0(buffer, huge)
        members[name] = buffer.getvalue() + b"\0" * 64
    elif kind == "pickle":
        buffer = io.BytesIO()
        np.save(buffer, np.array([{"a": 1}], object), allow_pickle=True)
        members[name] = buffer.getvalue()
    elif kind == "text":
        members[name] = data.draw(st.binary(max_size=200))
    elif kind == "folder":
        members["x/"] = b""
    methods = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    method = data.draw(pick(methods))
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def damage_file(data: st.DataObject, path: Path) -> None:
    damages = [damage_arrays, damage_arrays, damage_archive, damage_bytes]
    data.draw(pick(damages))(data, path)


@given(st.data())
@examples(150)
def test_policies(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = Path(shutil.copy(saved / "policy.npz", tmp_path_factory.mktemp("policy")))
    damage_file(data, path)
    policy = outcome(load_policy, path)
    if policy is not None:
        assert finite((policy.state, policy.normalization))
        repr(policy)
    shutil.rmtree(path.parent)


@given(st.data())
@examples(100)
def test_checkpoints(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = Path(shutil.copy(saved / "checkpoint.npz", tmp_path_factory.mktemp("checkpoint")))
    damage_file(data, path)
    damaged = path.read_bytes()
    run = outcome(continued, path.parent, 6)
    if run is None:
        assert path.read_bytes() == damaged, "what was there has been changed"
    else:
        assert finite(run.policy.state)
        assert len(run.metrics["actor_loss"]) == len(run.steps)
    assert {each.name for each in path.parent.iterdir()} <= {"checkpoint.npz", "checkpoint.lock"}
    shutil.rmtree(path.parent)


# ------------------------------------------------------------------------------- command lines

WORDS = st.one_of(
    pick(
        [
            "", "-", "--", "-1", "0", "1", "2", "2.5", "1e1", "nan", "inf", "true", "None", "maze/stitch-v0",
            "cartpole/mixed-v0", "bc", "td3_bc", "train", "evaluate", "--to", "--num-steps", "--every",
            "--seeds", "--batch-size", "--hidden", "--actor-learning-rate", "--normalize", "--key",
            "--episodes", "--environment", "Pendulum-v1", "offline_tutor/PointMaze-v0", "--set",
            "hidden=4", "hidden=4,4.5", "{0}/none", "{0}/run", "{0}", "~", "..", "\x00", "ü", "--x=y",
            "{0}/policy.npz", "{0}/empty", "--tau", "--alpha=x", "-h", "--jobs", "--assignment",
        ]
    ),
    st.text(max_size=5),
)  # fmt: skip
TRAIN = "train bc maze/stitch-v0 --to {0}/run --num-steps 2 --every 2 --seeds 1 --batch-size 4 --hidden 4"
COMMANDS = pick([
    TRAIN, TRAIN, "evaluate {0}/policy.npz offline_tutor/PointMaze-v0 --episodes 1", "datasets {0}",
    "datasets maze/stitch-v0", "grade {0}/empty --jobs 1", "train", "evaluate", "",
])  # fmt: skip
LARGE = {"--num-steps", "--episodes", "--batch-size", "--every", "--seeds", "--hidden", "--jobs"}


@given(st.data())
@examples(100)
def test_command_lines(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("commands")
    shutil.copy(saved / "policy.npz", folder)
    (folder / "empty").mkdir()
    words = data.draw(COMMANDS).split()
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(words)))
        change = data.draw(pick(["insert", "replace", "delete", "swap"]))
        if change == "insert" or not words:
            words.insert(place, data.draw(WORDS))
        elif change == "replace" and place < len(words):
            words[place] = data.draw(WORDS)
        elif change == "delete" and place < len(words):
            del words[place]
        elif place + 1 < len(words):
            words[place : place + 2] = words[place + 1], words[place]
    check_command([word.replace("{0}", str(folder)) for word in words], folder)
    shutil.rmtree(folder)


def briefly(*arguments: Any, num_steps: Any, **named: Any) -> Any:
    """`train`, whose 6000 steps would take long where the number of steps was lost."""
    return train(*arguments, num_steps=4 if num_steps > 4 else num_steps, **named)


def check_command(words: list[str], folder: Path) -> None:
    """Runs a command; it must succeed, or say in the house's form what is wrong."""
    raised: list[Exception] = []
    run = cli._run

    def watched(asked: list[str]) -> int:
        try:
            return run(asked)
        except Exception as error:
            raised.append(error)
            raise

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, limit(60):
        patch.chdir(folder)  # one of the words may be taken for a folder to write to
        patch.setattr(cli, "_run", watched)
        patch.setattr("offline_tutor.cli.train.train", briefly)
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        status = cli.main(words)
    assert status in (0, 1, 2), f"{words}: {status}"
    for error in raised:
        judge(error)
        assert not faults_of(err.getvalue().strip())
    assert "Traceback" not in err.getvalue()
    assert status == 0 or (out.getvalue() + err.getvalue()).strip(), f"{words}: nothing is said"
    assert not list(folder.rglob("*.part"))
