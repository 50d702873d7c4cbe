"""A dataset read from Minari's format: embedded here, on this machine, or on Minari's server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offline_tutor.data.arrays import check_bounds, check_values
from offline_tutor.data.dataset import Dataset, DatasetError
from offline_tutor.types import Discrete, Spec, Transitions

if TYPE_CHECKING:
    import gymnasium
    import minari


def load_dataset(
    source: str | Path | minari.MinariDataset,
    *,
    download: bool = True,
    action_bounds: tuple[Any, Any] | None = None,
) -> Dataset:
    """Load a dataset in Minari's format.

    Args:
        source: the name of an embedded dataset (`"maze/stitch-v0"`), the folder of a Minari
            dataset, the id of one on this machine or on Minari's server
            (`"mujoco/hopper/medium-v0"`), or a `MinariDataset`, filtered or split as you like.
        download: whether to fetch a dataset that is not on this machine.
        action_bounds: smallest and largest action, where the recorded space does not say them.

    Observations that are a dictionary of vectors are joined into one, in the order of Gymnasium's
    `FlattenObservation`. An episode whose recording stops without an end counts as truncated; a
    row that is both terminated and truncated as terminated.

    Raises:
        DatasetError: when it cannot be found, fetched, read or trusted.
    """
    from offline_tutor.data import library

    found = library.find(source, download) if isinstance(source, str | os.PathLike) else source
    if not hasattr(found, "storage"):
        raise DatasetError(
            f"source is {type(source).__name__}; give a name, a folder or a MinariDataset. Arrays "
            "of your own are for from_arrays."
        )
    return check_values(_read(found, action_bounds))


def _read(source: minari.MinariDataset, bounds: tuple[Any, Any] | None = None) -> Dataset:
    """Copy a Minari dataset into arrays, once."""
    name, num_steps = source.id, source.total_steps
    spec = _spec(name, source.observation_space, source.action_space, bounds)
    discrete = isinstance(spec.actions, Discrete)
    action_shape = (num_steps,) if discrete else (num_steps, spec.action_dim)
    transitions = Transitions(
        observations=np.empty((num_steps, spec.observation_dim), np.float32),
        actions=np.empty(action_shape, np.float32),
        rewards=np.empty(num_steps, np.float32),
        next_observations=np.empty((num_steps, spec.observation_dim), np.float32),
        terminations=np.empty(num_steps, bool),
    )
    truncations = np.empty(num_steps, bool)
    start = 0
    try:
        for episode in _episodes(source):
            with np.errstate(over="ignore"):  # becomes infinite, which is reported later
                start = _copy_episode(
                    episode, source.observation_space, transitions, truncations, start
                )
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{name}: the episode that begins at row {start} cannot be read: {error}. The file is "
            "damaged or not in Minari's format; fetch or make it again."
        ) from error
    if not start or start != num_steps:
        raise DatasetError(
            f"{name}: the episodes hold {start} steps, the metadata counts {num_steps}. "
            "A dataset needs at least one step, and the two must agree; fetch or make it again."
        )
    environment = source.env_spec.id if source.env_spec else None
    return Dataset(name, transitions, truncations, spec, environment)


def _copy_episode(
    episode: Mapping[str, Any],
    space: gymnasium.Space,
    transitions: Transitions,
    truncations: np.ndarray,
    start: int,
) -> int:
    """Copy one episode to the rows from start on; return the row after its last."""
    observations = _vectors(episode["observations"], space)
    rewards = episode["rewards"]
    if len(observations) != len(rewards) + 1:
        raise ValueError(
            f"{len(rewards)} steps need {len(rewards) + 1} observations, the last one included, "
            f"but there are {len(observations)}"
        )
    stop = start + len(rewards)
    rows = slice(start, stop)
    transitions.observations[rows] = observations[:-1]
    transitions.next_observations[rows] = observations[1:]
    transitions.actions[rows] = episode["actions"]
    transitions.rewards[rows] = rewards
    transitions.terminations[rows] = episode["terminations"]
    truncations[rows] = episode["truncations"] & ~transitions.terminations[rows]
    if stop > start:
        truncations[stop - 1] = not transitions.terminations[stop - 1]
    return stop


def _episodes(source: minari.MinariDataset) -> Iterator[Mapping[str, Any]]:
    """Iterate over episodes, each a mapping from names to arrays, or to mappings of the same kind.

    Minari's own iterator reads the infos as well, often the larger part of a file, so HDF5 is read
    past it.
    """
    storage = source.storage
    if storage.FORMAT != "hdf5":
        yield from storage.get_episodes(source.episode_indices)
        return
    import h5py

    with h5py.File(storage.data_path / "main_data.hdf5") as file:
        for index in source.episode_indices:
            yield _Group(file.id)[f"episode_{index}"]


class _Group(Mapping[str, Any]):
    """A group of an HDF5 file, read through h5py's low-level interface.

    Thousands of episodes are thousands of small arrays, and h5py's usual objects take longer to
    make than the arrays take to read.
    """

    def __init__(self, group: Any):
        self.group = group

    def __getitem__(self, key: str) -> Any:
        import h5py

        child = h5py.h5o.open(self.group, key.encode())
        if isinstance(child, h5py.h5g.GroupID):
            return _Group(child)
        array = np.empty(child.shape, child.dtype)
        child.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
        return array

    def __iter__(self) -> Iterator[str]:
        return (name.decode() for name in self.group)

    def __len__(self) -> int:
        return len(self.group)


def _vectors(node: Any, space: gymnasium.Space) -> np.ndarray:
    """Return the observations (steps + 1, observation) of an episode, dictionaries joined."""
    parts = getattr(space, "spaces", None)
    if parts is None:
        return node
    return np.concatenate([_vectors(node[key], part) for key, part in parts.items()], axis=1)


def _spec(
    name: str,
    observation_space: gymnasium.Space,
    action_space: gymnasium.Space,
    bounds: tuple[Any, Any] | None,
) -> Spec:
    """Translate Gymnasium's spaces. Raises DatasetError for what are not vectors or counts."""
    from gymnasium import spaces

    parts = [observation_space]
    if isinstance(observation_space, spaces.Dict):
        parts = list(observation_space.spaces.values())
    widths = [
        part.shape[0] for part in parts if isinstance(part, spaces.Box) and len(part.shape) == 1
    ]
    if len(widths) < len(parts):
        raise DatasetError(
            f"{name}: observations are {observation_space}. Only vectors, or a dictionary of "
            "vectors, can be used; turn them into vectors and give them to from_arrays."
        )
    shape = (sum(widths),)
    if isinstance(action_space, spaces.Discrete) and action_space.start == 0:
        return Spec(shape, Discrete(int(action_space.n)))
    if isinstance(action_space, spaces.Box) and len(action_space.shape) == 1:
        bounds = bounds or (action_space.low, action_space.high)
        return Spec(shape, check_bounds(name, bounds, action_space.shape[0]))
    raise DatasetError(
        f"{name}: actions are {action_space}. Only vectors within bounds, or discrete actions that "
        "count from 0, can be used; turn them into one of these and give them to from_arrays."
    )
