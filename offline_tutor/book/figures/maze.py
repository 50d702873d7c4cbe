"""The maze from above: its walls, paths, values of critics, directions of policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from offline_tutor.book.figures.arrows import draw_arrows
from offline_tutor.book.figures.style import IMPOSSIBLE, INK, VALUES, add_colorbar, look
from offline_tutor.environments import CORRIDORS, GOAL_RADIUS, PointMaze

Function = Callable[[np.ndarray], np.ndarray]

_PIXEL = 0.1  # width of a pixel of the heat maps; the cells are 1 x 1


def draw_maze(ax: Axes, *, letters: bool = True) -> None:
    """Draw the walls, the letters A to D in the wall beside their cells, and the goal around D."""
    rows, columns = PointMaze.cells.shape
    squares = [
        Path.unit_rectangle().transformed(Affine2D().translate(column, rows - 1 - row))
        for row, column in np.argwhere(PointMaze.cells)
    ]
    # One shape, because separate squares would show hairlines between them.
    walls = Path.make_compound_path(*squares)
    ax.add_patch(PathPatch(walls, facecolor=INK, alpha=0.3, linewidth=0, zorder=0))
    ax.add_patch(Circle(PointMaze.places["D"], GOAL_RADIUS, fill=False, edgecolor=INK, zorder=3))
    if letters:
        for letter, (x, y) in PointMaze.places.items():
            above = 0.75 if y > rows / 2 else -0.75
            ax.text(x, y + above, letter, weight="bold", ha="center", va="center", zorder=4)
    # Half the width of the outer wall is enough to show.
    ax.set(xlim=(0.5, columns - 0.5), ylim=(0.5, rows - 0.5), aspect="equal", anchor="N")
    ax.set_axis_off()


def draw_paths(
    ax: Axes, paths: Iterable[np.ndarray], method: str = "data", **style: object
) -> None:
    """Draw paths, each (steps, 2), in a method's colour. A page can carry a few dozen of them."""
    chosen: dict[str, Any] = {"color": look(method).color, "linewidth": 1.0, "alpha": 0.5} | style
    lines = LineCollection([np.asarray(path) for path in paths], **chosen)
    ax.add_collection(lines, autolim=False)


def draw_values(
    ax: Axes,
    value: Function,
    *,
    low: float,
    high: float,
    limit: float | None = None,
    label: str | None = "value",
) -> None:
    """Draw a heat map of a value function over every place that the body's centre can reach.

    Args:
        ax: the axes to draw in.
        value: maps positions (n, 2) to values (n,), such as `policy.value` of one seed.
        low: value of the darkest colour.
        high: value of the brightest colour.
        limit: the highest possible value; where the function exceeds it, it is drawn in orange.
        label: the text below the colour bar; None for no bar.
    """
    points, extent, inside = _lattice()
    values = np.full(inside.shape, np.nan)  # where the body cannot be, nothing is drawn
    values[inside] = np.asarray(value(points[inside]), float).reshape(-1)
    high = high if limit is None else limit
    colors = VALUES if limit is None else VALUES.with_extremes(over=IMPOSSIBLE)
    image = ax.imshow(
        values, colors, vmin=low, vmax=high, extent=extent, origin="lower", interpolation="none"
    )
    if label:
        add_colorbar(image, label, impossible=limit is not None)
    draw_maze(ax)


def draw_policy_arrows(
    ax: Axes, policy: Function, *, spacing: float = 0.5, color: str = INK, outline: str = "none"
) -> None:
    """Draw a policy's actions as arrows at places `spacing` apart; the longest are full speed.

    Args:
        ax: the axes to draw in.
        policy: maps positions (n, 2) to actions (n, 2).
        spacing: distance between arrows, in cells.
        color: colour of the arrows; over a heat map use "#111111" with `outline="white"`.
        outline: colour of a thin line around each arrow.
    """
    rows, columns = PointMaze.cells.shape
    x, y = np.arange(spacing / 2, columns, spacing), np.arange(spacing / 2, rows, spacing)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    points = points[_reachable(points)]
    actions = np.asarray(policy(points))
    actions = actions / np.maximum(1, np.linalg.norm(actions, axis=1, keepdims=True))
    draw_arrows(ax, points, actions, length=0.85 * spacing, color=color, outline=outline)


def _lattice() -> tuple[np.ndarray, tuple[float, float, float, float], np.ndarray]:
    """Return pixel centres (rows, columns, 2), the extent they cover, and which are reachable."""
    # Pixels are centred on multiples of their width, so that their edges coincide with those of the
    # reachable area, which lie half a body, or 1.5 pixels, from the walls.
    numbers = [np.arange(1, side / _PIXEL) * _PIXEL for side in PointMaze.cells.shape[::-1]]
    points = np.stack(np.meshgrid(*numbers), axis=-1).astype(np.float32)
    low, high = points[0, 0] - _PIXEL / 2, points[-1, -1] + _PIXEL / 2
    return points, (low[0], high[0], low[1], high[1]), _reachable(points)


def _reachable(points: np.ndarray) -> np.ndarray:
    """Return whether the body's centre can be at each of the points (..., 2)."""
    low, high = CORRIDORS
    inside = (low <= points[..., None, :]) & (points[..., None, :] <= high)
    return np.asarray(inside.all(-1).any(-1))
