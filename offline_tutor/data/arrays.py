"""Make a dataset from arrays of your own, with checks that report the first bad row."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from offline_tutor.data.dataset import Dataset, DatasetError
from offline_tutor.spaces import continuous
from offline_tutor.types import Array, Continuous, Discrete, Spec, Transitions


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
    """Make a dataset from arrays of your own: one row per transition, one episode after another.

    Args:
        observations: (n, observation) numbers. Images have more axes, (n, height, width, ...), and
            stay uint8 if that is their type.
        actions: (n, action) numbers, or (n,) integers if actions are discrete.
        rewards: (n,) numbers.
        terminations: (n,) bool, True where the task itself ended.
        truncations: (n,) bool, True where an episode was cut off after the row. The last row always
            ends an episode; if this argument is omitted, no other row cuts one off.
        next_observations: (n, observation). If omitted, they are taken from the next row of the
            same episode. A row that cuts off an episode has no next row and is left out, with a
            warning; a row that terminates one does not need any.
        action_bounds: the smallest and the largest action, numbers or arrays (action,).
        num_actions: the number of discrete actions; None if actions are continuous.
        name: how messages refer to the dataset.
        environment: the Gymnasium id of the environment, if there is one.

    Raises:
        DatasetError: if the arrays are not valid; the message names the first bad row.
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
        shape = (None, *spec.observation_shape)
        columns["next_observations"] = _numbers(name, "next_observations", next_observations, shape)
    _check_rows(name, columns)
    columns["truncations"][-1] |= not columns["terminations"][-1]
    if next_observations is None:
        columns = _infer_next_observations(name, columns)
    truncations = columns.pop("truncations")
    return check_values(Dataset(name, Transitions(**columns), truncations, spec, environment))


def _columns(
    name: str,
    observations: Any,
    actions: Any,
    rewards: Any,
    bounds: Any,
    num_actions: int | None,
) -> tuple[Spec, dict[str, np.ndarray]]:
    """Convert observations, actions and rewards; return them with the spec that they imply."""
    try:
        axes = max(2, np.ndim(observations))  # images have more than vectors
    except ValueError:  # ragged lists, which `_numbers` reports
        axes = 2
    columns = {
        "observations": _numbers(name, "observations", observations, (None,) * axes),
        "rewards": _numbers(name, "rewards", rewards, (None,)),
    }
    observation_shape = columns["observations"].shape[1:]
    if num_actions is None:
        columns["actions"] = _numbers(name, "actions", actions, (None, None))
        space = check_bounds(name, bounds, columns["actions"].shape[1])
        return Spec(observation_shape, space), columns
    columns["actions"] = _numbers(name, "actions", actions, (None,))
    return Spec(observation_shape, Discrete(num_actions)), columns


