"""What README.md and the first page tell people to type is typed here, word by word.

What they install needs an index of packages and minutes: with OFFLINE_TUTOR_INSTALL=1 that is run
too, as it is once a week.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from code_blocks import Block, blocks, differs, run_shell

import offline_tutor
from tools import elsewhere
from tools.address import urls, with_clone_line
from tools.chapters import ROOT

README, INTRO = ROOT / "README.md", ROOT / "book" / "intro.md"
TEXT = README.read_text(encoding="utf-8")
FIRST_PAGE = INTRO.read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def block(word: str) -> Block:
    """The one piece of the README's code with a word in it."""
    (found,) = (one for one in blocks(README) if word in one.text)
    return found


def lines(code: Block) -> list[str]:
    """Its commands, without comments."""
    return [line.partition("  #")[0].strip() for line in code.text.splitlines()]


def test_the_first_page_repeats_the_readme() -> None:
    repeated = [one._replace(heading="") for one in blocks(README)]
    ours = [one._replace(heading="") for one in blocks(INTRO)]
    assert len(ours) >= 5
    assert [one for one in ours if one not in repeated] == []
    sizes = [re.findall(r"\d+ packages|[\d.]+ GB", text) for text in (TEXT, FIRST_PAGE)]
    assert sorted(sizes[0]) == sorted(sizes[1]) and len(sizes[0]) == 4


def test_the_address_is_that_of_pyproject() -> None:
    for path in elsewhere.TEXTS:
        text = path.read_text(encoding="utf-8")
        assert "\ngit clone " in text
        assert text == with_clone_line(text, urls().get("Repository")), "make sync"
    known = with_clone_line(TEXT, "https://example.org/a/book")
    assert "\ngit clone https://example.org/a/book offline-tutor\n" in known
    assert "ADDRESS" not in known and with_clone_line(known, None) == with_clone_line(TEXT, None)


def test_it_can_be_got(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository, so there is nothing to clone")
    commands = with_clone_line(block("git clone").text, ROOT.as_uri())
    printed = run_shell(f"{commands}pwd\nls", tmp_path).splitlines()
    assert printed[0] == str(tmp_path / "offline-tutor")
    assert {"Makefile", "README.md", "notebooks"} <= set(printed)


def test_what_make_is_told_to_do_exists() -> None:
    assert lines(block("make book\n")) == ["make book", "make test"]
    for target in re.findall(r"`make (\w+)`|^make (\w+)$", TEXT, re.MULTILINE):
        assert re.search(rf"^(?:\w+ )*{''.join(target)}(?: \w+)*:", MAKEFILE, re.MULTILINE), target


def test_the_way_without_make_is_what_make_does() -> None:
    recipe = MAKEFILE.replace("$(BIN)/", "").replace("$(PYTHON)", "python")
    recipe = recipe.replace(" --disable-pip-version-check", "")
    commands = lines(block("python -m tools.execute"))
    assert commands.pop(1) == ". .venv/bin/activate"
    assert len(commands) == 6
    for command in commands:
        assert re.search(rf"(\t|:= ){re.escape(command)}", recipe), command


def told(pattern: str) -> list[float]:
    """Numbers that the README states, in order."""
    return [float(number) for number in re.findall(rf"([\d.]+) {pattern}", TEXT)]


def gigabytes(folder: Path) -> float:
    """What a folder takes on a disk."""
    files = (path.lstat() for path in folder.rglob("*"))
    return sum(4096 * -(-file.st_size // 4096) for file in files) / 1e9


def test_the_size_of_the_environment_is_as_told() -> None:
    pins = re.findall(r"^[\w.-]+==", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    assert len(pins) == pytest.approx(told("packages")[0], rel=0.1)
    if Path(sys.prefix).name != ".venv":
        pytest.skip("this Python is not the one that make set up")
    assert gigabytes(Path(sys.prefix)) == pytest.approx(told("GB")[0], rel=0.25)


@pytest.mark.slow
@pytest.mark.skipif("OFFLINE_TUTOR_INSTALL" not in os.environ, reason="installs 145 packages")
def test_a_chapter_runs_without_the_lock(tmp_path: Path) -> None:
    run_shell(f"git clone -q {ROOT.as_uri()} book", tmp_path)
    commands, folder = block("install -e . jupyterlab").text, tmp_path / "book"
    # The server would wait for a reader; the same program can run the notebook.
    run_shell(commands.replace("jupyter lab --ServerApp.root_dir=.", "jupyter execute"), folder)
    assert gigabytes(folder / ".venv") == pytest.approx(told("GB")[1], rel=0.25)
    packages = list(folder.glob(".venv/lib/*/site-packages/*.dist-info"))
    assert len(packages) == pytest.approx(told("packages")[1], rel=0.1)


@pytest.mark.slow
def test_the_package_ends_better_than_the_data(tmp_path: Path) -> None:
    code = block("import PointMaze")
    (tmp_path / "code.py").write_text(code.text, encoding="utf-8")
    printed = run_shell("python code.py", tmp_path)
    assert code.prints is not None and not differs(printed, code.prints, 0.1)
    data, *learnt = numbers(printed)
    assert data < min(learnt) and len(learnt) == 5
    assert offline_tutor.load_policy(tmp_path / "maze.npz").num_rows == 5


@pytest.mark.slow
def test_the_command_line_ends_better_than_the_data(tmp_path: Path) -> None:
    code = block("offline-tutor train")
    printed = run_shell(code.text, tmp_path)
    assert code.prints is not None and not differs(printed, code.prints, 0.3)
    data = numbers(printed.splitlines()[1])[-3]
    mean, _, low, _ = numbers(printed.splitlines()[-1])[1:]
    assert data < low <= mean
    told = numbers(code.prints.splitlines()[-1])[1]  # other machines round differently
    assert f"{-told:.0f}" in TEXT and f"{-data:.0f}" in TEXT


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"(?<!\w)-?\d+\.?\d*", text)]


@pytest.mark.slow
def test_a_class_is_graded(tmp_path: Path) -> None:
    install, grade = lines(block("offline-tutor grade"))
    (extra,) = re.findall(r'^python -m pip install -e "\.\[(\w+)\]"$', install)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extra in project["optional-dependencies"]
    (tmp_path / "SUBMISSIONS").mkdir()
    student = ROOT / "notebooks" / "exercises" / "student" / "11_fixed_data.ipynb"
    shutil.copy(student, tmp_path / "SUBMISSIONS" / "ann.ipynb")
    run_shell(grade, tmp_path)
    assert "ann" in (tmp_path / "marks.csv").read_text(encoding="utf-8")


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == offline_tutor.__version__
    entry = dict(re.findall(r"^  (\w+) = \{+(.*?)\}+,$", block("@software").text, re.MULTILINE))
    year = entry.pop("year")
    names = ", ".join(author["name"] for author in citation["authors"])
    assert entry == {key: citation[key] for key in ("title", "version")} | {"author": names}
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert year == config["copyright"]
