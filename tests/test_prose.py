"""What the prose of a chapter says of its outputs is what they show.

A prose cell marks the numbers that it reads from a cell's output with a comment, which no reader
sees: `<!-- reads table: 0.92 37 -304 -->`. A mark may end in `%`: 92% is also read from 0.92.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import nbformat
import pytest

from tools import reading_time
from tools.chapters import Chapter, chapters, tags
from tools.execute import executed

each_chapter = pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.path.stem)

READS = re.compile(r"<!--\s*reads ([\w-]+):\s*(.*?)\s*-->", re.DOTALL)
DRAWN = re.compile(r"<(style|script|svg)\b.*?</\1>", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
LABEL = re.compile(r'<div class="ot-slider".*?<output[^>]*>([^<]*)</output>', re.DOTALL)
NUMBERS = "two|three|four|five|six|seven|eight|nine|ten|\\d+"
CLAIM = re.compile(
    rf"\b(every|each) (of the )?(\w+ )?seeds?\b|\ball (the )?({NUMBERS}) (seeds|critics|clones)\b"
    rf"|\bnone of the ({NUMBERS})\b|\bnot one of the ({NUMBERS})\b|\bmore than [\w,]+ times\b",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(r"title|objectives|exercise|quiz|recap|summary|transfer|further|reading")


def run(chapter: Chapter) -> nbformat.NotebookNode:
    notebook = executed(chapter)
    if notebook is None:
        pytest.fail(f"{chapter.name} has not been run as it is now: `make book` runs it")
    return notebook


def shown(cell: nbformat.NotebookNode) -> str:
    """The text of a cell's outputs: what it prints, its values, and its tables without tags."""
    found = []
    for output in cell.outputs:
        if output.output_type == "stream":
            found.append(output.text)
        elif "data" in output:
            html = DRAWN.sub(" ", output.data.get("text/html", ""))
            found += [unescape(re.sub(r"<[^>]*>", " ", html)), output.data.get("text/plain", "")]
    return "\n".join(found)


def values(text: str) -> list[float]:
    """The numbers of a text; groups of thousands may be parted by a comma or a space."""
    plain = text.replace(MINUS, "-").replace(DASH, " ").replace("$", "")
    plain = re.sub(r"(?<=\d)[,\u2009\u202f\u00a0](?=\d{3}(?!\d))", "", plain)
    return [float(found) for found in NUMBER.findall(plain)]


def fits(mark: str, found: float) -> bool:
    """Whether a number, rounded as the mark is, is the mark's."""
    number = mark.rstrip("%").replace(",", "")
    last = 10.0 ** -len(number.partition(".")[2])
    scales = (1, 100) if mark.endswith("%") else (1,)
    return any(abs(scale * found - float(number)) <= 0.5001 * last for scale in scales)


def marks(chapter: Chapter) -> Iterator[tuple[nbformat.NotebookNode, str, list[str]]]:
    """Each prose cell with marks, the cell that they are read from, and the numbers."""
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            for name, numbers in READS.findall(cell.source):
                yield cell, name, numbers.replace(MINUS, "-").split()


@each_chapter
def test_marked_numbers_are_what_the_output_shows(chapter: Chapter) -> None:
    outputs = {cell.id: shown(cell) for cell in run(chapter).cells if cell.cell_type == "code"}
    found = list(marks(chapter))
    assert found, "no prose marks the numbers that it reads"
    wrong = []
    for cell, name, numbers in found:
        assert name in outputs, f"cell {cell.id!r} reads {name!r}, which is no code cell"
        prose = values(READS.sub(" ", cell.source))
        for mark in numbers:
            bare = float(mark.rstrip("%").replace(",", ""))
            if not any(abs(bare) == abs(number) for number in prose):
                wrong.append(f"{cell.id}: {mark} is marked but not said")
            if not any(fits(mark, number) for number in values(outputs[name])):
                wrong.append(f"{cell.id}: {mark} is not in the output of {name}")
    assert not wrong, "\n".join(wrong)


@each_chapter
def test_claims_about_all_have_an_assertion_beside_them(chapter: Chapter) -> None:
    prose = [i for i, cell in enumerate(chapter.cells) if cell.cell_type == "markdown"]
    for before, here, after in zip([-1, *prose[:-1]], prose, [*prose[1:], None], strict=True):
        cell = chapter.cells[here]
        text = reading_time.FOLDED.sub(" ", cell.source)
        claim = CLAIM.search(text)
        if claim and not ELSEWHERE.search(cell.id):
            beside = chapter.cells[before + 1 : here] + chapter.cells[here + 1 : after]
            asserted = any("assertion" in tags(other) for other in beside)
            assert asserted, f"cell {cell.id!r} says {claim[0]!r}; no assertion stands beside it"


@each_chapter
def test_sliders_open_where_their_text_begins(chapter: Chapter) -> None:
    cells = run(chapter).cells
    for i, cell in enumerate(cells):
        for output in cell.get("outputs", []):
            for label in LABEL.findall(output.get("data", {}).get("text/html", "")):
                around = [other for other in cells[i + 1 :] if other.cell_type == "markdown"][:1]
                around += [other for other in cells[:i] if other.cell_type == "markdown"][-1:]
                text = " ".join(other.source for other in around)
                at = values(label)[:1] or [unescape(label).split(",")[0]]
                named = at[0] in values(text) if isinstance(at[0], float) else at[0] in text
                assert named, f"{cell.id!r} opens at {label!r}, which the text beside it omits"


@each_chapter
def test_visible_code_and_printed_outputs_fit_the_column(chapter: Chapter) -> None:
    for cell in run(chapter).cells:
        if cell.cell_type == "code" and "remove-cell" not in tags(cell):
            printed = "".join(output.get("text", "") for output in cell.outputs)
            for line in [*cell.source.splitlines(), *printed.splitlines()]:
                assert len(line) <= 88, f"cell {cell.id!r}: {len(line)} characters: {line}"


@each_chapter
def test_reading_times_follow_the_rule(chapter: Chapter) -> None:
    said = reading_time.SAID.findall(reading_time.prose(chapter))
    assert said == [str(reading_time.minutes(chapter))], "`make sync` writes the time"


def test_numbers_are_found_and_compared_as_they_are_rounded() -> None:
    assert values(f"0.92 [0.8, 1.0], {MINUS}304, $-2$, 20,000 rows, .5, 1e-3; x2, v1.5") == [
        *(0.92, 0.8, 1.0, -304, -2, 20000, 0.5, 0.001)
    ]
    assert fits("0.9", 0.9349) and not fits("0.9", 0.96)
    assert fits("92%", 0.9171) and fits("92%", 92.4) and not fits("92", 0.92)
    assert fits("-304", -304.4) and not fits("-304", 304) and fits("20,000", 20000)


def test_claims_are_found() -> None:
    for text in ("with every seed", "all ten seeds arrive", "more than 20,000 times too large"):
        assert CLAIM.search(text), text
    assert not CLAIM.search("every second seedling of all ten")
