"""A maze that the reader can walk through, which shows what the dataset did at each place.

Everything is in the page: the maze's physics in a few lines of JavaScript, and the dataset's rows
in four bytes each. It needs neither a kernel nor another host.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from offline_tutor.book.figures.maze import draw_maze
from offline_tutor.book.figures.page import bundle, image, put, wrap
from offline_tutor.book.figures.seal import literal
from offline_tutor.book.figures.style import COUNTS, INK, PAPER, look
from offline_tutor.book.figures.svg import picture, svg_element, unique_names
from offline_tutor.book.figures.walk_script import HAND, NEARBY, PHYSICS
from offline_tutor.data import Dataset
from offline_tutor.environments import (
    CORRIDORS,
    GOAL_RADIUS,
    NOISE,
    START_SPREAD,
    STEP,
    PointMaze,
)

NEAR = 0.25  # in cells: rows that begin within this distance of the reader are "near"
_ARROWS = 40  # at most this many of the nearby rows are drawn as arrows
_ARROW = 0.8  # length in cells of a full step's arrow; longer than the step, so as to be seen
_SIDE = 4.4  # inches
_LIMITS = (0.5, 6.5)  # what `draw_maze` shows, in x and in y
_SCALE = 72 * _SIDE / (_LIMITS[1] - _LIMITS[0])  # pixels per cell
_FINENESS = 50  # places per cell to which positions are rounded, so that one byte holds each
_READER = look("online").color

_STYLE = f"""<style>
.ot-play{{display:flex;flex-wrap:wrap;align-items:center;gap:.75em 1.5em}}
.ot-play .ot-panels{{flex:0 1 {72 * _SIDE:.0f}px}}
.ot-play .ot-panels:focus-visible,.ot-walk button:focus-visible\
{{outline:3px solid;outline-offset:2px;border-radius:4px}}
.ot-walk{{flex:1 1 17em}}
.ot-walk[hidden]{{display:none}}
.ot-walk div{{display:flex;align-items:center;gap:1em;flex-wrap:wrap}}
.ot-walk .ot-cross{{display:grid;grid-template-columns:repeat(3,2.75em);gap:.25em}}
.ot-walk .ot-begin{{flex-direction:column;align-items:stretch;gap:.25em}}
.ot-walk button{{min-width:2.75em;min-height:2.75em;padding:0 .75em;font:inherit;color:inherit;\
background:none;border:1px solid;border-radius:.4em;cursor:pointer;touch-action:manipulation}}
.ot-cross button{{padding:0}}
.ot-cross :nth-child(1){{grid-column:2}}.ot-cross :nth-child(2){{grid-column:1}}\
.ot-cross :nth-child(3){{grid-column:2}}
.ot-walk output{{display:block;min-height:13.5em;margin-top:.75em;\
font-variant-numeric:tabular-nums}}
.ot-walk output span{{display:block;margin-bottom:.4em}}
[role=application] svg{{cursor:crosshair;touch-action:manipulation}}
[role=application] .ot-still{{display:none}}
.ot-live path{{fill:none;stroke-linecap:round;pointer-events:none}}
.ot-rows path{{stroke:currentColor;stroke-width:1.5;opacity:.4}}
.ot-near{{fill:none;stroke:currentColor;stroke-dasharray:4 3;pointer-events:none}}
.ot-trail-edge{{stroke:var(--ot-paper,Canvas);stroke-width:5}}
.ot-trail{{stroke:{_READER};stroke-width:2.5}}
.ot-dot{{cursor:grab;fill:{_READER};stroke:var(--ot-paper,Canvas);stroke-width:2}}
.ot-grip{{fill-opacity:0;stroke:none}}
@media(prefers-reduced-motion:no-preference){{.ot-dot{{transition:transform .1s}}}}
@media print{{.ot-walk,.ot-live{{display:none}}[role=application] .ot-still{{display:inline}}}}
</style>"""

_CONTROL = """<div class="ot-walk" data-lm-suppress-shortcuts="true" hidden><div>
<div class="ot-cross" role="group" aria-label="One step">
<button type="button" data-key="ArrowUp" aria-label="up">↑</button>
<button type="button" data-key="ArrowLeft" aria-label="left">←</button>
<button type="button" data-key="ArrowDown" aria-label="down">↓</button>
<button type="button" data-key="ArrowRight" aria-label="right">→</button></div>
<div class="ot-begin"><button type="button" data-start="A">Begin at A</button>
<button type="button" data-start="B">Begin at B</button></div></div>
<output aria-live="polite"><span></span><span></span><span></span></output></div>"""

_INVITATION = (
    "Walk with the arrow keys or the buttons, tap where you want to go, or drag the dot. "
    "The arrows are the steps of rows that begin nearby."
)


def playable_maze(
    dataset: Dataset,
    *,
    alt: str,
    caption: str | None = None,
    still: tuple[float, float] = (3.5, 1.5),
) -> None:
    """Show the maze with a dot that the reader moves, and what the dataset did near the dot.

    The reader's steps are those of `PointMaze`, including noise and walls; the keyboard and the
    buttons take full steps. Nearby rows are found by positions rounded to a fiftieth of a cell.

    Args:
        dataset: a dataset recorded in `PointMaze`.
        alt: a sentence that says what the figure shows.
        caption: text below the figure.
        still: the place (x, y) whose nearby rows are drawn if no script runs, as in print.

    Raises:
        ValueError: if the description is not a sentence, or a row lies outside the maze.
    """
    packed, background, foreground = packed_rows(dataset), _square(), _square()
    for figure in (background, foreground):
        _draw_counts(figure.axes[0], np.asarray(dataset.transitions.observations))
    _draw_still(foreground.axes[0], dataset, np.array(still))
    markup = walk_html(packed, background, foreground, alt=alt, caption=caption)
    put(bundle(markup, alt, [foreground]))


def walk_html(
    packed: bytes,
    background: Figure,
    foreground: Figure,
    *,
    alt: str,
    caption: str | None = None,
) -> str:
    """Return the HTML that `playable_maze` displays, self-contained.

    Parts of the foreground that the background does not have are shown only if no script runs.
    """
    under, whole = picture(background), picture(foreground)
    above = [part for part in whole.parts if part not in under.parts]
    layers = (
        *under.parts,
        f'<g class="ot-still">{"".join(above)}</g>',
        '<g class="ot-live"></g>',
    )
    drawing = svg_element(whole.width, whole.height, whole.definitions, layers)
    script = "".join((_data_script(packed), PHYSICS, NEARBY, HAND))
    content = (
        f'{_STYLE}<div class="ot-play">{image(drawing, alt)}{_CONTROL}</div>'
        f"<script>(()=>{{{script}}})()</script>"
    )
    return unique_names(wrap(content, caption))


def world() -> dict[str, Any]:
    """Return the numbers of the maze and its drawing that the script needs."""
    return {
        "corridors": [[low.tolist(), high.tolist()] for low, high in zip(*CORRIDORS, strict=True)],
        "step": STEP,
        "noise": NOISE,
        "spread": START_SPREAD,
        "goal": PointMaze.places["D"],
        "goalRadius": GOAL_RADIUS,
        "limit": PointMaze.max_episode_steps,
        "starts": {letter: PointMaze.places[letter] for letter in "AB"},
        "near": NEAR,
        "ways": ["right", "up", "left", "down"],
        "left": _LIMITS[0],
        "top": _LIMITS[1],
        "scale": _SCALE,
        "grip": 18,  # pixels, for fingers
        "pace": 150,  # milliseconds per step while the dot is dragged
        "arrows": _ARROWS,
        "arrow": _ARROW * _SCALE,  # pixels
        "invitation": _INVITATION,
    }


def packed_rows(dataset: Dataset) -> bytes:
    """Return four bytes per row: the position in fiftieths of a cell, the action in 127ths."""
    positions = np.asarray(dataset.transitions.observations, float)
    not_here = f"playable_maze: dataset {dataset.name!r} was not recorded in PointMaze"
    if positions.shape[1:] != (2,):
        raise ValueError(f"{not_here}: its observations are {positions.shape[1:]}, not (2,)")
    low, high = CORRIDORS[0].min(axis=0), CORRIDORS[1].max(axis=0)
    outside = ((positions < low) | (positions > high)).any(axis=1)
    if outside.any():
        raise ValueError(f"{not_here}: row {np.argmax(outside)} lies outside the maze")
    position = np.round((positions - 1) * _FINENESS).astype(np.uint8)
    action = np.round(np.asarray(dataset.transitions.actions) * 127).astype(np.int8)
    return np.hstack([position, action.view(np.uint8)]).tobytes()


def _data_script(packed: bytes) -> str:
    rows = base64.b64encode(packed).decode()
    return f"""
