"""The marks of one submission: its code runs in the sandbox, and is judged out here."""

from __future__ import annotations

import json
import secrets
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax

from offline_tutor.classroom.exercises import (
    Exercise,
    Observation,
    Verdict,
    judge,
    read_observations,
)
from offline_tutor.classroom.grading.limits import Limits
from offline_tutor.classroom.grading.sandbox import Ending, Sandbox, SandboxError
from offline_tutor.classroom.grading.submissions import Submission, printable

FINE = ("done", "finished")


@dataclass(frozen=True)
class Mark:
    """What one exercise brought.

    Attributes:
        exercise: its id.
        title: its heading.
        points: what was given; None where a person has to read the answer.
        of: what it is worth.
        status: as in `Verdict`, or "stopped" where the check came to no end.
        text: what to tell the student.
    """

    exercise: str
    title: str
    points: int | None
    of: int
    status: str
    text: str


@dataclass(frozen=True)
class Result:
    """All that is known of one graded submission.

    Attributes:
        events: what went wrong while the notebook ran, a line each.
        remarks: about the file; for the teacher.
        problem: why nothing ran; "" where it did.
        isolation: what lay between it and the machine; "" where nothing ran.
        isolated: whether that was a sandbox.
        seconds: wall time that it took.
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
        """What could be had, without what a person has yet to read."""
        return sum(mark.of for mark in self.marks if mark.points is not None)


@dataclass
class _Findings:
    """What the runs of one submission have shown so far."""

    cells: dict[str, str]  # sources that still run, by step
    waiting: dict[str, Exercise]  # exercises of which nothing has been seen, by step
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)  # why a check came to no end
    events: dict[str, str] = field(default_factory=dict)


def grade_submission(
    submission: Submission, assignment: Sequence[Exercise], sandbox: Sandbox,
    cpus: Sequence[int], stop: threading.Event,
) -> Result:  # fmt: skip
    """Runs a submission and judges what its functions do on fresh random inputs.

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
    """One run. Returns whether another is wanted, without the step of which this one died."""
    seeds = {id: secrets.randbits(63) for id in found.waiting}
    task: dict[str, Any] = {
        "cells": list(found.cells.items()),
        "checks": [{"id": id, "seed": seeds[id], "file": f"{id}.npz"} for id in found.waiting],
        "outputs": [f"{id}.npz" for id in found.waiting],
        "cell_seconds": sandbox.limits.cell_seconds,
    }
    with tempfile.TemporaryDirectory(prefix="grading-") as name:
        ending = sandbox.run(task, Path(name), cpus, seconds, stop)
        trace = _trace(ending.trace, found)
        if not trace:
            raise SandboxError(ending.error.strip()[-500:] or f"it ended: {ending.reason}")
        for id, seed in seeds.items():
            verdict = _judged(Path(name) / f"{id}.npz", found.waiting[id], seed)
            if verdict is not None:  # a wrong one is false
                found.verdicts[id] = verdict
    _note(trace, ending, found, sandbox.limits)
    for id in [*found.verdicts, *found.stopped]:
        found.waiting.pop(id, None)
    guilty, outcome = next(reversed(trace.items()))
    dead = outcome["outcome"] not in (*FINE, "error", "late")
    if dead and guilty in found.cells:
        del found.cells[guilty]
    return dead and ending.reason != "time"


def _trace(text: str, found: _Findings) -> dict[str, dict[str, str]]:
    """The last thing said of each step. What is no event of this run is passed over."""
    events: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue  # half a line, or one that the notebook's code has written
        if not isinstance(event, dict) or not isinstance(event.get("outcome"), str):
            continue
        step = event.get("step")
        if isinstance(step, str) and step in ("", *found.cells, *found.waiting):
            events.pop(step, None)  # so that the newest stands last
            events[step] = {name: printable(value) for name, value in event.items()}
    return events


def _judged(file: Path, exercise: Exercise, seed: int) -> Verdict | None:
    """The verdict on what was observed, or None where nothing was."""
    if not file.is_file() or file.is_symlink() or not file.stat().st_size:
        return None
    try:
        observation = read_observations(file)[exercise.id]
        with jax.default_device(jax.devices("cpu")[0]):  # as in the sandbox
            return judge(exercise, observation, seed)
    # A hostile process may have written whatever it liked: no error of it may stop the others.
    except Exception as error:
        text = f"What was seen of {exercise.function} cannot be judged: {printable(error, 200)}"
        return Verdict(exercise.id, "error", text)


def _note(
    trace: Mapping[str, Mapping[str, str]], ending: Ending, found: _Findings, limits: Limits
) -> None:
    """Puts what went wrong into words, for cells and for checks."""
    for step, event in trace.items():
        outcome = event["outcome"]
        if outcome in FINE:
            continue
        if outcome == "begun":  # and nothing after it
            outcome = ending.reason or "dead"
        what = _in_words(outcome, event, limits)
        if step in found.waiting:
            found.stopped[step] = what
        elif step in found.cells:
            first = next(filter(None, map(str.strip, found.cells[step].splitlines())), "")
            where = f"Code cell {int(step) + 1} ({printable(first, 60)})"
            again = outcome not in ("error", "late", "time")
            found.events[step] = f"{where} {what}" + "; all was run again without it" * again


def _in_words(outcome: str, event: Mapping[str, str], limits: Limits) -> str:
    texts = {
        "error": f"stopped with {event.get('error', 'an error')}",
        "late": f"ran longer than {limits.cell_seconds} s and was interrupted",
        "full": f"asked for more memory than {limits.memory_mb} MB",
        "deaf": f"ran longer than {limits.cell_seconds} s and could not be interrupted",
        "time": f"was running when the {limits.seconds} s of a whole submission were over",
        "memory": f"and what it started took more memory than {limits.memory_mb} MB",
        "processes": f"started more than {limits.processes} processes",
    }
    dead = f"ended Python: by exit, by a crash, or by more memory than {limits.memory_mb} MB"
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
        f"Nothing came out of the check of {exercise.function}: the notebook's time was over "
        "before it, or the notebook interfered with it."
    )
    return Verdict(exercise.id, "stopped", text)


def _mark(exercise: Exercise, verdict: Verdict) -> Mark:
    points = exercise.points if verdict else 0
    to_be_read = verdict.status == "to be read"
    return Mark(
        exercise.id, exercise.title, None if to_be_read else points, exercise.points,
        verdict.status, verdict.text,
    )  # fmt: skip
