"""Runs one submission in a process of its own, inside bubblewrap where that works.

Inside bubblewrap a submission has no network; it sees only the system's programs, Python and its
packages, all read-only; it sees no other process and no environment variables of the teacher; and
everything it started ends when the grader ends. It cannot write to the disk: its files lie in one
file system in memory, of at most `disk_mb` (/tmp, /dev/shm and its home folder are parts of it),
and in one of 4 MB for the numbers that it returns. What it sends to the grader goes through two
pipes, from which the grader reads a limited number of bytes.

The kernel of the operating system enforces the size of the files, the memory of one process and,
where `process_limit` says so, the number of processes. The memory of all processes together is only
measured, ten times a second. Code that tries can hide memory from that (in files without a name, or
in the bookkeeping of very many empty files); a virtual machine or a control group cannot be
deceived like that. Nor does bubblewrap protect against a fault in the kernel, which is shared.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import psutil  # type: ignore[import-untyped]

import offline_tutor
from offline_tutor.classroom.grading.limits import SPARE_MB, Limits

PACKAGE = Path(offline_tutor.__file__).resolve().parent
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime")
FILES = Path("/dev/shm")  # all files of a submission, inside bubblewrap
RETURNED = Path("/grading")  # where its checks write what they return
RETURNED_MB = 4
MAX_SENT = 8 * 2**20  # bytes that a submission may send to the grader
PAUSE = 0.1  # seconds between two looks at the processes
NEEDED = ("jax", "IPython", "ipykernel", "nbclient")
NOBODY = 65534  # the usual id of the user and the group without rights

# Imports the modules that are named; then, under a limit of 16 processes, tries to start 32 and
# prints how many it could.
TRIAL = """
import os, resource, sys, time
if (child := os.fork()) == 0:
    for name in sys.argv[1:]:
        __import__(name)
    os._exit(0)
if os.waitpid(child, 0)[1]:
    sys.exit(1)
resource.setrlimit(resource.RLIMIT_NPROC, (16, 16))
started = 0
try:
    while started < 32:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        started += 1
except OSError:
    pass
