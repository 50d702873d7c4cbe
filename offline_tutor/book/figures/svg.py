"""Matplotlib figures as clean SVG that fits into any page, light or dark.

Matplotlib writes a complete file, with fixed colours and fonts, a style sheet that affects the page
around it, and ids that clash with those of the next figure. A `Picture` keeps only the drawing.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from offline_tutor.book.figures.style import INK, PAPER

_RASTER_DPI = 144  # two image pixels per pixel of the page, for high-resolution screens
_SLACK = 4  # pixels that a drawing may exceed its figure by, since fonts differ in width
_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
_NAME = re.compile(r'(\bid=\\?"|url\(#|href=\\?"#)([\w.-]+)')  # also inside a script's strings
_AROUND_LETTER = re.compile(r" ?([A-Za-z]) ?")
_COLORS = {INK: "currentColor", "#000000": "currentColor", PAPER: "var(--ot-paper,Canvas)"}
_seen: dict[str, int] = {}


@dataclass(frozen=True)
class Picture:
    """A drawing: its size in pixels, the named shapes it uses, and its parts from back to front."""

    width: float
    height: float
    definitions: tuple[str, ...]
    parts: tuple[str, ...]

    def svg(self) -> str:
        """Return the `<svg>` element, hidden from screen readers: `show` adds a description."""
        return svg_element(self.width, self.height, self.definitions, self.parts)


def svg_element(
    width: float, height: float, definitions: tuple[str, ...], parts: tuple[str, ...]
) -> str:
    """Return an `<svg>` whose last child holds the parts, so that a slider can replace them.

    In a row it shrinks to 80 % of its width before it wraps, so that text of 13 pixels remains
    legible. The style sheet of `page.py` says how far it may grow.
    """
    room = f"flex:1 1 {0.8 * width:.0f}px;--ot-width:{width:g}px;height:auto"
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'style="{room}" fill="currentColor" stroke-linejoin="round" font-family="inherit" '
        'aria-hidden="true" focusable="false">'
        f"<defs>{''.join(definitions)}</defs><g>{''.join(parts)}</g></svg>"
    )


def picture(figure: Figure) -> Picture:
    """Return the drawing of a figure; the figure itself is not changed.

    Raises:
        ValueError: if something, most often a title, extends beyond the edge and would be cut off.
    """
    root = ElementTree.fromstring(_matplotlib_svg(figure))
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    for element in root.iter():
        _clean(element)
    _drop_unused_names(root)
    definitions = tuple(_take_definitions(root))
    return Picture(width, height, definitions, tuple(_parts(root)))


def _check_inside(figure: Figure) -> None:
    """Raise a ValueError if a drawing exceeds its figure, which would otherwise go unnoticed."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox(renderer)
    excess = 72 * max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)
    if excess <= _SLACK:
        return
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    ticks = {label for axis in axes for label in axis.get_ticklabels(which="both")}
    cut = [
        text.get_text()
        for text in set(figure.findobj(Text)) - ticks
        if text.get_text()
        and not (
            (place := text.get_window_extent(renderer)).x0 >= 0
            and place.x1 <= figure.bbox.x1
            and place.y0 >= 0
            and place.y1 <= figure.bbox.y1
        )
    ]
    raise ValueError(
        f"a figure of {width:g} x {height:g} inches is drawn {excess:.0f} pixels beyond its edge"
        + (f", with {' and '.join(map(repr, sorted(cut)))}" if cut else "")
        + ": make titles and labels shorter, or the figure larger"
    )


def _matplotlib_svg(figure: Figure) -> str:
    """Return what `figure.savefig` would write, without drawing a second time for the layout."""
    file, canvas, dpi = io.StringIO(), figure.canvas, figure.dpi
    try:
        figure.dpi = _RASTER_DPI
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
        _check_inside(figure)
    finally:
        figure.dpi = dpi
        figure.set_canvas(canvas)
    return file.getvalue()


def unique_names(markup: str) -> str:
    """Rename the ids in the markup, so that they clash with no others on the page.

    The new names depend on the markup and on how often this process has seen it, so a notebook
    that runs from top to bottom always writes the same page.
    """
    digest = hashlib.sha256(markup.encode()).hexdigest()[:8]
    _seen[digest] = _seen.get(digest, 0) + 1
    prefix = f"f{digest}" + (f"-{_seen[digest]}" if _seen[digest] > 1 else "")
    order: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        name = order.setdefault(match[2], f"{prefix}-{len(order)}")
        return match[1] + name

    return _NAME.sub(rename, markup)


def _clean(element: ElementTree.Element) -> None:
    """Remove an element's namespaces, fonts and excess digits; give it the page's colours."""
    element.tag = element.tag.split("}")[-1]
    element.text = (element.text or "").strip("\n") if element.tag in {"text", "tspan"} else None
    element.tail = None
    for key in list(element.attrib):
        value = element.attrib.pop(key)
        key = key.split("}")[-1]  # in HTML, xlink:href is plain href
        if key == "style":
            value = _page_style(value)
        elif key == "href":
            value = re.sub(r"\s+", "", value)
        elif key == "transform" and "scale" in value:
            pass  # a scale factor needs all its digits
        elif key != "id":
            value = " ".join(_NUMBER.sub(_two_decimals, value).split())
        if key == "d":
            value = _AROUND_LETTER.sub(r"\1", value)
        if value and not value.startswith("rotate(-0 "):
            element.set(key, value)


def _page_style(style: str) -> str:
    kept = []
    for declaration in filter(None, style.split(";")):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key != "font-family":
            kept.append(f"{key}:{_COLORS.get(value.lower(), _NUMBER.sub(_two_decimals, value))}")
    return ";".join(kept)


def _two_decimals(match: re.Match[str]) -> str:
    rounded = round(float(match[0]), 2) + 0.0  # adding 0 turns -0 into 0
    return f"{rounded:.2f}".rstrip("0").rstrip(".")


def _drop_unused_names(root: ElementTree.Element) -> None:
    markup = ElementTree.tostring(root, encoding="unicode")
    used = set(re.findall(r'(?:url\(#|href="#)([\w.-]+)', markup))
    for element in root.iter():
        if element.attrib.get("id") not in used:
            element.attrib.pop("id", None)


def _take_definitions(root: ElementTree.Element) -> Iterator[str]:
    """Remove the definitions (markers, clipping shapes) from the drawing and yield them."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "defs":
                yield from (_markup(shape) for shape in child if shape.tag != "style")
            if child.tag in {"defs", "metadata"}:
                parent.remove(child)


def _parts(element: ElementTree.Element) -> Iterator[str]:
    """Yield the drawn elements, from back to front; flatten groups that only contain others."""
    for child in element:
        if child.tag == "g" and not child.attrib:
            yield from _parts(child)
        elif not _invisible(child):
            yield _markup(child)


def _invisible(element: ElementTree.Element) -> bool:
    """Return whether this is an empty background, as Matplotlib writes for figures and axes."""
    return element.tag == "path" and element.attrib.get("style") == "fill:none"


def _markup(element: ElementTree.Element) -> str:
    return ElementTree.tostring(element, encoding="unicode")
