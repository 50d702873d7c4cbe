"""Make a dataset from arrays of your own, with checks that report the first bad row."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from offline_tutor.data.checks import Places, check_bounds, check_values
from offline_tutor.data.columns import check_shape, to_array, to_flags, to_float32
from offline_tutor.data.dataset import Dataset, DatasetError
from offline_tutor.data.doubts import (
    Digits,
    count_rows,
    doubt_bounds,
    doubt_following,
    doubt_jumps,
    warn,
)
from offline_tutor.data.memory import take_rows
from offline_tutor.types import Continuous, Discrete, Spec, Transitions

DEFAULT_BOUNDS = (-1.0, 1.0)
MOST_ACTIONS = 2**31 - 1  # int32 counts no further


def from_arrays(
    observations: Any,
    actions: Any,
    rewards: Any,
    *,
    terminations: Any,
    truncations: Any = None,
    next_observations: Any = None,
    action_bounds: tuple[Any, Any] | None = None,
    num_actions: int | None = None,
    name: str = "arrays",
    environment: str | None = None,
) -> Dataset:
    """Make a dataset from arrays of your own: one row per transition, one episode after another.

    Warns, with the first row or the column, where the data may be right but look wrong: episodes
    that jump to another recording, next observations that do not fit the next rows, numbers that
    float32 cannot tell apart, bounds that have little to do with the actions.

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
        action_bounds: the smallest and the largest action, numbers or arrays (action,); -1 and 1 if
            omitted. Only for continuous actions.
        num_actions: the number of discrete actions; None if actions are continuous.
        name: how messages refer to the dataset.
        environment: the Gymnasium id of the environment, if there is one.

    Raises:
        DatasetError: if the arrays are not valid; the message names the first bad row.
    """
    _check_options(name, num_actions, action_bounds, environment)
    given = {"observations": observations, "actions": actions, "rewards": rewards}
    if next_observations is not None:
        given["next_observations"] = next_observations
    columns, doubts = _convert(name, given, discrete=num_actions is not None)
    columns["terminations"] = to_flags(name, "terminations", terminations)
    if truncations is None:
        columns["truncations"] = np.zeros(len(columns["terminations"]), bool)
    else:
        columns["truncations"] = to_flags(name, "truncations", truncations)
    _check_rows(name, columns)
    columns["truncations"][-1] |= not columns["terminations"][-1]

    ends = columns["terminations"] | columns["truncations"]
    inferred = next_observations is None
    space = _space(name, columns["actions"], num_actions, action_bounds)
    unused = columns["truncations"] if inferred else None
    check_values(Places(name, np.flatnonzero(ends) + 1), columns, space, unused=unused)
    if isinstance(space, Continuous):
        by_default = action_bounds is None
        doubts += doubt_bounds(columns["actions"], space, by_default=by_default)
    if inferred:
        doubts += _left_out(name, columns, truncations is not None)
        doubts += doubt_jumps(columns["observations"], ends)
    else:
        doubts += doubt_following(columns, ends)
    warn(name, doubts)
    return _assemble(name, columns, space, environment)


def _check_options(name: str, num_actions: Any, bounds: Any, environment: Any) -> None:
    """Check what is said of the task as a whole."""
    whole = isinstance(num_actions, numbers.Integral) and not isinstance(num_actions, bool)
    if num_actions is not None and not (whole and 1 <= num_actions <= MOST_ACTIONS):
        raise DatasetError(
            f"{name}: num_actions is {num_actions!r}; it must be a whole number, at least 1, and "
            "left out where actions are continuous."
        )
    if num_actions is not None and bounds is not None:
        raise DatasetError(
            f"{name}: num_actions is {num_actions} and action_bounds is {bounds}; give one of the "
            "two: discrete actions have no bounds."
        )
    if not isinstance(environment, str | None):
        raise DatasetError(
            f"{name}: environment is {environment!r}; give its Gymnasium id, such as 'Pendulum-v1'."
        )


def _convert(
    name: str, given: dict[str, Any], *, discrete: bool
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return columns of numbers, and doubts about what float32 keeps of them."""
    columns, doubts = {}, []
    shapes: dict[str, tuple[int | None, ...]] = {
        "actions": (None,) if discrete else (None, None),
        "rewards": (None,),
    }
    for key, values in given.items():
        array = to_array(name, key, values)
        if key == "observations":  # pictures have more axes than vectors
            shapes[key] = (None,) * max(2, array.ndim)
            shapes["next_observations"] = (None, *array.shape[1:])
        check_shape(name, key, array, shapes[key])
        if key == "actions" and discrete:
            columns[key] = array
            continue
        columns[key] = to_float32(array, pictures=array.ndim > 2)
        if key != "next_observations":
            digits = Digits(key)
            digits.add(array, columns[key])
            doubts += digits.doubts(columns[key])
    types = {columns[key].dtype for key in columns if key.endswith("observations")}
    if len(types) > 1:
        raise DatasetError(
            f"{name}: observations are {columns['observations'].dtype}, next_observations "
            f"{columns['next_observations'].dtype}; give both pictures alike, such as uint8."
        )
    return columns, doubts


