"""Pages lose what they would load and not use, and mend what the theme leaves wrong.

Works on the finished HTML, because the theme has no setting for any of it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ICONS = "_static/scripts/fontawesome.js"
ICON = re.compile(
    r'<(i|span)(?P<before>[^>]*) class="(?P<others>[^"]*?)'
    r'\b(?P<style>fa[srb]?(?:-solid|-regular|-brands)?) fa-(?P<name>[a-z0-9-]+)(?P<more>[^"]*)"'
    r"(?P<after>[^>]*)></\1>"
)
# Which of the icons of one name comes first in Font Awesome's file: brands, regular, solid.
PLACES = {"r": 0, "s": -1, "b": 0, "": -1}
FORMER_NAMES = {"pencil-alt": "pencil"}  # which the theme still uses

# Scripts and styles, and what a page that uses them contains. Font Awesome's script is 540 kB to
# draw twenty icons; the page has them drawn already. The search index is for results that appear
# while one types, which the theme has switched off; the search page loads it by itself.
UNUSED = {
    r"scripts/fontawesome\.js": None,
    r"searchtools\.js|language_data\.js|searchindex\.js": 'id="search-results"',
    r"sphinx-design\.min\.css|design-tabs\.js": 'class="sd-',
    r"togglebutton\.(?:js|css)": "dropdown admonition",
}
TOGGLE = '<summary><span class="toctree-toggle"'
SIGNATURE = re.compile(r"<dl>\s*((?:<dd>.*</dd>\s*)+)</dl>")
LINE = re.compile(r"<dd>(.*)</dd>")
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
        raise ExtensionError(f"the theme asks for the icon {name!r}, which Font Awesome has not")
    width, height, path = found[place]
    return f"0 0 {width} {height}", path


def draw_icons(html: str, scripts: str) -> str:
    """Icons as drawings, where Font Awesome's script would put them when the page is open."""

    def draw(icon: re.Match[str]) -> str:
        style = re.sub("fa-?", "", icon["style"])[:1]
        box, path = drawing(scripts, icon["name"], PLACES[style])
        classes = f"svg-inline--fa {icon['others']}{' '.join(icon['more'].split())}"
        return (
            f'<svg{icon["before"]} class="{classes}"{icon["after"]} viewBox="{box}" '
            f'aria-hidden="true" focusable="false"><path fill="currentColor" d="{path}"/></svg>'
        )

    return ICON.sub(draw, html)


def drop_unused(html: str) -> str:
    for files, sign in UNUSED.items():
        if sign is None or sign not in html:
            html = re.sub(rf'<script[^>]*src="[^"]*(?:{files})[^"]*"[^>]*></script>\s*', "", html)
            html = re.sub(rf'<link[^>]*href="[^"]*(?:{files})[^"]*"[^>]*>\s*', "", html)
    return html


def mend(html: str) -> str:
    """Faults in what others' templates write."""
    # ARIA: a list's children are its entries, and the role that docutils gives those is deprecated.
    html = html.replace('role="list" class="citation-list"', 'class="citation-list"')
    html = html.replace('role="doc-biblioentry"', "")
    # A toggle of the contents that says nothing to those who do not see its arrow.
    html = html.replace(TOGGLE, TOGGLE.replace("<summary", '<summary aria-label="Pages below"'))
    # Long signatures: a list of descriptions without a single term.
    html = SIGNATURE.sub(
        lambda lines: LINE.sub(r'<span class="sig-line">\1</span>', lines[1]), html
    )
    # A reader whose system is dark saw a flash of light until the theme's script at the end ran.
    return html.replace(
        'localStorage.getItem("theme") || "auto"',
        'localStorage.getItem("theme") || '
        '(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")',
    )


def write_index(app: Sphinx) -> None:
    """The page at the root leads to the first; without an icon browsers ask for /favicon.ico."""
    if app.builder.format == "html":
        first, title = app.config.master_doc, app.config.html_title or app.config.project
        icon = f"_static/{Path(app.config.html_favicon).name}"
        index = Path(app.outdir) / "index.html"
        index.write_text(INDEX.format(title=title, first=first, icon=icon), encoding="utf-8")


def finish(app: Sphinx, error: Exception | None) -> None:
    if app.builder.format != "html" or error is not None:
        return
    scripts = (Path(app.outdir) / ICONS).read_text(encoding="utf-8")
    for page in Path(app.outdir).rglob("*.html"):
        if "_static" not in page.parts:
            page.write_text(
                mend(drop_unused(draw_icons(page.read_text(encoding="utf-8"), scripts))),
                encoding="utf-8",
            )


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write_index)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
