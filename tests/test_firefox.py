"""Every page of the built book in Firefox, and the search in Firefox and in Chromium.

`make test` builds the book before it runs this. Needs Firefox: `tools/firefox.py` says where it is
looked for. What Chromium and axe see of a page is in test_browser.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tools.browser import BOOK, PARTED, STICKING_OUT, TOO_WIDE, Server, pages, serving
from tools.chapters import ROOT
from tools.firefox import NoFirefox, Tab, firefox_tab

ARROW_DOWN, END, HOME = "\ue015", "\ue010", "\ue011"  # as WebDriver calls these keys
FIGURES = 'document.querySelectorAll("figure.ot-figure:has(script)")'
UNDRAWN = """[...document.querySelectorAll("mjx-c")].filter(
    letter => getComputedStyle(letter, "::before").content == "none").length
    + [...document.fonts].filter(font => font.status == "error").length"""
# Where the middle of an element is, once it is in the window.
PLACE = """(one => {{ one.scrollIntoView({{block: "center", behavior: "instant"}});
    const box = one.getBoundingClientRect();
    return [box.x, box.y, box.width, box.height] }})({0})"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(BOOK) as server:
        yield server


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    try:
        with firefox_tab() as tab:
            yield tab
    except NoFirefox as missing:
        pytest.skip(str(missing))


class Moving:
    """A figure that moves: what it shows and says, before and after somebody acts on it."""

    def __init__(self, tab: Tab, number: int) -> None:
        self.tab, self.figure = tab, f"{FIGURES}[{number}]"

    def part(self, selector: str) -> str:
        return f"{self.figure}.querySelector({selector!r})"

    def seen(self) -> list[str]:
        panels = f"{self.part('.ot-panels')}.innerHTML"
        return self.tab.evaluate(f"[{panels}, {self.part('output')}.textContent]")

    def click(self, selector: str, right: float = 0.5, down: float = 0.5) -> None:
        x, y, width, height = self.tab.evaluate(PLACE.format(self.part(selector)))
        self.tab.click(x + right * width, y + down * height)

    def faults(self) -> Iterator[str]:
        """What nothing moves, of all that should move the figure."""
        slider = self.tab.evaluate(f"{self.part('input[type=range]')} != null")
        hands: dict[str, Callable[[], None]] = {"keyboard": lambda: self.tab.press(ARROW_DOWN)}
        if slider:
            value, least = f"{self.part('input')}.value", f"{self.part('input')}.min"
            at_first = self.tab.evaluate(f"{value} == {least}")
            first = {"mouse": lambda: self.click("input", 0.98 if at_first else 0.02)}
            hands = first | {"keyboard": lambda: self.tab.press(HOME if at_first else END)}
        else:
            hands = {"mouse": lambda: self.click(".ot-panels", 0.5, 0.17)} | hands
            hands |= {"button": lambda: self.click("[data-key=ArrowRight]")}
        for name, act in hands.items():
            before = self.seen()
            act()
            if before[0] == self.seen()[0] or before[1] == self.seen()[1]:
                yield f"the {name} does not move {self.figure}"


def quiz_faults(tab: Tab) -> Iterator[str]:
    """An answer of a quiz unfolds by a click."""
    if tab.evaluate("document.querySelector('#quiz > details') == null"):
        return
    x, y, width, height = tab.evaluate(PLACE.format("document.querySelector('#quiz summary')"))
    tab.click(x + width / 2, y + height / 2)
    if not tab.evaluate("document.querySelector('#quiz > details[open] > p')?.offsetHeight > 0"):
        yield "an answer of the quiz does not unfold"


@pytest.mark.parametrize("name", pages())
def test_page(tab: Tab, server: Server, name: str) -> None:
    server.missing.clear()
    tab.resize(1280, 800)
    tab.open(server.address + name)
    tab.evaluate("document.fonts.ready.then(() => 0)")
    faults = [f"{count} letters or fonts are missing"] if (count := tab.evaluate(UNDRAWN)) else []
    for number in range(tab.evaluate(f"{FIGURES}.length")):
        faults += Moving(tab, number).faults()
    faults += quiz_faults(tab)
    tab.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for width in (1280, 390, 320):
        tab.resize(width, 800)
        if tab.evaluate(TOO_WIDE) > 0:
            faults.append(f"wider than {width} pixels: {tab.evaluate(STICKING_OUT)}")
        faults += [f"at {width} a line breaks after a formula: {it}" for it in tab.evaluate(PARTED)]
    faults += tab.faults(server.address)
    assert faults + [f"not found: {path}" for path in server.missing] == []


FAULTY = """<!DOCTYPE html><title>Faulty</title><link rel="icon" href="data:,"><body>
<div style="width: 600px">wide</div><img src="http://elsewhere.invalid/a.png" alt="elsewhere">
<figure class="ot-figure"><div class="ot-panels">still</div><input type="range"><output>9</output>
<script></script></figure><div id="quiz"><details><summary>closed</summary></details></div>
<script>console.warn("careful"); undefined.thing</script>"""


