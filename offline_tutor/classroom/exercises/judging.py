"""Verdicts on what a student's code returned; the code itself does not run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline_tutor.classroom.exercises.exercise import Case, Exercise, Mistake, Seen, same
from offline_tutor.classroom.exercises.observing import CASES, Observation, look, rng_of

Trial = tuple[Seen, Seen, Case]  # mine, right, and the arguments

STATUSES = ("right", "wrong", "error", "not done", "to be read")


@dataclass(frozen=True)
class Verdict:
    """The result of checking an answer; true if the answer is right.

    Attributes:
        exercise: the exercise's id.
        status: "right", "wrong", "error", "not done", or "to be read" for an open exercise.
        text: what to tell the student.
        mistake: a short name for what is wrong, if anything.
    """

    exercise: str
    status: str
    text: str
    mistake: str = ""

    def __bool__(self) -> bool:
        return self.status == "right"

    def __str__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        """Show nothing: `check` has printed the text, and the value of its cell would repeat it."""


def judge(exercise: Exercise, observation: Observation, seed: int, cases: int = CASES) -> Verdict:
    """Judge what was observed with this seed. The reference runs here, the student's code does not.

    Raises:
        ValueError: if the observation has another number of cases, or other arrays.
    """
    if exercise.is_open:
        return Verdict(exercise.id, "to be read", rubric_text(exercise))
    if observation.problem:
        return _about_problem(exercise, observation)
    if len(observation.cases) != cases:
        raise ValueError(f"{exercise.id}: {len(observation.cases)} cases observed, not {cases}")
    trials = [_trial(exercise, mine, seed, i) for i, mine in enumerate(observation.cases)]
    wrong = [trial for trial in trials if not _agrees(trial)]
    if not wrong:
        text = f"Right: {exercise.function} agrees with ours on {cases} random inputs."
        return Verdict(exercise.id, "right", text)
    if found := _recognised(exercise, wrong):
        return Verdict(exercise.id, "wrong", f"Not yet ({found.name}). {found.hint}", found.name)
    name, text = _difference(trials, wrong)
    step = f'hint("{exercise.id}") gives one more step.'
    return Verdict(exercise.id, "wrong", f"Not yet ({name}). {text} {step}", name)


def rubric_text(exercise: Exercise) -> str:
    """Return what a person looks for in the answer to an open exercise."""
    lines = [
        f"- {points} {'point' if points == 1 else 'points'}: {what}"
        for points, what in exercise.rubric
    ]
    return "\n".join(["A person reads this one and looks for:", "", *lines])


def _about_problem(exercise: Exercise, observation: Observation) -> Verdict:
    step = f'hint("{exercise.id}") gives one more step.'
    if observation.problem == "not done":
        text = f"Not done yet: {exercise.function} returns nothing so far. {step}"
        return Verdict(exercise.id, "not done", text)
    if observation.problem == "error":
        text = f"Not yet: {exercise.function} stops with an error. {observation.text}. {step}"
        return Verdict(exercise.id, "error", text, "raises")
    text = f"Not yet: {observation.text}."
    return Verdict(exercise.id, "wrong", text, observation.problem)


def _trial(exercise: Exercise, mine: Seen, seed: int, case: int) -> Trial:
    assert exercise.reference is not None
    right = look(exercise, exercise.reference, rng_of(seed, case))
    if mine.keys() != right.keys():
        raise ValueError(f"{exercise.id}: {sorted(mine)} were observed, not {sorted(right)}")
    return mine, right, exercise.case(rng_of(seed, case))


def _agrees(trial: Trial) -> bool:
    mine, right, _ = trial
    return all(same(mine[name], right[name]) for name in right)


def _recognised(exercise: Exercise, wrong: Sequence[Trial]) -> Mistake | None:
    """Return the first mistake that explains every case with a wrong answer."""
    for mistake in exercise.mistakes:
        if all(mistake.shows(*trial) for trial in wrong):
            return mistake
    return None


def _difference(trials: Sequence[Trial], wrong: Sequence[Trial]) -> tuple[str, str]:
    """Return a name and a sentence for a wrong answer that matches no known mistake."""
    mine, right, _ = wrong[0]
    for name in right:
        if mine[name].shape != right[name].shape:
            shapes = f"{mine[name].shape} but should have {right[name].shape}"
            return "wrong shape", f"The {name} has the shape {shapes}."
    for name in right:
        if not np.isfinite(mine[name][np.isfinite(right[name])]).all():
            return "not finite", f"The {name} is not finite where it should be."
    for name in right:
        if _constant([mine[name] for mine, _, _ in trials]) and not _constant(
            [right[name] for _, right, _ in trials]
        ):
            return "a constant", f"The {name} does not depend on the arguments."
    name = next(name for name in right if not same(mine[name], right[name]))
    gap = np.abs(mine[name] - right[name]).max()
    many = f"{len(wrong)} of {len(trials)} random inputs"
    return "other numbers", f"The {name} differs from ours on {many}, by up to {gap:.2g} on one."


def _constant(arrays: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(arrays[0], array) for array in arrays[1:])
