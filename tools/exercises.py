"""Makes the notebooks that a class works on: `python -m tools.exercises`, or `make exercises`.

Each source in `notebooks/exercises/` has its solutions marked as nbgrader expects. From it come the
student's notebook, the instructor's, and the page of the book: all are committed, none is edited by
hand.
"""

from __future__ import annotations

import ast
import copy
import os
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

from offline_tutor.classroom.exercises import Exercise, exercises
from offline_tutor.classroom.exercises.judging import rubric_text
from tools.chapters import ROOT

SOURCES = ROOT / "notebooks" / "exercises"
PAGES = ROOT / "book" / "exercises"
STUB = "...  # your lines here"
TEXT_STUB = "*Your answer.*"
MARK = re.compile(r" *### (BEGIN|END) (SOLUTION|HIDDEN TESTS)\n?")
LINK = re.compile(r"(\]\()([^)#\s:]+\.(?:ipynb|md))")


def sources() -> list[Path]:
    return sorted(SOURCES.glob("*.ipynb"))


def of_chapter(name: str) -> list[Exercise]:
    return [exercise for exercise in exercises() if exercise.chapter == name]


def has_cell(notebook: nbformat.NotebookNode, id: str) -> bool:
    return any(cell.id == id for cell in notebook.cells)


def cell_of(notebook: nbformat.NotebookNode, id: str) -> nbformat.NotebookNode:
    """The cell of this id.

    Raises:
        ValueError: there is none.
    """
    for cell in notebook.cells:
        if cell.id == id:
            return cell
    raise ValueError(f"there is no cell {id!r}")


def relinked(text: str, before: Path, after: Path) -> str:
    """Markdown whose relative links, from a file in `before`, work from one in `after`."""

    def moved(match: re.Match[str]) -> str:
        return match[1] + os.path.relpath(before / match[2], after)

    return LINK.sub(moved, text)


def moved(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """A copy whose links work from that folder."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = relinked(cell.source, SOURCES, folder)
    return notebook


def student(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without its solutions and hidden tests: nbgrader's own rules."""
    notebook = moved(source, SOURCES / "student")
    clear = ClearSolutions(code_stub={"python": STUB}, text_stub=TEXT_STUB)
    notebook, _ = clear.preprocess(notebook, {})
    notebook, _ = ClearHiddenTests().preprocess(notebook, {})
    for cell in notebook.cells:
        cell.source = cell.source.rstrip("\n")
    return notebook


def instructor(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with its solutions, the mistakes that are recognised, and every test."""
    notebook = moved(source, SOURCES / "instructor")
    cells = []
    for cell in notebook.cells:
        cell.source = MARK.sub("", cell.source).rstrip("\n")
        cells.append(cell)
        for exercise in exercises():
            if cell.id == f"{exercise.id}-check":
                cells.append(_notes(exercise))
    notebook.cells = cells
    return notebook


def _notes(exercise: Exercise) -> nbformat.NotebookNode:
    text = [exercise.praise]
    if exercise.mistakes:
        rows = [f"| {mistake.name} | {mistake.hint} |" for mistake in exercise.mistakes]
        text += ["", "| What goes wrong | What `check` says |", "|---|---|", *rows]
    if exercise.choices:
        rows = [f"| {each.text} | {each.answer} |" for each in exercise.choices.values()]
        text += ["", "| Who predicts | is told |", "|---|---|", *rows]
    return nbformat.v4.new_markdown_cell("\n".join(text), id=f"{exercise.id}-notes")


def page(source: nbformat.NotebookNode, name: str) -> str:
    """The page of the book: the statements, with hints and solutions folded."""
    title = source.cells[0].source.partition("\n")[0]
    parts = [
        f"<!-- Made by `make exercises` from notebooks/exercises/{name}.ipynb. -->",
        title,
        f"To [the chapter](../../notebooks/{name}.ipynb). Work in the notebook: "
        f"{{download}}`{name}_exercises.ipynb <../../notebooks/exercises/student/{name}.ipynb>` "
        f"<!-- colab: notebooks/exercises/student/{name}.ipynb -->",
    ]
    stubs = student(source)
    for exercise in of_chapter(name):
        parts += _section(source, stubs, exercise)
    return "\n\n".join(parts) + "\n"


def _section(
    source: nbformat.NotebookNode, stubs: nbformat.NotebookNode, exercise: Exercise
) -> list[str]:
    """One exercise as Markdown."""
    parts = [relinked(cell_of(source, f"{exercise.id}-words").source, SOURCES, PAGES)]
    if has_cell(source, f"{exercise.id}-given"):
        parts.append(_python(cell_of(source, f"{exercise.id}-given").source))
    solved = MARK.sub("", cell_of(source, exercise.id).source).strip()
    if exercise.is_open:
        solved = f"{rubric_text(exercise)}\n\n{solved}"
    else:
        parts.append(_python(cell_of(stubs, exercise.id).source))
        solved = _python(solved)
    parts += [_folded(f"Hint {n}", hint) for n, hint in enumerate(exercise.hints, start=1)]
    return [*parts, _folded("Solution", f"{solved}\n\n{exercise.praise}")]


def _python(code: str) -> str:
    return f"```python\n{code}\n```"


def _folded(summary: str, text: str) -> str:
    """Text that opens on a click or a key, without a script."""
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>"


def stub_lines(cell: nbformat.NotebookNode) -> list[str]:
    """The lines of a student's cell but for the stub's own."""
    return [line for line in cell.source.splitlines() if line.strip() not in (STUB, TEXT_STUB)]


def function_of(cell: nbformat.NotebookNode, name: str) -> ast.FunctionDef:
    """A function that a cell defines.

    Raises:
        ValueError: it does not.
    """
    for node in ast.parse(cell.source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise ValueError(f"cell {cell.id!r} defines no {name}")


def made(path: Path) -> Mapping[Path, str]:
    """What is made from one source, by where it belongs."""
    source = nbformat.read(path, as_version=4)
    text = {"student": student(source), "instructor": instructor(source)}
    files = {SOURCES / kind / path.name: nbformat.writes(nb) + "\n" for kind, nb in text.items()}
    return files | {PAGES / f"{path.stem}.md": page(source, path.stem)}


def main() -> None:
    for path in sources():
        for file, text in made(path).items():
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                file.write_text(text, encoding="utf-8")
                print(f"wrote {file.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
