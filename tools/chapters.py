"""The book's chapters, in reading order."""

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
    """A notebook that the table of contents names."""

    path: Path

    @property
    def name(self) -> str:
        """Path below the repository, without its suffix: `notebooks/31_td3`."""
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
    return set(cell.metadata.get("tags", []))


def chapters() -> list[Chapter]:
    """The notebooks of `_toc.yml`, in its order."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    paths = (ROOT / f"{name}.ipynb" for name in _files(contents))
    return [Chapter(path) for path in paths if path.is_file()]


def _files(entry: object) -> Iterator[str]:
    """Every `file:` of the table of contents, depth first."""
    if isinstance(entry, dict):
        if "file" in entry:
            yield entry["file"]
        for value in entry.values():
            yield from _files(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _files(value)
