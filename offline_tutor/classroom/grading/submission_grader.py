"""Grades one submission: its code runs in the sandbox, its numbers are judged outside."""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import jax

from offline_tutor.classroom.exercises import (
    Exercise,
    Observation,
    Verdict,
    judge,
    read_observations,
)
from offline_tutor.classroom.grading.limits import SPARE_MB, Limits
from offline_tutor.classroom.grading.sandbox import Ending, Sandbox, SandboxError
from offline_tutor.classroom.grading.submissions import Submission, printable
from offline_tutor.files import temporary_folder

FINE = ("done", "finished")


@dataclass(frozen=True)
class Mark:
    """The result of one exercise.

    Attributes:
        exercise: its id.
        title: its heading.
        points: points given; None if a person has to read the answer.
        of: points that can be reached.
        status: as in `Verdict`, or "stopped" if the check did not finish.
        text: feedback for the student.
    """

    exercise: str
    title: str
    points: int | None
    of: int
    status: str
    text: str


@dataclass(frozen=True)
class Result:
    """The result of one submission.

    Attributes:
        events: what went wrong while the notebook ran, one line each.
        remarks: remarks about the file, for the teacher.
        problem: why nothing was run; empty if it was.
        isolation: what separated it from the machine; empty if nothing was run.
        isolated: whether it ran in a sandbox.
        seconds: wall time of grading.
    """

    student: str
    chapter: str
    marks: tuple[Mark, ...]
    events: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problem: str = ""
    isolation: str = ""
    isolated: bool = True
    seconds: float = 0.0

    @property
    def points(self) -> int:
        return sum(mark.points or 0 for mark in self.marks)

    @property
    def of(self) -> int:
        """Points that can be reached, without those that a person has yet to give."""
        return sum(mark.of for mark in self.marks if mark.points is not None)


@dataclass
class _Findings:
    """What is known after the runs so far of one submission."""

    cells: dict[str, str]  # sources to run, by step
    waiting: dict[str, Exercise]  # exercises not yet observed, by step
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)  # why a check did not finish
    events: dict[str, str] = field(default_factory=dict)


def grade_submission(
    submission: Submission, assignment: Sequence[Exercise], sandbox: Sandbox,
    cpus: Sequence[int], stop: threading.Event,
) -> Result:  # fmt: skip
    """Runs a submission and judges what its functions return on fresh random inputs.

    Raises:
        SandboxError: the grader could not start the run.
        StoppedError: `stop` was set.
    """
    start = time.monotonic()
    chapter = assignment[0].chapter
    if submission.problem:
        text = f"There was nothing to grade: {submission.problem}."
        marks = tuple(_mark(each, Verdict(each.id, "not done", text)) for each in assignment)
        return Result(submission.student, chapter, marks, problem=submission.problem)
    found = _Findings(
        {str(number): source for number, source in enumerate(submission.cells)},
        {exercise.id: exercise for exercise in assignment if not exercise.is_open},
    )
    end = start + sandbox.limits.seconds
    while found.waiting and (rest := end - time.monotonic()) > 0:
        if not _attempt(found, sandbox, cpus, rest, stop):
            break
    marks = tuple(_mark(each, _verdict(each, found, submission.answers)) for each in assignment)
    events = [found.events[step] for step in sorted(found.events, key=int)]
    return Result(
        submission.student, chapter, marks, tuple(events), submission.remarks, "",
        sandbox.isolation, bool(sandbox.bubblewrap), round(time.monotonic() - start, 1),
    )  # fmt: skip


def _attempt(
    found: _Findings, sandbox: Sandbox, cpus: Sequence[int], seconds: float, stop: threading.Event
) -> bool:
    """Runs the notebook once. Returns whether to run it again, without the cell that ended it."""
    seeds = {id: secrets.randbits(63) for id in found.waiting}
    task: dict[str, Any] = {
        "cells": list(found.cells.items()),
        "checks": [{"id": id, "seed": seeds[id], "file": f"{id}.npz"} for id in found.waiting],
        "cell_seconds": sandbox.limits.cell_seconds,
    }
    with temporary_folder("grading") as folder:
        ending = sandbox.run(task, folder, cpus, seconds, stop)
    messages = list(_messages(ending.messages))
    steps = _steps(messages, found)
    if not steps:
        raise SandboxError(ending.errors.strip()[-500:] or f"it ended: {ending.reason}")
    for id, data in _observations(messages, found).items():
        found.verdicts[id] = _judge(data, found.waiting[id], seeds[id])
    _note(steps, ending, found, sandbox.limits)
    for id in [*found.verdicts, *found.stopped]:
        found.waiting.pop(id, None)
    guilty, last = next(reversed(steps.items()))
    dead = last["outcome"] not in (*FINE, "error", "late")
    if dead and guilty in found.cells:
        del found.cells[guilty]
    return dead and ending.reason != "time"


