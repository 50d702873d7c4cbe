"""Gymnasium's spaces in our terms, and whether what was trained fits what is played.

Recorded data and environments both come through here: a space is taken, or refused, in one way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.messages import warn
from offline_tutor.types import Array, Continuous, Discrete, Keys, Spec

if TYPE_CHECKING:
    import gymnasium


def spec_of(task: Any) -> Spec:
    """What a network needs to know of an environment, a FuncEnv or a `MinariDataset`.

    Bounds of actions may be infinite. Raises ValueError for spaces that cannot be used.
    """
    from gymnasium.spaces import Dict

    space, actions = task.observation_space, actions_of(task.action_space)
    if isinstance(space, Dict):
        keys = tuple(_keys_of(space))
        return Spec((sum(width for _, width in keys),), actions, keys)
    if not _is_array(space):
        raise ValueError(f"observations are {space}. {_ONLY_ARRAYS}")
    return Spec(space.shape, actions)


def actions_of(space: gymnasium.Space) -> Continuous | Discrete:
    """The actions of a space. Raises ValueError where they are of another kind."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete) and space.start == 0:
        return Discrete(int(space.n))
    if isinstance(space, spaces.Box) and space.dtype.kind == "f" and len(space.shape) == 1:
        return continuous(space.low, space.high)
    raise ValueError(f"actions are {space}. {_ONLY_VECTORS_OR_ONE_NUMBER}")


_ONLY_ARRAYS = (
    "Only arrays of numbers, or a dictionary of vectors, can be used. An environment's become a "
    "vector by gymnasium.wrappers.FlattenObservation(environment); recorded ones by "
    "gymnasium.spaces.flatten, for from_arrays."
)
_ONLY_VECTORS_OR_ONE_NUMBER = (
    "Only vectors of real numbers within bounds, or discrete actions that count from 0, can be "
    "used. An environment takes these by gymnasium.wrappers.TransformAction(environment, function, "
    "space); recorded actions are turned into them for from_arrays."
)


def check_actions(actions: Any, space: gymnasium.Space, count: int) -> None:
    """A ValueError unless these are an action of `space` for each of `count` observations."""
    shape, wanted = np.shape(actions), (count, *(space.shape or ()))
    if shape != wanted:
        raise ValueError(f"the policy gave actions {shape}; {space} needs {wanted}")


def check_whole(actions: np.ndarray, space: gymnasium.spaces.Discrete) -> None:
    """A ValueError where one of the actions is none of a `Discrete` space."""
    inside = (actions >= space.start) & (actions < space.start + space.n)
    inside &= actions == np.floor(actions)
    if not inside.all():
        raise ValueError(
            f"the policy gave the action {actions[~inside][0]}; the environment takes {space}"
        )


def continuous(low: Any, high: Any) -> Continuous:
    """Actions between two bounds, (action,) each: the last float32 numbers that lie within them.

    To the nearest, -1.93 would become a number outside a space of float64.
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and stepped back from
        least, most = low.astype(np.float32), high.astype(np.float32)
    infinity = np.float32(np.inf)
    first = np.where(least < low, np.nextafter(least, infinity), least)
    last = np.where(most > high, np.nextafter(most, -infinity), most)
    narrow = first > last  # no float32 number lies between them: the nearest has to do
    first, last = np.where(narrow, least, first), np.where(narrow, least, last)
    return Continuous(tuple(first.tolist()), tuple(last.tolist()))


def _is_array(space: gymnasium.Space) -> bool:
    from gymnasium import spaces

    return isinstance(space, spaces.Box | spaces.MultiBinary) and len(space.shape) > 0


def _keys_of(space: Any, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Name and width of each vector of a Dict, in its order; "arm/angle" is one in a Dict inside.

    Raises ValueError where something else than a vector is in it, or nothing.
    """
    from gymnasium.spaces import Dict

    if not space.spaces:
        raise ValueError(f"observations are {space}, which is empty. {_ONLY_ARRAYS}")
    for key, part in space.spaces.items():
        name = f"{prefix}{key}"
        if isinstance(part, Dict):
            yield from _keys_of(part, f"{name}/")
        elif _is_array(part) and len(part.shape) == 1:
            yield name, part.shape[0]
        else:
            raise ValueError(f"observations: {name!r} is {part}. {_ONLY_ARRAYS}")


