"""Grading a class: submissions, what protects the machine and the marks, and the reports.

`python -m tools.class_of_sixty` grades the full class; here there is one student of each kind.
"""

import base64
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from offline_tutor import cli
from offline_tutor.classroom.exercises import exercise, exercises, observe, write_observations
from offline_tutor.classroom.grading import (
    class_grader,
    result_cache,
    sandbox,
    submission_grader,
    submissions,
)
from offline_tutor.classroom.grading.html_report import report
from offline_tutor.classroom.grading.limits import Limits
from offline_tutor.classroom.grading.marks_table import write_marks
from offline_tutor.classroom.grading.submission_grader import Mark, Result
from offline_tutor.classroom.grading.submissions import read_submission
from tools import class_of_sixty as sixty
from tools.chapters import ROOT

STUDENT = ROOT / "notebooks" / "exercises" / "student" / f"{sixty.ASSIGNMENT}.ipynb"
INSTRUCTOR = STUDENT.parents[1] / "instructor" / STUDENT.name
ASSIGNMENT = class_grader.assignment_of(sixty.ASSIGNMENT)
QUICK = ("--cell-seconds", "15", "--jobs", "2")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


# ------------------------------------------------------------------------------ what is handed in


def read(path: Path, max_bytes: int = 10**6) -> submissions.Submission:
    return read_submission("ann", path, sixty.ASSIGNMENT, ASSIGNMENT, max_bytes)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b" \n", "the file is empty"),
        (b'{"cells": [', "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[1, 2]", "without cells"),
        (b'{"worksheets": []}', "without cells"),
        (b'{"cells": [' + b"{}," * 1000 + b"{}]}", "1001 cells"),
        (b" " * (10**6 + 1), "at most 1 MB"),
    ],
)
def test_a_file_that_is_not_a_notebook_is_explained_in_one_line(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    file = tmp_path / "ann.ipynb"
    file.write_bytes(content)
    found = read(file)
    assert problem in found.problem
    assert "\n" not in found.problem
    assert str(tmp_path) not in found.problem


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "link.ipynb").symlink_to(INSTRUCTOR)
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / f"{sixty.ASSIGNMENT}.ipynb").symlink_to(INSTRUCTOR)
    (tmp_path / "bob").symlink_to(INSTRUCTOR.parent)
    assert "links are not followed" in read(tmp_path / "link.ipynb").problem
    assert "not a regular file" in read(tmp_path / "pipe.ipynb").problem
    assert "no notebook in the folder" in read(tmp_path / "ann").problem
    assert "links are not followed" in read(tmp_path / "bob").problem


def test_the_notebook_of_the_chapter_is_found_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.ipynb").write_text('{"cells": []}', encoding="utf-8")
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    assert "2 notebooks, and 0 with" in read(tmp_path).problem
    shutil.copy(STUDENT, tmp_path / "my copy.ipynb")
    assert any("def cloning_loss" in source for source in read(tmp_path).cells)
    shutil.copy(STUDENT, tmp_path / "my other copy.ipynb")
    assert "4 notebooks, and 2 with" in read(tmp_path).problem
    shutil.copy(INSTRUCTOR, tmp_path / INSTRUCTOR.name)
    assert any("max_action * jnp" in source for source in read(tmp_path).cells)
    assert "not a notebook" in read(ROOT / "README.md").problem


