"""What a built page loads: nothing from other hosts, and not much."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_ELEMENT = re.compile(r"<(?:script|link|img|iframe|source|video|audio|embed|object)\b[^>]*>", re.I)
_ADDRESS = re.compile(r"""\b(?:src|href|srcset|data)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)""", re.I)
_STYLE = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]+)""", re.I)
_FIGURE = re.compile(rb'<figure class="ot-figure".*?</figure>', re.DOTALL)
_PICTURES = {".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp"}


def foreign_requests(html: str) -> list[str]:
    """Addresses on other hosts that a browser fetches by itself when it opens the page."""
    elements = (match[0] for match in _ELEMENT.finditer(html))
    loading = [element for element in elements if 'rel="canonical"' not in element]
    fetched = [address for element in loading for address in _ADDRESS.findall(element)]
    return fetched + _STYLE.findall(html)


class Weight(NamedTuple):
    """Bytes of a page with all that it loads."""

    first_view: int  # gzip-compressed: text, style, scripts and fonts
    figures: int  # gzip-compressed: figures in the page, and pictures
    whole: int  # all of it, uncompressed


def weigh(page: Path, loaded: Iterable[Path]) -> Weight:
    """The weight of a page and of the files that a browser loads with it."""
    html, loaded = page.read_bytes(), [(file.suffix, file.read_bytes()) for file in loaded]
    text = _packed(_FIGURE.sub(b"", html))
    figures = _packed(html) - text
    pictures = sum(_packed(data) for suffix, data in loaded if suffix in _PICTURES)
    rest = sum(_packed(data) for suffix, data in loaded if suffix not in _PICTURES)
    whole = len(html) + sum(len(data) for _, data in loaded)
    return Weight(text + rest, figures + pictures, whole)


def _packed(data: bytes) -> int:
    return min(len(data), len(gzip.compress(data, compresslevel=6)))


def table_of_weights(weights: dict[str, Weight]) -> str:
    """A Markdown table of the pages, the heaviest first."""
    rows = ["| Page | First view, kB | Figures, kB | Uncompressed, kB |", "|---|--:|--:|--:|"]
    for name, weight in sorted(weights.items(), key=lambda item: -item[1].whole):
        rows.append(f"| {name} | " + " | ".join(f"{size / 1000:.0f}" for size in weight) + " |")
    return "\n".join(rows)
