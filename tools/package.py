"""What of the package is public, and where it is defined and listed; griffe reads the source.

Public is what `__all__` names, or else what a module defines without an underscore. The pages in
book/api say which modules are listed: `<!-- api: offline_tutor.data -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import griffe

from tools.chapters import ROOT

PACKAGE = "offline_tutor"
PAGES = ROOT / "book" / "api"
ENTRIES = re.compile(r"<!-- api: ([\w.]+) -->")
OPTIONS = {"returns_multiple_items": False, "returns_named_value": False, "warnings": False}


@cache
def package() -> griffe.Module:
    return griffe.load(
        PACKAGE,
        search_paths=[ROOT],
        allow_inspection=False,  # which would import what it cannot read
        docstring_parser="google",
        docstring_options=OPTIONS,
    )


def find(path: str) -> griffe.Object:
    """What the package has under a full name, wherever that is defined.

    Raises:
        KeyError: it has no such name.
    """
    found = package().modules_collection[path]
    return found.final_target if isinstance(found, griffe.Alias) else found


def known(path: str) -> griffe.Object | None:
    """What the package has under a full name; None if the name is another's."""
    try:
        return find(path) if path.startswith(f"{PACKAGE}.") else None
    except (KeyError, griffe.AliasResolutionError):  # an attribute of a value; another's module
        return None


@cache
def modules() -> tuple[str, ...]:
    """The modules that the pages list, by name."""
    texts = (page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    return tuple(sorted({name for text in texts for name in ENTRIES.findall(text)}))


def public(module: str) -> Iterator[griffe.Object]:
    """What a module makes public: in the order of the source, or of the alphabet for `__all__`."""
    this = find(module)
    if this.exports is not None:
        names = sorted(map(str, this.exports), key=str.lower)
        yield from (find(this.imports.get(name, f"{module}.{name}")) for name in names)
    else:
        yield from defined(this)


def defined(module: griffe.Object) -> Iterator[griffe.Object]:
    """What a module itself defines without an underscore."""
    for name, member in module.members.items():
        if not (member.is_alias or member.is_module or name.startswith("_")):
            yield member


@cache
def addresses() -> dict[str, str]:
    """By the full name under which something is defined, that under which it is listed.

    They are the same where a page lists the module that defines it, else it is listed with a
    package that hands it on.
    """
    found: dict[str, str] = {}
    for module in modules():
        for one in public(module):
            address = f"{module}.{one.name}"
            if address == one.path or one.path not in found:
                found[one.path] = address
    return found


def listed(path: str) -> str | None:
    """The name under which the pages list something, by whatever name it was imported."""
    found = known(path)
    return addresses().get(found.path) if found else None
