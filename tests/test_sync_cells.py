"""The tools that compare cells with the package and write them from it, on a tiny package."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import agreement
from tools.agreement import bare, builds_of, definitions, package_definition
from tools.chapters import Chapter
from tools.sync_cells import sync

PACKAGE = '''"""A module."""

from functools import partial


def double(x: float) -> float:
    """Twice x.

    A second paragraph, which chapters do not need.
    """
    # Why: because.
    return 2 * x


update = partial(
    double,
    x=3,
)
'''
SYNCED = '''# builds: package.numbers.double, package.numbers.update
import functools


def double(x: float) -> float:
    """Twice x."""
    # Why: because.
    return 2 * x


double(1)


update = partial(
    double,
    x=3,
)'''
OUTDATED = """# builds: package.numbers.double, package.numbers.update
import functools


def double(x):
    return x + x


double(1)"""


@pytest.fixture
def make_chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "numbers.py").write_text(PACKAGE, encoding="utf-8")
    monkeypatch.setattr(agreement, "ROOT", tmp_path)
    monkeypatch.setattr("tools.chapters.ROOT", tmp_path)

    def make(source: str) -> Chapter:
        path = tmp_path / "99_trial.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
        return Chapter(path)

    return make


def agrees(chapter: Chapter, number: int = 0) -> bool:
    build = builds_of(chapter)[number]
    shown = definitions(build.source)[build.short_name]
    return bare(shown) == bare(package_definition(build))


def test_sync_writes_definitions_and_leaves_the_rest(make_chapter) -> None:
    chapter = make_chapter(OUTDATED)
    assert not agrees(chapter)
    assert sync(chapter) == ["package.numbers.double", "package.numbers.update"]
    written = Chapter(chapter.path)
    assert written.cells[0].source == SYNCED
    assert agrees(written, 0) and agrees(written, 1)
    assert sync(written) == []


@pytest.mark.parametrize(
    ("body", "same"),
    [
        ('    """Another docstring."""\n    return 2 * x  # aside', True),
        ("    return 2*x", True),
        ("    return 2.0 * x", False),
        ("    return x * 2", False),
        ("    y = 2 * x\n    return y", False),
    ],
)
def test_agreement_is_of_syntax_not_of_docstrings_and_comments(make_chapter, body, same) -> None:
    head = "# builds: package.numbers.double\ndef double(x: float) -> float:\n"
    assert agrees(make_chapter(head + body)) is same


@pytest.mark.parametrize("name", ["package.numbers.treble", "package.letters.double"])
def test_a_name_that_the_package_lacks_is_told(make_chapter, name: str) -> None:
    build = builds_of(make_chapter(f"# builds: {name}\nx = 1"))[0]
    with pytest.raises(ValueError, match=name.split(".")[1]):
        package_definition(build)


def test_marks_count_only_at_the_beginning(make_chapter) -> None:
    chapter = make_chapter("x = 1\n# builds: package.numbers.double")
    assert builds_of(chapter) == []


def test_simplified_cells_are_left_alone(make_chapter) -> None:
    chapter = make_chapter(
        "# builds (simplified): package.numbers.double\ndouble = lambda x: 2 * x"
    )
    assert [build.simplified for build in builds_of(chapter)] == [True]
    assert sync(chapter) == []
