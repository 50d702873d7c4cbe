"""One compiled loop for every algorithm: draw a minibatch, update, many seeds at once.

Python is entered only every `every` steps: for the progress bar, the evaluation, the live plot
and the checkpoint. The loop knows the shape of an algorithm (see `offline_tutor.algorithms`),
none by name.
"""

import contextlib
import hashlib
import math
import numbers
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.checkpoints import load_checkpoint, make_folder, save_checkpoint
from offline_tutor.data import Dataset, Normalization, normalization
from offline_tutor.types import Array, Spec, Transitions
from offline_tutor.policies import Policy
from offline_tutor.progress import progress_bar

Evaluate = Callable[[Policy], Array]


@dataclass(eq=False, repr=False)
class Run:
    """A training run, finished or under way: what `train` returns and callbacks are given."""

    policy: Policy  # of every seed, stacked
    seeds: tuple[int, ...]
    num_steps: int  # how many steps it has in the end
    steps: np.ndarray  # (records,): after how many steps each record below was taken
    metrics: dict[
        str, np.ndarray
    ]  # name -> (records, seeds): means over the steps since the last one
    evaluations: np.ndarray  # (records, seeds, episodes); (0, seeds, 0) without `evaluate`
    seconds: float = 0.0  # spent so far, compilation included

    def __repr__(self) -> str:
        """One line, not the arrays."""
        done = int(self.steps[-1]) if len(self.steps) else 0
        return f"<Run of {self.policy!r}: {done} of {self.num_steps} steps, {self.seconds:.0f} s>"


class Replay(NamedTuple):
    """All that a run online has tried, in the environment's units: (seeds, steps, ...)."""

    transitions: Transitions
    truncations: Array  # True where the time limit cut the episode


class Diverged(FloatingPointError):
    """Parameters became infinite or NaN."""


