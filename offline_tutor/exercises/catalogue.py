"""Every exercise of the book, in its order."""

from __future__ import annotations

import difflib
from functools import cache

from offline_tutor.exercises import part1, part2, part3
from offline_tutor.exercises.exercise import Exercise


@cache
def exercises() -> tuple[Exercise, ...]:
    """All exercises, in the book's order."""
    return (*part1.EXERCISES, *part2.EXERCISES, *part3.EXERCISES)


def exercise(id: str) -> Exercise:
    """The exercise of this id.

    Raises:
        LookupError: there is none; the message has those with similar names.
    """
    known = {each.id: each for each in exercises()}
    if id in known:
        return known[id]
    near = difflib.get_close_matches(str(id), known, cutoff=0.4) or sorted(known)
    raise LookupError(f"there is no exercise {id!r}; near it: {', '.join(near)}")
