"""The style of all figures in the book: a colour, a line style and a marker for each method.

Readers choose between light and dark pages, so a figure has no background of its own: lines and
text in the page's colour are drawn in `INK`, and surfaces that cover what is below them in `PAPER`;
both follow the page's theme once the figure is shown (`svg.py`). The methods' colours are fixed.
Each has a contrast of at least 3:1 on white and on #121212, and those that occur in one figure
remain distinct for readers who cannot see red, green or blue (`tests/test_figures.py` computes
both). Line styles and markers make the same distinctions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

INK = "#010102"  # almost black: becomes the colour of the page's text
PAPER = "#fdfdfe"  # almost white: becomes the colour of the page's background


@dataclass(frozen=True)
class Look:
    """How one method is drawn in every figure."""

    label: str
    color: str
    linestyle: str | tuple[float, tuple[float, ...]]
    marker: str


_DASHED, _DOTTED, _DASH_DOT = (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2))

LOOKS: dict[str, Look] = {
    "data": Look("dataset", INK, _DOTTED, "."),
    "bc": Look("behaviour cloning", "#1964ca", "-", "s"),
    "td3": Look("TD3", "#e1672a", _DASHED, "^"),
    "td3_bc": Look("TD3+BC", "#10a68d", "-", "o"),
    "dqn": Look("DQN", "#d24628", _DASHED, "^"),
    "qr_dqn": Look("QR-DQN", "#359295", _DASH_DOT, "v"),
    "sac": Look("SAC", "#7e5b17", _DASH_DOT, "v"),
    "cql": Look("CQL", "#a53680", "-", "D"),
    "online": Look("online", "#9c70f1", _DASHED, "P"),
    "truth": Look("truth", INK, _DASHED, ""),
    "limit": Look("highest possible", INK, "-", ""),
}
LOOKS["cql_qr_dqn"] = LOOKS["cql_sac"] = LOOKS["cql"]

VALUES: Colormap = plt.get_cmap("viridis")  # values and Q: perceptually uniform
# Counts: one hue, from nearly transparent to opaque, so that more is stronger on any background.
COUNTS: Colormap = LinearSegmentedColormap.from_list(
    "counts", [(0.16, 0.55, 0.85, 0.10), (0.16, 0.55, 0.85, 1.0)]
)

# For values that no policy can reach: the colour of TD3, which predicts them.
IMPOSSIBLE = "#e1672a"

RC: dict[str, Any] = {
    "figure.figsize": (6.2, 3.4),  # one inch is 72 pixels of the page
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.labelsize": 13,
    "font.size": 13,
    "text.color": INK,
    "text.hinting": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "patch.edgecolor": INK,
    "hatch.color": INK,
    "image.cmap": "viridis",
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and zoomed
    "svg.hashsalt": "offline_tutor",  # the same figure gives the same file
}


def use_style() -> None:
    """Make the book's style Matplotlib's default for all figures made from now on.

    A chapter calls this once, after its imports. Importing the package does not, because that
    would change the figures of every program that imports it.
    """
    plt.style.use(RC)


def look(method: str) -> Look:
    """Return the look of a method or a reference by its name, such as "td3_bc"."""
    if method not in LOOKS:
        raise ValueError(f"no look for {method!r}; there are looks for: {', '.join(LOOKS)}")
    return LOOKS[method]


def line(method: str, **changes: Any) -> dict[str, Any]:
    """Return keywords for `Axes.plot` that draw a method's line: `ax.plot(x, y, **line("td3"))`."""
    chosen = look(method)
    return {
        "label": chosen.label,
        "color": chosen.color,
        "linestyle": chosen.linestyle,
        "marker": chosen.marker,
        **changes,
    }


def add_colorbar(drawn: ScalarMappable, label: str, *, impossible: bool = False) -> None:
    """Add a flat colour bar below the axes; with `impossible`, its tip shows that colour."""
    axes = drawn.axes  # type: ignore[attr-defined]
    bar = axes.figure.colorbar(
        drawn,
        ax=axes,
        location="bottom",
        fraction=0.05,
        aspect=25,
        pad=0.02,
        extend="max" if impossible else "neither",
    )
    bar.set_label(f"{label} (orange: impossible)" if impossible else label, fontsize=12)
    bar.outline.set_visible(False)
    bar.solids.set_edgecolor("face")  # hides the hairlines between its steps
    bar.locator = MaxNLocator(4)
