"""The first code cell of every notebook, where the package is installed and where it is not.

Most tests run it in an environment of its own that has all but the package, with the index closed:
what can be had without one is all that the cell may count on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata, util
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

from tools.address import WHEEL
from tools.chapters import ROOT
from tools.elsewhere import notebooks, setup_cell

FOUND = '\nprint("FOUND", util.find_spec("offline_tutor").origin)\n'


def test_does_nothing_where_the_package_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it ran something"))
    monkeypatch.setenv("OFFLINE_TUTOR_SPEC", "impossible")
    exec(setup_cell(["git+https://example.org/a/b"]), {})


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What the cell would have run, in an empty folder. It works unless asked for "first"."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, int("first" in command), "", "no such thing")

    monkeypatch.setattr(util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("OFFLINE_TUTOR_SPEC", raising=False)
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "1")
    monkeypatch.chdir(tmp_path)
    return ran


def test_installs_the_package_and_leaves_jax_alone(commands: list[list[str]]) -> None:
    exec(setup_cell(["first", "second", "third"]), {})
    pins = [f"{name}=={metadata.version(name)}" for name in ("jax", "jaxlib", "flax", "numpy")]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins]
    assert commands == [[*pip, "first"], [*pip, "second"]]
    assert os.environ["GIT_TERMINAL_PROMPT"] == "0"


def test_a_checkout_around_the_notebook_is_used_as_it_is(
    commands: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("offline_tutor/algorithms", "notebooks/exercises"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "exercises")
    exec(setup_cell(["first"]), {})
    (command,) = commands
    assert command[-2:] == ["-e", str(tmp_path)]
    assert sys.path[-1] == str(tmp_path)  # this Python reads no new .pth file any more


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every package that is installed here, but for this one."""
    folder = tmp_path_factory.mktemp("others")
    for kind in ("platlib", "purelib"):
        for entry in Path(sysconfig.get_path(kind)).iterdir():
            ours = entry.name.lstrip("_").startswith(("offline_tutor", "offline-tutor"))
            if not (ours or (folder / entry.name).exists()):
                (folder / entry.name).symlink_to(entry)
    return folder


class Machine:
    """A Python that has all but the package, and a folder in which a notebook lies alone."""

    def __init__(self, folder: Path, others: Path) -> None:
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        self.python = venv / "bin" / "python"
        (packages,) = venv.glob("lib/python*/site-packages")
        (packages / "others.pth").write_text(f"{others}\n", encoding="utf-8")
        self.folder = folder / "content"
        self.folder.mkdir()

    def run(self, homes: list[str], spec: str | None = None, folder: Path | None = None) -> str:
        """Runs the cell. Returns all that it says, and where the package is then found."""
        hidden = ("PYTHONPATH", "OFFLINE_TUTOR_SPEC", "VIRTUAL_ENV")
        variables = {name: value for name, value in os.environ.items() if name not in hidden}
        # The index is closed, so what builds a package is what is here ("false" is how pip has it).
        variables |= {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "false", "PIP_RETRIES": "0"}
        variables |= {"OFFLINE_TUTOR_SPEC": spec} if spec is not None else {}
        result = subprocess.run(
            [self.python, "-c", setup_cell(homes) + FOUND],
            cwd=folder or self.folder,
            env=variables,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return result.stdout + result.stderr

    def installed(self, said: str) -> bool:
        """Whether it was installed, and into this environment."""
        return f"FOUND {self.python.parents[1]}" in said


@pytest.fixture
def machine(tmp_path: Path, others: Path) -> Machine:
    return Machine(tmp_path, others)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of the book as it is now, of which the package is enough."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "offline_tutor", folder / "offline_tutor", ignore=ignored)
    (folder / "notebooks" / "exercises").mkdir(parents=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return folder


@pytest.fixture(scope="module")
def site(sphinx_extension: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a site that serves the wheel, as the built book does."""
    pytest.importorskip("hatchling")
    served: ModuleType = sphinx_extension("served")
    folder = tmp_path_factory.mktemp("site")
    assert served.build_wheel(folder) is None
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_installs_from_the_repository_at_its_commit(machine: Machine, checkout: Path) -> None:
    pytest.importorskip("hatchling")
    command = ["git", "-C", checkout, "rev-parse", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert machine.installed(machine.run([f"git+file://{checkout}@{commit}"]))
    assert "Traceback" not in machine.run([])  # the second time there is nothing to do


def test_installs_from_the_site_where_the_repository_is_closed(machine: Machine, site: str) -> None:
    said = machine.run([f"git+file://{machine.folder}/private", f"{site}/{WHEEL}"])
    assert "fatal: " in said, "what pip says of the first address is shown"
    assert machine.installed(said)


def test_a_spec_comes_before_every_address(machine: Machine, site: str) -> None:
    (machine.folder / "offline_tutor").mkdir()  # a clone of that name is not the package
    assert machine.installed(machine.run(["git+file:///nowhere"], spec=f"{site}/{WHEEL}"))


def test_a_spec_that_fails_is_not_replaced_by_something_else(machine: Machine, site: str) -> None:
    said = machine.run([f"{site}/{WHEEL}"], spec="/content/offline_tutor-0.0.0-py3-none-any.whl")
    assert "RuntimeError: No offline_tutor beside Python 3." in said
    assert "0.0.0-py3-none-any.whl: ERROR: Could not install packages due to an OSError" in said


def test_says_what_is_missing_and_what_to_set(machine: Machine) -> None:
    said = machine.run([])
    version = metadata.version("jax")
    assert f"RuntimeError: No offline_tutor beside Python 3.{sys.version_info[1]}" in said
    assert f"jax=={version}" in said
    assert "repository is not known" in said and "os.environ['OFFLINE_TUTOR_SPEC']" in said
    assert "pip" not in said.partition("RuntimeError: ")[2]


def test_quotes_pip_on_every_address(machine: Machine) -> None:
    said = machine.run([f"git+file://{machine.folder}/private", "offline-tutor==0.0.1"])
    lines = said.partition("RuntimeError: ")[2].splitlines()
    assert lines[1].startswith(f"git+file://{machine.folder}/private: fatal: ")
    assert lines[2].startswith("offline-tutor==0.0.1: ERROR: No matching distribution")


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: "/".join(path.parts[-3:]))
def test_no_notebook_asks_an_index_for_whatever_version(path: Path) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    assert "offline-tutor[" not in text and '"offline-tutor"' not in text
