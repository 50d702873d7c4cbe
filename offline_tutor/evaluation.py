"""What a policy is worth: episodes played in the environment."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.policies import Policy
from offline_tutor.spaces import actions_of, check_actions, check_fits, check_whole
from offline_tutor.training.checks import check_sizes
from offline_tutor.types import Array, Continuous, Discrete, Spec


class Trajectories(NamedTuple):
    """Episodes side by side; `valid` is False after an episode's end: nothing there counts."""

    observations: Array  # (episodes, steps, observation)
    actions: Array  # (episodes, steps, action) in the environment's units, or (episodes, steps)
    rewards: Array  # (episodes, steps)
    next_observations: Array  # (episodes, steps, observation)
    terminations: Array  # (episodes, steps)
    valid: Array  # (episodes, steps)


@partial(jax.jit, static_argnames=("environment", "episodes", "max_steps"))
def rollout(
    policy: Callable[[Array], Array],
    environment: Any,
    key: Array,
    *,
    episodes: int,
    noise: float | Array = 0.0,
    initial_states: Any = None,
    max_steps: int | None = None,
) -> Trajectories:
    """Plays `episodes` episodes at once in a Gymnasium FuncEnv, up to its `max_episode_steps`.

    `policy`, a `Policy` or a function wrapped in `jax.tree_util.Partial`, maps (episodes,
    observation) to (episodes, action), or (episodes,) where actions are discrete. `noise` is the
    standard deviation of Gaussian noise added to the actions, in units of half the action space's
    width; for discrete actions the probability of a uniformly random one. Episodes start where
    the environment says, or in `initial_states`; they are cut after `max_steps`, too.
    """
    start_key, key, first_key = jax.random.split(key, 3)
    if initial_states is None:
        initial_states = jax.vmap(environment.initial)(jax.random.split(start_key, episodes))

    def each(function: Callable[..., Any], key: Array, *arguments: Any) -> Any:
        return jax.vmap(function)(*arguments, jax.random.split(key, episodes))

    def step(carry: tuple[Any, Array, Array], key: Array) -> tuple[Any, Trajectories]:
        states, observations, valid = carry
        noise_key, step_key, reward_key, end_key, observation_key = jax.random.split(key, 5)
        actions = policy(observations)
        check_actions(actions, environment.action_space, episodes)
        actions = _disturb(actions, environment.action_space, noise, noise_key)
        next_states = _like(each(environment.transition, step_key, states, actions), states)
        rewards = each(environment.reward, reward_key, states, actions, next_states)
        seen = each(environment.observation, observation_key, next_states)
        next_observations = _like(seen, observations)
        ends = each(environment.terminal, end_key, next_states) & valid
        rows = Trajectories(
            observations, actions, jnp.where(valid, rewards, 0), next_observations, ends, valid
        )
        return (next_states, next_observations, valid & ~ends), rows

    first = each(environment.observation, first_key, initial_states)
    keys = jax.random.split(key, _length(environment, max_steps))
    _, rows = jax.lax.scan(step, (initial_states, first, jnp.ones(episodes, bool)), keys)
    return jax.tree.map(lambda array: array.swapaxes(0, 1), rows)


def _length(environment: Any, max_steps: int | None) -> int:
    """How many steps an episode may take: `max_steps` or the environment's, the smaller one."""
    limits = (max_steps, getattr(environment, "max_episode_steps", None))
    return min(limit for limit in limits if limit is not None)


def _like(new: Any, old: Any) -> Any:
    """Arrays in the types of others: an environment may begin in float64 and go on in float32."""
    return jax.tree.map(lambda after, before: after.astype(before.dtype), new, old)


def _disturb(actions: Array, space: Any, noise: float | Array, key: Array) -> Array:
    """Actions with noise, inside their space; see `rollout`."""
    if isinstance(actions_of(space), Discrete):
        coin_key, action_key = jax.random.split(key)
        anything = jax.random.randint(action_key, actions.shape, 0, space.n)
        return jnp.where(jax.random.uniform(coin_key, actions.shape) < noise, anything, actions)
    half = space.high / 2 - space.low / 2
    half = np.where(np.isfinite(half), half, 0)  # infinitely wide: `play` lets no noise through
    return jnp.clip(
        actions + noise * half * jax.random.normal(key, actions.shape), space.low, space.high
    )


