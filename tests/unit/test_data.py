"""Datasets: every kind of bad input gets one error that says what, where and what to do."""

import io
import json
import shutil
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import gymnasium
import h5py
import jax
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer

from offline_tutor import cli
from offline_tutor.data import DatasetError, from_arrays, library, load_dataset, normalization
from offline_tutor.types import Continuous, Discrete, Spec

EPISODES = (5, 3, 4)  # lengths
# Minari asks for author, code and environment, which test data do without.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari", "ignore:.*is set to None")


def make_arrays(**changes):
    """Return 12 good rows in three episodes, the second of which terminates, with changes."""
    generator = np.random.default_rng(0)
    ends = np.cumsum(EPISODES) - 1
    observations = generator.normal(size=(12, 3))
    arrays = {
        "observations": observations,
        "actions": generator.uniform(-1, 1, (12, 2)),
        "rewards": generator.normal(size=12),
        "terminations": np.arange(12) == ends[1],
        "truncations": np.isin(np.arange(12), ends[[0, 2]]),
    }
    return {"next_observations": following(observations), **arrays, **changes}


def following(observations):
    """Return what each row leads to: the next row, and at the end of an episode zeros."""
    rows = np.roll(observations, -1, axis=0)
    rows[np.cumsum(EPISODES) - 1] = 0
    return rows


def broken(key, row, value):
    """Return good arrays but for one row."""
    arrays = make_arrays()
    column = np.array(arrays[key])
    column[row] = value
    return {**arrays, key: column}


@pytest.fixture
def minari_root(tmp_path, monkeypatch):
    """Let Minari keep its datasets in an empty folder, with a server that does not answer."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # a port where nothing listens
    return tmp_path / "minari"


def write_minari(name="test/small-v0", lengths=EPISODES, observe=None, **options):
    """Write random episodes with Minari itself; ``observe`` changes the observations' form."""
    generator = np.random.default_rng(1)
    buffers = []
    for index, length in enumerate(lengths):
        observations = generator.normal(size=(length + 1, 3))
        last = np.arange(length) == length - 1
        buffers.append(
            EpisodeBuffer(
                id=index,
                observations=observe(observations) if observe else observations,
                actions=options.get("actions", generator.uniform(-2, 2, (length, 2)))[:length],
                rewards=generator.normal(size=length),
                terminations=last & (index == 1),
                truncations=last & (index != 1),
                infos={"noise": generator.normal(size=(length + 1, 4))},
            )
        )
    return minari.create_dataset_from_buffers(
        name,
        buffers,
        observation_space=options.get("observation_space", box(3, np.inf)),
        action_space=options.get("action_space", box(2, 2.0)),
    )


def box(size, high):
    return gymnasium.spaces.Box(-high, high, (size,))


PICTURES = gymnasium.spaces.Box(-9.0, 9.0, (3, 1))


# Arrays of one's own


def test_arrays_come_back_as_they_were():
    arrays = make_arrays()
    dataset = from_arrays(**arrays, name="mine", environment="Mine-v0")
    assert dataset.transitions.next_actions is None
    for key, column in zip(dataset.transitions._fields[:5], dataset.transitions[:5], strict=True):
        assert np.array_equal(column, arrays[key].astype(column.dtype))
        assert column.dtype == (bool if key == "terminations" else np.float32)
    assert np.array_equal(dataset.truncations, arrays["truncations"])
    assert (len(dataset), dataset.name, dataset.environment) == (12, "mine", "Mine-v0")
    assert dataset.spec == Spec((3,), Continuous((-1.0, -1.0), (1.0, 1.0)))
    assert (dataset.spec.observation_dim, dataset.spec.action_dim) == (3, 2)


def test_episodes_are_told_apart():
    dataset = from_arrays(**make_arrays())
    assert dataset.num_episodes == 3
    assert dataset.episode_lengths().tolist() == list(EPISODES)
    assert dataset.episode_slices() == [slice(0, 5), slice(5, 8), slice(8, 12)]
    sums = [dataset.transitions.rewards[rows].sum() for rows in dataset.episode_slices()]
    assert dataset.episode_returns() == pytest.approx(sums, abs=1e-6)


def test_the_last_row_ends_an_episode():
    with pytest.warns(UserWarning, match="after 1 row inside episodes, the first of them row 4"):
        dataset = from_arrays(**make_arrays(truncations=None))
    assert dataset.truncations.tolist() == [False] * 11 + [True]
    assert dataset.episode_lengths().tolist() == [8, 4]


