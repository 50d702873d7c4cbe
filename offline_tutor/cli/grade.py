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
  notebooks in it (ann/32_td3_bc.ipynb), as Moodle, nbgrader and others export them. Links are not
  followed; outputs and metadata are ignored: points and checks come from this package.

what protects the machine:
  Each submission runs in a process of its own inside bubblewrap (Debian, Ubuntu: apt install
  bubblewrap): no network, no view of other processes, of home folders or of other submissions, the
  system and Python read-only, none of your environment variables, and limits on time, memory,
  processes and files. All files are kept in memory and share one limit. The memory of all processes
  together is measured, not enforced by the system; as root, the same may be true of the number of
  processes. Faults of the operating system's kernel, which is shared, are not covered: grade in a
  virtual machine if they worry you. Without bubblewrap, as on macOS, only the limits hold: then a
  submission can read and change what you can, and use the network. The first line of output, and
  every report, say how submissions ran.

what protects the marks:
  They are computed outside, from the numbers that a submission's functions return for random inputs
  drawn for it alone. A student can neither write marks nor prepare the numbers in advance. But the
  package contains the reference solutions, as the book does, and a notebook that calls them gets
  full points. A plain mention of them is remarked and never changes a mark; a hidden one is not
  noticed. Whether students wrote their answers themselves is for people to find out.
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its arguments."""
    grade = commands.add_parser(
        "grade",
        help="grade a folder of exercise notebooks",
        description="Grades exercise notebooks: a table of marks, and a page for each student. "
        "An interrupted run continues when started again; changed notebooks are graded anew.",
        epilog=GRADE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    grade.set_defaults(run=run, stopped="Finished results are kept: the same command continues.")
    grade.add_argument("submissions", type=Path, help="folder with the submissions")
    grade.add_argument("--csv", type=Path, help="the table of marks (default: REPORTS/marks.csv)")
    grade.add_argument(
        "--reports", type=Path, help="folder for the reports (default: SUBMISSIONS-reports)"
    )
    grade.add_argument("--assignment", help="chapter, such as 32_td3_bc (default: recognised)")
    jobs = "submissions at a time (%(default)s)"
    grade.add_argument("--jobs", type=positive, default=_cores(), help=jobs)
    _add_limits(grade)


def _add_limits(grade: argparse.ArgumentParser) -> None:
    texts = {
        "cell_seconds": "wall time of one cell, or of one check",
        "seconds": "wall time of a whole submission, with cells that are run again",
        "memory_mb": "memory of one process; all processes and files: 1024 MB more",
        "disk_mb": "size of all files that a submission writes, kept in memory",
        "processes": "processes at a time",
        "notebook_mb": "size of the submitted file",
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
    """Grades. Returns 1 if some submissions could not be graded."""
    needed = ("nbclient", "ipykernel", "psutil")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ValueError(f"{', '.join(missing)} missing: pip install 'offline-tutor[grade]'")
    from offline_tutor.classroom.grading import class_grader  # JAX and the rest: not for --help

    limits = Limits(**{field.name: getattr(asked, field.name) for field in fields(Limits)})
    folder = asked.submissions.resolve()
    reports = (asked.reports or folder.with_name(folder.name + "-reports")).resolve()
    if reports.is_relative_to(folder):
        raise ValueError(f"{reports} lies among the submissions: choose another with --reports")
    marks = (asked.csv or reports / "marks.csv").resolve()
    done = class_grader.grade(
        folder, reports, marks, chapter=asked.assignment, limits=limits, jobs=asked.jobs,
        say=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(f"{len(done.results)} graded, {done.kept} of them in an earlier run. Marks: {marks}")
    print(f"Reports: {reports}")
    if done.failures:
        print(f"NOT graded: {', '.join(sorted(done.failures))}. Run the command again for these.")
    return 1 if done.failures else 0
