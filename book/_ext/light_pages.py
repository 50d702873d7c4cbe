"""Drops what pages would load without using it, and corrects faults in the theme's HTML.

It works on the finished HTML, because the theme has no setting for any of it. A replacement that
finds nothing in the whole book fails the build.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # Jupyter Book's own command does not put the repository there

from offline_tutor.book.figures.seal import unsealed
from tools.replacing import New, NothingToReplace, Old, Replacements

ICONS = "_static/scripts/fontawesome.js"
ICON = re.compile(
    r'<(i|span)(?P<before>[^>]*) class="(?P<others>[^"]*?)'
    r'\b(?P<style>fa[srb]?(?:-solid|-regular|-brands)?) fa-(?P<name>[a-z0-9-]+)(?P<more>[^"]*)"'
    r"(?P<after>[^>]*)></\1>"
)
# Which of the icons of one name comes first in Font Awesome's file: brands, regular, solid.
PLACES = {"r": 0, "s": -1, "b": 0, "": -1}
FORMER_NAMES = {"pencil-alt": "pencil"}  # which the theme still uses

UNDRAWN = re.compile(r'<(?:i|span)\b[^>]* class="[^"]*\bfa[srb]? fa-[^>]*>')

# Scripts and styles, and what a page that uses them contains. Font Awesome's script is 540 kB to
# draw twenty icons; the page has them drawn already. The search index is for results that appear
# while one types, which the theme has switched off; the search page loads it by itself.
SEARCH = 'id="search-results"'
UNUSED = {
    "scripts/fontawesome.js": None,
    "searchtools.js": SEARCH,
    "language_data.js": SEARCH,
    "searchindex.js": SEARCH,
    "sphinx-design.min.css": 'class="sd-',
    "design-tabs.js": 'class="sd-',
    "togglebutton.js": "dropdown admonition",
    "togglebutton.css": "dropdown admonition",
}
LOADING = {
    file: re.compile(
        rf'<(?:script|link)\b[^>]*(?:src|href)="[^"]*{re.escape(file)}[^"]*"[^>]*>'
        r"(?:</script>)?\s*"
    )
    for file in UNUSED
}
SEARCH_FIELD = '<button class="btn search-button-field search-button__button pst-js-only"'
SIDEBAR = '<div id="pst-primary-sidebar"'
TOGGLE = '<summary><span class="toctree-toggle"'
MENDED: dict[Old, New] = {
    # ARIA: a list's children are its entries, and the role that docutils gives those is deprecated.
    'role="list" class="citation-list"': 'class="citation-list"',
    'role="doc-biblioentry"': "",
    # The toggle in the contents has no name for readers who cannot see its arrow.
    TOGGLE: TOGGLE.replace("<summary", '<summary aria-label="Pages below"'),
    # Names that do not contain what is to be read: a reader who says "show code" clicks nothing.
    f'{SEARCH_FIELD} title="Search" aria-label="Search"': SEARCH_FIELD,
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # The book's name and the search stand outside of every landmark.
    SIDEBAR: f'{SIDEBAR} role="region" aria-label="The book"',
    # Without this, a server that sends notebooks as JSON has the browser show them.
    re.compile(r'(href="[^"]*/([^"/]+)") target="_blank"(?=\s+class="btn btn-sm btn-download-)'): (
        r'\1 download="\2"'
    ),
    # A file is saved under the name that its link shows.
    re.compile(r'download=""( href="[^"]+"><code[^>]*><span class="pre">)([^<]+)'): (
        r'download="\2"\1\2'
    ),
    re.compile(r"<title>(.+) &#8212; \1</title>"): r"<title>\1</title>",  # the first page's
    # A reader whose system is dark saw a flash of light until the theme's script at the end ran.
    'localStorage.getItem("theme") || "auto"': 'localStorage.getItem("theme") || '
    '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
}
SIGNATURE = re.compile(r"<dl>\s*((?:<dd>.*</dd>\s*)+)</dl>")
LINE = re.compile(r"<dd>(.*)</dd>")
DONE = "<!-- light -->"  # on pages that an earlier build has written and this one has not
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="icon" href="{icon}"><meta http-equiv="refresh" content="0; url={first}.html"></head>
<body><p><a href="{first}.html">{title}</a></p></body></html>
"""


