"""Replacements in text that others wrote: each must find what it looks for.

Otherwise a theme or a library that changes would silently leave a replacement without effect.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

Old = str | re.Pattern[str]
New = str | Callable[[re.Match[str]], str]  # for a pattern, a string may name groups: r"\1"


class NothingToReplace(Exception):
    """What a replacement looks for is not there."""

    def __init__(self, old: Old, where: object) -> None:
        looked_for = old if isinstance(old, str) else old.pattern
        super().__init__(f"{where}: nothing to replace, it does not contain {looked_for!r}")


def substitute(text: str, old: Old, new: New) -> tuple[str, int]:
    """The text with every `old` replaced, and how many there were."""
    if isinstance(old, str):
        return text.replace(old, str(new)), text.count(old)
    return old.subn(new, text)


def replace(text: str, old: Old, new: New, where: object) -> str:
    """The text, of the file `where`, with every `old` replaced.

    Raises:
        NothingToReplace: there is none.
    """
    text, count = substitute(text, old, new)
    if not count:
        raise NothingToReplace(old, where)
    return text


class Replacements:
    """Replacements across many files: each must find its text in at least one of them."""

    def __init__(self) -> None:
        self.counts: Counter[Old] = Counter()

    def replace(self, text: str, old: Old, new: New) -> str:
        text, count = substitute(text, old, new)
        self.counts[old] += count
        return text

    def check(self, where: object) -> None:
        """Checks that every replacement has found something.

        Raises:
            NothingToReplace: no file contained what one of the replacements looks for.
        """
        for old, count in self.counts.items():
            if not count:
                raise NothingToReplace(old, where)
