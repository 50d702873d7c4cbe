"""Two hundred malformed inputs: one clear error each, which says what, where and what to do.

The inputs and their messages are listed in `_build/malformed.md` after the tests.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest
from house_errors import faults_of, is_deliberate

from offline_tutor import cli
from offline_tutor.algorithms import BC, CQL_LAGRANGE, CQL_QR_DQN, DQN, SAC, TD3, TD3_BC
from offline_tutor.classroom.exercises import exercise, judge, observe
from offline_tutor.classroom.exercises.observing import rng_of
from offline_tutor.classroom.grading import class_grader
from offline_tutor.classroom.grading.submissions import read_submission
from offline_tutor.data import from_arrays, load_dataset
from offline_tutor.evaluation import evaluate
from offline_tutor.policies import load_policy
from offline_tutor.training import train

# Where the input is made and used: an empty folder. Returns only if nothing complains.
Use = Callable[[Path], Any]
CASES: dict[str, tuple[Use, tuple[str, ...]]] = {}


def case(name: str, use: Use, *parts: str) -> None:
    """An input, and the parts that its message must have: what is wrong, and where."""
    assert name not in CASES, name
    CASES[name] = use, parts


# ------------------------------------------------------------------------------- arrays


def rows(**changes: Any) -> dict[str, Any]:
    """Eight good rows in two episodes, the first of which is cut, with changes."""
    rng = np.random.default_rng(0)
    good = {
        "observations": rng.normal(size=(8, 3)),
        "actions": rng.uniform(-1, 1, (8, 2)),
        "rewards": rng.normal(size=8),
        "next_observations": rng.normal(size=(8, 3)),
        "terminations": np.arange(8) == 7,
        "truncations": np.arange(8) == 3,
    }
    return good | changes


def arrays(**changes: Any) -> Use:
    return lambda folder: from_arrays(**rows(**changes))


def with_value(column: str, row: int, value: Any) -> np.ndarray:
    """A column in which a row begins with another value."""
    changed = rows()[column].astype(object)
    changed.reshape(8, -1)[row, 0] = value
    return changed


FLOATS = ("observations", "actions", "rewards", "next_observations")
BAD = {"NaN": np.nan, "infinite": -np.inf, "too large": 1e39, "a text": "much", "None": None}
for column in FLOATS:
    for what, value in BAD.items():
        case(f"{column}: {what}", arrays(**{column: with_value(column, 5, value)}), column, "row 5")
    good = rows()[column]
    case(f"{column}: a row too few", arrays(**{column: good[:-1]}), column, "7")
    case(f"{column}: an axis too many", arrays(**{column: good[..., None]}), column, "1)")
    case(f"{column}: one number", arrays(**{column: 2.5}), column, "()")
    case(f"{column}: one text", arrays(**{column: "none"}), column)
    case(f"{column}: complex", arrays(**{column: good + 1j}), column, "complex")
    case(f"{column}: dates", arrays(**{column: good.astype("M8[s]")}), column, "date")
    masked = np.ma.masked_array(good, np.arange(good.size).reshape(good.shape) == good.size - 1)
    case(f"{column}: masked", arrays(**{column: masked}), column, "masked")
    ragged = [*good.tolist()[:-1], [1.0, [2.0]]]
    case(f"{column}: ragged", arrays(**{column: ragged}), column)
for column in ("terminations", "truncations"):
    flags = rows()[column]
    case(f"{column}: 2", arrays(**{column: flags * 2}), column, "2", "row")
    case(f"{column}: NaN", arrays(**{column: np.where(flags, np.nan, 0)}), column, "nan", "row")
    case(f"{column}: texts", arrays(**{column: flags.astype(str)}), column)
    case(f"{column}: a row too few", arrays(**{column: flags[:-1]}), column, "7")
    case(f"{column}: an axis too many", arrays(**{column: flags[:, None]}), column, "(8, 1)")
    case(f"{column}: one flag", arrays(**{column: True}), column, "()")
case("terminations: None", arrays(terminations=None), "terminations", "None")
both = {"terminations": rows()["terminations"] | rows()["truncations"]}
case("two ends in one row", arrays(**both), "row 3", "terminated", "truncated")
case("no rows", arrays(**{name: column[:0] for name, column in rows().items()}), "empty")
cut = {"truncations": np.ones(8, bool), "terminations": np.zeros(8, bool)}
case("nothing but cuts", arrays(**cut, next_observations=None), "every row")
case("an action out of bounds", arrays(actions=with_value("actions", 6, 1.5)), "row 6", "1.5")
for what, bounds in {
    "the wrong way round": (1, -1), "equal": (1, 1), "infinite": (-np.inf, np.inf),
    "NaN": (np.nan, 1), "one": (1,), "three": (-1, 0, 1), "a text": "wide", "texts": ("a", "b"),
    "of another length": ([-1, -1, -1], 1), "beyond float32": (-1e39, 1e39),
    "a space": gymnasium.spaces.Box(-1, 1, (2,)), "a number": 1.0,
}.items():  # fmt: skip
    case(f"action_bounds: {what}", arrays(action_bounds=bounds), "bounds")
for number in (0, -1, 2.5, "two", True, [2], np.nan):
    numbered = {"actions": np.arange(8) % 2, "num_actions": number}
    case(f"num_actions: {number!r}", arrays(**numbered), "num_actions", str(number))
case("discrete: too large", arrays(actions=np.arange(8), num_actions=5), "row 5", "5 discrete")
case("discrete: negative", arrays(actions=np.arange(8) - 1, num_actions=9), "row 0", "-1")
case("discrete: half", arrays(actions=np.arange(8) / 2, num_actions=9), "row 1", "0.5")
case("discrete: vectors", arrays(num_actions=9), "actions", "(8, 2)")
case("continuous: a column", arrays(actions=np.zeros(8)), "actions", "(8,)")
case("environment: a number", arrays(environment=3), "environment", "3")


# ------------------------------------------------------------------------------- Minari's files


def recorded(folder: Path) -> Path:
    """A dataset in Minari's format, of two episodes of four steps: the folder with its files."""
    import minari
    from minari.data_collector import EpisodeBuffer

    good = rows()
    observations = np.vstack([good["observations"][:4], good["observations"][:1]])
    buffers = [
        EpisodeBuffer(
            id=number, observations=observations, actions=np.float32(good["actions"][:4]),
            rewards=good["rewards"][:4], terminations=np.zeros(4, bool),
            truncations=np.arange(4) == 3, infos={},
        )
        for number in range(2)
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))
        minari.create_dataset_from_buffers(
            "small-v0", buffers, action_space=gymnasium.spaces.Box(-1, 1, (2,)),
            observation_space=gymnasium.spaces.Box(-9, 9, (3,), float),
        )  # fmt: skip
    return folder / "small-v0" / "data"


