"""Keeps the result of each submission in a file, so that an interrupted run can continue."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from offline_tutor.classroom.exercises import Exercise
from offline_tutor.classroom.grading.sandbox import PACKAGE, Sandbox
from offline_tutor.classroom.grading.submission_grader import Mark, Result
from offline_tutor.classroom.grading.submissions import Submission
from offline_tutor.files import replacing

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,99}")


def file_name(student: str) -> str:
    """A safe file name for a student, whatever characters the student's name has."""
    if PLAIN.fullmatch(student):
        return student
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join([*re.findall(r"[A-Za-z0-9]+", student[:60]), digest])


def key(submission: Submission, assignment: Sequence[Exercise], sandbox: Sandbox) -> str:
    """A digest that changes whenever a submission has to be graded again."""
    what: list[object] = [
        submission.digest,
        submission.remarks,
        assignment[0].chapter,
        package_digest(),
    ]
    what += [vars(sandbox.limits), sandbox.isolation]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


@cache
def package_digest() -> str:
    """Digest of the package's source, since another version may give other marks."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def save(file: Path, key: str, result: Result) -> None:
    """Writes a result atomically."""
    write(file, json.dumps({"key": key} | dataclasses.asdict(result), indent=1))


def load(file: Path, key: str) -> Result | None:
    """The kept result, if there is one with this key; a damaged file is none."""
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.pop("key") != key:
            return None
        marks = tuple(Mark(**mark) for mark in content.pop("marks"))
        events, remarks = tuple(content.pop("events")), tuple(content.pop("remarks"))
        return Result(marks=marks, events=events, remarks=remarks, **content)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None


def write(file: Path, text: str, encoding: str = "utf-8") -> None:
    """Writes a text file atomically: readers see the old content or the new one."""
    with replacing(file) as part:
        part.write_text(text, encoding=encoding, errors="replace", newline="")
