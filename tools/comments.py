"""Comments as parts of a page: those beside a field or a constant, or directly above it.

Griffe reads docstrings but not comments, which is where the package says what a field means.
"""

from __future__ import annotations

import io
import re
import tokenize

FOR_TOOLS = re.compile(r"#\s*(type: |noqa|pragma)")


def comments(source: str) -> dict[int, tuple[str, bool]]:
    """For each line with a comment for readers: its text, and whether it is alone on the line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: (token.string.lstrip("# "), not token.line[: token.start[1]].strip())
        for token in tokens
        if token.type == tokenize.COMMENT and not FOR_TOOLS.match(token.string)
    }


def comment_on(first: int, last: int, known: dict[int, tuple[str, bool]]) -> str:
    """The comments beside the lines of a definition, or else those directly above it."""
    beside = [known[line][0] for line in range(first, last + 1) if line in known]
    if beside:
        return " ".join(beside)
    above = []
    while first - 1 in known and known[first - 1][1]:
        first -= 1
        above.insert(0, known[first][0])
    return " ".join(above)
