"""Makes slides for each part of the book from its executed chapters: `python -m tools.slides`.

Rules choose what is shown, so that nothing is kept by hand: a chapter's title and claim, its
objectives, each figure and table with the sentence that reads it, each displayed formula with the
sentences around it, and the recap. The chapter's text is in the speaker's notes. The slides are
written into the built book and share its style sheet for formulas; reveal.js lies beside them, so
that nothing comes from another host.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbconvert.exporters import SlidesExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from offline_tutor.book.figures.seal import unsealed
from tools.chapters import ROOT, Chapter, chapters, tags
from tools.execute import executed
from tools.replacing import New, Old, replace

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from typeset_math import Typesetter, unbroken

HERE = Path(__file__).parent
SLIDES = ROOT / "_build" / "html" / "slides"
NOTES = "plugin/notes/notes.js"
REVEAL = ["dist/reset.css", "dist/reveal.css", "dist/reveal.js", NOTES, "LICENSE"]
# What readers who listen lack in the speaker's view, which lies in that script as a string.
SPEAKER: dict[Old, New] = {
    re.compile(r"(span\.mute \{[\\nt]*opacity: )0\.3"): r"\g<1>0.65",
    r"<body>": r"<body><main>"
    r"<h1 style=\"position: absolute; width: 1px; height: 1px; overflow: hidden\">"
    r"Speaker view</h1>",
    r"<script>": r"</main><script>",
    r"<h4 class": r"<h4 aria-level=\"2\" class",
    r"<select ": r"<select aria-label=\"Layout\" ",
    r"<div id=\"speaker-controls\"": r"<div id=\"speaker-controls\" tabindex=\"0\"",
    "currentSlide = document.createElement( 'iframe' );": "currentSlide = "
    "document.createElement( 'iframe' ); currentSlide.title = 'This slide';",
    "upcomingSlide = document.createElement( 'iframe' );": "upcomingSlide = "
    "document.createElement( 'iframe' ); upcomingSlide.title = 'The next slide';",
}
SHOWN = re.compile(r'class="ot-(figure|table)')
SENTENCE = re.compile(r"(.+?(?<!\bal)[.?!](?:\*+|\))?)(?=\s|$)", re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$", re.DOTALL)
LINK = re.compile(r"\[([^]]+)\]\((?!https?:)[^)]+\)")
HEADING = re.compile(r"^#{2,3} (.+)$", re.MULTILINE)
SHORT = 60  # letters
RECAPS = {"Recap", "What to keep"}
UNSHOWN = {"Exercises", "Quiz", "Further reading"}


class Slide:
    """A heading, what is shown under it, and what the speaker says."""

    def __init__(self, heading: str, *shown: NotebookNode | str, notes: str = "") -> None:
        self.heading, self.notes = heading, notes
        self.shown = [new_markdown_cell(one) if isinstance(one, str) else one for one in shown]

    def cells(self, kind: str) -> Iterator[NotebookNode]:
        """The slide as cells; `kind` is "slide" (to the right) or "subslide" (below)."""
        first = [new_markdown_cell(self.heading)] if self.heading else []
        notes = [new_markdown_cell(self.notes)] if self.notes else []
        for k, cell in enumerate([*first, *self.shown, *notes]):
            part = "notes" if notes and cell is notes[0] else ("-" if k else kind)
            cell.metadata = {"slideshow": {"slide_type": part}}
            yield cell


def plain(text: str) -> str:
    """Markdown whose links into the book are only words: slides lie in another folder."""
    return LINK.sub(r"\1", text)


def paragraphs(text: str) -> list[str]:
    return [plain(part.strip()) for part in text.split("\n\n") if part.strip()]


def first_sentence(text: str) -> str:
    """The first sentence of a text, or more if it is short; bold type that is cut off is closed."""
    sentence = ""
    for found in SENTENCE.finditer(text.split("\n\n")[0]):
        sentence += found[1]
        if len(sentence) > SHORT:
            break
    sentence = plain(sentence.strip())
    return sentence + "**" * (sentence.count("**") % 2)


def last_sentence(text: str) -> str:
    """The words that lead up to a formula; they need not end in a full stop."""
    return text[max((match.end() for match in SENTENCE.finditer(text[:-1])), default=0) :].strip()


def opening(chapter: Chapter) -> Iterator[Slide]:
    """The title with its claim, and the objectives."""
    text = "\n\n".join(cell.source for cell in chapter.cells[:3] if cell.cell_type == "markdown")
    title, claim, *rest = paragraphs(text)
    yield Slide("", title, claim)
    place = rest.index("## Objectives")
    promises = next(part for part in rest[place:] if part.startswith("- "))
    yield Slide("## Objectives", rest[place + 1], promises)


def formulas(heading: str, text: str) -> Iterator[Slide]:
    """One slide for each displayed formula, with the sentence before and the words after it."""
    parts = paragraphs(text)
    for k, part in enumerate(parts):
        if FORMULA.fullmatch(part):
            before = parts[k - 1] if k else ""
            after = parts[k + 1] if k + 1 < len(parts) else ""
            lead = "" if FORMULA.fullmatch(before) else last_sentence(before)
            words = first_sentence(after) if after.startswith("In words") else ""
            shown = [one for one in (lead, part, words) if one]
            yield Slide(heading, *shown, notes=f"{before}\n\n{after}".strip())


def pictures(cell: NotebookNode) -> list[NotebookNode]:
    """The cell's figures and tables, each in a cell of its own."""
    shown = []
    for output in cell.get("outputs", []):
        html = unsealed(output.get("data", {}).get("text/html", ""))
        if SHOWN.search(html) and "remove-cell" not in tags(cell):
            html = html.replace('class="ot-slider"', 'class="ot-slider" data-prevent-swipe')
            output = nbformat.v4.new_output("display_data", {"text/html": html})
            shown.append(new_code_cell(outputs=[output]))
    return shown