def test_next_observations_are_inferred_inside_episodes():
    arrays = make_arrays(next_observations=None)
    with pytest.warns(UserWarning, match="left out: 2 rows that cut an episode"):
        dataset = from_arrays(**arrays)
    kept = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    rows = dataset.transitions
    assert np.array_equal(rows.observations, arrays["observations"][kept].astype(np.float32))
    for row, old in enumerate(kept):
        if not rows.terminations[row]:
            following = arrays["observations"][old + 1].astype(np.float32)
            assert np.array_equal(rows.next_observations[row], following)
    assert dataset.episode_lengths().tolist() == [4, 3, 3]
    assert np.flatnonzero(dataset.truncations).tolist() == [3, 9]
    assert np.flatnonzero(rows.terminations).tolist() == [6]


def test_inferring_does_not_reach_over_a_one_row_episode():
    arrays = make_arrays(next_observations=None, terminations=np.zeros(12, bool))
    arrays["truncations"] = np.isin(np.arange(12), [4, 5, 11])
    with pytest.warns(UserWarning, match="3 rows"):
        dataset = from_arrays(**arrays)
    assert dataset.episode_lengths().tolist() == [4, 5]


def test_discrete_actions_are_integers():
    dataset = from_arrays(**make_arrays(actions=np.arange(12) % 3), num_actions=3)
    assert dataset.transitions.actions.dtype == np.int32
    assert dataset.spec == Spec((3,), Discrete(3)) and dataset.spec.num_actions == 3
    with pytest.raises(ValueError, match=r"3 discrete actions.*needs continuous"):
        _ = dataset.spec.action_dim


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (
            broken("observations", (7, 1), np.nan),
            {},
            r"observations, row 7 \(episode 1\): \[.*nan",
        ),
        (
            broken("rewards", 2, np.inf),
            {},
            r"rewards, row 2 \(episode 0\): inf is not a finite",
        ),
        (
            broken("rewards", 2, 1e300),
            {},
            "rewards, row 2 .*: inf .*; 1 of 12 rows",
        ),
        (broken("next_observations", (9, 0), -np.inf), {}, "next_observations, row 9"),
        (broken("actions", (4, 1), np.nan), {}, "actions, row 4"),
        (
            broken("actions", (11, 0), 1.5),
            {},
            r"row 11 \(episode 2\): .* is outside the space",
        ),
        (broken("actions", (3, 0), -1.5), {"action_bounds": (-1, [2, 2])}, "row 3 .* outside"),
        (broken("terminations", 4, True), {}, "row 4 is both terminated and truncated"),
        (make_arrays(truncations=np.arange(12)), {}, "truncations must be True or False; row 2"),
        (make_arrays(observations=np.zeros(12)), {}, r"shape \(12,\), not \(any, any\)"),
        (make_arrays(observations=np.zeros((3, 4, 1))), {}, r"\(12, 3\), not \(any, 4, 1\)"),
        (
            make_arrays(rewards=np.zeros((12, 1))),
            {},
            r"shape \(12, 1\), not \(any\)",
        ),
        (make_arrays(actions=np.zeros(12)), {}, r"discrete ones are \(n,\) and need num_actions"),
        (make_arrays(next_observations=np.zeros((12, 4))), {}, r"\(12, 4\), not \(any, 3\)"),
        (make_arrays(rewards=np.zeros(11)), {}, "one row a transition, but has .*'rewards': 11"),
        (make_arrays(observations="text"), {}, "observations is not an array of numbers"),
        (make_arrays(observations=[[1, 2], [3]]), {}, "observations is not an array of numbers"),
        (make_arrays(), {"action_bounds": (1, -1)}, "finite, and the first not larger"),
        (make_arrays(), {"action_bounds": (-np.inf, 1)}, "they must be finite"),
        (make_arrays(), {"action_bounds": ([1, 2, 3], 1)}, "numbers or arrays of 2"),
        (
            make_arrays(actions=np.arange(12)),
            {"num_actions": 5},
            "row 5 .* actions 0 to 4",
        ),
        (make_arrays(actions=np.full(12, 0.5)), {"num_actions": 2}, "row 0 .* discrete actions"),
        ({key: column[:0] for key, column in make_arrays().items()}, {}, "the dataset is empty"),
    ],
)
def test_bad_arrays(arrays, options, message):
    with pytest.raises(DatasetError, match=message) as caught:
        from_arrays(**arrays, name="mine", **options)
    assert str(caught.value).startswith("mine: ")


