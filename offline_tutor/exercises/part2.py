"""Exercises of part 2, discrete actions."""

from offline_tutor.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()
