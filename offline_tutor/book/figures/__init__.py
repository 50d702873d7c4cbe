"""The book's figures: one style, inline SVG, and sliders that do not need a kernel.

Importing this package changes nothing. A chapter calls `use_style()` once, before its first figure.
"""

from offline_tutor.book.figures.curves import LivePlot, draw_references, learning_curves
from offline_tutor.book.figures.grid import draw_grid, draw_grid_values
from offline_tutor.book.figures.maze import (
    draw_maze,
    draw_paths,
    draw_policy_arrows,
    draw_values,
)
from offline_tutor.book.figures.page import panels, show
from offline_tutor.book.figures.results import interval_plot, results_table
from offline_tutor.book.figures.slider import slider
from offline_tutor.book.figures.style import (
    COUNTS,
    IMPOSSIBLE,
    INK,
    LOOKS,
    PAPER,
    VALUES,
    line,
    look,
    use_style,
)
from offline_tutor.book.figures.try_out import try_out
from offline_tutor.book.figures.walk import playable_maze

__all__ = [
    "COUNTS",
    "IMPOSSIBLE",
    "INK",
    "LOOKS",
    "PAPER",
    "VALUES",
    "LivePlot",
    "draw_grid",
    "draw_grid_values",
    "draw_maze",
    "draw_paths",
    "draw_policy_arrows",
    "draw_references",
    "draw_values",
    "interval_plot",
    "learning_curves",
    "line",
    "look",
    "panels",
    "playable_maze",
    "results_table",
    "show",
    "slider",
    "try_out",
    "use_style",
]
