"""One process apart: bubblewrap around it where there is one, limits on it in any case.

What bubblewrap covers: no network; of the disk only the system's programs, Python and its packages,
all read-only; one folder to write to, in memory and of limited size; no other process to be seen;
no variable of the environment; and when the grader dies, all of it dies. What it does not cover: a
fault in the kernel of the operating system, which the sandbox shares.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

import offline_tutor
from offline_tutor.classroom.grading.limits import Limits

PACKAGE = Path(offline_tutor.__file__).resolve().parent
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")
SPARE_MB = 1024  # what the processes of a submission may use beyond the limit of one
PAUSE = 0.1  # seconds between two looks at the processes


class SandboxError(RuntimeError):
    """The grader itself could not do its work, whatever the submission."""


class StoppedError(RuntimeError):
    """Grading was stopped from outside: nothing may be concluded about the submission."""


@dataclass(frozen=True)
class Ending:
    """How a run ended, and the files it left, which its code may have written as it liked.

    Attributes:
        reason: "" where it ended by itself, else what it had too much of: "time", "memory",
            "processes".
        trace: the text of its trace.
        error: the end of what it said on standard error.
    """

    reason: str
    trace: str
    error: str


@dataclass(frozen=True)
class Sandbox:
    """Where submissions run.

    Attributes:
        limits: what each may use.
        hidden: folders that must not be seen inside, wherever they lie.
        bubblewrap: path of the program; None for limits alone.
        lack: why there is no bubblewrap, in one line.
    """

    limits: Limits
    hidden: tuple[Path, ...] = ()
    bubblewrap: str | None = None
    lack: str = ""

    @property
    def isolation(self) -> str:
        """In a sentence, what lay between the submissions and the machine."""
        if self.bubblewrap:
            return "Ran inside bubblewrap: no network, a read-only system, one folder to write to."
        return (
            f"Ran WITHOUT a sandbox, with limits on time, memory and files alone ({self.lack}): "
            "its code could read and change whatever the grader's user can."
        )

    def run(
        self, task: dict[str, Any], folder: Path, cpus: Sequence[int], seconds: float,
        stop: threading.Event,
    ) -> Ending:  # fmt: skip
        """Runs `offline_tutor.classroom.grading.inside` with this task, and waits for it.

        `folder` is new and empty. The task names the files of `outputs`; only they, the trace and
        standard error can be written outside memory.

        Raises:
            StoppedError: `stop` was set.
        """
        for name in ("trace", *task["outputs"]):
            (folder / name).touch()
        inner = Path("/grading") if self.bubblewrap else folder
        work = inner / "work"
        if not self.bubblewrap:
            work.mkdir()
        task = _placed(task, inner) | {"cpus": list(cpus), "limits": vars(self.limits)}
        (folder / "task").write_text(json.dumps(task))
        python = [sys.executable, "-P", "-m", "offline_tutor.classroom.grading.inside"]
        command = [*self._walls(folder, task["outputs"]), *python] if self.bubblewrap else python
        with (folder / "task").open() as stdin, (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=stderr, cwd=folder,
                env=_environment(work), start_new_session=True,
            )  # fmt: skip
            reason = self._watch(process, work, time.monotonic() + seconds, stop)
        return Ending(reason, _text(folder / "trace", 2**20), _text(folder / "stderr", 2**12))

    def _walls(self, folder: Path, outputs: Sequence[str]) -> list[str]:
        """The bubblewrap command, up to the program that it runs."""
        disk = str(self.limits.disk_mb * 2**20)
        command = [str(self.bubblewrap), "--unshare-all", "--unshare-user", "--disable-userns"]
        command += ["--cap-drop", "ALL", "--die-with-parent", "--new-session"]
        command += ["--size", disk, "--tmpfs", "/tmp"]  # first: Python may lie below it
        visible = [*_system(), *_python()]
        for path in visible:
            link = path.is_symlink() and str(path) in SYSTEM  # Debian's /lib leads to /usr/lib
            command += ["--symlink", os.readlink(path)] if link else ["--ro-bind", str(path)]
            command += [str(path)]
        for path in self.hidden:
            if path.is_dir() and any(path.is_relative_to(shown) for shown in visible):
                command += ["--tmpfs", str(path), "--remount-ro", str(path)]
        command += ["--proc", "/proc", "--dev", "/dev", "--size", disk, "--tmpfs", "/dev/shm"]
        command += ["--size", disk, "--tmpfs", "/grading/work"]
        for name in ("trace", *outputs):
            command += ["--bind", str(folder / name), f"/grading/{name}"]
        command += ["--remount-ro", "/dev", "--remount-ro", "/"]
        return [*command, "--chdir", "/grading/work", "--"]

    def _watch(
        self, process: subprocess.Popen[bytes], home: Path, end: float, stop: threading.Event
    ) -> str:
        """Waits until the process has ended, or has too much of something, and ends all of it."""
        reason = ""
        tree: list[psutil.Process] = []
        while process.poll() is None and not reason:
            tree = _tree(process.pid)
            reason = "time" if time.monotonic() > end else self._excess(tree)
            if stop.wait(PAUSE):
                reason = "stopped"
        process.kill()  # bubblewrap takes with it all that is inside, whoever started it
        process.wait()
        if not self.bubblewrap:
            tree += _at_home(home)
            for each in tree:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        psutil.wait_procs(tree, timeout=10)
        if reason == "stopped":
            raise StoppedError
        return reason

    def _excess(self, tree: Sequence[psutil.Process]) -> str:
        if len(tree) > self.limits.processes:
            return "processes"
        used = sum(_resident(each) for each in tree)
        return "memory" if used > (self.limits.memory_mb + SPARE_MB) * 2**20 else ""


def find_sandbox(limits: Limits, hidden: Sequence[Path]) -> Sandbox:
    """The best sandbox of this machine: bubblewrap is tried once, really.

    Raises:
        SandboxError: the machine cannot limit a process at all (Windows).
    """
    if os.name != "posix":
        raise SandboxError("grading needs Linux or macOS; on Windows, use WSL or Colab's terminal")
    places = tuple(path.resolve() for path in hidden)
    program = shutil.which("bwrap")
    if program is None:
        return Sandbox(limits, places, None, "bubblewrap is not installed")
    sandbox = Sandbox(limits, places, program)
    with tempfile.TemporaryDirectory(prefix="grading-") as name:
        (Path(name) / "trace").touch()
        python = [sys.executable, "-P", "-c", "import offline_tutor"]
        tried = subprocess.run(
            [*sandbox._walls(Path(name), []), *python], env=_environment(Path("/grading/work")),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    if tried.returncode == 0:
        return sandbox
    last = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]
    return Sandbox(limits, places, None, f"bubblewrap does not work here: {last[:200]}")


def _placed(task: dict[str, Any], inner: Path) -> dict[str, Any]:
    """The task with its files' full names, as they are inside."""
    checks = [check | {"file": str(inner / check["file"])} for check in task["checks"]]
    return task | {
        "folder": str(inner / "work"), "trace": str(inner / "trace"), "checks": checks,
    }  # fmt: skip


