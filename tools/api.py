"""The pages that list the package: every public name, as in the source, and where it is built.

Written from the source text, not from imported modules: signatures then read as their author wrote
them (`critic: Critic`, not what the alias stands for), fields and constants keep their comments,
and nothing has to be imported. The result is MyST with Sphinx's own Python directives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import griffe
from mdit_py_plugins.anchors.index import slugify

from tools import agreement
from tools.chapters import ROOT, contents
from tools.comments import comment_on, comments
from tools.package import ENTRIES, PACKAGE, PAGES, find, known, listed, public

HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
# In a page, besides `<!-- api: offline_tutor.data -->`: which page lists what, where all is built.
PAGES_TABLE = re.compile(r"<!-- the table of pages -->")
BUILDS_TABLE = re.compile(r"<!-- the table of builds -->")
# In docstrings and comments, only code, addresses and lists are markup; other signs are letters.
PLAIN = re.compile(r"(```.*?```|`[^`]*`|https?://\S+|^ {4}.*?$)", re.DOTALL | re.MULTILINE)
SIGNS = re.compile(r"[\\*_<>$&{}\[\]|~^#]")
LONG = 60  # values of constants with this many characters or more are left out
Type = griffe.Expr | str | None
DERIVED = {"dataclasses.replace", "functools.partial"}  # a value with parts of its own


def prose(text: str) -> str:
    """Text of the source as MyST that shows every letter of it."""
    parts = PLAIN.split(text)
    parts[::2] = [SIGNS.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def annotation(written: Type) -> str:
    """A type as in the source, with full names of the package, of which the last part is shown."""
    if not isinstance(written, griffe.Expr):
        return str(written)
    if isinstance(written, griffe.ExprName | griffe.ExprAttribute):
        if address := listed(written.canonical_path):
            return f"~{address}"
        # No page lists it, so its name alone would not help a reader.
        alias = known(written.canonical_path)
        return annotation(alias.value) if alias and alias.is_attribute else str(written)
    return "".join(map(annotation, written.iterate(flat=False)))


def signature(function: griffe.Function, *, method: bool = False) -> str:
    """The arguments and the result of a function, without `self`."""
    parameters = griffe.Parameters(
        *(
            griffe.Parameter(
                each.name,
                kind=each.kind,
                default=each.default,
                annotation=each.annotation and annotation(each.annotation),
            )
            for each in list(function.parameters)[method:]
        )
    )
    returns = function.returns and annotation(function.returns)
    return griffe.Function("", parameters=parameters, returns=returns).signature()


def fenced(kind: str, argument: str, options: dict[str, str], body: list[str], depth: int) -> str:
    """One of Sphinx's directives for Python."""
    ticks = "`" * (8 - depth)
    head = [f":{key}: {value}" if value else f":{key}:" for key, value in options.items()]
    return "\n".join([f"{ticks}{{py:{kind}}} {argument}", *head, "", *body, ticks, ""])


def sections(of: griffe.Object, kind: str) -> list[griffe.DocstringElement]:
    """The entries of the sections of one kind in a docstring."""
    found = of.docstring.parsed if of.docstring else []
    return [entry for section in found if section.kind.value == kind for entry in section.value]


def text_of(of: griffe.Object) -> str:
    """A docstring without its sections, as Markdown."""
    found = of.docstring.parsed if of.docstring else []
    return prose("\n\n".join(section.value for section in found if section.kind.value == "text"))


def words(entry: griffe.DocstringElement) -> str:
    """What an entry of a section says, on one line."""
    return prose(" ".join(entry.description.split()))


def result(of: griffe.Function, entry: griffe.DocstringElement) -> str:
    """What a section says of the result; Griffe takes its beginning, up to a colon, for a type."""
    start = "" if str(entry.annotation) == str(of.returns) else f"{entry.annotation}: "
    return prose(start) + words(entry)


def paragraphs(of: griffe.Object) -> list[str]:
    """A docstring's text, arguments, result and errors."""
    fields = [f":param {one.name}: {words(one)}" for one in sections(of, "parameters")]
    fields += [f":returns: {result(of, one)}" for one in sections(of, "returns")]
    fields += [f":raises {one.annotation}: {words(one)}" for one in sections(of, "raises")]
    return [text_of(of), "", *fields, ""]


def function(of: griffe.Function, more: Sequence[str] = (), depth: int = 0) -> str:
    """The entry of a function or a method."""
    options = {label: "" for label in ("staticmethod", "classmethod") if label in of.labels}
    method = depth > 0 and "staticmethod" not in of.labels
    argument = of.name + signature(of, method=method)
    return fenced(
        "method" if depth else "function", argument, options, [*paragraphs(of), *more], depth
    )


@cache
def comments_in(module: griffe.Module) -> dict[int, tuple[str, bool]]:
    return comments(module.source)


def said_of(constant: griffe.Attribute) -> str:
    """The docstring below a constant or a field, or its comment."""
    if constant.docstring:
        return text_of(constant)
    first, last = constant.lineno or 0, constant.endlineno or 0
    return prose(comment_on(first, last, comments_in(constant.module)))


