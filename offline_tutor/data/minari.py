"""Load datasets in Minari's format: embedded here, on this machine, or on Minari's server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offline_tutor.data.arrays import check_bounds, check_values
from offline_tutor.data.dataset import Dataset, DatasetError
from offline_tutor.spaces import join, spec_of
from offline_tutor.types import Continuous, Discrete, Keys, Spec, Transitions

if TYPE_CHECKING:
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
        action_bounds: the smallest and the largest action; by default those of the recorded space.

    If an observation is a dictionary of vectors, these are joined in the order of the recorded
    space, and `Dataset.spec` remembers it. An episode whose recording stops before the episode
    ends counts as truncated; a row that is both terminated and truncated counts as terminated.

    Raises:
        DatasetError: if it cannot be found, fetched, read or trusted.
    """
    from offline_tutor.data import library

    found = library.find(source, download) if isinstance(source, str | os.PathLike) else source
    if not hasattr(found, "storage"):
        raise DatasetError(
            f"source is of type {type(source).__name__}; give a name, a folder or a MinariDataset. "
            "For arrays of your own use from_arrays."
        )
    return check_values(_read(found, action_bounds))


def _read(source: minari.MinariDataset, bounds: tuple[Any, Any] | None = None) -> Dataset:
    """Copy a Minari dataset into arrays allocated in advance."""
    name, num_steps = source.id, source.total_steps
    spec = _spec(source, bounds)
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
            with np.errstate(over="ignore"):  # too large: becomes infinite, reported later
                start = _copy_episode(
                    episode, spec.observation_keys, transitions, truncations, start
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
    keys: Keys,
    transitions: Transitions,
    truncations: np.ndarray,
    start: int,
) -> int:
    """Copy one episode into the rows from `start`; return the index of the row after its last."""
    observations = episode["observations"]
    if keys:
        observations = join(observations, keys)
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
    """Yield each episode as a mapping from names to arrays or to further such mappings.

    Minari's own iterator also reads the infos, often the larger part of a file, so HDF5 files are
    read directly.
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

    Thousands of episodes mean thousands of small arrays, and creating h5py's usual objects for them
    would take longer than reading them.
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


def _spec(source: minari.MinariDataset, bounds: tuple[Any, Any] | None) -> Spec:
    """Sizes and bounds. Raises DatasetError for spaces that are not supported."""
    try:
        spec = spec_of(source)
    except ValueError as error:
        raise DatasetError(f"{source.id}: {error}") from error
    if len(spec.observation_shape) != 1:
        raise DatasetError(
            f"{source.id}: observations are {source.observation_space}. Only vectors, or a "
            "dictionary of vectors, are read from files; pass others as arrays to from_arrays."
        )
    if isinstance(spec.actions, Continuous):
        bounds = bounds or (spec.actions.low, spec.actions.high)
        spec = replace(spec, actions=check_bounds(source.id, bounds, spec.action_dim))
    return spec
