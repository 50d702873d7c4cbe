"""A grid world small enough to show every value in it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from offline_tutor.book.figures.style import INK, PAPER, VALUES, add_colorbar

# Actions in this order, as moves (row, column): the triangle of an action lies on its side.
UP, RIGHT, DOWN, LEFT = (-1, 0), (0, 1), (1, 0), (0, -1)
MOVES = np.array([UP, RIGHT, DOWN, LEFT])

_COLORS = 48  # steps of the colour map: more cannot be told apart, fewer make sliders lighter


def draw_grid(
    ax: Axes, walls: np.ndarray, places: dict[str, tuple[int, int]] | None = None
) -> None:
    """Draw walls (rows, columns) of a grid world, row 0 on top, and letters at (row, column)."""
    rows, columns = walls.shape
    squares = [Path(_square(row, column), closed=True) for row, column in np.argwhere(walls)]
    # One shape, since many have hair lines between them.
    shape = Path.make_compound_path(*squares)
    ax.add_patch(PathPatch(shape, facecolor=INK, alpha=0.3, linewidth=0, zorder=0))
    for letter, (row, column) in (places or {}).items():
        disc = {"boxstyle": "circle,pad=0.15", "facecolor": PAPER, "edgecolor": "none"}
        ax.text(column, row, letter, fontsize=12, ha="center", va="center", bbox=disc, zorder=4)
    ax.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal", anchor="N")
    ax.set_axis_off()


def draw_grid_values(
    ax: Axes,
    values: np.ndarray,
    *,
    low: float,
    high: float,
    shown: np.ndarray | None = None,
    label: str | None = None,
) -> None:
    """Draw values of states (rows, columns) as squares, or of actions (..., 4) as triangles.

    Args:
        ax: the axes to draw in.
        values: of states, or of the actions up, right, down, left in each state.
        low: value of the darkest colour.
        high: value of the brightest colour.
        shown: bool array like `values`; where False, such as in walls or for an action that was
            never tried, nothing is drawn.
        label: stands under the colour bar; no bar without one.
    """
    shown = np.ones(values.shape, bool) if shown is None else shown
    chosen = np.argwhere(shown)
    shape = _square if values.ndim == 2 else _triangle
    cells = PolyCollection(
        [shape(*index) for index in chosen],
        array=np.asarray(values, float)[shown],
        cmap=VALUES.resampled(_COLORS),
        linewidth=0.4,
        edgecolor="face",  # hides the hair lines between neighbours
        clip_on=False,
    )
    cells.set_clim(low, high)
    ax.add_collection(cells, autolim=False)
    if label:
        add_colorbar(cells, label)


def _square(row: int, column: int) -> list[tuple[float, float]]:
    """Return the corners (x, y) of a cell."""
    corners = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5))
    return [(column + x, row + y) for x, y in corners]


def _triangle(row: int, column: int, action: int) -> list[tuple[float, float]]:
    """Return the corners (x, y) of the quarter of a cell on the side that the action goes to."""
    down, right = MOVES[action] / 2
    ahead, aside = np.array([right, down]), np.array([down, right])
    centre = np.array([column, row])
    return [tuple(centre), tuple(centre + ahead + aside), tuple(centre + ahead - aside)]
