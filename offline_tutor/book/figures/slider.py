"""Figures with a slider that does not need a kernel: all frames are computed in advance.

The page contains each distinct part once, and for each frame a list of its parts. What does not
change from frame to frame, mostly axes and text, therefore takes no extra space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from offline_tutor.book.figures.page import Figures, as_list, bundle, image, panels, put, wrap
from offline_tutor.book.figures.seal import literal
from offline_tutor.book.figures.svg import Picture, picture, svg_element, unique_names

_SCRIPT = """<script>(()=>{
const figure=document.currentScript.closest("figure"),input=figure.querySelector("input"),
output=figure.querySelector("output"),drawings=figure.querySelectorAll("svg>g"),
labels=%(labels)s,parts=%(parts)s,frames=%(frames)s;
const show=()=>{const k=+input.value;
drawings.forEach((g,i)=>{g.innerHTML=frames[k][i].map(j=>parts[j]).join("")});
output.value=labels[k];input.setAttribute("aria-valuetext",labels[k])};
input.addEventListener("input",show);input.closest("div").hidden=false;show()})()</script>"""

_STYLE = """<style>
.ot-slider{display:flex;flex-wrap:wrap;align-items:center;gap:.25em .75em;margin-top:.5em;\
font-variant-numeric:tabular-nums}
.ot-slider[hidden]{display:none}
.ot-slider label{display:flex;align-items:center;gap:.75em;flex:0 1 26em}
.ot-slider input{flex:1 1 8em;min-width:6em;height:1.75em;margin:0;accent-color:#1964ca}
.ot-slider input:focus-visible{outline:3px solid;outline-offset:2px;border-radius:4px}
</style>"""


def slider(
    draw: Callable[[Any, int], object] | Sequence[Figures],
    labels: Sequence[str],
    *,
    name: str,
    alt: str,
    caption: str | None = None,
    size: tuple[float, float] | None = None,
    number: int = 1,
    start: int = -1,
) -> None:
    """Show frames with a slider; the last one is the picture in print.

    Args:
        draw: a function such that `draw(axes, k)` draws frame k into an empty axes, or into a list
            of them if `number` is above 1; or the finished figures, one (or one list) per frame.
        labels: what the slider displays for each frame, such as "iteration 3".
        name: what the slider changes, such as "Iteration".
        alt: a sentence that says what the figure shows and how it changes.
        caption: text below the figure.
        size: width and height of each figure in inches (72 pixels of the page); by default
            6.2 x 3.4, or 2.9 x 2.6 if there are several.
        number: how many axes a frame has, shown in a row that wraps on a narrow screen.
        start: the frame at which the slider opens: the one that the text names first.

    Raises:
        ValueError: if the description is not a sentence, or frames and labels do not match.
    """
    frames = _figures(draw, labels, size, number)
    html = slider_html(frames, labels, name=name, alt=alt, caption=caption, start=start)
    put(bundle(html, alt, frames[-1]))
    for frame in frames:
        for figure in frame:
            plt.close(figure)


def slider_html(
    frames: Sequence[Figures],
    labels: Sequence[str],
    *,
    name: str,
    alt: str,
    caption: str | None = None,
    start: int = -1,
) -> str:
    """Return the HTML that `slider` displays, self-contained."""
    figures = [as_list(frame) for frame in frames]
    if not figures or len(figures) != len(labels):
        raise ValueError(f"slider {name!r}: {len(figures)} frames for {len(labels)} labels")
    for same_place in zip(*figures, strict=True):
        _align(same_place)
    pictures = [[picture(figure) for figure in frame] for frame in figures]
    parts, indices = _share(pictures)
    drawings = "".join(_last_drawing(place) for place in zip(*pictures, strict=True))
    script = _SCRIPT % {
        "labels": literal(list(labels)),
        "parts": literal(parts),
        "frames": literal(indices),
    }
    content = f"{_STYLE}{image(drawings, alt)}{_control(labels, name, start)}{script}"
    return unique_names(wrap(content, caption))


def _control(labels: Sequence[str], name: str, start: int) -> str:
    """Return the slider with its name and its label, hidden until the script that it needs runs.

    `data-lm-suppress-shortcuts` keeps JupyterLab from intercepting the arrow keys.
    """
    numbers, width = range(len(labels)), max(len(label) for label in labels)
    return (
        '<div class="ot-slider" hidden>'
        f'<label>{escape(name)} <input type="range" min="0" max="{numbers[-1]}" step="1" '
        f'value="{numbers[start]}" autocomplete="off" data-lm-suppress-shortcuts="true"></label>'
        f'<output aria-live="polite" style="min-width:min(100%,{width}ch)">'
        f"{escape(labels[start])}</output>"
        "</div>"
    )


def _figures(
    draw: Callable[[Any, int], object] | Sequence[Figures],
    labels: Sequence[str],
    size: tuple[float, float] | None,
    number: int,
) -> list[list[Figure]]:
    if not callable(draw):
        return [as_list(frame) for frame in draw]
    size = size or ((6.2, 3.4) if number == 1 else (2.9, 2.6))
    frames = []
    for k in range(len(labels)):
        figures, axes = panels(number, size)
        draw(axes[0] if number == 1 else axes, k)
        frames.append(figures)
    return frames


def _align(figures: Sequence[Figure]) -> None:
    """Place the axes equally in all frames, so that nothing jumps when numbers get longer."""
    if len({len(figure.axes) for figure in figures}) > 1:
        return  # frames with different axes are meant to look different
    for figure in figures:
        if engine := figure.get_layout_engine():
            engine.execute(figure)
    places = np.array([[a.get_position(original=True).extents for a in f.axes] for f in figures])
    low, high = places[..., :2].max(axis=0), places[..., 2:].min(axis=0)
    for figure in figures:
        figure.set_layout_engine("none")
        for axes, (x, y), (right, top) in zip(figure.axes, low, high, strict=True):
            axes.set_position((x, y, right - x, top - y))


def _share(pictures: list[list[Picture]]) -> tuple[list[str], list[list[list[int]]]]:
    """Return the distinct parts, and for each drawing of each frame the indices of its parts."""
    numbers: dict[str, int] = {}
    indices = [
        [[numbers.setdefault(part, len(numbers)) for part in drawing.parts] for drawing in frame]
        for frame in pictures
    ]
    return list(numbers), indices


def _last_drawing(frames: Sequence[Picture]) -> str:
    """Return the drawing of the last frame, with the definitions of all frames."""
    definitions = tuple(dict.fromkeys(d for frame in frames for d in frame.definitions))
    return svg_element(frames[-1].width, frames[-1].height, definitions, frames[-1].parts)
