"""Where the book is at home: its repository, its site, and what pip can install it from.

What is committed names one place: `[project.urls]` in pyproject.toml. What is built may be a fork's
or a private copy's; its repository is OFFLINE_TUTOR_REPOSITORY, else git's remote `origin`, else
that of pyproject.toml. OFFLINE_TUTOR_SITE is where the built pages will be served.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from urllib.parse import urlsplit

from offline_tutor import __version__
from tools.chapters import ROOT

NAME = "offline-tutor"
WHEEL = f"offline_tutor-{__version__}-py3-none-any.whl"
GITHUB = "https://github.com/"
CLONE = re.compile(r"^git clone .*$", re.MULTILINE)
SHORT = re.compile(r"(?:[^@/:]+@)?(?P<host>[\w.-]{2,}):(?!//)/?(?P<path>.+)")  # git@host:path


def urls() -> dict[str, str]:
    """What pyproject.toml says under `[project.urls]`, without slashes at the ends.

    Raises:
        ValueError: it still names OWNER/NAME.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {name: address.rstrip("/") for name, address in project.get("urls", {}).items()}
    for name, address in found.items():
        if "OWNER" in address:
            raise ValueError(f"pyproject.toml: {name} is {address!r}; put yours in its place")
    return found


def public(address: str) -> str | None:
    """A git remote as a reader's machine can use it; None if only this machine can.

    It is https, without a name or a password. Whatever form leads to GitHub becomes
    `https://github.com/OWNER/NAME`, an alias of ~/.ssh/config too.
    """
    short = SHORT.fullmatch(address.strip())
    try:
        parts = urlsplit(f"ssh://{short['host']}/{short['path']}" if short else address.strip())
        port = parts.port
    except ValueError:  # it has the form of an address, and is none
        return None
    path = parts.path.strip("/").removesuffix(".git")
    host = real_host(parts.hostname or "") if parts.scheme == "ssh" else parts.hostname
    on_github = host in ("github.com", "www.github.com", "ssh.github.com")
    if on_github and re.fullmatch(r"[\w.-]+/[\w.-]+", path):
        return GITHUB + path
    if parts.scheme == "https" and host and path and not on_github:
        return f"https://{host}{f':{port}' if port else ''}/{path}"
    return None


def real_host(name: str) -> str:
    """The host that ssh would connect to, which may have another name in ~/.ssh/config."""
    if shutil.which("ssh") is None or not re.fullmatch(r"\w[\w.-]*", name):
        return name
    said = subprocess.run(["ssh", "-G", name], check=False, capture_output=True, text=True).stdout
    found = re.search(r"^hostname (\S+)$", said, re.MULTILINE)
    return found[1].lower() if found else name


def git(*arguments: str) -> str:
    """What git says of this checkout; nothing where there is no git, or it fails."""
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""


def repository() -> str | None:
    """Address of the repository of what is built here, if readers can use it."""
    asked = os.environ.get("OFFLINE_TUTOR_REPOSITORY")
    if asked is not None:
        return asked if asked.startswith("file://") else public(asked)
    return public(git("remote", "get-url", "origin")) or urls().get("Repository")


def on_github() -> str | None:
    """The same, if it is on GitHub: Colab, Binder and the theme's buttons need that."""
    address = repository()
    return address if address and address.startswith(GITHUB) else None


def commit() -> str | None:
    """The commit whose package this is, if a remote has it and nothing was changed since."""
    changed = git("status", "--porcelain", "--", "offline_tutor", "pyproject.toml")
    published = git("branch", "--remotes", "--contains", "HEAD")
    return git("rev-parse", "HEAD") if published and not changed else None


def site() -> str | None:
    """Where the pages that are built here will be served, if that is known."""
    if asked := os.environ.get("OFFLINE_TUTOR_SITE"):
        return asked.rstrip("/")
    return urls().get("Documentation") if repository() == urls().get("Repository") else None


def committed_homes() -> list[str]:
    """What pip may install the package from, best first, in notebooks that are committed.

    An index comes last, and only once pyproject.toml says that the package is on it: before, the
    name is anybody's, who could run code wherever it is asked for.
    """
    known = urls()
    homes = [f"git+{known['Repository']}"] if "Repository" in known else []
    homes += [f"{known['Documentation']}/{WHEEL}"] if "Documentation" in known else []
    return homes + ([f"{NAME}=={__version__}"] if "PyPI" in known else [])


def built_homes() -> list[str]:
    """The same in notebooks that the site serves: of their own commit, where that is known."""
    address, pin, pages = repository(), commit(), site()
    homes = [f"git+{address}" + (f"@{pin}" if pin else "")] if address else []
    homes += [f"{pages}/{WHEEL}"] if pages else []
    its_own = address is not None and address == urls().get("Repository")
    return homes + ([f"{NAME}=={__version__}"] if "PyPI" in urls() and its_own else [])


def with_clone_line(text: str, address: str | None) -> str:
    """Markdown whose line `git clone ...` names an address, or says which is meant."""
    known = f"git clone {address} offline-tutor"
    asked = "git clone ADDRESS offline-tutor    # ADDRESS: that of the book's repository"
    return CLONE.sub(lambda _: known if address else asked, text)
