"""What a policy is worth: episodes played in the environment."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.policies import Policy
from offline_tutor.types import Array, Continuous, Discrete

MAX_STEPS = 100_000  # in one episode of a Gymnasium environment


class Trajectories(NamedTuple):
    """Episodes side by side; `valid` is False after an episode's end: nothing there counts."""

    observations: Array  # (episodes, steps, observation)
    actions: Array  # (episodes, steps, action) in the environment's units, or (episodes, steps)
    rewards: Array  # (episodes, steps)
    next_observations: Array  # (episodes, steps, observation)
    terminations: Array  # (episodes, steps)
    valid: Array  # (episodes, steps)


@partial(jax.jit, static_argnames=("environment", "episodes"))
def rollout(
    policy: Callable[[Array], Array],
    environment: Any,
    key: Array,
    *,
    episodes: int,
    noise: float | Array = 0.0,
    initial_states: Any = None,
) -> Trajectories:
    """Plays `episodes` episodes at once in a Gymnasium FuncEnv, up to its `max_episode_steps`.

    `policy`, a `Policy` or a function wrapped in `jax.tree_util.Partial`, maps (episodes,
    observation) to (episodes, action), or (episodes,) where actions are discrete. `noise` is the
    standard deviation of Gaussian noise added to the actions, in units of half the action space's
    width; for discrete actions the probability of a uniformly random one. Episodes start where
    the environment says, or in `initial_states`.
    """
    start_key, key, first_key = jax.random.split(key, 3)
    if initial_states is None:
        initial_states = jax.vmap(environment.initial)(jax.random.split(start_key, episodes))

    def each(function: Callable[..., Any], key: Array, *arguments: Any) -> Any:
        return jax.vmap(function)(*arguments, jax.random.split(key, episodes))

    def step(carry: tuple[Any, Array, Array], key: Array) -> tuple[Any, Trajectories]:
        states, observations, valid = carry
        noise_key, step_key, reward_key, end_key, observation_key = jax.random.split(key, 5)
        actions = _disturb(policy(observations), environment.action_space, noise, noise_key)
        next_states = each(environment.transition, step_key, states, actions)
        rewards = each(environment.reward, reward_key, states, actions, next_states)
        next_observations = each(environment.observation, observation_key, next_states)
        ends = each(environment.terminal, end_key, next_states) & valid
        rows = Trajectories(
            observations, actions, jnp.where(valid, rewards, 0), next_observations, ends, valid
        )
        return (next_states, next_observations, valid & ~ends), rows

    first = each(environment.observation, first_key, initial_states)
    keys = jax.random.split(key, environment.max_episode_steps)
    _, rows = jax.lax.scan(step, (initial_states, first, jnp.ones(episodes, bool)), keys)
    return jax.tree.map(lambda array: array.swapaxes(0, 1), rows)


def _disturb(actions: Array, space: Any, noise: float | Array, key: Array) -> Array:
    """Actions with noise, inside their space; see `rollout`."""
    if hasattr(space, "n"):
        coin_key, action_key = jax.random.split(key)
        anything = jax.random.randint(action_key, actions.shape, 0, space.n)
        return jnp.where(jax.random.uniform(coin_key, actions.shape) < noise, anything, actions)
    wobble = noise * (space.high - space.low) / 2 * jax.random.normal(key, actions.shape)
    return jnp.clip(actions + wobble, space.low, space.high)


def evaluate(
    policy: Any, environment: Any, *, episodes: int = 64, key: int | Array = 0, noise: float = 0.0
) -> np.ndarray:
    """Returns of fresh episodes: (rows, episodes) of stacked policies, else (episodes,).

    `environment` is a FuncEnv, played under jit for all seeds at once, or a Gymnasium environment
    or its name, played afresh with the vector API (`noise` is for the former). `policy` may be any
    function from (episodes, observation) to (episodes, action); for a FuncEnv a pure one of JAX,
    since it is traced once: random numbers that it draws with NumPy are frozen then. Each policy
    of a stack plays episodes of its own.

    Raises ValueError where a `Policy` was trained for other observations or actions.
    """
    environment = getattr(environment, "spec", None) or environment  # of gymnasium.make(...)
    functional = hasattr(environment, "initial") and hasattr(environment, "max_episode_steps")
    if not functional and not isinstance(environment, str) and not hasattr(environment, "id"):
        raise TypeError(
            f"environment is {environment!r}; give a FuncEnv with max_episode_steps, the name of a "
            "Gymnasium environment, or what gymnasium.make made of one that is registered"
        )
    if not functional:
        if noise:
            raise ValueError("noise is for FuncEnvs: here the policy itself may add it")
        return _evaluate_gymnasium(policy, environment, episodes, key)
    _check_fits(policy, environment.observation_space, environment.action_space)
    return np.asarray(
        play(policy, environment, episodes=episodes, key=key, noise=noise).rewards.sum(-1)
    )


