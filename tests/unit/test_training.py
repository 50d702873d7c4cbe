"""The engine: the same bits after any interruption, a clear stop when training breaks."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor import checkpoints, data, environments, evaluation, training
from offline_tutor.algorithms import bc, td3, td3_bc

CONFIG = td3_bc.Config(hidden=(16, 16))
OPTIONS: dict[str, Any] = {"config": CONFIG, "batch_size": 32, "every": 20, "progress": False}


def make_dataset(size: int = 500, seed: int = 0) -> data.Dataset:
    rng = np.random.default_rng(seed)
    terminations = np.zeros(size, bool)
    terminations[99::100] = True
    return data.from_arrays(
        rng.normal(size=(size, 3)),
        rng.uniform(-2, 2, size=(size, 2)),
        rng.normal(size=size),
        next_observations=rng.normal(size=(size, 3)),
        terminations=terminations,
        action_bounds=(-2.0, 2.0),
    )


DATASET = make_dataset()


def assert_same_bits(a: Any, b: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_records_have_one_row_a_piece() -> None:
    run = training.train(td3_bc, DATASET, num_steps=50, seeds=(3, 7), **OPTIONS)
    assert run.steps.tolist() == [20, 40, 50]
    assert {name: rows.shape for name, rows in run.metrics.items()} == {
        "critic_loss": (3, 2),
        "q": (3, 2),
        "actor_loss": (3, 2),
    }
    assert all(np.isfinite(rows).all() for rows in run.metrics.values())
    actions = run.policy.seed(1)(DATASET.transitions.observations[:5])
    assert actions.shape == (5, 2)
    assert np.abs(actions).max() <= 2


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("online", [False, True])
def test_only_the_first_piece_of_a_run_is_compiled(seeds: int, online: bool) -> None:
    """The loop's length is an argument, and what goes in lies where what comes out lies."""
    compiled: list[str] = []
    after_pieces: list[int] = []

    def listen(event: str, duration: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    options: dict[str, Any] = {
        "num_steps": 60, "every": 20, "seeds": seeds, "batch_size": 31, "progress": False,
        "callbacks": [lambda run: after_pieces.append(len(compiled))],
    }  # fmt: skip
    if online:
        config, pendulum = td3.Config(hidden=(8,)), environments.Pendulum()
        training.train_online(td3, pendulum, config=config, random_steps=5, **options)
    else:
        training.train(td3_bc, DATASET, config=CONFIG, **options)
    first, second, third = after_pieces
    assert 0 < first == second == third


def test_update_is_its_two_halves() -> None:
    """What the reference numbers hold, critic and delayed actor, is what `update` runs."""
    state = td3_bc.init(jax.random.key(0), CONFIG, DATASET.spec)
    batch = data.normalization(DATASET, observations=False).prepare(DATASET.transitions)
    key = jax.random.key(1)
    noise = jax.random.normal(key, batch.actions.shape)
    for delayed in (True, False):
        together, metrics = td3_bc.update(state, batch, key, CONFIG)
        targets = td3.target_values(state, batch, noise, CONFIG)
        state, critic_metrics = td3.update_critic(state, batch, targets, CONFIG)
        assert np.isnan(metrics["actor_loss"]) == delayed
        if not delayed:
            state, loss = td3.update_actor(state, batch, CONFIG, td3_bc.actor_loss)
            np.testing.assert_allclose(metrics["actor_loss"], loss, rtol=1e-5)
        np.testing.assert_allclose(metrics["critic_loss"], critic_metrics["critic_loss"], rtol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), together, state)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_round_is_that_many_updates(delay: int) -> None:
    config = replace(CONFIG, policy_delay=delay)
    state = start = td3_bc.init(jax.random.key(0), config, DATASET.spec)
    rows = np.arange(delay * 20).reshape(delay, 20)
    batches = jax.tree.map(lambda array: jnp.asarray(array)[rows], DATASET.transitions)
    keys = jax.random.split(jax.random.key(1), td3_bc.round_length(config))
    together, metrics = td3_bc.update_round(start, batches, keys, config)
    alone = []
    for i in range(delay):
        batch = jax.tree.map(lambda array, i=i: array[i], batches)
        state, one = td3_bc.update(state, batch, keys[i], config)
        alone.append(one)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), together, state)
    for name in metrics:
        means = np.nanmean([one[name] for one in alone])
        np.testing.assert_allclose(metrics[name], means, rtol=1e-5)