@pytest.mark.filterwarnings("ignore:mine")
def test_nothing_left_after_inferring():
    arrays = make_arrays(next_observations=None, terminations=np.zeros(12, bool))
    with pytest.raises(DatasetError, match="every row cuts an episode"):
        from_arrays(**{**arrays, "truncations": np.ones(12, bool)}, name="mine")


def test_actions_may_be_off_by_rounding():
    from_arrays(**broken("actions", (3, 0), 1.000001))


# Units


def test_normalization_standardises_and_returns():
    arrays = make_arrays(actions=np.random.default_rng(2).uniform(1, 5, (12, 2)))
    arrays["observations"] = 100 + 7 * arrays["observations"]
    arrays["next_observations"] = following(arrays["observations"])
    dataset = from_arrays(**arrays, action_bounds=(1, [5, 6]))
    units = normalization(dataset, observations=True)
    rows = units.prepare(dataset.transitions)
    assert np.allclose(rows.observations.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(rows.observations.std(axis=0), 1, atol=1e-3)
    assert np.allclose(rows.next_observations, units.observe(dataset.transitions.next_observations))
    assert np.allclose(units.to_environment(rows.actions), dataset.transitions.actions, atol=1e-5)
    assert np.allclose(units.to_environment(np.float32([[-1, -1], [1, 1]])), [[1, 1], [5, 6]])
    assert rows.observations.dtype == rows.actions.dtype == np.float32


def test_an_action_that_may_not_vary_is_kept():
    """Its range is a point, here one that float32 does not have."""
    actions = make_arrays()["actions"] * [1, 0] + [0, 0.1]
    dataset = from_arrays(**make_arrays(actions=actions), action_bounds=([-1, 0.1], [1, 0.1]))
    units = normalization(dataset, observations=False)
    rows = units.prepare(dataset.transitions)
    assert np.array_equal(rows.actions[:, 1], np.zeros(12))
    assert np.array_equal(units.to_environment(rows.actions)[:, 1], np.full(12, 0.1, np.float32))
    with pytest.raises(DatasetError, match=r"actions, row 0 .* is outside"):
        from_arrays(**make_arrays(), action_bounds=([-1, 0.1], [1, 0.1]))


def test_normalization_survives_a_constant_observation():
    ones = np.ones((12, 3))
    dataset = from_arrays(**make_arrays(observations=ones, next_observations=ones))
    with pytest.warns(UserWarning, match=r"arrays: observations, columns 0, 1, 2: .* below 0\.001"):
        rows = normalization(dataset, observations=True).prepare(dataset.transitions)
    assert np.array_equal(rows.observations, np.zeros((12, 3)))


def test_without_normalization_observations_stay():
    dataset = from_arrays(**make_arrays(actions=np.arange(12) % 2), num_actions=2)
    units = normalization(dataset, observations=False)
    after = units.prepare(dataset.transitions)
    assert after.next_actions is None
    for before, now in zip(dataset.transitions[:5], after[:5], strict=True):
        assert np.array_equal(before, now)
    assert units.to_environment(dataset.transitions.actions) is dataset.transitions.actions


# Minari's format


def assert_same(dataset, source):
    """Check a dataset against Minari's own reader."""
    assert len(dataset) == source.total_steps
    assert dataset.num_episodes == source.total_episodes
    for rows, episode in zip(dataset.episode_slices(), source, strict=True):
        observations = episode.observations.astype(np.float32)
        transitions = dataset.transitions
        assert np.array_equal(transitions.observations[rows], observations[:-1])
        assert np.array_equal(transitions.next_observations[rows], observations[1:])
        assert np.array_equal(transitions.actions[rows], episode.actions.astype(np.float32))
        assert np.array_equal(transitions.rewards[rows], episode.rewards.astype(np.float32))
        assert np.array_equal(transitions.terminations[rows], episode.terminations)
        assert np.array_equal(dataset.truncations[rows], episode.truncations)


def test_a_local_dataset_reads_as_minari_reads_it(minari_root):
    source = write_minari()
    by_id = load_dataset("test/small-v0", download=False)
    assert_same(by_id, source)
    assert by_id.spec.actions.high == (2, 2)
    assert_same(load_dataset(minari_root / "test/small-v0"), source)
    assert_same(load_dataset(str(minari_root / "test/small-v0/data")), source)
    assert_same(load_dataset(source), source)


def test_a_filtered_dataset_holds_what_was_kept(minari_root):
    source = write_minari().filter_episodes(lambda episode: episode.id != 1)
    assert len(load_dataset(source)) == 9
    assert_same(load_dataset(source), source)


def test_dictionaries_of_vectors_are_joined_as_gymnasium_joins_them(minari_root):
    space = gymnasium.spaces.Dict({"place": box(2, 9.0), "goal": box(1, 9.0)})
    write_minari(
        observe=lambda rows: {"place": rows[:, :2], "goal": rows[:, 2:]}, observation_space=space
    )
    dataset, source = load_dataset("test/small-v0"), minari.load_dataset("test/small-v0")
    first = {key: column[0].astype(np.float32) for key, column in source[0].observations.items()}
    expected = gymnasium.spaces.flatten(space, first)
    assert np.array_equal(dataset.transitions.observations[0], expected)
    assert dataset.spec == Spec(
        (3,), Continuous((-2.0, -2.0), (2.0, 2.0)), (("goal", 1), ("place", 2))
    )


def test_dictionaries_inside_dictionaries_are_joined_too(minari_root):
    inner = gymnasium.spaces.Dict({"place": box(2, 9.0), "goal": box(1, 9.0)})
    write_minari(
        observe=lambda rows: {
            "arm": {"place": rows[:, :2], "goal": rows[:, 2:]},
            "time": rows[:, :1],
        },
        observation_space=gymnasium.spaces.Dict({"time": box(1, 9.0), "arm": inner}),
    )
    dataset = load_dataset("test/small-v0")
    assert dataset.spec.observation_keys == (("arm/goal", 1), ("arm/place", 2), ("time", 1))
    rows = dataset.transitions.observations
    assert np.array_equal(rows[:, 1], rows[:, 3]) and not np.array_equal(rows[:, 0], rows[:, 3])


def test_discrete_actions_of_minari(minari_root):
    write_minari(actions=np.arange(5) % 2, action_space=gymnasium.spaces.Discrete(2))
    assert load_dataset("test/small-v0").transitions.actions.tolist()[:5] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action_space": gymnasium.spaces.MultiDiscrete([5, 5])}, "actions are MultiDiscrete"),
        ({"action_space": gymnasium.spaces.Discrete(3, start=1)}, "count from 0"),
        ({"action_space": gymnasium.spaces.MultiBinary(2)}, "actions are MultiBinary"),
        (
            {"observe": lambda rows: rows[:, :, None], "observation_space": PICTURES},
            "small-v0: observations are Box.* pass others as arrays",
        ),
        ({"action_space": box(2, np.inf)}, "must be finite"),
        ({"action_space": box(2, 0.1)}, "actions, row 0 .* outside"),
        ({"observation_space": gymnasium.spaces.Discrete(4)}, "observations are Discrete"),
        (
            {"observation_space": box(2, np.inf)},
            r"begins at row 0 cannot .* \(6, 3\), not \(6, 2\)\. It is episode 0",
        ),
        ({"lengths": ()}, "at least one step"),
    ],
)
def test_a_dataset_of_another_kind(minari_root, options, message):
    write_minari(**options)
    with pytest.raises(DatasetError, match=message):
        load_dataset("test/small-v0")