def play(
    policy: Any, environment: Any, *, episodes: int, key: int | Array = 0, noise: float = 0.0
) -> Trajectories:
    """`rollout` for one policy, or for each of stacked ones (all arrays then begin with seeds)."""
    key, num_rows = _random_key(key), getattr(policy, "num_rows", None)
    if not isinstance(policy, Policy):
        policy = jax.tree_util.Partial(policy)
    if num_rows is None:
        return rollout(policy, environment, key, episodes=episodes, noise=noise)
    return _play_rows(policy, environment, jax.random.split(key, num_rows), episodes, noise)


def _random_key(key: Any) -> Array:
    """A random key of a whole number, or of a key. Raises TypeError for anything else."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return jax.random.key(int(key))
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    raise TypeError(f"key is {key!r}; give a whole number or jax.random.key(...)")


@partial(jax.jit, static_argnames=("environment", "episodes"))
def _play_rows(
    policy: Policy, environment: Any, keys: Array, episodes: int, noise: float
) -> Trajectories:
    return policy.map(
        lambda one, key: rollout(one, environment, key, episodes=episodes, noise=noise), keys
    )


def _evaluate_gymnasium(policy: Any, name: Any, episodes: int, key: int | Array) -> np.ndarray:
    import gymnasium  # here, since it takes a while and JAX environments do without
    from gymnasium.wrappers.vector import FlattenObservation

    import offline_tutor.environments  # noqa: F401  (registers its own)

    key = _random_key(key)
    if getattr(policy, "num_rows", None) is not None:
        keys = jax.random.split(key, policy.num_rows)  # starts of its own for each
        policies = [policy.seed(row) for row in range(policy.num_rows)]
        pairs = zip(policies, keys, strict=True)
        return np.stack([_evaluate_gymnasium(one, name, episodes, key) for one, key in pairs])
    seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
    environments = gymnasium.make_vec(name, num_envs=episodes)
    if isinstance(environments.single_observation_space, gymnasium.spaces.Dict):
        environments = FlattenObservation(environments)  # as load_dataset joins them
    _check_fits(policy, environments.single_observation_space, environments.single_action_space)
    observations, _ = environments.reset(seed=seed)
    returns, playing = np.zeros(episodes), np.ones(episodes, bool)
    for _ in range(MAX_STEPS):
        if not playing.any():
            break
        observations, rewards, ended, cut, _ = environments.step(np.asarray(policy(observations)))
        returns += np.where(playing, rewards, 0)
        playing &= ~(ended | cut)
    environments.close()
    if playing.any():
        raise ValueError(
            f"{name}: an episode goes on after {MAX_STEPS} steps; give the environment a time "
            "limit, gymnasium.register(..., max_episode_steps=...)"
        )
    return returns


def _check_fits(policy: Any, observations: Any, actions: Any) -> None:
    """A ValueError where a Policy was trained for other observations or actions."""
    if not isinstance(policy, Policy):
        return
    spec = policy.spec
    if observations.shape != spec.observation_shape:
        raise ValueError(
            f"observations are {observations.shape}; the policy takes {spec.observation_shape}"
        )
    theirs: Continuous | Discrete
    if hasattr(actions, "n"):
        theirs = Discrete(int(actions.n))
    else:
        low, high = np.asarray(actions.low, np.float32), np.asarray(actions.high, np.float32)
        theirs = Continuous(tuple(low.tolist()), tuple(high.tolist()))
    if theirs != spec.actions:
        raise ValueError(
            f"the environment takes actions {actions}; the policy was trained on {spec.actions}:"
            " is it another task, or were num_actions or action_bounds forgotten in from_arrays?"
        )


class Beliefs(NamedTuple):
    """What critics believe against what is true, from the same first states."""

    believed: np.ndarray  # (seeds, episodes): the critic's value of the policy's own first action
    true: np.ndarray  # (seeds, episodes): discounted return of the episode that followed


def compare_values(
    policy: Policy, environment: Any, *, discount: float, episodes: int = 64, key: int | Array = 0
) -> Beliefs:
    """The critic's value at the start of fresh episodes of stacked policies, and what then came.

    Raises ValueError where `policy` is a single one.
    """
    if policy.num_rows is None:
        raise ValueError("compare_values is for stacked policies, such as run.policy")
    played = play(policy, environment, episodes=episodes, key=key)
    believed = policy.map(lambda one, first: one.value(first), played.observations[:, :, 0])
    weights = discount ** np.arange(played.rewards.shape[-1])
    return Beliefs(np.asarray(believed), np.asarray(played.rewards) @ weights)