def evaluate(
    policy: Any,
    environment: Any,
    *,
    episodes: int = 64,
    key: int | Array = 0,
    noise: float = 0.0,
    max_steps: int | None = None,
) -> np.ndarray:
    """Returns of fresh episodes: (rows, episodes) of stacked policies, else (episodes,).

    `environment` is one of these:

    - a FuncEnv, played under jit for all seeds at once (`noise` is for it);
    - the name or `EnvSpec` of a Gymnasium environment, played in copies side by side;
    - a Gymnasium environment, with whatever wraps it: it is played itself, an episode after
      another, which takes longer.

    `policy` may be any function from (episodes, observation) to (episodes, action); for a FuncEnv
    a pure one of JAX, since it is traced once: random numbers that it draws with NumPy are frozen
    then. Where Gymnasium's observations are dictionaries, a function is given their vectors joined
    in the order of the space, and a `Policy` in the order of its data. Each policy of a stack plays
    episodes of its own. Actions are clipped to the environment's bounds, and an episode is cut
    after `max_steps`, if the environment does not do so before.

    Warns where nothing limits an episode, or a policy reaches beyond the bounds. Raises TypeError
    or ValueError for what cannot be played, as where a `Policy` was trained for another task.
    """
    if _is_functional(environment):
        played = play(
            policy, environment, episodes=episodes, key=key, noise=noise, max_steps=max_steps
        )
        return np.asarray(played.rewards.sum(-1))
    from offline_tutor.episodes import returns_of  # takes a while, and FuncEnvs do without

    _check_policy(policy)
    episodes, max_steps = _counts(episodes, max_steps)
    if noise:
        raise ValueError("noise is for FuncEnvs: here the policy itself may add it")
    if (num_rows := getattr(policy, "num_rows", None)) is None:
        return returns_of([policy], environment, _seeds([_random_key(key)], episodes), max_steps)[0]
    keys = jax.random.split(_random_key(key), num_rows)  # starts of its own for each
    policies = [policy.seed(row) for row in range(num_rows)]
    return returns_of(policies, environment, _seeds(keys, episodes), max_steps)


def check_task(spec: Spec, environment: Any) -> None:
    """Raises what `evaluate` would for a policy of that task, before anything is trained."""
    if _is_functional(environment):
        check_fits(spec, environment)
    else:
        from offline_tutor import episodes

        episodes.check_task(spec, environment)


def _seeds(keys: Any, episodes: int) -> np.ndarray:
    """A seed for each episode, (keys, episodes); counted up, they would be another key's too."""
    rows = [jax.random.randint(key, (episodes,), 0, np.iinfo(np.int32).max) for key in keys]
    return np.asarray(rows)


def _is_functional(environment: Any) -> bool:
    made = not isinstance(environment, type)
    return made and hasattr(environment, "initial") and hasattr(environment, "transition")


def _check_policy(policy: Any) -> None:
    """A TypeError for what does not act."""
    if not callable(policy):
        hint = " Its .policy is one." if isinstance(getattr(policy, "policy", None), Policy) else ""
        raise TypeError(
            f"policy is {policy!r}; give a Policy, such as run.policy, or a function from "
            f"observations to actions.{hint}"
        )


def _counts(episodes: Any, max_steps: Any) -> tuple[int, int | None]:
    """These as int. Raises ValueError where they are no whole numbers from 1 on."""
    (episodes,) = check_sizes(episodes=episodes)
    if max_steps is not None:
        (max_steps,) = check_sizes(max_steps=max_steps)
    return episodes, max_steps


