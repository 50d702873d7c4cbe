"""Precomputed results: where they come from is in the file, and their program still works."""

import importlib
import json
import re
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from offline_tutor.book import precomputed
from offline_tutor.book.precomputed import (
    alpha_sweep,
    coverage,
    cql_options,
    cql_sac_sweep,
    cql_sweep,
    judging,
    q_in_training,
    rivals,
    staying_near,
    td3_repairs,
)
from offline_tutor.book.precomputed.sweep import Sweep, checksum, train_each
from offline_tutor.data import load_dataset
from offline_tutor.environments import CORRIDORS, PointMaze
from offline_tutor.training import Diverged

ALPHA_SWEEPS = {
    one.name: one for one in (alpha_sweep.SWEEP, cql_sweep.SWEEP, cql_sac_sweep.SWEEP, rivals.SWEEP)
}
OTHER_SWEEPS = (
    cql_options.SWEEP,
    q_in_training.SWEEP,
    staying_near.SWEEP,
    td3_repairs.SWEEP,
    coverage.SWEEP,
    judging.SWEEP,
)
SWEEPS = ALPHA_SWEEPS | {one.name: one for one in OTHER_SWEEPS}
FILES = {sweep.stem(name): (sweep, name) for sweep in SWEEPS.values() for name in sweep.datasets}
each_file = pytest.mark.parametrize("stem", FILES)
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
def short_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The file of each program with few alphas, two seeds and a few steps."""
    tried = {
        "alpha_sweep": (0.5, 1.0),
        "cql_sweep": (0.5, np.inf),
        "cql_sac_sweep": (0.0, 0.5),
        "rivals": (0.0, 0.5),
    }
    return {
        name: short_run(ALPHA_SWEEPS[name], alphas, tmp_path_factory.mktemp("precomputed"))
        for name, alphas in tried.items()
    }


def short_run(sweep: Sweep, ways: tuple, folder: Path) -> Path:
    arguments = [sweep.datasets[0], "--steps", "12", "--seeds", "2", "--folder", str(folder)]
    return replace(sweep, ways=ways).main(arguments)


@pytest.mark.parametrize("sweep", ALPHA_SWEEPS.values(), ids=ALPHA_SWEEPS)
def test_short_run_writes_the_same_kind_of_file(sweep: Sweep, short_runs: dict[str, Path]) -> None:
    file, name = short_runs[sweep.name], sweep.datasets[0]
    arrays, meta = precomputed.read(file)
    committed, committed_meta = precomputed.load(sweep.stem(name))
    assert file.stem == sweep.stem(name)
    assert arrays.keys() == committed.keys() and meta.keys() == committed_meta.keys() == META
    for key in arrays:
        assert arrays[key].shape[1:] in ((), (2,), committed[key].shape[1:]), key
    assert meta["command"].endswith(f"precomputed.{sweep.name} {name} --steps 12 --seeds 2")
    assert arrays["returns"].shape == (2, 2)
    assert finite(arrays)
    assert list(file.parent.iterdir()) == [file]


def test_each_alpha_of_a_grid_gets_its_own_results(short_runs: dict[str, Path]) -> None:
    arrays, _ = precomputed.read(short_runs["alpha_sweep"])
    alone = alpha_sweep.SWEEP.measure(load_dataset("maze/stitch-v0"), arrays["alphas"][1:], 12, 2)
    (second,) = alone
    for key in arrays.keys() - {"alphas"}:
        np.testing.assert_array_equal(arrays[key][1], second[key])
    assert (arrays["distance"][0] != arrays["distance"][1]).all()


def test_a_seed_that_diverges_makes_no_file() -> None:
    """Its policy is that of the step before, not of the number of steps that the file names."""
    algorithm, config = alpha_sweep.settings("maze/stitch-v0", 0.5)
    settings = [(algorithm, config), (algorithm, replace(config, critic_learning_rate=1e38))]
    options = {"num_steps": 12, "batch_size": alpha_sweep.BATCH_SIZE, "seeds": 2}
    with pytest.raises(Diverged), pytest.warns(RuntimeWarning, match="2 of 4 policies diverged"):
        list(train_each(load_dataset("maze/stitch-v0"), settings, **options))


def finite(arrays: dict[str, np.ndarray]) -> bool:
    """Whether all results are numbers, but for what cloning does not have: beliefs."""
    values = arrays.keys() - {"alphas", "changes", "records"}
    clones = np.isinf(arrays["alphas"]) & ("agreement" in arrays) if "alphas" in arrays else False
    beliefs = {"believed", "believed_data"} & values
    return all(np.isfinite(arrays[key]).all() for key in values - beliefs) and all(
        (np.isfinite(arrays[key]).all(1) != clones).all() for key in beliefs
    )


def test_field_gives_back_value_and_policy(short_runs: dict[str, Path]) -> None:
    fields = precomputed.read(short_runs["alpha_sweep"])[0]["fields"]
    value, policy = alpha_sweep.from_field(fields[0])
    low, high = CORRIDORS
    points = np.concatenate([low, high])
    assert value(points).shape == (len(points),) and policy(points).shape == (len(points), 2)
    assert (value(points) != 0).all(), "a place that the point can reach has no value"
    assert abs(policy(points)).max() <= 1
    assert (value(np.zeros((1, 2))) == 0).all(), "nobody stands in a wall"


def test_cloning_agrees_with_the_data_more_than_no_penalty_does() -> None:
    """Both ends of the dial are where its program says that they are."""
    for name in cql_sweep.DATASETS:
        arrays, _ = precomputed.load(cql_sweep.SWEEP.stem(name))
        assert arrays["alphas"][0] == 0 and np.isinf(arrays["alphas"][-1])
        assert arrays["agreement"][-1].min() > arrays["agreement"][0].max()
        assert arrays["gap"][-1].max() < arrays["gap"][0].min()


@each_file
def test_committed_file_says_how_it_was_made(stem: str) -> None:
    sweep, name = FILES[stem]
    arrays, meta = precomputed.load(stem)
    assert meta.keys() == META
    program = f"python -m {precomputed.__name__}.{sweep.name} {name} "
    assert meta["dataset"] == name and meta["command"].startswith(program)
    assert len(meta["commit"]) == 40, "made with changes that no commit holds"
    assert tuple(arrays[sweep.axis].tolist()) == sweep.ways
    assert len(meta["seeds"]) >= 5 or sweep is judging.SWEEP  # two on each of ten records


# What could be set when a file was made and no longer can: the algorithm alone decides it now.
FORMER_FIELDS = {"entropy_in_target"}


@each_file
def test_committed_file_is_of_the_data_and_settings_of_today(stem: str) -> None:
    sweep, name = FILES[stem]
    meta = precomputed.load(stem)[1]
    again = "run the command in the file's meta again"
    assert meta["dataset_sha256"] == checksum(name), again
    config = json.loads(json.dumps(sweep.describe(name)))
    former = FORMER_FIELDS if sweep is not cql_options.SWEEP else set()  # there it can be set
    recorded = without(meta["config"], former)
    assert recorded == config and meta["batch_size"] == sweep.batch_size, again


def without(tree: object, names: set[str]) -> object:
    """Nested dictionaries, less the entries of these names."""
    if not isinstance(tree, dict):
        return tree
    return {key: without(value, names) for key, value in tree.items() if key not in names}


OF_OTHER_FORM = ("q_in_training", "judging")


@pytest.mark.parametrize("stem", [stem for stem in FILES if not stem.startswith(OF_OTHER_FORM)])
def test_committed_sweep_has_a_number_for_each_alpha_and_seed(stem: str) -> None:
    arrays, meta = precomputed.load(stem)
    for key in arrays.keys() - {"alphas", "changes", "records", "fields"}:
        assert arrays[key].shape == (len(FILES[stem][0].ways), len(meta["seeds"]))
    assert finite(arrays)


@pytest.mark.slow
def test_judging_a_record_gives_what_its_file_holds() -> None:
    committed, _ = precomputed.load("judging_cartpole_mixed")
    (found,) = judging.measure(load_dataset("cartpole/mixed-v0"), [0], 8, 2)
    assert found.keys() == committed.keys() - {"records"}
    for key, values in found.items():
        assert np.shape(values) == committed[key].shape[1:], key
    for key in ("families", "candidate_alphas"):
        np.testing.assert_array_equal(found[key], committed[key][0])
    critics = committed["families"] != "bc"
    assert (np.isfinite(committed["believed"]) == critics).all()
    assert (np.isfinite(committed["errors"]) == critics).all()
    assert np.isfinite(committed["fqe"]).all() and np.isfinite(committed["weighted"]).all()


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_has_its_module_s_name(name: str) -> None:
    """The recorded command would name another program, or none."""
    module = importlib.import_module(f"{precomputed.__name__}.{name}")
    assert module.SWEEP is SWEEPS[name]


@pytest.mark.parametrize(
    "path", sorted(precomputed.FOLDER.glob("*.py")), ids=lambda path: path.stem
)
def test_files_of_results_that_a_module_names_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(rf"\b(?:{'|'.join(SWEEPS)})_\w+", text) + re.findall(
        r"[\s\"](\w+)\.npz", text
    )
    assert set(named) <= FILES.keys()
    assert named or path.stem == "sweep", "what this looks for has another form now"


def test_values_are_in_the_environment_s_units_whatever_the_training_was_in() -> None:
    """In the maze, where rewards are multiplied for the training, what is true is at most 1."""
    arrays, meta = precomputed.load(cql_sac_sweep.SWEEP.stem("maze/stitch-v0"))
    assert meta["config"]["reward_scale"] > 1 >= arrays["true"].max()
    # The fields are of the seed in the middle: at A they say what it believes there, but for noise.
    start = np.asarray(PointMaze("A").initial(jax.random.key(0)))[None]
    for field, believed in zip(arrays["fields"], arrays["believed"], strict=True):
        at_start = float(alpha_sweep.from_field(field)[0](start)[0])
        middle = np.sort(believed)[len(believed) // 2]
        assert abs(at_start - middle) < 0.2 + 0.5 * abs(middle)


def test_each_change_of_the_options_trains_what_it_says(tmp_path: Path) -> None:
    """Every change gives other results than none, and each is the algorithm that it names."""
    arrays, _ = precomputed.read(short_run(cql_options.SWEEP, ("none", "not divided"), tmp_path))
    assert (arrays["distance"][0] != arrays["distance"][1]).all()
    committed, _ = precomputed.load(cql_options.SWEEP.stem("pendulum/medium-v0"))
    beliefs = committed["believed"].mean(1)
    assert len(set(beliefs.tolist())) == len(cql_options.CHANGES)


def test_each_change_of_what_is_imitated_trains_what_it_says(tmp_path: Path) -> None:
    """The best half is half of the episodes, and near the master the same rows teach the critic."""
    replay = load_dataset("pendulum/replay-v0")
    half = staying_near.only_best(replay, 0.5)
    assert len(half.episode_returns()) == len(replay.episode_returns()) / 2
    assert half.episode_returns().min() >= np.median(replay.episode_returns())
    copied = staying_near.with_master(replay, num_steps=12).transitions
    np.testing.assert_array_equal(copied.actions, replay.transitions.actions)
    assert (copied.next_actions != copied.actions).mean() > 0.9
    tried = ("best half only", "near the master")
    arrays, _ = precomputed.read(short_run(staying_near.SWEEP, tried, tmp_path))
    assert arrays["changes"].tolist() == list(tried) and finite(arrays)
    assert (arrays["distance"][0] != arrays["distance"][1]).all()


def test_each_repair_taken_away_trains_another_agent(tmp_path: Path) -> None:
    tried = ("TD3", "one critic", "no delay, same speed")
    arrays, _ = precomputed.read(short_run(td3_repairs.SWEEP, tried, tmp_path))
    committed, _ = precomputed.load(td3_repairs.SWEEP.stem(td3_repairs.REPLAY))
    assert arrays.keys() == committed.keys()
    for results in (arrays["believed"], committed["believed"]):
        assert len(np.unique(results.mean(1))) == len(results), "two changes trained the same"


def test_records_of_coverage_differ_in_what_they_say_they_do() -> None:
    medium = load_dataset("pendulum/medium-v0")
    made = {name: make() for name, make in coverage.records(medium, 12).items()}
    assert tuple(made) == coverage.RECORDS
    observed = {name: np.asarray(one.transitions.observations) for name, one in made.items()}
    for states in ("medium", "replay"):
        names = [f"{states} states, {torques}" for torques in ("one policy", "any torque")]
        np.testing.assert_array_equal(*(observed[name] for name in names))
        narrow, wide = (made[name].transitions.actions.std() for name in names)
        assert len(made[names[0]]) == len(medium) and wide > 1.1 > narrow
    own = medium.transitions
    again = coverage.try_out(own.observations, own.actions)
    np.testing.assert_allclose(again.rewards, own.rewards, atol=1e-4)
    np.testing.assert_allclose(again.next_observations, own.next_observations, atol=1e-4)
    added = len(made["20 % of the replay"]) - len(medium)
    assert abs(added / len(made["20 % of the replay"]) - 0.2) < 1e-3


def test_short_run_of_the_training_writes_what_the_committed_file_holds(tmp_path: Path) -> None:
    sweep = q_in_training.SWEEP
    arrays, meta = precomputed.read(short_run(sweep, ("td3", "cql"), tmp_path))
    committed, committed_meta = precomputed.load(sweep.stem("maze/stitch-v0"))
    assert arrays.keys() == committed.keys() and meta.keys() == committed_meta.keys() == META
    assert arrays["methods"].tolist() == ["td3", "cql"]
    assert arrays["values"].shape == (2, *committed["values"].shape[1:])
    assert arrays["believed"].shape == arrays["returns"].shape == (2, q_in_training.FRAMES, 2)
    assert np.ptp(arrays["values"], axis=1).max() > 0, "nothing was learned between the frames"


def test_committed_values_of_the_training_are_those_of_the_seed_it_names() -> None:
    sweep = q_in_training.SWEEP
    path = precomputed.FOLDER / f"{sweep.stem('maze/stitch-v0')}.npz"
    arrays, meta = precomputed.read(path)
    assert path.stat().st_size < 200_000
    assert len(meta["seeds"]) == sweep.seeds and arrays["steps"][0, -1] == meta["num_steps"]
    x, y = PointMaze.places["A"]
    column, row = round(x / alpha_sweep.SPACING), round(y / alpha_sweep.SPACING)
    for k, seed in enumerate(arrays["middle"]):
        assert seed == np.argsort(arrays["believed"][k, -1])[sweep.seeds // 2]
        believed = arrays["believed"][k, :, seed]
        np.testing.assert_allclose(arrays["values"][k, :, row, column], believed, rtol=2e-3)


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(ValueError, match="alpha_sweep_maze_stitch"):
        precomputed.load("beta_sweep")
