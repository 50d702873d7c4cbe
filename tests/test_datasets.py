"""The embedded datasets: what they promise to hold, and programs that make them again."""

import hashlib
import subprocess
import sys

import gymnasium
import minari
import numpy as np
import pytest

from offline_tutor.book.recipes import maze_stitch, pendulum_td3
from offline_tutor.book.recipes.cartpole_linear import BEST, EXPERT, MIXED, RANDOM
from offline_tutor.book.recipes.make import RECIPES
from offline_tutor.book.recipes.write import write
from offline_tutor.data import library, load_dataset
from offline_tutor.environments import PointMaze
from offline_tutor.types import Continuous

CARTPOLE = [MIXED, EXPERT, RANDOM]
CHECKSUMS = dict(
    reversed(line.split("  "))
    for line in (library.ROOT / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
)


def test_every_dataset_has_a_recipe_and_a_checksum():
    assert library.embedded() == sorted(RECIPES)
    files = [path for path in library.ROOT.rglob("data/*") if path.is_file()]
    assert {path.relative_to(library.ROOT).as_posix() for path in files} == set(CHECKSUMS)


@pytest.mark.parametrize("file", CHECKSUMS)
def test_checksum(file):
    assert hashlib.sha256((library.ROOT / file).read_bytes()).hexdigest() == CHECKSUMS[file]


@pytest.mark.parametrize("name", library.embedded())
def test_minari_reads_it_as_we_do(name, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(library.ROOT))
    dataset, theirs = load_dataset(name), minari.load_dataset(name)
    assert (len(dataset), dataset.num_episodes) == (theirs.total_steps, theirs.total_episodes)
    for rows, episode in zip(dataset.episode_slices(), theirs, strict=True):
        assert np.array_equal(dataset.transitions.observations[rows], episode.observations[:-1])
        assert np.array_equal(dataset.transitions.next_observations[rows], episode.observations[1:])
        assert np.array_equal(dataset.transitions.actions[rows], episode.actions)
        assert np.array_equal(dataset.transitions.rewards[rows], episode.rewards)
        assert np.array_equal(dataset.transitions.terminations[rows], episode.terminations)
        assert np.array_equal(dataset.truncations[rows], episode.truncations)


@pytest.mark.parametrize("name", library.embedded())
def test_it_says_what_it_is(name):
    metadata = library.open_folder(library.ROOT / name).storage.metadata
    assert metadata["license"] == "CC-BY-4.0"
    assert metadata["author"] == {"The offline_tutor authors"}
    assert metadata["code_permalink"] == f"python -m offline_tutor.book.recipes.make {name}"
    assert len(metadata["description"]) > 100
    assert (library.ROOT / name / "data/main_data.hdf5").stat().st_size < 1e6


@pytest.mark.parametrize("name", library.embedded())
@pytest.mark.parametrize("for_evaluation", [False, True])
def test_its_environment_can_be_recovered(name, for_evaluation):
    dataset, source = load_dataset(name), library.open_folder(library.ROOT / name)
    environment = source.recover_environment(eval_env=for_evaluation)
    assert environment.spec.id == dataset.environment
    assert environment.observation_space.shape == (dataset.spec.observation_dim,)
    if isinstance(dataset.spec.actions, Continuous):
        assert environment.action_space.low.tolist() == list(dataset.spec.actions.low)
    else:
        assert environment.action_space.n == dataset.spec.num_actions
    observation, _ = environment.reset(seed=0)
    environment.step(environment.action_space.sample())
    if name == "maze/stitch-v0" and for_evaluation:
        assert np.abs(observation - PointMaze.places["A"]).max() < 0.5


def test_nobody_in_the_maze_walks_from_a_to_d():
    dataset = load_dataset("maze/stitch-v0")
    observations, ends = dataset.transitions.observations, dataset.transitions.next_observations
    goes = {"AC": 0, "BD": 0, "AD": 0}
    for rows in dataset.episode_slices():
        start = "A" if observations[rows.start, 0] < 3.5 else "B"
        goal_reached = bool(dataset.transitions.terminations[rows.stop - 1])
        assert goal_reached == (dataset.transitions.rewards[rows].sum() == 1)
        assert goal_reached or ends[rows.stop - 1, 0] < 3.5
        goes[start + ("D" if goal_reached else "C")] += 1
    assert goes == {"AC": 160, "BD": 40, "AD": 0}


def test_the_maze_records_what_was_executed():
    rows = load_dataset("maze/stitch-v0").transitions
    assert np.linalg.norm(rows.actions, axis=1).max() <= 1 + 1e-6
    at_rest = np.abs(rows.observations - 3.5).max(axis=1) < 1  # the middle of the long corridor
    moved = (rows.next_observations - rows.observations)[at_rest, 1]
    assert np.abs(moved - 0.35 * rows.actions[at_rest, 1]).std() < 0.06


@pytest.mark.parametrize("name", ["pendulum/medium-v0", "pendulum/replay-v0"])
def test_pendulum_rows_obey_the_simulator(name):
    check_pendulum_rows(load_dataset(name).transitions)


def check_pendulum_rows(rows):
    """Rewards and next observations follow from observations and actions, row by row."""
    cosine, sine, speed = rows.observations.astype(float).T
    angle, torque = np.arctan2(sine, cosine), rows.actions[:, 0].astype(float)
    assert np.allclose(rows.rewards, -(angle**2 + 0.1 * speed**2 + 0.001 * torque**2), atol=1e-4)
    speed = np.clip(speed + (15 * sine + 3 * torque) * 0.05, -8, 8)
    angle = angle + speed * 0.05
    expected = np.stack([np.cos(angle), np.sin(angle), speed], axis=1)
    assert np.allclose(rows.next_observations, expected, atol=1e-4)


@pytest.mark.parametrize("name", CARTPOLE)
def test_cartpole_rows_obey_the_simulator(name):
    """Gymnasium's own CartPole-v1, row by row: where it leads, what it pays, whether it ends."""
    rows, simulator = load_dataset(name).transitions, gymnasium.make("CartPole-v1").unwrapped
    simulator.reset(seed=0)
    for row in range(0, len(rows.rewards), 7):
        simulator.state, simulator.steps_beyond_terminated = rows.observations[row], None
        observation, reward, terminated, _, _ = simulator.step(int(rows.actions[row]))
        assert np.allclose(rows.next_observations[row], observation, atol=1e-5)
        assert (rows.rewards[row], rows.terminations[row]) == (reward, terminated)


def test_the_cartpole_sets_are_what_their_names_say():
    mixed, expert, random = (load_dataset(name) for name in CARTPOLE)
    assert (mixed.num_episodes, expert.num_episodes, random.num_episodes) == (204, 20, 300)
    assert (expert.episode_returns() == 500).all() and expert.truncations.sum() == 20
    assert random.episode_returns().mean() < 30
    good = mixed.episode_returns() > 300
    assert good.sum() == 4 and mixed.episode_returns()[~good].mean() < 60
    assert abs(random.transitions.actions.mean() - 0.5) < 0.02
    share = [agreement(dataset) for dataset in (expert, random)]
    assert share[0] == 1 and 0.45 < share[1] < 0.55


def agreement(dataset) -> float:
    """Return how often the action is the best controller's."""
    rows = dataset.transitions
    return float((rows.actions == (rows.observations @ np.float32(BEST) > 0)).mean())


def test_the_pendulum_sets_are_what_their_names_say():
    medium, replay = load_dataset("pendulum/medium-v0"), load_dataset("pendulum/replay-v0")
    assert (len(medium), medium.num_episodes) == (10_000, 50)
    assert (len(replay), replay.num_episodes) == (12_000, 60)
    assert -700 < medium.episode_returns().mean() < -200  # random is about -1200, mastery -150
    first, last = replay.episode_returns()[:10].mean(), replay.episode_returns()[-10:].mean()
    assert first < -1000 and last > -200
    assert count_cells(replay) > 2 * count_cells(medium)


def count_cells(dataset) -> int:
    """Return how much was tried: cells of angle, speed and torque visited, 20 x 20 x 10 in all."""
    cosine, sine, speed = dataset.transitions.observations.T
    columns = np.stack([np.arctan2(sine, cosine), speed, dataset.transitions.actions[:, 0]])
    low, high, count = np.array([[-np.pi, -8, -2], [np.pi, 8, 2], [20, 20, 10]])
    cells = np.floor((columns.T - low) / (high - low) * count)
    return len(np.unique(np.minimum(cells, count - 1), axis=0))


@pytest.mark.parametrize("name", [*CARTPOLE, maze_stitch.NAME])
def test_its_program_makes_it_again(name, tmp_path):
    """Byte for byte on the machine that made it, and nearly so elsewhere."""
    command = [
        sys.executable,
        "-m",
        "offline_tutor.book.recipes.make",
        name,
        "--output",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=500)
    if all(
        (tmp_path / name / file).read_bytes() == (library.ROOT / name / file).read_bytes()
        for file in ("data/main_data.hdf5", "data/metadata.json")
    ):
        return
    ours, made = load_dataset(name), load_dataset(tmp_path / name)
    assert made.episode_lengths().tolist() == ours.episode_lengths().tolist()
    for old, new in zip(ours.transitions[:5], made.transitions[:5], strict=True):
        assert np.allclose(old, new, atol=1e-3)


def test_the_pendulum_program_records_a_run_of_td3(tmp_path, monkeypatch):
    """A short run: the committed files cannot be made again.

    Commit 3bbbe0c made them. Training online has drawn its random numbers in another way since
    then, so that the same seed gives another run; what is held here is that the program still makes
    records of the same kind.
    """
    monkeypatch.setattr(pendulum_td3, "REPLAY_STEPS", 1200)
    monkeypatch.setattr(pendulum_td3, "MEDIUM_STEPS", 1200)
    monkeypatch.setattr(pendulum_td3, "MEDIUM_EPISODES", 3)
    for name, episodes in ((pendulum_td3.REPLAY, 6), (pendulum_td3.MEDIUM, 3)):
        write(name, RECIPES[name](), tmp_path)
        ours, made = load_dataset(name), load_dataset(tmp_path / name)
        assert made.episode_lengths().tolist() == [200] * episodes
        assert (made.spec, made.environment) == (ours.spec, ours.environment)
        check_pendulum_rows(made.transitions)
        assert 0.1 < made.transitions.actions.std() < 2  # not all alike, and within the bounds