def tree(key: str, new: Any = None) -> Use:
    """A dataset in whose file an array is deleted, or replaced."""

    def use(folder: Path) -> Any:
        data = recorded(folder)
        with h5py.File(data / "main_data.hdf5", "a") as file:
            old = file[f"episode_1/{key}"]
            changed = new(old[()]) if callable(new) else new
            del file[f"episode_1/{key}"]
            if changed is not None:
                file[f"episode_1/{key}"] = changed
        return load_dataset(data)

    return use


def spaces(**changed: gymnasium.Space) -> Use:
    from minari.serialization import serialize_space

    return metadata(**{name: serialize_space(space) for name, space in changed.items()})


def metadata(**changes: Any) -> Use:
    """A dataset whose metadata are changed; None deletes."""

    def use(folder: Path) -> Any:
        data = recorded(folder)
        found = json.loads((data / "metadata.json").read_text(encoding="utf-8")) | changes
        kept = {key: value for key, value in found.items() if value is not None}
        (data / "metadata.json").write_text(json.dumps(kept), encoding="utf-8")
        return load_dataset(data)

    return use


def on_disk(change: Callable[[Path], Any]) -> Use:
    def use(folder: Path) -> Any:
        data = recorded(folder)
        change(data)
        return load_dataset(data)

    return use


def shortened_to(size: int) -> Callable[[Path], Any]:
    return lambda data: (data / "main_data.hdf5").write_bytes(
        (data / "main_data.hdf5").read_bytes()[:size]
    )


