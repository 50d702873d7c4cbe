"""What is told: a page for each student, and the table of marks."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from offline_tutor.classroom.grading.marks import Mark, Result
from offline_tutor.classroom.grading.results import write

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44em; margin: 2em auto; padding: 0 1em;
       color: #1b1b1b; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 1.8em; }
table { border-collapse: collapse; } th, td { padding: .3em .8em .3em 0; text-align: left;
       border-bottom: 1px solid #ccc; } td.points { white-space: nowrap; }
p.verdict { white-space: pre-line; overflow-wrap: anywhere; border-left: .3em solid #999;
       padding-left: .8em; } p.right { border-color: #00704a; }
li { overflow-wrap: anywhere; } footer { margin-top: 2.5em; font-size: .9em; color: #555; }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #16181b; }
       th, td { border-color: #555; } footer { color: #b0b0b0; } }
"""
HINT = """In the notebook, <code>check</code> tells the same at once, and <code>hint("…")</code>
with the exercise's name gives one more step at each call."""


def report(result: Result) -> str:
    """A page that says what each exercise brought, why, and what to do next."""
    name, chapter = escape(result.student), escape(result.chapter)
    rows = "".join(
        f'<tr><td>{escape(mark.title)}</td><td class="points">{_points(mark)}</td>'
        f"<td>{escape(mark.status)}</td></tr>"
        for mark in result.marks
    )
    parts = [
        f"<h1>{name}: {chapter}</h1><p><strong>{result.points} of {result.of} points</strong>"
        f"{_to_read(result)}</p>",
        f"<p>There was nothing to grade: {escape(result.problem)}.</p>" if result.problem else "",
        "<table><thead><tr><th>Exercise</th><th>Points</th><th>Result</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>",
        "" if result.problem else "".join(map(_section, result.marks)) + f"<p>{HINT}</p>",
        _list("What happened while the notebook ran", result.events),
        _list("About the file", result.remarks),
        f"<footer>{escape(result.isolation)}</footer>" if result.isolation else "",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name}: {chapter}</title><style>{STYLE}</style></head>\n<body><main>"
        + "\n".join(filter(None, parts))
        + "</main></body></html>\n"
    )


def _section(mark: Mark) -> str:
    kind = "verdict right" if mark.status == "right" else "verdict"
    return (
        f"<h2>{escape(mark.title)} <small><code>{escape(mark.exercise)}</code></small></h2>"
        f'<p class="{kind}">{escape(mark.text)}</p>'
    )


def _list(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2><ul>{items}</ul>" if lines else ""


def _points(mark: Mark) -> str:
    return f"{'—' if mark.points is None else mark.points} of {mark.of}"


def _to_read(result: Result) -> str:
    worth = sum(mark.of for mark in result.marks if mark.points is None)
    return f"; {worth} more are given by a person who reads the open answers" if worth else ""


def write_marks(file: Path, results: Sequence[Result]) -> None:
    """Writes the table of marks: a row a student. A spreadsheet takes no cell for a formula."""
    text = io.StringIO()
    table = csv.writer(text)
    ids = [mark.exercise for mark in results[0].marks]
    table.writerow(["student", *ids, "total", "of", "remarks"])
    for result in results:
        points = ["" if mark.points is None else mark.points for mark in result.marks]
        remarks = _harmless("; ".join(_remarks(result)))
        table.writerow([_harmless(result.student), *points, result.points, result.of, remarks])
    write(file, text.getvalue(), encoding="utf-8-sig")  # with the mark by which Excel knows UTF-8


def _remarks(result: Result) -> list[str]:
    stopped = [f"{mark.exercise}: stopped" for mark in result.marks if mark.status == "stopped"]
    read = [f"{mark.exercise}: to be read" for mark in result.marks if mark.points is None]
    unsafe = [] if result.isolated else ["ran without a sandbox"]
    return [*filter(None, [result.problem]), *result.remarks, *result.events, *stopped, *read,
            *unsafe]  # fmt: skip


def _harmless(text: str) -> str:
    """Text that a spreadsheet shows and does not compute."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text
