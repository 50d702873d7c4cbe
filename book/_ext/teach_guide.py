"""What the teacher's guide takes from the chapters: their objectives, and how long each takes.

No number in its table is typed in: reading is what the chapter says, running is how long its
notebook took when it last ran for the book, minutes and points are those of the exercises.
"""

from __future__ import annotations

import re
from typing import Any

from jupyter_cache import get_cache
from sphinx.application import Sphinx

from offline_tutor.classroom.exercises import exercises
from tools.chapters import Chapter, chapters
from tools.execute import CACHE
from tools.replacing import replace

PAGE = "book/teach"
TABLE = "<!-- the table of times -->"
LIST = "<!-- the objectives -->"
READING = re.compile(r"Reading: about (\d+) minutes")
OBJECTIVES = re.compile(r"## Objectives\n+[^\n]+\n+((?:- [^\n]+(?:\n|$))+)")
HEAD = """| Chapter | Reading | Running | Exercises | Points |
|---|--:|--:|--:|--:|"""


def reading_minutes(chapter: Chapter) -> int:
    """The minutes that the chapter itself states, near its beginning.

    Raises:
        ValueError: it states none.
    """
    text = "\n".join(cell.source for cell in chapter.cells[:3])
    if not (found := READING.search(text)):
        raise ValueError(f"{chapter.name} does not say 'Reading: about N minutes'")
    return int(found[1])


def running_seconds(chapter: Chapter) -> float | None:
    """How long the chapter took when it last ran, or None before it ever ran here."""
    try:
        return get_cache(CACHE).match_cache_notebook(chapter.notebook).data["execution_seconds"]
    except KeyError:
        return None


def row(chapter: Chapter) -> str:
    tasks = [exercise for exercise in exercises() if exercise.chapter == chapter.path.stem]
    minutes = sum(exercise.minutes for exercise in tasks)
    seconds = running_seconds(chapter)
    cells = [
        f"[{title_of(chapter)}](../{chapter.name}.ipynb)",
        f"{reading_minutes(chapter)} min",
        "not yet run" if seconds is None else f"{seconds:.0f} s",
        f"{len(tasks)}, {minutes} min",
        str(sum(exercise.points for exercise in tasks)),
    ]
    return f"| {' | '.join(cells)} |"


def title_of(chapter: Chapter) -> str:
    return chapter.cells[0].source.splitlines()[0].removeprefix("# ")


def objectives(chapter: Chapter) -> str:
    """The chapter's title, linked, and its list of objectives.

    Raises:
        ValueError: it has no such list.
    """
    text = "\n\n".join(cell.source for cell in chapter.cells[:3])
    if not (found := OBJECTIVES.search(text)):
        raise ValueError(f"{chapter.name} has no list of objectives")
    return f"**[{title_of(chapter)}](../{chapter.name}.ipynb)**\n\n{found[1]}"


def write_guide(app: Sphinx, document: str, source: list[str]) -> None:
    if document == PAGE:
        times = "\n".join([HEAD, *map(row, chapters())])
        promises = "\n\n".join(map(objectives, chapters()))
        source[0] = replace(source[0], TABLE, times, where=PAGE)
        source[0] = replace(source[0], LIST, promises, where=PAGE)


def page_to_read_again(app: Sphinx, *_: object) -> list[str]:
    return [PAGE] if PAGE in app.env.found_docs else []


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", write_guide)
    app.connect("env-get-outdated", page_to_read_again)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