def test_the_assignment_is_recognised(tmp_path: Path) -> None:
    paths = {"ann": tmp_path / "ann.ipynb"}
    paths["ann"].write_text('{"cells": []}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"no exercise of this book.*--assignment"):
        submissions.chapter_of_class(paths, exercises(), 10**6)
    paths["bob"] = Path(shutil.copy(STUDENT, tmp_path / "bob.ipynb"))
    assert submissions.chapter_of_class(paths, exercises(), 10**6) == sixty.ASSIGNMENT
    paths["eve"] = Path(shutil.copy(STUDENT.with_name("12_datasets.ipynb"), tmp_path))
    with pytest.raises(ValueError, match=r"several chapters.*12_datasets, 13_behaviour_cloning"):
        submissions.chapter_of_class(paths, exercises(), 10**6)
    with pytest.raises(ValueError, match=r"no exercises of '99_none'.*12_datasets"):
        class_grader.assignment_of("99_none")


def test_changes_of_the_notebook_are_remarked(tmp_path: Path) -> None:
    content = json.loads(STUDENT.read_text(encoding="utf-8"))
    cells = {cell["id"]: cell for cell in content["cells"]}
    cells["cloning-loss-check"]["metadata"]["nbgrader"]["points"] = 100
    content["cells"].remove(cells["compounding-check"])
    content["cells"].append(cells["compounding"])
    peek = "from offline_tutor.classroom.exercises.chapters.behaviour_cloning import CLONING_LOSS"
    content["cells"].append(cells["imports"] | {"source": peek, "metadata": []})
    content["cells"] += [{"cell_type": "code", "source": ["a\ud800", 7]}, None]
    file = tmp_path / "ann.ipynb"
    file.write_text(json.dumps(content), encoding="utf-8")
    found = read(file)
    assert not found.problem
    assert found.cells[-1] == "a?"
    said = "; ".join(found.remarks)
    for part in (
        "claims 100 points for cloning-loss-check, not 3",
        "check cell of compounding is missing",
        "2 cells are marked compounding",
        "mentions the package's reference solutions",
    ):
        assert part in said
    assert read(STUDENT).remarks == ()


def test_an_open_answer_is_shown_to_its_reader(tmp_path: Path) -> None:
    file = tmp_path / "12_datasets.ipynb"
    written = "Look at the *returns*\n<b>first</b>."
    text = STUDENT.with_name(file.name).read_text(encoding="utf-8")
    assert "*Your answer.*" in text
    file.write_text(text.replace("*Your answer.*", json.dumps(written)[1:-1]), encoding="utf-8")
    assignment = class_grader.assignment_of("12_datasets")
    (this,) = [each for each in assignment if each.is_open]
    found = read_submission("ann", file, this.chapter, assignment, 10**6)
    assert found.answers == {this.id: written}
    verdict = submission_grader._verdict(this, submission_grader._Findings({}, {}), found.answers)
    mark = submission_grader._mark(this, verdict)
    assert mark.points is None
    page = report(result(marks=(mark,)))
    assert "Look at the *returns*\n&lt;b&gt;first&lt;/b&gt;." in page
    assert this.rubric[0][1] in mark.text


def test_students_are_named_by_file_or_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty"):
        submissions.students(tmp_path)
    with pytest.raises(NotADirectoryError, match="not a folder"):
        submissions.students(tmp_path / "none")
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "eve").mkdir()
    for name in ("ann.ipynb", "bob.pdf", "eve.ipynb"):
        (tmp_path / name).touch()
    assert sorted(submissions.students(tmp_path)) == ["ann", "bob.pdf", "eve", "eve.ipynb"]


# ------------------------------------------------------------------- numbers from a hostile process


def test_marks_come_from_numbers_alone(tmp_path: Path) -> None:
    this, file = exercise("cloning-loss"), tmp_path / "seen.npz"
    write_observations(file, {this.id: observe(this, this.reference, seed=1)})
    data = file.read_bytes()
    assert submission_grader._judge(data, this, 1).status == "right"
    assert submission_grader._judge(data, this, 2).status == "wrong"  # returned for another seed


def forged_files(file: Path) -> Iterator[None]:
    """Writes one file after another that no honest process would write."""
    file.write_bytes(b"{}")
    yield
    np.savez(file, allow_pickle=True, points=np.array([{"points": 3}], dtype=object))
    yield
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cloning-loss/0/value.npy", bytes(2**27))
    yield
    this = exercise("cloning-loss")
    seen = observe(this, this.reference, seed=1)
    write_observations(file, {"compounding": seen})
    yield
    write_observations(file, {this.id: replace(seen, cases=seen.cases[:2])})
    yield
    write_observations(file, {this.id: replace(seen, cases=({},) * len(seen.cases))})
    yield


def test_forged_numbers_earn_no_points(tmp_path: Path) -> None:
    file = tmp_path / "seen.npz"
    for number, _ in enumerate(forged_files(file)):
        verdict = submission_grader._judge(file.read_bytes(), exercise("cloning-loss"), 1)
        assert verdict.status == "error", number
        assert "cannot be judged" in verdict.text