for key in ("observations", "actions", "rewards", "terminations", "truncations"):
    case(f"Minari, {key}: missing", tree(key), "small-v0", key, "row 4")
    few = "observations" if key == "rewards" else key  # which are then one too many
    case(f"Minari, {key}: a step too few", tree(key, lambda a: a[:-1]), "small-v0", few)
    case(f"Minari, {key}: an axis too many", tree(key, lambda a: a[..., None]), "small-v0", key)
    case(f"Minari, {key}: texts", tree(key, lambda a: a.astype("S5")), "small-v0", key)
    case(f"Minari, {key}: one number", tree(key, np.float64(1)), "small-v0", key)
for key in ("observations", "actions", "rewards"):
    bad = lambda a: np.where(np.arange(a.size).reshape(a.shape) < 1, np.nan, a)  # noqa: E731
    case(f"Minari, {key}: NaN", tree(key, bad), "small-v0", key, "row 4", "episode 1")
for key in ("dataset_id", "total_steps", "total_episodes", "minari_version"):
    case(f"Minari, metadata: no {key}", metadata(**{key: None}), key)
case("Minari, metadata: a step more", metadata(total_steps=9), "8 steps", "9")
case("Minari, metadata: a step fewer", metadata(total_steps=7), "small-v0", "7")
case("Minari, metadata: no steps", metadata(total_steps=0), "small-v0")
case("Minari, metadata: -1 steps", metadata(total_steps=-1), "small-v0")
case("Minari, metadata: steps in words", metadata(total_steps="eight"), "eight")
case("Minari, metadata: an episode more", metadata(total_episodes=3), "episode")
case("Minari, metadata: another version", metadata(minari_version="9.9"), "9.9")
for space in (
    gymnasium.spaces.MultiBinary(2), gymnasium.spaces.MultiDiscrete([2, 2]),
    gymnasium.spaces.Text(3), gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(2)] * 2),
    gymnasium.spaces.Box(-np.inf, np.inf, (2,)), gymnasium.spaces.Box(-0.01, 0.01, (2,)),
    gymnasium.spaces.Box(-1, 1, (3,)), gymnasium.spaces.Discrete(2),
):  # fmt: skip
    case(f"Minari, actions: {space}", spaces(action_space=space), "small-v0", "action")
for space in (
    gymnasium.spaces.Discrete(4), gymnasium.spaces.Box(0, 255, (4, 4, 3), np.uint8),
    gymnasium.spaces.Box(-9, 9, (4,)), gymnasium.spaces.Dict(),
    gymnasium.spaces.Dict(a=gymnasium.spaces.Discrete(2)), gymnasium.spaces.Text(3),
):  # fmt: skip
    case(f"Minari, observations: {space}", spaces(observation_space=space), "observation")
case("Minari: half the file", on_disk(shortened_to(4000)), "small-v0")
case("Minari: an empty file", on_disk(shortened_to(0)), "small-v0")
case("Minari: no file", on_disk(lambda data: (data / "main_data.hdf5").unlink()), "small-v0")
case("Minari: no metadata", on_disk(lambda data: (data / "metadata.json").unlink()), "metadata")
for what, text in {"half": "{", "a list": "[]", "empty": ""}.items():
    change = lambda data, text=text: (data / "metadata.json").write_text(text, encoding="utf-8")  # noqa: E731
    case(f"Minari, metadata: {what}", on_disk(change), "small-v0")
case("a folder of something else", lambda folder: load_dataset(folder), "metadata.json")
case("a file", lambda folder: load_dataset(Path(__file__)), "test_malformed.py")
case("a folder that is not there", lambda folder: load_dataset(folder / "none"), "none")
case("a name that is not there", lambda folder: load_dataset("maze/stich-v0"), "maze/stich-v0")
case("a number for a dataset", lambda folder: load_dataset(3), "source")
case("a dictionary for a dataset", lambda folder: load_dataset(rows()), "source", "dict")


# ------------------------------------------------------------------------------- configurations


def config(algorithm: Any, **values: Any) -> Use:
    return lambda folder: algorithm.Config(**values)


