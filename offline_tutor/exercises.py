"""What students import: `from offline_tutor.exercises import check, hint, solution, predict`."""

from offline_tutor.classroom.exercises import check, hint, predict, solution

__all__ = ["check", "hint", "predict", "solution"]
