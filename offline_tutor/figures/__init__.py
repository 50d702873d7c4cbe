"""The figures of the book: one look, shown inline as SVG, moved by sliders that need no kernel.

Importing this package makes the book's look Matplotlib's default (`use_style`).
"""

from offline_tutor.figures.curves import LivePlot, learning_curves
from offline_tutor.figures.page import panels, show
from offline_tutor.figures.slider import slider
from offline_tutor.figures.style import COUNTS, INK, LOOKS, PAPER, VALUES, line, look, use_style

__all__ = [
    "COUNTS",
    "INK",
    "LOOKS",
    "PAPER",
    "VALUES",
    "LivePlot",
    "learning_curves",
    "line",
    "look",
    "panels",
    "show",
    "slider",
    "use_style",
]

use_style()
