"""The engine: the same bits after any interruption, a clear stop when training breaks."""

import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor import checkpoints, data, environments, training
from offline_tutor.algorithms import BC, DQN, TD3, TD3_BC, bc, td3
from offline_tutor.algorithms.algorithm import Functions
from offline_tutor.data.sampling import Mixed
from offline_tutor.policies import load_policy
from offline_tutor.types import Continuous, Discrete, Spec

CONFIG = TD3_BC.Config(hidden=(16, 16))
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
TRANSITIONS = DATASET.transitions


def assert_same_bits(a: Any, b: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_records_have_one_row_a_piece() -> None:
    run = training.train(TD3_BC, DATASET, num_steps=50, seeds=(3, 7), **OPTIONS)
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
        config, pendulum = TD3.Config(hidden=(8,)), environments.Pendulum()
        training.train_online(TD3, pendulum, config=config, random_steps=5, **options)
    else:
        training.train(TD3_BC, DATASET, config=CONFIG, **options)
    first, second, third = after_pieces
    assert 0 < first == second == third


def prepared(rows: Any) -> Any:
    """Rows of the dataset as an algorithm sees them."""
    units = data.normalization(DATASET, observations=False)
    return units.prepare(jax.tree.map(lambda column: jnp.asarray(column)[rows], TRANSITIONS))


def test_update_is_its_two_halves() -> None:
    """What the reference numbers hold, critic and delayed actor, is what `update` runs."""
    state = TD3_BC.init(jax.random.key(0), CONFIG, DATASET.spec)
    batch, key = prepared(np.arange(50)), jax.random.key(1)
    keys = jax.random.split(key, 3)  # for targets, critic and actor
    for delayed in (True, False):
        together, metrics = jax.jit(TD3_BC.update)(state, batch, key, CONFIG)
        targets = TD3_BC.target_values(state, batch, keys[0], CONFIG)
        state, critic_loss = td3.update_critic(TD3_BC, state, batch, targets, keys[1], CONFIG)
        assert np.isnan(metrics["actor_loss"]) == delayed
        if not delayed:
            state, loss = td3.update_actor(TD3_BC, state, batch, keys[2], CONFIG)
            np.testing.assert_allclose(metrics["actor_loss"], loss, rtol=1e-5)
        np.testing.assert_allclose(metrics["critic_loss"], critic_loss, rtol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), together, state)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_round_is_that_many_updates(delay: int) -> None:
    config = replace(CONFIG, policy_delay=delay)
    state = start = TD3_BC.init(jax.random.key(0), config, DATASET.spec)
    batches = prepared(np.arange(delay * 20).reshape(delay, 20))
    keys = jax.random.split(jax.random.key(1), TD3_BC.round_length(config))
    together, metrics = TD3_BC.update_round(start, batches, keys, config, 0, delay)
    update, alone = jax.jit(TD3_BC.update), []
    for i in range(delay):
        batch = jax.tree.map(lambda array, i=i: array[i], batches)
        state, one = update(state, batch, keys[i], config)
        alone.append(one)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), together, state)
    for name in metrics:
        means = [one[name] for one in alone]
        np.testing.assert_allclose(metrics[name], means, rtol=1e-5)


def test_a_run_may_be_cut_anywhere() -> None:
    """Pieces of one step, of an odd number of steps, and one piece: the same bits."""
    whole, *others = (
        training.train(
            TD3_BC, DATASET, num_steps=523, seeds=2, **OPTIONS | {"every": every, "batch_size": 8}
        )
        for every in (523, 1, 501, 2)
    )
    assert np.isfinite(whole.metrics["actor_loss"]).all()
    for other in others:
        assert other.steps[-1] == 523
        assert_same_bits(other.policy.state, whole.policy.state)


