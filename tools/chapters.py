"""The book's pages and its chapters, in reading order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Chapter:
    """A notebook that is a page of the book."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the repository without the suffix: `notebooks/31_td3`."""
        return self.path.relative_to(ROOT).with_suffix("").as_posix()

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        return nbformat.read(self.path, as_version=4)

    @property
    def cells(self) -> list[nbformat.NotebookNode]:
        return self.notebook.cells

    @property
    def code_cells(self) -> list[nbformat.NotebookNode]:
        return [cell for cell in self.cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """The tags of a cell, such as "assertion" or "hide-input"."""
    return set(cell.metadata.get("tags", []))


def contents() -> list[str]:
    """The pages of the book, without suffixes, in the order of `_toc.yml`."""
    table = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [table["root"], *_files(table)]


def chapters() -> list[Chapter]:
    """The notebooks among the book's pages, in order."""
    paths = (ROOT / f"{name}.ipynb" for name in contents())
    return [Chapter(path) for path in paths if path.is_file()]


def _files(entry: object) -> Iterator[str]:
    """Every `file:` below an entry of the table of contents, depth first."""
    if isinstance(entry, dict):
        if "file" in entry:
            yield entry["file"]
        for value in entry.values():
            yield from _files(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _files(value)