def test_forged_messages_are_skipped() -> None:
    found = submission_grader._Findings({"0": "x = 1"}, {"cloning-loss": exercise("cloning-loss")})
    lines = ["{", "[" * 10_000, "7", '{"outcome": 3}', '{"step": "9", "outcome": "done"}']
    lines += ['{"step": "0", "outcome": "error", "error": "\\u0007' + "x" * 1000 + '"}']
    lines += ['{"observed": "cloning-loss", "npz": 7}', '{"observed": "cloning-loss", "npz": "é"}']
    lines += ['{"observed": "other", "npz": "AAAA"}', '{"observed": ["cloning-loss"], "npz": "AA"}']
    messages = list(submission_grader._messages("\n".join(lines)))
    steps = submission_grader._steps(messages, found)
    assert list(steps) == ["0"]
    assert steps["0"]["error"] == " " + "x" * 299
    assert submission_grader._observations(messages, found) == {}
    honest = {"observed": "cloning-loss", "npz": base64.b64encode(b"numbers").decode()}
    seen = submission_grader._observations([*messages, honest], found)
    assert seen == {"cloning-loss": b"numbers"}


# --------------------------------------------------------------------------------- what is told


def result(student: str = "ann", **changes: object) -> Result:
    graded = (
        Mark("cloning-loss", "Copy row by row", 3, 3, "right", "Right."),
        Mark("essay", "Why <so>?", None, 4, "to be read", "A person reads this one."),
        Mark("compounding", "One mistake", 0, 3, "wrong", "Not yet: <script>alert(1)</script>"),
    )
    values = {"student": student, "chapter": sixty.ASSIGNMENT, "marks": graded} | changes
    return Result(**values)  # type: ignore[arg-type]


def test_a_report_says_what_it_brought_and_runs_nothing() -> None:
    page = report(result("<img src=x>", events=("Code cell 1 (`<b>`) stopped",)))
    assert "<strong>3 of 6 points</strong>; 4 more are given by a person" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "Code cell 1 (`&lt;b&gt;`) stopped" in page
    assert "<script" not in page
    assert "<img" not in page


def test_no_spreadsheet_computes_a_name(tmp_path: Path) -> None:
    names = ['=HYPERLINK("x")', "+1", "-1", "@x", "\t=1", "Zoë, the 2nd"]
    file = tmp_path / "marks.csv"
    write_marks(file, [result(name, problem="=1") for name in names])
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["student"] for row in rows] == [f"'{name}" for name in names[:-1]] + names[-1:]
    assert {row["remarks"][0] for row in rows} == {"'"}
    wanted = {"cloning-loss": "3", "essay": "", "compounding": "0", "total": "3", "of": "6"}
    assert wanted.items() <= rows[0].items()


def test_files_have_harmless_names() -> None:
    assert result_cache.file_name("Ann O_Neil-2") == "Ann O_Neil-2"
    odd = ["../x", ".hidden", "a/b", "Zoë", "Zoé", "x" * 300, "a\nb", "-rf", "\udcff"]
    names = [result_cache.file_name(name) for name in odd]
    assert len(set(names)) == len(odd)
    assert all(result_cache.PLAIN.fullmatch(name) for name in names)


