"""Files of arrays, checkpoints first: written whole or not at all, read without pickle."""

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

NAME = "checkpoint.npz"


def save_arrays(path: str | Path, description: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Writes arrays and what they are, numbers and texts that JSON can hold, over the old file.

    The file is complete under its name or not there: a program killed while it writes leaves the
    old one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, description=np.array(json.dumps(description, default=_plain)), **arrays)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _plain(number: Any) -> Any:
    return np.asarray(number).tolist()  # JSON knows no NumPy


def load_arrays(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `save_arrays` wrote: description and arrays.

    Raises FileNotFoundError, and ValueError where the file is damaged or something else; `kind`
    says in the message what it should have been.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no {kind} {path}")
    try:
        if not zipfile.is_zipfile(path):  # else NumPy's message would speak of pickle
            raise ValueError("no archive of NumPy arrays")
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        return json.loads(str(arrays.pop("description"))), arrays
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a readable {kind} ({error})") from error


def name_leaves(tree: Any, prefix: str) -> dict[str, Any]:
    """Leaves under the name of their place, such as `tree.actor['layer0']['bias']`."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {prefix + jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def make_folder(folder: str | Path) -> None:
    """Makes the folder if need be. Raises ValueError where it cannot be written to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"checkpoint: {folder} cannot be written to ({error}): give another folder"
        ) from error


def save_checkpoint(
    folder: str | Path, description: dict[str, Any], tree: Any, records: dict[str, np.ndarray]
) -> None:
    """Writes the arrays of `tree`, the records and what they belong to, over the old file."""
    arrays = jax.tree.map(np.asarray, name_leaves(tree, "tree"))
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
    try:
        found, arrays = load_arrays(path, "checkpoint")
    except ValueError as error:
        raise ValueError(f"{error}: {advice}") from error
    if found != description:
        names = sorted(found.keys() | description.keys())
        other = [name for name in names if found.get(name) != description.get(name)]
        raise ValueError(f"{path} belongs to a run with another {', '.join(other)}: {advice}")
    names = list(name_leaves(tree, "tree"))
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(f"{path} lacks {missing[0]}, written by another version? {advice}")
    leaves = [arrays[name] for name in names]
    records = {n.removeprefix("records."): a for n, a in arrays.items() if n.startswith("records.")}
    return jax.tree.unflatten(jax.tree.structure(tree), leaves), records
