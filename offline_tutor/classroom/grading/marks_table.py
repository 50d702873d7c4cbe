"""The CSV table with the marks of a class."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from offline_tutor.classroom.grading.result_cache import write
from offline_tutor.classroom.grading.submission_grader import Result


def write_marks(file: Path, results: Sequence[Result]) -> None:
    """Writes one row for each student, in which no spreadsheet will see a formula."""
    text = io.StringIO()
    table = csv.writer(text)
    ids = [mark.exercise for mark in results[0].marks]
    table.writerow(["student", *ids, "total", "of", "remarks"])
    for result in results:
        points = ["" if mark.points is None else mark.points for mark in result.marks]
        remarks = _harmless("; ".join(_remarks(result)))
        table.writerow([_harmless(result.student), *points, result.points, result.of, remarks])
    write(file, text.getvalue(), encoding="utf-8-sig")  # Excel needs the byte order mark


def _remarks(result: Result) -> list[str]:
    stopped = [f"{mark.exercise}: stopped" for mark in result.marks if mark.status == "stopped"]
    read = [f"{mark.exercise}: to be read" for mark in result.marks if mark.points is None]
    unsafe = [] if result.isolated else ["ran without a sandbox"]
    return [*filter(None, [result.problem]), *result.remarks, *result.events, *stopped, *read,
            *unsafe]  # fmt: skip


def _harmless(text: str) -> str:
    """Text that a spreadsheet displays instead of computing it."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text