@cache
def drawing(scripts: str, name: str, place: int) -> tuple[str, str]:
    """The box and the outline of an icon, out of Font Awesome's script."""
    known = re.escape(FORMER_NAMES.get(name, name))
    entry = rf'[,{{]"?{known}"?:\[(\d+),(\d+),\[[^\]]*\],"\w+","([^"]+)"\]'
    found = re.findall(entry, scripts)
    if not found:
        raise ExtensionError(
            f"the theme asks for the icon {name!r}, which Font Awesome does not have"
        )
    width, height, path = found[place]
    return f"0 0 {width} {height}", path


def draw_icons(html: str, scripts: str, made: Replacements) -> str:
    """Icons as drawings, where Font Awesome's script would put them when the page is open."""

    def draw(icon: re.Match[str]) -> str:
        style = re.sub("fa-?", "", icon["style"])[:1]
        box, path = drawing(scripts, icon["name"], PLACES[style])
        classes = f"svg-inline--fa {icon['others']}{' '.join(icon['more'].split())}"
        return (
            f'<svg{icon["before"]} class="{classes}"{icon["after"]} viewBox="{box}" '
            f'aria-hidden="true" focusable="false"><path fill="currentColor" d="{path}"/></svg>'
        )

    html = made.replace(html, ICON, draw)
    if undrawn := UNDRAWN.search(html):
        raise ExtensionError(f"an icon that is not drawn: {undrawn[0]}")
    return html


def drop_unused(html: str, made: Replacements) -> str:
    for file, sign in UNUSED.items():
        if sign is None or sign not in html:
            html = made.replace(html, LOADING[file], "")
    return html


def mend(html: str, made: Replacements) -> str:
    """Mends faults in what others' templates write."""
    for fault, right in MENDED.items():
        html = made.replace(html, fault, right)
    # Long signatures: a list of descriptions without a single term.
    return made.replace(
        html,
        SIGNATURE,
        lambda lines: LINE.sub(r'<span class="sig-line">\1</span>', lines[1]),
    )


def write_index(app: Sphinx) -> None:
    """The page at the root leads to the first; without an icon browsers ask for /favicon.ico."""
    if app.builder.format == "html":
        first, title = app.config.master_doc, escape(app.config.html_title or app.config.project)
        icon = f"_static/{Path(app.config.html_favicon).name}"
        index = Path(app.outdir) / "index.html"
        index.write_text(INDEX.format(title=title, first=first, icon=icon), encoding="utf-8")


def lighten(folder: Path) -> None:
    """Rewrites the pages of a built book.

    Raises:
        ExtensionError: the theme has changed, and no page contains what a replacement looks for.
    """
    scripts = (folder / ICONS).read_text(encoding="utf-8")
    pages = {
        page: page.read_text(encoding="utf-8")
        for page in folder.rglob("*.html")
        if not {"_static", "slides"} & set(page.parts) and page.name != "404.html"
    }
    made = Replacements()
    for page, html in pages.items():
        if DONE not in html:
            html = mend(drop_unused(draw_icons(unsealed(html), scripts, made), made), made)
            page.write_text(f"{html}{DONE}\n", encoding="utf-8")
    if not any(DONE in html for html in pages.values()):  # all were written anew
        try:
            made.check(f"the {len(pages)} pages in {folder}")
        except NothingToReplace as error:
            raise ExtensionError(str(error)) from error


def finish(app: Sphinx, error: Exception | None) -> None:
    if app.builder.format == "html" and error is None:
        lighten(Path(app.outdir))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write_index)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
