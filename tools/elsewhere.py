"""What a notebook carries so that it works away from its checkout: `python -m tools.elsewhere`.

Its first cell knows the book's addresses, from which it can install the package, and its links to
the book's own pages lead there, once pyproject.toml names an address; until then they are relative.
`make sync` writes both into what is committed, and the build of the book into what its site serves.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nbformat

from tools.address import GITHUB, committed_homes, urls, with_clone_line
from tools.chapters import ROOT

TEXTS = (ROOT / "README.md", ROOT / "book" / "intro.md")  # they say how to get the book
CELL = ROOT / "tests" / "setup_cell.py"
HOMES = "HOMES = []\n"
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # by Colab, by JupyterLab
LINK = re.compile(r"(?<=\]\()(?P<path>[^)#\s]+)(?=[)#\s])")
PAGE = re.compile(r"(?:(?:\.\./)+|https?://\S+/)(?P<name>book/[\w/-]+)\.(?:md|html)")
CHAPTER = re.compile(r"(?:\.\./)*(?P<name>\d\d_\w+\.ipynb)")


def setup_cell(homes: Iterable[str]) -> str:
    """The text of the first cell, which knows where the book is at home."""
    lines = "".join(f'    "{home}",\n' for home in homes)
    text = CELL.read_text(encoding="utf-8").rstrip("\n")
    return text.replace(HOMES, f"HOMES = [\n{lines}]\n" if lines else HOMES, 1)


@dataclass(frozen=True)
class Home:
    """Where the book is at home, for notebooks that are read away from it."""

    homes: Sequence[str] = ()  # what pip may install the package from
    site: str | None = None
    repository: str | None = None
    alone: bool = False  # they come without the other notebooks, which links then do not find

    def address(self, name: str) -> str | None:
        """Address of a file of the repository: its page on the site, else the file on GitHub."""
        if self.site:
            return f"{self.site}/{PurePosixPath(name).with_suffix('.html')}"
        on_github = self.repository and self.repository.startswith(GITHUB)
        return f"{self.repository}/blob/main/{name}" if on_github else None


def linked(text: str, folder: str, home: Home) -> str:
    """Markdown of a notebook in `folder` whose links to the book's pages lead to an address.

    Without one they are relative. Links between notebooks stay, unless those come alone: where the
    others are, JupyterLab, GitHub and Colab open them as notebooks.
    """

    def moved(match: re.Match[str]) -> str:
        path = match["path"]
        page, chapter = PAGE.fullmatch(path), CHAPTER.fullmatch(path)
        if page and (ROOT / f"{page['name']}.md").is_file():
            name = f"{page['name']}.md"
            return home.address(name) or "../" * len(PurePosixPath(folder).parts) + name
        if chapter and home.alone:
            return home.address(f"notebooks/{chapter['name']}") or path
        return path

    return LINK.sub(moved, text)


def adapted(notebook: nbformat.NotebookNode, folder: str, home: Home) -> bool:
    """Writes first cell and links of a notebook in `folder`. Says whether that changed anything."""
    before = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.id == "setup":
            cell.source = setup_cell(home.homes)
            cell.metadata |= FOLDED
        elif cell.cell_type == "markdown":
            cell.source = linked(cell.source, folder, home)
    return before != notebook


def committed() -> Home:
    """What committed notebooks know, from pyproject.toml."""
    return Home(committed_homes(), urls().get("Documentation"), urls().get("Repository"))


def notebooks() -> list[Path]:
    """Every notebook that is committed: chapters, exercises, and what is made from these."""
    return sorted(ROOT.glob("notebooks/**/*.ipynb"))


def sync(path: Path) -> bool:
    """Writes one committed notebook from pyproject.toml. Says whether it has changed."""
    notebook = nbformat.read(path, as_version=4)
    if changed := adapted(notebook, path.parent.relative_to(ROOT).as_posix(), committed()):
        nbformat.write(notebook, path)
    return changed


def sync_text(path: Path) -> bool:
    """Writes the line `git clone ...` of a text from pyproject.toml. Says if that changed it."""
    text = path.read_text(encoding="utf-8")
    told = with_clone_line(text, urls().get("Repository"))
    path.write_text(told, encoding="utf-8")
    return told != text


def main() -> None:
    paths = [path for path in notebooks() if sync(path)]
    paths += [path for path in TEXTS if sync_text(path)]
    changed = [path.relative_to(ROOT).as_posix() for path in paths]
    print("\n".join(changed) or "All first cells and links agree with pyproject.toml.")


if __name__ == "__main__":
    main()
