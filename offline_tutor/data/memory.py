"""Memory for a dataset's columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def empty_aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an array, not filled yet, that is aligned to 64 bytes.

    JAX on a CPU uses such arrays without copying them, so that a million transitions are in memory
    only once.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def take_rows(column: np.ndarray, rows: np.ndarray | None, dtype: Any = None) -> np.ndarray:
    """Return a read-only, aligned copy of some rows of a column, or of all if `rows` is None."""
    count = len(column) if rows is None else len(rows)
    taken = empty_aligned((count, *column.shape[1:]), dtype or column.dtype)
    if rows is None:
        taken[...] = column
    elif column.dtype == taken.dtype:
        np.take(column, rows, axis=0, out=taken, mode="clip")  # "raise" would copy once more
    else:
        taken[...] = column[rows]
    taken.flags.writeable = False
    return taken
