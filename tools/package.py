"""What of the package is public, and where it is defined, read from the source text.

Public is what a module defines without an underscore; of a package with `__all__`, what that names,
and its inner modules are its own affair.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from itertools import chain

from tools import agreement
from tools.chapters import ROOT
from tools.docstrings import comments

PACKAGE = "offline_tutor"


class Module:
    """One file of the package, read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.source = agreement.module_source(name)
        self.tree = ast.parse(self.source)
        self.definitions = agreement.definitions(self.source)
        self.comments = comments(self.source)
        self.imported = dict(self._imports())

    def _imports(self) -> Iterator[tuple[str, str]]:
        """Names that it takes from elsewhere in the package, and what they are in full."""
        blocks = (node.body for node in self.tree.body if isinstance(node, ast.If))
        for node in (*self.tree.body, *chain.from_iterable(blocks)):  # `if TYPE_CHECKING:` too
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                for name in node.names:
                    yield name.asname or name.name, f"{node.module}.{name.name}"

    @property
    def exported(self) -> list[str] | None:
        """What `__all__` names, if there is one."""
        node = self.definitions.get("__all__")
        return None if node is None else sorted(ast.literal_eval(node.value), key=str.lower)

    @property
    def parents(self) -> list[str]:
        """Names that it hands on from another module, which are marked for Ruff as such."""
        lines = self.source.splitlines()
        marked = [
            node
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom)
            and any("F401" in line for line in lines[node.lineno - 1 : node.end_lineno])
        ]
        return [self.imported[name.asname or name.name] for node in marked for name in node.names]

    def definition(self, name: str) -> agreement.Definition:
        """What it defines under a name.

        Raises:
            ValueError: it defines no such thing; a package's `__all__` may have promised it.
        """
        if name not in self.definitions:
            raise ValueError(f"{self.name} neither defines {name!r} nor imports it by that name")
        return self.definitions[name]


@cache
def read(name: str) -> Module:
    return Module(name)


@cache
def modules() -> tuple[str, ...]:
    """The modules whose names are public, by name."""
    found = []
    for file in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        above = [".".join(parts[:end]) for end in range(1, len(name.split(".")))]
        inner = any(read(package).exported is not None for package in above)
        private = any(part.startswith("_") for part in name.split("."))
        if not inner and not private and list(public(name)):
            found.append(name)
    return tuple(found)


def public(module: str) -> Iterator[tuple[str, str]]:
    """(name, module that defines it) of each public name of a module, in the source's order."""
    this = read(module)
    if this.exported is not None:
        for name in this.exported:
            yield name, this.imported.get(name, f"{module}.{name}").rpartition(".")[0]
    else:
        yield from ((name, module) for name in this.definitions if not name.startswith("_"))


@cache
def addresses() -> dict[str, str]:
    """By the full name under which something is defined, that under which it is listed."""
    return {
        f"{home}.{name}": f"{module}.{name}"
        for module in modules()
        for name, home in public(module)
    }


def listed(full: str) -> str | None:
    """The name under which the pages list something, wherever it was imported from."""
    module, _, name = full.rpartition(".")
    if full in addresses() or not module.startswith(PACKAGE):
        return addresses().get(full)
    try:
        further = read(module).imported.get(name)
    except ValueError:  # the name is an attribute of something that is no module
        return None
    return listed(further) if further else None
