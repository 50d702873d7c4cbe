"""Load datasets in Minari's format: embedded here, on this machine, or on Minari's server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offline_tutor.data.checks import Places, check_bounds, check_values
from offline_tutor.data.dataset import Dataset, DatasetError
from offline_tutor.data.doubts import Digits, doubt_bounds, warn
from offline_tutor.data.memory import empty_aligned
from offline_tutor.spaces import join, spec_of
from offline_tutor.types import Continuous, Discrete, Spec, Transitions

if TYPE_CHECKING:
    import minari

EACH_STEP = ("actions", "rewards", "terminations", "truncations")


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
    dataset, doubts = _read(found, action_bounds)
    warn(dataset.name, doubts)
    return dataset


def _read(source: minari.MinariDataset, bounds: Any = None) -> tuple[Dataset, list[str]]:
    """Copy a Minari dataset into arrays allocated in advance; return it with doubts about it."""
    name = source.id
    spec = _spec(source, bounds)
    columns = _Columns(source, spec)
    stops, doubts = columns.read(), columns.doubts()
    places = Places(name, stops, source.episode_indices, partial(_without, source))
    check_values(places, columns.arrays, spec.actions)
    if isinstance(spec.actions, Continuous):
        doubts += doubt_bounds(columns.arrays["actions"], spec.actions, by_default=False)
    environment = source.env_spec.id if source.env_spec else None
    truncations = columns.arrays.pop("truncations")
    return Dataset(name, Transitions(**columns.arrays), truncations, spec, environment), doubts


class _Columns:
    """The columns of a dataset, filled one episode after another."""

    def __init__(self, source: minari.MinariDataset, spec: Spec):
        self.source, self.spec = source, spec
        observation, discrete = spec.observation_shape, isinstance(spec.actions, Discrete)
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            "observations": (observation, np.float32),
            "actions": ((), np.int32) if discrete else ((spec.action_dim,), np.float32),
            "rewards": ((), np.float32),
            "next_observations": (observation, np.float32),
            "terminations": ((), bool),
            "truncations": ((), bool),
        }
        try:
            if (steps := source.total_steps) < 0:
                raise ValueError(f"the metadata counts {steps}")
            self.arrays = {
                key: empty_aligned((steps, *shape), dtype) for key, (shape, dtype) in shapes.items()
            }
        except Exception as error:  # a file may count what it likes
            raise DatasetError(
                f"{source.id}: its steps cannot be counted, or there is no memory for them: "
                f"{error}. Correct the metadata, or load fewer episodes."
            ) from error
        self.digits = {key: Digits(key) for key in ("observations", "actions", "rewards")}

    def read(self) -> np.ndarray:
        """Read all episodes; return the index of the row after the last of each."""
        name, stops = self.source.id, [0]
        try:
            with np.errstate(over="ignore"):  # too large: becomes infinite, reported later
                for episode in _episodes(self.source):
                    stops.append(self._copy(episode, stops[-1]))
        except Exception as error:  # h5py and Minari fail in many ways at a foreign file
            read = len(stops) - 1
            which = self.source.episode_indices[read] if read < len(self.source) else read
            raise DatasetError(
                f"{name}: the episode that begins at row {stops[-1]} cannot be read: {error}. "
                f"It is episode {which}. {_without(self.source, which)}"
            ) from error
        if not stops[-1] or stops[-1] != self.source.total_steps:
            raise DatasetError(
                f"{name}: the episodes hold {stops[-1]} steps, the metadata counts "
                f"{self.source.total_steps}. A dataset needs at least one step, and the two must "
                "agree; correct total_steps in metadata.json, or fetch or make the dataset again."
            )
        for array in self.arrays.values():
            array.flags.writeable = False
        return np.array(stops[1:])

    def _copy(self, episode: Mapping[str, Any], start: int) -> int:
        """Copy one episode into the rows from `start`; return the index of the row after it."""
        steps = len(_array("rewards", episode["rewards"]))
        stop = start + steps
        if stop > len(self.arrays["rewards"]):
            raise ValueError(
                f"it ends at row {stop}, the metadata counts {self.source.total_steps}"
            )
        observations = episode["observations"]
        if self.spec.observation_keys:
            observations = join(observations, self.spec.observation_keys)
        for key in ("observations", *EACH_STEP):
            values = _array(key, observations if key == "observations" else episode[key])
            array, rows = self.arrays[key], steps + (key == "observations")
            _check_column(key, values, (rows, *array.shape[1:]), array.dtype)
            array[start:stop] = values[:steps]
            if key == "observations":
                self.arrays["next_observations"][start:stop] = values[1:]
            if key in self.digits:
                self.digits[key].add(values[:steps], array[start:stop])
        terminations, truncations = self.arrays["terminations"], self.arrays["truncations"]
        truncations[start:stop] &= ~terminations[start:stop]
        if steps:
            truncations[stop - 1] = not terminations[stop - 1]
        return stop

    def doubts(self) -> list[str]:
        """Say what float32 does not keep."""
        return [
            doubt
            for key, digits in self.digits.items()
            for doubt in digits.doubts(self.arrays[key])
        ]


def _array(key: str, values: Any) -> np.ndarray:
    """Return what a file has under a name. Raises ValueError unless it is an array."""
    if isinstance(values, Mapping) or not np.ndim(values):
        what = "a group" if isinstance(values, Mapping) else "a single value"
        raise ValueError(f"{key} are {what}, not an array")
    return np.asarray(values)


def _check_column(key: str, values: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raise ValueError unless a column of an episode has that shape and fits that type."""
    if key == "observations" and values.ndim and len(values) != shape[0]:
        raise ValueError(
            f"{shape[0] - 1} steps need {shape[0]} observations, the last one included, but there "
            f"are {len(values)}"
        )
    if values.shape != shape:
        raise ValueError(f"{key} have the shape {values.shape}, not {shape}")
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{key} are of type {values.dtype}, not numbers")
    if values.dtype == dtype or dtype == np.float32:
        return
    kept = values.astype(dtype)
    if (kept != values).any():
        odd = values[kept != values][0]
        what = "True or False" if dtype.kind == "b" else "a whole number that int32 holds"
        raise ValueError(f"{key} hold {odd}, which is not {what}")


def _without(source: minari.MinariDataset, episode: int) -> str:
    """Say how to load all episodes but one."""
    folder, count = str(source.storage.data_path), source.storage.total_episodes
    return (
        f"To load the others: load_dataset(minari.MinariDataset({folder!r}, "
        f"numpy.delete(numpy.arange({count}), {episode})))."
    )


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


def _spec(source: minari.MinariDataset, bounds: Any) -> Spec:
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
        given = (spec.actions.low, spec.actions.high) if bounds is None else bounds
        return replace(spec, actions=check_bounds(source.id, given, spec.action_dim))
    if bounds is not None:
        raise DatasetError(
            f"{source.id}: action_bounds is {bounds}, and its actions are discrete, without "
            "bounds; leave it out."
        )
    return spec
