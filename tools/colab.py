"""Runs the chapters and the exercises as Google Colab would.

`python -m tools.colab --constraints FILE-OR-URL`: Colab publishes what it has installed, as a list
that pip understands. An environment with those versions is made once; then each notebook, alone in
an empty folder, installs the package by its own first cell and runs to the end: from the wheel, as
the book's site serves it, or from this repository (`--home repository`). It fails if a cell fails,
if the first cell changed what was there, or if an index was asked for the package.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import nbformat

from tools.address import NAME, WHEEL, git
from tools.chapters import ROOT, chapters
from tools.elsewhere import setup_cell

FOLDER = ROOT / "_build" / "colab"
LOG = FOLDER / "pip.log"
PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([^\s;]+)")
RUNTIME = ["ipykernel", "ipywidgets", "nbclient", "pip"]  # what runs a notebook and installs
RUN = """
import sys, nbformat
from nbclient import NotebookClient
NotebookClient(nbformat.read(sys.argv[1], 4), timeout=900, kernel_name="python3").execute()
"""


def read(source: str) -> str:
    """Text of a file or an address.

    Raises:
        SystemExit: it cannot be read.
    """
    try:
        if source.startswith(("http://", "https://")):
            with urllib.request.urlopen(source, timeout=60) as answer:
                return answer.read().decode()
        return Path(source).read_text(encoding="utf-8")
    except (OSError, URLError) as error:
        raise SystemExit(
            f"Colab's list of packages cannot be read from {source} ({error}). Without a network, "
            "name a copy of it: make colab COLAB_CONSTRAINTS=pip-freeze.txt"
        ) from error


def pins(text: str) -> dict[str, str]:
    """Version by name, of the rows `name==version`. Rows with addresses and paths are left out.

    Raises:
        SystemExit: it is not a list of Colab's packages.
    """
    found = (PIN.fullmatch(line.strip()) for line in text.splitlines())
    versions = {normal(match[1]): match[2] for match in found if match}
    if "jax" not in versions:
        raise SystemExit("This is not a list of Colab's packages: it has no row 'jax==...'.")
    return versions


def normal(name: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    """What the package asks for, and what runs notebooks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"] + RUNTIME


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and what it had when it was made."""

    python: Path
    versions: Mapping[str, str]

    def installed(self) -> dict[str, str]:
        """Version by name of what it has now."""
        rows = self.pip("list", "--format=freeze")
        return {normal(match[1]): match[2] for match in map(PIN.fullmatch, rows.split()) if match}

    def pip(self, *arguments: str) -> str:
        """Runs pip there. Returns what it prints."""
        command = [str(self.python), "-m", "pip", "--disable-pip-version-check", *arguments]
        result = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
        if result.returncode:
            raise SystemExit(f"pip {arguments[0]} failed; what it says is above.")
        return result.stdout

    def reset(self) -> None:
        """Restores it to what Colab is before a notebook is opened."""
        if extra := sorted(self.installed().keys() - self.versions.keys()):
            self.pip("uninstall", "--quiet", "--yes", *extra)
        if changed(self.versions, self.installed()):
            self.pip("install", "--quiet", "--no-deps", *listing(self.versions).split())


def listing(versions: Mapping[str, str]) -> str:
    """The list as pip reads it."""
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What each package of `before` is now, if its version has changed or it is gone."""
    return [
        f"{name} {version} is now {after.get(name, 'gone')}"
        for name, version in before.items()
        if after.get(name) != version
    ]