def train(
    algorithm: ModuleType,
    dataset: Dataset,
    *,
    config: Any = None,
    num_steps: int = 6000,
    batch_size: int = 256,
    seeds: int | Sequence[int] = 5,
    every: int = 1000,
    normalize: bool = False,
    evaluate: Evaluate | None = None,
    callbacks: Sequence[Callable[[Run], None]] = (),
    progress: bool = True,
    checkpoint: str | Path | None = None,
) -> Run:
    """Trains `algorithm`, a module such as `offline_tutor.algorithms.td3_bc`, on a fixed dataset.

    Every `every` steps: metrics are recorded, `evaluate(policy)`, which returns (seeds,
    episodes), is called, then each callback, then the checkpoint is written. `seeds` is how many,
    counted from 0, or the seeds themselves; all train at once, and one sees the same minibatches
    whatever the others are. `normalize` scales observations to mean 0 and deviation 1 (TD3+BC,
    equation 4) and the policy remembers it. With `checkpoint`, a folder, an interrupted run goes on
    where it stopped, to the same bits.

    Raises `Diverged` with step and seed where parameters stop being finite (the last good
    checkpoint stays), TypeError or ValueError for what cannot be trained, and ValueError where the
    checkpoint in the folder belongs to another run.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"dataset is {type(dataset).__name__}; load_dataset and from_arrays, both in "
            "offline_tutor.data, make a Dataset of it"
        )
    config, seeds = _check_config(algorithm, config), _check_seeds(seeds)
    num_steps, batch_size, every = _check_sizes(
        num_steps=num_steps, batch_size=batch_size, every=every
    )
    description = {
        "algorithm": algorithm.__name__,
        "config": repr(config),
        "dataset": _fingerprint(dataset),
        "seeds": list(seeds),
        "batch_size": batch_size,
        "every": every,
        "normalize": normalize,
    }
    scaling = normalization(dataset, observations=normalize)
    states, keys = _start(algorithm, config, dataset.spec, seeds)
    transitions = jax.device_put(dataset.transitions)

    def advance(states: Any, num_steps: int) -> tuple[Any, dict[str, Array]]:
        length, update = _round(algorithm, config, num_steps)
        return _train_rounds(
            states,
            keys,
            transitions,
            scaling,
            update,
            config,
            batch_size,
            length,
            num_steps // length,
        )

    policy = Policy(states, scaling, algorithm, config, dataset.spec, len(seeds))
    run = _new_run(policy, seeds, num_steps)
    loop = _Loop(every, evaluate, tuple(callbacks), progress, checkpoint, description)
    loop(run, states, advance)
    return run


def train_online(
    algorithm: ModuleType,
    environment: Any,
    *,
    config: Any = None,
    num_steps: int = 10_000,
    random_steps: int = 1000,
    batch_size: int = 256,
    seeds: int | Sequence[int] = 5,
    every: int = 1000,
    evaluate: Evaluate | None = None,
    callbacks: Sequence[Callable[[Run], None]] = (),
    progress: bool = True,
) -> tuple[Run, Replay]:
    """Trains `algorithm` by trying things out: a step in the environment, then an update.

    `environment` is a Gymnasium FuncEnv with `max_episode_steps`, such as those of
    `offline_tutor.environments`. The first `random_steps` actions are uniformly random and
    nothing is learned from them yet; later ones come from `algorithm.explore`. Options are those
    of `train`, without normalize and checkpoint. Returns the run, and all that was tried: the
    replay buffer.
    """
    config, seeds = _check_config(algorithm, config), _check_seeds(seeds)
    num_steps, batch_size, every = _check_sizes(
        num_steps=num_steps, batch_size=batch_size, every=every
    )
    if not hasattr(algorithm, "explore"):
        raise ValueError(f"{algorithm.__name__} has no explore, so it cannot try things out")
    if not (hasattr(environment, "initial") and hasattr(environment, "max_episode_steps")):
        raise TypeError(
            f"environment is {environment!r}; give a Gymnasium FuncEnv with max_episode_steps, "
            "such as offline_tutor.environments.Pendulum()"
        )
    spec, scaling = _units(environment)
    states, keys = _start(algorithm, config, spec, seeds)
    live = jax.vmap(partial(_reset, environment))(keys)
    replay = jax.vmap(lambda key: _empty_replay(spec, num_steps))(keys)
    live, replay = jax.device_put((live, replay), keys.sharding)

    def advance(carry: Any, num_steps: int) -> tuple[Any, dict[str, Array]]:
        return _train_online_steps(
            carry,
            keys,
            algorithm,
            environment,
            scaling,
            config,
            batch_size,
            random_steps,
            num_steps,
        )

    policy = Policy(states, scaling, algorithm, config, spec, len(seeds))
    run = _new_run(policy, seeds, num_steps)
    loop = _Loop(every, evaluate, tuple(callbacks), progress)
    _, _, replay = loop(run, (states, live, replay), advance)
    return run, jax.tree.map(np.asarray, replay)


def _start(
    algorithm: ModuleType, config: Any, spec: Spec, seeds: tuple[int, ...]
) -> tuple[Any, jax.Array]:
    """A fresh state and a key for each seed, spread over the devices where they divide evenly."""

    def one_seed(seed: Array) -> tuple[Any, Array]:
        init_key, key = jax.random.split(jax.random.key(seed))
        return algorithm.init(init_key, config, spec), key

    # Not under jit: its parts are compiled once and serve every run, the whole would be every time.
    states, keys = jax.vmap(one_seed)(np.array(seeds, np.uint32))
    # Weak types, as of jnp.log(1.0), would not come back, and the loop would be compiled again.
    states = jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), states)
    num_devices = math.gcd(len(seeds), jax.device_count())
    mesh = jax.sharding.Mesh(jax.devices()[:num_devices], "seeds")
    by_seed = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("seeds"))
    states, keys = jax.device_put((states, keys), by_seed)
    # Left where it is, the step would come back elsewhere and have the loop compiled once more.
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return states._replace(step=jax.device_put(np.zeros((), states.step.dtype), everywhere)), keys


def _axes(states: Any) -> Any:
    """Every array of a state has an axis of seeds but the step: a counter that all seeds share.

    So a branch on the counter, such as TD3's delayed actor, stays a branch: were the counter
    batched, vmap would compute both sides for every seed at every step.
    """
    return jax.tree.map(lambda _: 0, states)._replace(step=None)


def _round(algorithm: ModuleType, config: Any, num_steps: int) -> tuple[int, Callable]:
    """How many steps are taken at once, and by what: several where they fit and it is faster."""
    length = algorithm.round_length(config) if hasattr(algorithm, "round_length") else 1
    if num_steps % length == 0 and length > 1:
        return length, algorithm.update_round
    return 1, algorithm.update


@partial(jax.jit, static_argnames=("update", "config", "batch_size", "length"))
def _train_rounds(
    states: Any,
    keys: Array,
    transitions: Transitions,
    scaling: Normalization,
    update: Callable,
    config: Any,
    batch_size: int,
    length: int,
    num_rounds: int,
) -> tuple[Any, dict[str, Array]]:
    """`num_rounds` times `length` steps of every seed, and each metric's mean over them."""

    def draw(key: Array, step: Array) -> tuple[Transitions, Array]:
        rows_key, update_key = jax.random.split(jax.random.fold_in(key, step))
        rows = jax.random.randint(rows_key, (batch_size,), 0, len(transitions.rewards))
        batch = jax.tree.map(lambda array: array[rows], transitions)
        return scaling.prepare(batch), update_key

    def one_seed(state: Any, key: Array) -> tuple[Any, dict[str, Array]]:
        if length == 1:
            return update(state, *draw(key, state.step), config)
        steps = state.step + jnp.arange(length)
        return update(state, *jax.vmap(partial(draw, key))(steps), config)

    def body(_: Array, carry: Any) -> Any:
        states, sums, counts = carry
        states, metrics = every_seed(states, keys)
        known = jax.tree.map(lambda metric: ~jnp.isnan(metric), metrics)
        sums = jax.tree.map(
            lambda total, new, here: total + jnp.where(here, new, 0), sums, metrics, known
        )
        counts = jax.tree.map(jnp.add, counts, known)
        return states, sums, counts

    alone = len(keys) == 1
    if alone:  # without vmap, which costs one seed a tenth of its speed
        every_seed = one_seed
        states = jax.tree.map(lambda leaf: leaf[0], _with_steps(states, 1))
        keys = keys[0]
    else:
        axes = _axes(states)
        every_seed = jax.vmap(one_seed, in_axes=(axes, 0), out_axes=(axes, 0))
    shapes = jax.eval_shape(every_seed, states, keys)[1]
    zeros = jax.tree.map(lambda metric: jnp.zeros(metric.shape, metric.dtype), shapes)
    # A loop, not a scan: its length is an argument, so one program serves pieces of any length.
    states, sums, counts = jax.lax.fori_loop(0, num_rounds, body, (states, zeros, zeros))
    means = jax.tree.map(jnp.divide, sums, counts)
    if alone:
        step = states.step  # stays without an axis
        states, means = jax.tree.map(lambda leaf: leaf[None], (states, means))
        states = states._replace(step=step)
    return states, means


