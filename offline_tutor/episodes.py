"""Episodes in environments with Gymnasium's usual interface, which Python plays step by step.

`offline_tutor.evaluation.evaluate` calls this for all environments that are not FuncEnvs.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, TimeLimit, TransformObservation

import offline_tutor.environments  # noqa: F401  (registers its own)
from offline_tutor.messages import shortened, warn
from offline_tutor.policies import Policy
from offline_tutor.spaces import check_actions, check_fits, check_whole, join
from offline_tutor.types import Spec

MAX_STEPS = 10_000  # in one episode, where nothing else limits it


def returns_of(
    policies: Sequence[Callable[..., Any]],
    environment: Any,
    seeds: np.ndarray,
    max_steps: int | None = None,
) -> np.ndarray:
    """Returns, (policies, episodes), of episodes that begin with `seeds`, one each.

    Raises TypeError or ValueError where `environment` cannot be made, or not be played by them.
    """
    num_episodes = seeds.shape[1]
    with _copies(environment, num_episodes) as made:
        if isinstance(policies[0], Policy):
            check_fits(policies[0].spec, made[0])
        limit = _limit(made[0], max_steps)
        seen = [_as_seen(one, policies[0]) for one in made]
        width = len(seen)  # episodes side by side: all in copies, or one in what was given
        return np.array(
            [
                np.concatenate(
                    [
                        _play(policy, seen, row[start : start + width], limit, max_steps is None)
                        for start in range(0, num_episodes, width)
                    ]
                )
                for policy, row in zip(policies, seeds, strict=True)
            ]
        )


def check_task(spec: Spec, environment: Any) -> None:
    """Raises what `returns_of` would for a policy that was trained for `spec`."""
    with _copies(environment, 1) as (made,):
        check_fits(spec, made)


@contextlib.contextmanager
def _copies(environment: Any, count: int) -> Iterator[list[gymnasium.Env]]:
    """`count` environments of that name or `EnvSpec`, closed at the end; or the one that was given.

    What was given is played itself: another like it would lack what was changed since it was made.
    """
    if isinstance(environment, gymnasium.Env):
        yield [environment]
        return
    if not isinstance(environment, str | gymnasium.envs.registration.EnvSpec):
        raise TypeError(f"environment is {_describe(environment)}")
    with contextlib.ExitStack() as stack:
        try:
            made = [gymnasium.make(environment) for _ in range(count)]
        except (gymnasium.error.Error, ImportError) as error:
            raise ValueError(
                f"environment is {environment!r}, which cannot be made "
                f"({shortened(str(error), 160)}): give one that is registered, and whose packages "
                "are installed"
            ) from error
        for one in made:
            stack.callback(one.close)
        yield made


def _describe(environment: Any) -> str:
    """What something is that cannot be played, and what to give in its place."""
    wanted = (
        "give a FuncEnv with max_episode_steps, the name of a Gymnasium environment, or one that "
        "gymnasium.make made"
    )
    if isinstance(environment, type):
        name = environment.__name__
        return f"the class {name}; give an environment, {name}()"
    if isinstance(environment, gymnasium.vector.VectorEnv):
        return f"{environment}, several side by side; give the name of one, or one of them"
    if hasattr(environment, "reset") and hasattr(environment, "step"):
        return (
            f"a {type(environment).__module__}.{type(environment).__name__}, which is no "
            f"gymnasium.Env; {wanted}. The package shimmy makes one of old Gym's"
        )
    return f"{environment!r}; {wanted}"


def _limit(environment: gymnasium.Env, max_steps: int | None) -> int | None:
    """How many steps an episode may take; None where the environment itself cuts it.

    Warns where nothing does.
    """
    if max_steps is not None:
        return max_steps
    inner = environment
    while isinstance(inner, gymnasium.Wrapper):
        if isinstance(inner, TimeLimit):
            return None
        inner = inner.env
    warn(
        f"{environment} has no time limit: if an episode does not end by itself, evaluate gives up "
        f"after {MAX_STEPS} steps. Give max_steps=..., or gymnasium.make(..., "
        "max_episode_steps=...)"
    )
    return MAX_STEPS


def _as_seen(environment: gymnasium.Env, policy: Callable[..., Any]) -> gymnasium.Env:
    """The environment with arrays for observations, also where it has dictionaries.

    They are joined in the order in which a `Policy` learned from them; for a function, in the
    order of the environment. Raises ValueError for observations that are no arrays.
    """
    space = environment.observation_space
    if isinstance(policy, Policy) and policy.spec.observation_keys:
        vector = partial(join, keys=policy.spec.observation_keys)
        return TransformObservation(environment, vector, None)
    if isinstance(space, spaces.Dict) and space.is_np_flattenable:
        return FlattenObservation(environment)
    if space.shape is None:
        raise ValueError(
            f"observations are {space}; a function is given arrays: wrap the environment in "
            "gymnasium.wrappers.TransformObservation"
        )
    return environment


def _play(
    policy: Callable[..., Any],
    environments: Sequence[gymnasium.Env],
    seeds: np.ndarray,
    limit: int | None,
    must_end: bool,
) -> np.ndarray:
    """Returns, (episodes,), of one episode in each environment, side by side.

    Raises ValueError where one that `must_end` goes on after `limit` steps.
    """
    starts = zip(environments, seeds, strict=True)
    seen = [environment.reset(seed=int(seed))[0] for environment, seed in starts]
    returns, playing = np.zeros(len(seen)), list(range(len(seen)))
    for step in itertools.count():
        if not playing or step == limit:
            break
        actions = _as_taken(policy(np.stack(seen)), environments[0].action_space, len(seen))
        for place in tuple(playing):
            seen[place], reward, ended, cut, _ = environments[place].step(actions[place])
            returns[place] += reward
            if ended or cut:
                playing.remove(place)
    if playing and must_end:
        raise ValueError(
            f"{environments[0]}: an episode goes on after {limit} steps; give max_steps=..., or "
            "gymnasium.make(..., max_episode_steps=...)"
        )
    return returns


def _as_taken(actions: Any, space: gymnasium.Space, count: int) -> np.ndarray:
    """What a policy gave, as the environment takes it: of its type, and within its bounds.

    Raises ValueError where it is none of its actions.
    """
    if space.shape is None:
        raise ValueError(
            f"actions are {space}; a function gives arrays: wrap the environment in "
            "gymnasium.wrappers.TransformAction"
        )
    actions = np.asarray(actions)
    check_actions(actions, space, count)
    if isinstance(space, spaces.Box) and space.dtype.kind == "f":
        return np.clip(actions.astype(space.dtype), space.low, space.high)
    if isinstance(space, spaces.Discrete):
        check_whole(actions, space)
        return actions.astype(space.dtype)
    return actions
