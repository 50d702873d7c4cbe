"""Every exercise in the book, in order."""

from __future__ import annotations

import difflib
from functools import cache

from offline_tutor.classroom.exercises.chapters import (
    behaviour_cloning,
    cql_continuous,
    cql_discrete,
    datasets,
    fixed_data,
    judging,
    q_learning,
    qr_dqn,
    sac,
    td3,
    td3_bc,
)
from offline_tutor.classroom.exercises.exercise import Exercise


@cache
def exercises() -> tuple[Exercise, ...]:
    """Return all exercises in the book's order."""
    return (
        *fixed_data.EXERCISES,
        *datasets.EXERCISES,
        *behaviour_cloning.EXERCISES,
        *q_learning.EXERCISES,
        *qr_dqn.EXERCISES,
        *cql_discrete.EXERCISES,
        *td3.EXERCISES,
        *td3_bc.EXERCISES,
        *sac.EXERCISES,
        *cql_continuous.EXERCISES,
        *judging.EXERCISES,
    )


def exercise(id: str) -> Exercise:
    """Return the exercise with this id.

    Raises:
        LookupError: if there is none; the message lists similar ids.
    """
    known = {each.id: each for each in exercises()}
    if id in known:
        return known[id]
    near = difflib.get_close_matches(str(id), known, cutoff=0.4) or sorted(known)
    raise LookupError(f"there is no exercise {id!r}; similar ids: {', '.join(near)}")
