"""The slides of each part: made from the executed chapters, they work in a browser by themselves.

`make test` makes them before it runs this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tools import slides
from tools.browser import axe, serving
from tools.execute import executed
from tools.pages import foreign_requests

PARTS = list(slides.parts().values())
NUMBERS = range(1, len(PARTS) + 1)
TOO_LARGE = """() => Reveal.getSlides().filter(slide => {
    const {h, v} = Reveal.getIndices(slide); Reveal.slide(h, v || 0);
    return slide.scrollHeight > 720 || slide.scrollWidth > 1280}).map(slide => slide.innerText)"""
UNDRAWN = """() => [...document.querySelectorAll("mjx-c")].filter(
    letter => getComputedStyle(letter, "::before").content == "none").length"""
TO_A_SLIDER = """() => {
    const slide = Reveal.getSlides().find(slide => slide.querySelector("input[type=range]"));
    const {h, v} = Reveal.getIndices(slide); Reveal.slide(h, v || 0)}"""
WHERE = "JSON.stringify(Reveal.getIndices())"
BAD = {"error", "warning"}  # kinds of messages on the console


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(slides.SLIDES.parent) as server:
        yield f"{server.address}slides/"


def html(number: int) -> str:
    return (slides.SLIDES / f"part{number}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_deck_has_every_picture_of_its_part(number: int) -> None:
    notebooks = [executed(chapter) for chapter in PARTS[number - 1]]
    shown = [picture for nb in notebooks for cell in nb.cells for picture in slides.pictures(cell)]
    outputs = [cell.outputs[0].data["text/html"] for cell in shown]
    assert len(outputs) >= 5 * len(notebooks)
    for name in ('class="ot-figure', 'class="ot-table', 'type="range"'):
        assert html(number).count(name) == sum(output.count(name) for output in outputs)
    for chapter in PARTS[number - 1]:
        assert chapter.cells[0].source.splitlines()[0].removeprefix("# ") in html(number)


@pytest.mark.parametrize("number", NUMBERS)
def test_nothing_comes_from_another_host(number: int) -> None:
    assert foreign_requests(html(number)) == []
    assert not re.search(r"\$[^$]+\$", re.sub(r"<script.*?</script>", "", html(number), flags=re.S))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_deck_opens_without_a_fault(browser, address: str, number: int) -> None:
    page, faults = browser.new_page(viewport={"width": 1280, "height": 720}), []
    page.on("console", lambda message: message.type in BAD and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{address}part{number}.html")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    assert page.evaluate(TOO_LARGE) == []
    assert page.evaluate(UNDRAWN) == 0
    page.evaluate(TO_A_SLIDER)
    figure = page.locator("section.present .ot-figure:has(input[type=range])").last
    slider, place = figure.locator("input"), page.evaluate(WHERE)
    before = figure.locator(".ot-panels").inner_html(), slider.input_value()
    key, far, step = ("ArrowLeft", "Home", -1) if int(before[1]) else ("ArrowRight", "End", 1)
    slider.press(key)
    assert int(slider.input_value()) == int(before[1]) + step
    slider.press(far)
    assert figure.locator(".ot-panels").inner_html() != before[0]
    assert page.evaluate(WHERE) == place, "the slider's key moved the deck"
    slider.evaluate("slider => slider.blur()")
    page.keyboard.press("Space")
    assert page.evaluate(WHERE) != place
    page.close()
    assert faults == []


AXE = "axe.run({resultTypes: ['violations'], preload: false, iframes: false})"


def violations(page) -> list[str]:
    found = page.evaluate(AXE)["violations"]
    return [f"{one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]


def test_slides_and_the_speakers_view_can_be_read_by_everybody(browser, address: str) -> None:
    """Every third slide of a deck; the others are of the same kinds."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page, faults = context.new_page(), []
    page.goto(f"{address}part1.html")
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    page.evaluate(axe())
    for number in range(0, page.evaluate("Reveal.getSlides().length"), 3):
        page.evaluate(
            f"[Reveal.getIndices(Reveal.getSlides()[{number}])].map("
            "({h, v}) => Reveal.slide(h, v || 0))"
        )
        faults += violations(page)
    with context.expect_page() as opened:
        page.keyboard.press("s")
    opened.value.wait_for_selector("#upcoming-slide iframe")
    opened.value.wait_for_timeout(1000)
    opened.value.evaluate(axe())
    faults += [f"speaker's view: {fault}" for fault in violations(opened.value)]
    context.close()
    assert list(dict.fromkeys(faults)) == []


def test_sentences() -> None:
    long = "A sentence that is as long as this one, with $p = .5$ in it, goes alone. Not this."
    assert slides.first_sentence(long).endswith("goes alone.")
    assert slides.first_sentence("Two stories. One is sad.") == "Two stories. One is sad."
    assert (
        slides.first_sentence("**Watch the [maze](a.ipynb), " + "and " * 15 + "wait. Then** go.")[
            -7:
        ]
        == "wait.**"
    )
    assert slides.last_sentence("One thing. In symbols, with $d$ for the end:") == (
        "In symbols, with $d$ for the end:"
    )


def test_a_formula_gets_what_stands_around_it() -> None:
    text = "Much talk. We draw one:\n\n$$a = b$$\n\nIn words: they are the same."
    (slide,) = slides.formulas("## Here", text)
    assert [cell.source for cell in slide.cells("slide")] == [
        "## Here",
        "We draw one:",
        "$$a = b$$",
        "In words: they are the same.",
        "Much talk. We draw one:\n\nIn words: they are the same.",
    ]


def test_only_pictures_that_readers_see_are_shown() -> None:
    shown = [new_output("display_data", {"text/html": '<figure class="ot-figure">'})]
    printed = [new_output("stream", name="stdout", text="a number")]
    assert len(slides.pictures(new_code_cell(outputs=shown + printed + shown))) == 2
    hidden = new_code_cell(outputs=shown, metadata={"tags": ["remove-cell"]})
    assert slides.pictures(hidden) == slides.pictures(new_markdown_cell("text")) == []


def test_a_chapter_that_has_not_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slides, "executed", lambda chapter: None)
    with pytest.raises(ValueError, match="11_fixed_data has no outputs of today's code"):
        slides.deck(PARTS[0], "What is given")