def play(
    policy: Any,
    environment: Any,
    *,
    episodes: int,
    key: int | Array = 0,
    noise: float = 0.0,
    max_steps: int | None = None,
) -> Trajectories:
    """`rollout` for one policy, or for each of stacked ones (all arrays then begin with seeds).

    Raises TypeError and ValueError as `evaluate` does.
    """
    _check_policy(policy)
    episodes, max_steps = _counts(episodes, max_steps)
    _check_functional(environment, noise, max_steps)
    key = _random_key(key)
    options: dict[str, Any] = {"episodes": episodes, "noise": noise, "max_steps": max_steps}
    if not isinstance(policy, Policy):
        played = rollout(jax.tree_util.Partial(policy), environment, key, **options)
        if isinstance(actions_of(environment.action_space), Discrete):
            check_whole(np.asarray(played.actions), environment.action_space)
        return played
    check_fits(policy.spec, environment)
    if policy.num_rows is None:
        return rollout(policy, environment, key, **options)
    return _play_rows(policy, environment, jax.random.split(key, policy.num_rows), **options)


def _check_functional(environment: Any, noise: float, max_steps: int | None) -> None:
    """A TypeError or ValueError for what `rollout` cannot play."""
    if not _is_functional(environment):
        raise TypeError(
            f"environment is {environment!r}; give a FuncEnv, such as "
            "offline_tutor.environments.Pendulum(): others are only played by evaluate"
        )
    if max_steps is None and not hasattr(environment, "max_episode_steps"):
        raise ValueError(
            f"environment is {environment!r}, which has no time limit: set its "
            "max_episode_steps, or give max_steps=..."
        )
    if not isinstance(noise, int | float | np.number) or not noise >= 0:
        raise ValueError(f"noise is {noise!r}; it must be a number from 0 on")
    actions = actions_of(environment.action_space)
    if (
        noise
        and isinstance(actions, Continuous)
        and not np.isfinite([actions.low, actions.high]).all()
    ):
        raise ValueError(
            f"noise is {noise} times half the width of {environment.action_space}, which is "
            "infinite: leave it out, and let the policy itself add some"
        )


def _random_key(key: Any) -> Array:
    """A random key of a whole number, or of a key. Raises TypeError or ValueError for others."""
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        if not -(2**63) <= key < 2**63:
            raise ValueError(f"key is {key}; give a whole number of at most 64 bits")
        return jax.random.key(int(key))
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.ndim:
            raise ValueError(f"key is {key.shape} keys; give one of them")
        return key
    raise TypeError(f"key is {key!r}; give a whole number or jax.random.key(...)")


@partial(jax.jit, static_argnames=("environment", "episodes", "max_steps"))
def _play_rows(
    policy: Policy,
    environment: Any,
    keys: Array,
    episodes: int,
    noise: float,
    max_steps: int | None,
) -> Trajectories:
    def play_one(one: Policy, key: Array) -> Trajectories:
        return rollout(one, environment, key, episodes=episodes, noise=noise, max_steps=max_steps)

    return policy.map(play_one, keys)


class Beliefs(NamedTuple):
    """What critics believe against what is true, from the same first states."""

    believed: np.ndarray  # (seeds, episodes): the critic's value of the policy's own first action
    true: np.ndarray  # (seeds, episodes): discounted return of the episode that followed


def compare_values(
    policy: Policy, environment: Any, *, discount: float, episodes: int = 64, key: int | Array = 0
) -> Beliefs:
    """The critic's value at the start of fresh episodes, and what then came: (seeds, episodes).

    `environment` is a FuncEnv. Of one policy both are (episodes,). Raises TypeError and ValueError
    as `evaluate` does, and ValueError where there is no critic.
    """
    if not isinstance(policy, Policy):
        raise TypeError(f"policy is {policy!r}; give a Policy, such as run.policy")
    if not 0 <= discount <= 1:
        raise ValueError(f"discount is {discount}; it must lie between 0 and 1")
    policy.check_critic()
    played = play(policy, environment, episodes=episodes, key=key)
    if policy.num_rows is None:
        believed = policy.value(jax.tree.map(lambda array: array[:, 0], played.observations))
    else:
        first = jax.tree.map(lambda array: array[:, :, 0], played.observations)
        believed = policy.map(Policy.value, first)
    weights = discount ** np.arange(played.rewards.shape[-1])
    return Beliefs(np.asarray(believed), np.asarray(played.rewards) @ weights)
