"""Docstrings and comments as parts of a page: Google's sections, and the words beside a field."""

from __future__ import annotations

import inspect
import io
import re
import tokenize
from dataclasses import dataclass, field

SECTION = re.compile(r"(Args|Attributes|Raises|Returns):")
ITEM = re.compile(r"    (\*{0,2}[\w.]+): *(.*)")


@dataclass
class Docstring:
    """A docstring in its parts; the text is Markdown."""

    text: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    result: str = ""

    @classmethod
    def read(cls, docstring: str | None) -> Docstring:
        """Takes a docstring apart; one that is missing is empty."""
        sections: dict[str, list[str]] = {"": []}
        current = ""
        for line in inspect.cleandoc(docstring or "").splitlines():
            heading = SECTION.fullmatch(line)
            if heading:
                current = heading[1]
            elif current and line and not line.startswith(" "):
                current = ""  # the text goes on below the section
            if not heading:
                sections.setdefault(current, []).append(line)
        return cls(
            text="\n".join(sections[""]).strip(),
            arguments=items(sections.get("Args", [])),
            attributes=items(sections.get("Attributes", [])),
            errors=items(sections.get("Raises", [])),
            result=" ".join(line.strip() for line in sections.get("Returns", [])).strip(),
        )


def items(lines: list[str]) -> dict[str, str]:
    """`name: what it is` of each entry of a section, whose further lines are indented more."""
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        if item := ITEM.fullmatch(line):
            name, found[item[1]] = item[1], item[2]
        elif line.strip() and not name:
            raise ValueError(f"a section of a docstring begins with {line.strip()!r}, not a name")
        elif line.strip():
            found[name] = f"{found[name]} {line.strip()}"
    return found


def comments(source: str) -> dict[int, tuple[str, bool]]:
    """By line: a comment without its `#`, and whether it has the line for itself."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: (token.string.lstrip("# "), not token.line[: token.start[1]].strip())
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def comment_on(first: int, last: int, known: dict[int, tuple[str, bool]]) -> str:
    """What is said beside the lines of a definition, else right above it."""
    beside = [known[line][0] for line in range(first, last + 1) if line in known]
    if beside:
        return " ".join(beside)
    above = []
    while first - 1 in known and known[first - 1][1]:
        first -= 1
        above.insert(0, known[first][0])
    return " ".join(above)
