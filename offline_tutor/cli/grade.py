"""`offline-tutor grade`: marks and reports for a folder of exercise notebooks."""

from __future__ import annotations

import argparse
import importlib.util
import os
from dataclasses import fields
from pathlib import Path

from offline_tutor.classroom.grading.limits import Limits
from offline_tutor.cli import positive

GRADE = """
submissions:
  A folder with one notebook for each student (ann.ipynb), or one folder for each student with
  notebooks in it (ann/32_td3_bc.ipynb), as Moodle, nbgrader and others hand them out. Links are not
  followed, outputs and metadata are not believed: points and checks come from this package.

what protects the machine:
  Each submission runs in a process of its own inside bubblewrap (Debian, Ubuntu: apt install
  bubblewrap): no network, no view of other processes, of home folders or of other submissions, the
  system and Python read-only, one folder in memory to write to, an empty environment, and limits
  on time, memory, processes and files. What it does not cover: faults of the operating system's
  kernel, which it shares; whoever fears those grades in a virtual machine. Without bubblewrap, as
  on macOS, the limits alone hold: then a submission can read and change what you can, and reach
  the network. The first line that is printed, and every report, say which it was.

what protects the marks:
  They are judged outside, from numbers that a submission's functions gave for random inputs drawn
  for it alone. A student can neither write marks nor learn them by heart. But the package holds the
  reference solutions, as the book does: whether students wrote their answers themselves is for
  people to find out. The report remarks when a notebook refers to the references.
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its arguments."""
    grade = commands.add_parser(
        "grade",
        help="grade a folder of exercise notebooks",
        description="Grades exercise notebooks: a table of marks, and a page for each student. "
        "Stopped and started again, it goes on where it was; a changed notebook is graded anew.",
        epilog=GRADE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    grade.set_defaults(run=run, stopped="What is graded is kept: the same command goes on.")
    grade.add_argument("submissions", type=Path, help="folder with the submissions")
    grade.add_argument("--csv", type=Path, help="the table of marks (default: REPORTS/marks.csv)")
    grade.add_argument(
        "--reports", type=Path, help="folder for the reports (default: SUBMISSIONS-reports)"
    )
    grade.add_argument("--assignment", help="chapter, such as 32_td3_bc (default: is recognised)")
    grade.add_argument("--jobs", type=positive, default=_cores(), help="at a time (%(default)s)")
    _add_limits(grade)


def _add_limits(grade: argparse.ArgumentParser) -> None:
    texts = {
        "cell_seconds": "wall time of one cell, or of one check",
        "seconds": "wall time of a whole submission",
        "memory_mb": "memory of one process",
        "disk_mb": "what a submission may write, and its largest file",
        "processes": "processes at once",
        "notebook_mb": "size of the file handed in",
    }
    group = grade.add_argument_group("limits")
    for field in fields(Limits):
        name = "--" + field.name.replace("_", "-")
        group.add_argument(
            name, type=positive, default=field.default, metavar="N",
            help=f"{texts[field.name]} (%(default)s)",
        )  # fmt: skip


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(asked: argparse.Namespace) -> int:
    """Grades; 1 where some could not be graded."""
    needed = ("nbclient", "ipykernel", "psutil")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ValueError(f"{', '.join(missing)} missing: pip install 'offline-tutor[grade]'")
    from offline_tutor.classroom.grading import run as grading  # JAX and the rest: not for --help

    limits = Limits(**{field.name: getattr(asked, field.name) for field in fields(Limits)})
    folder = asked.submissions.resolve()
    reports = (asked.reports or folder.with_name(folder.name + "-reports")).resolve()
    if reports.is_relative_to(folder):
        raise ValueError(f"{reports} lies among the submissions: give another folder by --reports")
    marks = (asked.csv or reports / "marks.csv").resolve()
    done = grading.grade(
        folder, reports, marks, chapter=asked.assignment, limits=limits, jobs=asked.jobs,
        say=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(f"{len(done.results)} graded, {done.kept} of them before. Marks: {marks}")
    print(f"Reports: {reports}")
    if done.failures:
        print(f"NOT graded: {', '.join(sorted(done.failures))}. Start again for these.")
    return 1 if done.failures else 0
