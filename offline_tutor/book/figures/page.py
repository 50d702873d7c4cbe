"""Show figures, each with a description, in the built book, in JupyterLab and in Colab."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from offline_tutor.book.figures.seal import sealed
from offline_tutor.book.figures.svg import picture, unique_names
from offline_tutor.progress import in_notebook

Figures = Figure | Sequence[Figure]

# The paper's colour is the book's, JupyterLab's, Colab's or the system's, whichever is defined.
# The second rule removes the white box that the book's theme puts behind outputs in dark mode.
# Where there is room, drawings grow to 140 %, and two or three fill the book's column; on a phone
# they do not, since the last one would be larger than those that share a row.
STYLE = """<style>
.ot-figure{margin:0 0 .75em;padding:0!important;color:inherit;\
--ot-paper:var(--pst-color-background,var(--jp-layout-color0,var(--colab-primary-surface-color,Canvas)))}
html[data-theme=dark] .bd-content div.cell_output .text_html:has([class^=ot-])\
{background:none!important;color:inherit!important;padding:0!important}
.ot-panels{display:flex;flex-wrap:wrap;align-items:flex-start;gap:.5em 1em}
.ot-panels svg{max-width:min(100%,var(--ot-width))}
@media(min-width:48rem){.ot-panels svg{max-width:min(100%,1.4*var(--ot-width))}}
.ot-figure figcaption{font-size:.9em;font-weight:inherit;color:inherit!important;\
text-align:left!important;margin-top:.35em}
.ot-table{overflow-x:auto;margin:0 0 .75em}
.ot-table table{border-collapse:collapse;border:0;margin:0;width:auto;font-size:.95em;\
font-variant-numeric:tabular-nums;color:inherit}
.ot-table caption{caption-side:top;text-align:left;color:inherit;padding:0 0 .35em}
.ot-table :is(th,td){padding:.3em 1em .3em 0;text-align:left;vertical-align:top;border:0;\
border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent);background:none}
@media(max-width:36rem){.ot-table table{font-size:.85em}.ot-table :is(th,td){padding-right:.5em}}
</style>"""


def panels(
    number: int, size: tuple[float, float] = (2.9, 2.6), **keywords: Any
) -> tuple[list[Figure], list[Axes]]:
    """Make figures of one axes each, to be shown in a row that wraps on a narrow screen.

    Args:
        number: how many figures to make.
        size: width and height of each in inches (72 pixels of the page). Two figures of at most
            2.9 inches fit side by side on a phone.
        keywords: passed to `matplotlib.figure.Figure.add_subplot`, such as `projection`.

    Returns:
        The figures, for `show`, and their axes, to draw in.
    """
    figures = [Figure(figsize=size) for _ in range(number)]
    return figures, [figure.add_subplot(**keywords) for figure in figures]


def show(figures: Figures, *, alt: str, caption: str | None = None) -> None:
    """Show one figure, or several in a row that wraps on a narrow screen.

    Args:
        figures: what to show. Figures made by pyplot are closed, so that they appear once.
        alt: a sentence that says what the figure shows, for readers who cannot see it.
        caption: text below the figure, for everybody.

    Raises:
        ValueError: if the description is not a sentence.
    """
    figures = as_list(figures)
    markup = figure_html(figures, alt=alt, caption=caption)
    for figure in figures:
        plt.close(figure)
    put(bundle(markup, alt, figures))


def figure_html(figures: Figures, *, alt: str, caption: str | None = None) -> str:
    """Return the HTML that `show` displays: a `<figure>` with inline SVG, self-contained."""
    return unique_names(wrap(drawing_html(as_list(figures), alt), caption))


def drawing_html(figures: Sequence[Figure], alt: str) -> str:
    """Return the drawings of figures as one image."""
    return image("".join(picture(figure).svg() for figure in figures), alt)


def image(drawings: str, alt: str) -> str:
    """Return one or more drawings as a single image with one description."""
    return f'<div class="ot-panels" role="img" aria-label="{description(alt)}">{drawings}</div>'


def wrap(content: str, caption: str | None = None) -> str:
    """Return a `<figure>` around the content, with the style sheet that it needs."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'{STYLE}<figure class="ot-figure">{content}{below}</figure>'


def description(alt: str) -> str:
    """Return the description, escaped as an HTML attribute, or say what is wrong with it."""
    if not isinstance(alt, str) or len(alt.split()) < 5 or re.fullmatch(r"\S+\.\w{2,4}", alt):
        raise ValueError(
            f"alt={alt!r} does not describe the figure: write a sentence of at least five words "
            "that says what the figure shows, for readers who cannot see it"
        )
    return escape(" ".join(alt.split()), quote=True)


def bundle(markup: str, alt: str, figures: Sequence[Figure]) -> dict[str, str]:
    """Return a cell's output as HTML, as plain text and, for a single figure, as PDF."""
    output = {"text/html": sealed(markup, alt), "text/plain": f"Figure: {' '.join(alt.split())}"}
    if len(figures) == 1:
        output["application/pdf"] = _pdf(figures[0])
    return output


def put(output: dict[str, str], **keywords: Any) -> Any:
    """Display the output in a notebook; elsewhere print its text."""
    if not in_notebook():
        print(output["text/plain"])
        return None
    from IPython.display import display

    return display(output, raw=True, **keywords)


def _pdf(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="pdf", metadata={"CreationDate": None})
    return base64.b64encode(file.getvalue()).decode()


def as_list(figures: Figures) -> list[Figure]:
    return [figures] if isinstance(figures, Figure) else list(figures)
