"""What the book needs of Sphinx beyond its settings: a local Sphinx extension.

It keeps outputs of an older package from being shown, checks that no page loads anything from
another host, and adds the buttons of the repository and the link to the PDF, where they exist.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # Jupyter Book's own command does not put the repository there

from tools import execute
from tools.address import on_github, repository, with_clone_line
from tools.chapters import chapters
from tools.fingerprints import fingerprint
from tools.pages import foreign_requests
from tools.replacing import NothingToReplace, replace

LOGGER = logging.getLogger(__name__)
FIRST = "book/intro"
PDF_LINK = "<!-- the link to the PDF -->"
ROCKET = "<!-- the rocket -->"


def drop_stale_outputs(app: Sphinx, config: Config) -> None:
    """Drops outputs of an older package, so that Jupyter Book runs those notebooks again."""
    execute.drop_stale()
    app.fingerprints = {
        execute.key(chapter.notebook): fingerprint(chapter) for chapter in chapters()
    }


def record_outputs(app: Sphinx, error: Exception | None) -> None:
    """Records that a complete build shows outputs of the package as it was at the start."""
    if error is None:
        execute.record(app.fingerprints)


def add_buttons(app: Sphinx, config: Config) -> None:
    """Buttons for Colab, Binder, source and issues, if the repository is on GitHub."""
    if address := on_github():
        config.html_theme_options |= {
            "repository_url": address,
            "repository_branch": "main",
            "use_repository_button": True,
            "use_issues_button": True,
            "use_edit_page_button": True,
            "launch_buttons": {
                "colab_url": "https://colab.research.google.com",
                "binderhub_url": "https://mybinder.org",  # what it installs: .binder/
                "notebook_interface": "jupyterlab",
            },
        }


def link_pdf(app: Sphinx, document: str, source: list[str]) -> None:
    """The link to the PDF on the first page, if OFFLINE_TUTOR_PDF names a file beside the book."""
    name = os.environ.get("OFFLINE_TUTOR_PDF", "")
    link = f' It is also one <a href="../{name}">PDF, to print or to keep</a>.' if name else ""
    if document == FIRST:
        source[0] = replace(source[0], PDF_LINK, link, where=document)


def name_rocket(app: Sphinx, document: str, source: list[str]) -> None:
    """Says on the first page where the button for Colab and Binder is, or why there is none."""
    way = (
        "In Colab or on Binder: the rocket above a chapter opens it; in Colab its first cell "
        "installs what is missing. "
    )
    none = (
        "This copy of the book was built where its repository on GitHub was not known, so no page "
        "has a button for Colab or Binder; `OFFLINE_TUTOR_REPOSITORY=https://github.com/...` with "
        "`make book` brings them. "
    )
    if document == FIRST:
        source[0] = replace(source[0], ROCKET, way if on_github() else none, where=document)


def name_address(app: Sphinx, document: str, source: list[str]) -> None:
    """The line on the first page that clones the repository, if it has an address."""
    if document == FIRST:
        source[0] = with_clone_line(source[0], repository())


def tell_missing_buttons(app: Sphinx) -> None:
    """Says in the log of the build, where the remote can be named, why pages have no buttons."""
    if on_github() is None:
        LOGGER.info(
            "No buttons for Colab and Binder: neither OFFLINE_TUTOR_REPOSITORY nor the remote "
            "`origin` nor [project.urls] in pyproject.toml is a repository on github.com."
        )


def drop_thebe(app: Sphinx, config: Config) -> None:
    """Jupyter Book always loads sphinx-thebe, which writes another host's address on each page.

    Raises:
        NothingToReplace: it is loaded in another way than it was.
    """
    registered = [*app.events.listeners.values(), app.registry.css_files]
    before = sum(map(len, registered))
    for entries in app.events.listeners.values():
        entries[:] = [entry for entry in entries if entry.handler.__module__ != "sphinx_thebe"]
    files = app.registry.css_files
    files[:] = [entry for entry in files if "thebe" not in entry[0]]
    if sum(map(len, registered)) == before:
        raise NothingToReplace("sphinx_thebe", where="what Sphinx calls")


def check_requests(app: Sphinx, error: Exception | None) -> None:
    """Warns about each page that loads something from another host, which fails `make book`."""
    for page in Path(app.outdir).rglob("*.html") if error is None else ():
        for address in foreign_requests(page.read_text(encoding="utf-8")):
            LOGGER.warning("%s asks another host for %s", page.relative_to(app.outdir), address)


def pages_to_read_again(app: Sphinx, *_: object) -> list[str]:
    """Pages that can change while their sources do not: the chapters, and the first page."""
    return [FIRST, *(chapter.name for chapter in chapters())]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", drop_stale_outputs)
    app.connect("config-inited", add_buttons)
    app.connect("config-inited", drop_thebe)
    app.connect("builder-inited", tell_missing_buttons)
    app.connect("env-get-outdated", pages_to_read_again)
    app.connect("source-read", link_pdf)
    app.connect("source-read", name_rocket)
    app.connect("source-read", name_address)
    app.connect("build-finished", record_outputs)
    app.connect("build-finished", check_requests, priority=900)  # of pages as they will stay
    return {"parallel_read_safe": True, "parallel_write_safe": True}
