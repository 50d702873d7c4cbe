"""Links that open an exercise's notebook in Colab, where the book's repository is on GitHub.

A page marks the place with `<!-- colab: notebooks/exercises/student/12_datasets.ipynb -->`. A local
Sphinx extension.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

from tools.address import on_github

PLACE = re.compile(r"<!-- colab: (\S+) -->")


def linked(text: str, address: str | None) -> str:
    """The page with its links; without an address, its marks are removed."""
    if address is None:
        return PLACE.sub("", text)
    colab = address.replace("https://github.com/", "https://colab.research.google.com/github/")
    return PLACE.sub(rf"or open it [in Colab]({colab}/blob/main/\1).", text)


def write_links(app: Sphinx, document: str, source: list[str]) -> None:
    source[0] = linked(source[0], on_github())


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", write_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
