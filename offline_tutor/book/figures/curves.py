"""Learning curves of a finished run, or of a run in progress, redrawn below its cell."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from offline_tutor.algorithms.hyperparameters import nearest
from offline_tutor.book.figures.page import bundle, description, figure_html, panels, put
from offline_tutor.book.figures.style import INK, PAPER, look
from offline_tutor.intervals import mean_interval
from offline_tutor.progress import in_notebook
from offline_tutor.training.run import name_rows

if TYPE_CHECKING:
    from offline_tutor.training import Run

References = Mapping[str, float]
LONGEST_REST = 1.0  # seconds from one drawing of a run in progress to the next


def learning_curves(
    ax: Axes,
    steps: np.ndarray,
    values: np.ndarray,
    method: str | None = None,
    *,
    references: References | None = None,
    possible: tuple[float, float] = (-np.inf, np.inf),
) -> None:
    """Draw a thin line per seed, a thick one for their mean, and its 95 % interval.

    Of two seeds there is no interval: it would be thirteen standard errors wide to either side.
    The line of a seed that diverged ends in a cross, and the mean continues without that seed.

    Args:
        ax: the axes to draw in.
        steps: (records,) gradient steps.
        values: (records, seeds), or (records, seeds, episodes), which is averaged over episodes.
        method: the method whose colour the curves have; None for the colour of the page's text.
        references: the heights of horizontal lines, by the names of their looks, such as
            `{"limit": 1.0, "data": 0.2}`.
        possible: the smallest and the largest mean that there can be, such as (0, 1) for a share;
            the interval ends there.
    """
    values = np.asarray(values, float)
    values = values.mean(axis=tuple(range(2, values.ndim)))
    known = np.isfinite(values).any(1)  # records without an update have no metrics
    steps, values = np.asarray(steps)[known], values[known]
    color = look(method).color if method else INK
    ax.plot(steps, values, color=color, linewidth=0.8, alpha=0.5)
    for seed in np.flatnonzero(~np.isfinite(values).all(0)):
        last = np.flatnonzero(np.isfinite(values[:, seed]))[-1:]
        ax.plot(steps[last], values[last, seed], color=color, marker="x", linestyle="none")
    finite = [row[np.isfinite(row)] for row in values]
    ax.plot(steps, [row.mean() for row in finite], color=color, linewidth=2.5)
    if len(finite) and min(map(len, finite)) > 2:
        _, low, high = np.transpose([mean_interval(row, possible=possible) for row in finite])
        ax.fill_between(steps, low, high, color=color, alpha=0.2, linewidth=0)
    ax.margins(y=0.2)  # room for the labels of references
    if len(finite):  # before the first record there is no scale to put them on
        draw_references(ax, references)
    ax.set_xlabel("gradient steps")
    ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))


def draw_references(ax: Axes, references: References | None, *, vertical: bool = False) -> None:
    """Draw a line with a label at each reference value, to compare methods with.

    Call it last: the positions of the labels depend on the limits of the axes.
    """
    for name, value in (references or {}).items():
        chosen = look(name)
        style: dict[str, Any] = {"color": chosen.color, "linestyle": chosen.linestyle}
        if vertical:
            ax.axvline(value, linewidth=1.2, **style)
            x, y, coordinates = value, 1.0, ("data", "axes fraction")
            low, high = ax.get_xlim()
            side = "right" if value > (low + high) / 2 else "left"
        else:
            ax.axhline(value, linewidth=1.2, **style)
            side = _freer_side(ax, value)
            x, y, coordinates = float(side == "right"), value, ("axes fraction", "data")
        ax.annotate(
            chosen.label,
            (x, y),
            xycoords=coordinates,
            xytext=(0, 5),
            textcoords="offset points",
            ha=side,
            color=chosen.color,
            fontsize=11,
            # curves may pass behind a label, and must not strike it out
            bbox={
                "boxstyle": "square,pad=0.05",
                "facecolor": PAPER,
                "edgecolor": "none",
                "alpha": 0.7,
            },
        )


def _freer_side(ax: Axes, value: float) -> str:
    """Return on which side fewer curves pass where the label of a horizontal line would stand."""
    low, high = ax.get_ylim()
    start, end = ax.get_xlim()
    left = right = 0
    for curve in ax.lines:
        x, y = (np.atleast_1d(np.asarray(data, float)) for data in curve.get_data())
        if x.size > 2:  # and no line of a reference
            passes = (value < y) & (y < value + 0.15 * (high - low))
            left += int((passes & (x < (start + end) / 2)).sum())
            right += int((passes & (x > (start + end) / 2)).sum())
    return "left" if left < right else "right"


class LivePlot:
    """A callback for `train` that draws the run so far; the book keeps the last drawing.

        train(TD3, dataset, callbacks=[LivePlot("q", "return", method="td3", alt="...")])

    Args:
        names: metrics to show, one panel each; "return" is the evaluation. By default, all.
        alt: a sentence that says what the figure shows at the end.
        method: the method whose colour the curves have.
        references: for each panel, by its name, the `references` of `learning_curves`.
        titles: titles of panels, by name, where they differ from the metric's name.
        logarithmic: names of the panels with a logarithmic axis.
        size: width and height of each panel in inches (72 pixels of the page).

    Outside a notebook it does nothing. Drawing takes at most a tenth of the time, or a part of each
    second: records that follow too soon after a drawing are skipped, except for the run's last.
    """

    def __init__(
        self,
        *names: str,
        alt: str,
        method: str | None = None,
        references: Mapping[str, References] | None = None,
        titles: Mapping[str, str] | None = None,
        logarithmic: Sequence[str] = (),
        size: tuple[float, float] = (2.9, 2.6),
    ):
        description(alt)  # refuse a bad one before training, not after
        self.names, self.alt, self.method, self.size = names, alt, method, size
        self.references, self.titles = references or {}, titles or {}
        self.logarithmic = logarithmic
        self._run: Run | None = None
        self._handle: Any = None
        self._rests_until = 0.0

    def begin(self, run: Run, names: Sequence[str]) -> None:
        """Before training: refuse names that the run will not have, and show the empty panels.

        Raises:
            ValueError: where it shall draw something that is not in `names`.
        """
        self._check(names)
        self._run = None
        if in_notebook():
            self._show(run)

    def __call__(self, run: Run) -> None:
        """Draw the run so far and replace the previous drawing."""
        resting = run is self._run and time.perf_counter() < self._rests_until
        if in_notebook() and (run.finished or not resting):
            self._show(run)

    def _show(self, run: Run) -> None:
        start, figures, alt = time.perf_counter(), self.draw(run), self.alt
        if run.diverged.any():
            lost = np.flatnonzero(run.diverged)
            alt += f" Diverged: {name_rows(run.policy, lost, run.diverged)}."
        # Only the last drawing is printed, and needs the PDF.
        output = bundle(figure_html(figures, alt=alt), alt, figures if run.finished else ())
        if run is self._run:
            self._handle.update(output, raw=True)
        else:
            self._run, self._handle = run, put(output, display_id=True)
        now = time.perf_counter()
        # The first drawing of all takes seconds, for it loads libraries: no reason to rest long.
        self._rests_until = now + min(9 * (now - start), LONGEST_REST)

    def _check(self, known: Sequence[str]) -> None:
        for name in self.names:
            if name not in known:
                raise ValueError(
                    f"LivePlot: the run has no {name!r}{nearest(name, known)} It has "
                    + ", ".join(known)
                    + ("" if "return" in known else ' ("return" needs `evaluate`)')
                )

    def draw(self, run: Run) -> list[Figure]:
        """Return the figures of a run, one for each name."""
        curves = dict(run.metrics)
        if run.evaluations.shape[-1]:
            curves["return"] = run.evaluations
        if len(run.steps):
            self._check(tuple(curves))
        names = self.names or tuple(curves)
        curves |= {name: np.zeros((0, 1)) for name in names if name not in curves}
        figures, axes = panels(len(names), self.size)
        for name, ax in zip(names, axes, strict=True):
            options: dict[str, Any] = {"references": self.references.get(name)}
            is_share = name == "return" and np.isin(curves[name], (0, 1)).all()
            if is_share:  # of successes, so nothing outside 0 to 1 is possible
                options["possible"] = (0, 1)
            learning_curves(ax, run.steps, curves[name], self.method, **options)
            if name in self.logarithmic:
                ax.set_yscale("log")
            elif is_share:
                ax.set_ylim(-0.05, 1.1)
            ax.set_xlim(0, run.num_steps)
            title = self.titles.get(name, name.replace("_", " "))
            if lost := np.count_nonzero(run.diverged):
                title += f"\n{lost} of {len(run.diverged)} diverged"
            ax.set_title(title)
        return figures
