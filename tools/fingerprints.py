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

from tools.chapters import ROOT, Chapter

PACKAGE = "offline_tutor"
DATASETS = "data/embedded"
ON_DEMAND = "def __getattr__("  # a module of which names are imported when somebody asks for them


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
    """The package's files that a piece of code imports, and those that they import in turn."""
    graph = import_graph()
    named = set().union(*(modules_of(name, graph) for name in names_in(code)))
    reached = named.union(*map(graph.find_upstream_modules, named))
    return {file_of(module) for module in reached}


def import_graph() -> grimp.ImportGraph:
    """Which module of the package runs which: those it imports, its parents, entry points.

    A module that makes its names on demand runs nothing for it; `modules_of` sees to those who ask.
    """
    graph = grimp.build_graph(PACKAGE, cache_dir=None, exclude_type_checking_imports=True)
    for module in graph.modules - {PACKAGE}:
        text = file_of(module).read_text(encoding="utf-8")
        entry_points = [] if ON_DEMAND in text else references(text)
        for name in (module.rpartition(".")[0], *entry_points):
            graph.add_import(importer=module, imported=known_part(name, graph))
    return graph


def names_in(code: str) -> Iterator[str]:
    """Dotted names of the package that a piece of code imports or writes out."""
    alias = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for name in node.names:
                alias[name.asname or PACKAGE] = name.name if name.asname else PACKAGE
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            yield f"{alias.get(first, first)}.{rest}"
    yield from references(code)


def references(text: str) -> list[str]:
    """Names of the package that begin a string: "offline_tutor.environments:PointMazeEnv"."""
    return re.findall(rf"[\"']({PACKAGE}(?:\.\w+)+)", text)


def modules_of(name: str, graph: grimp.ImportGraph) -> set[str]:
    """The modules that must run for a dotted name to be there; none if it is not the package's."""
    if name.partition(".")[0] != PACKAGE:
        return set()
    module = known_part(name, graph)
    if name != module and ON_DEMAND in file_of(module).read_text(encoding="utf-8"):
        return {module} | graph.find_descendants(module)  # the source does not say which of them
    return {module}


def known_part(name: str, graph: grimp.ImportGraph) -> str:
    """The module that a dotted name begins with."""
    while name not in graph.modules:
        name = name.rpartition(".")[0]
    return name


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
