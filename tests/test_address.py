"""Where the book is at home: from a git remote, pyproject.toml or a variable, and in what order."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from offline_tutor import __version__
from tools import address
from tools.address import WHEEL

BOOK = "https://github.com/someone/a.book"
COMMIT = "1a2b3c"
PROJECT = """[project]
name = "offline-tutor"
[project.urls]
Repository = "https://github.com/someone/a.book"
Documentation = "https://someone.github.io/a.book/"
"""


@pytest.mark.parametrize(
    ("remote", "known"),
    [
        (BOOK, BOOK),
        (f"{BOOK}.git", BOOK),
        (f"{BOOK}/\n", BOOK),
        ("https://GitHub.com/someone/a.book", BOOK),
        ("https://www.github.com/someone/a.book", BOOK),
        ("https://someone:secret@github.com/someone/a.book.git", BOOK),
        ("git@github.com:someone/a.book.git", BOOK),
        ("git@github.com:/someone/a.book", BOOK),
        ("ssh://git@github.com/someone/a.book.git", BOOK),
        ("ssh://git@ssh.github.com:443/someone/a.book.git", BOOK),
        ("git://github.com/someone/a.book", BOOK),
        ("https://notgithub.com/someone/a.book", "https://notgithub.com/someone/a.book"),
        ("https://github.com.elsewhere.org/o/r", "https://github.com.elsewhere.org/o/r"),
        ("https://elsewhere.org/github.com/o/r", "https://elsewhere.org/github.com/o/r"),
        ("https://me:secret@git.example.org:8443/o/r.git", "https://git.example.org:8443/o/r"),
        ("https://github.com/someone", None),
        ("git@git.example.org:o/r.git", None),
        ("-oProxyCommand=true:o/r", None),
        ("/home/someone/a.book", None),
        ("../a.book", None),
        (r"C:\Users\someone\a.book", None),
        ("file:///home/someone/a.book", None),
        ("https://[nowhere", None),
        ("https://git.example.org:port/o/r", None),
        ("", None),
    ],
)
def test_a_remote_as_readers_can_use_it(remote: str, known: str | None) -> None:
    assert address.public(remote) == known


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for ssh is a shell script")
@pytest.mark.parametrize("remote", ["work:someone/a.book.git", "ssh://git@work/someone/a.book"])
def test_an_alias_of_the_ssh_configuration_is_followed(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\n[ "$2" = work ] && echo "hostname GitHub.com"\n', encoding="utf-8")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert address.public(remote) == BOOK
    monkeypatch.setattr(shutil, "which", lambda name: None)  # no ssh: no alias
    assert address.public(remote) is None


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A repository of its own, whose git answers as this mapping says."""
    answers = {"remote": "", "status": "", "branch": "origin/main", "rev-parse": COMMIT}
    monkeypatch.setattr(address, "ROOT", tmp_path)
    monkeypatch.setattr(address, "git", lambda command, *_: answers[command])
    monkeypatch.delenv("OFFLINE_TUTOR_REPOSITORY", raising=False)
    monkeypatch.delenv("OFFLINE_TUTOR_SITE", raising=False)
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    return answers


def unpublished(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\n', encoding="utf-8")


def test_nothing_is_known_where_nothing_is_published(
    checkout: dict[str, str], tmp_path: Path
) -> None:
    unpublished(tmp_path)
    assert (address.repository(), address.site(), address.on_github()) == (None, None, None)
    assert address.committed_homes() == address.built_homes() == []


def test_the_book_itself(checkout: dict[str, str]) -> None:
    pages = f"https://someone.github.io/a.book/{WHEEL}"
    assert address.repository() == address.on_github() == BOOK
    assert address.committed_homes() == [f"git+{BOOK}", pages]
    assert address.built_homes() == [f"git+{BOOK}@{COMMIT}", pages]


def test_a_fork_installs_its_own_and_commits_no_other_address(checkout: dict[str, str]) -> None:
    checkout["remote"] = "git@github.com:pupil/fork.git"
    assert address.built_homes() == [f"git+https://github.com/pupil/fork@{COMMIT}"]
    assert address.committed_homes()[0] == f"git+{BOOK}"


def test_a_site_without_a_repository(
    checkout: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpublished(tmp_path)
    monkeypatch.setenv("OFFLINE_TUTOR_SITE", "http://class.example/book/")
    assert address.built_homes() == [f"http://class.example/book/{WHEEL}"]


def test_a_variable_comes_before_the_remote(
    checkout: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout["remote"] = "git@github.com:pupil/fork.git"
    monkeypatch.setenv("OFFLINE_TUTOR_REPOSITORY", "https://git.example.org/o/r")
    assert address.repository() == "https://git.example.org/o/r"
    assert address.on_github() is None
    monkeypatch.setenv("OFFLINE_TUTOR_REPOSITORY", "file:///srv/book")
    assert address.built_homes() == [f"git+file:///srv/book@{COMMIT}"]
    monkeypatch.setenv("OFFLINE_TUTOR_REPOSITORY", "")  # as the tests of pages without buttons do
    assert address.repository() is None


@pytest.mark.parametrize("answer", [{"branch": ""}, {"status": " M offline_tutor/types.py"}])
def test_a_commit_that_nobody_else_has_is_not_named(
    checkout: dict[str, str], answer: dict[str, str]
) -> None:
    checkout.update(answer)
    assert address.built_homes()[0] == f"git+{BOOK}"


def test_an_index_is_asked_last_with_a_version_and_only_once_it_has_the_package(
    checkout: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('PyPI = "https://pypi.org/project/offline-tutor/"\n')
    assert address.committed_homes()[2:] == [f"offline-tutor=={__version__}"]
    assert address.built_homes()[2:] == [f"offline-tutor=={__version__}"]
    checkout["remote"] = "git@github.com:pupil/fork.git"
    assert "offline-tutor" not in "".join(address.built_homes())


def test_an_address_that_was_not_filled_in_is_told(
    checkout: dict[str, str], tmp_path: Path
) -> None:
    text = PROJECT.replace("someone/a.book", "OWNER/NAME")
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"Repository is 'https://github.com/OWNER/NAME'; put"):
        address.committed_homes()