def _units(environment: Any) -> tuple[Spec, Normalization]:
    """What the networks need to know of an environment, and its actions' scale."""
    space, observation_dim = environment.action_space, environment.observation_space.shape[0]
    zero = np.zeros(observation_dim, np.float32)
    if hasattr(space, "n"):
        spec = Spec(observation_dim, num_actions=int(space.n))
        return spec, Normalization(zero, zero + 1, None, None)
    if not np.isfinite([space.low, space.high]).all():
        raise ValueError(f"actions are {space}; their bounds must be finite")
    spec = Spec(observation_dim, space.low, space.high)
    centre, half_range = (space.high + space.low) / 2, (space.high - space.low) / 2
    return spec, Normalization(zero, zero + 1, centre, half_range)


def _any_action(space: Any, key: Array) -> Array:
    """A uniformly random action in the algorithm's units: an index, or a vector in [-1, 1]."""
    if hasattr(space, "n"):
        return jax.random.randint(key, (), 0, space.n)
    return jax.random.uniform(key, space.shape, minval=-1.0)


class _Live(NamedTuple):
    """An episode under way."""

    state: Any  # of the environment
    steps: Array  # in this episode so far, ()


def _reset(environment: Any, key: Array) -> _Live:
    return _Live(environment.initial(key), jnp.zeros((), int))


