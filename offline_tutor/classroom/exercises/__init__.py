"""Exercises that check themselves: `check`, `hint`, `solution`, `predict`.

A student's function is run on fresh random inputs and compared with a reference. A difference is
matched with common mistakes, each of which has a hint of its own.
"""

from offline_tutor.classroom.exercises.ask import check, hint, predict, solution
from offline_tutor.classroom.exercises.catalogue import exercise, exercises
from offline_tutor.classroom.exercises.exercise import Choice, Exercise, Mistake
from offline_tutor.classroom.exercises.files import read_observations, write_observations
from offline_tutor.classroom.exercises.judging import Verdict, judge
from offline_tutor.classroom.exercises.observing import Observation, observe

__all__ = [
    "Choice",
    "Exercise",
    "Mistake",
    "Observation",
    "Verdict",
    "check",
    "exercise",
    "exercises",
    "hint",
    "judge",
    "observe",
    "predict",
    "read_observations",
    "solution",
    "write_observations",
]
