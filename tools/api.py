"""The pages that list the package: every public name, as the source says it, and where it is built.

Written from the source text, not from imported modules: signatures then read as their author wrote
them (`critic: Critic`, not what the alias stands for), fields and constants keep their comments,
and the build waits for no JAX. What comes out is MyST with Sphinx's own Python directives.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Collection, Sequence

from mdit_py_plugins.anchors.index import slugify

from tools import agreement
from tools.docstrings import Docstring, comment_on
from tools.package import PACKAGE, Module, listed, public, read

HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
# In a page: all of a module, the docstring of one, where everything is built.
ENTRIES = re.compile(r"<!-- api: ([\w.]+) -->")
TEXT = re.compile(r"<!-- the text of ([\w.]+) -->")
TABLE = re.compile(r"<!-- the table of builds -->")
LONG = 60  # characters of a constant's value from which it is left out


class _Names(ast.NodeTransformer):
    """Gives names of the package in full, so that they become links; shown is the last part."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = node.id
        full = self.module.imported.get(name, f"{self.module.name}.{name}")
        alias = self.module.definitions.get(name)
        if address := listed(full):
            return ast.Name(f"~{address}")
        if isinstance(alias, ast.Assign):  # an alias that is not public says nothing to a reader
            return self.visit(alias.value)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        module, _, name = ast.unparse(node).rpartition(".")
        full = f"{self.module.imported.get(module, module)}.{name}"
        address = listed(full)
        return ast.Name(f"~{address}") if address else node


def annotation(node: ast.expr, module: Module) -> str:
    """A type as the source has it, with the package's names in full."""
    return ast.unparse(_Names(module).visit(ast.parse(ast.unparse(node), mode="eval").body))


def signature(
    node: ast.FunctionDef, module: Module, *, bound: Collection[str] = (), method: bool = False
) -> str:
    """The arguments and the result of a function, without `self` and those already bound."""
    arguments = copy.deepcopy(node.args)
    if method:
        del arguments.args[0]
    named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    for one in (*named, arguments.vararg, arguments.kwarg):
        if one is not None and one.annotation is not None:
            one.annotation = ast.Name(annotation(one.annotation, module))
    while arguments.args and arguments.args[-1].arg in bound:
        del arguments.args[-1], arguments.defaults[-1]
    result = f" -> {annotation(node.returns, module)}" if node.returns else ""
    return f"({ast.unparse(arguments)}){result}"


def fenced(kind: str, argument: str, options: dict[str, str], body: list[str], depth: int) -> str:
    """One of Sphinx's directives for Python."""
    ticks = "`" * (8 - depth)
    head = [f":{key}: {value}" if value else f":{key}:" for key, value in options.items()]
    return "\n".join([f"{ticks}{{py:{kind}}} {argument}", *head, "", *body, ticks, ""])


def paragraphs(docstring: Docstring) -> list[str]:
    """A docstring's text, arguments, result and errors."""
    fields = [f":param {name}: {text}" for name, text in docstring.arguments.items()]
    fields += [f":returns: {docstring.result}"] if docstring.result else []
    fields += [f":raises {name}: {text}" for name, text in docstring.errors.items()]
    return [docstring.text, "", *fields, ""]


def function(node: ast.FunctionDef, module: Module, more: list[str], depth: int = 0) -> str:
    """The entry of a function or a method."""
    body = paragraphs(Docstring.read(ast.get_docstring(node))) + more
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    if depth and "property" in marks:
        kind = {"type": annotation(node.returns, module)} if node.returns else {}
        return fenced("property", node.name, kind, body, depth)
    options = {mark: "" for mark in ("staticmethod", "classmethod") if mark in marks}
    method = depth > 0 and "staticmethod" not in marks
    argument = node.name + signature(node, module, method=method)
    return fenced("method" if depth else "function", argument, options, body, depth)


def value_of(node: ast.Assign | ast.AnnAssign, module: Module) -> dict[str, str]:
    """What a constant or a field is, where that is short, and its type, where one is written."""
    options = {"no-contents-entry": ""}
    if isinstance(node, ast.AnnAssign):
        options["type"] = annotation(node.annotation, module)
    if node.value is not None and len(ast.unparse(node.value)) < LONG:
        options["value"] = ast.unparse(node.value)
    return options


def variable(
    name: str,
    node: ast.Assign | ast.AnnAssign,
    module: Module,
    text: str,
    more: Sequence[str] = (),
    depth: int = 0,
) -> str:
    """The entry of a constant, of a type's short name, or of a class's field."""
    text = text or comment_on(node.lineno, node.end_lineno or node.lineno, module.comments)
    if isinstance(node.value, ast.Subscript | ast.BinOp) and not name.isupper():
        canonical = {"canonical": annotation(node.value, module)}
        return fenced("type", name, canonical, [text, *more, ""], depth)
    kind = "attribute" if depth else "data"
    return fenced(kind, name, value_of(node, module), [text, *more, ""], depth)