def _space(
    name: str, actions: np.ndarray, num_actions: int | None, bounds: Any
) -> Continuous | Discrete:
    """Return the space of the actions."""
    if num_actions is not None:
        return Discrete(int(num_actions))
    return check_bounds(name, DEFAULT_BOUNDS if bounds is None else bounds, actions.shape[1])


def _check_rows(name: str, columns: dict[str, np.ndarray]) -> None:
    """Check that columns are equally long and not empty, and that rows end in one way at most."""
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DatasetError(
            f"{name}: every array needs one row a transition, but has {lengths}. Find the one that "
            "lost or gained rows."
        )
    if not lengths["rewards"]:
        raise DatasetError(f"{name}: the dataset is empty. It needs at least one transition.")
    for key in ("observations", "actions"):
        if not columns[key][0].size:
            raise DatasetError(
                f"{name}: {key} has the shape {columns[key].shape}; rows need at least one number."
            )
    both = np.flatnonzero(columns["terminations"] & columns["truncations"])
    if len(both):
        raise DatasetError(
            f"{name}: row {both[0]} is both terminated and truncated ({len(both)} such rows). Keep "
            "the termination if the task itself ended; otherwise keep the truncation."
        )


def _left_out(name: str, columns: dict[str, np.ndarray], marked: bool) -> list[str]:
    """Say how many rows have no next observation; raise DatasetError if none has one."""
    cut = columns["truncations"]
    if cut.all():
        raise DatasetError(
            f"{name}: no row is left, since every row cuts an episode. Give next_observations."
        )
    if not cut.any():
        return []
    stops = np.flatnonzero(cut | columns["terminations"]) + 1
    longest = np.diff(stops, prepend=0).max()
    known = (
        f" Without truncations, the longest episode has {longest} rows; if recordings ended within "
        "it, mark their last rows."
    )
    return [
        "next_observations were inferred from the rows that follow; left out: "
        f"{count_rows(np.flatnonzero(cut))} that cut an episode, because the arrays do not show "
        f"what followed.{'' if marked else known}"
    ]


def _assemble(
    name: str,
    columns: dict[str, np.ndarray],
    space: Continuous | Discrete,
    environment: str | None,
) -> Dataset:
    """Copy the rows that have a next observation into memory of the dataset's own."""
    observations, terminations = columns["observations"], columns["terminations"]
    cut, rows = columns["truncations"], None
    following = columns.get("next_observations")
    truncations, next_rows = cut, None
    if following is None:
        rows = np.flatnonzero(~cut)
        # After a termination the value is zero whatever is observed, so any finite row will do.
        next_rows = np.where(terminations[rows], rows, rows + 1)
        following = observations
        truncations = (np.append(cut[1:], False) & ~terminations)[rows]
    transitions = Transitions(
        observations=take_rows(observations, rows),
        actions=take_rows(
            columns["actions"], rows, np.int32 if isinstance(space, Discrete) else None
        ),
        rewards=take_rows(columns["rewards"], rows),
        next_observations=take_rows(following, next_rows),
        terminations=take_rows(terminations, rows),
    )
    spec = Spec(observations.shape[1:], space)
    return Dataset(name, transitions, truncations, spec, environment)