@pytest.mark.parametrize("num_steps, every", [(40, 20), (40, 5), (39, 20), (1, 20)])
def test_pieces_need_not_be_whole_rounds(num_steps: int, every: int) -> None:
    """TD3's round is two steps: pieces that are none of it go step by step, to the same end."""
    options = OPTIONS | {"every": every}
    run = training.train(td3_bc, DATASET, num_steps=num_steps, seeds=2, **options)
    by_steps = training.train(
        SimpleNamespace(**{**vars(td3_bc), "round_length": lambda config: 1}),  # type: ignore
        DATASET, num_steps=num_steps, seeds=2, **options,
    )  # fmt: skip
    assert run.steps[-1] == num_steps
    ours, theirs = run.policy.state, by_steps.policy.state
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, theirs)


def test_seeds_do_not_depend_on_each_other() -> None:
    together = training.train(td3_bc, DATASET, num_steps=40, seeds=(3, 7), **OPTIONS)
    alone = training.train(td3_bc, DATASET, num_steps=40, seeds=(7,), **OPTIONS)
    ours, theirs = together.policy.seed(1).state, alone.policy.seed(0).state
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, theirs)
    other = training.train(td3_bc, DATASET, num_steps=40, seeds=(8,), **OPTIONS)
    assert not np.allclose(
        other.policy.state.actor["layer0"]["kernel"], ours.actor["layer0"]["kernel"]
    )


def test_a_termination_ends_the_sum_and_a_time_limit_does_not() -> None:
    state = td3.init(jax.random.key(0), CONFIG, DATASET.spec)
    batch = jax.tree.map(lambda rows: rows[98:101], DATASET.transitions)
    targets = td3.target_values(state, batch, jnp.zeros((3, 2)), CONFIG)
    assert targets[1] == batch.rewards[1]
    assert not np.isclose(targets[0], batch.rewards[0])


def test_normalization_travels_with_the_policy() -> None:
    moved = DATASET.transitions.observations * [1, 10, 100] + [5, 0, -50]
    moved_next = DATASET.transitions.next_observations * [1, 10, 100] + [5, 0, -50]
    rows = DATASET.transitions._replace(
        observations=np.float32(moved), next_observations=np.float32(moved_next)
    )
    dataset = replace(DATASET, transitions=rows)
    options = OPTIONS | {"normalize": True, "num_steps": 40, "seeds": 1}
    here, there = (
        training.train(td3_bc, DATASET, **options),
        training.train(td3_bc, dataset, **options),
    )
    np.testing.assert_allclose(
        here.policy.seed(0)(DATASET.transitions.observations),
        there.policy.seed(0)(rows.observations),
        atol=0.02,  # the deviation's 1e-3 weighs more where units are small
    )


def test_resumes_to_the_same_bits(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 2, "num_steps": 100}
    whole = training.train(td3_bc, DATASET, **options)

    def interrupt(run: training.Run) -> None:
        if run.steps[-1] == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(td3_bc, DATASET, **options, checkpoint=tmp_path, callbacks=[interrupt])
    resumed = training.train(td3_bc, DATASET, **options, checkpoint=tmp_path)
    assert_same_bits(whole.policy.state, resumed.policy.state)
    assert_same_bits(whole.metrics, resumed.metrics)
    assert whole.steps.tolist() == resumed.steps.tolist()
    again = training.train(td3_bc, DATASET, **options, checkpoint=tmp_path)
    assert_same_bits(whole.policy.state, again.policy.state)


KILLED = """
    import sys, time
    from tests.unit.test_training import DATASET, OPTIONS, td3_bc, training
    slowly = lambda run: (print(run.steps[-1], flush=True), time.sleep(0.05))
    training.train(td3_bc, DATASET, **OPTIONS, seeds=2, num_steps=400, checkpoint=sys.argv[1],
                   callbacks=[slowly])
"""