def test_an_episode_without_an_end_was_cut(minari_root):
    write_minari()
    with h5py.File(minari_root / "test/small-v0/data/main_data.hdf5", "a") as file:
        file["episode_0/truncations"][:] = False
        file["episode_2/terminations"][-1] = True  # truncated as well: the termination counts
    dataset = load_dataset("test/small-v0")
    assert np.flatnonzero(dataset.truncations).tolist() == [4]
    assert np.flatnonzero(dataset.transitions.terminations).tolist() == [7, 11]


def truncate(data: Path) -> None:
    file = data / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def drop_episode(data: Path) -> None:
    with h5py.File(data / "main_data.hdf5", "a") as file:
        del file["episode_1/rewards"]


def drop_observation(data: Path) -> None:
    with h5py.File(data / "main_data.hdf5", "a") as file:
        file["episode_2/observations"].resize(4, axis=0)


def change_metadata(**changes):
    def change(data: Path) -> None:
        metadata = {**json.loads((data / "metadata.json").read_text(encoding="utf-8")), **changes}
        kept = {key: value for key, value in metadata.items() if value is not None}
        (data / "metadata.json").write_text(json.dumps(kept), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "cannot be opened as a Minari dataset .*truncated file.*damaged or incomplete"),
        (lambda data: (data / "main_data.hdf5").unlink(), "No data found in data path"),
        (lambda data: (data / "metadata.json").unlink(), "there is no metadata.json in it"),
        (
            lambda data: (data / "metadata.json").write_text("{", encoding="utf-8"),
            "cannot be opened .*JSONDecode",
        ),
        (change_metadata(dataset_id=None), "cannot be opened .*KeyError: 'dataset_id'"),
        (change_metadata(minari_version="9.9"), "does not support the dataset"),
        (change_metadata(total_steps=13), "the episodes hold 12 steps, the metadata counts 13"),
        (change_metadata(total_steps=11), "begins at row 8 cannot be read"),
        (change_metadata(total_episodes=4), "begins at row 12 cannot be read: .*episode_3"),
        (drop_episode, "begins at row 5 cannot be read: .*rewards"),
        (drop_observation, "begins at row 8 cannot be read: 4 steps need 5 observations"),
    ],
)
def test_a_damaged_dataset(minari_root, damage, message):
    write_minari()
    damage(minari_root / "test/small-v0/data")
    with pytest.raises(DatasetError, match=message):
        load_dataset("test/small-v0")


