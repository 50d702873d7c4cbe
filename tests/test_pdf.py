"""`make pdf`: a small book of two pages, printed; and the real one, where it has been built."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from playwright.sync_api import Browser
from pypdf import PageObject, PdfReader

from tools import pdf
from tools.browser import VARIABLE, chromium
from tools.chapters import chapters

CODE = "x = 1  # " + "0123456789" * 12 + "END"
FIRST = f"""<h1>A <em>first</em> page<a class="headerlink" href="#one">#</a></h1>
<p>See <a href="b.html#far">the far section</a> and <a href="b.html">the other page</a>,
but not <a href="a.ipynb">the source</a>. <button>Click me</button></p>
<div class="cell"><div class="cell_input"><pre>{CODE}</pre></div></div>
<div class="cell tag_hide-input"><details><pre>HIDDEN</pre></details><p>SHOWN</p></div>
<details><summary>Solution</summary>SOLVED</details>
<figure><svg width="90" height="20" role="img" aria-label="a line"><text y="15">LINE</text></svg>
<div class="ot-slider"><label>Step <input type="range" min="0" max="3" value="3"></label>
<output>3 of 3</output></div></figure>"""
SECOND = "<h1>The other page</h1>" + "".join(
    f"<section id='{name}'><h2>The {name} section</h2><p style='height:200mm'>Text</p></section>"
    for name in ("near", "far")
)


def page(article: str) -> str:
    return f"""<!DOCTYPE html><html><body><article class="bd-article"><section id="one">{article}
    </section></article><script src="https://elsewhere.org/a.js"></script></body></html>"""


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.html").write_text(page(FIRST), encoding="utf-8")
    (tmp_path / "b.html").write_text(page(SECOND), encoding="utf-8")
    monkeypatch.setattr(pdf, "BUILT", tmp_path)
    monkeypatch.setattr(pdf, "pages", lambda: [(None, "a"), ("Part", "b")])
    return tmp_path


def bookmarks(reader: PdfReader) -> dict[str, int]:
    """Page by title of all bookmarks."""

    def flat(items: list[Any]) -> Iterator[Any]:
        for item in items:
            yield from flat(item) if isinstance(item, list) else [item]

    found = flat(reader.outline)
    return {item.title: reader.get_destination_page_number(item) for item in found}


def words(page: PageObject) -> str:
    return " ".join(page.extract_text().split())


def assert_fonts_are_embedded(reader: PdfReader) -> None:
    fonts = {}
    for page in reader.pages:
        fonts |= page.get("/Resources", {}).get("/Font", {})
    assert fonts
    for name, reference in fonts.items():
        font = reference.get_object()
        if font["/Subtype"] == "/Type0":
            font = font["/DescendantFonts"][0].get_object()
        if font["/Subtype"] != "/Type3":  # which is drawn by the file itself
            descriptor = font["/FontDescriptor"].get_object()
            assert any(key.startswith("/FontFile") for key in descriptor), name


def test_pages_become_one_document(browser: Browser, book: Path) -> None:
    file = book / "book.pdf"
    count = pdf.print_book(browser, file)
    reader = PdfReader(file)
    assert count == len(reader.pages) == 5  # title, contents, one page, two pages
    places = {"A first page": 2, "Part": 3, "The other page": 3}
    assert bookmarks(reader) == places | {"The near section": 3, "The far section": 4}
    assert_fonts_are_embedded(reader)

    contents = words(reader.pages[1])
    for line in ("A first page 3", "The other page 4", "The near section 4", "The far section 5"):
        assert line in contents
    first = words(reader.pages[2])
    assert "A slider moves this figure in the online book. Step: 3 of 3." in first
    for text in ("LINE", "SHOWN", "SOLVED", "END"):
        assert text in first
    for text in ("HIDDEN", "Click me", "#"):
        assert text not in first.replace("# 01234", "")


def test_links_lead_to_pages_of_the_document(browser: Browser, book: Path) -> None:
    pdf.print_book(browser, book / "book.pdf")
    reader = PdfReader(book / "book.pdf")
    links = [one.get_object() for one in reader.pages[2]["/Annots"]]
    places = [reader.named_destinations[link["/Dest"]] for link in links]
    assert [reader.get_destination_page_number(place) for place in places] == [4, 3]


def test_what_is_too_wide_is_told(browser: Browser, book: Path) -> None:
    (book / "b.html").write_text(
        page("<h1>Wide</h1><p style='width: 300mm'>One long line.</p>"), encoding="utf-8"
    )
    with pytest.raises(SystemExit, match=r"too narrow[^:]*:\nb: One long line"):
        pdf.print_book(browser, book / "book.pdf")


def test_the_real_book(browser: Browser, tmp_path: Path) -> None:
    sources = {pdf.BUILT / f"{chapter.name}.html": chapter.path for chapter in chapters()}
    for built, source in sources.items():
        if not built.is_file() or built.stat().st_mtime < source.stat().st_mtime:
            pytest.skip(f"{built.name} has not been built since it changed: make book")
    pdf.print_book(browser, tmp_path / "book.pdf")
    reader = PdfReader(tmp_path / "book.pdf")
    places = bookmarks(reader)
    assert_fonts_are_embedded(reader)
    for chapter in chapters():
        title = chapter.cells[0].source.splitlines()[0].removeprefix("# ").replace("$", "")
        (place,) = (number for name, number in places.items() if name.endswith(f". {title}"))
        assert title in words(reader.pages[place])


def test_missing_browser_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "index.html").touch()
    monkeypatch.setattr(pdf, "BUILT", tmp_path)
    monkeypatch.setattr("tools.browser.chromium", lambda _: None)
    monkeypatch.setattr("tools.browser.sync_playwright", MagicMock())  # one runs, for `browser`
    with pytest.raises(SystemExit, match="apt install chromium"):
        pdf.main()


def test_the_named_browser_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = shutil.which("sh") or ""
    monkeypatch.setenv(VARIABLE, shell)
    assert chromium() == shell
    monkeypatch.setenv(VARIABLE, "/no/such/browser")
    with pytest.raises(FileNotFoundError, match=f"{VARIABLE}=/no/such/browser"):
        chromium()


def test_unbuilt_book_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pdf, "BUILT", tmp_path)
    with pytest.raises(SystemExit, match="run `make book` first"):
        pdf.main()
