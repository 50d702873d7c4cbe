"""Writes the cells marked `# builds:` from the package: `python -m tools.sync_cells`.

A definition in such a cell becomes the package's text, each docstring cut to its first line; one
that is missing is added at the cell's end. Everything else in the cell stays.
"""

from __future__ import annotations

import ast

import nbformat

from tools.agreement import (
    Build,
    Definition,
    builds_of,
    definitions,
    has_docstring,
    module_source,
    package_definition,
)
from tools.chapters import Chapter, chapters


def lines_of(node: Definition) -> tuple[int, int]:
    """First and one past the last line of a definition, from 0, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return first - 1, node.end_lineno or node.lineno


def short_text(build: Build) -> list[str]:
    """The package's lines of a definition, each docstring cut to its first line."""
    lines = module_source(build.module).splitlines()
    definition = package_definition(build)
    cut = set()
    for node in filter(has_docstring, ast.walk(definition)):
        first, last = lines_of(node.body[0])  # type: ignore[attr-defined]
        if last - first > 1:
            lines[first] = lines[first].rstrip() + '"""'
            cut.update(range(first + 1, last))
    return [lines[number] for number in range(*lines_of(definition)) if number not in cut]


def synced(build: Build, source: str) -> str:
    """The cell's text with the package's definition in it."""
    lines = source.splitlines()
    present = definitions(source)
    if build.short_name in present:
        first, last = lines_of(present[build.short_name])
    else:
        lines += ["", ""]
        first = last = len(lines)
    lines[first:last] = short_text(build)
    return "\n".join(lines)


def sync(chapter: Chapter) -> list[str]:
    """Rewrites the cells of one chapter that differ. Returns the names that changed."""
    changed = []
    for build in builds_of(chapter):
        cell = chapter.cells[build.index]
        source = cell.source if build.simplified else synced(build, cell.source)
        if source != cell.source:
            cell.source = source
            changed.append(build.name)
    if changed:
        nbformat.write(chapter.notebook, chapter.path)
    return changed


def main() -> None:
    changed = [f"{chapter.name}: {name}" for chapter in chapters() for name in sync(chapter)]
    print("\n".join(changed) or "All cells agree with the package.")


if __name__ == "__main__":
    main()
