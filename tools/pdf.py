"""Prints the built book as one PDF with contents and bookmarks: `python -m tools.pdf`.

Chromium opens each page of the book, has its formulas set, and hands over the article. All of them
together are then printed as one document, so that page numbers, links and bookmarks are the
browser's own. It is printed twice: the first time tells the contents on which page a chapter is.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import Browser, Page, Route
from pypdf import PdfReader, PdfWriter

from offline_tutor import __version__
from tools.browser import NoBrowser, browsing
from tools.chapters import ROOT

BUILT = ROOT / "_build" / "html"
PDF = ROOT / "_build" / "pdf" / "offline_tutor.pdf"
HOST = "http://book.invalid"  # no such host: every file comes from the folder
HERE = Path(__file__).parent
WIDTH = 642  # pixels between the margins of pdf.css
CUT = """width => [...document.querySelectorAll("body *")]
  .filter(one => !one.closest("svg *, mjx-container *"))
  .filter(one => one.getBoundingClientRect().right > width + 1 || one.tagName === "PRE"
    && one.scrollWidth > one.clientWidth + 1)
  .map(one => `${one.closest("section.chapter")?.id}: ${one.textContent.trim().slice(0, 80)}`)"""


@dataclass(frozen=True)
class Article:
    """A page of the book, ready to stand beside the others."""

    key: str  # notebooks-31_td3, its anchor in the PDF
    part: str | None  # the part of the book that it opens
    title: str
    sections: list[dict[str, str]]  # anchor and title of each
    html: str
    math: str  # MathJax's style sheet, with the characters that this page uses
    styles: list[str]  # addresses of the theme's style sheets


def pages() -> list[tuple[str | None, str]]:
    """The book's pages in reading order: the part that a page opens, if any, and its name."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    found: list[tuple[str | None, str]] = [(None, contents["root"])]
    for part in contents["parts"]:
        first, *others = files(part)
        found += [(part.get("caption"), first), *((None, name) for name in others)]
    return found


def files(part: Mapping[str, Any]) -> list[str]:
    """The pages below an entry of the table of contents, in its order."""
    below = [*part.get("chapters", []), *part.get("sections", [])]
    own = [part["file"]] if "file" in part else []
    return own + [name for entry in below for name in files(entry)]


def serve(route: Route, document: str = "") -> None:
    """Answers the browser from the built book, and `document` as /print.html; nothing else."""
    address = urlsplit(route.request.url)
    file = BUILT / unquote(address.path).lstrip("/")
    if f"{address.scheme}://{address.netloc}" != HOST:
        route.abort()
    elif address.path == "/print.html":
        route.fulfill(body=document, content_type="text/html; charset=utf-8")
    elif file.is_file():
        route.fulfill(path=file)
    else:
        route.fulfill(status=404)


def collect(page: Page, part: str | None, name: str, anchors: Mapping[str, str]) -> Article:
    """Opens one page of the book and extracts its article."""
    page.goto(f"{HOST}/{name}.html")
    found = page.evaluate(
        (HERE / "pdf.js").read_text(encoding="utf-8"), {"name": name, "anchors": anchors}
    )
    return Article(key=anchors[name], part=part, **found)


def document(articles: list[Article], numbers: Mapping[str, int]) -> str:
    """The whole book as one page of HTML. `numbers`: the page on which each anchor stands."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    styles = list(dict.fromkeys(style for article in articles for style in article.styles))
    heads = "\n".join(
        f"#{article.key} {{ page: {article.key}; }}\n"
        f"@page {article.key} {{ @top-right {{ content: {css(article.title)}; }} }}"
        for article in articles
    )
    links = "\n".join(f'<link rel="stylesheet" href="{escape(style)}">' for style in styles)
    math = "\n".join(article.math for article in articles)
    body = "\n".join(
        f'<section class="chapter" id="{article.key}">{article.html}</section>'
        for article in articles
    )
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{escape(config["title"])}</title>
<meta name="author" content="{escape(config["author"])}">
{links}
<style>{math}</style>
<style>{(HERE / "pdf.css").read_text(encoding="utf-8")}\n{heads}</style>
</head>
<body>
{front(config, articles, numbers)}
<main class="bd-content"><article class="bd-article">
{body}
</article></main>
</body>
</html>"""


