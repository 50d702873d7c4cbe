"""What a chapter's outputs depend on, besides its own code.

The notebook cache of Jupyter Book sees only a chapter's cells. A chapter must also run again when
a module that it reaches changes, or a dataset that it names, the lock, or Python itself. Which
module imports which is read from the source by grimp, so nothing of the package is imported here.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

from tools import package
from tools.chapters import ROOT, Chapter
from tools.package import PACKAGE

DATASETS = "data/embedded"
# Finds an algorithm by the name in a file. Code that loads a policy of some algorithm imports that
# algorithm anyway; every other chapter would depend on all of them.
LOOKS_UP = [("offline_tutor.policies", "offline_tutor.algorithms")]


def fingerprint(chapter: Chapter) -> str:
    """A hash of all that the chapter's outputs depend on, besides its own cells."""
    code = "\n".join(cell.source for cell in chapter.code_cells)
    modules = reached_modules(code)
    files = modules | results_beside(modules) | datasets(code) | {ROOT / "requirements.txt"}
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(files):
        digest.update(file.relative_to(ROOT).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def reached_modules(code: str) -> set[Path]:
    """The package's files that a piece of code imports, and those that they import in turn.

    Python also runs the packages above a module. Their own files count; what they hand on from
    other modules does not, unless the code takes it from there.
    """
    graph = import_graph()
    named = set().union(*(module_of(name, graph) for name in names_in(code)))
    reached = named.union(*map(graph.find_upstream_modules, named))
    above = {".".join(parts[:end]) for parts in map(parts_of, reached) for end in range(len(parts))}
    return {file_of(module) for module in reached | above - {""}}


def import_graph() -> grimp.ImportGraph:
    """Which module of the package imports which, or names it in a string: an entry point."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None, exclude_type_checking_imports=True)
    for importer, imported in LOOKS_UP:
        if {importer, imported} <= graph.modules:
            graph.remove_import(importer=importer, imported=imported)
    for module in graph.modules:
        for name in references(file_of(module).read_text(encoding="utf-8")):
            for known in module_of(name, graph):
                graph.add_import(importer=module, imported=known)
    return graph


def names_in(code: str) -> Iterator[str]:
    """Dotted names of the package that a piece of code imports or writes out."""
    alias = {}
    nodes = list(ast.walk(ast.parse(code)))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}  # a.b of a.b.c
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                alias[name.asname or PACKAGE] = name.name if name.asname else PACKAGE
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Attribute) and id(node) not in inner:
            first, _, rest = ast.unparse(node).partition(".")
            yield f"{alias.get(first, first)}.{rest}"
    yield from references(code)


def references(text: str) -> list[str]:
    """Names of the package that are a whole string: "offline_tutor.environments:PointMazeEnv"."""
    return re.findall(rf"[\"']({PACKAGE}(?:\.\w+)+)(?::\w+)?[\"']", text)


def module_of(name: str, graph: grimp.ImportGraph) -> set[str]:
    """The module that defines what a dotted name begins with; none if it is not the package's."""
    if parts_of(name)[0] != PACKAGE:
        return set()
    while name not in graph.modules:
        if found := package.known(name):
            return {found.module.path}
        name = name.rpartition(".")[0]
    return {name}


def parts_of(name: str) -> list[str]:
    return name.split(".")


def file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def results_beside(modules: set[Path]) -> set[Path]:
    """Files of results that stand beside modules which may read them."""
    beside = (file for module in modules for file in module.parent.iterdir())
    return {file for file in beside if file.suffix in {".csv", ".json", ".npz"}}


def datasets(text: str) -> set[Path]:
    """Files of the embedded datasets of every task that a piece of code names.

    By task (`pendulum`), not by dataset, since code may put a name together: `f"pendulum/{kind}"`.
    """
    tasks = (path for path in (ROOT / PACKAGE / DATASETS).glob("[a-z]*") if path.is_dir())
    named = (path for path in tasks if re.search(rf"[\"']{path.name}(/|[\"'])", text))
    return {file for path in named for file in path.rglob("*") if file.is_file()}
