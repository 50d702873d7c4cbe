"""What a built page would ask other hosts for: nothing, so that it works without them."""

import re

_ELEMENT = re.compile(r"<(?:script|link|img|iframe|source|video|audio|embed|object)\b[^>]*>", re.I)
_ADDRESS = re.compile(r"""\b(?:src|href|srcset|data)\s*=\s*["']?((?:https?:)?//[^"'\s>]+)""", re.I)
_STYLE = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]+)""", re.I)


def foreign_requests(html: str) -> list[str]:
    """Addresses on other hosts that a browser fetches by itself when it opens the page."""
    elements = (match[0] for match in _ELEMENT.finditer(html))
    loading = [element for element in elements if 'rel="canonical"' not in element]
    fetched = [address for element in loading for address in _ADDRESS.findall(element)]
    return fetched + _STYLE.findall(html)
