"""What a reader calls: `check`, `hint`, `solution`, `predict`. Each prints what it has to say."""

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
    """Says at once whether a function is right, or which property fails and why; see `Verdict`.

    The inputs are new at each call. Never raises what the function raises.

    Raises:
        LookupError: there is no such exercise.
    """
    this, seed = exercise(id), secrets.randbits(63)
    verdict = judge(this, observe(this, function, seed), seed)
    print(verdict)
    return verdict


def hint(id: str) -> None:
    """Prints one more step towards the solution at each call."""
    this = exercise(id)
    given = _hints_given.get(id, 0)
    if given < len(this.hints):
        _hints_given[id] = given + 1
        print(f"Hint {given + 1} of {len(this.hints)}. {this.hints[given]}")
    else:
        print(f'These were all the hints. solution("{id}") shows how we would write it.')


def solution(id: str) -> None:
    """Prints how we would write it, and what is nice about that."""
    this = exercise(id)
    print(f"{rubric_text(this) if this.is_open else source(this)}\n\n{this.praise}")


def predict(id: str, choice: str | None = None) -> None:
    """Takes a prediction, a letter, and answers it, whichever it is.

    Raises:
        LookupError: there is no such exercise, or nothing to predict in it.
        ValueError: there is no such letter.
    """
    choices = exercise(id).choices
    if choices is None:
        raise LookupError(f"there is nothing to predict in {id!r}")
    if choice is None or choice is ...:
        print(f"Choose first: {', '.join(choices)}.")
        return
    letter = str(choice).strip().lower()
    if letter not in choices:
        raise ValueError(f"{choice!r} is none of {', '.join(choices)}")
    print(choices[letter].answer)


def source(exercise: Exercise) -> str:
    """The text of an exercise's reference, its docstring cut to the first line."""
    assert exercise.reference is not None
    lines = inspect.getsource(exercise.reference).splitlines()
    function = ast.parse("\n".join(lines)).body[0]
    assert isinstance(function, ast.FunctionDef)
    text = function.body[0]
    if isinstance(text, ast.Expr) and text.end_lineno and text.end_lineno > text.lineno:
        lines[text.lineno - 1] += '"""'
        del lines[text.lineno : text.end_lineno]
    return "\n".join(lines)
