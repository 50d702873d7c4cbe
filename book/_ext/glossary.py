"""Words of the glossary become links to it, where a chapter or a page of prose first uses them.

The links are made in the build, since notebooks hold none. `book/glossary.md` is the only list: a
term's line may name more forms of it, after bars, which are looked for and not shown. Headings,
code, formulas, captions and other links are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

GLOSSARY = "book/glossary"
# Lists of words, symbols and names, in which every other word would be a link.
WITHOUT_LINKS = re.compile(r"book/(glossary|notation|references|built|api/.*)")
FENCE = re.compile(r"^```\{glossary\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TERM = re.compile(r"^(?! )(.+)$", re.MULTILINE)
BARS = re.compile(r" +\|.*$")
LEFT = "ot-api"  # the class of the lines below cells that build something
TEXT = (nodes.paragraph, nodes.term)  # what holds running text
CLOSED = (
    nodes.title,
    nodes.rubric,
    nodes.caption,
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.reference,
    nodes.footnote_reference,
    nodes.raw,
    nodes.figure,
    addnodes.pending_xref,
    addnodes.download_reference,
)


def forms(page: str) -> dict[str, str]:
    """Maps every form of every term, in lower case, to the term.

    Raises:
        ValueError: a form belongs to two terms.
    """
    found: dict[str, str] = {}
    for block in FENCE.findall(page):
        for line in TERM.findall(block):
            term, *others = (form.strip() for form in line.split("|"))
            for form in (term, *others):
                if form.lower() in found:
                    raise ValueError(f"glossary: {form!r} stands for two terms")
                found[form.lower()] = term
    return found


def without_forms(page: str) -> str:
    """The page as Sphinx's glossary understands it."""
    return FENCE.sub(lambda block: TERM.sub(lambda t: BARS.sub("", t[0]), block[0]), page)


def pattern(known: dict[str, str]) -> re.Pattern[str]:
    """Any of the forms as whole words, the longest first."""
    words = sorted(known, key=len, reverse=True)
    inner = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
    return re.compile(rf"(?<![\w+-])(?:{inner})(?![\w+]|-\w)", re.IGNORECASE)


def is_closed(node: nodes.Node) -> bool:
    """Whether no word below this node becomes a link."""
    if isinstance(node, nodes.container):  # a cell with its output; a card, which is itself a link
        return "cell" in node["classes"] or "design_component" in node
    return isinstance(node, CLOSED) or (isinstance(node, nodes.Element) and LEFT in node["classes"])


def running_text(document: nodes.document) -> Iterator[nodes.Text]:
    """The pieces of text in which words may become links, in the page's order."""
    for text in list(document.findall(nodes.Text)):
        above, node = [], text.parent
        while node is not None:
            above.append(node)
            node = node.parent
        if any(isinstance(one, TEXT) for one in above) and not any(map(is_closed, above)):
            yield text


def link(term: str, shown: str) -> addnodes.pending_xref:
    """A link to a term; its class keeps it quiet enough to read over."""
    reference = addnodes.pending_xref(
        "", refdomain="std", reftype="term", reftarget=term, refexplicit=True, refwarn=True
    )
    reference += nodes.inline(shown, shown, classes=["ot-term"])
    return reference


def link_first_uses(document: nodes.document, known: dict[str, str]) -> list[str]:
    """Makes links of the first use of each term; returns the terms, in the page's order."""
    words, used = pattern(known), []
    for text in running_text(document):
        parts: list[nodes.Node] = []
        rest = 0
        for match in words.finditer(text):
            term = known[re.sub(r"\s+", " ", match[0]).lower()]
            if term not in used:
                used.append(term)
                parts += [nodes.Text(text[rest : match.start()]), link(term, match[0])]
                rest = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[rest:])])
    return used


class LinkTerms(SphinxTransform):
    """Links the first use of each term of the glossary in a page."""

    default_priority = 600  # after the lines below cells that build something, which it leaves

    def apply(self, **_: Any) -> None:
        if not WITHOUT_LINKS.fullmatch(self.env.docname):
            page = Path(self.env.doc2path(GLOSSARY))
            self.env.note_dependency(str(page))
            link_first_uses(self.document, forms(page.read_text(encoding="utf-8")))


def hide_forms(app: Sphinx, document: str, source: list[str]) -> None:
    if document == GLOSSARY:
        source[0] = without_forms(source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(LinkTerms)
    app.connect("source-read", hide_forms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