# ------------------------------------------------------------------------------- going on


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The students that are graded from now on, for nothing and in no time."""
    ran: list[str] = []

    def instead(submission: submissions.Submission, *_: object) -> Result:
        if submission.student == "unlucky":
            raise sandbox.SandboxError("no room")
        ran.append(submission.student)
        return result(submission.student)

    monkeypatch.setattr(class_grader, "grade_submission", instead)
    return ran


def class_in(folder: Path, *students: str) -> Path:
    (folder / "class").mkdir()
    for student in students:
        shutil.copy(STUDENT, folder / "class" / f"{student}.ipynb")
    return folder / "class"


def test_only_what_is_new_or_changed_is_graded(tmp_path: Path, graded: list[str]) -> None:
    folder = class_in(tmp_path, "ann", "bob")

    def again(**options: object) -> list[str]:
        graded.clear()
        done = class_grader.grade(folder, tmp_path / "r", tmp_path / "m.csv", **options)  # type: ignore[arg-type]
        assert len(done.results) == done.kept + len(graded)
        return sorted(graded)

    assert again() == ["ann", "bob"]
    assert again() == []
    (folder / "ann.ipynb").write_bytes(STUDENT.read_bytes() + b"\n")
    shutil.copy(STUDENT, folder / "eve.ipynb")
    assert again() == ["ann", "eve"]
    assert again(limits=Limits(cell_seconds=60)) == ["ann", "bob", "eve"]
    kept = tmp_path / "r" / "results" / "bob.json"
    kept.write_text("{", encoding="utf-8")  # damaged: graded anew
    assert again(limits=Limits(cell_seconds=60)) == ["bob"]
    kept.rename(kept.with_name("bob.json.part"))  # as a run leaves it that is killed just then
    assert again(limits=Limits(cell_seconds=60)) == ["bob"]
    assert "bob" in (tmp_path / "m.csv").read_text(encoding="utf-8")


def test_what_the_grader_cannot_do_costs_nobody_marks(
    tmp_path: Path, graded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = class_in(tmp_path, "ann", "unlucky")
    assert cli.main(["grade", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "unlucky: NOT graded: no room" in said
    assert "NOT graded: unlucky" in said
    assert graded == ["ann"]
    assert "unlucky" not in (tmp_path / "class-reports" / "marks.csv").read_text(encoding="utf-8")


def test_two_runs_do_not_grade_into_one_folder(tmp_path: Path, graded: list[str]) -> None:
    folder = class_in(tmp_path, "ann")
    (tmp_path / "r" / "results").mkdir(parents=True)
    with (
        class_grader._alone(tmp_path / "r"),
        pytest.raises(sandbox.SandboxError, match="another run is grading"),
    ):
        class_grader.grade(folder, tmp_path / "r", tmp_path / "m.csv")
    assert graded == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{}/none"], "is not a folder"),
        (["{}"], "no exercise of this book"),
        (["{}", "--assignment", "99"], "no exercises of '99'"),
        (["{}", "--reports", "{}/reports"], "lies among the submissions"),
    ],
)
def test_bad_input_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    (tmp_path / "ann.ipynb").write_text('{"cells": []}', encoding="utf-8")
    assert cli.main(["grade", *(argument.format(tmp_path) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["ann.ipynb"]


# ------------------------------------------------------------------------------- the sandbox

WALLS = """
import os, pathlib, socket, subprocess
here = pathlib.Path.cwd()
assert os.listdir(here) == [] or os.listdir(here)[0].startswith("kernel"), os.listdir(here)
assert not pathlib.Path({secret!r}).exists()
assert not any(name.startswith("OFFLINE_TUTOR") for name in os.environ)
assert len([name for name in os.listdir("/proc") if name.isdigit()]) < 10
assert [name for _, name in socket.if_nameindex()] == ["lo"]
status = pathlib.Path("/proc/self/status").read_text()
assert [line.split()[1] for line in status.splitlines() if line.startswith("CapEff")] == ["0" * 16]
for place in ("/", "/usr", "/dev", "/etc", {package!r}):
    assert not os.access(place, os.W_OK), place
assert subprocess.run(["mount", "-o", "remount,rw", "/usr"], capture_output=True).returncode
assert subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode
written = 0
for place in (here, "/tmp", "/dev/shm", "/grading"):
    try:
        with open(f"{{place}}/large", "wb", buffering=0) as file:
            for _ in range(100):
                written += file.write(bytes(2**20)) / 2**20
    except OSError:
        pass
for place in ("/tmp", "/dev/shm", "/grading"):
    assert os.access(place, os.W_OK), place
assert 40 < written <= 50 + 4, f"{{written:.0f}} MB in all"
os.remove("/grading/large")  # the check needs it; a full disk elsewhere is no harm
"""
FLOOD = """
import os
with open(f"/proc/{os.getppid()}/fd/1", "wb") as file:
    for _ in range(1000):
        file.write(b"x" * 2**20)
"""
FILES = """
with open("/dev/shm/large", "wb") as file:
    for _ in range(800):
        file.write(bytes(2**20))
