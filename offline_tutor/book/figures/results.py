"""Results of methods with their uncertainty, as a plot and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from matplotlib.axes import Axes

from offline_tutor.book.figures.curves import References, draw_references
from offline_tutor.book.figures.page import STYLE, put
from offline_tutor.book.figures.style import INK, LOOKS
from offline_tutor.intervals import Interval, mean_interval

Cell = np.ndarray | Interval | float | str | None


def interval_plot(
    ax: Axes,
    results: Mapping[str, np.ndarray],
    *,
    label: str = "return",
    references: References | None = None,
    possible: tuple[float, float] = (-np.inf, np.inf),
) -> None:
    """Draw a row per method: a dot per seed, and the mean with its 95 % interval.

    Args:
        ax: the axes to draw in; a good height is 0.5 inches per row plus 1 inch.
        results: scores by method (or any other name), top row first: (seeds,), or (seeds,
            episodes), which is averaged over episodes.
        label: what is measured, with its unit.
        references: the positions of vertical lines, by the names of their looks, such as
            `{"limit": 1.0, "data": 0.2}`.
        possible: the smallest and the largest mean that there can be, such as (0, 1) for a share;
            the interval ends there.
    """
    for row, (name, values) in enumerate(results.items()):
        scores = np.asarray(values, float)
        scores = scores.reshape(len(scores), -1).mean(1)
        color, marker = (LOOKS[name].color, LOOKS[name].marker) if name in LOOKS else (INK, "o")
        spread = 0.3 * np.linspace(-0.5, 0.5, len(scores)) if len(scores) > 1 else np.zeros(1)
        ax.plot(scores, row + spread, "o", color=color, markersize=5, alpha=0.6, markeredgewidth=0)
        if len(scores) > 1:
            _, low, high = mean_interval(scores, possible=possible)
            ax.plot([low, high], [row, row], color=color, linewidth=4, solid_capstyle="butt")
        ax.plot(scores.mean(), row, marker or "o", color=color, markersize=9)
    ax.set_yticks(range(len(results)), [_name(name) for name in results])
    ax.set_ylim(len(results) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines.left.set_visible(False)
    ax.set_xlabel(label)
    draw_references(ax, references, vertical=True)


def results_table(
    rows: Mapping[str, Mapping[str, Cell]],
    *,
    caption: str,
    digits: int = 2,
    first: str = "method",
) -> None:
    """Show a table with a row for each method.

    Args:
        rows: for each method (or any other name), its cells by column. An array (seeds,) or
            (seeds, episodes) is shown as its mean and 95 % interval, a number, an `Interval` or a
            text as it is, and None as a dash. An interval without width is left out.
        caption: a sentence that says what the table shows.
        digits: how many decimal places numbers have.
        first: the heading of the first column.
    """
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    table = [
        [_name(name), *(_cell(row.get(column), digits) for column in columns)]
        for name, row in rows.items()
    ]
    header = [first, *columns]
    put({"text/html": _html(header, table, caption), "text/plain": _text(header, table, caption)})


def _name(name: str) -> str:
    return LOOKS[name].label if name in LOOKS else name


def _cell(value: Cell, digits: int) -> str:
    if value is None or isinstance(value, str):
        return value or "\N{EN DASH}"
    if not isinstance(value, Interval):
        values = np.asarray(value, float)
        if values.ndim == 0:
            return _number(float(values), digits)
        value = mean_interval(values)
    estimate, low, high = (_number(number, digits) for number in value)
    return estimate if estimate == low == high else f"{estimate} [{low}, {high}]"


def _number(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}").replace(
        ",", "\N{NARROW NO-BREAK SPACE}"
    )


def _html(header: Sequence[str], table: Sequence[Sequence[str]], caption: str) -> str:
    """Return an HTML table whose header cells state which cells they belong to."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{_unbroken(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table
    )
    name = escape(caption, quote=True)
    return (
        f'{STYLE}<div class="ot-table" tabindex="0" role="region" aria-label="{name}"><table>'
        f"<caption>{escape(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _unbroken(cell: str) -> str:
    """Return the cell as HTML in which a line breaks only between estimate and interval."""
    return escape(cell).replace(" ", "\N{NO-BREAK SPACE}").replace("\N{NO-BREAK SPACE}[", " [")


def _text(header: Sequence[str], table: Sequence[Sequence[str]], caption: str) -> str:
    """Return the table as plain text in aligned columns."""
    widths = [max(len(row[i]) for row in [header, *table]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [header, *table]
    ]
    return "\n".join([caption, *lines])
