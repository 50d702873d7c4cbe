"""Grades a folder of submissions, several at a time; what is done stays done."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from offline_tutor.classroom.exercises import Exercise, exercises
from offline_tutor.classroom.grading.limits import Limits
from offline_tutor.classroom.grading.marks import Result, grade_submission
from offline_tutor.classroom.grading.reports import report, write_marks
from offline_tutor.classroom.grading.results import file_name, key, load, save, write
from offline_tutor.classroom.grading.sandbox import Sandbox, SandboxError, find_sandbox
from offline_tutor.classroom.grading.submissions import chapter_of_class, read_submission, students

DEFAULT = Limits()


@dataclass(frozen=True)
class Graded:
    """What a run has done.

    Attributes:
        results: of every student that could be graded, by name.
        kept: how many of them an earlier run had graded.
        failures: what the grader itself could not do, by student.
    """

    results: tuple[Result, ...]
    kept: int
    failures: dict[str, str]


def assignment_of(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter.

    Raises:
        ValueError: it has none, or is no chapter.
    """
    found = tuple(exercise for exercise in exercises() if exercise.chapter == chapter)
    if not found:
        names = ", ".join(sorted({exercise.chapter for exercise in exercises()}))
        raise ValueError(f"there are no exercises of {chapter!r}: the assignments are {names}")
    return found


def grade(
    submissions: Path, reports: Path, marks: Path, *, chapter: str | None = None,
    limits: Limits = DEFAULT, jobs: int = 1, say: Callable[[str], None] = print,
) -> Graded:  # fmt: skip
    """Grades every submission that is new or changed; writes the reports and the marks.

    Args:
        submissions: a notebook, or a folder with notebooks, for each student.
        reports: folder for a page a student, and for what is needed to go on after a stop.
        marks: the CSV file.
        chapter: the assignment; by default the one whose exercises the submissions hold.
        limits: what a submission may use.
        jobs: how many run at a time.
        say: takes a line on what is done.

    Raises:
        NotADirectoryError: there is no such folder.
        ValueError: the assignment is none.
        SandboxError: the machine cannot limit processes, or another run uses `reports`.
    """
    paths = students(submissions)
    sandbox = find_sandbox(limits, [submissions, reports, marks.parent])
    max_bytes = limits.notebook_mb * 2**20
    assignment = assignment_of(chapter or chapter_of_class(paths, exercises(), max_bytes))
    say(f"{len(paths)} submissions of {assignment[0].chapter}. {sandbox.isolation}")
    (reports / "results").mkdir(parents=True, exist_ok=True)
    marks.parent.mkdir(parents=True, exist_ok=True)
    with _alone(reports):
        class_ = _Class(assignment, sandbox, reports, max_bytes)
        graded = class_.graded(paths, jobs, say)
        if graded.results:
            write_marks(marks, graded.results)
    return graded


@dataclass(frozen=True)
class _Class:
    """One run over a class."""

    assignment: tuple[Exercise, ...]
    sandbox: Sandbox
    reports: Path
    max_bytes: int

    def graded(self, paths: dict[str, Path], jobs: int, say: Callable[[str], None]) -> Graded:
        results: dict[str, Result] = {}
        failures: dict[str, str] = {}
        kept = 0
        stop, places = threading.Event(), _places(jobs)
        pool = ThreadPoolExecutor(jobs)
        try:
            waiting = {pool.submit(self.one, student, path, places, stop): student
                       for student, path in paths.items()}  # fmt: skip
            for future in as_completed(waiting):
                student = waiting[future]
                try:
                    results[student], old = future.result()
                except SandboxError as error:
                    failures[student] = str(error)
                    say(f"{student}: NOT graded: {error}")
                    continue
                kept += old
                say(_line(results[student], old, len(results), len(paths)))
        finally:
            stop.set()  # for whoever still runs when an error or Ctrl-C has led here
            pool.shutdown(cancel_futures=True)
        return Graded(tuple(results[name] for name in sorted(results)), kept, failures)

    def one(
        self, student: str, path: Path, places: queue.SimpleQueue[Sequence[int]],
        stop: threading.Event,
    ) -> tuple[Result, bool]:  # fmt: skip
        """A student's result, and whether an earlier run had it."""
        submission = read_submission(
            student, path, self.assignment[0].chapter, self.assignment, self.max_bytes
        )
        wanted = key(submission, self.assignment, self.sandbox)
        name = file_name(student)
        kept = self.reports / "results" / f"{name}.json"
        result = old = load(kept, wanted)
        if result is None:
            cpus = places.get()
            try:
                result = grade_submission(submission, self.assignment, self.sandbox, cpus, stop)
            finally:
                places.put(cpus)
        write(self.reports / f"{name}.html", report(result))
        if old is None:
            save(kept, wanted, result)  # last: from here on it counts as done
        return result, old is not None


def _line(result: Result, old: bool, done: int, of: int) -> str:
    how = "as before" if old else result.problem or f"{result.seconds:.0f} s"
    return f"[{done}/{of}] {result.student}: {result.points} of {result.of} ({how})"


def _places(jobs: int) -> queue.SimpleQueue[Sequence[int]]:
    """As many sets of processor cores as jobs; no two share a core, if there are enough."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    places: queue.SimpleQueue[Sequence[int]] = queue.SimpleQueue()
    for number in range(jobs):
        places.put(cores[number::jobs] if jobs <= len(cores) else [])
    return places


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder of reports, so that no second run grades into it."""
    import fcntl  # not on Windows, where `find_sandbox` has already said so

    with (folder / "results" / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(f"another run is grading into {folder}: wait for its end") from None
        yield
