"""The HTML page with one student's points and feedback."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from offline_tutor.classroom.grading.submission_grader import Mark, Result

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
HINT = """In the notebook, <code>check</code> gives this feedback at once, and
<code>hint("…")</code> with the exercise's name gives one more hint at each call."""


def report(result: Result) -> str:
    """A page with the points of each exercise, the reasons, and what to do next."""
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
    return f"; {worth} more are given by a person, who reads the open answers" if worth else ""
