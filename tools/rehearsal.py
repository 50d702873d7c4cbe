"""Runs here what the workflows run on GitHub, step by step, as far as that goes without it.

`make workflows`, or `python -m tools.rehearsal tests.yml --only lowest --quick`. Each job runs in a
fresh clone of the last commit below _build/workflows, with the Python that it asks for in an
environment of its own. Left out, and said so: what only GitHub or an index can do, what changes the
machine, and jobs for another system. `--quick` runs `make quick` where a step says `make test`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from offline_tutor import __version__
from tools.address import GITHUB, git, on_github
from tools.chapters import ROOT
from tools.workflows import FOLDER, Job, filled, jobs, value

PLACE = ROOT / "_build" / "workflows"
SYSTEMS = {"Linux": "ubuntu", "Darwin": "macos", "Windows": "windows"}
OTHERS = {  # actions that nothing stands for here, and why
    "actions/cache": "make keeps what it needs",
    "actions/deploy-pages": "only GitHub serves the pages",
    "actions/download-artifact": "its files are where they were made",
    "pypa/gh-action-pypi-publish": "nothing is published from here",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.rehearsal", description=__doc__)
    parser.add_argument("workflows", nargs="*", help="such as tests.yml; all if none is named")
    parser.add_argument("--only", default="", help="a word in the titles of the jobs to run")
    parser.add_argument("--quick", action="store_true", help="make quick in place of make test")
    parser.add_argument("--list", action="store_true", help="say what would run, and run nothing")
    parser.add_argument("--python", help="another Python than the workflows ask for, such as 3.12")
    asked = parser.parse_args(arguments)
    names = asked.workflows or sorted(file.name for file in FOLDER.glob("*.yml"))
    chosen = {job.title: job for name in names for job in jobs(name) if asked.only in job.title}
    if not chosen:
        raise SystemExit(f"No job's title contains {asked.only!r}; --list shows them.")
    rehearsals = [Rehearsal(job, asked.quick, asked.python) for job in chosen.values()]
    if asked.list:
        print("\n".join(line for one in rehearsals for line in one.plan()))
        return 0
    failures = [one.job.title for one in rehearsals if not one.run()]
    return int(bool(failures))


@dataclass
class Rehearsal:
    """One job, run here."""

    job: Job
    quick: bool = False
    python: str | None = None
    place: Path = PLACE
    source: Path = ROOT
    failed: bool = False
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.place / f"{self.job.title} {self.python or ''}".strip().replace(" ", "-")

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def repository(self) -> str:
        return (on_github() or f"{GITHUB}nobody/nothing").removeprefix(GITHUB)

    def plan(self) -> list[str]:
        """What would be done, in one line for each step."""
        if reason := self.elsewhere():
            return [line(self.job, "every step", f"left out: {reason}")]
        return [
            line(self.job, title(step), f"left out: {reason}" if reason else "runs")
            for step in self.job.steps
            for reason in [self.left_out(step)]
        ]

    def elsewhere(self) -> str | None:
        """Why the whole job cannot run on this machine."""
        here = SYSTEMS.get(platform.system(), "?")
        return None if self.job.machine.startswith(here) else f"it is for {self.job.machine}"

    def left_out(self, step: Mapping[str, Any]) -> str | None:
        """Why a step is not run here.

        Raises:
            ValueError: it uses an action of which nothing is known here.
        """
        if "sudo " in step.get("run", ""):
            return "it changes the machine"
        action = step.get("uses", "").partition("@")[0]
        if action and action not in OTHERS and action not in STAND_INS:
            raise ValueError(f"{self.job.title}: say in tools/rehearsal.py what is {action} here")
        return OTHERS.get(action)

    def run(self) -> bool:
        """Runs the job, and prints how each step went. Says whether all that ran succeeded."""
        if self.elsewhere():
            print(*self.plan(), sep="\n", flush=True)
            return True
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.variables = self.githubs_variables()
        for number, step in enumerate(self.job.steps, start=1):
            started = time.monotonic()
            said = self.outcome(step, self.folder / f"{number}.log")
            seconds = f", {time.monotonic() - started:.0f} s" if said in ("ok", "FAILED") else ""
            print(line(self.job, title(step), said + seconds), flush=True)
            if said == "FAILED":
                self.failed = True
                print(tail(self.folder / f"{number}.log"), flush=True)
        return not self.failed

    def outcome(self, step: Mapping[str, Any], log: Path) -> str:
        """Does what stands for a step here, and says what came of it."""
        if reason := self.left_out(step):
            return f"left out: {reason}"
        if not value(str(step.get("if", "success()")), self.context()):
            return "not its turn"
        if "uses" in step:
            ok = STAND_INS[step["uses"].partition("@")[0]](self, step.get("with", {}), log)
        else:
            ok = self.shell(step["run"], step.get("env", {}), log)
        return "ok" if ok else "FAILED"

    def context(self) -> dict[str, Any]:
        system = {"Darwin": "macOS"}.get(platform.system(), platform.system())
        return self.job.context | {
            "success()": not self.failed,
            "failure()": self.failed,
            "runner.os": system,
            "github.repository_owner": self.repository.partition("/")[0],
            "github.event.repository.name": self.repository.partition("/")[2],
        }

    def githubs_variables(self) -> dict[str, str]:
        """The variables that GitHub sets and steps here read."""
        hidden = (
            "PYTHONPATH",
            "VIRTUAL_ENV",
            "JAX_COMPILATION_CACHE_DIR",
            "MAKEFLAGS",
            "MAKELEVEL",
        )
        kept = {name: text for name, text in os.environ.items() if name not in hidden}
        return kept | {
            "GITHUB_REF_NAME": f"v{__version__}",
            "GITHUB_REPOSITORY": self.repository,
            "GITHUB_SERVER_URL": GITHUB.rstrip("/"),
            "GITHUB_SHA": git("rev-parse", "HEAD"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_WORKSPACE": str(self.checkout),
            "RUNNER_TEMP": str(self.folder),
        }

    def shell(self, script: str, env: Mapping[str, Any], log: Path) -> bool:
        """Runs a step's own commands, as GitHub's shell would."""
        if self.quick:
            script = script.replace("make test", "make quick")
        added = {name: filled(str(text), self.context()) for name, text in env.items()}
        with log.open("w", encoding="utf-8") as file:
            return not subprocess.run(
                ["bash", "--noprofile", "--norc", "-e", "-c", script],
                cwd=self.checkout,
                env=self.variables | added,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode

    def clone(self, settings: Mapping[str, Any], log: Path) -> bool:
        """What stands for actions/checkout: the last commit, and nothing else."""
        command = ["git", "clone", "--quiet", str(self.source), str(self.checkout)]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        log.write_text(ran.stderr, encoding="utf-8")
        return ran.returncode == 0

    def set_up_python(self, settings: Mapping[str, Any], log: Path) -> bool:
        """What stands for actions/setup-python: an environment that comes first on PATH."""
        version = self.python or filled(str(settings["python-version"]), self.context())
        python = find_python(version)
        if python is None:
            log.write_text(f"There is no Python {version} here.\n", encoding="utf-8")
            return False
        subprocess.run([python, "-m", "venv", self.folder / "python"], check=True)
        first = str(self.folder / "python" / "bin")
        self.variables["PATH"] = os.pathsep.join([first, self.variables["PATH"]])
        return True

    def keep(self, settings: Mapping[str, Any], log: Path) -> bool:
        """What stands for uploads: what they would take is there."""
        found = list(self.checkout.glob(str(settings["path"])))
        log.write_text("" if found else f"There is no {settings['path']}.\n", encoding="utf-8")
        return bool(found)


STAND_INS = {
    "actions/checkout": Rehearsal.clone,
    "actions/setup-python": Rehearsal.set_up_python,
    "actions/upload-artifact": Rehearsal.keep,
    "actions/upload-pages-artifact": Rehearsal.keep,
}


def find_python(version: str) -> str | None:
    """A Python of this version: on PATH, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [f"python{version}", *map(str, pyenv.glob(f"{version}.*/bin/python"))]
    show = "import sys; print('%d.%d' % sys.version_info[:2])"
    for python in filter(None, map(shutil.which, candidates)):
        ran = subprocess.run([python, "-c", show], check=False, capture_output=True, text=True)
        if ran.stdout.strip() == version:
            return python
    return None


def title(step: Mapping[str, Any]) -> str:
    return step.get("name") or step["uses"].partition("@")[0]


def line(job: Job, step: str, said: str) -> str:
    return f"{job.title:40} | {step:55} | {said}"


def tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return "\n".join([f"The last lines of {log}:", *lines[-30:]])


if __name__ == "__main__":
    sys.exit(main())