def _empty_replay(spec: Spec, size: int) -> Replay:
    observations, rewards = jnp.zeros((size, spec.observation_dim)), jnp.zeros(size)
    flags = jnp.zeros(size, bool)
    discrete = spec.num_actions is not None
    actions = jnp.zeros(size, int) if discrete else jnp.zeros((size, spec.action_dim))
    return Replay(Transitions(observations, actions, rewards, observations, flags), flags)


@partial(
    jax.jit,
    static_argnames=(
        "algorithm",
        "environment",
        "config",
        "batch_size",
        "random_steps",
        "num_steps",
    ),
)
def _train_online_steps(
    carry: tuple[Any, _Live, Replay],
    keys: Array,
    algorithm: ModuleType,
    environment: Any,
    scaling: Normalization,
    config: Any,
    batch_size: int,
    random_steps: int,
    num_steps: int,
) -> tuple[Any, dict[str, Array]]:
    """`num_steps` times, for every seed: a step in the environment, then an update."""

    def one_seed(
        state: Any, live: _Live, replay: Replay, key: Array, now: Array
    ) -> tuple[Any, Any]:
        act_key, step_key, rows_key, update_key = jax.random.split(jax.random.fold_in(key, now), 4)
        observation = environment.observation(live.state, step_key)
        action = jax.lax.cond(
            now < random_steps,
            lambda: _any_action(environment.action_space, act_key),
            lambda: algorithm.explore(state, scaling.observe(observation), act_key, config),
        )
        live, row = _step(environment, live, observation, scaling.to_environment(action), step_key)
        replay = jax.tree.map(lambda buffer, new: buffer.at[now].set(new), replay, row)
        rows = jax.random.randint(rows_key, (batch_size,), 0, now + 1)
        batch = jax.tree.map(lambda buffer: buffer[rows], replay.transitions)
        updated, metrics = algorithm.update(state, scaling.prepare(batch), update_key, config)
        learn = now >= random_steps
        keep = partial(jnp.where, learn)
        state = jax.tree.map(keep, updated, state._replace(step=updated.step))
        return (state, live, replay), jax.tree.map(lambda m: jnp.where(learn, m, jnp.nan), metrics)

    axes = _axes(carry[0])
    every_seed = jax.vmap(one_seed, in_axes=(axes, 0, 0, 0, None), out_axes=((axes, 0, 0), 0))
    carry, metrics = jax.lax.scan(
        lambda carry, _: every_seed(*carry, keys, carry[0].step), carry, length=num_steps
    )
    return carry, jax.tree.map(partial(jnp.nanmean, axis=0), metrics)


def _step(
    environment: Any, live: _Live, observation: Array, action: Array, key: Array
) -> tuple[_Live, Replay]:
    """One step in the environment and its row; a new episode where this one ended."""
    state = environment.transition(live.state, action, key)
    reward = environment.reward(live.state, action, state, key)
    terminated = jnp.asarray(environment.terminal(state, key))
    truncated = (live.steps + 1 >= environment.max_episode_steps) & ~terminated
    next_observation = environment.observation(state, key)
    row = Transitions(observation, action, jnp.asarray(reward), next_observation, terminated)
    fresh = _reset(environment, jax.random.fold_in(key, 1))
    over = terminated | truncated
    live = jax.tree.map(
        lambda new, old: jnp.where(over, new, old), fresh, _Live(state, live.steps + 1)
    )
    return live, Replay(row, truncated)