def test_every_check_finds_its_fault(tab: Tab, tmp_path: Any) -> None:
    (tmp_path / "faulty.html").write_text(FAULTY, encoding="utf-8")
    with serving(tmp_path) as server:
        tab.resize(320, 800)
        tab.open(f"{server.address}faulty.html")
        found = [*Moving(tab, 0).faults(), *quiz_faults(tab), *tab.faults(server.address)]
        assert tab.evaluate(TOO_WIDE) > 200
    for fault in (
        "the mouse does not move",
        "the keyboard does not move",
        "does not unfold",
        "asks another host for http://elsewhere.invalid/a.png",
        "careful",
        "undefined",
    ):
        assert fault in "\n".join(found)


# The search, asked as its page asks it: the pages that it finds, the first one first.
ASK = """((queries) => Object.fromEntries(queries.map(query => [query,
    Search._performSearch(...Search._parseQuery(query)).reverse().map(
        ([page, , anchor]) => page + anchor)])))({})"""
AMERICAN = [("our", "or"), ("isation", "ization"), ("ised", "ized"), ("ise", "ize")]


def queries() -> dict[str, str]:
    """Every form of every term of the glossary, in both spellings, and the term's first form."""
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    block = text.partition("```{glossary}\n")[2].partition("```")[0]
    asked = {}
    for line in re.findall(r"^(?! )(.+)$", block, re.MULTILINE):
        term, *others = (form.strip() for form in line.split("|"))
        for form in (term, *others):
            american = form
            for here, there in AMERICAN:
                american = american.replace(here, there)
            asked |= {form: term, american: term, form.upper(): term}
    return asked


def check_search(evaluate: Callable[[str], Any]) -> None:
    wanted = queries()
    found = evaluate(ASK.format([*wanted, "loss", "clone", "quantized", "offline_tutor.data"]))
    for query, term in wanted.items():
        first, second = found[query][:2]
        place = re.sub(r"[^\w]+", "-", term).strip("-").lower()
        assert first.lower() == f"book/glossary#term-{place}", (query, found[query][:3])
        assert second.startswith("notebooks/") and "#" in second, (query, found[query][:3])
    for query in (*wanted, "loss", "clone"):
        package = [page.startswith("book/api/") for page in found[query]]
        chapters = [page.startswith("notebooks/") for page in found[query]]
        assert True in chapters, query
        last = max(place for place, chapter in enumerate(chapters) if chapter)
        assert True not in package[:last], (query, found[query])
    assert found["offline_tutor.data"][0].startswith("book/api/"), "a name as it stands in code"


READY = "new Promise(done => setInterval(() => Search.hasIndex() && done(0), 20))"
SHOWN = """new Promise(done => setInterval(() => { const all = [...document.querySelectorAll(
    "#search-results li")]; if (all.length > 3 && all[2].querySelector(".context"))
    done(all.map(one => one.textContent)) }, 50))"""


def test_firefox_finds_every_term_in_both_spellings(tab: Tab, server: Server) -> None:
    tab.open(f"{server.address}search.html")
    tab.evaluate(READY)
    check_search(tab.evaluate)


def test_chromium_finds_every_term_in_both_spellings(browser: Any, server: Server) -> None:
    page = browser.new_page()
    page.goto(f"{server.address}search.html")
    page.evaluate(READY)
    check_search(page.evaluate)
    page.close()


def check_results(results: list[str]) -> None:
    """The glossary's own words first; below it words of each page, not those of its buttons."""
    assert results[0].startswith("Glossary > behaviour cloning (Supervised learning of the data")
    for result in results:
        assert not re.search(r"\.ipynb|Print to PDF|Contents", result[:300].partition("Work in")[0])


def test_firefox_shows_what_it_finds(tab: Tab, server: Server) -> None:
    tab.open(f"{server.address}search.html?q=behavior+cloning")
    check_results(tab.evaluate(SHOWN))


def test_chromium_shows_what_it_finds(browser: Any, server: Server) -> None:
    page = browser.new_page()
    page.goto(f"{server.address}search.html?q=behavior+cloning")
    check_results(page.evaluate(SHOWN))
    page.close()


def test_the_search_works_from_a_disk(browser: Any) -> None:
    """Where no page can read another, results come without words of theirs, and without faults."""
    page, faults = browser.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: said.type in {"error", "warning"} and faults.append(said.text))
    page.goto(f"{BOOK.as_uri()}/search.html?q=CQL")
    page.wait_for_selector("#search-results li:nth-child(5)")
    first = page.locator("#search-results li").first.inner_text()
    page.close()
    assert first.startswith("Glossary > Conservative Q-Learning (Q-learning with a penalty")
    assert faults == []
