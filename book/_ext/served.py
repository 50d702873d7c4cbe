"""What the site serves for running the book elsewhere: a local Sphinx extension.

Beside the pages lies the wheel of the package as it was when they were built, and the notebooks
that the pages offer know their repository, its commit and the site. `<!-- the wheel -->` on a page
becomes a link to the wheel.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx
from sphinx.util import logging

from tools.address import WHEEL, built_homes, repository, site
from tools.chapters import ROOT, chapters
from tools.elsewhere import Home, adapted, linked

LOGGER = logging.getLogger(__name__)
PLACE = "<!-- the wheel -->"


def link_wheel(app: Sphinx, document: str, source: list[str]) -> None:
    up = "../" * document.count("/")
    source[0] = source[0].replace(PLACE, f'<a href="{up}{WHEEL}">{WHEEL}</a>')


def stay_inside(app: Sphinx, document: str, source: list[str]) -> None:
    """Links of chapters that lead to an address, for other readers, are the book's own here."""
    if document in {chapter.name for chapter in chapters()}:
        source[0] = linked(source[0], Path(document).parent.as_posix(), Home())


def build_wheel(folder: Path) -> str | None:
    """Lays the wheel into a folder, in place of an older one; needs no network.

    Returns what went wrong, if anything did.
    """
    for older in folder.glob("offline_tutor-*.whl"):
        older.unlink()
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    ran = subprocess.run(
        [*command, str(folder)], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if ran.returncode == 0 and (folder / WHEEL).is_file():
        return None
    return (ran.stderr.strip().splitlines() or [f"hatchling made no {WHEEL}"])[-1]


def write_notebooks(folder: Path) -> None:
    """Tells the notebooks that the pages offer where the book is at home."""
    home = Home(built_homes(), site(), repository(), alone=True)
    for path in sorted(folder.rglob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if adapted(notebook, "notebooks", home):
            nbformat.write(notebook, path)


def finish(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        write_notebooks(Path(app.outdir))
        if fault := build_wheel(Path(app.outdir)):
            LOGGER.warning("The site has no wheel of the package: %s", fault)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", link_wheel)
    app.connect("source-read", stay_inside)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