def _fingerprint(dataset: Dataset) -> str:
    """A hash of the dataset's contents, so that a checkpoint is not continued on other data."""
    digest = hashlib.blake2b(digest_size=16)
    for array in dataset.transitions:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _new_run(policy: Policy, seeds: tuple[int, ...], num_steps: int) -> Run:
    return Run(policy, seeds, num_steps, np.zeros(0, int), {}, np.zeros((0, len(seeds), 0)))


@dataclass(frozen=True)
class _Loop:
    """What Python does between the compiled pieces of a run."""

    every: int
    evaluate: Evaluate | None
    callbacks: tuple[Callable[[Run], None], ...]
    progress: bool
    checkpoint: str | Path | None = None
    description: dict[str, Any] = field(default_factory=dict)

    def __call__(self, run: Run, carry: Any, advance: Callable[[Any, int], tuple[Any, Any]]) -> Any:
        """Takes `carry`, a State or a tuple that begins with one, to the end; fills `run`."""
        if self.checkpoint is not None:
            make_folder(self.checkpoint)
            carry = self._resume(run, carry, self.checkpoint)
        start = time.perf_counter() - run.seconds
        name = run.policy.algorithm.__name__.rpartition(".")[2]
        bar = progress_bar(run.num_steps, name) if self.progress else contextlib.nullcontext()
        with bar as show_progress:
            while (done := int(_states(carry).step)) < run.num_steps:
                before = carry
                carry, metrics = advance(carry, min(self.every, run.num_steps - done))
                _check_finite(before, carry, run.seeds, advance)
                self._record(run, _states(carry), metrics)
                run.seconds = time.perf_counter() - start
                for callback in self.callbacks:
                    callback(run)
                if self.checkpoint is not None:
                    self._save(run, carry, self.checkpoint)
                if show_progress is not None:
                    show_progress(int(_states(carry).step))
        return carry

    def _record(self, run: Run, states: Any, metrics: dict[str, Array]) -> None:
        run.policy = replace(run.policy, state=_with_steps(states, len(run.seeds)))
        run.steps = np.append(run.steps, int(states.step))
        for name, means in metrics.items():
            earlier = run.metrics.get(name, np.zeros((0, len(run.seeds))))
            run.metrics[name] = np.concatenate([earlier, np.asarray(means)[None]])
        if self.evaluate is not None:
            returns = np.asarray(self.evaluate(run.policy))[None]
            earlier = run.evaluations if len(run.evaluations) else returns[:0]
            if returns.shape[1:] != (len(run.seeds), *earlier.shape[2:]) or returns.ndim != 3:
                raise ValueError(
                    f"evaluate returned the shape {returns.shape[1:]}, not (seeds, episodes) = "
                    f"({len(run.seeds)}, as many each time)"
                )
            run.evaluations = np.concatenate([earlier, returns])

    def _save(self, run: Run, carry: Any, folder: str | Path) -> None:
        records = {
            "steps": run.steps,
            "evaluations": run.evaluations,
            "seconds": np.array(run.seconds),
        }
        save_checkpoint(folder, self.description, carry, records | run.metrics)

    def _resume(self, run: Run, carry: Any, folder: str | Path) -> Any:
        saved = load_checkpoint(folder, self.description, carry)
        if saved is None:
            return carry
        carry, records = saved
        run.steps, run.evaluations = records.pop("steps"), records.pop("evaluations")
        run.seconds, run.metrics = float(records.pop("seconds")), records
        run.policy = replace(run.policy, state=_with_steps(_states(carry), len(run.seeds)))
        done = int(_states(carry).step)
        if done > run.num_steps:
            raise ValueError(
                f"{folder} holds {done} steps, more than num_steps={run.num_steps}: give another "
                "folder, or more steps"
            )
        if done < run.num_steps and bool(len(run.evaluations)) != bool(self.evaluate):
            raise ValueError(
                f"{folder} was trained {'with' if len(run.evaluations) else 'without'} evaluate=: "
                "do the same, or give another folder"
            )
        return carry


