"""The workflows under .github call what there is, test what is promised, and are really checked.

That they are valid and safe is seen to by zizmor, one of the checks in tests/test_repository.py.
"""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections import defaultdict
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from offline_tutor import __version__
from tools.chapters import ROOT

FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(file.name for file in FOLDER.glob("*.yml"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
    "hooks"
]
ENTRY = next(hook["entry"] for hook in HOOKS if hook["id"] == "zizmor").split()
LINT = [Path(sys.executable).with_name(ENTRY[0]), *ENTRY[1:]]


def jobs(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))["jobs"]


def steps(name: str) -> list[dict[str, Any]]:
    """Those of every job, but for a job that is another workflow."""
    return [step for job in jobs(name).values() for step in job.get("steps", [])]


def test_there_are_the_workflows_that_are_promised() -> None:
    assert NAMES == ["book.yml", "release.yml", "tests.yml", "weekly.yml"]


@pytest.mark.parametrize("name", NAMES)
def test_commands_exist(name: str) -> None:
    commands = "\n".join(step.get("run", "") for step in steps(name))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([\w-]+)", commands, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
    for script in re.findall(r"^\.github/\S+", commands, re.MULTILINE):
        assert os.access(ROOT / script, os.X_OK), script


@pytest.mark.parametrize("name", NAMES)
def test_no_job_runs_for_ever(name: str) -> None:
    for job, settings in jobs(name).items():
        if "uses" not in settings:  # another workflow's jobs have their own limits
            assert settings["timeout-minutes"] <= 90, job


def test_an_action_has_one_version_everywhere() -> None:
    versions = defaultdict(set)
    for name in NAMES:
        for step in steps(name):
            if "uses" in step:
                action, _, commit = step["uses"].partition("@")
                versions[action].add(commit)
    assert versions
    assert {action: len(commits) for action, commits in versions.items() if len(commits) > 1} == {}


def test_oldest_and_newest_python_are_tested() -> None:
    rows = jobs("tests.yml")["test"]["strategy"]["matrix"]["include"]
    python = {row["packages"]: row["python"] for row in rows}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(
        r"\(3, 11\) <= v <= \((\d+), (\d+)\)", (ROOT / "Makefile").read_text(encoding="utf-8")
    )
    assert newest is not None
    assert project["requires-python"] == f">={python['lowest']}"
    assert python["newest"] == f"{newest[1]}.{newest[2]}"
    assert set(python) == set(jobs("tests.yml")["test"]["strategy"]["matrix"]["packages"])


@pytest.mark.parametrize(
    ("text", "damaged"),
    [
        pytest.param("timeout-minutes: 60", "timeout-minutes: soon", id="not a workflow"),
        pytest.param("runs-on: ", "run-on: ", id="misspelt"),
        pytest.param("persist-credentials: false", "fetch-depth: 1", id="keeps a password"),
        pytest.param("contents: read", "contents: write", id="may write"),
        pytest.param(r"(actions/checkout)@\w+ # \S+", r"\1@v7", id="not pinned"),
        pytest.param(r'"\$PACKAGES"', "${{ github.head_ref }}", id="runs what a stranger wrote"),
    ],
)
def test_the_linter_finds(text: str, damaged: str, tmp_path: Path) -> None:
    file = tmp_path / ".github" / "workflows" / "tests.yml"
    file.parent.mkdir(parents=True)
    source, count = re.subn(text, damaged, (FOLDER / "tests.yml").read_text(encoding="utf-8"))
    assert count
    file.write_text(source, encoding="utf-8")
    result = subprocess.run([*LINT, file], check=False, capture_output=True, text=True)
    assert result.returncode != 0, result.stdout


def test_install_script_says_what_it_takes() -> None:
    result = subprocess.run(
        [ROOT / ".github" / "install.sh", "latest"], check=False, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert "lock | lowest | newest" in result.stderr


def test_the_published_pdf_is_where_the_first_page_says() -> None:
    named = [step["env"] for step in steps("book.yml") if "make pdf" in step.get("run", "")]
    assert [each["OFFLINE_TUTOR_PDF"] for each in named] == ["offline_tutor.pdf"]
    commands = [step.get("run") for step in steps("book.yml")]
    assert "cp _build/pdf/offline_tutor.pdf _build/html/" in commands


def test_a_release_is_published_after_every_test() -> None:
    release = jobs("release.yml")
    assert release["test"] == {"name": "Test", "uses": "$/.github/workflows/tests.yml"}
    assert set(release["publish"]["needs"]) == {"test", "build"}
    conditions = [step["if"] for step in release["publish"]["steps"] if "if" in step]
    assert conditions == [] and "if" not in release["publish"]
    triggers = yaml.safe_load((FOLDER / "tests.yml").read_text(encoding="utf-8"))[True]  # "on"
    assert "workflow_call" in triggers


CHECK = ROOT / ".github" / "check_wheel.py"
REPOSITORY = "https://github.com/someone/book"


@pytest.mark.parametrize(
    ("tag", "address", "fault"),
    [
        (f"v{__version__}", REPOSITORY, None),
        ("v9.9.9", REPOSITORY, "The tag is v9.9.9, but"),
        (__version__, REPOSITORY, "The tag is"),
        (f"v{__version__}", "https://github.com/OWNER/NAME", "urls] in pyproject.toml lacks"),
        (f"v{__version__}", None, "urls] in pyproject.toml lacks"),
    ],
)
def test_a_release_needs_its_tag_and_an_address(
    tag: str, address: str | None, fault: str | None
) -> None:
    wheel = Message()
    wheel["Version"] = __version__
    if address is not None:
        wheel["Project-URL"] = f"Issues, {address}/issues"
        wheel["Project-URL"] = f"Repository, {address}"
    server, _, name = REPOSITORY.rpartition("/someone/")
    variables = {
        "GITHUB_REF_NAME": tag,
        "GITHUB_SERVER_URL": server,
        "GITHUB_REPOSITORY": f"someone/{name}",
    }
    found = runpy.run_path(str(CHECK))["faults"](wheel, variables)
    assert (fault is None and found == []) or (len(found) == 1 and str(fault) in found[0])


def test_the_release_runs_that_check_outside_the_repository() -> None:
    commands = [step.get("run", "") for step in steps("release.yml")]
    (command,) = (command for command in commands if CHECK.name in command)
    assert command.splitlines()[-2:] == [
        'cd "$RUNNER_TEMP"',
        f'python "$GITHUB_WORKSPACE/.github/{CHECK.name}"',
    ]
    assert CHECK.is_file()


def test_the_readme_stands_alone_on_pypi(tmp_path: Path) -> None:
    (script,) = (step["run"] for step in steps("release.yml") if "README" in step.get("run", ""))
    rewrite = script.partition("python -m pip")[0]
    (tmp_path / "README.md").write_text(
        (ROOT / "README.md").read_text(encoding="utf-8"), encoding="utf-8"
    )
    variables = {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "someone/book",
        "GITHUB_SHA": "1a2b",
    }
    subprocess.run(["bash", "-ec", rewrite], cwd=tmp_path, env=os.environ | variables, check=True)
    before = re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    after = re.findall(r"\]\(([^)]+)\)", (tmp_path / "README.md").read_text(encoding="utf-8"))
    places = [f"https://github.com/someone/book/{kind}/1a2b/" for kind in ("raw", "blob")]
    assert all(link.startswith("https://") for link in after)
    for old, new in zip(before, after, strict=True):
        assert new == old or new in [place + old for place in places]
        assert new == old or (ROOT / old).is_file()