def make_environment(python: str, versions: Mapping[str, str]) -> Environment:
    """Colab's versions of everything that the chapters need, and nothing that Colab lacks.

    It is kept in _build/colab and reused until Colab's list changes.
    """
    made, recipe = FOLDER / "made.txt", f"{python} {requirements()}\n{listing(versions)}"
    venv = FOLDER / "venv"
    here = Environment(venv / "bin" / "python", {})
    if not made.is_file() or made.read_text(encoding="utf-8") != recipe:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        (FOLDER / "constraints.txt").write_text(listing(versions), encoding="utf-8")
        subprocess.run([python, "-m", "venv", venv], check=True)
        constraints = ["-c", str(FOLDER / "constraints.txt")]
        here.pip("install", "--quiet", *constraints, *requirements())
        made.write_text(recipe, encoding="utf-8")
    present = here.installed().keys() & versions.keys()
    return Environment(here.python, {name: versions[name] for name in present})


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def home(kind: str, environment: Environment) -> Iterator[str]:
    """Where the first cell finds the package: this repository's last commit, or a site's wheel."""
    if kind == "repository":
        yield f"git+file://{ROOT}@{git('rev-parse', 'HEAD')}"
        return
    with tempfile.TemporaryDirectory() as folder:
        environment.pip("wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(ROOT))
        handler = partial(Quiet, directory=folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/{WHEEL}"
            server.shutdown()


def copy_alone(notebook: Path, folder: str, address: str) -> Path:
    """Copies a notebook, whose first cell then knows this address alone."""
    copied = nbformat.read(notebook, as_version=4)
    for cell in copied.cells:
        if cell.id == "setup":
            cell.source = setup_cell([address])
    nbformat.write(copied, Path(folder) / notebook.name)
    return Path(folder) / notebook.name


def run_alone(python: Path, notebook: Path, address: str) -> subprocess.CompletedProcess[str]:
    """Runs a copy of a notebook with nothing beside it, nothing at home and nothing compiled."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "JAX_COMPILATION_CACHE_DIR", "OFFLINE_TUTOR_SPEC"}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as user:
        variables = {name: value for name, value in os.environ.items() if name not in hidden}
        variables |= {"HOME": user, "PIP_LOG": str(LOG), "PIP_CACHE_DIR": str(FOLDER / "pip")}
        LOG.unlink(missing_ok=True)
        return subprocess.run(
            [python, "-c", RUN, copy_alone(notebook, folder, address)],
            cwd=folder,
            env=variables,
            check=False,
            capture_output=True,
            text=True,
        )


def asked_an_index() -> list[str]:
    """What pip's log of the last notebook says of the package's name on an index."""
    log = LOG.read_text(encoding="utf-8") if LOG.is_file() else ""
    return [f"An index was asked for {NAME}."] if f"/{NAME}/" in log else []


def processor_seconds() -> float:
    """Processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def notebooks() -> dict[str, Path]:
    """What readers open in Colab, by name: `31_td3`, and its exercises, `exercises/31_td3`."""
    book = [chapter.path for chapter in chapters()]
    handed_out = (path.parent / "exercises" / "student" / path.name for path in book)
    exercises = {f"exercises/{path.stem}": path for path in handed_out if path.is_file()}
    return {path.stem: path for path in book} | exercises


def report(name: str, ok: bool, seconds: float, wall: float) -> str:
    return f"{name:32} {'ok' if ok else 'FAILED':8}{seconds:6.0f} s of processor,{wall:6.0f} s"


def passes(name: str, notebook: Path, environment: Environment, address: str) -> bool:
    """Runs one notebook, and prints how that went."""
    environment.reset()
    processor, wall = processor_seconds(), time.monotonic()
    result = run_alone(environment.python, notebook, address)
    used = processor_seconds() - processor, time.monotonic() - wall
    faults = [result.stderr[-3000:]] if result.returncode else []
    faults += changed(environment.versions, environment.installed()) + asked_an_index()
    print(report(name, not faults, *used), *faults, sep="\n", flush=True)
    return not faults


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.colab", description=__doc__)
    parser.add_argument("--constraints", required=True, help="Colab's list: a file or an address")
    parser.add_argument("--python", default="python3.13", help="Colab's Python")
    parser.add_argument("--home", default="site", choices=["site", "repository"])
    parser.add_argument("names", nargs="*", help="what to run, such as 31_td3 or exercises/31_td3")
    asked = parser.parse_args(arguments)
    book = notebooks()
    if unknown := set(asked.names) - set(book):
        raise SystemExit(f"There is no notebook {min(unknown)!r}; there are {', '.join(book)}.")
    versions = pins(read(asked.constraints))
    if shutil.which(asked.python) is None:
        raise SystemExit(
            f"There is no {asked.python} here, which is Colab's Python. Install it, or name "
            "another: make colab COLAB_PYTHON=python3.12"
        )
    environment = make_environment(asked.python, versions)
    print(f"Colab's {len(environment.versions)} packages, with jax {versions['jax']}.", flush=True)
    failures = 0
    with home(asked.home, environment) as address:
        for name in asked.names or book:
            failures += not passes(name, book[name], environment, address)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
