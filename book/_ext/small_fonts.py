"""Fonts keep only the letters that the book shows: a tenth of their bytes.

All the letters of MathJax's fonts, and of Font Awesome's in the theme's style sheets, are drawn by
`content` in CSS. Those that are drawn in any page are therefore known when the book is built.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import Any

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # Jupyter Book's own command does not put the repository there

from tools.replacing import NothingToReplace, Replacements

CONTENT = re.compile(r'(?:content|--pst-icon-[\w-]+): *"([^"]+)"')
ESCAPE = re.compile(r"\\([0-9a-fA-F]{1,6}) ?")
SHEETS = ["mathjax/mathjax.css", "styles/sphinx-book-theme.css", "styles/pydata-sphinx-theme.css"]
FONTS = ["mathjax/*.woff", "vendor/fontawesome/webfonts/*.woff2"]
BLANK = "MathJax_Zero"  # 1 kB of letters without outlines, which cannot be reduced
# The theme's style sheet names all of Font Awesome, of which only what it calls its icons is used.
ALL_ICONS = re.compile(r"\.fa-[^{}]*\{[^{}]*\}")


def letters(folder: Path) -> set[int]:
    """Code points of what the style sheets in a folder draw.

    Raises:
        NothingToReplace: a style sheet draws nothing, or none has Font Awesome's list of icons.
    """
    found: set[int] = set()
    made = Replacements()
    for sheet in SHEETS:
        styles = made.replace((folder / sheet).read_text(encoding="utf-8"), ALL_ICONS, "")
        if not (drawn := "\n".join(CONTENT.findall(styles))):
            raise NothingToReplace(CONTENT, where=sheet)
        found |= {int(code, 16) for code in ESCAPE.findall(drawn)}
        found |= set(map(ord, ESCAPE.sub("", drawn)))
    made.check(", ".join(SHEETS))
    return found


def shrink(path: Path, kept: set[int]) -> None:
    """Rewrites a font with only these letters."""
    options = Options(layout_features=[], hinting=False, notdef_outline=True)
    with TTFont(path) as font:
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=kept)
        subsetter.subset(font)
        font.save(path)


def finish(app: Sphinx, error: Exception | None) -> None:
    if app.builder.format != "html" or error is not None:
        return
    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it logs every table
    static = Path(app.outdir) / "_static"
    kept = letters(static)
    for pattern in FONTS:
        fonts = list(static.glob(pattern))
        if not fonts:
            raise NothingToReplace(pattern, where=static)
        for font in fonts:
            if font.stem != BLANK:
                shrink(font, kept)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", finish, priority=600)  # after MathJax's style sheet is written
    return {"parallel_read_safe": True, "parallel_write_safe": True}
