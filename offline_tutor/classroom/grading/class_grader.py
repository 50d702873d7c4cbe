"""Grades a folder of submissions, several at a time; results are kept if it is interrupted."""

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
from offline_tutor.classroom.grading.html_report import report
from offline_tutor.classroom.grading.limits import Limits
from offline_tutor.classroom.grading.marks_table import write_marks
from offline_tutor.classroom.grading.result_cache import file_name, key, load, save, write
from offline_tutor.classroom.grading.sandbox import Sandbox, SandboxError, find_sandbox
from offline_tutor.classroom.grading.submission_grader import Result, grade_submission
from offline_tutor.classroom.grading.submissions import chapter_of_class, read_submission, students
from offline_tutor.files import clear_away

DEFAULT = Limits()


@dataclass(frozen=True)
class Graded:
    """The outcome of grading a class.

    Attributes:
        results: the result of every student who could be graded, ordered by name.
        kept: how many of them an earlier run had graded.
        failures: why the grader itself failed, by student.
    """

    results: tuple[Result, ...]
    kept: int
    failures: dict[str, str]


def assignment_of(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of a chapter.

    Raises:
        ValueError: it has none, or is not a chapter.
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
        submissions: folder with a notebook, or a folder of notebooks, for each student.
        reports: folder for the students' pages, and for the results that an interrupted run keeps.
        marks: the CSV file.
        chapter: the assignment; by default the one whose exercises the submissions contain.
        limits: the resources that a submission may use.
        jobs: number of submissions that run at a time.
        say: called with each line of progress.

    Raises:
        NotADirectoryError: there is no such folder.
        ValueError: the assignment is unknown.
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
    """The grading of one class."""

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
            stop.set()  # ends the runs that an error or Ctrl-C has left
            pool.shutdown(cancel_futures=True)
        return Graded(tuple(results[name] for name in sorted(results)), kept, failures)

    def one(
        self, student: str, path: Path, places: queue.SimpleQueue[Sequence[int]],
        stop: threading.Event,
    ) -> tuple[Result, bool]:  # fmt: skip
        """A student's result, and whether it comes from an earlier run."""
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
            save(kept, wanted, result)  # last, because it marks the submission as done
        return result, old is not None


def _line(result: Result, old: bool, done: int, of: int) -> str:
    how = "from an earlier run" if old else result.problem or f"{result.seconds:.0f} s"
    return f"[{done}/{of}] {result.student}: {result.points} of {result.of} ({how})"


def _places(jobs: int) -> queue.SimpleQueue[Sequence[int]]:
    """One set of processor cores for each job, disjoint if there are enough cores."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    places: queue.SimpleQueue[Sequence[int]] = queue.SimpleQueue()
    for number in range(jobs):
        places.put(cores[number::jobs] if jobs <= len(cores) else [])
    return places


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Locks the folder of reports against a second run."""
    import fcntl  # not on Windows, where `find_sandbox` has raised already

    with (folder / "results" / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(
                f"another run is grading into {folder}: wait until it ends"
            ) from None
        for place in (folder, folder / "results"):
            clear_away(place)
        yield
