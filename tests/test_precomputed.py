"""Precomputed results: where they come from is in the file, and their program still works."""

import json
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest

from offline_tutor.book import precomputed
from offline_tutor.book.precomputed import (
    alpha_sweep,
    cql_sac_sweep,
    cql_sweep,
    q_in_training,
    sweep,
)
from offline_tutor.environments import CORRIDORS, PointMaze

MODULES = (alpha_sweep, cql_sweep, cql_sac_sweep)
SWEEPS = [(module, name) for module in MODULES for name in module.TASKS]
each_sweep = pytest.mark.parametrize(("module", "name"), SWEEPS, ids=[name for _, name in SWEEPS])
META = {
    "command",
    "commit",
    "machine",
    "versions",
    "seconds",
    "dataset",
    "dataset_sha256",
    "seeds",
    "num_steps",
    "batch_size",
    "normalize",
    "config",
}


@pytest.fixture(scope="module")
def short_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[ModuleType, Path]:
    """The file of each program with few alphas, two seeds and a few steps."""
    files = {}
    tried = {alpha_sweep: (0.5,), cql_sweep: (0.5, np.inf), cql_sac_sweep: (0.0, 0.5)}
    for module, alphas in tried.items():
        folder = tmp_path_factory.mktemp("precomputed")
        name = next(iter(module.TASKS))
        arguments = [name, "--steps", "6", "--seeds", "2", "--folder", str(folder)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "ALPHAS", alphas)
            files[module] = sweep.main(module, arguments)
    return files


@pytest.mark.parametrize("module", MODULES)
def test_short_run_writes_the_same_kind_of_file(
    module: ModuleType, short_runs: dict[ModuleType, Path]
) -> None:
    file, name = short_runs[module], next(iter(module.TASKS))
    arrays, meta = precomputed.read(file)
    committed, committed_meta = precomputed.load(module.stem(name))
    assert file.stem == module.stem(name)
    assert arrays.keys() == committed.keys() and meta.keys() == committed_meta.keys() == META
    for key in arrays:
        assert arrays[key].shape[1:] in ((), (2,), committed[key].shape[1:]), key
    assert meta["command"].endswith(f"{module.__name__} {name} --steps 6 --seeds 2")
    assert arrays["returns"].shape == (len(arrays["alphas"]), 2)
    assert finite(arrays)
    assert list(file.parent.iterdir()) == [file]


def finite(arrays: dict[str, np.ndarray]) -> bool:
    """Whether all results are numbers, but for what cloning does not have: beliefs."""
    values = arrays.keys() - {"alphas"}
    clones = np.isinf(arrays["alphas"]) & ("agreement" in arrays)
    beliefs = {"believed", "believed_data"} & values
    return all(np.isfinite(arrays[key]).all() for key in values - beliefs) and all(
        (np.isfinite(arrays[key]).all(1) != clones).all() for key in beliefs
    )


def test_field_gives_back_value_and_policy(short_runs: dict[ModuleType, Path]) -> None:
    fields = precomputed.read(short_runs[alpha_sweep])[0]["fields"]
    value, policy = alpha_sweep.from_field(fields[0])
    low, high = CORRIDORS
    points = np.concatenate([low, high])
    assert value(points).shape == (len(points),) and policy(points).shape == (len(points), 2)
    assert (value(points) != 0).all(), "a place that the point can reach has no value"
    assert abs(policy(points)).max() <= 1
    assert (value(np.zeros((1, 2))) == 0).all(), "nobody stands in a wall"


def test_cloning_agrees_with_the_data_more_than_no_penalty_does() -> None:
    """Both ends of the dial are where its program says that they are."""
    for name in cql_sweep.TASKS:
        arrays, _ = precomputed.load(cql_sweep.stem(name))
        assert arrays["alphas"][0] == 0 and np.isinf(arrays["alphas"][-1])
        assert arrays["agreement"][-1].min() > arrays["agreement"][0].max()
        assert arrays["gap"][-1].max() < arrays["gap"][0].min()