def _messages(text: str) -> Iterator[dict[str, Any]]:
    """The messages of a run. Lines that are incomplete or forged are skipped."""
    for line in text.splitlines():
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict):
            yield message


def _steps(messages: Sequence[dict[str, Any]], found: _Findings) -> dict[str, dict[str, str]]:
    """The last message about each step of this run, in order of arrival."""
    steps: dict[str, dict[str, str]] = {}
    for message in messages:
        step = message.get("step")
        if not isinstance(step, str) or not isinstance(message.get("outcome"), str):
            continue
        if step in ("", *found.cells, *found.waiting):
            steps.pop(step, None)  # so that the newest comes last
            steps[step] = {name: printable(value) for name, value in message.items()}
    return steps


def _observations(messages: Sequence[dict[str, Any]], found: _Findings) -> dict[str, bytes]:
    """The content of each file that a check has written, by exercise."""
    contents: dict[str, bytes] = {}
    for message in messages:
        id, text = message.get("observed"), message.get("npz")
        if isinstance(id, str) and id in found.waiting and isinstance(text, str):
            with suppress(ValueError):
                contents[id] = base64.b64decode(text)
    return {id: data for id, data in contents.items() if data}


def _judge(data: bytes, exercise: Exercise, seed: int) -> Verdict:
    """The verdict on what was observed."""
    try:
        with temporary_folder("grading") as folder:
            file = folder / f"{exercise.id}.npz"
            file.write_bytes(data)
            observation = read_observations(file)[exercise.id]
        with jax.default_device(jax.devices("cpu")[0]):  # as in the sandbox
            return judge(exercise, observation, seed)
    # A hostile process may have written anything, and no error may stop the grading of others.
    except Exception as error:
        text = f"The observation of {exercise.function} cannot be judged: {printable(error, 200)}"
        return Verdict(exercise.id, "error", text)


def _note(
    steps: Mapping[str, Mapping[str, str]], ending: Ending, found: _Findings, limits: Limits
) -> None:
    """Records, in words, what went wrong in cells and checks."""
    for step, event in steps.items():
        outcome = event["outcome"]
        if outcome in FINE:
            continue
        if outcome == "begun":  # it was running when the run ended
            outcome = ending.reason or "dead"
        what = _in_words(outcome, event, limits)
        if step in found.waiting:
            found.stopped[step] = what
        elif step in found.cells:
            first = next(filter(None, map(str.strip, found.cells[step].splitlines())), "")
            where = f"Code cell {int(step) + 1} ({printable(first, 60)})"
            again = outcome not in ("error", "late", "time")
            found.events[step] = (
                f"{where} {what}" + "; the notebook was run again without it" * again
            )


def _in_words(outcome: str, event: Mapping[str, str], limits: Limits) -> str:
    texts = {
        "error": f"stopped with {event.get('error', 'an error')}",
        "late": f"ran longer than {limits.cell_seconds} s and was interrupted",
        "full": f"needed more memory than {limits.memory_mb} MB",
        "deaf": f"ran longer than {limits.cell_seconds} s and could not be interrupted",
        "time": f"was running when the {limits.seconds} s for the whole submission were over",
        "memory": (
            f"used, with its processes and files, more memory than {limits.memory_mb + SPARE_MB} MB"
        ),
        "output": "sent more to the grader than it reads",
        "processes": f"started more than {limits.processes} processes",
    }
    dead = (
        f"ended Python: it called exit, crashed, or needed more memory than {limits.memory_mb} MB"
    )
    line = event.get("line", "")
    return texts.get(outcome, dead) + (f", in {line}" if line else "")


def _verdict(exercise: Exercise, found: _Findings, answers: Mapping[str, str]) -> Verdict:
    if exercise.is_open:
        verdict = judge(exercise, Observation(), 0)
        text = f"{verdict.text}\n\nThe answer:\n{answers.get(exercise.id) or 'none'}"
        return replace(verdict, text=text)
    if exercise.id in found.verdicts:
        return found.verdicts[exercise.id]
    if exercise.id in found.stopped:
        what = found.stopped[exercise.id]
        text = f"Not yet: the check of {exercise.function} on random inputs {what}."
        return Verdict(exercise.id, "stopped", text)
    text = (
        f"The check of {exercise.function} returned nothing: the notebook's time was over before "
        "it, or the notebook interfered with it."
    )
    return Verdict(exercise.id, "stopped", text)


def _mark(exercise: Exercise, verdict: Verdict) -> Mark:
    points = exercise.points if verdict else 0
    to_be_read = verdict.status == "to be read"
    return Mark(
        exercise.id, exercise.title, None if to_be_read else points, exercise.points,
        verdict.status, verdict.text,
    )  # fmt: skip