def _states(carry: Any) -> Any:
    return carry if hasattr(carry, "step") else carry[0]


def _with_steps(states: Any, num_seeds: int) -> Any:
    """The states with an axis of seeds on the step too, as `Policy` has them."""
    return states._replace(step=jnp.full(num_seeds, states.step))


def _check_sizes(**sizes: Any) -> list[int]:
    """The sizes as int, 1e6 too. Raises ValueError where one is no whole number of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, int | float | np.number) or size < 1 or size != int(size):
            raise ValueError(f"{name} is {size!r}; it must be a whole number, at least 1")
    return [int(size) for size in sizes.values()]


def _check_seeds(seeds: Any) -> tuple[int, ...]:
    """The seeds, as int. Raises ValueError where they are no seeds, or one comes twice."""
    if isinstance(seeds, numbers.Integral):
        if seeds < 1:
            raise ValueError(f"seeds is {seeds}; it must be at least 1")
        seeds = range(int(seeds))
    try:
        found = tuple(operator.index(seed) for seed in seeds)
    except TypeError as error:
        raise ValueError(f"seeds is {seeds!r}; give how many, or whole numbers") from error
    if not found or len(set(found)) < len(found) or min(found) < 0 or max(found) >= 2**32:
        raise ValueError(f"seeds is {seeds!r}; give one or more, each once, from 0 to 2**32 - 1")
    return found


def _check_config(algorithm: Any, config: Any) -> Any:
    """The config, or the default. Raises TypeError or ValueError where it does not fit."""
    if not hasattr(algorithm, "init"):
        raise TypeError(
            f"algorithm is {algorithm!r}; give a module, such as offline_tutor.algorithms.td3_bc"
        )
    config = algorithm.Config() if config is None else config
    name = algorithm.__name__.rpartition(".")[2]
    # By its fields and not by its class: chapters train with the Config that they have built.
    known = fields(algorithm.Config) if hasattr(algorithm, "Config") else ()
    lacking = [field.name for field in known if not hasattr(config, field.name)]
    if lacking or isinstance(config, type):
        raise TypeError(f"config is {config!r}; {name} takes {name}.Config(...)")
    try:
        hash(config)
    except TypeError as error:
        raise TypeError(
            f"{config} holds a list or an array; give tuples and numbers, such as hidden=(64, 64)"
        ) from error
    if getattr(config, "max_action", 1) != 1:
        raise ValueError(
            f"max_action is {config.max_action}, and training scales actions to [-1, 1]: leave it "
            "at 1. How large actions are, the dataset says: from_arrays(..., action_bounds=...)"
        )
    return config


def _finite(carry: Any, num_seeds: int) -> np.ndarray:
    """Whether each seed's parameters are all finite, (seeds,)."""
    states = _with_steps(_states(carry), num_seeds)
    leaves = [np.isfinite(leaf).reshape(num_seeds, -1).all(1) for leaf in jax.tree.leaves(states)]
    return np.all(leaves, axis=0)


def _check_finite(before: Any, after: Any, seeds: tuple[int, ...], advance: Callable) -> None:
    """Raises `Diverged` where parameters are not finite, with the step that made them so."""
    if _finite(after, len(seeds)).all():
        return
    last = int(_states(after).step)
    finite = _finite(before, len(seeds))
    while finite.all() and int(_states(before).step) < last:  # the same steps again, one by one
        before, _ = advance(before, 1)
        finite = _finite(before, len(seeds))
    if finite.all():  # rounding: they came out finite this time
        finite = _finite(after, len(seeds))
    step, seed = int(_states(before).step), seeds[int(np.argmin(finite))]
    raise Diverged(
        f"parameters became NaN or infinite at step {step}, seed {seed}. A lower learning rate, "
        "smaller rewards or normalize=True may help; with checkpoint=... the last good one is kept"
    )