@each_sweep
def test_committed_sweep_says_how_it_was_made(module: ModuleType, name: str) -> None:
    arrays, meta = precomputed.load(module.stem(name))
    assert meta.keys() == META
    assert meta["dataset"] == name and f"{module.__name__} {name}" in meta["command"]
    assert len(meta["commit"]) == 40, "made with changes that no commit holds"
    assert tuple(arrays["alphas"]) == module.ALPHAS
    seeds = len(meta["seeds"])
    assert seeds >= 5
    for key in arrays.keys() - {"alphas", "fields"}:
        assert arrays[key].shape == (len(module.ALPHAS), seeds)
    assert finite(arrays)


@each_sweep
def test_committed_sweep_is_of_the_data_and_settings_of_today(
    module: ModuleType, name: str
) -> None:
    meta = precomputed.load(module.stem(name))[1]
    again = "run the command in the file's meta again"
    assert meta["dataset_sha256"] == sweep.checksum(name), again
    config = json.loads(json.dumps(module.describe(name)))
    assert meta["config"] == config and meta["batch_size"] == module.BATCH_SIZE, again


def test_values_are_in_the_environment_s_units_whatever_the_training_was_in() -> None:
    """In the maze, where rewards are multiplied for the training, what is true is at most 1."""
    arrays, meta = precomputed.load(cql_sac_sweep.stem("maze/stitch-v0"))
    assert meta["config"]["reward_scale"] > 1 >= arrays["true"].max()
    # The fields are of the seed in the middle: at A they say what it believes there, but for noise.
    start = np.asarray(PointMaze("A").initial(jax.random.key(0)))[None]
    for field, believed in zip(arrays["fields"], arrays["believed"], strict=True):
        at_start = float(alpha_sweep.from_field(field)[0](start)[0])
        middle = np.sort(believed)[len(believed) // 2]
        assert abs(at_start - middle) < 0.2 + 0.5 * abs(middle)


def test_short_run_of_the_training_writes_what_the_committed_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(q_in_training, "METHODS", ("td3", "cql"))
    arguments = ["maze/stitch-v0", "--steps", "12", "--seeds", "2", "--folder", str(tmp_path)]
    arrays, meta = precomputed.read(sweep.main(q_in_training, arguments, tried="methods"))
    committed, committed_meta = precomputed.load(q_in_training.stem("maze/stitch-v0"))
    assert arrays.keys() == committed.keys() and meta.keys() == committed_meta.keys() == META
    assert arrays["methods"].tolist() == ["td3", "cql"]
    assert arrays["values"].shape == (2, *committed["values"].shape[1:])
    assert arrays["believed"].shape == arrays["returns"].shape == (2, q_in_training.FRAMES, 2)
    assert np.ptp(arrays["values"], axis=1).max() > 0, "nothing was learned between the frames"


def test_committed_training_is_of_today_and_its_values_are_those_of_the_seed_it_names() -> None:
    name, module = "maze/stitch-v0", q_in_training
    path = precomputed.FOLDER / f"{module.stem(name)}.npz"
    arrays, meta = precomputed.read(path)
    again = "run the command in the file's meta again"
    assert meta["dataset_sha256"] == sweep.checksum(name), again
    assert meta["config"] == json.loads(json.dumps(module.describe(name))), again
    assert len(meta["commit"]) == 40, "made with changes that no commit holds"
    assert arrays["methods"].tolist() == list(module.METHODS)
    assert path.stat().st_size < 200_000
    assert len(meta["seeds"]) == module.SEEDS and arrays["steps"][0, -1] == meta["num_steps"]
    x, y = PointMaze.places["A"]
    column, row = round(x / alpha_sweep.SPACING), round(y / alpha_sweep.SPACING)
    for k, seed in enumerate(arrays["middle"]):
        assert seed == np.argsort(arrays["believed"][k, -1])[module.SEEDS // 2]
        believed = arrays["believed"][k, :, seed]
        np.testing.assert_allclose(arrays["values"][k, :, row, column], believed, rtol=2e-3)


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match="alpha_sweep_maze_stitch"):
        precomputed.load("beta_sweep")
