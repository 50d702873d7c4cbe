"""What a page says of itself to those who share, find and cite it.

Each page has a description and a preview; the foot of each page has the book's version and date;
one section says how to cite it. A map of the site, the pages' full addresses and the picture of the
preview need to know where the book lies, which `tools/address.py` says; until it is known, they are
left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from html import escape
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape as escape_xml

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # Jupyter Book's own command does not put the repository there

from tools import address
from tools.replacing import replace

CITED = "book/references"
CITE = "<!-- how to cite -->"
PICTURE = "_static/maze.png"
ALT = "The maze: recorded walks, and what each method made of them."
SHORT, LONG = 40, 200  # letters of a description
NOT_FOUND = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>No such page: {title}</title>
<link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark; background: Canvas; color: CanvasText }}
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto;
  padding: 0 1rem }}
input, button {{ font: inherit; padding: 0.3rem 0.6rem; max-width: 100%; box-sizing: border-box }}
</style></head><body><main><h1>There is no such page</h1>
<p>The address may have a mistake, or the page another name by now.
Go to <a href="{root}book/intro.html">the book's first page</a>, or search:</p>
<form action="{root}search.html">
<label>What are you looking for? <input type="search" name="q"></label>
<button>Search</button></form></main></body></html>
"""


def site() -> str:
    """The address of the published book, with a slash at its end, or "" while there is none."""
    found = address.site()
    return f"{found.rstrip('/')}/" if found else ""


def built_from() -> date | None:
    """The day of the commit that the pages are built from, or of SOURCE_DATE_EPOCH."""
    if seconds := os.environ.get("SOURCE_DATE_EPOCH"):
        return date.fromtimestamp(int(seconds))
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%cs"]
    try:
        said = subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:  # no git
        return None
    return date.fromisoformat(said) if said else None


def edition() -> str:
    """The version, and the day if it is known: "0.1.0, 28 November 2026"."""
    day = built_from()
    version = citation()["version"]
    return f"{version}, {day.day} {day:%B %Y}" if day else version


def citation() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def bibtex() -> str:
    """CITATION.cff as BibTeX."""
    cited, day = citation(), built_from()
    authors = " and ".join(f"{{{author['name']}}}" for author in cited["authors"])
    fields = {"title": cited["title"], "author": authors, "year": day and day.year}
    fields |= {"note": f"Version {cited['version']}", "url": site()}
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join(["@book{offline_tutor,", *lines, "}"])


def write_citation(app: Sphinx, document: str, source: list[str]) -> None:
    if document == CITED:
        source[0] = replace(source[0], CITE, f"```bibtex\n{bibtex()}\n```", where=document)


def shortened(text: str) -> str:
    """As many whole sentences as a preview shows, or else as many words."""
    text = " ".join(text.split())
    if len(text) <= LONG:
        return text
    sentences = text[:LONG].rpartition(". ")[0]
    return f"{sentences}." if len(sentences) > SHORT else f"{text[:LONG].rpartition(' ')[0]} ..."


def description(document: nodes.document) -> str:
    """The first paragraph that says something without a formula, a link to a file or a mark."""
    closed = (nodes.math, addnodes.download_reference)
    for paragraph in document.findall(nodes.paragraph):
        running = isinstance(paragraph.parent, nodes.section | addnodes.desc_content)
        unmarked = not any(any(paragraph.findall(one)) for one in closed)
        if running and unmarked and len(paragraph.astext()) > SHORT:
            return shortened(paragraph.astext())
    return ""


def tags(title: str, said: str, name: str, page: str) -> str:
    """The elements of a page's head by which others show a link to it."""
    shown = {"og:title": title, "og:type": "article", "og:site_name": name, "og:locale": "en_GB"}
    shown |= {"og:description": said} if said else {}
    if root := site():
        shown |= {"og:url": f"{root}{page}.html", "og:image": root + PICTURE, "og:image:alt": ALT}
    lines = [f'<meta property="{key}" content="{escape(value)}">' for key, value in shown.items()]
    lines += [f'<meta name="description" content="{escape(said)}">'] if said else []
    return "\n".join([*lines, '<meta name="twitter:card" content="summary">', ""])


def describe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """A page's tags, and at its foot the edition and the way to the citation."""
    if document is not None:
        title = app.env.titles[page].astext()
        context["metatags"] += tags(title, description(document), app.config.html_title, page)
    foot = f'Version {edition()}. <a href="{context["pathto"](CITED)}#how-to-cite">How to cite</a>.'
    context["theme_extra_footer"] += f"\n<p>{foot}</p>"


def set_address(app: Sphinx, config: Config) -> None:
    config.html_baseurl = site()


def write_beside(app: Sphinx, error: Exception | None) -> None:
    """The page for addresses that lead nowhere, and the map of the site."""
    if app.builder.format != "html" or error is not None:
        return
    out, title = Path(app.outdir), escape(app.config.html_title)
    # The page is shown at any depth, so that it cannot lead anywhere by relative addresses.
    page = NOT_FOUND.format(title=title, root=escape(site() or "/"))
    (out / "404.html").write_text(page, encoding="utf-8")
    sitemap = out / "sitemap.xml"
    sitemap.unlink(missing_ok=True)
    if root := site():
        names = sorted(app.env.found_docs)
        places = "\n".join(
            f"<url><loc>{escape_xml(root + name)}.html</loc></url>" for name in names
        )
        head = '<?xml version="1.0" encoding="utf-8"?>\n'
        schema = "http://www.sitemaps.org/schemas/sitemap/0.9"
        sitemap.write_text(f'{head}<urlset xmlns="{schema}">\n{places}\n</urlset>\n', "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.githubpages")  # .nojekyll: folders that begin with _ are pages
    app.connect("config-inited", set_address)
    app.connect("source-read", write_citation)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_beside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