def test_a_folder_that_holds_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="use from_arrays"):
        load_dataset(tmp_path)
    with pytest.raises(DatasetError, match=r"nowhere is not a Minari dataset"):
        load_dataset(tmp_path / "nowhere")


def test_an_unknown_name_lists_those_that_exist(minari_root):
    write_minari()
    with pytest.raises(DatasetError) as caught:
        load_dataset("maze/stich-v0", download=False)
    for part in ("'maze/stich-v0'", *library.embedded(), "test/small-v0", "minari.farama.org"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("maze/stich-v0", "maze/stitch-v0"),
        ("Maze/Stitch-v0", "maze/stitch-v0"),
        ("maze/stitch", "maze/stitch-v0"),
        ("pendulum/medium", "pendulum/medium-v0"),
        ("test/smal-v0", "test/small-v0"),
    ],
)
def test_the_nearest_name_is_proposed(minari_root, name, near):
    write_minari()
    with pytest.raises(DatasetError, match=f"Did you mean '{near}'"):
        load_dataset(name)


@pytest.mark.parametrize(
    "path", ["./recording", "/no/such/folder", "~/recording", "recording", "x.hdf5", "", "a\0b"]
)
def test_a_path_is_not_looked_up_on_a_server(minari_root, monkeypatch, path):
    monkeypatch.setattr(library, "fetch", lambda name: pytest.fail(f"{name} was looked up"))
    with pytest.raises(DatasetError, match="is neither a folder on this machine nor a name"):
        load_dataset(path)


def test_what_else_lies_beside_local_datasets(minari_root, tmp_path, capsys):
    """Folders that are none, links that lead back, metadata of another make: passed over."""
    write_minari()
    for folder in ("mnist/data", "other/data", "bad-v0/data/metadata.json", ".hidden/a-v0/data"):
        (minari_root / folder).mkdir(parents=True)
    (minari_root / "other/data/metadata.json").write_text("{}", encoding="utf-8")  # no version
    (minari_root / "loop").symlink_to(minari_root, target_is_directory=True)
    (minari_root / "notes.txt").write_text("", encoding="utf-8")
    assert library.local() == ["test/small-v0"]
    assert "On this machine: test/small-v0." in library.names()
    assert cli.main(["datasets"]) == 0
    assert "test/small-v0" in capsys.readouterr().out


