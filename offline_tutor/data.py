"""Datasets: what a fixed set of recorded transitions looks like in memory, and where it comes from.

``load_dataset`` reads a dataset in Minari's format: one that comes with this package, one on this
machine, or one from Minari's server. ``from_arrays`` takes arrays of your own. Both check what they
are given and name the problem and the row, because an algorithm fed with one NaN fails much later
and far less clearly.
"""

from __future__ import annotations

import numbers
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

if TYPE_CHECKING:
    import gymnasium
    import minari

Array = jax.Array | np.ndarray


class DatasetError(ValueError):
    """A dataset that cannot be found, read or trusted; the message says what to do about it."""


class Transitions(NamedTuple):
    """Recorded steps, one row a transition; a minibatch has the same form.

    Attributes:
        observations: (n, observation) float32.
        actions: (n, action) float32, or (n,) int32 where actions are discrete.
        rewards: (n,) float32.
        next_observations: (n, observation) float32, what the action led to.
        terminations: (n,) bool, True where the task itself ended. A time limit is no termination:
            the task would have gone on, so values are still bootstrapped there.
    """

    observations: Array
    actions: Array
    rewards: Array
    next_observations: Array
    terminations: Array


@dataclass(frozen=True, eq=False)
class Spec:
    """What a network needs to know about the data.

    Attributes:
        observation_dim: length of an observation.
        action_low: (action,) smallest actions in the environment's units; None where discrete.
        action_high: (action,) largest actions; None where discrete.
        num_actions: how many discrete actions there are; None where actions are continuous.
    """

    observation_dim: int
    action_low: np.ndarray | None = None
    action_high: np.ndarray | None = None
    num_actions: int | None = None

    def __eq__(self, other: object) -> bool:
        """Specs of the same numbers are one to jit, which else would compile for each anew."""
        return isinstance(other, Spec) and self._numbers() == other._numbers()

    def __hash__(self) -> int:
        return hash(self._numbers())

    def _numbers(self) -> tuple[Any, ...]:
        bounds = (self.action_low, self.action_high)
        lists = [None if bound is None else tuple(np.asarray(bound).tolist()) for bound in bounds]
        return (self.observation_dim, self.num_actions, *lists)

    @property
    def action_dim(self) -> int:
        """Length of a continuous action; a ValueError where actions are discrete."""
        if self.action_low is None:
            raise ValueError(
                f"This dataset has {self.num_actions} discrete actions, and this algorithm needs "
                "continuous ones. Choose a dataset with continuous actions, or an algorithm for "
                "discrete ones."
            )
        return len(self.action_low)

    @property
    def action_count(self) -> int:
        """How many discrete actions there are; a ValueError where actions are continuous."""
        if self.num_actions is None:
            raise ValueError(
                f"This dataset has continuous actions, vectors of {self.action_dim}, and this "
                "algorithm needs discrete ones. Choose a dataset with discrete actions, or an "
                "algorithm for continuous ones; arrays of your own need num_actions=..."
            )
        return self.num_actions


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A checked dataset in NumPy arrays and in its own units, episodes in order.

    Attributes:
        name: where it comes from.
        transitions: all rows.
        truncations: (n,) bool, True where an episode was cut (time limit, end of the recording).
        spec: sizes and bounds.
        environment: the Gymnasium id of the environment that made it, where known; arguments that
            it was made with are not kept.
    """

    name: str
    transitions: Transitions
    truncations: np.ndarray
    spec: Spec
    environment: str | None = None

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.transitions.rewards)

    def __repr__(self) -> str:
        """One line, not the arrays."""
        return f"<Dataset {self.name}: {len(self)} rows, {self.num_episodes} episodes, {self.spec}>"

    @property
    def num_episodes(self) -> int:
        """Number of episodes."""
        return len(self._ends())

    def episode_slices(self) -> list[slice]:
        """Return the rows of each episode."""
        ends = self._ends().tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    def episode_lengths(self) -> np.ndarray:
        """Return the number of transitions of each episode, (episodes,) int."""
        return np.diff(self._ends(), prepend=0)

    def episode_returns(self) -> np.ndarray:
        """Return the sum of rewards of each episode, (episodes,) float64."""
        starts = self._ends() - self.episode_lengths()
        return np.add.reduceat(self.transitions.rewards, starts, dtype=np.float64)

    def _ends(self) -> np.ndarray:
        return np.flatnonzero(self.transitions.terminations | self.truncations) + 1


class Normalization(NamedTuple):
    """The units an algorithm sees: actions in [-1, 1], observations as they are or standardised.

    A pytree of small arrays, so that it travels with the policy it belongs to.

    Attributes:
        observation_mean: (observation,) float32.
        observation_std: (observation,) float32, never zero.
        action_centre: (action,) float32, middle of the action space; None where discrete.
        action_half_range: (action,) float32, half its width; None where discrete.
    """

    observation_mean: Array
    observation_std: Array
    action_centre: Array | None
    action_half_range: Array | None

    def observe(self, observations: Array) -> Array:
        """Turn observations (..., observation) of the environment into those of the algorithm."""
        return (observations - self.observation_mean) / self.observation_std

    def to_environment(self, actions: Array) -> Array:
        """Turn actions (..., action) of the algorithm into those of the environment."""
        if self.action_centre is None or self.action_half_range is None:
            return actions
        return self.action_centre + self.action_half_range * actions

    def prepare(self, transitions: Transitions) -> Transitions:
        """Turn recorded transitions into the units of the algorithm."""
        actions = transitions.actions
        if self.action_centre is not None and self.action_half_range is not None:
            actions = (actions - self.action_centre) / self.action_half_range
        return transitions._replace(
            observations=self.observe(transitions.observations),
            actions=actions,
            next_observations=self.observe(transitions.next_observations),
        )


def normalization(dataset: Dataset, *, observations: bool) -> Normalization:
    """Measure the units of a dataset.

    Args:
        dataset: the data, in its own units.
        observations: whether to standardise observations, by the mean and the standard deviation
            plus 1e-3 of each coordinate (TD3+BC, equation 4 and the authors' code).
    """
    spec, rows = dataset.spec, np.asarray(dataset.transitions.observations)
    mean, std = np.zeros(spec.observation_dim), np.ones(spec.observation_dim)
    if observations:
        mean, std = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64) + 1e-3
    centre = half_range = None
    if spec.action_low is not None and spec.action_high is not None:
        centre = (spec.action_high + spec.action_low) / 2
        half_range = (spec.action_high - spec.action_low) / 2
    return Normalization(mean.astype(np.float32), std.astype(np.float32), centre, half_range)


def from_arrays(
    observations: Any,
    actions: Any,
    rewards: Any,
    *,
    terminations: Any,
    truncations: Any = None,
    next_observations: Any = None,
    action_bounds: tuple[Any, Any] = (-1.0, 1.0),
    num_actions: int | None = None,
    name: str = "arrays",
    environment: str | None = None,
) -> Dataset:
    """Make a dataset of arrays of your own: one row a transition, episodes one after the other.

    Args:
        observations: (n, observation) numbers.
        actions: (n, action) numbers, or (n,) integers where actions are discrete.
        rewards: (n,) numbers.
        terminations: (n,) bool, True where the task itself ended.
        truncations: (n,) bool, True where an episode was cut after the row. The last row always
            ends an episode; without this argument it is the only one that is cut.
        next_observations: (n, observation). Left out, the observation of the next row of the same
            episode is taken. After a row that cuts an episode there is none, so that these rows are
            left out, with a warning; after a termination none is needed.
        action_bounds: smallest and largest action, numbers or arrays (action,).
        num_actions: how many discrete actions there are; None for continuous ones.
        name: what to call it in messages.
        environment: Gymnasium id of the environment, where there is one.

    Raises:
        DatasetError: for the first problem found, with its row.
    """
    if num_actions is not None:
        if not isinstance(num_actions, numbers.Integral) or num_actions < 1:
            raise DatasetError(
                f"{name}: num_actions is {num_actions!r}; it must be a whole number, at least 1."
            )
        num_actions = int(num_actions)
    spec, columns = _columns(name, observations, actions, rewards, action_bounds, num_actions)
    columns["terminations"] = _flags(name, "terminations", terminations)
    if truncations is None:
        truncations = np.zeros(len(columns["terminations"]), bool)
    columns["truncations"] = _flags(name, "truncations", truncations)
    if next_observations is not None:
        shape = (None, spec.observation_dim)
        columns["next_observations"] = _numbers(name, "next_observations", next_observations, shape)
    _check_rows(name, columns)
    columns["truncations"][-1] |= not columns["terminations"][-1]
    if next_observations is None:
        columns = _infer_next_observations(name, columns)
    truncations = columns.pop("truncations")
    return _checked(Dataset(name, Transitions(**columns), truncations, spec, environment))


def _columns(
    name: str,
    observations: Any,
    actions: Any,
    rewards: Any,
    bounds: Any,
    num_actions: int | None,
) -> tuple[Spec, dict[str, np.ndarray]]:
    """Bring observations, actions and rewards into their types, and say what a network will see."""
    columns = {
        "observations": _numbers(name, "observations", observations, (None, None)),
        "rewards": _numbers(name, "rewards", rewards, (None,)),
    }
    observation_dim = columns["observations"].shape[1]
    if num_actions is None:
        columns["actions"] = _numbers(name, "actions", actions, (None, None))
        low, high = _bounds(name, bounds, columns["actions"].shape[1])
        return Spec(observation_dim, low, high), columns
    columns["actions"] = _numbers(name, "actions", actions, (None,))
    return Spec(observation_dim, num_actions=num_actions), columns


def _numbers(name: str, key: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return values as float32, checked against a shape in which None stands for any length."""
    try:
        with np.errstate(over="ignore"):  # what is too large turns infinite, and is named below
            array = np.asarray(values)
            if array.dtype.kind not in "biufO":
                raise TypeError(f"they are of type {array.dtype}")
            if np.ma.is_masked(values):
                raise TypeError("some are masked")
            array = np.asarray(array, np.float32)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{name}: {key} is no array of numbers: {error}.") from error
    fits = [size in (None, actual) for size, actual in zip(shape, array.shape, strict=False)]
    if array.ndim != len(shape) or not all(fits):
        wanted = ", ".join(str(size or "any") for size in shape)
        hint = ""
        if key.endswith("observations"):
            hint = (
                " One row an observation: of numbers alone make a column, x[:, None]; of pictures "
                "vectors, x.reshape(len(x), -1)."
            )
        if key == "actions":
            hint = (
                " Continuous actions are (n, action); discrete ones are (n,) and need num_actions."
            )
        raise DatasetError(f"{name}: {key} has the shape {array.shape}, not ({wanted}).{hint}")
    return array


def _flags(name: str, key: str, values: Any) -> np.ndarray:
    """Return a copy of values as bool, checked to be (n,) of True and False (or 1 and 0)."""
    array = _numbers(name, key, values, (None,))
    odd = np.flatnonzero((array != 0) & (array != 1))
    if len(odd):
        raise DatasetError(f"{name}: {key} must be True or False; row {odd[0]} is {array[odd[0]]}.")
    return array.astype(bool)


def _bounds(name: str, bounds: tuple[Any, Any], action_dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest action, (action,) float32 each."""
    try:
        low, high = (np.broadcast_to(np.float32(bound), (action_dim,)) for bound in bounds)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"{name}: the bounds of the actions are {bounds}; they must be a smallest and a "
            f"largest action, numbers or arrays of {action_dim}."
        ) from error
    if not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
        raise DatasetError(
            f"{name}: the bounds of the actions are {low} and {high}; they must be finite, and the "
            "first smaller than the second: give action_bounds=(smallest, largest). Policies are "
            "built to stay within them."
        )
    return low, high


def _check_rows(name: str, columns: Mapping[str, np.ndarray]) -> None:
    """Check that the columns have the same length, some row, and one kind of end a row."""
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DatasetError(
            f"{name}: every array needs one row a transition, but has {lengths}. Find the one that "
            "lost or gained rows."
        )
    if not lengths["rewards"]:
        raise DatasetError(f"{name}: the dataset is empty. It needs at least one transition.")
    both = np.flatnonzero(columns["terminations"] & columns["truncations"])
    if len(both):
        raise DatasetError(
            f"{name}: row {both[0]} is both terminated and truncated ({len(both)} such rows). Keep "
            "the termination where the task itself ended, else the truncation."
        )


def _infer_next_observations(name: str, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Take the next row's observation, and drop the rows that have no next row in their episode."""
    observations = columns["observations"]
    terminations, cut = columns["terminations"], columns["truncations"]
    # After a termination the value is zero whatever was observed, so any finite row will do.
    following = np.where(terminations[:, None], observations, np.roll(observations, -1, axis=0))
    if cut.any():
        warnings.warn(
            f"{name}: next_observations were inferred from the rows that follow; left out: "
            f"{cut.sum()} rows that cut an episode, because what they led to is not in the arrays.",
            stacklevel=3,
        )
    if cut.all():
        raise DatasetError(f"{name}: no row is left, since every row cuts an episode.")
    before_cut = np.roll(cut, -1) & ~terminations
    columns = dict(columns, next_observations=following, truncations=before_cut)
    return {key: column[~cut] for key, column in columns.items()}


def _checked(dataset: Dataset) -> Dataset:
    """Return the dataset, its values checked: finite, and actions inside their space."""
    transitions, spec = dataset.transitions, dataset.spec
    for key in ("observations", "actions", "rewards", "next_observations"):
        finite = np.isfinite(getattr(transitions, key))
        _fail_where(dataset, ~finite, key, "is not a finite number", "Leave out or repair it")
    actions = np.asarray(transitions.actions)
    low, high = spec.action_low, spec.action_high
    if low is not None and high is not None:
        slack = 1e-5 * (high - low)  # what rounding may have done
        inside = (actions >= low - slack) & (actions <= high + slack)
        space = f"the space from {low.tolist()} to {high.tolist()}"
    else:
        num_actions = spec.num_actions or 0
        inside = (actions >= 0) & (actions < num_actions) & (actions == np.floor(actions))
        space = f"the {num_actions} discrete actions 0 to {num_actions - 1}"
    advice = "Clip it, or give the true action_bounds or num_actions"
    _fail_where(dataset, ~inside, "actions", f"is outside {space}", advice)
    if spec.num_actions is not None:
        transitions = transitions._replace(actions=actions.astype(np.int32))
    return replace(dataset, transitions=Transitions(*map(_own, transitions)))


def _own(array: Array) -> np.ndarray:
    """Return a read-only copy that begins at a multiple of 64 bytes.

    On a CPU, JAX takes such an array as it is, where it would copy any other: a million transitions
    are in memory once.
    """
    array = np.asarray(array)
    raw = np.empty(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    own = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    own[...] = array
    own.flags.writeable = False
    return own


def _fail_where(dataset: Dataset, bad: np.ndarray, key: str, problem: str, advice: str) -> None:
    """Raise a DatasetError that names the first bad row, its episode and its value, if any is."""
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    if not len(rows):
        return
    row = int(rows[0])
    episode = int(np.searchsorted(dataset._ends(), row, side="right"))
    value = getattr(dataset.transitions, key)[row].tolist()
    raise DatasetError(
        f"{dataset.name}: {key}, row {row} (episode {episode}): {value} {problem}; {len(rows)} of "
        f"{len(dataset)} rows are like that. {advice}."
    )


def load_dataset(
    source: str | Path | minari.MinariDataset,
    *,
    download: bool = True,
    action_bounds: tuple[Any, Any] | None = None,
) -> Dataset:
    """Load a dataset in Minari's format.

    Args:
        source: the name of an embedded dataset (``"maze/stitch-v0"``), the folder of a Minari
            dataset, the id of one on this machine or on Minari's server
            (``"mujoco/hopper/medium-v0"``), or a ``MinariDataset``, filtered or split as you like.
        download: whether to fetch a dataset that is not on this machine.
        action_bounds: smallest and largest action, where the recorded space does not say them.

    Observations that are a dictionary of vectors are joined into one, in the order of Gymnasium's
    ``FlattenObservation``. An episode whose recording stops without an end counts as truncated; a
    row that is both terminated and truncated as terminated.

    Raises:
        DatasetError: when it cannot be found, fetched, read or trusted.
    """
    from offline_tutor.datasets import library

    found = library.find(source, download) if isinstance(source, str | os.PathLike) else source
    if not hasattr(found, "storage"):
        raise DatasetError(
            f"source is {type(source).__name__}; give a name, a folder or a MinariDataset. Arrays "
            "of your own are for from_arrays."
        )
    return _checked(_read(found, action_bounds))


def _read(source: minari.MinariDataset, bounds: tuple[Any, Any] | None = None) -> Dataset:
    """Copy a Minari dataset into arrays, once."""
    name, num_steps = source.id, source.total_steps
    spec = _spec(name, source.observation_space, source.action_space, bounds)
    action_shape = (num_steps,) if spec.num_actions else (num_steps, spec.action_dim)
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
            with np.errstate(over="ignore"):  # what is too large turns infinite, and is named later
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
    """Translate Gymnasium's spaces; a DatasetError where observations or actions are no vectors."""
    from gymnasium.spaces import Box, Dict, Discrete

    parts = [observation_space]
    if isinstance(observation_space, Dict):
        parts = list(observation_space.spaces.values())
    widths = [part.shape[0] for part in parts if isinstance(part, Box) and len(part.shape) == 1]
    if len(widths) < len(parts):
        raise DatasetError(
            f"{name}: observations are {observation_space}. Only vectors, or a dictionary of "
            "vectors, can be used; turn them into vectors and give them to from_arrays."
        )
    observation_dim = sum(widths)
    if isinstance(action_space, Discrete) and action_space.start == 0:
        return Spec(observation_dim, num_actions=int(action_space.n))
    if isinstance(action_space, Box) and len(action_space.shape) == 1:
        bounds = bounds or (action_space.low, action_space.high)
        low, high = _bounds(name, bounds, action_space.shape[0])
        return Spec(observation_dim, low, high)
    raise DatasetError(
        f"{name}: actions are {action_space}. Only vectors within bounds, or discrete actions that "
        "count from 0, can be used; turn them into one of these and give them to from_arrays."
    )
