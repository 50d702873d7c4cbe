"""Turn whatever a caller gives into an array of numbers, or say what is in the way."""

from __future__ import annotations

import numbers
from decimal import Decimal
from typing import Any

import numpy as np

from offline_tutor.data.dataset import DatasetError
from offline_tutor.messages import shown

# By the kind of a NumPy type: what it is, and what to do about it.
NOT_NUMBERS = {
    "U": "text; numpy.asarray(x, float) makes numbers of it, where it holds some",
    "S": "text; numpy.asarray(x, float) makes numbers of it, where it holds some",
    "M": "dates; give numbers, such as the seconds since the first row",
    "m": "durations; give numbers, such as seconds",
    "c": "complex; give the real and the imaginary part as two columns",
    "V": "records with fields; numpy.stack makes columns of the fields",
}


def to_array(name: str, key: str, values: Any) -> np.ndarray:
    """Return values as an array of real numbers or booleans, of whatever type and shape.

    Raises:
        DatasetError: if they are something else; the message names the first row that is.
    """
    try:
        array = np.asarray(values)
        if array.dtype == object:
            array = _from_objects(array)
        if array.dtype.kind in NOT_NUMBERS:
            raise TypeError(f"it is of type {array.dtype}, {NOT_NUMBERS[array.dtype.kind]}")
        if np.ma.is_masked(values):
            row = int(np.argwhere(np.ma.getmaskarray(values))[0][0])
            raise TypeError(f"row {row} is masked; fill it or leave it out")
    except Exception as error:  # tensors that need gradients and their kin raise what they like
        reason, hint = _uneven(values), ""
        if reason or "inhomogeneous" in str(error):
            reason, hint = reason or "its rows differ in shape", " Give rows that are all alike."
        if hasattr(values, "detach"):
            hint = f" Give {key}.detach().cpu().numpy()."
        reason = reason or str(error).rstrip(".")
        raise DatasetError(f"{name}: {key} is not an array of numbers: {reason}.{hint}") from error
    return array


def _from_objects(array: np.ndarray) -> np.ndarray:
    """Return float64 of Python objects, such as a table's column of mixed types has them."""
    if not array.ndim:
        raise TypeError(f"it is {shorten(array.item())}; give one row for each transition")
    converted = np.empty(array.size)
    for index, value in enumerate(array.ravel().tolist()):
        if isinstance(value, np.ndarray | list | tuple):
            raise TypeError("it is a column of arrays; numpy.stack(x) makes one array of them")
        place = ", column ".join(str(i) for i in np.unravel_index(index, array.shape))
        if not isinstance(value, numbers.Real | Decimal | np.bool_):
            raise TypeError(f"row {place} is {shorten(value)}; leave it out or give a number")
        try:
            converted[index] = value
        except OverflowError as error:
            raise TypeError(f"row {place} is too large: {error}") from error
    return converted.reshape(array.shape)


def _uneven(values: Any) -> str:
    """Return which row of a list is longer or shorter than the first, or nothing."""
    if not isinstance(values, list | tuple):
        return ""
    sizes = [len(row) if isinstance(row, list | tuple) else np.size(row) for row in values]
    odd = [row for row, size in enumerate(sizes) if size != sizes[0]]
    return f"row 0 has {sizes[0]} numbers, row {odd[0]} has {sizes[odd[0]]}" if odd else ""


def shorten(value: Any) -> str:
    """Return a value, cut short where it is long, with its type."""
    return f"{shown(value)}, of type {type(value).__name__}"


def check_shape(name: str, key: str, array: np.ndarray, shape: tuple[int | None, ...]) -> None:
    """Raise DatasetError unless an array has a shape in which None is any length."""
    fits = [size in (None, actual) for size, actual in zip(shape, array.shape, strict=False)]
    if array.ndim == len(shape) and all(fits):
        return
    wanted = ", ".join("any" if size is None else str(size) for size in shape)
    raise DatasetError(
        f"{name}: {key} has the shape {array.shape}, not ({wanted}).{_hint(key, array, len(shape))}"
    )


def _hint(key: str, array: np.ndarray, axes: int) -> str:
    """Return what to do about an array that should have that many axes."""
    if array.ndim == axes + 1 == 2 and array.shape[1] == 1:
        return f" Give {key}[:, 0]."
    if key.endswith("observations"):
        return (
            " Give one row per observation, all of the same shape; x[:, None] turns a list of "
            "numbers into a column."
        )
    if key == "actions" and axes == 1:
        return " With num_actions, give the number of each action: argmax(axis=1) finds it."
    if key == "actions":
        return (
            " Continuous actions are (n, action): numpy.asarray(actions)[:, None] makes a column "
            "of one number a row; discrete ones are (n,) and need num_actions."
        )
    return " Give one value for each row."


def to_flags(name: str, key: str, values: Any) -> np.ndarray:
    """Return a copy of values as (n,) bool; only True and False (or 1 and 0) are allowed."""
    if values is None:
        raise DatasetError(
            f"{name}: {key} is None; give (n,) bool, numpy.zeros(n, bool) if no row is one."
        )
    array = to_array(name, key, values)
    check_shape(name, key, array, (None,))
    odd = np.flatnonzero((array != 0) & (array != 1))
    if len(odd):
        raise DatasetError(f"{name}: {key} must be True or False; row {odd[0]} is {array[odd[0]]}.")
    return array.astype(bool)


def to_float32(array: np.ndarray, *, pictures: bool = False) -> np.ndarray:
    """Return the array itself or a copy as float32; pictures may stay bytes."""
    if pictures and array.dtype == np.uint8:
        return array
    with np.errstate(over="ignore"):  # too large: becomes infinite, which is found later
        return array.astype(np.float32, copy=False)
