"""A sentence in the place of a figure, for as long as a notebook is not trusted.

Of a notebook that somebody else ran, JupyterLab shows neither drawings nor styles nor scripts: of a
figure would remain the numbers at its axes and buttons that do nothing. So it travels in a script,
behind a sentence that says what it shows and how to see it; the script puts it in the sentence's
place. The build of the book does so in advance, and its pages need no script to be seen.
"""

from __future__ import annotations

import hashlib
import json
import re
from html import escape

_SEALED = re.compile(
    r'<p id="(?P<name>\w+)">[^<]*</p><script>document\.getElementById\("(?P=name)"\)\.replaceWith\('
    r'document\.createRange\(\)\.createContextualFragment\((?P<markup>".*?")\)\)</script>',
    re.DOTALL,
)


def sealed(markup: str, alt: str) -> str:
    """Return HTML that shows the markup if scripts may run, and otherwise a sentence with `alt`."""
    name = f"s{hashlib.sha256(markup.encode()).hexdigest()[:8]}"
    sentence = f"Run this cell, or trust this notebook, to see the figure: {' '.join(alt.split())}"
    return (
        f'<p id="{name}">{escape(sentence)}</p><script>document.getElementById("{name}")'
        f".replaceWith(document.createRange().createContextualFragment({literal(markup)}))</script>"
    )


def unsealed(html: str) -> str:
    """Return HTML with every sealed figure in its place."""
    return _SEALED.sub(lambda found: json.loads(found["markup"]), html)


def literal(value: object) -> str:
    """Return a JavaScript literal that cannot close the script element around it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
