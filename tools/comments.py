"""Comments as parts of a page: what stands beside a field or a constant, or right above it.

Griffe reads docstrings and not comments, in which the package says what a field means.
"""

from __future__ import annotations

import io
import tokenize


def comments(source: str) -> dict[int, tuple[str, bool]]:
    """By line: a comment without its `#`, and whether it has the line for itself."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: (token.string.lstrip("# "), not token.line[: token.start[1]].strip())
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def comment_on(first: int, last: int, known: dict[int, tuple[str, bool]]) -> str:
    """What is said beside the lines of a definition, else right above it."""
    beside = [known[line][0] for line in range(first, last + 1) if line in known]
    if beside:
        return " ".join(beside)
    above = []
    while first - 1 in known and known[first - 1][1]:
        first -= 1
        above.insert(0, known[first][0])
    return " ".join(above)