for algorithm, name, value in (
    *((TD3_BC, "discount", x) for x in (-0.1, 1.1, 99, np.nan, "0.9", None, True, [0.9])),
    *((TD3_BC, "tau", x) for x in (0, 5, -1, np.inf)), *((TD3_BC, "alpha", x) for x in (-1, "2.5")),
    *((TD3_BC, "policy_delay", x) for x in (0, -2, 1.5, "2", True)), (TD3, "policy_noise", -0.1),
    *((TD3_BC, "hidden", x) for x in (64, (0,), (-8, 8), "64", (8.5,), None, (True,), ((8, 8),))),
    (TD3, "noise_clip", -1), (TD3, "exploration_noise", -1), (TD3, "max_action", 0),
    (TD3, "actor_learning_rate", -1e-3), (TD3, "critic_learning_rate", 10**400),
    (SAC, "initial_temperature", 0), (DQN, "target_period", 0), (DQN, "epsilon", 1.5),
    (DQN, "learning_rate", 1j), (CQL_QR_DQN, "num_quantiles", 0), (CQL_QR_DQN, "kappa", -1),
    (CQL_LAGRANGE, "num_samples", 0), (CQL_LAGRANGE, "warm_start_steps", -1),
    (CQL_QR_DQN, "alpha", np.timedelta64(1, "s")), (CQL_QR_DQN, "hidden", ("x" * 500,)),
):  # fmt: skip
    text = repr(value)[:60]
    case(f"{algorithm.name}: {name}={text}", config(algorithm, **{name: value}), name, text[:20])


def training(**changes: Any) -> Use:
    def use(folder: Path) -> Any:
        named: dict[str, Any] = {"algorithm": BC, "dataset": from_arrays(**rows())}
        named |= {"config": BC.Config(hidden=(4,)), "num_steps": 2, "batch_size": 4, "seeds": 1}
        return train(**named | {"progress": False} | changes)

    return use


for name, values in {
    "num_steps": (0, -1, 2.5, "ten", np.inf, np.nan, None, True), "batch_size": (0, "all", 1.5),
    "every": (0, None, -5), "seeds": (0, -1, [], [1, 1], [-1], 2**33, "3", 1.5, [2**32], None),
    "dataset": (rows(), "maze/stitch-v0", None), "algorithm": ("td3_bc", BC.Config, None, 3),
    "config": (TD3.Config(), {"hidden": (4,)}, (), 3, [BC.Config(), BC.Config(hidden=(8,))]),
    "evaluate": ("Pendulum-v1", 3), "callbacks": (print, [3]), "draw_rows": ("uniform", None),
    "checkpoint": (3, "", "\0", "/dev/null/x", "x" * 300), "normalize": ("yes", None),
}.items():  # fmt: skip
    for value in values:
        shown = " ".join(repr(value).split())[:50]
        case(f"train({name}={shown})", training(**{name: value}), name)
discrete = {"actions": np.arange(8) % 2, "num_actions": 2}
case(
    "discrete actions for bc",
    lambda folder: training(dataset=from_arrays(**rows(**discrete)))(folder), "2 discrete",
)  # fmt: skip
case("continuous actions for dqn", training(algorithm=DQN, config=DQN.Config()), "continuous")


# ------------------------------------------------------------------------------- saved files


def saved(use: Callable[[Path], Any]) -> Use:
    """With a folder that has a policy and a checkpoint."""

    def prepared(folder: Path) -> Any:
        training(checkpoint=folder)(folder).policy.save(folder / "policy.npz")
        return use(folder)

    return prepared


