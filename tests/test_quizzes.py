"""The quiz at the end of each chapter: five questions, one right answer, each says why.

It is plain Markdown with HTML's own `<details>`, so that it unfolds wherever a notebook is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

from tools.chapters import Chapter, chapters

QUESTION = re.compile(r"^\*\*(\d)\. (.+)\*\*$", re.MULTILINE)
OPTION = re.compile(r"<details><summary>(.+)</summary>\n\n(Right|No): (.+)\n\n</details>")
RECAP = re.compile(r"## (Recap|What to keep)\n")

each_chapter = pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.path.stem)


@dataclass(frozen=True)
class Option:
    text: str
    right: bool
    why: str


@dataclass(frozen=True)
class Question:
    text: str
    options: list[Option]

    @property
    def place(self) -> int:
        """Which of the options is the right one, from 0."""
        return [option.right for option in self.options].index(True)


def quiz(chapter: Chapter) -> NotebookNode:
    return next(cell for cell in chapter.cells if cell.id == "quiz")


def questions(chapter: Chapter) -> list[Question]:
    """The quiz, read by its form; text that does not fit the form is an error."""
    head, *parts = QUESTION.split(quiz(chapter).source)
    assert head.startswith("## Quiz\n")
    found = []
    for number, text, body in zip(parts[0::3], parts[1::3], parts[2::3], strict=True):
        assert int(number) == len(found) + 1
        assert OPTION.sub("", body).strip() == "", f"question {number}: {body}"
        options = [Option(*match) for match in parsed(body)]
        found.append(Question(text, options))
    return found


def parsed(body: str) -> list[tuple[str, bool, str]]:
    return [(text, verdict == "Right", why) for text, verdict, why in OPTION.findall(body)]


@each_chapter
def test_five_questions_stand_before_the_recap(chapter: Chapter) -> None:
    place = [cell.id for cell in chapter.cells].index("quiz")
    assert RECAP.match(chapter.cells[place + 1].source)
    assert len(questions(chapter)) == 5


@each_chapter
def test_one_option_is_right_and_each_says_why(chapter: Chapter) -> None:
    for question in questions(chapter):
        assert 3 <= len(question.options) <= 4
        assert sum(option.right for option in question.options) == 1, question.text
        assert len({option.text for option in question.options}) == len(question.options)
        assert min(len(option.why.split()) for option in question.options) >= 5
    reasons = [option.why for question in questions(chapter) for option in question.options]
    assert len(set(reasons)) == len(reasons)


@each_chapter
def test_the_place_of_the_right_answer_tells_nothing(chapter: Chapter) -> None:
    places = [question.place for question in questions(chapter)]
    assert len(set(places)) >= 3 and max(map(places.count, places)) <= 2


def test_the_length_of_an_option_tells_nothing() -> None:
    """With three or four options, chance would make the right one the longest in 3 of 10."""
    every = [question for chapter in chapters() for question in questions(chapter)]
    longest = [max(q.options, key=lambda option: len(option.text)).right for q in every]
    assert 0.2 < sum(longest) / len(longest) < 0.4


@each_chapter
def test_options_can_be_read_where_nothing_is_typeset(chapter: Chapter) -> None:
    """A summary holds HTML: no reader typesets formulas or Markdown in it."""
    for question in questions(chapter):
        for option in question.options:
            assert not re.search(r"[$`*<>&\\]", option.text), option.text


@each_chapter
def test_explanations_are_markdown_inside_html(chapter: Chapter) -> None:
    """What Jupyter, GitHub and MyST have in common: CommonMark with formulas between dollars."""
    markdown = MarkdownIt("commonmark").use(dollarmath_plugin)
    tokens = markdown.parse(quiz(chapter).source)
    html = "".join(token.content for token in tokens if token.type == "html_block")
    number = sum(len(question.options) for question in questions(chapter))
    assert html.count("<details>") == html.count("</details>") == number
    assert not re.search(r"^(Right|No): ", html, re.MULTILINE), "read as HTML"
    inline = [child for token in tokens for child in token.children or ()]
    formulas = [child for child in inline if child.type == "math_inline"]
    text = "".join(child.content for child in inline if child.type == "text")
    assert "$" not in text and len(formulas) == quiz(chapter).source.count("$") / 2