def class_(node: ast.ClassDef, module: Module, more: list[str]) -> str:
    """The entry of a class: what it extends, its fields, its methods."""
    docstring = Docstring.read(ast.get_docstring(node))
    parents = [annotation(base, module) for base in node.bases]
    links = [f"{{py:class}}`{one}`" if one.startswith("~") else f"`{one}`" for one in parents]
    body = paragraphs(docstring)
    body += [f"Extends {', '.join(links)}.", ""] if links else []
    for name, part in agreement.definitions_of(node).items():
        if name.startswith("_") and name != "__call__":
            continue
        if isinstance(part, ast.FunctionDef):
            body.append(function(part, module, [], depth=1))
        elif isinstance(part, ast.AnnAssign | ast.Assign):
            text = docstring.attributes.get(name, "")
            body.append(variable(name, part, module, text, depth=1))
    return fenced("class", node.name, {}, body + more, 0)


def partial_of(node: agreement.Definition, module: Module) -> tuple[str, ast.Call] | None:
    """The full name of what `partial` makes this of, with the call; None if it does not."""
    call = node.value if isinstance(node, ast.Assign) else None
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "partial":
        return None
    return annotation(call.args[0], module).removeprefix("~"), call


def made(name: str, parent: str, call: ast.Call, more: list[str]) -> str:
    """The entry of a function that `partial` makes of another, or of one so made."""
    keywords = list(call.keywords)
    full, below = parent, call
    while True:
        module, _, last = full.rpartition(".")
        node = read(module).definition(last)
        further = partial_of(node, read(module))
        if further is None:
            break
        full, below = further
        keywords += below.keywords
    assert isinstance(node, ast.FunctionDef)
    given = ", ".join(ast.unparse(one) for one in call.keywords)
    bound = {one.arg for one in keywords if one.arg}
    words = f"{{py:func}}`~{parent}` with `{given}`."
    return fenced(
        "function", name + signature(node, read(module), bound=bound), {}, [words, *more], 0
    )


def entry(name: str, home: str, more: list[str]) -> str:
    """What a page says of one public name."""
    module = read(home)
    node = module.definition(name)
    if isinstance(node, ast.FunctionDef):
        return function(node, module, more)
    if isinstance(node, ast.ClassDef):
        return class_(node, module, more)
    if parent := partial_of(node, module):
        return made(name, *parent, more)
    return variable(name, node, module, "", more=more)


def short(module: str) -> str:
    """A module's name as headings have it, which stand beside the page."""
    return module.removeprefix(f"{PACKAGE}.")


def entries(name: str) -> str:
    """A section with everything public of a module, as MyST."""
    module = read(name)
    built = {build.name: build for build in reversed(agreement.builds())}
    lines = [f"## `{short(name)}`", "", f"```{{py:module}} {name}", "```", ""]
    lines += [text(name), ""]
    if module.parents:
        taken = ", ".join(f"{{py:obj}}`~{listed(parent)}`" for parent in module.parents)
        lines += [f"From the parent, unchanged: {taken}.", ""]
    for public_name, home in public(name):
        build = built.get(f"{home}.{public_name}")
        more = ["", f"Built in {section(build)}.", ""] if build else []
        lines.append(entry(public_name, home, more))
    return "\n".join(lines)


def heading_before(build: agreement.Build) -> str:
    """The last heading above a cell."""
    above = build.chapter.cells[: build.index]
    text = "\n".join(cell.source for cell in above if cell.cell_type == "markdown")
    return HEADING.findall(text)[-1]


def anchor(heading: str) -> str:
    """The end of the address of a section, as MyST makes it from the words of its heading."""
    return slugify(re.sub(r"\$.*?\$|[`*]", "", heading))


def section(build: agreement.Build) -> str:
    """A link to the section of the chapter in which a name is built; from the root of the book."""
    heading, title = heading_before(build), HEADING.findall(build.chapter.cells[0].source)[0]
    return f"[{heading}](/{build.chapter.name}.ipynb#{anchor(heading)}) ({title})"


def table_of_builds() -> str:
    """The package's parts and the section in which each is built, as Markdown."""
    lines = []
    module = None
    for build in sorted(agreement.builds(), key=lambda build: build.module):
        if build.module != module:
            module = build.module
            lines += ["", f"## `{short(module)}`", "", "| Name | Built in |", "|---|---|"]
        lines.append(f"| {{py:obj}}`~{build.name}` | {section(build)} |")
    return "\n".join(lines)


def text(module: str) -> str:
    """The docstring of a module, as Markdown."""
    return Docstring.read(ast.get_docstring(read(module).tree)).text


def fill(page: str) -> str:
    """A page's text with its marks replaced by what they stand for."""
    page = ENTRIES.sub(lambda mark: entries(mark[1]), page)
    page = TEXT.sub(lambda mark: text(mark[1]), page)
    return TABLE.sub(lambda _: table_of_builds(), page)


def is_filled(page: str) -> bool:
    """Whether a page has marks."""
    return any(mark.search(page) for mark in (ENTRIES, TEXT, TABLE))