def variable(of: griffe.Attribute, text: str = "", more: Sequence[str] = (), depth: int = 0) -> str:
    """The entry of a constant, of a type's short name, or of a class's field."""
    body = [text or said_of(of), *more, ""]
    if isinstance(of.value, griffe.ExprSubscript | griffe.ExprBinOp) and not of.name.isupper():
        return fenced("type", of.name, {"canonical": annotation(of.value)}, body, depth)
    options = {"no-contents-entry": ""}
    if of.annotation:
        options["type"] = annotation(of.annotation)
    if of.value is not None and len(str(of.value)) < LONG:
        options["value"] = str(of.value)
    return fenced("attribute" if depth else "data", of.name, options, body, depth)


def origin_of(of: griffe.Attribute) -> griffe.Expr | None:
    """The value that this one is a child of, or else the class of the package that makes it."""
    call = of.value
    if not isinstance(call, griffe.ExprCall) or not call.arguments:
        return None
    if call.function.canonical_path in DERIVED:
        return call.arguments[0]
    made_by = known(call.function.canonical_path)
    return call.function if made_by and made_by.is_class else None


def made(of: griffe.Attribute, origin: griffe.Expr, more: Sequence[str]) -> str:
    """The entry of a value that has a parent or a class of the package.

    `TD3_BC = replace(TD3, actor_loss=actor_loss)` leads to its parent and says what is replaced.
    """
    child = origin is of.value.arguments[0]
    parts = ", ".join(f"`{part}`" for part in of.value.arguments[child:])
    link = f"{{py:obj}}`{annotation(origin)}`"
    made_of = f"{link} with {parts}." if child else f"A {link} of {parts}."
    return fenced("data", of.name, {}, [said_of(of), "", made_of, *more, ""], 0)


def class_(of: griffe.Class, more: Sequence[str]) -> str:
    """The entry of a class: what it extends, its fields, its methods."""
    parents = [annotation(base) for base in of.bases]
    links = [f"{{py:class}}`{one}`" if one.startswith("~") else f"`{one}`" for one in parents]
    body = paragraphs(of) + ([f"Extends {', '.join(links)}.", ""] if links else [])
    described = {entry.name: words(entry) for entry in sections(of, "attributes")}
    for name, part in of.members.items():
        if part.is_alias or (name.startswith("_") and name != "__call__"):
            continue
        if part.is_function:
            body.append(function(part, depth=1))
        elif "property" in part.labels:
            kind = {"type": annotation(part.annotation)} if part.annotation else {}
            body.append(fenced("property", name, kind, paragraphs(part), 1))
        elif part.is_attribute and part.parent is of and not within_method(part):
            body.append(variable(part, described.get(name, ""), depth=1))
    return fenced("class", of.name, {}, [*body, *more], 0)


def within_method(field: griffe.Attribute) -> bool:
    """Whether a field is only set by a method: `self.field = ...`."""
    methods = (each for each in field.parent.members.values() if each.is_function)
    return any(each.lineno <= field.lineno <= each.endlineno for each in methods)


def entry(of: griffe.Object, more: Sequence[str] = ()) -> str:
    """What a page says about one public name."""
    if isinstance(of, griffe.Function):
        return function(of, more)
    if isinstance(of, griffe.Class):
        return class_(of, more)
    origin = origin_of(of)
    return made(of, origin, more) if origin else variable(of, more=more)


def short(module: str) -> str:
    """A module's name as it appears in headings."""
    return module.removeprefix(f"{PACKAGE}.")


def entries(name: str) -> str:
    """A section with everything public in a module, as MyST."""
    built = {build.name: build for build in reversed(agreement.builds())}
    lines = [f"## `{short(name)}`", "", f"```{{py:module}} {name}", "```", ""]
    lines += [text_of(find(name)), ""]
    elsewhere = [one for one in public(name) if listed(one.path) != f"{name}.{one.name}"]
    if elsewhere:
        links = ", ".join(f"{{py:obj}}`~{listed(one.path)}`" for one in elsewhere)
        lines += [f"Also here, from their own modules: {links}.", ""]
    for one in public(name):
        if one not in elsewhere:
            build = built.get(one.path)
            lines.append(entry(one, ["", f"Built in {section(build)}.", ""] if build else []))
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
        lines.append(f"| {{py:obj}}`~{listed(build.name) or build.name}` | {section(build)} |")
    return "\n".join(lines)


def table_of_pages() -> str:
    """The pages that list modules, in the order of the table of contents, as Markdown."""
    lines = ["| Page | Modules |", "|---|---|"]
    for name in contents():
        page = ROOT / f"{name}.md"
        if page.parent == PAGES and page.stem != "index":
            text = page.read_text(encoding="utf-8")
            modules = ", ".join(f"{{py:mod}}`~{module}`" for module in ENTRIES.findall(text))
            lines.append(f"| [{HEADING.findall(text)[0]}]({page.name}) | {modules} |")
    return "\n".join(lines)


def fill(page: str) -> str:
    """A page's text with its marks replaced by what they stand for."""
    page = ENTRIES.sub(lambda mark: entries(mark[1]), page)
    page = PAGES_TABLE.sub(lambda _: table_of_pages(), page)
    return BUILDS_TABLE.sub(lambda _: table_of_builds(), page)


def is_filled(page: str) -> bool:
    """Whether a page has marks."""
    return any(mark.search(page) for mark in (ENTRIES, PAGES_TABLE, BUILDS_TABLE))
