"""The teacher's guide: its plans add up; its table is of the chapters and their last runs."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest

from offline_tutor.classroom.exercises import exercises
from tools.chapters import ROOT, chapters

GUIDE = (ROOT / "book" / "teach.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def extension() -> ModuleType:
    path = ROOT / "book" / "_ext" / "teach_guide.py"
    spec = importlib.util.spec_from_file_location("teach_guide", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(title: str) -> str:
    return re.split(r"^## ", GUIDE.split(f"## {title}\n")[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize(
    ("title", "minutes"), [("A session of ninety minutes", 90), ("One day", 360)]
)
def test_a_plan_adds_up(title: str, minutes: int) -> None:
    rows = re.findall(r"^\| (\d+) \|", section(title), re.MULTILINE)
    assert len(rows) >= 5 and sum(map(int, rows)) == minutes


def test_two_weeks_have_a_session_for_each_chapter() -> None:
    found = re.findall(
        r"^\| \d+ \| \[[^]]+\]\(\.\./(.+?)\.ipynb\)", section("Two weeks"), re.MULTILINE
    )
    assert found == [chapter.name for chapter in chapters()]


def test_questions_have_folded_answers() -> None:
    for title, least in (("Discussion questions", 5), ("Exam questions", 8)):
        questions = re.findall(r"^\*\*.+\n\n<details>", section(title), re.MULTILINE)
        assert len(questions) >= least
        assert section(title).count("<details>") == section(title).count("</details>") >= least


def test_the_table_tells_what_chapters_and_exercises_say(extension: ModuleType) -> None:
    rows = [extension.row(chapter).split(" | ") for chapter in chapters()]
    points = sum(exercise.points for exercise in exercises())
    assert sum(int(row[-1].strip(" |")) for row in rows) == points > 0
    assert all(re.fullmatch(r"\d+ min", row[1]) for row in rows)


def test_objectives_are_the_chapters_own(extension: ModuleType) -> None:
    for chapter in chapters():
        promised = re.findall(r"^- .+", extension.objectives(chapter), re.MULTILINE)
        assert len(promised) >= 3
        assert all(any(line in cell.source for cell in chapter.cells[:3]) for line in promised)


def test_a_chapter_without_its_minutes_is_an_error(extension: ModuleType) -> None:
    chapter = chapters()[0]
    chapter.notebook.cells = chapter.notebook.cells[3:]
    with pytest.raises(ValueError, match="11_fixed_data does not say"):
        extension.reading_minutes(chapter)


def test_times_are_those_of_the_last_run(extension: ModuleType) -> None:
    seconds = [extension.running_seconds(chapter) for chapter in chapters()]
    if not any(seconds):
        pytest.skip("no chapter has run here: 'make test' runs them first")
    assert all(second is None or 1 < second < 600 for second in seconds)