import time
time.sleep(10)
"""
FORKS = """
import os, time
for _ in range(1000):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
"""


@pytest.fixture
def box(tmp_path: Path) -> sandbox.Sandbox:
    """A sandbox with walls, where the machine has what they are made of."""
    found = sandbox.find_sandbox(Limits(disk_mb=50), [tmp_path])
    if not found.bubblewrap:
        pytest.skip(found.lack)
    return found


def test_a_submission_sees_itself_alone(
    tmp_path: Path, box: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_SECRET", "a token")
    secret = tmp_path / "secret"
    secret.touch()
    walls = WALLS.format(secret=str(secret), package=str(ROOT / "offline_tutor"))
    given = submissions.Submission("ann", "", (walls,))
    found = submission_grader.grade_submission(given, ASSIGNMENT, box, [], threading.Event())
    assert found.events == ()
    assert {mark.status for mark in found.marks} == {"wrong"}
    assert "should be a function but is missing" in found.marks[0].text


def events(box: sandbox.Sandbox, cell: str) -> str:
    """What is reported of a notebook with this cell alone."""
    given = submissions.Submission("ann", "", (cell,))
    found = submission_grader.grade_submission(given, ASSIGNMENT, box, [], threading.Event())
    return "; ".join(found.events)


def test_a_flood_of_messages_is_stopped(box: sandbox.Sandbox) -> None:
    # As the user "nobody", it cannot even open the pipe.
    assert "sent more to the grader than it reads" in events(replace(box, user=None), FLOOD)


def test_files_count_as_memory(box: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SPARE_MB", 0)
    limits = Limits(disk_mb=850, memory_mb=900)
    assert "with its processes and files, more memory" in events(replace(box, limits=limits), FILES)


def test_the_kernel_limits_the_number_of_processes(
    box: sandbox.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not box.process_limit:
        pytest.skip("the kernel does not limit the processes of root")
    monkeypatch.setattr(sandbox.Sandbox, "_excess", lambda *_: "")  # nobody counts them
    assert "stopped with BlockingIOError" in events(box, FORKS)


def test_processes_are_counted_too(box: sandbox.Sandbox) -> None:
    without = replace(box, process_limit=False)
    assert "started more than 64 processes" in events(without, FORKS + "\ntime.sleep(10)")
    assert "not limited by the system" in without.isolation
    assert "not limited by the system" not in replace(box, process_limit=True).isolation


def test_without_bubblewrap_the_limits_hold_and_it_is_said(tmp_path: Path) -> None:
    folder = class_in(tmp_path)
    memory = sixty.body("np.ones(int(1e11) // 8)")
    (folder / "ann.ipynb").write_bytes(memory.content)
    stays = ["sleep", f"{os.getpid()}000"]
    late = sixty.with_cell(f"import subprocess\nsubprocess.Popen({stays})\nexit()")
    (folder / "bob.ipynb").write_bytes(late.content)
    nowhere = ENVIRONMENT | {"PATH": str(tmp_path)}
    done = subprocess.run(
        sixty.command(folder, tmp_path / "r", *QUICK), env=nowhere, check=True,
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "WITHOUT a sandbox" in done.stdout.splitlines()[0]
    assert sixty.marks_in(tmp_path / "r" / "marks.csv") == {"ann": memory.marks, "bob": late.marks}
    for student in ("ann", "bob"):
        assert "WITHOUT a sandbox" in (tmp_path / "r" / f"{student}.html").read_text(
            encoding="utf-8"
        )
    assert (tmp_path / "r" / "marks.csv").read_text(encoding="utf-8").count(
        "ran without a sandbox"
    ) == 2
    assert stays not in [each.info["cmdline"] for each in psutil.process_iter(["cmdline"])]


def test_bubblewrap_that_does_not_work_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n", encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    box = sandbox.find_sandbox(Limits(), [])
    assert box.bubblewrap is None
    assert "No permissions to create new namespace" in box.isolation


@pytest.mark.usefixtures("box")
def test_ctrl_c_ends_what_runs_and_records_nothing_of_it(tmp_path: Path) -> None:
    folder = class_in(tmp_path, "later")
    (folder / "ann.ipynb").touch()
    (folder / "bob.ipynb").write_bytes(sixty.with_cell("while True: pass").content)

    def say(line: str) -> None:
        if line.startswith("[1/3] ann"):
            time.sleep(1)  # until the second one runs
            raise KeyboardInterrupt

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(KeyboardInterrupt):
        class_grader.grade(folder, tmp_path / "r", tmp_path / "m.csv", say=say)
    assert [file.name for file in (tmp_path / "r" / "results").glob("*.json")] == ["ann.json"]
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.usefixtures("box")
def test_a_class_gets_its_marks_even_when_the_grader_is_killed(tmp_path: Path) -> None:
    folder, reports = tmp_path / "class", tmp_path / "reports"
    folder.mkdir()
    kept = reports / "results"
    with sixty.surroundings(tmp_path) as (around, callers):
        expected = sixty.write_class(folder, around, variants=[0])
        first = subprocess.Popen(
            sixty.command(folder, reports, *QUICK), env=ENVIRONMENT, stdout=subprocess.DEVNULL
        )
        while len(list(kept.glob("*.json"))) < 3:
            assert first.poll() is None
            time.sleep(0.1)
        inside = psutil.Process(first.pid).children(recursive=True)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert psutil.wait_procs(inside, timeout=10)[1] == []  # nobody outlives the grader
        assert not (reports / "marks.csv").exists()
        before = {file: file.read_bytes() for file in kept.glob("*.json")}
        done = subprocess.run(
            sixty.command(folder, reports, *QUICK), env=ENVIRONMENT, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip
    assert f"{len(expected)} graded, {len(before)} of them in an earlier run" in done
    assert {file: file.read_bytes() for file in before} == before
    assert sixty.marks_in(reports / "marks.csv") == expected
    assert len(list(reports.glob("*.html"))) == len(expected)
    assert around.file.read_text(encoding="utf-8") == sixty.CANARY
    assert callers == []
    said = {
        kind: (reports / f"{kind}-0.html").read_text(encoding="utf-8")
        for kind in ("endless", "leaving")
    }
    assert "ran longer than 15 s and was interrupted" in said["endless"]
    assert "(exit()) ended Python: it called exit" in said["leaving"]


# ------------------------------------------------------------------------------- nbgrader

CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "offline_tutor"
c.CourseDirectory.root = {course!r}
c.Exchange.root = {exchange!r}
c.ClearSolutions.code_stub = {{"python": "...  # your lines here"}}
"""
# nbgrader's command line, several commands in one process, which spares most of their time.
NBGRADER = """
import os, sys
from nbgrader.apps import NbGraderApp
for order in sys.argv[2:]:
    folder, command = order.split(":")
    os.chdir(folder)
    app = NbGraderApp.instance()
    app.initialize([command, sys.argv[1]])
    app.subapp.start()
    type(app.subapp).clear_instance()
"""


