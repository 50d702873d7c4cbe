"""Checkpoints of a training run: one file, written whole or not at all, read without pickle."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

NAME = "checkpoint.npz"


def _by_path(tree: Any) -> dict[str, np.ndarray]:
    """Leaves under the name of their place, such as `tree.actor['layer0']['bias']`."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {"tree" + jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def save_checkpoint(
    folder: str | Path, description: dict[str, Any], tree: Any, records: dict[str, np.ndarray]
) -> None:
    """Writes the arrays of `tree`, the records and what they belong to, over the old file.

    The file is complete under its name or not there: a run killed while it writes leaves the old
    one.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (NAME + ".part")
    arrays: dict[str, Any] = _by_path(tree)
    arrays |= {"records." + name: array for name, array in records.items()}
    arrays["description"] = np.array(json.dumps(description))
    with part.open("wb") as file:
        np.savez(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


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
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        found = json.loads(str(arrays.pop("description")))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error}): {advice}") from error
    if found != description:
        names = sorted(found.keys() | description.keys())
        other = [name for name in names if found.get(name) != description.get(name)]
        raise ValueError(f"{path} belongs to a run with another {', '.join(other)}: {advice}")
    names = list(_by_path(tree))
    if missing := [name for name in names if name not in arrays]:
        raise ValueError(f"{path} lacks {missing[0]}, written by another version? {advice}")
    leaves = [arrays[name] for name in names]
    records = {n.removeprefix("records."): a for n, a in arrays.items() if n.startswith("records.")}
    return jax.tree.unflatten(jax.tree.structure(tree), leaves), records