def test_a_local_dataset_that_cannot_be_read_has_a_line(minari_root, capsys):
    write_minari()
    (minari_root / "broken-v0/data").mkdir(parents=True)
    (minari_root / "broken-v0/data/metadata.json").write_text("{", encoding="utf-8")
    assert cli.main(["datasets"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(library.embedded()) + 2
    assert "cannot be opened" in lines[-2] and lines[-1].startswith("test/small-v0")


@pytest.mark.parametrize("home", ["/dev/null", "/dev/null/inside", "/proc/none", ""])
def test_a_home_that_cannot_be_used(home, minari_root, monkeypatch, capsys):
    monkeypatch.setenv("MINARI_DATASETS_PATH", home)
    if not home:
        monkeypatch.setenv("HOME", "/dev/null")
    assert library.local() == []
    assert cli.main(["datasets"]) == 0
    assert "maze/stitch-v0" in capsys.readouterr().out
    with pytest.raises(DatasetError, match="Embedded: cartpole"):
        load_dataset("no/such-v0")


def test_no_folder_named_tilde_is_made(minari_root, monkeypatch, tmp_path):
    write_minari("test/remote-v0")
    shutil.move(minari_root / "test/remote-v0", tmp_path / "server")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("MINARI_DATASETS_PATH", "~/sets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(library.urllib.request, "urlopen", lambda *_, **__: io.BytesIO())

    def download(name):
        shutil.copytree(tmp_path / "server", minari.storage.local.get_dataset_path(name))

    monkeypatch.setattr(library.minari, "download_dataset", download)
    assert len(load_dataset("test/remote-v0")) == 12
    assert library.local() == ["test/remote-v0"]
    assert len(load_dataset("~/sets/test/remote-v0")) == 12
    assert len(load_dataset(Path("~/sets/test/remote-v0"))) == 12
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ("hf-mirror.com", "HF_ENDPOINT, .*'hf-mirror.com'; give it with its scheme"),
        ("localhost:8080", "give it with its scheme"),
        ("", "give it with its scheme"),
        ("https://", "there is no network"),
        ("https://a b", "there is no network"),
        ("http://[::1", "there is no network"),
    ],
)
def test_an_address_of_a_server_that_is_none(minari_root, monkeypatch, server, message):
    monkeypatch.setenv("HF_ENDPOINT", server)
    with pytest.raises(DatasetError, match=message):
        load_dataset("mujoco/hopper/medium-v0")


def test_no_network_is_said_at_once(minari_root):
    start = time.perf_counter()
    with pytest.raises(DatasetError, match="there is no network to fetch it") as caught:
        load_dataset("mujoco/hopper/medium-v0")
    assert time.perf_counter() - start < 6
    assert "maze/stitch-v0" in str(caught.value)


def test_a_dataset_that_the_server_does_not_have(minari_root, monkeypatch):
    def refuse(name):
        raise ValueError(f"Couldn't find any version for dataset {name}.")

    monkeypatch.setattr(library.urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(library.minari, "download_dataset", refuse)
    with pytest.raises(
        DatasetError, match=r"could not be fetched: Couldn't find.*Embedded: cartpole"
    ):
        load_dataset("mujoco/nothing-v0")


def test_a_remote_dataset_is_fetched(minari_root, monkeypatch, tmp_path):
    write_minari("test/remote-v0")
    shutil.move(minari_root / "test/remote-v0", tmp_path / "server")
    monkeypatch.setattr(library.urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(
        library.minari,
        "download_dataset",
        lambda name: shutil.copytree(tmp_path / "server", minari_root / name),
    )
    assert len(load_dataset("test/remote-v0")) == 12


def test_a_million_transitions_load_in_three_seconds(minari_root):
    """1000 episodes of 1000 steps, observations (11,), actions (3,), and infos beside them."""
    data = write_large(minari_root)
    start = time.process_time()  # not the clock: other processes may want the machine as well
    dataset = load_dataset("test/large-v0")
    assert time.process_time() - start < 3
    assert (len(dataset), dataset.num_episodes) == (1_000_000, 1000)
    last = minari.MinariDataset(data)[999]
    assert np.array_equal(dataset.transitions.next_observations[-1000:], last.observations[1:])


def write_large(root: Path) -> Path:
    """Let Minari write one episode, then copy it as it is, 999 times."""
    length, episodes = 1000, 1000
    generator = np.random.default_rng(3)
    minari.create_dataset_from_buffers(
        "test/large-v0",
        [
            EpisodeBuffer(
                observations=generator.normal(size=(length + 1, 11)).astype(np.float32),
                actions=generator.uniform(-1, 1, (length, 3)).astype(np.float32),
                rewards=generator.normal(size=length),
                terminations=np.zeros(length, bool),
                truncations=np.arange(length) == length - 1,
                infos={"qpos": generator.normal(size=(length + 1, 6))},
            )
        ],
        observation_space=box(11, np.inf),
        action_space=box(3, 1.0),
    )
    data = root / "test/large-v0/data"
    with h5py.File(data / "main_data.hdf5", "a") as file:
        for index in range(1, episodes):
            file.copy("episode_0", f"episode_{index}")
    change_metadata(total_steps=length * episodes, total_episodes=episodes)(data)
    return data


def test_a_spec_says_what_a_task_does_not_have():
    vectors, names = Spec((3,), Continuous((0.0, 0.0), (1.0, 1.0))), Spec((6, 6, 1), Discrete(4))
    assert (vectors.observation_dim, vectors.action_dim, names.num_actions) == (3, 2, 4)
    with pytest.raises(ValueError, match="4 discrete actions, and this algorithm needs continuous"):
        _ = names.action_dim
    with pytest.raises(ValueError, match=r"continuous actions, vectors of .*need num_actions="):
        _ = vectors.num_actions
    with pytest.raises(ValueError, match=r"shape \(6, 6, 1\), and this algorithm needs vectors"):
        _ = names.observation_dim


# More columns, and more axes


def test_pictures_keep_their_axes_and_their_bytes():
    pictures = np.random.default_rng(5).integers(256, size=(12, 6, 5, 3)).astype(np.uint8)
    arrays = make_arrays(observations=pictures, next_observations=following(pictures))
    rows = from_arrays(**arrays).transitions
    assert rows.observations.dtype == rows.next_observations.dtype == np.uint8
    assert np.array_equal(rows.observations, pictures)
    assert from_arrays(**arrays).spec.observation_shape == (6, 5, 3)
    floats = {key: arrays[key] / 255 for key in ("observations", "next_observations")}
    assert from_arrays(**{**arrays, **floats}).transitions.observations.dtype == np.float32
    bytes_of_a_vector = make_arrays(observations=pictures[:, 0, :, 0])
    bytes_of_a_vector["next_observations"] = following(pictures[:, 0, :, 0])
    assert from_arrays(**bytes_of_a_vector).transitions.observations.dtype == np.float32
    with pytest.raises(DatasetError, match=r"\(12, 6, 5\), not \(any, 6, 5, 3\)"):
        from_arrays(**{**arrays, "next_observations": pictures[..., 0]})
    with pytest.raises(DatasetError, match="observations are uint8, next_observations float32"):
        from_arrays(**{**arrays, "next_observations": floats["next_observations"]})


def test_pictures_without_the_next_ones():
    pictures = np.random.default_rng(5).integers(256, size=(12, 6, 5, 3)).astype(np.uint8)
    with pytest.warns(UserWarning, match="left out: 2 rows that cut an episode"):
        dataset = from_arrays(**make_arrays(observations=pictures, next_observations=None))
    assert dataset.transitions.next_observations.dtype == np.uint8
    assert np.array_equal(dataset.transitions.next_observations[0], pictures[1])


def test_next_actions_are_those_of_the_next_row_of_the_episode():
    """Episodes of 5, 3 and 4 rows; the second terminates, the others are cut."""
    dataset = from_arrays(**make_arrays())
    known, old = dataset.with_next_actions(), dataset.transitions
    kept = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    for name in old._fields[:5]:
        assert np.array_equal(getattr(known.transitions, name), getattr(old, name)[kept])
    following = [1, 2, 3, 4, 6, 7, 7, 9, 10, 11]  # after the termination, the row's own action
    assert np.array_equal(known.transitions.next_actions, old.actions[following])
    assert known.episode_lengths().tolist() == [4, 3, 3]
    assert np.flatnonzero(known.truncations).tolist() == [3, 9]
    assert known.spec == dataset.spec


def test_next_actions_are_scaled_like_actions():
    arrays = make_arrays(actions=np.random.default_rng(2).uniform(1, 5, (12, 2)))
    known = from_arrays(**arrays, action_bounds=(1, 5)).with_next_actions()
    units = normalization(known, observations=True)
    rows = units.prepare(known.transitions)
    assert np.allclose(units.to_environment(rows.next_actions), known.transitions.next_actions)
    assert np.abs(rows.next_actions).max() <= 1


def test_without_any_next_action_the_data_is_refused():
    ends = {"terminations": np.zeros(12, bool), "truncations": np.ones(12, bool)}
    with pytest.raises(DatasetError, match="mine: no next action is known"):
        from_arrays(**make_arrays(**ends), name="mine").with_next_actions()


def test_a_dataset_is_its_own_and_shared_with_jax() -> None:
    """What the caller does to the arrays later changes nothing, and JAX on a CPU makes no copy."""
    observations = np.zeros((6, 2), np.float32)
    dataset = from_arrays(
        observations,
        np.zeros((6, 1), np.float32),
        np.zeros(6, np.float32),
        terminations=np.zeros(6, bool),
        next_observations=observations,
    )
    observations[:] = 9
    assert not dataset.transitions.observations.any()
    with pytest.raises(ValueError, match="read-only"):
        dataset.transitions.observations[0] = 1
    if jax.default_backend() == "cpu":
        for rows in jax.tree.leaves(dataset.transitions):
            assert jax.device_put(rows).unsafe_buffer_pointer() == rows.ctypes.data


# Whole episodes


def test_a_subset_has_whole_episodes():
    dataset = from_arrays(**make_arrays(), name="mine")
    part = dataset.subset([2, 0])
    assert part.episode_lengths().tolist() == [4, 5]
    rows = np.r_[8:12, 0:5]
    for old, new in zip(dataset.transitions[:5], part.transitions[:5], strict=True):
        assert np.array_equal(old[rows], new)
    assert np.array_equal(dataset.truncations[rows], part.truncations)
    assert (part.spec, part.name) == (dataset.spec, "mine")
    assert dataset.subset([-1]).episode_lengths().tolist() == [4]
    long = dataset.subset(dataset.episode_lengths() > 3)
    assert long.episode_lengths().tolist() == [5, 4]
    assert dataset.with_next_actions().subset([1]).transitions.next_actions.shape == (3, 2)


@pytest.mark.parametrize("episodes", [[], [3], [-4], 0, [0.5], [True, False], "all", [[0]], None])
def test_what_is_no_episode(episodes):
    with pytest.raises(DatasetError, match=r"mine: .*episode"):
        from_arrays(**make_arrays(), name="mine").subset(episodes)


def test_a_split_shares_out_whole_episodes():
    dataset = from_arrays(**make_arrays())
    one, two = dataset.split(0.7)
    assert (one.num_episodes, two.num_episodes) == (2, 1)
    returns = np.r_[one.episode_returns(), two.episode_returns()]
    assert sorted(returns) == sorted(dataset.episode_returns())
    assert np.array_equal(one.truncations, dataset.split(0.7)[0].truncations)
    firsts = {dataset.split(0.7, key)[1].episode_lengths()[0] for key in range(10)}
    assert firsts == set(EPISODES)
    assert [part.num_episodes for part in dataset.split(0.01)] == [1, 2]


@pytest.mark.parametrize(("fraction", "key"), [(0, 0), (1, 0), ("half", 0), (0.5, -1), (0.5, "x")])
def test_what_is_no_split(fraction, key):
    with pytest.raises(DatasetError, match=r"mine: (fraction|key) is"):
        from_arrays(**make_arrays(), name="mine").split(fraction, key)


def test_a_dataset_cut_by_hand_is_refused():
    dataset = from_arrays(**make_arrays(), name="mine")
    rows = dataset.transitions
    half = rows._replace(**{key: getattr(rows, key)[:7] for key in rows._fields[:5]})
    with pytest.raises(DatasetError, match=r"mine: the columns .* equally long.*subset or split"):
        replace(dataset, transitions=half)
    with pytest.raises(DatasetError, match="mine: the last row, 6, ends no episode"):
        replace(dataset, transitions=half, truncations=dataset.truncations[:7])
    assert replace(dataset, name="other").name == "other"
    with pytest.raises(DatasetError, match="one episode only"):
        dataset.subset([0]).split(0.5)


def test_pictures_are_not_taken_into_memory_eightfold():
    """Beside two copies in the dataset, of what is seen and what follows, there is little more."""
    pictures = np.zeros((2000, 80, 80), np.uint8)
    pictures[::2] = 255
    rows = {"actions": np.zeros((2000, 1)), "rewards": np.zeros(2000)}
    rows |= {"terminations": np.zeros(2000, bool), "next_observations": np.roll(pictures, -1, 0)}
    tracemalloc.start()
    dataset = from_arrays(pictures, **rows)
    assert tracemalloc.get_traced_memory()[1] < 2.5 * pictures.nbytes
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    units = normalization(dataset, observations=True)
    assert tracemalloc.get_traced_memory()[1] - before < 8 * pictures.nbytes
    tracemalloc.stop()
    assert np.allclose(units.observation_std, 127.5 + 1e-3)