def test_401_and_then_800_steps_are_800(tmp_path: Path) -> None:
    """Cut in the middle of a round, in which the actor stands still."""
    options = OPTIONS | {"seeds": 2, "batch_size": 8, "every": 401}
    training.train(TD3_BC, DATASET, num_steps=401, **options, checkpoint=tmp_path)
    resumed = training.train(TD3_BC, DATASET, num_steps=800, **options, checkpoint=tmp_path)
    whole = training.train(TD3_BC, DATASET, num_steps=800, **options | {"every": 800})
    assert resumed.steps.tolist() == [401, 800]
    assert_same_bits(resumed.policy.state, whole.policy.state)


def test_seeds_do_not_depend_on_each_other() -> None:
    together = training.train(TD3_BC, DATASET, num_steps=40, seeds=(3, 7), **OPTIONS)
    alone = training.train(TD3_BC, DATASET, num_steps=40, seeds=(7,), **OPTIONS)
    ours, theirs = together.policy.seed(1).state, alone.policy.seed(0).state
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), ours, theirs)
    other = training.train(TD3_BC, DATASET, num_steps=40, seeds=(8,), **OPTIONS)
    assert not np.allclose(
        other.policy.state.actor["layer0"]["kernel"], ours.actor["layer0"]["kernel"]
    )


def test_a_termination_ends_the_sum_and_a_time_limit_does_not() -> None:
    state = TD3.init(jax.random.key(0), CONFIG, DATASET.spec)
    batch = prepared(np.arange(98, 101))
    targets = TD3.target_values(state, batch, jax.random.key(1), CONFIG)
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
        training.train(TD3_BC, DATASET, **options),
        training.train(TD3_BC, dataset, **options),
    )
    np.testing.assert_allclose(
        here.policy.seed(0)(DATASET.transitions.observations),
        there.policy.seed(0)(rows.observations),
        atol=0.02,  # the deviation's 1e-3 weighs more where units are small
    )


@pytest.mark.parametrize("every", [20, 15], ids=["between rounds", "at an odd step"])
def test_resumes_to_the_same_bits(tmp_path: Path, every: int) -> None:
    options = OPTIONS | {"seeds": 2, "num_steps": 60, "every": every}
    whole = training.train(TD3_BC, DATASET, **options)

    def interrupt(run: training.Run) -> None:
        if run.steps[-1] == 3 * every:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        training.train(TD3_BC, DATASET, **options, checkpoint=tmp_path, callbacks=[interrupt])
    (note,) = caught.value.__notes__
    assert note.startswith(
        f"This came from callbacks[0], after {3 * every} of 60 steps, and so has"
    )
    began: list[int] = []
    resumed = training.train(
        TD3_BC, DATASET, **options, checkpoint=tmp_path,
        callbacks=[lambda run: began.append(run.steps[-1])],
    )  # fmt: skip
    assert began[0] == 3 * every  # the record that it broke off is shown again, and not trained
    assert_same_bits(whole.policy.state, resumed.policy.state)
    assert_same_bits(whole.metrics, resumed.metrics)
    assert whole.steps.tolist() == resumed.steps.tolist()
    with pytest.warns(RuntimeWarning, match="all 60 steps of this run already: nothing was traine"):
        again = training.train(TD3_BC, DATASET, **options, checkpoint=tmp_path)
    assert_same_bits(whole.policy.state, again.policy.state)


KILLED_OPTIONS = OPTIONS | {"seeds": 2, "num_steps": 405, "every": 15}
KILLED = """
    import sys, time
    sys.path.insert(0, "tests")
    import conftest  # functions whose shapes are checked are others
    from tests.unit.test_training import DATASET, KILLED_OPTIONS, TD3_BC, training
    slowly = lambda run: (print(run.steps[-1], flush=True), time.sleep(0.05))
    training.train(TD3_BC, DATASET, **KILLED_OPTIONS, checkpoint=sys.argv[1], callbacks=[slowly])
"""