def test_resumes_after_kill_9(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 100:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    options = OPTIONS | {"seeds": 2, "num_steps": 400}
    started: list[int] = []
    resumed = training.train(
        td3_bc,
        DATASET,
        **options,
        checkpoint=tmp_path,
        callbacks=[lambda run: started.append(run.steps[-1])],
    )
    assert started[0] >= 100, "it did not resume"
    assert_same_bits(training.train(td3_bc, DATASET, **options).policy.state, resumed.policy.state)


def test_a_half_written_checkpoint_is_not_read(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 1, "checkpoint": tmp_path}
    training.train(td3_bc, DATASET, num_steps=40, **options)
    whole = (tmp_path / checkpoints.NAME).read_bytes()
    (tmp_path / (checkpoints.NAME + ".part")).write_bytes(whole[:1000])  # killed while it wrote
    run = training.train(td3_bc, DATASET, num_steps=60, **options)
    assert run.steps.tolist() == [20, 40, 60]
    (tmp_path / checkpoints.NAME).write_bytes(whole[:1000])  # a broken disk
    with pytest.raises(ValueError, match=r"not a readable checkpoint.*delete this file"):
        training.train(td3_bc, DATASET, num_steps=60, **options)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    options = OPTIONS | {"num_steps": 20, "checkpoint": tmp_path}
    training.train(td3_bc, DATASET, seeds=1, **options)
    with pytest.raises(ValueError, match="another seeds"):
        training.train(td3_bc, DATASET, seeds=2, **options)
    with pytest.raises(ValueError, match="another dataset"):
        training.train(td3_bc, make_dataset(seed=1), seeds=1, **options)
    with pytest.raises(ValueError, match="another config"):
        training.train(td3_bc, DATASET, seeds=1, **options | {"config": replace(CONFIG, alpha=1.0)})


def test_divergence_names_step_and_seed_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    options = (
        OPTIONS | {"config": bc.Config(hidden=(16,))} | {"seeds": (4, 5), "checkpoint": tmp_path}
    )
    training.train(bc, DATASET, num_steps=40, **options)
    good = (tmp_path / checkpoints.NAME).read_bytes()

    def breaks(state: Any, batch: Any, key: Any, config: Any) -> Any:
        state, metrics = bc.update(state, batch, key, config)
        broken = jnp.where(state.step == 53, jnp.nan, 1.0)
        return state._replace(actor=jax.tree.map(lambda leaf: leaf * broken, state.actor)), metrics

    class Breaking:
        __name__ = bc.__name__  # so that it continues cloning's checkpoint
        init, act, update = map(staticmethod, (bc.init, bc.act, breaks))

    with pytest.raises(training.Diverged, match="at step 53, seed 4"):
        training.train(Breaking(), DATASET, num_steps=80, **options)
    assert (tmp_path / checkpoints.NAME).read_bytes() == good


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a seed twice": ({"seeds": [3, 3]}, "each once"),
    "half a seed": ({"seeds": [1.5]}, "whole numbers"),
    "a negative seed": ({"seeds": [-1]}, "from 0"),
    "half a step": ({"num_steps": 2.5}, "whole number"),
    "another algorithm's config": ({"config": td3.Config()}, r"td3_bc takes td3_bc\.Config"),
    "a list in the config": ({"config": td3_bc.Config(hidden=[16, 16])}, "give tuples"),  # type: ignore
    "actions scaled twice": ({"config": td3_bc.Config(max_action=2.0)}, "leave it at 1"),
    "a folder that is a file": ({"checkpoint": __file__}, "cannot be written to"),
    "evaluate without seeds": (
        {"evaluate": lambda policy: np.zeros(4)},
        r"not \(seeds, episodes\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_trained_is_named(name: str) -> None:
    options, message = WRONG[name]
    with pytest.raises((TypeError, ValueError), match=message):
        training.train(td3_bc, DATASET, **OPTIONS | {"num_steps": 20, "seeds": 2} | options)


def test_algorithm_dataset_and_environment_are_what_they_should_be() -> None:
    with pytest.raises(TypeError, match="give a module"):
        training.train("td3_bc", DATASET)  # type: ignore
    with pytest.raises(TypeError, match="load_dataset and from_arrays"):
        training.train(td3_bc, "maze/stitch-v0")  # type: ignore
    with pytest.raises(TypeError, match="FuncEnv with max_episode_steps"):
        training.train_online(td3, "Pendulum-v1", num_steps=10)
    with pytest.raises(ValueError, match="has no explore"):
        training.train_online(td3_bc, environments.Pendulum(), num_steps=10)


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    config = replace(CONFIG, alpha=np.float32(2.5))
    options = OPTIONS | {"config": config, "checkpoint": tmp_path, "seeds": np.array([1, 2])}
    run = training.train(td3_bc, DATASET, num_steps=1e1, **options)  # type: ignore
    assert run.seeds == (1, 2) and run.steps.tolist() == [10]


def test_a_checkpoint_is_continued_in_its_own_way(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 1, "checkpoint": tmp_path}
    training.train(td3_bc, DATASET, num_steps=40, **options)
    with pytest.raises(ValueError, match="40 steps, more than num_steps=20"):
        training.train(td3_bc, DATASET, num_steps=20, **options)
    with pytest.raises(ValueError, match="was trained without evaluate="):
        training.train(
            td3_bc, DATASET, num_steps=60, evaluate=lambda _: np.zeros((1, 3)), **options
        )


def test_a_run_a_policy_and_a_dataset_print_as_a_line() -> None:
    run = training.train(td3_bc, DATASET, num_steps=20, seeds=2, **OPTIONS)
    for thing in (run, run.policy, DATASET):
        assert len(repr(thing)) < 600 and "\n" not in repr(thing)


@pytest.mark.parametrize("name", ["num_steps", "batch_size", "every", "seeds"])
def test_sizes_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        training.train(td3_bc, DATASET, **OPTIONS | {"num_steps": 1} | {name: 0})


def test_discrete_actions_are_refused() -> None:
    dataset = data.from_arrays(
        np.zeros((4, 2)), np.array([0, 1, 1, 0]), np.zeros(4), terminations=np.zeros(4, bool),
        next_observations=np.zeros((4, 2)), num_actions=2,
    )  # fmt: skip
    with pytest.raises(ValueError, match="2 discrete actions"):
        training.train(td3_bc, dataset, num_steps=1)


def test_online_training_learns_from_what_it_tried() -> None:
    pendulum = environments.Pendulum()
    config = td3.Config(
        hidden=(32, 32), actor_learning_rate=1e-3, critic_learning_rate=1e-3, discount=0.98
    )
    run, replay = training.train_online(
        td3, pendulum, config=config, num_steps=450, random_steps=200, batch_size=32, seeds=2,
        every=150, progress=False,
        evaluate=lambda policy: evaluation.evaluate(policy, pendulum, episodes=4),
    )  # fmt: skip
    rows = replay.transitions
    assert rows.observations.shape == (2, 450, 3)
    assert run.evaluations.shape == (3, 2, 4)
    assert replay.truncations[0].nonzero()[0].tolist() == [199, 399]  # the time limit
    assert not rows.terminations.any()
    assert np.abs(rows.actions).max() <= 2
    np.testing.assert_array_equal(rows.next_observations[:, 10], rows.observations[:, 11])
    assert not np.allclose(rows.next_observations[:, 199], rows.observations[:, 200])  # began anew
    assert np.isnan(run.metrics["critic_loss"][0]).all()  # nothing is learned from random steps
    assert np.isfinite(run.metrics["critic_loss"][1:]).all()


def test_seeds_spread_over_devices() -> None:
    code = """
        import jax
        from tests.unit.test_training import DATASET, OPTIONS, td3_bc, training
        run = training.train(td3_bc, DATASET, **OPTIONS, seeds=4, num_steps=20)
        leaf = run.policy.state.actor["layer0"]["kernel"]
        print(len(jax.devices()), len(leaf.sharding.device_set))
    """
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    root = Path(__file__).parents[2]
    output = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=True
    )
    assert output.stdout.split() == ["2", "2"]
