"""What a reader gets who prints a page: light, unfolded, nothing cut."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tools.chapters import ROOT

STATIC = ROOT / "book" / "_static"
PAGE = f"""<!DOCTYPE html><html data-theme="dark"><head>
<style>{(STATIC / "book.css").read_text(encoding="utf-8")}</style>
<script>{(STATIC / "print.js").read_text(encoding="utf-8")}</script></head>
<body><article class="bd-article">
<div class="cell tag_hide-input"><details id="drawing"><pre>DRAWING</pre></details></div>
<details id="closed"><summary>Solution</summary>SOLVED</details>
<details id="open" open><summary>Hint</summary>HINT</details>
<div class="cell"><div class="cell_input" style="width: 20em; overflow: auto">
<pre id="code" style="width: 20em">{"0123456789" * 20}</pre></div></div>
<a class="reference external" href="https://elsewhere.org/a">a paper</a></article></body></html>"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.set_content(PAGE)
    yield page
    page.close()


def state(page: Page) -> tuple[str, list[str]]:
    """The colours, and what is unfolded."""
    opened = "[...document.querySelectorAll('details[open]')].map(one => one.id)"
    return page.evaluate(f"[document.documentElement.dataset.theme, {opened}]")


def test_printing_turns_the_page_light_and_unfolds_it_for_a_while(page: Page) -> None:
    before = state(page)
    assert before == ["dark", ["open"]]
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert state(page) == ["light", ["drawing", "closed", "open"]]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert state(page) == before


def test_the_browser_tells_when_it_prints(page: Page) -> None:
    page.evaluate("addEventListener('beforeprint', () => { document.title = 'printed' })")
    page.pdf()
    assert page.title() == "printed"


def test_nothing_is_cut_on_paper(page: Page) -> None:
    overflow = (
        "document.querySelector('#code').scrollWidth > document.querySelector('#code').clientWidth"
    )
    assert page.evaluate(overflow)
    page.emulate_media(media="print")
    assert not page.evaluate(overflow)
    assert not page.locator("#drawing").is_visible()
    address = "getComputedStyle(document.querySelector('a'), '::after').content"
    assert "elsewhere.org/a" in page.evaluate(address)
