"""What stands for GitHub here: matrices, expressions, steps that run or are left out."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools import rehearsal
from tools.chapters import ROOT
from tools.rehearsal import Rehearsal, find_python
from tools.workflows import FOLDER, Job, filled, jobs, rows, value

NAMES = sorted(file.name for file in FOLDER.glob("*.yml"))
EVERY = {job.title: job for name in NAMES for job in jobs(name)}
on_linux = pytest.mark.skipif(platform.system() != "Linux", reason="the jobs are Linux's")


@pytest.mark.parametrize("job", EVERY.values(), ids=EVERY)
def test_every_step_of_the_workflows_is_run_or_left_out_for_a_reason(job: Job) -> None:
    rehearsed = Rehearsal(job)
    assert len(rehearsed.plan()) == (1 if rehearsed.elsewhere() else len(job.steps))
    for step in job.steps:
        run = "run" in step and "sudo " not in step["run"]
        assert (rehearsed.left_out(step) is None) == (
            run or step.get("uses", "").partition("@")[0] in rehearsal.STAND_INS
        )
        for text in map(str, step.get("env", {}).values()):
            assert "${{" not in filled(text, rehearsed.context())
        assert value(str(step.get("if", "success()")), rehearsed.context()) in (True, False)


def test_the_proposals_packages_and_pythons_are_among_the_jobs() -> None:
    here = [title for title, job in EVERY.items() if "ubuntu" in title]
    assert here == [
        f"tests.yml test ubuntu-latest {row}" for row in ("lowest 3.11", "lock 3.12", "newest 3.13")
    ]


def test_rows_of_a_matrix_are_githubs() -> None:
    matrix = {
        "os": ["a", "b"],
        "include": [{"os": "a", "x": "1"}, {"y": "2"}, {"os": "c", "x": "3"}],
    }
    assert rows(matrix) == [
        {"os": "a", "x": "1", "y": "2"},
        {"os": "b", "y": "2"},
        {"os": "c", "x": "3"},
    ]
    assert rows({}) == [{}]


@pytest.mark.parametrize(
    ("expression", "worth"),
    [
        ("matrix.packages", "lowest"),
        ("matrix.packages != 'lock' && '--deselect a::b' || ''", "--deselect a::b"),
        ("matrix.packages == 'lock' && 'x' || ''", ""),
        ("success() || failure()", True),
        ("failure()", False),
        ("'matrix.packages'", "matrix.packages"),
        ("matrix.nothing", ""),
    ],
)
def test_expressions_are_githubs(expression: str, worth: object) -> None:
    context = {"matrix.packages": "lowest", "success()": True, "failure()": False}
    assert value(expression, context) == worth


@pytest.mark.parametrize("expression", ["hashFiles('a')", "1 +", "__import__('os')", "a.b[0]"])
def test_what_only_github_can_compute_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="without GitHub"):
        value(expression, {})


def test_an_action_of_which_nothing_is_known_is_told() -> None:
    job = Job("a.yml", "b", {}, {"runs-on": "ubuntu-latest"})
    with pytest.raises(ValueError, match=r"a.yml b: say in tools/rehearsal.py what is new/action"):
        Rehearsal(job).left_out({"uses": "new/action@1a2b"})


STEPS = """
- uses: actions/checkout@1
- uses: actions/setup-python@2
  with: {python-version: "${{ matrix.python }}"}
- name: Environment
  run: |
    test "$PACKAGES" = lowest && test "$(cat file.txt)" = committed
    python -c 'import sys; assert sys.prefix != sys.base_prefix'
    echo done > made.txt
  env: {PACKAGES: "${{ matrix.packages }}"}
- {name: Machine, run: sudo reboot}
- {name: Kept, uses: actions/upload-artifact@3, with: {path: "made*"}}
- {name: Fails, run: "echo the reason; false; echo not reached"}
- {name: Skipped, run: "true"}
- {name: Afterwards, run: "true", if: success() || failure()}
"""


@on_linux
def test_a_job_is_run_step_by_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file.txt").write_text("committed", encoding="utf-8")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    row = {"packages": "lowest", "python": f"3.{sys.version_info[1]}"}
    settings = {"runs-on": "ubuntu-latest", "steps": yaml.safe_load(STEPS)}
    one = Rehearsal(Job("a.yml", "b", row, settings), place=tmp_path / "place", source=source)
    assert one.run() is False
    shown = capsys.readouterr().out
    said = [line.split(" | ")[1:] for line in shown.splitlines() if " | " in line]
    assert [(step.strip(), what.partition(",")[0]) for step, what in said] == [
        ("actions/checkout", "ok"),
        ("actions/setup-python", "ok"),
        ("Environment", "ok"),
        ("Machine", "left out: it changes the machine"),
        ("Kept", "ok"),
        ("Fails", "FAILED"),
        ("Skipped", "not its turn"),
        ("Afterwards", "ok"),
    ]
    assert "the reason" in shown and "not reached" not in shown


def test_a_python_that_is_not_here_fails_its_step(tmp_path: Path) -> None:
    assert find_python("2.0") is None
    assert find_python(f"3.{sys.version_info[1]}") is not None
    one = Rehearsal(Job("a.yml", "b", {}, {}), python="2.0")
    assert not one.set_up_python({}, tmp_path / "log")
    assert "no Python 2.0 here" in (tmp_path / "log").read_text(encoding="utf-8")


def test_a_title_that_no_job_has_is_told() -> None:
    with pytest.raises(SystemExit, match="No job's title contains 'oldest'"):
        rehearsal.main(["--only", "oldest"])
    assert rehearsal.main(["--list"]) == 0


def test_make_runs_it() -> None:
    if shutil.which("make") is None:
        pytest.skip("no make")
    command = ["make", "--dry-run", "workflows", "WORKFLOWS=book.yml --list"]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert "-m tools.rehearsal book.yml --list" in ran.stdout
