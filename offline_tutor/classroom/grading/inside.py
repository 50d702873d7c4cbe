"""Runs a notebook inside the sandbox: `python -m offline_tutor.classroom.grading.inside < task`.

What happens is appended, as it happens, to `trace`, a line of JSON a step: the grader outside sees
from it which step a process died of. Nothing in here is trusted outside, since the notebook's code
can do all that this program can.
"""

from __future__ import annotations

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
    "__import__('offline_tutor.classroom.grading.looking', fromlist=['look'])"
    ".look(get_ipython().user_ns, {id!r}, {seed!r}, {file!r})"
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
ARROW = re.compile(r"^-+> *(\d+) ?(.*)$", re.MULTILINE)


class QuietClient(NotebookClient):
    """Keeps no outputs: whatever a notebook prints, however much, is not even sent."""

    def output(self, *arguments: Any, **named: Any) -> None:
        """Drops an output."""

    def listen_to_states_only(self) -> None:
        """Of all that the kernel tells, asks for "busy" and "idle", which end a cell."""
        assert self.kc is not None
        socket = self.kc.iopub_channel.socket
        socket.subscribe(b"kernel.")
        socket.unsubscribe(b"")


class Run:
    """One run of a notebook, and then of its checks, until the end or the kernel's."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.trace = open(task["trace"], "a")  # noqa: SIM115  (open until the process ends)
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

    def whole(self) -> None:
        """Runs every cell, and then every check."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # Nobody waits for the kernel's end: the grader ends all processes together.
        with self.client.setup_kernel(cwd=os.getcwd(), cleanup_kc=False, **quiet):
            self.client.listen_to_states_only()
            steps = [(str(number), source) for number, source in self.task["cells"]]
            steps += [(check["id"], CHECK.format(**check)) for check in self.task["checks"]]
            if all(self.step(name, source) for name, source in steps):
                self.say(step="", outcome="finished")

    def step(self, name: str, source: str) -> bool:
        """Runs one cell. Returns whether the kernel is there for the next."""
        self.say(step=name, outcome="begun")
        try:
            outcome = self.execute(source, self.task["cell_seconds"])
            if outcome == "late" and self.execute("None", 5) == "late":
                outcome = "deaf"  # it does not listen to an interrupt
        except DeadKernelError:
            outcome = "dead"
        self.say(step=name, outcome=outcome, **self.error() if outcome == "error" else {})
        return outcome in ("done", "error", "late")

    def execute(self, source: str, seconds: int) -> str:
        self.client.timeout = seconds
        self.client.execute_cell(new_code_cell(source), 0)
        if any(payload.get("source") == "ask_exit" for payload in self.reply.get("payload", [])):
            return "dead"
        if self.reply.get("ename") == LATE:
            return "late"
        if self.reply.get("ename") == "MemoryError":
            return "full"  # what the cell did get may still be held, and would fail what follows
        return "done" if self.reply["status"] == "ok" else "error"

    def error(self) -> dict[str, str]:
        """The error's last line, and the line of the cell where it came up."""
        lines = f"{self.reply.get('ename')}: {self.reply.get('evalue')}".splitlines()
        traceback = ANSI.sub("", "\n".join(self.reply.get("traceback", [])))
        arrow = ARROW.search(traceback)
        line = f"line {arrow[1]}: {arrow[2].strip()}" if arrow else ""
        return {"error": lines[0].strip(": ")[:300], "line": line[:200]}

    def say(self, **event: str) -> None:
        self.trace.write(json.dumps(event) + "\n")
        self.trace.flush()


def obey(limits: dict[str, int], cpus: list[int]) -> None:
    """Takes limits upon itself that the kernel inherits, and that no process can lift again."""
    data, disk = limits["memory_mb"] * 2**20, limits["disk_mb"] * 2**20
    wanted = {
        resource.RLIMIT_DATA: data,  # JAX reserves far more addresses than it uses: not RLIMIT_AS
        resource.RLIMIT_FSIZE: disk,
        resource.RLIMIT_CPU: limits["seconds"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 1024,
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    if cpus and hasattr(os, "sched_setaffinity"):  # so that a busy one does not slow the others
        os.sched_setaffinity(0, cpus)


def end_with(parent: int) -> None:
    """Ends this process, and thereby the kernel, as soon as the grader has died."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    task = json.load(sys.stdin)
    threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
    obey(task["limits"], task["cpus"])
    os.chdir(task["folder"])
    Run(task).whole()
    os._exit(0)


if __name__ == "__main__":
    main()