const world = {literal(world())};
const bytes = Uint8Array.from(atob("{rows}"), letter => letter.charCodeAt(0));
const signed = new Int8Array(bytes.buffer);
const rows = Array.from({{ length: bytes.length / 4 }}, (_, i) => [
  1 + bytes[4 * i] / {_FINENESS}, 1 + bytes[4 * i + 1] / {_FINENESS},
  signed[4 * i + 2] / 127, signed[4 * i + 3] / 127]);
"""


def _square() -> Figure:
    """Return a figure whose axes fill it, so that the script knows where everything is."""
    figure = Figure(figsize=(_SIDE, _SIDE))
    figure.set_layout_engine("none")
    figure.add_axes((0, 0, 1, 1))
    return figure


def _draw_counts(ax: Axes, positions: np.ndarray) -> None:
    counts, *_ = np.histogram2d(positions[:, 0], positions[:, 1], 40, [_LIMITS, _LIMITS])
    shown = np.ma.masked_equal(np.log1p(counts.T), 0)
    ax.imshow(shown, COUNTS, extent=2 * _LIMITS, origin="lower", interpolation="none", alpha=0.7)
    draw_maze(ax)


def _draw_still(ax: Axes, dataset: Dataset, place: np.ndarray) -> None:
    """Draw what the script draws for a reader at the place (2,)."""
    positions, actions = dataset.transitions.observations, dataset.transitions.actions
    near = np.flatnonzero(np.linalg.norm(positions - place, axis=1) <= NEAR)
    near = near[:: max(1, -(-len(near) // _ARROWS))]
    middles = place + _ARROW / 2 * actions[near]
    ax.quiver(
        *middles.T,
        *actions[near].T,
        pivot="mid",
        angles="xy",
        scale_units="xy",
        scale=1 / _ARROW,
        units="xy",
        width=0.02,
        headwidth=6,
        headlength=6,
        color=INK,
        alpha=0.4,
        zorder=3,
    )
    ax.add_patch(Circle(tuple(place), NEAR, fill=False, edgecolor=INK, linestyle="--"))
    ax.plot(*place, "o", color=_READER, markeredgecolor=PAPER, markersize=11, zorder=4)