print(started, flush=True)
os._exit(0)
"""


class SandboxError(RuntimeError):
    """The grader itself failed; the submission is not to blame."""


class StoppedError(RuntimeError):
    """Grading was stopped from outside, so this run says nothing about the submission."""


@dataclass(frozen=True)
class Ending:
    """How a run ended, and what it sent. The notebook's code may have forged what was sent.

    Attributes:
        reason: the limit that was exceeded: "time", "memory", "processes" or "output". Empty where
            the run ended by itself.
        messages: standard output: a line of JSON for each message of `notebook_runner`.
        errors: standard error.
    """

    reason: str
    messages: str
    errors: str


@dataclass(frozen=True)
class Sandbox:
    """The place where submissions run.

    Attributes:
        limits: the resources that each submission may use.
        hidden: folders that must not be visible inside, wherever they are.
        bubblewrap: path of the program; None for limits alone.
        lack: why bubblewrap is not used, in one line.
        user: id of the user who runs bubblewrap, if it is not the grader's.
        process_limit: whether the kernel limits the number of processes.
    """

    limits: Limits
    hidden: tuple[Path, ...] = ()
    bubblewrap: str | None = None
    lack: str = ""
    user: int | None = None
    process_limit: bool = False

    @property
    def isolation(self) -> str:
        """What separated the submissions from the machine, for people to read."""
        if not self.bubblewrap:
            return (
                f"Ran WITHOUT a sandbox, with only limits on time, memory and files ({self.lack}): "
                "its code could read and change everything that the grader's user can."
            )
        inside = "Ran inside bubblewrap: no network, a read-only system, files in memory only."
        counted = " The number of processes was counted, not limited by the system."
        return inside if self.process_limit else inside + counted

    def run(
        self, task: dict[str, Any], folder: Path, cpus: Sequence[int], seconds: float,
        stop: threading.Event,
    ) -> Ending:  # fmt: skip
        """Runs `notebook_runner` with this task, and waits until it ends.

        `folder` is empty. Inside bubblewrap it is not visible; without bubblewrap, it is the
        submission's folder.

        Raises:
            StoppedError: `stop` was set.
        """
        home, returned = (
            (FILES / "home", RETURNED) if self.bubblewrap else (folder / "home", folder)
        )
        if not self.bubblewrap:
            home.mkdir()
        limits = vars(self.limits) | self._task_limit(cpus)
        checks = [check | {"file": str(returned / check["file"])} for check in task["checks"]]
        task = task | {"folder": str(home), "checks": checks, "cpus": list(cpus), "limits": limits}
        command = [sys.executable, "-P", "-m", "offline_tutor.classroom.grading.notebook_runner"]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as stdin:
            json.dump(task, stdin)
            stdin.seek(0)
            process = subprocess.Popen(
                [*self._walls(), *command], stdin=stdin, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, cwd=folder, env=_environment(home), start_new_session=True,
                **self._as_user(),
            )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        sent = [_Received(process.stdout), _Received(process.stderr)]
        try:
            reason = self._watch(process, sent, home, time.monotonic() + seconds, stop)
        finally:
            messages, errors = (each.text() for each in sent)
        return Ending(reason, messages, errors)

    def _task_limit(self, cpus: Sequence[int]) -> dict[str, int]:
        """The kernel's limit, which counts threads too: Python, Jupyter and JAX need some."""
        threads = 64 + 8 * (len(cpus) or os.cpu_count() or 1)
        return {"tasks": self.limits.processes + threads} if self.process_limit else {}

    def _as_user(self) -> dict[str, Any]:
        """The arguments of `Popen` that start a process as the user."""
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def _walls(self) -> list[str]:
        """The bubblewrap command, up to the program that it runs."""
        if not self.bubblewrap:
            return []
        command = [self.bubblewrap, "--unshare-all", "--unshare-user", "--disable-userns"]
        command += ["--cap-drop", "ALL", "--die-with-parent", "--new-session"]
        visible = [*_system(), *_python()]
        for path in visible:
            link = path.is_symlink() and str(path) in SYSTEM  # Debian's /lib leads to /usr/lib
            command += ["--symlink", os.readlink(path)] if link else ["--ro-bind", str(path)]
            command += [str(path)]
        for path in self.hidden:
            if path.is_dir() and any(path.is_relative_to(shown) for shown in visible):
                command += ["--tmpfs", str(path), "--remount-ro", str(path)]
        command += ["--proc", "/proc", "--dev", "/dev"]
        command += ["--size", str(self.limits.disk_mb * 2**20), "--tmpfs", str(FILES)]
        command += ["--dir", str(FILES / "home"), "--dir", str(FILES / "tmp")]
        if not any(path.is_relative_to("/tmp") for path in visible):
            command += ["--symlink", str(FILES / "tmp"), "/tmp"]
        command += ["--size", str(RETURNED_MB * 2**20), "--tmpfs", str(RETURNED)]
        command += ["--remount-ro", "/dev", "--remount-ro", "/"]
        return [*command, "--chdir", str(FILES / "home"), "--"]

    def _watch(
        self, process: subprocess.Popen[bytes], sent: Sequence[_Received], home: Path, end: float,
        stop: threading.Event,
    ) -> str:  # fmt: skip
        """Waits until the process ends or exceeds a limit, then ends all that it started."""
        reason = ""
        tree: list[psutil.Process] = []
        while process.poll() is None and not reason:
            tree = _tree(process.pid)
            reason = "time" if time.monotonic() > end else self._excess(tree)
            if any(each.full for each in sent):
                reason = "output"
            if stop.wait(PAUSE):
                reason = "stopped"
        process.kill()  # every process inside bubblewrap ends with it
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
        """The limit that the processes exceed together; empty if none."""
        if len(tree) > self.limits.processes:
            return "processes"
        used = sum(_resident(each) for each in tree)
        used += self._written(tree) if self.bubblewrap else 0
        return "memory" if used > (self.limits.memory_mb + SPARE_MB) * 2**20 else ""

    def _written(self, tree: Sequence[psutil.Process]) -> int:
        """Bytes of the submission's files, looked up through one of its processes."""
        most = self.limits.disk_mb * 2**20
        for process in reversed(tree[1:]):  # the first is bubblewrap, outside
            with suppress(OSError):
                space = os.statvfs(f"/proc/{process.pid}/root{FILES}")
                if space.f_blocks * space.f_frsize <= most:  # else bubblewrap is still starting
                    return (space.f_blocks - space.f_bfree) * space.f_frsize
        return 0


