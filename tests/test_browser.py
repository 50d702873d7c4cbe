"""Every page of the built book in a real browser, light and dark, on a desk and on a phone.

`make test` builds the book before it runs this. Needs Chromium: `tools/browser.py` says where it is
looked for. Faults of a page are collected and told together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from fontTools.ttLib import TTFont

from tools.browser import BOOK, CUT, PARTED, STICKING_OUT, TOO_WIDE, Server, axe, pages, serving
from tools.pages import Weight, weigh

PAGES = pages()
FIRST = "book/intro.html"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 844}  # the width down to which WCAG 2.1 wants pages to fit
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MOST = 300_000  # bytes, compressed, of what a chapter needs before its figures
MOST_WITH_FIGURES = 3_000_000  # bytes, compressed or not
FITS = ("notebooks/", "book/exercises/", "faulty")  # pages whose code fits its box at a desk
JUMPS = 0.1  # cumulative layout shift that Web Vitals still call good

# What is in a drawing is hidden from assistive technology; its description is on the element around
# it. Of a page's thousands of coloured words of code, one of each colour on each ground is enough.
# axe would spend most of its time on these.
THIN_OUT = """() => {
    document.querySelectorAll("svg[aria-hidden=true]").forEach(svg => svg.replaceChildren());
    const seen = new Set(), more = [];
    document.querySelectorAll("pre").forEach(code => {
        const ground = getComputedStyle(code).backgroundColor;
        code.querySelectorAll("span").forEach(word => {
            const kind = `${word.className} on ${ground}`;
            if (seen.has(kind)) more.push(word);
            seen.add(kind)})});
    more.forEach(word => word.replaceWith(...word.childNodes))}"""
# The letters of formulas are drawn by CSS; the browser tells which, as it understands the CSS.
LETTERS = """() => [...new Set([...document.querySelectorAll("mjx-c")].map(
    letter => getComputedStyle(letter, "::before").content.replace(/^"|"$/g, "")))].join("")"""
SETTLED = "Promise.all(document.getAnimations().map(animation => animation.finished))"
UNFOLD = "document.querySelectorAll('details').forEach(d => d.open = true)"
LAYOUT_SHIFT = """() => new Promise(resolve => new PerformanceObserver(list => resolve(
    list.getEntries().reduce((sum, entry) => sum + entry.value, 0)
    )).observe({type: "layout-shift", buffered: true}) || setTimeout(() => resolve(0), 50))"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(BOOK) as server:
        yield server


