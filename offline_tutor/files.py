"""Files and folders that are whole or not there, at whatever moment a process is killed.

What is being written is called `<name>.<process>-<thread>.part`. Whoever writes there next deletes
what a process left that is no more.
"""

import contextlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

PART = re.compile(r"(?P<name>.+)\.(?P<process>\d+)-\w+(?P<old>\.old)?\.part")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Where to write a file or a folder, which becomes `path` at the end of the block.

    Where the block raises, or the process is killed, `path` stays what it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_away(path.parent, path.name)
    place = f"{path.name}.{os.getpid()}-{threading.get_native_id()}"
    part, old = path.with_name(f"{place}.part"), path.with_name(f"{place}.old.part")
    try:
        yield part
        if part.is_dir() and path.exists():  # no system call replaces a folder that holds something
            path.replace(old)
        elif not part.is_dir():
            with part.open("rb") as file:
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        _delete(part)
        _delete(old)


@contextlib.contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """An empty folder, gone at the end; where the process is killed, when one is next asked for.

    `name` says whose it is.
    """
    clear_away(Path(tempfile.gettempdir()), name)
    place = f"{name}.{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=place, suffix=".part") as folder:
        yield Path(folder)


def clear_away(folder: Path, name: str | None = None) -> None:
    """Deletes what killed processes were writing in a folder, under `name` or any.

    A folder that had only stepped aside for its successor goes back to its place.
    """
    for path in folder.glob("*.part"):
        found = PART.fullmatch(path.name)
        if found is None or name not in (None, found["name"]) or _is_alive(int(found["process"])):
            continue
        if found["old"] and not path.with_name(found["name"]).exists():
            path.replace(path.with_name(found["name"]))
        _delete(path)


def _is_alive(process: int) -> bool:
    """Whether a process of this machine has that number."""
    if os.name != "posix":
        return True  # there, asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's, or no number of a process at all
    return True


def _delete(path: Path) -> None:
    """Deletes a file or a folder, if it is there and may be deleted."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
