"""Files of arrays, checkpoints first: written whole or not at all, read without pickle."""

import contextlib
import json
import lzma
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.files import clear_away, replacing
from offline_tutor.messages import shortened, shown

NAME = "checkpoint.npz"
# What NumPy and zipfile raise for archives that are damaged, encrypted, or that lie about sizes.
UNREADABLE = (
    *(OSError, EOFError, LookupError, ValueError, TypeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)


def as_path(path: Any, argument: str) -> Path:
    """A path that a user gave; `~` is their home. Raises ValueError where it cannot be one."""
    given = os.fspath(path) if isinstance(path, os.PathLike) else path
    try:
        found = Path(given).expanduser()
    except (TypeError, RuntimeError) as error:  # RuntimeError: nobody of that name has a home
        raise ValueError(f"{argument} is {shown(given)}; give a path ({error})") from error
    if not given or "\0" in str(given):
        raise ValueError(f"{argument} is {shown(given)}; give a path")
    return found


def save_arrays(path: str | Path, description: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Writes arrays with a description that JSON can hold, replacing the old file.

    The write is atomic; a crash leaves the previous file.
    """
    path = as_path(path, "path")
    text = json.dumps(description, default=_plain)
    with replacing(path) as part, part.open("wb") as file:
        np.savez(file, description=np.array(text), **arrays)


def _plain(number: Any) -> Any:
    return np.asarray(number).tolist()  # JSON cannot serialise NumPy scalars


def load_arrays(
    path: str | Path, kind: str, advice: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `save_arrays` wrote: description and arrays.

    Raises FileNotFoundError, and ValueError where the file is damaged or something else; `kind`
    and `advice` say in the message what it should have been, and what to do.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no {kind} {path}: {advice}")
    try:
        if not zipfile.is_zipfile(path):  # else NumPy's message would speak of pickle
            raise ValueError("no archive of NumPy arrays")
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        description = json.loads(str(arrays.pop("description")))
        if not isinstance(description, dict):
            raise ValueError(f"its description is {shown(description)}")
        if others := [name for name in arrays if not isinstance(arrays[name], np.ndarray)]:
            raise ValueError(f"{others[0]} in it is no array")
    except UNREADABLE as error:
        reason = shortened(f"{type(error).__name__}: {error}")
        raise ValueError(f"{path} is not a readable {kind} ({reason}): {advice}") from error
    return description, arrays


def name_leaves(tree: Any, prefix: str) -> dict[str, Any]:
    """Flatten a pytree to {path: leaf}, such as `tree.actor['layer0']['bias']`."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {prefix + jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def to_numpy(leaf: Any) -> np.ndarray:
    """An array that a file can hold; of random keys, their numbers."""
    if _is_key(leaf):
        leaf = jax.random.key_data(leaf)
    return np.asarray(jax.device_get(leaf))


def from_numpy(array: np.ndarray, like: Any) -> Any:
    """What `to_numpy` was given. Raises ValueError where shape or type is not that of `like`."""
    raw = jax.eval_shape(jax.random.key_data, like) if _is_key(like) else like
    if array.dtype.kind == "V" and array.dtype.itemsize == np.dtype(raw.dtype).itemsize:
        array = array.view(raw.dtype)  # bfloat16 and its kin, which NumPy's files do not name
    if (array.shape, array.dtype) != (raw.shape, raw.dtype):
        raise ValueError(f"{array.dtype}{array.shape}, not {raw.dtype}{raw.shape}")
    if _is_key(like):
        impl = jax.random.key_impl(jnp.empty((), like.dtype))
        array = jax.random.wrap_key_data(jnp.asarray(array), impl=impl)
    return jax.device_put(array, getattr(like, "sharding", None))


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@contextlib.contextmanager
def lock_folder(folder: str | Path) -> Iterator[None]:
    """Keeps the folder to this process, and makes it if need be.

    Raises ValueError where it cannot be written to, or another process trains into it.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"checkpoint: {folder} cannot be written to ({error.strerror or error}): give another "
            "folder"
        ) from error
    lock = filelock.FileLock(Path(folder) / "checkpoint.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ValueError(
            f"checkpoint: another training writes into {folder}: wait, or give another folder"
        ) from error
    try:
        clear_away(Path(folder))
        yield
    finally:
        lock.release()


def save_checkpoint(
    folder: str | Path, description: dict[str, Any], tree: Any, records: dict[str, np.ndarray]
) -> None:
    """Writes the arrays of `tree`, the records and what they belong to, over the old file."""
    arrays = {name: to_numpy(leaf) for name, leaf in name_leaves(tree, "tree").items()}
    arrays |= {"records." + name: array for name, array in records.items()}
    save_arrays(Path(folder) / NAME, description, arrays)


def load_checkpoint(
    folder: str | Path, description: dict[str, Any], tree: Any
) -> tuple[Any, dict[str, np.ndarray]] | None:
    """The arrays saved in `folder`, shaped like `tree`, and the records; None if nothing is there.

    Raises ValueError where the file is damaged or belongs to a run with another description.
    """
    path = Path(folder) / NAME
    if not path.exists():
        return None
    advice = "give another folder, or delete this file to start again"
    found, arrays = load_arrays(path, "checkpoint", advice)
    description = json.loads(json.dumps(description, default=_plain))  # as a file gives it back
    if found != description:
        names = sorted(found.keys() | description.keys())
        other = [name for name in names if found.get(name) != description.get(name)]
        raise ValueError(f"{path} belongs to a run with another {', '.join(other)}: {advice}")
    leaves = []
    for name, like in name_leaves(tree, "tree").items():
        if name not in arrays:
            raise ValueError(f"{path} lacks {name}, written by another version? {advice}")
        try:
            leaves.append(from_numpy(arrays[name], like))
        except ValueError as error:
            raise ValueError(
                f"{path} belongs to another run, {name} is {error}: {advice}"
            ) from error
    records = {n.removeprefix("records."): a for n, a in arrays.items() if n.startswith("records.")}
    return jax.tree.unflatten(jax.tree.structure(tree), leaves), records