class Visit:
    """One page in one colour scheme, opened once, and what is wrong with it."""

    def __init__(self, browser: object, server: Server, name: str, scheme: str) -> None:
        self.server, self.name, self.faults = server, name, []
        self.fetched: set[str] = set()
        settings = {"viewport": DESK, "color_scheme": scheme, "reduced_motion": "reduce"}
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.on("request", self.note_request)
        self.page.on("requestfailed", lambda request: self.fault(f"failed: {request.url}"))
        self.page.on("pageerror", lambda error: self.fault(f"script fails: {error}"))
        self.page.on("console", self.note_message)
        server.missing.clear()
        self.page.goto(server.address + name, wait_until="load")
        self.page.evaluate("document.fonts.ready")

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def note_request(self, request: object) -> None:
        if request.url.startswith(self.server.address):
            self.fetched.add(unquote(urlsplit(request.url).path.lstrip("/")))
        elif not request.url.startswith(("data:", "blob:")):
            self.fault(f"asks another host for {request.url}")

    def note_message(self, message: object) -> None:
        if message.type in {"error", "warning"}:
            self.fault(f"console {message.type}: {message.text}")

    def check_access(self, where: str) -> None:
        """Asks axe, once colours have settled; whatever can be unfolded is unfolded."""
        self.page.evaluate(SETTLED)
        options = {"runOnly": STANDARD, "resultTypes": ["violations"], "preload": False}
        result = self.page.evaluate("options => axe.run(options)", options)
        for violation in result["violations"]:
            places = [self.place(node) for node in violation["nodes"]]
            more = f" and {len(places) - 4} more" if len(places) > 4 else ""
            self.fault(f"axe, {where}: {violation['help']}: {', '.join(places[:4])}{more}")

    @staticmethod
    def place(node: dict) -> str:
        reasons = [check["message"] for check in node["any"] + node["all"] + node["none"]]
        return f"{' '.join(map(str, node['target']))} ({'; '.join(reasons)})"

    def check_width(self) -> None:
        """Neither too wide for a window, nor with a sign that its formula left behind."""
        for size in (DESK, NARROW, PHONE):
            self.page.set_viewport_size(size)
            if (wide := self.page.evaluate(TOO_WIDE)) > 0:
                sticking_out = self.page.evaluate(STICKING_OUT)
                self.fault(f"{wide} pixels wider than {size['width']}: {sticking_out}")
            if size == DESK and self.name.startswith(FITS) and (cut := self.page.evaluate(CUT)):
                self.fault(f"at {size['width']} pixels the right end is cut off, in pixels: {cut}")
            if parted := self.page.evaluate(PARTED):
                self.fault(f"at {size['width']} pixels a line breaks after a formula: {parted}")

    def check_jumps(self) -> None:
        shift = self.page.evaluate(LAYOUT_SHIFT)
        if shift > JUMPS:
            self.fault(f"the page jumps while it loads: layout shift {shift:.2f}")

    def check_moving_figures(self) -> None:
        """Each moves by mouse and by keyboard, and says in words where it stands."""
        for figure in self.page.locator("figure.ot-figure:has(script)").all():
            hand = figure.locator("input[type=range], [role=application]")
            if hand.count() != 1:
                self.fault("a figure has a script, but nothing that a hand could move")
                continue
            hand.scroll_into_view_if_needed()
            slider = hand.get_attribute("type") == "range"
            (self.check_slider if slider else self.check_maze)(figure, hand)

    def check_slider(self, figure: object, slider: object) -> None:
        name = f"the slider {figure.locator('label').inner_text().strip()!r}"
        box = slider.bounding_box()
        at_first = slider.input_value() == slider.get_attribute("min")
        x = box["x"] + (box["width"] - 2 if at_first else 2)
        click, key = (x, box["y"] + box["height"] / 2), "Home" if at_first else "End"
        self.check_change(figure, f"the mouse does not move {name}", lambda: self.click(click))
        self.check_change(figure, f"the keyboard does not move {name}", lambda: slider.press(key))
        if slider.get_attribute("aria-valuetext") != figure.locator("output").inner_text():
            self.fault(f"{name} says something else than is to be read")

    def check_maze(self, figure: object, maze: object) -> None:
        """Walk right by a click, by dragging the dot, by a key and by a button; begin again."""
        box, said = maze.bounding_box(), figure.locator("output")
        goal = box["x"] + box["width"] / 2, box["y"] + box["height"] / 6
        hands = {
            "a click": lambda: self.click(goal),
            "dragging": lambda: self.drag(figure.locator(".ot-grip"), goal),
            "the keyboard": lambda: maze.press("ArrowDown"),
            "a button": lambda: figure.get_by_role("button", name="right", exact=True).click(),
            "beginning again": lambda: figure.get_by_role("button", name="Begin at B").click(),
        }
        for name, act in hands.items():
            before = said.inner_text()
            self.check_change(figure, f"{name} does not move the maze", act)
            if said.inner_text() == before:
                self.fault(f"{name} changes the maze, but not what is said of it")
        for button in figure.locator("button").all():
            if min(button.bounding_box()[side] for side in ("width", "height")) < 24:
                self.fault("a button of the maze is too small for a finger")

    def check_change(self, figure: object, fault: str, act: Callable[[], object]) -> None:
        before = self.picture(figure)
        act()
        if self.picture(figure) == before:
            self.fault(fault)

    def click(self, place: tuple[float, float]) -> None:
        self.page.mouse.click(*place)

    def drag(self, dot: object, place: tuple[float, float]) -> None:
        """Holds the mouse at the place until the dot had time for a step."""
        dot.hover()
        self.page.mouse.down()
        self.page.mouse.move(*place)
        self.page.wait_for_timeout(400)
        self.page.mouse.up()

    @staticmethod
    def picture(figure: object) -> str:
        return figure.locator(".ot-panels").inner_html()

    def check_letters(self) -> None:
        """Each letter of a formula is in one of MathJax's fonts, which were cut to what is used."""
        missing = {ord(letter) for letter in self.page.evaluate(LETTERS)} - letters_of_fonts()
        if missing:
            self.fault(f"fonts without {', '.join(f'U+{code:04X}' for code in sorted(missing))}")
        if icons := self.page.locator(":not(svg)[class*='fa-']").count():
            self.fault(f"{icons} icons are not drawn")

    def weight(self) -> Weight:
        files = {BOOK / name for name in self.fetched if (BOOK / name).is_file()}
        return weigh(BOOK / self.name, files - {BOOK / self.name})

    def close(self) -> list[str]:
        self.context.close()
        missing = [f"not found: {path}" for path in self.server.missing]
        return list(dict.fromkeys(self.faults + missing))


@cache
def letters_of_fonts() -> set[int]:
    fonts = [TTFont(path) for path in (BOOK / "_static" / "mathjax").glob("*.woff")]
    return {code for font in fonts for code in font.getBestCmap() or ()}