def truncated(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


case("a policy that is not there", lambda folder: load_policy(folder / "p.npz"), "p.npz")
case("a folder without a policy", lambda folder: load_policy(folder), "policy.npz")
case("half a policy", saved(lambda f: load_policy(truncated(f / "policy.npz"))), "policy.npz")
case("a checkpoint for a policy", saved(lambda f: load_policy(f / "checkpoint.npz")), "checkpoint")
case("a text for a policy", lambda folder: load_policy(Path(__file__)), "test_malformed.py")
case("a number for a policy", lambda folder: load_policy(3), "3")


def continued(**changes: Any) -> Use:
    return saved(lambda folder: training(checkpoint=folder, **changes)(folder))


case("a checkpoint of more steps", continued(num_steps=1), "num_steps=1")
case("a checkpoint of other seeds", continued(seeds=2), "seeds", "checkpoint.npz")
case("a checkpoint of other widths", continued(config=BC.Config(hidden=(5,))), "configs")
case(
    "a checkpoint of other data",
    continued(dataset=from_arrays(**rows(rewards=np.ones(8)))),
    "dataset",
)
case(
    "a checkpoint of another algorithm", continued(algorithm=replace(BC, name="mine")), "algorithm"
)
case("a checkpoint of other minibatches", continued(batch_size=3), "batch_size")


def half_a_checkpoint(folder: Path) -> Any:
    truncated(folder / "checkpoint.npz")
    return training(checkpoint=folder)(folder)


case("half a checkpoint", saved(half_a_checkpoint), "checkpoint.npz")
case(
    "a file for a checkpoint",
    saved(lambda f: training(checkpoint=f / "policy.npz")(f)),
    "policy.npz",
)
for what, environment in {
    "a name that is not there": "NoSuch-v0",
    "a number": 3,
    "None": None,
}.items():
    use = lambda f, environment=environment: evaluate(training()(f).policy, environment)  # noqa: E731
    case(f"evaluate in {what}", use, "environment", str(environment))
case("evaluate elsewhere", lambda f: evaluate(training()(f).policy, "Pendulum-v1"), "actions")
case("evaluate a name", lambda folder: evaluate("policy.npz", "Pendulum-v1"), "policy")
for key in ("0", 1.5, None, True):
    use = lambda f, key=key: evaluate(training()(f).policy, "Pendulum-v1", key=key)  # noqa: E731
    case(f"evaluate with key={key!r}", use, "key", repr(key))
for episodes in (0, -1, "many", 2.5, None):
    use = lambda f, n=episodes: evaluate(training()(f).policy, "Pendulum-v1", episodes=n)  # noqa: E731
    case(f"evaluate with episodes={episodes!r}", use, "episodes", repr(episodes))


# ------------------------------------------------------------------------------- command lines


class Said(Exception):
    """What a command printed, with its exit status 2."""


def command(line: str) -> Use:
    def use(folder: Path) -> Any:
        import contextlib
        import io

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(
                [word.replace("{0}", str(folder)) for word in line.split(" ") if word]
            )
        assert status in (1, 2), f"status {status}: {out.getvalue()}"
        assert status == 1 or not out.getvalue(), "it printed something before"
        said = (err.getvalue() or out.getvalue()).strip()
        # Warnings come before the error; tyro draws a box around what it says of usage.
        raise Said(said if "full helptext" in said else said.splitlines()[-1])

    return use


TRAIN = "train bc maze/stitch-v0 --to {0}/x "
for line, part in {
    "train bc no/such-v0 --to {0}/x": "no/such-v0", "train bc {0} --to {0}/x": "metadata.json",
    "train bc cartpole/mixed-v0 --to {0}/x": "2 discrete", "train dqn maze/stitch-v0 --to {0}/x": "continuous",
    TRAIN + "--num-steps 0": "0", TRAIN + "--num-steps -5": "-5", TRAIN + "--num-steps many": "many",
    TRAIN + "--batch-size 0": "0", TRAIN + "--seeds 0": "seeds", TRAIN + "--every 0": "every",
    TRAIN + "--hidden 0": "hidden", TRAIN + "--hidden 4.5": "--hidden", TRAIN + "--beta 1": "--beta",
    TRAIN + "--actor-learning-rate -1": "actor_learning_rate", TRAIN + "--max-action 2": "max_action",
    TRAIN + "--actor-learning-rate nan": "actor_learning_rate", TRAIN + "extra": "extra",
    TRAIN + "--environment NoSuch-v0": "NoSuch-v0", "train bc maze/stitch-v0": "--to",
    TRAIN + "--environment Pendulum-v1": "observations", "train bc": "--to", "train": "bc",
    "train bc maze/stitch-v0 --to /dev/null/x": "/dev/null/x", "": "datasets", "trian": "trian",
    "evaluate": "--help", "evaluate {0}/none Pendulum-v1": "none", "evaluate {0} Pendulum-v1": "policy",
    "evaluate {0} Pendulum-v1 --episodes 0": "episodes", "evaluate {0} Pendulum-v1 --episodes x": "x",
    "evaluate {0} Pendulum-v1 --key x": "key",
    "datasets no/such-v0": "no/such-v0", "datasets {0}": "metadata.json", "datasets --all": "--all",
    "grade": "--help", "grade {0}/none": "none", "grade {0}": "empty", "grade {0} --jobs 0": "--jobs",
    "grade {0} --jobs x": "--jobs", "grade {0} --cell-seconds 0": "cell_seconds",
    "grade {0} --assignment 99": "empty", "grade {0} --memory-mb -1": "memory_mb",
}.items():  # fmt: skip
    case(f"`offline-tutor {line.strip()}`", command(line), part)


# ------------------------------------------------------------------------------- submissions

CHAPTER = "13_behaviour_cloning"
ASSIGNMENT = class_grader.assignment_of(CHAPTER)


def handed_in(content: bytes | str, name: str = "ann.ipynb") -> Use:
    def use(folder: Path) -> Any:
        file = folder / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        raise Said(read_submission("ann", file, CHAPTER, ASSIGNMENT, 10**5).problem)

    return use


def in_folder(make: Callable[[Path], Any]) -> Use:
    def use(folder: Path) -> Any:
        (folder / "ann").mkdir()
        make(folder / "ann")
        raise Said(read_submission("ann", folder / "ann", CHAPTER, ASSIGNMENT, 10**5).problem)

    return use


for what, content, part in (
    ("nothing", b"", "empty"), ("spaces", b" \n", "empty"), ("half of it", b'{"cells": [', "JSON"),
    ("a PDF", b"%PDF-1.7\n", "JSON"), ("other bytes", b"\xff\xfe\0", "JSON"), ("brackets", b"[" * 9999, "JSON"),
    ("a list", b"[1, 2]", "cells"), ("an old notebook", b'{"worksheets": []}', "cells"),
    ("cells that are none", b'{"cells": 3}', "cells"), ("a large file", b" " * (10**5 + 1), "MB"),
    ("a thousand cells", b'{"cells": [' + b"{}," * 1000 + b"{}]}", "1001 cells"),
):  # fmt: skip
    case(f"submitted: {what}", handed_in(content), part)
case("submitted: a text file", handed_in("# answers", "ann.txt"), "not a notebook")
case("submitted: an empty folder", in_folder(lambda folder: None), "no notebook")
link = lambda folder: (folder / "a.ipynb").symlink_to(Path(__file__))  # noqa: E731
case("submitted: a link in a folder", in_folder(link), "no notebook")


def two(folder: Path) -> None:
    for name in ("a.ipynb", "b.ipynb"):
        (folder / name).write_text('{"cells": []}', encoding="utf-8")


case("submitted: two notebooks", in_folder(two), "2 notebooks")


def answered(function: Any) -> Use:
    def use(folder: Path) -> Any:
        this = exercise("cloning-loss")
        raise Said(str(judge(this, observe(this, function, 1), 1)))

    return use


ARGUMENTS = list(exercise("cloning-loss").case(rng_of(1, 0)))
SIGNATURE = ", ".join(ARGUMENTS)
for what, body in {
    "nothing": "None", "a text": "'3'", "a list of lists": "[[1], [2, 3]]", "a dictionary": "{}",
    "a division by zero": "1 / 0", "a name that is not there": "proposed", "a constant": "1.0",
    "NaN": "float('nan')", "a function": "len", "exit": "exit()",
    "wrong shape": f"{ARGUMENTS[0]}", "other numbers": f"abs({ARGUMENTS[-1]}).sum()",
}.items():  # fmt: skip
    function = eval(f"lambda {SIGNATURE}: {body}")
    case(f"answered: {what}", answered(function), "Not")
case("answered: no function", answered(None), "cloning_loss", "missing")
case("answered: a number", answered(3), "cloning_loss", "int")
case("answered: other arguments", answered(lambda x: x), "cloning_loss", SIGNATURE)


# ------------------------------------------------------------------------------- the test


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nobody answers on the network, and no dataset is at home."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_there_are_two_hundred() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize("name", CASES)
def test_one_clear_error(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    use, parts = CASES[name]
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(Exception) as caught:
        use(folder)
    message = str(caught.value)
    record_property("malformed", (name, message))
    assert isinstance(caught.value, Said | ValueError | TypeError | FileNotFoundError), caught.value
    assert isinstance(caught.value, Said) or is_deliberate(caught.value), caught.getrepr()
    for part in parts:
        assert part in message, f"{part!r} is not in: {message}"
    if "full helptext" in message:
        assert_is_a_usage_error(message)
    else:
        assert not faults_of(message), f"{faults_of(message)}: {message}"
    assert not list(tmp_path.rglob("*.part"))


def assert_is_a_usage_error(message: str) -> None:
    """tyro draws a box: one error, the argument's help, and the command that shows all help."""
    assert re.search(r"offline-tutor[\w -]* --help", message)
    assert "Traceback" not in message
