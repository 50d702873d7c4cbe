"""Runs a notebook inside the sandbox; `sandbox` starts it with `python -m`.

Reads the task from standard input, as JSON. Writes one line of JSON to standard output before and
after each cell, so that the grader sees which cell ended the process. The grader trusts nothing
that arrives there, because the notebook's code can do whatever this program can.
"""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

LATE = "offline_tutor: out of time"
CHECK = (
    "__import__('offline_tutor.classroom.grading.check_cells', fromlist=['observe_answer'])"
    ".observe_answer(get_ipython().user_ns, {id!r}, {seed!r}, {file!r})"
)
MAX_OBSERVATION = 2**20  # bytes; those of the book's exercises have at most 20 kB
ANSI = re.compile(r"\x1b\[[0-9;]*m")
ARROW = re.compile(r"^-+> *(\d+) ?(.*)$", re.MULTILINE)


class QuietClient(NotebookClient):
    """A client that receives no outputs, so that a notebook may print any amount."""

    def output(self, *arguments: Any, **named: Any) -> None:
        """Drops an output."""

    def listen_to_states_only(self) -> None:
        """Subscribes to the kernel's states ("busy" and "idle", which end a cell) alone."""
        assert self.kc is not None
        socket = self.kc.iopub_channel.socket
        socket.subscribe(b"kernel.")
        socket.unsubscribe(b"")


class NotebookRun:
    """One run of a notebook and of its checks, until the last of them or until the kernel dies."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.checks = {check["id"]: check for check in task["checks"]}
        self.reply: dict[str, Any] = {}
        self.client = QuietClient(
            new_notebook(cells=[new_code_cell()]),
            km=AsyncKernelManager(transport="ipc", ip=os.path.join(task["folder"], "kernel")),
            allow_errors=True,
            interrupt_on_timeout=True,
            error_on_timeout={"ename": LATE},
            record_timing=False,
            store_widget_state=False,
            on_cell_executed=self._keep_reply,
        )

    def _keep_reply(self, execute_reply: dict[str, Any], **_: Any) -> None:
        self.reply = execute_reply["content"]

    def run(self) -> None:
        """Runs every cell, then every check."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # The kernel is not shut down in order: the grader kills all processes together.
        with self.client.setup_kernel(cwd=os.getcwd(), cleanup_kc=False, **quiet):
            self.client.listen_to_states_only()
            steps = [(str(number), source) for number, source in self.task["cells"]]
            steps += [(id, CHECK.format(**check)) for id, check in self.checks.items()]
            if all(self.run_step(name, source) for name, source in steps):
                send(step="", outcome="finished")

    def run_step(self, name: str, source: str) -> bool:
        """Runs one cell or check. Returns whether the kernel can run the next one."""
        send(step=name, outcome="begun")
        try:
            outcome = self.execute(source, self.task["cell_seconds"])
            if outcome == "late" and self.execute("None", 5) == "late":
                outcome = "deaf"  # it ignores the interrupt
        except DeadKernelError:
            outcome = "dead"
        if name in self.checks:
            send_observation(name, self.checks[name]["file"])
        send(step=name, outcome=outcome, **self.error() if outcome == "error" else {})
        return outcome in ("done", "error", "late")

    def execute(self, source: str, seconds: int) -> str:
        """Executes source code in the kernel. Returns how it ended, in one word."""
        self.client.timeout = seconds
        self.client.execute_cell(new_code_cell(source), 0)
        if any(payload.get("source") == "ask_exit" for payload in self.reply.get("payload", [])):
            return "dead"
        if self.reply.get("ename") == LATE:
            return "late"
        if self.reply.get("ename") == "MemoryError":
            return "full"  # memory that the cell still holds could make later cells fail
        return "done" if self.reply["status"] == "ok" else "error"

    def error(self) -> dict[str, str]:
        """The error's first line, and the line of the cell that raised it."""
        lines = f"{self.reply.get('ename')}: {self.reply.get('evalue')}".splitlines()
        traceback = ANSI.sub("", "\n".join(self.reply.get("traceback", [])))
        arrow = ARROW.search(traceback)
        line = f"line {arrow[1]}: {arrow[2].strip()}" if arrow else ""
        return {"error": lines[0].strip(": ")[:300], "line": line[:200]}


def send(**message: str) -> None:
    """Sends one line to the grader."""
    print(json.dumps(message), flush=True)


def send_observation(id: str, path: str) -> None:
    """Sends the file that a check has written, if it has."""
    try:
        # The notebook's code may have put a pipe there, which must not block.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            data = file.read(MAX_OBSERVATION)
    except OSError:
        return
    send(observed=id, npz=base64.b64encode(data or b"").decode())


def apply_limits(limits: dict[str, int], cpus: list[int]) -> None:
    """Limits this process and all that it starts; none of them can raise a limit again."""
    wanted = {
        # JAX reserves far more addresses than it uses, so RLIMIT_AS would be too strict.
        resource.RLIMIT_DATA: limits["memory_mb"] * 2**20,
        resource.RLIMIT_FSIZE: limits["disk_mb"] * 2**20,
        resource.RLIMIT_CPU: limits["seconds"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 1024,
    }
    if "tasks" in limits:
        wanted[resource.RLIMIT_NPROC] = limits["tasks"]
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    if cpus and hasattr(os, "sched_setaffinity"):  # a busy submission must not slow the others
        os.sched_setaffinity(0, cpus)


def end_with(parent: int) -> None:
    """Ends this process, and with it the kernel, as soon as the grader has died."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    task = json.load(sys.stdin)
    threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
    apply_limits(task["limits"], task["cpus"])
    os.chdir(task["folder"])
    NotebookRun(task).run()
    os._exit(0)


if __name__ == "__main__":
    main()