def front(config: Mapping[str, Any], articles: list[Article], numbers: Mapping[str, int]) -> str:
    """The title page and the contents."""
    rows = []
    for article in articles:
        if article.part:
            rows.append(f'<li class="part">{escape(article.part)}</li>')
        rows.append(row("chapter", article.key, article.title, numbers))
        rows += [row("", one["anchor"], one["title"], numbers) for one in article.sections]
    return f"""<header class="title-page">
<p class="title">{escape(config["title"])}</p>
<p>{escape(config["author"])}, {escape(config["copyright"])}. Version {__version__}.</p>
<p>Printed from the pages of the book. What moves there stands still here, and says so; code that
only draws a figure is folded away there and left out here.</p>
{config["html"]["extra_footer"]}
</header>
<nav class="toc"><p class="heading">Contents</p><ul>{"".join(rows)}</ul></nav>"""


def row(kind: str, anchor: str, title: str, numbers: Mapping[str, int]) -> str:
    """A line of the contents."""
    link = f"<span>{escape(title)}</span><span>{numbers.get(anchor, '')}</span>"
    return f'<li class="{kind}"><a href="#{anchor}">{link}</a></li>'


def css(text: str) -> str:
    """A text as a string in CSS."""
    return json.dumps(text, ensure_ascii=False)


def print_document(browser: Browser, html: str, file: Path) -> dict[str, int]:
    """Prints HTML. Returns the number of the page on which each linked anchor stands.

    Raises:
        SystemExit: something is wider than the paper, and would be cut off.
    """
    page = browser.new_page(viewport={"width": WIDTH, "height": 900})
    page.emulate_media(media="print")
    page.route("**/*", lambda route: serve(route, html))
    page.goto(f"{HOST}/print.html")
    page.evaluate("() => document.fonts.ready.then(() => null)")
    if cut := page.evaluate(CUT, WIDTH):
        raise SystemExit("\n".join(["The paper is too narrow for this:", *cut]))
    page.pdf(path=file, prefer_css_page_size=True, print_background=True, tagged=True)
    page.close()
    reader = PdfReader(file)
    return {
        name.lstrip("/"): reader.get_destination_page_number(destination) + 1
        for name, destination in reader.named_destinations.items()
    }


def print_book(browser: Browser, file: Path) -> int:
    """Prints the book in _build/html. Returns how many pages it has."""
    names = pages()
    anchors = {name: name.replace("/", "-") for _, name in names}
    page = browser.new_page()
    page.route("**/*", serve)
    articles = [collect(page, part, name, anchors) for part, name in names]
    page.close()
    numbers = print_document(browser, document(articles, {}), file)
    again = print_document(browser, document(articles, numbers), file)
    if again != numbers:
        raise RuntimeError("the contents moved the chapters: their page numbers are wrong")
    return add_bookmarks(file, articles, numbers)


def add_bookmarks(file: Path, articles: list[Article], numbers: Mapping[str, int]) -> int:
    """Adds parts, chapters and sections as bookmarks. Returns how many pages there are.

    Chromium can add bookmarks too, but writes a heading twice that has more than one line.
    """
    writer = PdfWriter(clone_from=file)
    part = None
    for article in articles:
        number = numbers[article.key] - 1
        if article.part:
            part = writer.add_outline_item(
                title=article.part, page_number=number, bold=True, is_open=True
            )
        chapter = writer.add_outline_item(
            title=article.title, page_number=number, parent=part, is_open=False
        )
        for one in article.sections:
            writer.add_outline_item(
                title=one["title"], page_number=numbers[one["anchor"]] - 1, parent=chapter
            )
    writer.page_mode = "/UseOutlines"
    writer.write(file)
    return len(writer.pages)


def main() -> int:
    if not (BUILT / "index.html").is_file():
        raise SystemExit("There is no built book to print: run `make book` first.")
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # Chromium miscounts the parts of its PDF
    PDF.parent.mkdir(parents=True, exist_ok=True)
    try:
        with browsing() as browser:
            count = print_book(browser, PDF)
    except NoBrowser as missing:
        raise SystemExit(
            f"The PDF is printed by a browser: {missing}. Fonts: fonts-dejavu."
        ) from None
    print(f"The book is printed, {count} pages: {PDF}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
