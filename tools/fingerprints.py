"""What a chapter's outputs depend on, besides its own code.

The notebook cache of Jupyter Book sees only a chapter's cells. A chapter must also run again when
a module that it reaches changes, a dataset that it names, the lock, or Python itself.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.agreement import definitions
from tools.chapters import ROOT, Chapter

PACKAGE = "offline_tutor"
DATASETS = ROOT / PACKAGE / "datasets"
REFERENCE = re.compile(
    rf"{PACKAGE}(\.\w+)+(:\w+)?"
)  # an entry point: "offline_tutor.environments:X"


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
    reached: set[Path] = set()
    waiting = set().union(*(files_of(name) for name in names_in(code, package="")))
    while waiting:
        file = waiting.pop()
        reached.add(file)
        package = ".".join(file.relative_to(ROOT).parent.parts)
        for name in names_in(file.read_text(encoding="utf-8"), package):
            waiting |= files_of(name) - reached
    return reached


def names_in(code: str, package: str) -> Iterator[str]:
    """Dotted names of the package that a piece of code imports or writes out."""
    alias = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for name in node.names:
                alias[name.asname or PACKAGE] = name.name if name.asname else PACKAGE
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            for name in node.names:
                yield f"{module}.{name.name}"
        elif isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            yield f"{alias.get(first, first)}.{rest}"
        elif isinstance(node, ast.Constant) and REFERENCE.fullmatch(str(node.value)):
            yield str(node.value).replace(":", ".")


def files_of(name: str) -> set[Path]:
    """The files that Python runs to reach a dotted name, those of its parent packages included.

    A package may make its names only when asked for (`__getattr__`). Reading it then does not tell
    where such a name comes from, and all of the package counts.
    """
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return set()
    files: set[Path] = set()
    folder = ROOT
    for index, part in enumerate(parts):
        path = folder / part
        if path.with_suffix(".py").is_file():
            return files | {path.with_suffix(".py")}
        if not (path / "__init__.py").is_file():
            known = definitions((folder / "__init__.py").read_text(encoding="utf-8"))
            asked_for = "__getattr__" in known and part not in known and index > 0
            return files | (set(folder.rglob("*.py")) if asked_for else set())
        files.add(path / "__init__.py")
        folder = path
    return files


def results_beside(modules: set[Path]) -> set[Path]:
    """Files of results that stand beside modules which may read them."""
    beside = (file for module in modules for file in module.parent.iterdir())
    return {file for file in beside if file.suffix in {".csv", ".json", ".npz"}}


def datasets(text: str) -> set[Path]:
    """Files of the embedded datasets of every task that a piece of code names.

    By task (`pendulum`), not by dataset, since code may put a name together: `f"pendulum/{kind}"`.
    """
    tasks = (path for path in DATASETS.glob("[a-z]*") if path.is_dir())
    named = (path for path in tasks if re.search(rf"[\"']{path.name}(/|[\"'])", text))
    return {file for path in named for file in path.rglob("*") if file.is_file()}
