"""The functions that readers call: `check`, `hint`, `solution`, `predict`. Each prints text."""

from __future__ import annotations

import ast
import inspect
import secrets
from typing import Any

from offline_tutor.classroom.exercises.catalogue import exercise
from offline_tutor.classroom.exercises.exercise import Exercise
from offline_tutor.classroom.exercises.judging import Verdict, judge, rubric_text
from offline_tutor.classroom.exercises.observing import observe

_hints_given: dict[str, int] = {}


def check(id: str, function: Any = None) -> Verdict:
    """Print whether a function is right, or else what is wrong and why; return the verdict.

    The inputs are new in each call. An exception in the function becomes part of the verdict.

    Raises:
        LookupError: if there is no such exercise.
    """
    this, seed = exercise(id), secrets.randbits(63)
    verdict = judge(this, observe(this, function, seed), seed)
    print(verdict)
    return verdict


def hint(id: str) -> None:
    """Print one more step towards the solution with each call."""
    this = exercise(id)
    given = _hints_given.get(id, 0)
    if given < len(this.hints):
        _hints_given[id] = given + 1
        print(f"Hint {given + 1} of {len(this.hints)}. {this.hints[given]}")
    else:
        print(f'There are no more hints. solution("{id}") shows how we would write it.')


def solution(id: str) -> None:
    """Print how we would write it, and what is good about that."""
    this = exercise(id)
    print(f"{rubric_text(this) if this.is_open else source(this)}\n\n{this.praise}")


def predict(id: str, choice: str | None = None) -> None:
    """Print the answer to a prediction, which is given as a letter.

    Raises:
        LookupError: if there is no such exercise, or nothing to predict in it.
        ValueError: if the letter is not one of the choices.
    """
    choices = exercise(id).choices
    if choices is None:
        raise LookupError(f"there is nothing to predict in {id!r}")
    if choice is None or choice is ...:
        print(f"Choose first: {', '.join(choices)}.")
        return
    letter = str(choice).strip().lower()
    if letter not in choices:
        raise ValueError(f"{choice!r} is not one of {', '.join(choices)}")
    print(choices[letter].answer)


def source(exercise: Exercise) -> str:
    """Return the source of an exercise's reference, its docstring cut to the first line."""
    assert exercise.reference is not None
    lines = inspect.getsource(exercise.reference).splitlines()
    function = ast.parse("\n".join(lines)).body[0]
    assert isinstance(function, ast.FunctionDef)
    text = function.body[0]
    if isinstance(text, ast.Expr) and text.end_lineno and text.end_lineno > text.lineno:
        lines[text.lineno - 1] += '"""'
        del lines[text.lineno : text.end_lineno]
    return "\n".join(lines)
