"""The package's pages are written when the book is built, and chapters lead to them.

`<!-- api: offline_tutor.data -->` in a page becomes the list of all that is public in that module.
Below each cell that builds something for the package stands a link to its entry; and where code
first uses a name of the package, sphinx-codeautolink makes the name itself a link. It does not link
what a cell defines, hence the line below. Notebooks hold no links: they would show as raw text
elsewhere.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # Jupyter Book's own command does not put the repository there

from tools import agreement, api, package
from tools.chapters import chapters

CODE_LINK = re.compile(
    r'<a (?=[^>]*class="sphinx-codeautolink-a")[^>]*href="(?P<to>[^"]+)"[^>]*>(?P<text>.*?)</a>',
    re.DOTALL,
)


def link(name: str) -> addnodes.pending_xref:
    """A link to the entry of a name, shown as `td3.critic_loss`."""
    listed = package.listed(name) or name
    shown = ".".join(listed.split(".")[-2:])
    reference = addnodes.pending_xref(
        "", refdomain="py", reftype="obj", reftarget=listed, refexplicit=True, refwarn=True
    )
    reference += nodes.literal(shown, shown)
    return reference


def links(names: list[str]) -> nodes.paragraph:
    """The line below a cell that builds these names."""
    line = nodes.paragraph("", "In the package: ", classes=["ot-api"])
    for index, name in enumerate(names):
        line += [nodes.Text(", ")] * (index > 0) + [link(name)]
    return line


class LinkBuilds(SphinxTransform):
    """Adds to each `# builds:` cell of a chapter links to what it builds."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        for chapter in chapters():
            if chapter.name == self.env.docname:
                add_links(self.document, agreement.builds_of(chapter))


def add_links(document: nodes.document, builds: list[agreement.Build]) -> None:
    """Puts the links below their cells."""
    names: dict[int, list[str]] = {}
    for build in builds:
        names.setdefault(build.index, []).append(build.name)
    for cell in list(document.findall(nodes.container)):
        if cell.get("cell_index") in names and "cell" in cell["classes"]:
            where = cell.parent.index(cell) + 1
            cell.parent.insert(where, links(names[cell["cell_index"]]))


def link_first_uses(html: str) -> str:
    """A page on which code links to each entry once: a chapter would else have 250 such links."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        if found["to"] in seen:
            return found["text"]
        seen.add(found["to"])
        return found[0]

    return CODE_LINK.sub(kept, html)


def thin_links(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: object
) -> None:
    if "body" in context:
        context["body"] = link_first_uses(context["body"])


def write(app: Sphinx, document: str, source: list[str]) -> None:
    source[0] = api.fill(source[0])


def pages_to_read_again(app: Sphinx, *_: object) -> list[str]:
    """Pages that are made of the package and of the chapters: their own sources do not change."""
    marked = (
        path
        for path in (ROOT / "book").rglob("*.md")
        if api.is_filled(path.read_text(encoding="utf-8"))
    )
    return [path.relative_to(ROOT).with_suffix("").as_posix() for path in marked]


def find_alias(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    """A type in a signature that is a short name for another, which Sphinx takes for no class."""
    if node.get("refdomain") != "py" or node.get("reftype") != "class":
        return None
    domain, place = env.get_domain("py"), node.get("refdoc", "")
    return domain.resolve_xref(env, place, app.builder, "type", node["reftarget"], node, shown)


def read_cells_together(app: Sphinx, config: Config) -> None:
    """A name is known in the cells below the one that imports it."""
    config.codeautolink_concat_default = True


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx_codeautolink")
    app.connect("config-inited", read_cells_together)
    app.connect("html-page-context", thin_links, priority=600)  # after it has made its links
    app.add_transform(LinkBuilds)
    app.connect("source-read", write)
    app.connect("missing-reference", find_alias)
    app.connect("env-get-outdated", pages_to_read_again)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
