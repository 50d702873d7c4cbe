"""Precomputed results: where they come from is in the file, and their program still works."""

import json
from pathlib import Path

import numpy as np
import pytest

from offline_tutor import precomputed
from offline_tutor.environments import CORRIDORS
from offline_tutor.precomputed import alpha_sweep

SWEEPS = {name: alpha_sweep.stem(name) for name in alpha_sweep.TASKS}
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
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the maze's command with one alpha, two seeds and a few steps."""
    folder = tmp_path_factory.mktemp("precomputed")
    arguments = ["maze/stitch-v0", "--steps", "4", "--seeds", "2", "--folder", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alpha_sweep, "ALPHAS", (0.5,))
        return alpha_sweep.main(arguments)


def test_short_run_writes_the_same_kind_of_file(short_run: Path) -> None:
    arrays, meta = precomputed.read(short_run)
    committed, committed_meta = precomputed.load(SWEEPS["maze/stitch-v0"])
    assert short_run.stem == SWEEPS["maze/stitch-v0"]
    assert arrays.keys() == committed.keys() and meta.keys() == committed_meta.keys() == META
    assert arrays["returns"].shape == (1, 2) and arrays["fields"].shape[:2] == (1, 3)
    assert meta["command"].endswith("alpha_sweep maze/stitch-v0 --steps 4 --seeds 2")
    assert all(np.isfinite(arrays[key]).all() for key in arrays.keys() - {"alphas"})
    assert list(short_run.parent.iterdir()) == [short_run]


def test_field_gives_back_value_and_policy(short_run: Path) -> None:
    value, policy = alpha_sweep.from_field(precomputed.read(short_run)[0]["fields"][0])
    low, high = CORRIDORS
    points = np.concatenate([low, high])
    assert value(points).shape == (len(points),) and policy(points).shape == (len(points), 2)
    assert (value(points) != 0).all(), "a place that the point can reach has no value"
    assert abs(policy(points)).max() <= 1
    assert (value(np.zeros((1, 2))) == 0).all(), "nobody stands in a wall"


@pytest.mark.parametrize("name", SWEEPS)
def test_committed_sweep_says_how_it_was_made(name: str) -> None:
    arrays, meta = precomputed.load(SWEEPS[name])
    assert meta.keys() == META
    assert meta["dataset"] == name and f"alpha_sweep {name}" in meta["command"]
    assert len(meta["commit"]) == 40, "made with changes that no commit holds"
    assert tuple(arrays["alphas"]) == alpha_sweep.ALPHAS
    seeds = len(meta["seeds"])
    assert seeds >= 5
    for key in ("returns", "believed", "true", "distance"):
        assert arrays[key].shape == (len(alpha_sweep.ALPHAS), seeds)
        assert np.isfinite(arrays[key]).all()


@pytest.mark.parametrize("name", SWEEPS)
def test_committed_sweep_is_of_the_data_and_settings_of_today(name: str) -> None:
    meta = precomputed.load(SWEEPS[name])[1]
    again = "run the command in the file's meta again"
    assert meta["dataset_sha256"] == alpha_sweep.checksum(name), again
    config = json.loads(json.dumps(alpha_sweep.describe(name)))
    assert meta["config"] == config and meta["batch_size"] == alpha_sweep.BATCH_SIZE, again


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match="alpha_sweep_maze_stitch"):
        precomputed.load("beta_sweep")
