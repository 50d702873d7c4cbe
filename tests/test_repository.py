"""The state of the repository itself: style, types, spelling, the lock, what is promised where."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from tools.chapters import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0][
    "hooks"
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

TOP = {
    ".binder",
    ".ci",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "LICENSE-TEXT",
    "Makefile",
    "README.md",
    "_config.yml",
    "_toc.yml",
    "benchmarks",
    "book",
    "notebooks",
    "offline_tutor",
    "pyproject.toml",
    "requirements.txt",
    "tests",
    "tools",
}

# What Colab had when this was written; a chapter's first cell must not have to change it.
COLAB = {
    "filelock": "3.32.3",
    "flax": "0.11.2",
    "gymnasium": "1.3.0",
    "h5py": "3.16.0",
    "ipython": "7.34.0",
    "jax": "0.7.2",
    "matplotlib": "3.10.0",
    "numpy": "2.1.3",
    "optax": "0.2.8",
    "scipy": "1.16.3",
    "tqdm": "4.67.3",
}


@pytest.mark.parametrize("hook", [hook["id"] for hook in HOOKS])
def test_hook_passes_on_every_file(hook: str) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository, so there is no list of files")
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": os.pathsep.join([bin_folder, os.environ["PATH"]])}
    command = [sys.executable, "-m", "pre_commit", "run", hook, "--all-files", "--color=never"]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_stands_at_the_top_by_mistake() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository, so there is no list of files")
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {name.partition("/")[0] for name in listed.stdout.splitlines()}
    assert found - TOP == set(), "a program left these, or TOP should list them"


def test_colab_meets_every_requirement_that_it_knows() -> None:
    wanted = [Requirement(line) for line in PROJECT["dependencies"]]
    assert {need.name for need in wanted} - set(COLAB) == {"jaxtyping", "minari", "tyro"}
    for need in wanted:
        if need.name in COLAB:
            assert need.specifier.contains(COLAB[need.name]), f"Colab has {COLAB[need.name]}"


def test_lock_holds_every_requirement() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if re.match(r"[a-z0-9]", line)]
    assert lines[0].startswith("# uv pip compile")
    extras = PROJECT["optional-dependencies"].values()
    for line in PROJECT["dependencies"] + [line for extra in extras for line in extra]:
        need = Requirement(line)
        found = [pin for pin in pins if pin.name.lower() == need.name.lower()]
        assert found, f"{need.name} is not in requirements.txt: run 'make lock'"
        for pin in found:
            version = next(iter(pin.specifier)).version
            assert need.specifier.contains(version), f"{pin} is not {need}: run 'make lock'"


def test_binder_installs_what_the_book_is_built_with() -> None:
    folder = ROOT / ".binder"
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    assert lines[:2] == ["-c ../requirements.txt", "-e ."]
    assert (folder / "../requirements.txt").resolve() == ROOT / "requirements.txt"
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for name in lines[2:]:
        assert re.search(rf"^{re.escape(name)}==", pinned, re.MULTILINE), f"{name} is not pinned"
    python = (folder / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
    assert re.search(rf'python-version: "{re.escape(python)}"', BOOK_WORKFLOW)


BOOK_WORKFLOW = (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")


def test_a_checkout_has_the_same_lines_on_windows(tmp_path: Path) -> None:
    windows = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for name in (".gitattributes", ".github/install.sh", ".ci/run", "README.md"):
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_bytes((ROOT / name).read_bytes())
    for command in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *command], cwd=tmp_path / "a", check=True)
    subprocess.run(["git", *windows, "clone", "-q", "a", "b"], cwd=tmp_path, check=True)
    copied = [
        path for path in (tmp_path / "b").rglob("*") if path.is_file() and ".git/" not in str(path)
    ]
    assert len(copied) == 4
    assert not [path.name for path in copied if b"\r" in path.read_bytes()]


INSTALLS = re.compile(r"pip install[^\n`]*\boffline-tutor\b[^\n`]*")


def test_no_line_installs_the_package_from_an_index() -> None:
    """The name was never published: whoever registers it would run code on readers' machines."""
    texts = [path for kind in ("*.md", "*.py", "*.yml") for path in ROOT.rglob(kind)]
    texts += ROOT.glob("notebooks/**/*.ipynb")
    found = {
        (path.relative_to(ROOT).as_posix(), line)
        for path in texts
        if not {"_build", ".venv", "tests"} & set(path.relative_to(ROOT).parts)
        for line in INSTALLS.findall(path.read_text(encoding="utf-8"))
    }
    assert {(name, line) for name, line in found if "--no-index" not in line} == set()
