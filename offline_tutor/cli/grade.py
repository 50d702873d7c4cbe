"""`offline-tutor grade`: marks and reports for a folder of exercise notebooks."""

import importlib.util
import os
from pathlib import Path

from tyro.conf import Positional

from offline_tutor.classroom.grading.limits import Limits

DETAILS = """Grade exercise notebooks: a table of marks, and a page for each student.

An interrupted run continues when started again; changed notebooks are graded anew.

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


def run(
    submissions: Positional[Path],
    csv: Path | None = None,
    reports: Path | None = None,
    assignment: str | None = None,
    jobs: int | None = None,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> int:
    """Grade exercise notebooks: a table of marks, and a page for each student.

    An interrupted run continues when started again; changed notebooks are graded anew. Returns 1 if
    some submissions could not be graded.

    Args:
        submissions: folder with the submissions
        csv: the table of marks (default: REPORTS/marks.csv)
        reports: folder for the reports (default: SUBMISSIONS-reports)
        assignment: chapter, such as 32_td3_bc (default: recognised)
        jobs: submissions at a time (default: one for each core)
        limits: what one submission may use; a cell that exceeds a limit is stopped
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"--jobs is {jobs}; it must be at least 1")
    needed = ("nbclient", "ipykernel", "psutil")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ValueError(f"{', '.join(missing)} missing: pip install {' '.join(missing)}")
    from offline_tutor.classroom.grading import class_grader  # JAX and the rest: not for --help

    folder = submissions.resolve()
    reports = (reports or folder.with_name(folder.name + "-reports")).resolve()
    if reports.is_relative_to(folder):
        raise ValueError(f"{reports} lies among the submissions: choose another with --reports")
    marks = (csv or reports / "marks.csv").resolve()
    done = class_grader.grade(
        folder,
        reports,
        marks,
        chapter=assignment,
        limits=limits,
        jobs=_cores() if jobs is None else jobs,
        say=lambda line: print(line, flush=True),
    )
    print(f"{len(done.results)} graded, {done.kept} of them in an earlier run. Marks: {marks}")
    print(f"Reports: {reports}")
    if done.failures:
        print(f"NOT graded: {', '.join(sorted(done.failures))}. Run the command again for these.")
    return 1 if done.failures else 0


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
