"""Exercises of part 3, continuous actions."""

from offline_tutor.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()
