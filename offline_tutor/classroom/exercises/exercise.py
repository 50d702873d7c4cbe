"""The parts of an exercise: a reference, random inputs to compare on, and common mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Case = Mapping[str, Any]  # the arguments of one call, by name
Seen = dict[str, np.ndarray]  # what a probe returned, by name, as float64
Probe = Callable[[Callable[..., Any], Case], Mapping[str, Any]]

KINDS = ("fill in", "find the bug", "predict then run", "open")


class Unfit(Exception):
    """A function returned something that cannot be compared; the message tells its author why."""


class NotDone(Exception):
    """A function returned nothing, most likely because its lines are still missing."""


def same(mine: np.ndarray, right: np.ndarray) -> bool:
    """Return whether two arrays agree in shape and, to float32 precision, in their numbers."""
    if mine.shape != right.shape:
        return False
    size = np.abs(right[np.isfinite(right)]).max(initial=1e-3)
    return bool(np.allclose(mine, right, rtol=1e-4, atol=1e-4 * size, equal_nan=True))


def compiled(look: Probe) -> Probe:
    """Return the probe compiled as one program, which is used if an argument is a JAX array.

    JAX compiles one program in a tenth of a second; one for each small operation takes far longer.
    """
    program = jax.jit(look, static_argnums=0)

    def probe(function: Callable[..., Any], case: Case) -> Mapping[str, Any]:
        if not any(isinstance(each, jax.Array) for each in case.values()):
            return look(function, case)
        try:
            return program(function, dict(case))
        except (NotDone, NotImplementedError):
            raise
        except Exception:  # what JAX cannot trace runs eagerly and raises its own errors
            return look(function, case)

    return probe


@compiled
def value(function: Callable[..., Any], case: Case) -> dict[str, Any]:
    """Return what the function returns: the simplest probe."""
    return {"value": function(**case)}


@dataclass(frozen=True)
class Mistake:
    """A common mistake with a hint of its own.

    Attributes:
        name: a few words for tables of marks, such as "sign of the penalty".
        shows: (mine, right, case) -> bool: whether an answer contains the mistake, judged by what
            the probe returned for it and for the reference. Called for each case with a wrong
            answer.
        hint: what to tell the student: an explanation, not the solution.
    """

    name: str
    shows: Callable[[Seen, Seen, Case], bool]
    hint: str


@dataclass(frozen=True)
class Choice:
    """A possible prediction, and the reply to a student who makes it."""

    text: str
    answer: str


@dataclass(frozen=True)
class Exercise:
    """One exercise; its statement is in the chapter's exercise notebook.

    Attributes:
        id: a stable name, which is also the cell's id in the notebook: "td3-bc-weight".
        chapter: the name of the chapter's file: "32_td3_bc".
        kind: one of `KINDS`.
        title: its heading.
        minutes: how long it takes.
        points: how many it is worth.
        function: the name of the function that the student writes; "" for an open exercise, which
            a person reads.
        reference: the correct function; its source is shown as the solution.
        case: draws random arguments for one call.
        probe: what is compared: (function, case) -> arrays by name.
        mistakes: the first that applies is reported, so the more specific ones come first.
        hints: one further step each; none is the solution.
        praise: what is good about the solution.
        choices: for "predict then run": the possible predictions, by letter.
        rubric: for "open": (points, what they are given for).
    """

    id: str
    chapter: str
    kind: str
    title: str
    minutes: int
    points: int
    hints: tuple[str, ...]
    praise: str
    function: str = ""
    reference: Callable[..., Any] | None = None
    case: Callable[[np.random.Generator], Case] = lambda rng: {}
    probe: Probe = value
    mistakes: tuple[Mistake, ...] = ()
    choices: Mapping[str, Choice] | None = None
    rubric: tuple[tuple[int, str], ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether a person has to read the answer."""
        return self.reference is None


def gradients(*names: str) -> Probe:
    """Return a probe of the value and of its sum's gradient with respect to each of `names`."""

    @compiled
    def probe(function: Callable[..., Any], case: Case) -> dict[str, Any]:
        def of(name: str) -> Any:
            return jax.grad(lambda x: jnp.sum(function(**{**case, name: x})))(case[name])

        return {"value": function(**case)} | {f"gradient by {name}": of(name) for name in names}

    return probe


def returns(*names: str) -> Probe:
    """Return a probe for a function that returns several arrays, to which it gives these names."""

    def probe(function: Callable[..., Any], case: Case) -> dict[str, Any]:
        returned = function(**case)
        if not isinstance(returned, tuple | list) or len(returned) != len(names):
            raise Unfit(f"it should return {len(names)} arrays, in this order: {', '.join(names)}")
        return dict(zip(names, returned, strict=True))

    return probe


def looks_like(
    *wrong: Callable[..., Any], probe: Probe = value
) -> Callable[[Seen, Seen, Case], bool]:
    """Return a `Mistake.shows` that recognises the numbers of one of these wrong functions.

    Only what this probe returns is compared; anything else may differ.
    """

    def shows(mine: Seen, right: Seen, case: Case) -> bool:
        for each in wrong:
            theirs = {name: as_numbers(name, seen) for name, seen in probe(each, case).items()}
            if all(same(mine[name], theirs[name]) for name in theirs):
                return True
        return False

    return shows


def as_numbers(name: str, seen: Any) -> np.ndarray:
    """Convert what a probe returned to a float64 array.

    Raises:
        Unfit: if it is not an array of numbers, or is far too large.
    """
    try:
        array = np.asarray(seen)
    except Exception as error:  # lists of unequal lengths, and whatever else a student returns
        raise Unfit(f"its {name} is not an array of numbers: {one_line(error)}") from None
    if array.dtype.kind not in "biuf":
        raise Unfit(f"its {name} should be an array of numbers, not {type(seen).__name__}")
    if array.size > 100_000:
        raise Unfit(f"its {name} has the shape {array.shape}: far too many numbers")
    return array.astype(np.float64)


def one_line(error: BaseException) -> str:
    """Return an error's name and the first line of its message, at most 300 characters."""
    lines = str(error).strip().splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}".strip(": ")
    text = re.sub(r" at 0x[0-9a-f]+", "", text)  # where something lies in memory helps nobody
    return "".join(c if c.isprintable() else " " for c in text[:300])