def test_resumes_after_kill_9(tmp_path: Path) -> None:
    """The lock of the killed process holds up nobody."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 100:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    options = KILLED_OPTIONS
    started: list[int] = []
    resumed = training.train(
        TD3_BC,
        DATASET,
        **options,
        checkpoint=tmp_path,
        callbacks=[lambda run: started.append(run.steps[-1])],
    )
    assert started[0] >= 100, "it did not resume"
    assert_same_bits(training.train(TD3_BC, DATASET, **options).policy.state, resumed.policy.state)


def test_a_half_written_checkpoint_is_not_read(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 1, "checkpoint": tmp_path}
    training.train(TD3_BC, DATASET, num_steps=40, **options)
    whole = (tmp_path / checkpoints.NAME).read_bytes()
    (tmp_path / (checkpoints.NAME + ".part")).write_bytes(whole[:1000])  # killed while it wrote
    run = training.train(TD3_BC, DATASET, num_steps=60, **options)
    assert run.steps.tolist() == [20, 40, 60]
    (tmp_path / checkpoints.NAME).write_bytes(whole[:1000])  # a broken disk
    with pytest.raises(ValueError, match=r"not a readable checkpoint.*delete this file"):
        training.train(TD3_BC, DATASET, num_steps=60, **options)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    options = OPTIONS | {"num_steps": 20, "checkpoint": tmp_path}
    training.train(TD3_BC, DATASET, seeds=1, **options)
    with pytest.raises(ValueError, match="another seeds"):
        training.train(TD3_BC, DATASET, seeds=2, **options)
    with pytest.raises(ValueError, match="another dataset"):
        training.train(TD3_BC, make_dataset(seed=1), seeds=1, **options)
    with pytest.raises(ValueError, match="another config"):
        training.train(TD3_BC, DATASET, seeds=1, **options | {"config": replace(CONFIG, alpha=1.0)})
    with pytest.raises(ValueError, match="another algorithm"):
        training.train(replace(TD3_BC, name="mine"), DATASET, seeds=1, **options)


def test_a_checkpoint_of_another_loss_is_refused(tmp_path: Path) -> None:
    """Under the same name: a mended loss must not be given the run of the old one."""
    training.train(TD3_BC, DATASET, seeds=1, num_steps=20, **OPTIONS, checkpoint=tmp_path)

    def mended(actor: Any, state: Any, batch: Any, key: Any, config: Any) -> Any:
        return 2 * TD3_BC.actor_loss(actor, state, batch, key, config)

    with pytest.raises(ValueError, match="another algorithm"):
        training.train(
            replace(TD3_BC, actor_loss=mended), DATASET, seeds=1, num_steps=20, **OPTIONS,
            checkpoint=tmp_path,
        )  # fmt: skip


def test_a_checkpoint_of_other_minibatches_is_refused(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 1, "num_steps": 20, "checkpoint": tmp_path}
    training.train(TD3_BC, DATASET, **options, draw_rows=Mixed(100, 0.5))
    training.train(TD3_BC, DATASET, **options, draw_rows=Mixed(100, 0.5))
    with pytest.raises(ValueError, match="another draw_rows"):
        training.train(TD3_BC, DATASET, **options, draw_rows=Mixed(100, 0.75))


# ---- what breaks in between, and Ctrl-C


def test_an_error_of_evaluate_loses_nothing(tmp_path: Path) -> None:
    """The checkpoint has the piece; the same call evaluates its policies, and goes on."""
    options = OPTIONS | {"seeds": 2, "num_steps": 60, "checkpoint": tmp_path}
    calls: list[int] = []

    def fails(policy: Any) -> Any:
        calls.append(int(policy.state.step[0]))
        if calls == [20, 40]:
            raise ZeroDivisionError("mine")
        return np.full((2, 3), calls[-1])

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        training.train(TD3_BC, DATASET, **options, evaluate=fails)
    assert "from evaluate, after 40 of 60 steps" in caught.value.__notes__[0]
    run = training.train(TD3_BC, DATASET, **options, evaluate=fails)
    assert run.steps.tolist() == [20, 40, 60]
    assert run.evaluations[:, 0, 0].tolist() == [20, 40, 60]
    whole = training.train(TD3_BC, DATASET, **OPTIONS | {"seeds": 2}, num_steps=60)
    assert_same_bits(run.policy.state, whole.policy.state)
    assert_same_bits(run.metrics, whole.metrics)


def test_without_a_checkpoint_an_error_says_what_would_have_kept_the_run() -> None:
    def fails(run: training.Run) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError) as caught:
        training.train(TD3_BC, DATASET, seeds=1, num_steps=20, **OPTIONS, callbacks=[fails])
    assert caught.value.__notes__ == [
        "This came from callbacks[0], after 20 of 20 steps. With checkpoint=... nothing is lost."
    ]


def test_other_episodes_are_noticed_before_a_resumed_run_trains(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 2, "checkpoint": tmp_path}
    episodes = lambda number: {"evaluate": lambda policy: np.zeros((2, number))}  # noqa: E731
    training.train(TD3_BC, DATASET, num_steps=20, **options, **episodes(3))
    before = (tmp_path / checkpoints.NAME).read_bytes()
    with pytest.raises(ValueError, match="returned 4 episodes, and earlier 3"):
        training.train(TD3_BC, DATASET, num_steps=40, **options, **episodes(4))
    assert (tmp_path / checkpoints.NAME).read_bytes() == before


def ctrl_c(times: int, at: int = 40) -> Any:
    """A callback in which somebody presses Ctrl-C, once or more."""

    def press(run: training.Run) -> None:
        if run.steps[-1] == at:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return press


def test_ctrl_c_keeps_what_was_trained(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 2, "num_steps": 60, "callbacks": [ctrl_c(1)]}
    with pytest.warns(RuntimeWarning, match="stopped by Ctrl-C after 40 of 60 steps: the Run has"):
        run = training.train(TD3_BC, DATASET, **options)
    assert not run.finished and run.steps.tolist() == [20, 40]
    before = training.train(TD3_BC, DATASET, **OPTIONS | {"seeds": 2}, num_steps=40)
    assert before.finished
    assert_same_bits(run.policy.state, before.policy.state)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.warns(RuntimeWarning, match="so has the checkpoint: the same call goes on"):
        training.train(TD3_BC, DATASET, **options, checkpoint=tmp_path)
    resumed = training.train(TD3_BC, DATASET, **options, checkpoint=tmp_path)
    assert resumed.finished and resumed.steps.tolist() == [20, 40, 60]


def test_a_second_ctrl_c_stops_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        training.train(TD3_BC, DATASET, seeds=1, num_steps=60, **OPTIONS, callbacks=[ctrl_c(2)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_before_the_first_record_has_nothing_to_keep() -> None:
    class Presses:
        def begin(self, run: training.Run, names: Any) -> None:
            signal.raise_signal(signal.SIGINT)

        def __call__(self, run: training.Run) -> None: ...

    with pytest.raises(KeyboardInterrupt):
        training.train(TD3_BC, DATASET, seeds=1, num_steps=60, **OPTIONS, callbacks=[Presses()])


def test_a_home_is_written_to_by_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder named ~ is ever made."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    options = OPTIONS | {"seeds": 1, "num_steps": 20}
    run = training.train(TD3_BC, DATASET, **options, checkpoint="~/run")
    run.policy.save("~/run/policy.npz")
    assert load_policy("~/run").num_rows == 1
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    for wrong in ("", "~nobody-of-this-name/run", 5):
        with pytest.raises(ValueError, match=r"checkpoint is .*; give a path"):
            training.train(TD3_BC, DATASET, **options, checkpoint=wrong)  # type: ignore


def test_half_floats_are_kept(tmp_path: Path) -> None:
    half = jnp.arange(3, dtype=jnp.bfloat16)
    checkpoints.save_checkpoint(tmp_path, {}, {"w": half}, {})
    found = checkpoints.load_checkpoint(tmp_path, {}, {"w": half})
    assert found is not None
    assert_same_bits(found[0]["w"], half)


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / f"checkpoint.npz.{2**22}-1.part").write_bytes(b"half")
    training.train(TD3_BC, DATASET, seeds=1, num_steps=20, **OPTIONS, checkpoint=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"checkpoint.npz", "checkpoint.lock"}


def test_a_checkpoint_of_another_task_is_refused(tmp_path: Path) -> None:
    """The same arrays, but other bounds of the actions: it used to go on, scaled by 2.5."""
    options = OPTIONS | {"num_steps": 20, "seeds": 1, "checkpoint": tmp_path}
    training.train(TD3_BC, DATASET, **options)
    wider = Continuous((-5.0, -5.0), (5.0, 5.0))
    with pytest.raises(ValueError, match="another spec"):
        training.train(TD3_BC, replace(DATASET, spec=Spec((3,), wider)), **options)


def test_a_checkpoint_of_another_number_of_actions_is_refused(tmp_path: Path) -> None:
    config = DQN.Config(hidden=(8,))
    options = OPTIONS | {"num_steps": 20, "seeds": 1, "checkpoint": tmp_path, "config": config}
    rows = TRANSITIONS._replace(actions=np.arange(len(DATASET), dtype=np.int32) % 2)
    dataset = replace(DATASET, transitions=rows, spec=Spec((3,), Discrete(2)))
    training.train(DQN, dataset, **options)
    with pytest.raises(ValueError, match="another spec"):
        training.train(DQN, replace(dataset, spec=Spec((3,), Discrete(5))), **options)


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path: Path) -> None:
    """Under one description, a state that another version of the algorithm has made."""
    tree = {"kernel": jnp.zeros((3, 4))}
    checkpoints.save_checkpoint(tmp_path, {}, tree, {})
    for other in (jnp.zeros((3, 5)), jnp.zeros((3, 4), int)):
        with pytest.raises(ValueError, match=r"kernel.* is float32\(3, 4\), not .*3"):
            checkpoints.load_checkpoint(tmp_path, {}, {"kernel": other})


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    options = OPTIONS | {"num_steps": 20, "seeds": 1, "checkpoint": tmp_path}
    refused: list[str] = []

    def second(run: training.Run) -> None:
        with pytest.raises(ValueError, match="another training writes into") as caught:
            training.train(TD3_BC, DATASET, **options)
        refused.append(str(caught.value))

    training.train(TD3_BC, DATASET, **options, callbacks=[second])
    assert len(refused) == 1


def named_like_records(state: Any, batch: Any, key: Any, config: Any) -> Any:
    state, metrics = BC.update(state, batch, key, config)
    return state, metrics | {name: jnp.float32(7) for name in ("steps", "seconds", "evaluations")}


def test_metrics_may_be_called_like_records(tmp_path: Path) -> None:
    algorithm = Functions(
        name="mine", Config=BC.Config, init=BC.init, update=named_like_records, act=BC.act
    )
    options = OPTIONS | {"config": BC.Config(hidden=(8,)), "seeds": 1, "checkpoint": tmp_path}
    training.train(algorithm, DATASET, num_steps=20, **options)
    run = training.train(algorithm, DATASET, num_steps=40, **options)
    assert run.steps.tolist() == [20, 40] and run.evaluations.size == 0
    for name in ("steps", "seconds", "evaluations"):
        assert run.metrics[name].tolist() == [[7], [7]]


class Keyed(NamedTuple):
    """A state that carries a random key along."""

    step: jax.Array
    actor: Any
    actor_optimizer: Any
    key: jax.Array


def update_keyed(state: Keyed, batch: Any, key: Any, config: Any) -> Any:
    own, key = jax.random.split(state.key)
    batch = batch._replace(actions=batch.actions + jax.random.normal(own, batch.actions.shape))
    parent, metrics = BC.update(bc.State(*state[:3]), batch, key, config)
    return Keyed(*parent, key), metrics


KEYED = Functions(
    name="keyed",
    Config=BC.Config,
    init=lambda key, config, spec: Keyed(*BC.init(key, config, spec), jax.random.clone(key)),
    update=update_keyed,
    act=BC.act,
)


def test_a_state_may_hold_random_keys(tmp_path: Path) -> None:
    options = OPTIONS | {"config": BC.Config(hidden=(8,)), "seeds": 2}
    whole = training.train(KEYED, DATASET, num_steps=40, **options)
    training.train(KEYED, DATASET, num_steps=20, **options, checkpoint=tmp_path)
    resumed = training.train(KEYED, DATASET, num_steps=40, **options, checkpoint=tmp_path)
    whole.policy.save(tmp_path / "policy.npz")
    loaded = load_policy(tmp_path / "policy.npz", KEYED)
    for policy in (resumed.policy, loaded):
        assert_same_bits(policy.state.actor, whole.policy.state.actor)
        assert (policy.state.key == whole.policy.state.key).all()


# ---- what diverges


def explode(state: Any, batch: Any, key: Any, config: Any) -> Any:
    """Cloning whose parameters break after step 33, of seeds that began with a large weight."""
    lost = (state.actor["layer0"]["kernel"][0, 0] > THRESHOLD) & (state.step >= 33)
    after, metrics = BC.update(state, batch, key, config)
    broken = jnp.where(lost, jnp.nan, 1.0)
    return after._replace(actor=jax.tree.map(lambda leaf: leaf * broken, after.actor)), metrics


THRESHOLD = 0.3


@pytest.fixture(scope="module")
def exploding() -> tuple[Any, dict[str, Any], list[int], list[int]]:
    """An algorithm, options, two seeds that will diverge and four that will not."""
    algorithm = Functions(
        name="exploding", Config=BC.Config, init=BC.init, update=explode, act=BC.act
    )
    options = OPTIONS | {"config": BC.Config(hidden=(8,), actor_learning_rate=0.0)}
    run = training.train(BC, DATASET, seeds=40, num_steps=1, **options)
    first = run.policy.state.actor["layer0"]["kernel"][:, 0, 0]
    lost, kept = np.flatnonzero(first > THRESHOLD), np.flatnonzero(first <= THRESHOLD)
    options["config"] = BC.Config(hidden=(8,), actor_learning_rate=1e-5)
    return algorithm, options, lost[:2].tolist(), kept[:4].tolist()


def test_diverging_seeds_take_no_others_with_them(exploding: Any) -> None:
    algorithm, options, lost, kept = exploding
    seeds = [kept[0], lost[0], kept[1], kept[2], lost[1], kept[3]]
    rows = [0, 2, 3, 5]
    named = f"2 of 6 policies diverged.*seed {lost[0]} at step 34, seed {lost[1]} at step 34"
    with pytest.warns(RuntimeWarning, match=named):
        run = training.train(algorithm, DATASET, seeds=seeds, num_steps=70, **options)
    assert run.diverged.tolist() == [0, 34, 0, 0, 34, 0]
    assert np.isnan(run.metrics["actor_loss"][1:, [1, 4]]).all()
    assert np.isfinite(run.metrics["actor_loss"][:, rows]).all()
    # Those that diverged stay as they were before.
    before = training.train(algorithm, DATASET, seeds=seeds, num_steps=33, **options)
    alone = training.train(algorithm, DATASET, seeds=kept, num_steps=70, **options)
    ours, theirs, frozen = run.policy.state, alone.policy.state, before.policy.state
    pick = lambda state, rows: jax.tree.map(lambda leaf: np.asarray(leaf)[rows], state)  # noqa: E731
    assert_same_bits(pick(ours.actor, [1, 4]), pick(frozen.actor, [1, 4]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), pick(ours, rows), theirs)
    assert run.policy.seed(1)(TRANSITIONS.observations[:2]).shape == (2, 2)


def stumble(state: Any, batch: Any, key: Any, config: Any) -> Any:
    """`explode` at step 34 alone: later steps from a finite state would be finite again."""
    after, metrics = explode(state, batch, key, config)
    usual, _ = BC.update(state, batch, key, config)
    return jax.tree.map(lambda a, b: jnp.where(state.step == 33, a, b), after, usual), metrics


@pytest.mark.parametrize("every", [7, 34, 70])
def test_a_frozen_seed_stays_frozen(exploding: Any, every: int) -> None:
    algorithm, options, lost, kept = exploding
    algorithm = replace(algorithm, update=stumble)
    options = options | {"seeds": [lost[0], kept[0]], "every": every}
    before = training.train(algorithm, DATASET, num_steps=33, **options).policy.seed(0)
    with pytest.warns(RuntimeWarning, match="at step 34"):
        run = training.train(algorithm, DATASET, num_steps=70, **options)
    assert run.diverged.tolist() == [34, 0]
    assert_same_bits(run.policy.seed(0).state.actor, before.state.actor)


def test_a_run_with_diverged_seeds_resumes(exploding: Any, tmp_path: Path) -> None:
    algorithm, options, lost, kept = exploding
    options = options | {"seeds": [lost[0], kept[0]], "checkpoint": tmp_path}
    for num_steps in (40, 60):
        with pytest.warns(RuntimeWarning, match=f"seed {lost[0]} at step 34"):
            run = training.train(algorithm, DATASET, num_steps=num_steps, **options)
    assert run.diverged.tolist() == [34, 0]
    assert np.isnan(run.metrics["actor_loss"][1:, 0]).all()


def test_when_all_are_lost_training_stops_and_keeps_the_checkpoint(
    exploding: Any, tmp_path: Path
) -> None:
    algorithm, options, lost, _ = exploding
    options = options | {"seeds": lost, "checkpoint": tmp_path}
    training.train(algorithm, DATASET, num_steps=20, **options)
    good = (tmp_path / checkpoints.NAME).read_bytes()
    named = f"seed {lost[0]} at step 34, seed {lost[1]} at step 34"
    with pytest.raises(training.Diverged, match=named):
        training.train(algorithm, DATASET, num_steps=80, **options)
    assert (tmp_path / checkpoints.NAME).read_bytes() == good


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a seed twice": ({"seeds": [3, 3]}, "each once"),
    "half a seed": ({"seeds": [1.5]}, "whole numbers"),
    "a negative seed": ({"seeds": [-1]}, "from 0"),
    "half a step": ({"num_steps": 2.5}, "whole number"),
    "endless steps": ({"num_steps": np.inf}, "num_steps is inf.*whole number"),
    "steps that are a truth": ({"num_steps": True}, "num_steps is True.*whole number"),
    "another algorithm's config": ({"config": TD3.Config()}, "no alpha; td3_bc takes .*Config"),
    "no config": ({"config": 2.5}, "td3_bc takes .*Config"),
    "no configs": ({"config": []}, "config is empty"),
    "actions scaled twice": ({"config": TD3_BC.Config(max_action=2.0)}, "leave it at 1"),
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
        training.train(TD3_BC, DATASET, **OPTIONS | {"num_steps": 20, "seeds": 2} | options)


def test_a_child_s_config_is_not_its_parent_s() -> None:
    with pytest.raises(TypeError, match="has alpha, which td3 has not"):
        training.train(TD3, DATASET, **OPTIONS)


def test_online_takes_one_configuration() -> None:
    with pytest.raises(ValueError, match="2 configurations; train_online takes one"):
        training.train_online(TD3, environments.Pendulum(), config=[TD3.Config(), TD3.Config()])


def test_algorithm_dataset_and_environment_are_what_they_should_be() -> None:
    with pytest.raises(TypeError, match="give one such as"):
        training.train("td3_bc", DATASET)  # type: ignore
    with pytest.raises(TypeError, match="load_dataset and from_arrays"):
        training.train(TD3_BC, "maze/stitch-v0")  # type: ignore
    with pytest.raises(TypeError, match="FuncEnv with max_episode_steps"):
        training.train_online(TD3, "Pendulum-v1", num_steps=10)
    with pytest.raises(ValueError, match="bc has no explore"):
        training.train_online(BC, environments.Pendulum(), num_steps=10)


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    config = replace(CONFIG, alpha=np.float32(2.5))
    options = OPTIONS | {"config": config, "checkpoint": tmp_path, "seeds": np.array([1, 2])}
    run = training.train(TD3_BC, DATASET, num_steps=1e1, **options)  # type: ignore
    assert run.seeds == (1, 2) and run.steps.tolist() == [10]
    again = training.train(TD3_BC, DATASET, num_steps=20, **options | {"config": CONFIG})
    assert again.steps.tolist() == [10, 20]  # the same configuration, in Python's numbers


def test_a_checkpoint_is_continued_in_its_own_way(tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 1, "checkpoint": tmp_path}
    training.train(TD3_BC, DATASET, num_steps=40, **options)
    with pytest.raises(ValueError, match="40 steps, more than num_steps=20"):
        training.train(TD3_BC, DATASET, num_steps=20, **options)
    with pytest.raises(ValueError, match="was trained without evaluate="):
        training.train(
            TD3_BC, DATASET, num_steps=60, evaluate=lambda _: np.zeros((1, 3)), **options
        )


def test_a_run_a_policy_and_a_dataset_print_as_a_line() -> None:
    run = training.train(TD3_BC, DATASET, num_steps=20, seeds=2, **OPTIONS)
    for thing in (run, run.policy, DATASET):
        assert len(repr(thing)) < 600 and "\n" not in repr(thing)


@pytest.mark.parametrize("name", ["num_steps", "batch_size", "every", "seeds"])
def test_sizes_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0"):
        training.train(TD3_BC, DATASET, **OPTIONS | {"num_steps": 1} | {name: 0})


def test_discrete_actions_are_refused() -> None:
    dataset = data.from_arrays(
        np.zeros((4, 2)), np.array([0, 1, 1, 0]), np.zeros(4), terminations=np.zeros(4, bool),
        next_observations=np.zeros((4, 2)), num_actions=2,
    )  # fmt: skip
    with pytest.raises(ValueError, match="2 discrete actions"):
        training.train(TD3_BC, dataset, num_steps=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("seconds", None), ("steps", np.zeros(3)), ("diverged", np.zeros((2, 2))), ("seconds", "9")],
)
def test_damaged_records_of_a_checkpoint_are_refused(name: str, value: Any, tmp_path: Path) -> None:
    options = OPTIONS | {"seeds": 1, "checkpoint": tmp_path}
    training.train(TD3_BC, DATASET, num_steps=20, **options)
    with np.load(tmp_path / checkpoints.NAME) as file:
        arrays = dict(file)
    del arrays[f"records.{name}"]
    if value is not None:
        arrays[f"records.{name}"] = np.array(value)
    np.savez(tmp_path / checkpoints.NAME, **arrays)
    with pytest.raises(ValueError, match=r"records are damaged.*delete the file"):
        training.train(TD3_BC, DATASET, num_steps=40, **options)


@pytest.mark.parametrize("seeds", [2**33, 10**9, 10**400])
def test_so_many_seeds_that_no_memory_holds_them_are_refused(seeds: int) -> None:
    with pytest.raises(ValueError, match=r"seeds is .*seeds=\[number\]"):
        training.train(TD3_BC, DATASET, seeds=seeds)


def test_a_switch_is_true_or_false() -> None:
    with pytest.raises(TypeError, match="normalize is 'no'; give True or False"):
        training.train(TD3_BC, DATASET, normalize="no")  # type: ignore[arg-type]