def _numbers(name: str, key: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return values as float32 (images may stay uint8), of a shape in which None is any length."""
    try:
        with np.errstate(over="ignore"):  # too large: becomes infinite, reported below
            array = np.asarray(values)
            if array.dtype.kind not in "biufO":
                raise TypeError(f"they are of type {array.dtype}")
            if np.ma.is_masked(values):
                raise TypeError("some are masked")
            picture = array.dtype == np.uint8 and len(shape) > 2
            array = np.asarray(array, np.uint8 if picture else np.float32)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{name}: {key} is not an array of numbers: {error}.") from error
    fits = [size in (None, actual) for size, actual in zip(shape, array.shape, strict=False)]
    if array.ndim != len(shape) or not all(fits):
        wanted = ", ".join(str(size or "any") for size in shape)
        hint = ""
        if key.endswith("observations"):
            hint = (
                " Give one row per observation, all of the same shape; x[:, None] turns a list of "
                "numbers into a column."
            )
        if key == "actions":
            hint = (
                " Continuous actions are (n, action); discrete ones are (n,) and need num_actions."
            )
        raise DatasetError(f"{name}: {key} has the shape {array.shape}, not ({wanted}).{hint}")
    return array


def _flags(name: str, key: str, values: Any) -> np.ndarray:
    """Return a copy of values as (n,) bool; only True and False (or 1 and 0) are allowed."""
    array = _numbers(name, key, values, (None,))
    odd = np.flatnonzero((array != 0) & (array != 1))
    if len(odd):
        raise DatasetError(f"{name}: {key} must be True or False; row {odd[0]} is {array[odd[0]]}.")
    return array.astype(bool)


def check_bounds(name: str, bounds: tuple[Any, Any], action_dim: int) -> Continuous:
    """Return the space between a smallest and a largest action, each a number or (action,)."""
    try:
        low, high = (np.broadcast_to(np.float64(bound), (action_dim,)) for bound in bounds)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"{name}: the bounds of the actions are {bounds}; they must be a smallest and a "
            f"largest action, numbers or arrays of {action_dim}."
        ) from error
    if not (np.isfinite(low) & np.isfinite(high) & (low <= high)).all():
        raise DatasetError(
            f"{name}: the bounds of the actions are {low} and {high}; they must be finite, and the "
            "first not larger than the second: give action_bounds=(smallest, largest). Policies "
            "are built to stay within them."
        )
    return continuous(low, high)


def _check_rows(name: str, columns: Mapping[str, np.ndarray]) -> None:
    """Check that columns are equally long and not empty, and that rows end in one way at most."""
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
            "the termination if the task itself ended; otherwise keep the truncation."
        )


def _infer_next_observations(name: str, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Take observations from the next row, and drop the rows that cut off an episode."""
    observations = columns["observations"]
    terminations, cut = columns["terminations"], columns["truncations"]
    # After a termination the value is zero whatever is observed, so any finite row will do.
    following = np.roll(observations, -1, axis=0)
    following[terminations] = observations[terminations]
    if cut.any():
        warnings.warn(
            f"{name}: next_observations were inferred from the rows that follow; left out: "
            f"{cut.sum()} rows that cut an episode, because the arrays do not show what followed.",
            stacklevel=3,
        )
    if cut.all():
        raise DatasetError(f"{name}: no row is left, since every row cuts an episode.")
    before_cut = np.roll(cut, -1) & ~terminations
    columns = dict(columns, next_observations=following, truncations=before_cut)
    return {key: column[~cut] for key, column in columns.items()}


def check_values(dataset: Dataset) -> Dataset:
    """Check that values are finite and actions lie in their space; return the dataset."""
    transitions, space = dataset.transitions, dataset.spec.actions
    for key in ("observations", "actions", "rewards", "next_observations"):
        finite = np.isfinite(getattr(transitions, key))
        _fail_where(dataset, ~finite, key, "is not a finite number", "Leave out or repair it")
    actions = np.asarray(transitions.actions)
    if isinstance(space, Continuous):
        low, high = np.array(space.low, np.float32), np.array(space.high, np.float32)
        slack = 1e-5 * (high - low) + np.spacing(np.maximum(-low, high))  # of rounding
        inside = (actions >= low - slack) & (actions <= high + slack)
        allowed = f"the space from {list(space.low)} to {list(space.high)}"
    else:
        inside = (actions >= 0) & (actions < space.num) & (actions == np.floor(actions))
        allowed = f"the {space.num} discrete actions 0 to {space.num - 1}"
    advice = "Clip it, or give the true action_bounds or num_actions"
    _fail_where(dataset, ~inside, "actions", f"is outside {allowed}", advice)
    if isinstance(space, Discrete):
        transitions = transitions._replace(actions=actions.astype(np.int32))
    return replace(dataset, transitions=jax.tree.map(_aligned, transitions))


def _aligned(array: Array) -> np.ndarray:
    """Return a read-only copy that is aligned to 64 bytes.

    JAX on a CPU uses such arrays without copying them, so that a million transitions are in memory
    only once.
    """
    array = np.asarray(array)
    raw = np.empty(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    aligned = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    aligned.flags.writeable = False
    return aligned


def _fail_where(dataset: Dataset, bad: np.ndarray, key: str, problem: str, advice: str) -> None:
    """If a row is bad, raise a DatasetError with the first one, its episode and its value."""
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    if not len(rows):
        return
    row = int(rows[0])
    episode = int(np.searchsorted(dataset.episode_ends(), row, side="right"))
    value = getattr(dataset.transitions, key)[row].tolist()
    raise DatasetError(
        f"{dataset.name}: {key}, row {row} (episode {episode}): {value} {problem}; {len(rows)} of "
        f"{len(dataset)} rows are like that. {advice}."
    )
