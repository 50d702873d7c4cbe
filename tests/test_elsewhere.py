"""What notebooks carry so that they work away from their checkout, and what the site serves."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import pytest

from tools import elsewhere
from tools.address import WHEEL
from tools.chapters import ROOT, Chapter, chapters
from tools.elsewhere import Home, linked, notebooks, setup_cell

SITE = "https://someone.github.io/book"
REPOSITORY = "https://github.com/someone/book"
HOMES = [f"git+{REPOSITORY}@1a2b", f"{SITE}/{WHEEL}", "offline-tutor==0.1.0"]
RELATIVE = "[a](../book/notation.md#norms) [b](12_datasets.ipynb) [c](https://arxiv.org/book/a.md)"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: "/".join(path.parts[-3:]))
def test_committed_notebooks_know_what_pyproject_says(path: Path) -> None:
    notebook = Chapter(path).notebook
    folder = path.parent.relative_to(ROOT).as_posix()
    assert not elsewhere.adapted(notebook, folder, elsewhere.committed()), "make sync"
    assert [cell.id for cell in notebook.cells if "HOMES" in cell.source] == ["setup"]


def test_the_first_cell_fits_a_screen_with_every_address() -> None:
    text = setup_cell(HOMES)
    assert len(text.splitlines()) <= 45
    assert "HOMES = [\n" + "".join(f'    "{home}",\n' for home in HOMES) + "]\n" in text
    assert setup_cell([]) == elsewhere.CELL.read_text(encoding="utf-8").rstrip("\n")


def test_the_first_cell_is_in_good_style_with_addresses(tmp_path: Path) -> None:
    for homes in ([], HOMES[:1], HOMES):
        (tmp_path / "cell.py").write_text(setup_cell(homes) + "\n", encoding="utf-8")
        command = ["ruff", "format", "--check", "--config", ROOT / "pyproject.toml", tmp_path]
        if shutil.which("ruff") is None:
            pytest.skip("ruff is not on PATH")
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("site", "repository", "target"),
    [
        (SITE, REPOSITORY, f"{SITE}/book/notation.html"),
        (None, REPOSITORY, f"{REPOSITORY}/blob/main/book/notation.md"),
        (None, "https://git.example.org/o/r", "../book/notation.md"),
        (None, None, "../book/notation.md"),
    ],
)
def test_links_to_pages_lead_there_from_everywhere(
    site: str | None, repository: str | None, target: str
) -> None:
    text = linked(RELATIVE, "notebooks", Home((), site, repository))
    assert text == RELATIVE.replace("../book/notation.md", target)
    assert linked(text, "notebooks", Home()) == RELATIVE, "the way back"
    moved = linked(text, "notebooks", Home(site="https://new.example"))
    assert "](https://new.example/book/notation.html#norms)" in moved, "another address"


def test_links_of_others_are_left_alone() -> None:
    text = "[Sutton](http://incompleteideas.net/book/the-book-2nd.html) [a](../book/nowhere.md)"
    assert linked(text, "notebooks", Home((), SITE, REPOSITORY)) == text


@pytest.fixture
def served(
    sphinx_extension: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    extension = sphinx_extension("served")
    monkeypatch.setattr(extension, "built_homes", lambda: HOMES)
    monkeypatch.setattr(extension, "site", lambda: SITE)
    monkeypatch.setattr(extension, "repository", lambda: REPOSITORY)
    return extension


def test_served_notebooks_know_repository_commit_and_site(
    served: ModuleType, tmp_path: Path
) -> None:
    chapter = chapters()[0]
    copy = Path(shutil.copy(chapter.path, tmp_path))
    for _ in range(2):  # a second build finds what the first has written
        served.write_notebooks(tmp_path)
        cells = {cell.id: cell for cell in nbformat.read(copy, as_version=4).cells}
        assert cells["setup"].source == setup_cell(HOMES)
    words = "\n".join(cell.source for cell in cells.values() if cell.cell_type == "markdown")
    links = re.findall(r"(?<=\]\()[^)#\s]+", words)
    assert f"{SITE}/book/notation.html" in links and f"{SITE}/notebooks/12_datasets.html" in links
    assert [link for link in links if not link.startswith("https://")] == []


def test_pages_of_the_book_link_to_the_book(served: ModuleType) -> None:
    source = [f"[a]({SITE}/book/notation.html)"]
    served.stay_inside(None, chapters()[0].name, source)
    assert source == ["[a](../book/notation.md)"]


def test_the_wheel_lies_beside_the_pages(served: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    (tmp_path / "offline_tutor-0.0.1-py3-none-any.whl").touch()
    app = SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(format="html"))
    served.finish(app, None)
    assert [path.name for path in tmp_path.iterdir()] == [WHEEL]
    source = ["Get <!-- the wheel -->."]
    served.link_wheel(None, "book/intro", source)
    assert source == [f'Get <a href="../{WHEEL}">{WHEEL}</a>.']


def test_a_wheel_that_cannot_be_made_is_told(
    served: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no project").mkdir()
    monkeypatch.setattr(served, "ROOT", tmp_path / "no project")
    assert served.build_wheel(tmp_path)


def test_pages_that_promise_the_wheel_name_it() -> None:
    texts = [(ROOT / f"book/{name}.md").read_text(encoding="utf-8") for name in ("intro", "teach")]
    assert all("<!-- the wheel -->" in text for text in texts)
    assert not re.search(r"offline_tutor-\d", "".join(texts))