def join(observations: Mapping[str, Any], keys: Keys) -> Array:
    """The vectors of a dictionary, (..., width) each, as one, in the order of `keys`.

    Raises ValueError where a key is missing or not wanted, or a vector is of another width.
    """
    found = dict(_vectors(observations))
    _check_keys({name: np.shape(vector)[-1:] for name, vector in found.items()}, keys)
    parts = [found[name] for name, _ in keys]
    inside_jax = any(isinstance(part, jax.Array) for part in parts)
    return jnp.concatenate(parts, axis=-1) if inside_jax else np.concatenate(parts, axis=-1)


def _vectors(observations: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name and array of each vector in a dictionary, named as by `_keys_of`."""
    for key, part in observations.items():
        if isinstance(part, Mapping):
            yield from _vectors(part, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", part


def _check_keys(found: Mapping[str, tuple[int, ...]], keys: Keys) -> None:
    """A ValueError unless there are just these keys, of these widths."""
    wanted = dict(keys)
    needed = ", ".join(f"{name} ({width})" for name, width in keys)
    if lacking := sorted(wanted.keys() - found.keys()):
        raise ValueError(f"observations lack {', '.join(lacking)}; needed are {needed}")
    if surplus := sorted(found.keys() - wanted.keys()):
        raise ValueError(f"observations also have {', '.join(surplus)}; needed are {needed}")
    for name, shape in found.items():
        if shape != (wanted[name],):
            width = shape[0] if shape else "no"
            raise ValueError(f"observations: {name} has {width} numbers; needed are {needed}")


def check_fits(spec: Spec, environment: Any) -> None:
    """Checks that what was trained for `spec` can play in an environment.

    Warns where its actions reach beyond the environment's bounds, since they are clipped then.
    Raises ValueError where observations or actions are others, or cannot be used at all.
    """
    found = spec_of(environment)
    _check_observations(spec, found)
    ours, theirs = spec.actions, found.actions
    if isinstance(ours, Continuous) and isinstance(theirs, Continuous):
        fits = len(ours.low) == len(theirs.low)
    else:
        fits = ours == theirs
    if not fits:
        raise ValueError(
            f"the environment takes actions {environment.action_space}; the policy was trained on "
            f"{ours}: is it another task, or were num_actions or action_bounds forgotten in "
            "from_arrays?"
        )
    if isinstance(ours, Continuous) and isinstance(theirs, Continuous) and _wider(ours, theirs):
        warn(
            f"the policy was trained on {ours}; the environment takes {theirs}: actions beyond "
            "its bounds are clipped to them"
        )


def _check_observations(ours: Spec, theirs: Spec) -> None:
    """A ValueError where observations differ, or the order of a dictionary's keys is not known."""
    if ours.observation_keys and theirs.observation_keys:
        _check_keys(
            {name: (width,) for name, width in theirs.observation_keys}, ours.observation_keys
        )
    elif theirs.observation_keys:
        names = ", ".join(name for name, _ in theirs.observation_keys)
        raise ValueError(
            f"the environment's observations are dictionaries, of {names}; the policy was trained "
            "on vectors, and in which order they were joined is not known. If it was this one, "
            "say so by gymnasium.wrappers.FlattenObservation(environment)"
        )
    elif ours.observation_keys:
        names = ", ".join(f"{name} ({width})" for name, width in ours.observation_keys)
        raise ValueError(
            f"the environment's observations are arrays {theirs.observation_shape}; the policy "
            f"takes dictionaries, of {names}: give the environment that has them, without "
            "FlattenObservation, whose order may be another"
        )
    if theirs.observation_shape != ours.observation_shape:
        raise ValueError(
            f"observations are {theirs.observation_shape}; the policy takes "
            f"{ours.observation_shape}"
        )


def _wider(ours: Continuous, theirs: Continuous) -> bool:
    """Whether bounds lie beyond others by more than the rounding to float32."""
    infinity = np.float32(np.inf)
    low = np.nextafter(np.array(theirs.low, np.float32), -infinity)
    high = np.nextafter(np.array(theirs.high, np.float32), infinity)
    return bool((np.array(ours.low) < low).any() or (np.array(ours.high) > high).any())