class _Received(threading.Thread):
    """Reads what a submission sends, up to a limit, while the grader does other things."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self.pipe = pipe
        self.data = bytearray()
        self.full = False
        self.start()

    def run(self) -> None:
        while part := os.read(self.pipe.fileno(), 2**16):
            self.data += part
            if len(self.data) > MAX_SENT:
                self.full = True
                return

    def text(self) -> str:
        """All that has arrived; the sender has ended."""
        self.join(timeout=10)  # without bubblewrap, a hidden process may keep the pipe open
        if not self.is_alive():
            self.pipe.close()
        return bytes(self.data).decode("utf-8", "replace")


def find_sandbox(limits: Limits, hidden: Sequence[Path]) -> Sandbox:
    """The best sandbox that works on this machine. Each candidate is really started.

    Linux does not limit the number of processes of root. So if the grader runs as root, bubblewrap
    is first tried as the user "nobody", who may be unable to read Python's files.

    Raises:
        SandboxError: the machine cannot limit a process at all (Windows).
    """
    if os.name != "posix":
        raise SandboxError("grading needs Linux or macOS; on Windows, use WSL or Colab's terminal")
    places = tuple(path.resolve() for path in hidden)
    program = shutil.which("bwrap")
    if program is None:
        return Sandbox(limits, places, None, "bubblewrap is not installed")
    lack = ""
    for user in [None] if os.geteuid() else [NOBODY, None]:
        tried = _try_out(Sandbox(limits, places, program, user=user))
        if tried.bubblewrap:
            return tried
        lack = tried.lack
    return Sandbox(limits, places, None, lack)


def _try_out(sandbox: Sandbox) -> Sandbox:
    """The sandbox with what a trial shows: whether it works, and what it limits."""
    # Another user may be unable to read what the grader itself has already imported.
    needed = ["offline_tutor"] if sandbox.user is None else ["offline_tutor", *NEEDED]
    try:
        tried = subprocess.run(
            [*sandbox._walls(), sys.executable, "-P", "-c", TRIAL, *needed], cwd="/",
            env=_environment(FILES / "home"), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=60, **sandbox._as_user(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return replace(sandbox, bubblewrap=None, lack=f"bubblewrap does not work here: {error}")
    if tried.returncode:
        last = (tried.stderr.strip().splitlines() or [f"exit status {tried.returncode}"])[-1]
        return replace(
            sandbox, bubblewrap=None, lack=f"bubblewrap does not work here: {last[:200]}"
        )
    # Before Linux 5.14 the limit counts all processes of the user, so none could be started.
    return replace(sandbox, process_limit=8 <= int(tried.stdout) < 32)


def _environment(home: Path) -> dict[str, str]:
    """All environment variables of the process: none of the teacher's, which may hold keys."""
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
    """Python, its packages and this package: what `import` may need, and nothing else."""
    places = [Path(sys.prefix), Path(sys.base_prefix), *map(Path, sys.path)]
    inside = {Path(sys.prefix), Path(sys.base_prefix), PACKAGE}
    for place in places:
        # An editable install adds a repository to the path, which may contain the solutions.
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
    """The processes that have this HOME: those of a submission, unless they hide it."""
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
