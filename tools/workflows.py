"""What the workflows under .github would run: jobs, their rows of a matrix, and steps in order.

Everything is read from the workflow files, so that nothing here can differ from what GitHub does.
`tools/rehearsal.py` runs it without GitHub.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.chapters import ROOT

FOLDER = ROOT / ".github" / "workflows"
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
NAME = re.compile(r"'[^']*'|\b[a-z]+(?:\.[\w-]+)+\b")  # a text, which stays, or matrix.python
Context = Mapping[str, Any]  # what expressions may name, such as "matrix.python"


@dataclass(frozen=True)
class Job:
    """One job of one workflow, for one row of its matrix."""

    workflow: str
    name: str
    row: Mapping[str, str]
    settings: Mapping[str, Any]

    @property
    def title(self) -> str:
        return " ".join([self.workflow, self.name, *map(str, self.row.values())])

    @property
    def context(self) -> dict[str, Any]:
        return {f"matrix.{name}": value for name, value in self.row.items()}

    @property
    def machine(self) -> str:
        return str(filled(str(self.settings.get("runs-on", "")), self.context))

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        return self.settings.get("steps", [])


def rows(matrix: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows of a matrix; `include` adds to the rows that it agrees with, or one of its own."""
    axes = {name: values for name, values in matrix.items() if name != "include"}
    found = [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
    original = [dict(row) for row in found]
    for extra in matrix.get("include", []):
        fits = [
            all(row.get(name, value) == value for name, value in extra.items()) for row in original
        ]
        for row, fit in zip(found, fits, strict=False):  # rows of its own have been added
            row.update(extra if fit else {})
        found += [] if any(fits) else [dict(extra)]
    return found


def jobs(workflow: str, folder: Path = FOLDER) -> Iterator[Job]:
    """Every job of a workflow, row by row; for one that is another workflow, that one's jobs."""
    found = yaml.safe_load((folder / workflow).read_text(encoding="utf-8"))["jobs"]
    for name, settings in found.items():
        if "uses" in settings:
            yield from jobs(Path(settings["uses"]).name, folder)
            continue
        for row in rows(settings.get("strategy", {}).get("matrix", {})):
            yield Job(workflow, name, row, settings)


def filled(text: str, context: Context) -> str:
    """A setting with its `${{ expressions }}` computed."""
    return EXPRESSION.sub(lambda match: str(value(match[1], context)), text)


def value(expression: str, context: Context) -> Any:
    """What an expression of a workflow is worth: names, texts, comparisons, `&&` and `||`.

    Raises:
        ValueError: it holds anything else.
    """
    named = NAME.sub(
        lambda match: match[0] if match[0][0] == "'" else repr(context.get(match[0], "")),
        expression,
    )
    python = named.replace("&&", " and ").replace("||", " or ").strip()
    try:
        return computed(ast.parse(python, mode="eval").body, context)
    except (SyntaxError, KeyError) as error:
        raise ValueError(f"cannot compute ${{{{{expression}}}}} without GitHub: {error}") from error


def computed(node: ast.expr, context: Context) -> Any:
    """The value of a parsed expression."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BoolOp):
        for each in node.values:
            found = computed(each, context)
            if bool(found) == isinstance(node.op, ast.Or):
                break
        return found
    if isinstance(node, ast.Compare):
        left, right = computed(node.left, context), computed(node.comparators[0], context)
        return (left == right) == isinstance(node.ops[0], ast.Eq)
    if isinstance(node, ast.Call):
        return context[ast.unparse(node)]  # success(), failure()
    raise KeyError(ast.unparse(node))