def _environment(home: Path) -> dict[str, str]:
    """All that is told to the process: nothing of the teacher's environment, where keys may be."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PATH": programs,
        "LANG": "C.UTF-8",
        "USER": "student",
        "PYTHONPATH": str(PACKAGE.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "JAX_PLATFORMS": "cpu",
    }


def _system() -> list[Path]:
    settings = [Path("/etc") / name for name in SETTINGS]
    return [path for path in (*map(Path, SYSTEM), *settings) if path.exists()]


def _python() -> list[Path]:
    """Python, its packages and this one: what `import` may need, and nothing beside it."""
    places = [Path(sys.prefix), Path(sys.base_prefix), *map(Path, sys.path)]
    inside = {Path(sys.prefix), Path(sys.base_prefix), PACKAGE}
    for place in places:
        # An editable install puts a repository on the path, in which the solutions may lie.
        if place.is_dir() and place.name in ("site-packages", "dist-packages"):
            inside.add(place)
    return sorted({path.resolve() for path in inside} | inside)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _at_home(home: Path) -> list[psutil.Process]:
    """The processes whose HOME it is: those of a submission, unless they hide it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # of other users, or just ended
            if process.environ().get("HOME") == str(home):
                found.append(process)
    return found


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0  # it has just ended


def _text(file: Path, length: int) -> str:
    """The end of a file that a submission may have written."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - length))
        return opened.read(length).decode("utf-8", "replace")