def readings(cells: list[NotebookNode], place: int) -> tuple[str, str]:
    """The sentence that reads a cell's output, if the text after it does, and all text around."""
    before = [cell for cell in cells[:place] if cell.cell_type == "markdown"][-1]
    after = next(cell for cell in cells[place:] if cell.cell_type == "markdown")
    reads = "read" in after.id.split("-")  # as the chapters name such cells
    around = [before.source, after.source if reads else ""]
    notes = plain(HEADING.sub("", "\n\n".join(around)))
    return first_sentence(after.source) if reads else "", notes


def slides(chapter: Chapter, cells: list[NotebookNode]) -> Iterator[Slide]:
    """All slides of an executed chapter, in its order."""
    yield from opening(chapter)
    heading = ""
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            for part in re.split(r"(?m)^(?=#{2,3} )", cell.source):
                if found := HEADING.match(part):
                    heading = found[1]
                body = HEADING.sub("", part, count=1).strip()
                if heading in RECAPS:
                    yield Slide(f"## {heading}", plain(body))
                elif heading not in UNSHOWN and not heading.startswith("Exercise"):
                    yield from formulas(f"## {heading}", body)
        elif shown := pictures(cell):
            sentence, notes = readings(cells, place)
            for picture in shown[:-1]:
                yield Slide(f"## {heading}", picture)
            yield Slide(f"## {heading}", shown[-1], *filter(None, [sentence]), notes=notes)


class Renderer(IPythonRenderer):
    """Markdown as HTML, with formulas typeset now and headings without addresses."""

    def __init__(self, typesetter: Typesetter) -> None:
        super().__init__(escape=False)
        self.typesetter = typesetter

    def heading(self, text: str, level: int, **_: Any) -> str:
        return f"<h{level}>{text}</h{level}>\n"

    def inline_math(self, body: str) -> str:
        return self.typesetter.html(body, display=False)

    def block_math(self, body: str) -> str:
        return self.typesetter.html(body, display=True)


class Exporter(SlidesExporter):
    """nbconvert's, with a page of our own and formulas that are typeset already."""

    def __init__(self, typesetter: Typesetter) -> None:
        super().__init__(template_file=str(HERE / "slides.html.j2"))
        self.typesetter = typesetter

    def default_filters(self) -> Iterator[tuple[str, Any]]:
        """Filters of the template; ours of Markdown comes last and so is the one that is used."""
        yield from super().default_filters()
        markdown = MarkdownWithMath(renderer=Renderer(self.typesetter))
        yield "markdown2html", lambda text: unbroken(markdown.render(text))


def deck(part: list[Chapter], title: str) -> NotebookNode:
    """A notebook whose cells are the slides of these chapters.

    Raises:
        ValueError: a chapter has not run since it changed.
    """
    cells: list[NotebookNode] = []
    for chapter in part:
        if (notebook := executed(chapter)) is None:
            raise ValueError(f"{chapter.name} has no outputs of today's code: run 'make book'")
        before = None
        for slide in slides(chapter, notebook.cells):
            cells += slide.cells("subslide" if slide.heading == before else "slide")
            before = slide.heading
    return new_notebook(cells=cells, metadata={"title": title})


def parts() -> dict[str, list[Chapter]]:
    """The chapters of each part of the table of contents that has some, by its caption."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    found = {chapter.name: chapter for chapter in chapters()}
    named = {
        part["caption"]: [found[e["file"]] for e in part["chapters"] if e["file"] in found]
        for part in contents["parts"]
    }
    return {caption: those for caption, those in named.items() if those}


def reveal() -> Path:
    """Where the package sphinx-revealjs keeps reveal.js; nothing else of it is used."""
    found = importlib.util.find_spec("sphinx_revealjs")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("sphinx-revealjs is not installed: run 'make book'")
    return Path(found.origin).parent / "_static" / "revealjs"


def write_beside(folder: Path) -> None:
    """reveal.js, with its speaker's view mended, and the style sheet, beside the slides."""
    for name in REVEAL:
        source, target = reveal() / name, folder / "reveal" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    notes = folder / "reveal" / NOTES
    text = notes.read_text(encoding="utf-8")
    for old, new in SPEAKER.items():
        text = replace(text, old, new, where=notes)
    notes.write_text(text, encoding="utf-8")
    shutil.copy(HERE / "slides.css", folder)


def main(folder: Path = SLIDES) -> None:
    decks = [deck(those, caption) for caption, those in parts().items()]
    write_beside(folder)
    exporter = Exporter(Typesetter())
    for number, notebook in enumerate(decks, 1):
        html, _ = exporter.from_notebook_node(notebook)
        (folder / f"part{number}.html").write_text(html, encoding="utf-8")
    exporter.typesetter.engine.close()
    print(f"Slides of {len(decks)} parts are in {folder}.")


if __name__ == "__main__":
    main()