def test_nbgrader_takes_the_sources_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", programs, prepend=os.pathsep)  # it calls alembic by that name
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    course, exchange, home = (tmp_path / name for name in ("course", "exchange", "home"))
    source = course / "source" / sixty.ASSIGNMENT
    source.mkdir(parents=True)
    home.mkdir()
    exchange.mkdir()
    exchange.chmod(0o777)  # students write into it
    shutil.copy(ROOT / "notebooks" / "exercises" / STUDENT.name, source)
    for folder in (course, home):
        config = CONFIG.format(course=str(course), exchange=str(exchange))
        (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")

    def nbgrader(*orders: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", NBGRADER, sixty.ASSIGNMENT, *orders],
            cwd=tmp_path, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    teacher = ("generate_assignment", "release_assignment")
    nbgrader(*(f"{course}:{command}" for command in teacher), f"{home}:fetch_assignment")
    stub = (home / sixty.ASSIGNMENT / STUDENT.name).read_text(encoding="utf-8")
    assert "BEGIN" not in stub
    shutil.copy(INSTRUCTOR, home / sixty.ASSIGNMENT)
    nbgrader(f"{home}:submit", f"{course}:collect")
    submitted = course / "submitted"
    (student,) = submitted.iterdir()
    shutil.copytree(student, submitted / "stub")
    (submitted / "stub" / sixty.ASSIGNMENT / STUDENT.name).write_text(stub, encoding="utf-8")
    teacher = ("autograde", "generate_feedback", "release_feedback")
    nbgrader(*(f"{course}:{command}" for command in teacher), f"{home}:fetch_feedback")
    assert list((home / sixty.ASSIGNMENT / "feedback").rglob("*.html"))
    worth = sum(each.points for each in ASSIGNMENT)
    assert scores(course) == {student.name: (worth, worth), "stub": (0, worth)}


def scores(course: Path) -> dict[str, tuple[float, float]]:
    """What nbgrader's book of grades says: score and maximum, by student."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        found = book.assignment_submissions(sixty.ASSIGNMENT)
        return {each.student.id: (each.score, each.max_score) for each in found}


def test_the_guide_says_the_limits_that_there_are() -> None:
    page = (ROOT / "book" / "grading.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|]* \| (\d+)[^|]* \| `--([a-z-]+)` \|$", page, re.MULTILINE)
    said = {name.replace("-", "_"): int(value) for value, name in rows}
    assert said == vars(Limits())
