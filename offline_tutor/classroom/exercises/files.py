"""Observations on disk: written by a process that runs a student's code, read by one that does not.

The file is an uncompressed `.npz`. Since a stranger's code may have written it, nothing in it is
believed: sizes are checked before anything is read, and nothing is ever unpickled.
"""

from __future__ import annotations

import io
import math
import re
import stat
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from offline_tutor.classroom.exercises.exercise import Seen
from offline_tutor.classroom.exercises.observing import PROBLEMS, Observation

MAX_BYTES = 64 * 2**20  # of all arrays of a file
MAX_MEMBERS = 10_000
MAX_CASES = 100
MAX_TEXT = 500  # characters
MEMBER = re.compile(r"([a-z][a-z0-9-]{0,63})/(problem|text|(\d{1,2})/([A-Za-z0-9_ ]{1,64}))\.npy")
HEADER = re.compile(  # of version 1.0, little-endian: float64 of any shape, or one text
    rb"\x93NUMPY\x01\x00..\{'descr': '(<f8|<U\d{1,4})', 'fortran_order': (True|False), "
    rb"'shape': \(([\d, ]{0,200})\), \} *\n",
    re.DOTALL,
)

# What zipfile raises for archives that are damaged, encrypted, cut off or of another kind.
UNREADABLE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError)


class ObservationError(ValueError):
    """A file that holds no observations."""


def write_observations(path: Path, observations: Mapping[str, Observation]) -> None:
    """Writes what was seen of each exercise, by its id."""
    members: dict[str, Any] = {}
    for id, seen in observations.items():
        members |= {f"{id}/problem": np.array(seen.problem), f"{id}/text": np.array(seen.text)}
        for number, case in enumerate(seen.cases):
            members |= {f"{id}/{number}/{name}": array for name, array in case.items()}
    with path.open("wb") as file:  # a path without .npz would be given one
        np.savez(file, allow_pickle=False, **members)


def read_observations(path: Path) -> dict[str, Observation]:
    """What `write_observations` wrote.

    Raises:
        ObservationError: the file is none of these, or too large, or no plain file.
        OSError: it cannot be read, or is not there.
    """
    if path.is_symlink() or not stat.S_ISREG(path.stat().st_mode):
        raise ObservationError(f"{path.name} is not a plain file")
    if path.stat().st_size > 2 * MAX_BYTES:
        raise ObservationError(f"{path.name} holds no observations: too large")
    data = io.BytesIO(path.read_bytes())
    try:
        with zipfile.ZipFile(data) as archive:
            members = _members(archive)
        return {id: _observation(id, parts) for id, parts in members.items()}
    except UNREADABLE as error:
        raise ObservationError(f"{path.name} holds no observations: {error}") from None


def _members(archive: zipfile.ZipFile) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of each exercise, by the rest of their name."""
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS or sum(info.file_size for info in infos) > MAX_BYTES:
        raise ObservationError("too large")
    found: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    for info in infos:
        match = MEMBER.fullmatch(info.filename)
        if match is None or info.compress_type != zipfile.ZIP_STORED:
            raise ObservationError(f"it has {info.filename[:80]!r} in it")
        if match[2] in found[match[1]]:
            raise ObservationError(f"it has {info.filename!r} twice")
        found[match[1]][match[2]] = _array(archive.read(info))
    return found


def _array(data: bytes) -> np.ndarray:
    """An array from the bytes of a `.npy` file as NumPy writes it; its header must be true."""
    match = HEADER.match(data)
    if match is None:
        raise ObservationError("an array that is neither float64 nor text")
    dtype, fortran, shape = (part.decode() for part in match.groups())
    sizes = [int(size) for size in shape.replace(",", " ").split()]
    if math.prod(sizes) * np.dtype(dtype).itemsize != len(data) - match.end():
        raise ObservationError("an array that is not as large as it says")
    flat = np.frombuffer(data, dtype, offset=match.end())
    return flat.reshape(sizes, order="F" if fortran == "True" else "C")


def _observation(id: str, parts: Mapping[str, np.ndarray]) -> Observation:
    problem, text = (_text(id, parts, name) for name in ("problem", "text"))
    if problem not in PROBLEMS:
        raise ObservationError(f"{id}: there is no problem called {problem[:40]!r}")
    cases: dict[int, Seen] = defaultdict(dict)
    for name, array in parts.items():
        number, separator, what = name.partition("/")
        if separator:
            if array.dtype.kind != "f" or number != str(int(number)):
                raise ObservationError(f"{id}: {name} is not an array of numbers")
            cases[int(number)][what] = array
    if sorted(cases) != list(range(len(cases))) or len(cases) > MAX_CASES:
        raise ObservationError(f"{id}: a case is missing, or there are too many")
    return Observation(tuple(cases[number] for number in range(len(cases))), problem, text)


def _text(id: str, parts: Mapping[str, np.ndarray], name: str) -> str:
    array = parts.get(name)
    if array is None or array.dtype.kind != "U" or len(str(array)) > MAX_TEXT:
        raise ObservationError(f"{id}: no {name}, or one that is too long")
    return "".join(c if c.isprintable() else " " for c in str(array))
