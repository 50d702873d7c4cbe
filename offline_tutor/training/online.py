"""Training by trying things out: a step in the environment, then an update."""

from collections.abc import Callable, Sequence
from dataclasses import astuple
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.data import Normalization
from offline_tutor.data.units import units_of
from offline_tutor.policies import Policy
from offline_tutor.spaces import actions_of, join, spec_of
from offline_tutor.training.checks import check_calls, check_configs, check_seeds, check_sizes
from offline_tutor.training.interface import check_act, check_algorithm, check_update
from offline_tutor.training.loop import Evaluate, Loop
from offline_tutor.training.rows import Rows, seed_axes
from offline_tutor.training.run import Run, new_run
from offline_tutor.types import Array, Continuous, Discrete, Spec, Transitions


class Replay(NamedTuple):
    """All that a run online has tried, in the environment's units: (seeds, steps, ...)."""

    transitions: Transitions
    truncations: Array  # True where the time limit cut the episode


class _Live(NamedTuple):
    """An episode under way."""

    state: Any  # of the environment
    observation: Array  # of that state
    steps: Array  # in this episode so far, ()


def train_online(
    algorithm: Algorithm,
    environment: Any,
    *,
    config: Hyperparameters | None = None,
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
    nothing is learned from them yet, although `State.step` counts them; later ones come from
    `algorithm.explore`. Options are those of `train`, without normalize and checkpoint, and with
    one configuration. Returns the run, and all that was tried: the replay buffer.
    """
    algorithm, calls = check_algorithm(algorithm), check_calls(evaluate, callbacks)
    configs = check_configs(algorithm, config)
    if len(configs) > 1:
        raise ValueError(f"config: {len(configs)} configurations; train_online takes one at a time")
    rows = Rows(configs, check_seeds(seeds))
    num_steps, batch_size, every = check_sizes(
        num_steps=num_steps, batch_size=batch_size, every=every
    )
    if getattr(algorithm, "explore", None) is None:
        raise ValueError(f"{algorithm.name} has no explore, so it cannot try things out")
    functional = hasattr(environment, "initial") and hasattr(environment, "max_episode_steps")
    if not functional or isinstance(environment, type):
        raise TypeError(
            f"environment is {environment!r}; give a Gymnasium FuncEnv with max_episode_steps, "
            "such as offline_tutor.environments.Pendulum()"
        )
    spec = spec_of(environment)
    if isinstance(spec.actions, Continuous) and not np.isfinite(astuple(spec.actions)).all():
        raise ValueError(f"actions are {environment.action_space}; their bounds must be finite")
    scaling = units_of(spec)
    (state,), keys = rows.start(algorithm, spec)
    step_keys, reset_keys = jax.vmap(jax.random.split)(keys).T
    live = jax.vmap(partial(_reset, environment))(reset_keys)
    replay = jax.vmap(lambda _: _empty_replay(spec, num_steps))(reset_keys)
    diverged = np.zeros(rows.num_seeds, int)
    live, replay, keys, diverged = rows.spread((live, replay, step_keys, diverged))
    config, units = rows.everywhere((rows.configs[0], scaling))

    tried = algorithm, environment, batch_size, random_steps

    def advance(carry: Any, count: int, _: Any) -> tuple[Any, dict[str, Array], Array]:
        carry, metrics = _take_steps(carry, keys, config, units, *tried, count)
        return carry, rows.real([metrics]), rows.real([carry[-1]])

    def states_of(carry: Any) -> tuple[Any]:
        return (carry[0],)

    # Copies, since arrays are reused in place, and a network and its target are one at first.
    carry = jax.tree.map(jnp.copy, (state, live, replay, diverged))
    # Tried on shapes first; what is traced here is not traced again.
    first = min(every, num_steps)
    _, metrics = _take_steps.trace(carry, keys, config, units, *tried, first).out_info
    check_act(algorithm, state, config, spec, scaling.observe, live.observation.dtype)
    policy = Policy(rows.policy_state([state]), scaling, algorithm, rows.configs, spec, rows.seeds)
    run = new_run(policy, num_steps, metrics)
    loop = Loop(rows, every, evaluate, calls, progress, states_of=states_of, reuses_arrays=True)
    _, _, replay, _ = loop(run, carry, advance)
    done = int(run.steps[-1])  # fewer where Ctrl-C stopped it
    return run, jax.tree.map(lambda column: np.asarray(column)[:, :done], rows.real([replay]))


def _reset(environment: Any, key: Array) -> _Live:
    state_key, observation_key = jax.random.split(key)
    state = environment.initial(state_key)
    return _Live(state, _observe(environment, state, observation_key), jnp.zeros((), int))


def _observe(environment: Any, state: Any, key: Array) -> Array:
    """The observation as an array, also where the environment gives a dictionary of vectors."""
    found = environment.observation(state, key)
    keys = spec_of(environment).observation_keys
    return join(found, keys) if keys else found


def _any_action(space: Any, key: Array) -> Array:
    """A uniformly random action in the algorithm's units: an index, or a vector in [-1, 1]."""
    if isinstance(actions_of(space), Discrete):
        return jax.random.randint(key, (), 0, space.n)
    return jax.random.uniform(key, space.shape, minval=-1.0)


def _empty_replay(spec: Spec, size: int) -> Replay:
    observations, rewards = jnp.zeros((size, *spec.observation_shape)), jnp.zeros(size)
    flags = jnp.zeros(size, bool)
    discrete = isinstance(spec.actions, Discrete)
    actions = jnp.zeros(size, int) if discrete else jnp.zeros((size, spec.action_dim))
    return Replay(Transitions(observations, actions, rewards, observations, flags), flags)


@partial(
    jax.jit,
    static_argnames=("algorithm", "environment", "batch_size", "random_steps", "num_steps"),
    donate_argnames="carry",
)
def _take_steps(
    carry: tuple[Any, _Live, Replay, Array],
    keys: Array,
    config: Any,
    scaling: Normalization,
    algorithm: Any,
    environment: Any,
    batch_size: int,
    random_steps: int,
    num_steps: int,
) -> tuple[Any, dict[str, Array]]:
    """`num_steps` times, for every seed: a step in the environment, then an update.

    A seed whose parameters would become NaN or infinite keeps those that it has, and goes on
    acting with them.
    """

    def one_seed(
        state: Any, live: _Live, replay: Replay, diverged: Array, key: Array, now: Array
    ) -> tuple[Any, Any]:
        act_key, step_key, rows_key, update_key = jax.random.split(jax.random.fold_in(key, now), 4)
        action = jax.lax.cond(
            now < random_steps,
            lambda: _any_action(environment.action_space, act_key),
            lambda: algorithm.explore(state, scaling.observe(live.observation), act_key, config),
        )
        live, row = _step(environment, live, scaling.to_environment(action), step_key)
        replay = jax.tree.map(lambda buffer, new: buffer.at[now].set(new), replay, row)
        rows = jax.random.randint(rows_key, (batch_size,), 0, now + 1)
        batch = jax.tree.map(lambda buffer: buffer[rows], replay.transitions)
        result = algorithm.update(state, scaling.prepare(batch), update_key, config)
        updated, metrics = check_update(algorithm.name, state, result, ())
        learn = now >= random_steps
        diverged = jnp.where(learn & (diverged == 0) & ~_finite(updated), now + 1, diverged)
        keep = partial(jnp.where, learn & (diverged == 0))
        kept = jax.tree.map(keep, updated._replace(step=None), state._replace(step=None))
        state = kept._replace(step=updated.step)  # one counter for all seeds
        metrics = jax.tree.map(lambda metric: keep(metric, jnp.nan), metrics)
        return (state, live, replay, diverged), metrics

    axes = seed_axes(carry[0])
    every_seed = jax.vmap(one_seed, (axes, 0, 0, 0, 0, None), ((axes, 0, 0, 0), 0))
    carry, metrics = jax.lax.scan(
        lambda carry, _: every_seed(*carry, keys, carry[0].step), carry, length=num_steps
    )
    return carry, jax.tree.map(partial(jnp.nanmean, axis=0), metrics)


def _finite(state: Any) -> Array:
    """Whether all numbers of one row's state are finite, ()."""
    numbers = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in numbers]))


def _step(environment: Any, live: _Live, action: Array, key: Array) -> tuple[_Live, Replay]:
    """One step in the environment and its row; a new episode where this one ended."""
    step_key, reward_key, end_key, observation_key, reset_key = jax.random.split(key, 5)
    space = environment.action_space
    if isinstance(actions_of(space), Continuous):
        action = jnp.clip(action, space.low, space.high)  # rounding may have led out
    state = environment.transition(live.state, action, step_key)
    reward = jnp.asarray(environment.reward(live.state, action, state, reward_key))
    terminated = jnp.asarray(environment.terminal(state, end_key))
    truncated = (live.steps + 1 >= environment.max_episode_steps) & ~terminated
    observation = _observe(environment, state, observation_key)
    row = Transitions(live.observation, action, reward, observation, terminated)
    fresh, goes_on = _reset(environment, reset_key), _Live(state, observation, live.steps + 1)
    over = terminated | truncated
    live = jax.tree.map(
        lambda new, old: jnp.where(over, new, old.astype(new.dtype)), fresh, goes_on
    )
    return live, Replay(row, truncated)