def test_the_book_is_built() -> None:
    chapters = {page for page in PAGES if page.startswith("notebooks/")}
    assert chapters, f"no chapter in {BOOK}: 'make test' and 'make book' build it"
    newest = max(path.stat().st_mtime for folder in ("book", "notebooks") for path in files(folder))
    built = (BOOK / "searchindex.js").stat().st_mtime
    assert built >= newest, "the built book is older than its sources: run 'make book'"


def test_the_root_leads_to_the_first_page(browser, server) -> None:
    server.missing.clear()
    page = browser.new_page()
    page.goto(server.address)
    page.wait_for_url("**/book/intro.html")
    page.close()
    assert server.missing == []


def files(folder: str) -> Iterator[Path]:
    for path in (BOOK.parents[1] / folder).rglob("*"):
        if path.is_file() and path.suffix in {".ipynb", ".md", ".css", ".py"}:
            yield path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page(browser, server, name, scheme, record_property) -> None:
    visit = Visit(browser, server, name, scheme)
    if scheme == "light":
        visit.check_jumps()
        visit.check_letters()
        weight = visit.weight()
        record_property("page weight", [name, list(weight)])
        visit.check_moving_figures()
        if name.startswith("notebooks/") and weight.first_view > MOST:
            visit.fault(f"{weight.first_view:,} bytes compressed before its figures")
        if weight.whole > MOST_WITH_FIGURES:
            visit.fault(f"{weight.whole:,} bytes with its figures")
    visit.page.evaluate(THIN_OUT)
    visit.page.evaluate(UNFOLD)
    visit.page.evaluate(axe())
    visit.check_access(f"{scheme}, desk")
    if scheme == "light" or name == FIRST:  # a phone's own bars are the same on every page
        visit.check_width()
        visit.page.wait_for_timeout(500)  # until the theme makes what now scrolls focusable
        visit.check_access(f"{scheme}, phone")
    assert visit.close() == []


def test_a_finger_drags_the_dot_and_not_the_page(browser, server) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(server.address + "notebooks/12_datasets.html")
    dot = page.locator(".ot-grip")
    dot.scroll_into_view_if_needed()
    box, scrolled = dot.bounding_box(), page.evaluate("scrollY")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = context.new_cdp_session(page)
    for kind, places in (
        ("touchStart", [(x, y)]),
        *(("touchMove", [(x + 20 * k, y + 10 * k)]) for k in range(1, 8)),
        ("touchEnd", []),
    ):
        points = [{"x": x, "y": y} for x, y in places]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        page.wait_for_timeout(100)
    said = page.locator(".ot-walk output").inner_text()
    assert page.evaluate("scrollY") == scrolled
    assert int(said.split()[1]) >= 3, said  # "Step 4 of 60, ..."
    context.close()


FAULTY = """<!DOCTYPE html><html><head><title>Faulty</title>
<link rel="icon" href="data:,"></head><body>
<p style="color: #999; background: #fff">pale</p>
<div class="cell"><pre style="width: 60px; overflow: auto">a_long_line_of_code = 1</pre></div>
<div style="width: 600px">wide</div>
<img src="gone.png" alt="gone"><img src="http://localhost:9/a.png" alt="elsewhere">
<figure class="ot-figure"><div class="ot-panels">still</div><label>Dead
<input type="range" max="9" value="9" aria-valuetext="nine"></label><output>9</output>
<script></script></figure>
<figure class="ot-figure"><div class="ot-panels" role="application" tabindex="0" aria-label="maze">
<i class="ot-grip">dot</i></div><output>here</output>
<button style="padding:0;border:0;font-size:9px">right</button>
<button onclick="this.closest('figure').querySelector('i').textContent = 'dot!'">Begin at B</button>
<script></script></figure>
<figure class="ot-figure"><div class="ot-panels">out of reach</div><script></script></figure>
<script>console.warn("careful"); undefined.thing</script></body></html>"""


def test_every_check_finds_its_fault(browser, tmp_path) -> None:
    (tmp_path / "faulty.html").write_text(FAULTY, encoding="utf-8")
    with serving(tmp_path) as server:
        visit = Visit(browser, server, "faulty.html", "light")
        visit.check_moving_figures()
        visit.page.evaluate(axe())
        visit.check_access("desk")
        visit.check_width()
        found = "\n".join(visit.close())
    for fault in (
        "contrast ratio",
        "must have a lang attribute",
        "pixels wider than 320",
        "the right end is cut off",
        "should have one main landmark",
        "not found: /gone.png",
        "asks another host for http://localhost:9/a.png",
        "the mouse does not move the slider 'Dead'",
        "the keyboard does not move the slider 'Dead'",
        "says something else",
        "a click does not move the maze",
        "dragging does not move the maze",
        "the keyboard does not move the maze",
        "a button does not move the maze",
        "beginning again changes the maze, but not what is said of it",
        "too small for a finger",
        "nothing that a hand could move",
        "console warning: careful",
        "script fails",
    ):
        assert fault in found
