"""Run a student's function on random inputs and record the results, for `judging` to judge."""

from __future__ import annotations

import functools
import inspect
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from offline_tutor.classroom.exercises.exercise import (
    Exercise,
    NotDone,
    Seen,
    Unfit,
    as_numbers,
    one_line,
)

CASES = 5  # number of random inputs on which an answer is compared


@dataclass(frozen=True)
class Observation:
    """What one function did: either all the cases that were asked for, or a problem.

    Attributes:
        cases: for each random input, the arrays that the exercise compares.
        problem: one of `PROBLEMS`: "" if there are cases, else why there are none.
        text: a description of the problem, in one line.
    """

    cases: tuple[Seen, ...] = ()
    problem: str = ""
    text: str = ""


PROBLEMS = ("", "not done", "no function", "arguments", "unfit", "error")


def rng_of(seed: int, case: int) -> np.random.Generator:
    """Return the random generator of one case, the same for observing and for judging."""
    return np.random.default_rng([seed, case])


def observe(exercise: Exercise, function: Any, seed: int, cases: int = CASES) -> Observation:
    """Run a student's function on random inputs; an exception in it becomes a problem."""
    if exercise.is_open:
        return Observation()
    if not callable(function):
        what = f"{exercise.function} should be a function but is {_kind(function)}"
        return Observation(problem="no function", text=what)
    if wrong := _arguments_problem(exercise, function):
        return Observation(problem="arguments", text=wrong)
    called = _told_when_empty(function)
    try:
        return Observation(tuple(look(exercise, called, rng_of(seed, i)) for i in range(cases)))
    except (NotDone, NotImplementedError):
        return Observation(problem="not done")
    except Unfit as finding:
        return Observation(problem="unfit", text=str(finding))
    except (Exception, SystemExit) as error:  # whatever a student's lines may do
        return Observation(problem="error", text=_what_happened(error, function))


def look(exercise: Exercise, function: Callable[..., Any], rng: np.random.Generator) -> Seen:
    """Return what the exercise compares for one random input, as float64 arrays."""
    seen = exercise.probe(function, exercise.case(rng))
    return {name: as_numbers(name, array) for name, array in seen.items()}


def _told_when_empty(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        returned = function(*arguments, **named)
        if returned is None or returned is ...:
            raise NotDone
        return returned

    return called


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


def _arguments_problem(exercise: Exercise, function: Callable[..., Any]) -> str:
    """Return what is wrong with the names of the arguments; "" if nothing is."""
    assert exercise.reference is not None
    wanted = list(inspect.signature(exercise.reference).parameters)
    try:
        inspect.signature(function).bind(**dict.fromkeys(wanted))
    except (TypeError, ValueError):
        return f"the arguments of {exercise.function} should be ({', '.join(wanted)})"
    return ""


def _what_happened(error: BaseException, function: Callable[..., Any]) -> str:
    """Describe an error in one line: its name, its message and the student's line at fault."""
    text = one_line(error)
    if isinstance(error, jax.errors.TracerArrayConversionError):
        text = "TracerArrayConversionError: JAX cannot differentiate np. here; write jnp. instead"
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if code and frame.filename == code.co_filename]
    if own and own[-1].lineno:
        line = linecache.getline(own[-1].filename, own[-1].lineno).strip()
        text += f", at: {line}" if line else f", in line {own[-1].lineno}"
    return text[:500]
