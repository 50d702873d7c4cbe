"""Results that take too long for the build, each a file beside the program that made it.

Every file says how it came about (`load(...)[1]`): command, commit, machine, versions, seconds,
and whatever the program adds, such as seeds and settings.
"""

import json
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from offline_tutor.files import replacing

FOLDER = Path(__file__).parent


def load(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name, and how they were made, of a file such as "alpha_sweep_maze_stitch"."""
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        names = sorted(file.stem for file in FOLDER.glob("*.npz"))
        raise ValueError(f"no precomputed results {name!r}; there are: {', '.join(names)}")
    return read(path)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `write` wrote."""
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return arrays, json.loads(str(arrays.pop("meta")))


def write(path: Path, arrays: dict[str, Any], *, command: str, seconds: float, **meta: Any) -> None:
    """Writes arrays, together with how they were made; `meta` is anything that JSON can hold."""
    made = {
        "command": command,
        "commit": commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("jax", "flax", "optax", "numpy", "gymnasium")},
        "seconds": round(seconds, 1),
    }
    with replacing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, meta=np.array(json.dumps(made | meta)), **arrays)


def commit() -> str:
    """The commit that the package is at; "changed" follows where its files differ from it."""
    try:
        head, changes = (
            subprocess.run(
                ["git", *arguments], cwd=FOLDER.parent, capture_output=True, text=True, check=True
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--", "*.py"])
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown: the package is not in a repository"
    return f"{head}, changed" if changes else head
