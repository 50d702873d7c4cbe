"""`make colab`, as far as it needs no network: the list, the lone notebook, the verdict."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import colab
from tools.chapters import ROOT, chapters

LIST = """# comment
jax==0.7.2
opt_einsum==3.4.0
torch @ https://download.pytorch.org/torch-2.9.0%2Bcpu-cp313.whl
google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz
"""


def test_pins_are_the_rows_with_versions() -> None:
    assert colab.pins(LIST) == {"jax": "0.7.2", "opt-einsum": "3.4.0"}


def test_something_else_is_not_taken_for_the_list() -> None:
    with pytest.raises(SystemExit, match="not a list of Colab's packages"):
        colab.pins("<html>404: Not Found</html>")


def test_missing_list_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"cannot be read.*COLAB_CONSTRAINTS="):
        colab.read(str(tmp_path / "pip-freeze.txt"))


def test_missing_python_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(LIST, encoding="utf-8")
    with pytest.raises(SystemExit, match=r"no python9\.9 here.*COLAB_PYTHON="):
        colab.main(["--constraints", str(tmp_path / "list.txt"), "--python", "python9.9"])


def test_unknown_chapter_is_named() -> None:
    with pytest.raises(SystemExit, match=r"no notebook '99_x'; there are .*32_td3_bc"):
        colab.main(["--constraints", "list.txt", "99_x"])


def test_changes_are_named() -> None:
    before = {"jax": "0.7.2", "numpy": "2.1.3", "six": "1.17.0"}
    after = {"jax": "0.10.2", "numpy": "2.1.3", "minari": "0.5.4"}
    assert colab.changed(before, after) == ["jax 0.7.2 is now 0.10.2", "six 1.17.0 is now gone"]


ALONE = """
import os
assert os.listdir() == ["trial.ipynb"], os.listdir()
assert os.listdir(os.environ["HOME"]) in ([], [".ipython"]), os.listdir(os.environ["HOME"])
assert "OFFLINE_TUTOR_SPEC" not in os.environ
assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
"""


def test_the_copy_knows_one_address(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    chapter = chapters()[0]
    copy = colab.copy_alone(chapter.path, str(tmp_path / "alone"), "https://example.org/a.whl")
    cells = nbformat.read(copy, as_version=4).cells
    changed = [cell.id for cell, old in zip(cells, chapter.cells, strict=True) if cell != old]
    assert changed == ["setup"]
    assert [
        cell.source.count("https://example.org/a.whl") for cell in cells if cell.id == "setup"
    ] == [1]


@pytest.mark.parametrize(
    ("code", "fault"), [(ALONE, ""), ("1 / 0", "ZeroDivisionError")], ids=["alone", "failing"]
)
def test_a_notebook_runs_alone(
    code: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/somewhere")
    (tmp_path / "beside.txt").touch()
    notebook = tmp_path / "trial.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(code)]), notebook)
    result = colab.run_alone(Path(sys.executable), notebook, "https://example.org/a.whl")
    assert (result.returncode != 0) == bool(fault), result.stderr
    assert fault in result.stderr


class Recorded(colab.Environment):
    """An environment in which nothing is really installed."""

    def installed(self) -> dict[str, str]:
        return {"jax": self.pip("now")}

    def reset(self) -> None:
        pass

    def pip(self, *arguments: str) -> str:
        return str(self.python)


@pytest.mark.parametrize(
    ("jax", "returncode", "log", "verdict"),
    [
        ("0.7.2", 0, "https://pypi.org/simple/minari/", "ok"),
        ("0.7.2", 1, "", "FAILED"),
        ("0.10.2", 0, "", "FAILED"),
        ("0.7.2", 0, "1 location(s): https://pypi.org/simple/offline-tutor/", "FAILED"),
    ],
    ids=["good", "a cell fails", "another jax", "an index is asked"],
)
def test_verdict(
    jax: str,
    returncode: int,
    log: str,
    verdict: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "list.txt").write_text(LIST, encoding="utf-8")
    environment = Recorded(Path(jax), {"jax": "0.7.2"})
    result = subprocess.CompletedProcess([], returncode, "", "NameError: one")
    monkeypatch.setattr(colab, "make_environment", lambda python, versions: environment)
    monkeypatch.setattr(
        colab, "home", lambda *_: contextlib.nullcontext("https://example.org/a.whl")
    )
    monkeypatch.setattr(colab, "LOG", tmp_path / "pip.log")
    (tmp_path / "pip.log").write_text(log, encoding="utf-8")
    monkeypatch.setattr(colab, "run_alone", lambda *arguments: result)
    asked = ["--constraints", str(tmp_path / "list.txt"), "--python", sys.executable]
    assert colab.main(asked) == (verdict != "ok")
    shown = capsys.readouterr().out
    lines = re.findall(rf"^(\S+) +{verdict} +0 s of processor", shown, re.MULTILINE)
    names = [chapter.path.stem for chapter in chapters()]
    assert lines == names + [f"exercises/{name}" for name in names]
    assert ("NameError" in shown) == bool(returncode)
    assert ("jax 0.7.2 is now 0.10.2" in shown) == (jax != "0.7.2")
    assert ("An index was asked for offline-tutor" in shown) == ("offline-tutor" in log)


def test_make_asks_colab_unless_told_otherwise() -> None:
    def commands(*variables: str) -> str:
        command = ["make", "--dry-run", "colab", *variables]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert "googlecolab/backend-info/main/pip-freeze.txt" in commands()
    told = commands("COLAB_CONSTRAINTS=list.txt", "COLAB_PYTHON=python3.12")
    assert '--constraints "list.txt" --python "python3.12"' in told
