"""Chapters build the package: what a cell marked `# builds:` defines is what the package has.

A code cell that begins with `# builds: offline_tutor.algorithms.td3.critic_loss` holds a definition
whose syntax tree is the package's, docstrings and comments aside. Several names are separated by
commas or stand on lines of their own. `# builds (simplified): ...` marks a definition that reads
differently and is shown, in a later cell, to compute the same numbers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.chapters import ROOT, Chapter, chapters

MARK = re.compile(r"# builds(?P<simplified> \(simplified\))?: *(?P<names>.+)")
Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Build:
    """One name that one cell says it builds."""

    name: str  # offline_tutor.algorithms.td3.critic_loss
    simplified: bool
    chapter: Chapter
    index: int  # of the cell in the chapter

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def source(self) -> str:
        return self.chapter.cells[self.index].source

    @property
    def place(self) -> str:
        """Where it stands, for error messages."""
        return f"{self.chapter.name}, cell {self.chapter.cells[self.index].id!r}"


def marks(source: str) -> Iterator[tuple[str, bool]]:
    """(name, simplified) of each name in the `# builds:` lines that a cell begins with."""
    for line in source.splitlines():
        match = MARK.fullmatch(line.strip())
        if match is None:
            return
        for name in match["names"].split(","):
            yield name.strip(), match["simplified"] is not None


def builds_of(chapter: Chapter) -> list[Build]:
    return [
        Build(name, simplified, chapter, index)
        for index, cell in enumerate(chapter.cells)
        if cell.cell_type == "code"
        for name, simplified in marks(cell.source)
    ]


def builds() -> list[Build]:
    """Every build of the book, in reading order."""
    return [build for chapter in chapters() for build in builds_of(chapter)]


def module_source(module: str) -> str:
    """Text of a module of the package, read without importing it.

    Raises:
        ValueError: there is no such module.
    """
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise ValueError(f"there is no module {module!r}: correct the name in '# builds:'")


def definitions(source: str) -> dict[str, Definition]:
    """What a piece of code defines at its top level, by name: functions, classes, assignments."""
    return definitions_of(ast.parse(source))


def definitions_of(tree: ast.Module | ast.ClassDef) -> dict[str, Definition]:
    """The same for code that is already parsed, or for the body of a class."""
    found: dict[str, Definition] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update({target.id: node for target in targets if isinstance(target, ast.Name)})
    return found


def package_definition(build: Build) -> Definition:
    """The package's definition of what a cell builds.

    Raises:
        ValueError: the package has no such module, or the module no such definition.
    """
    found = definitions(module_source(build.module))
    if build.short_name not in found:
        raise ValueError(f"{build.module} defines no {build.short_name!r} ({build.place})")
    return found[build.short_name]


def bare(node: ast.AST) -> str:
    """A syntax tree as text, without docstrings, comments and positions."""
    tree = ast.parse(ast.unparse(node))
    for inner in ast.walk(tree):
        if has_docstring(inner):
            inner.body = inner.body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def has_docstring(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return False
    return ast.get_docstring(node, clean=False) is not None


def public_names(module: str) -> set[str]:
    """Public functions, classes and values made by a call, such as `TD3_BC = replace(...)`."""
    return {
        name
        for name, node in definitions(module_source(module)).items()
        if not name.startswith("_")
        and (isinstance(node, ast.FunctionDef | ast.ClassDef) or isinstance(node.value, ast.Call))
    }
