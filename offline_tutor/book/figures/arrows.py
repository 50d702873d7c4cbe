"""Arrows that show where a policy goes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

_HEAD: dict[str, Any] = {"headwidth": 4, "headlength": 4, "headaxislength": 3.6, "minlength": 0}


def draw_arrows(
    ax: Axes, points: np.ndarray, moves: np.ndarray, *, length: float, color: str, outline: str
) -> None:
    """Draw an arrow through each point (n, 2) along its move (n, 2), both as (x, y).

    A move of length 1 becomes an arrow of `length`, in the units of the axes.
    """
    ax.quiver(
        *points.T,
        *moves.T,
        pivot="mid",
        units="xy",
        angles="xy",
        scale_units="xy",
        scale=1 / length,
        width=length / 6,
        facecolor=color,
        edgecolor=outline,
        linewidth=0.6,
        zorder=2.5,
        **_HEAD,
    )
