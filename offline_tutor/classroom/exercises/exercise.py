"""What an exercise is: a reference, random inputs to compare on, and the mistakes people make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Case = Mapping[str, Any]  # the arguments of one call, by name
Seen = dict[str, np.ndarray]  # what was looked at, by name; float64 whatever it was
Probe = Callable[[Callable[..., Any], Case], Mapping[str, Any]]

KINDS = ("fill in", "find the bug", "predict then run", "open")


class Unfit(Exception):
    """What a function returned cannot be looked at; the message says why, to its author."""


class NotDone(Exception):
    """A function returned None, as one does whose lines are still missing."""


def same(mine: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays agree: their shapes, and their numbers as far as float32 can tell."""
    if mine.shape != right.shape:
        return False
    size = np.abs(right[np.isfinite(right)]).max(initial=1e-3)
    return bool(np.allclose(mine, right, rtol=1e-4, atol=1e-4 * size, equal_nan=True))


def compiled(look: Probe) -> Probe:
    """The same probe, as one program where it is given JAX's arrays.

    One program takes JAX a tenth of a second to build; one for every little operation takes many.
    """
    program = jax.jit(look, static_argnums=0)

    def probe(function: Callable[..., Any], case: Case) -> Mapping[str, Any]:
        if not any(isinstance(each, jax.Array) for each in case.values()):
            return look(function, case)
        try:
            return program(function, dict(case))
        except (NotDone, NotImplementedError):
            raise
        except Exception:  # what JAX cannot trace runs step by step, and tells its own errors
            return look(function, case)

    return probe


@compiled
def value(function: Callable[..., Any], case: Case) -> dict[str, Any]:
    """The plainest probe: what the function returns."""
    return {"value": function(**case)}


@dataclass(frozen=True)
class Mistake:
    """One way to get it wrong that is worth a hint of its own.

    Attributes:
        name: a few words, for tables of marks: "sign of the penalty".
        shows: whether what was seen of an answer, beside what is right, has it: (mine, right,
            case) -> bool. Asked for every case in which the answer is wrong.
        hint: what to tell its author. It teaches, and is not the solution.
    """

    name: str
    shows: Callable[[Seen, Seen, Case], bool]
    hint: str


@dataclass(frozen=True)
class Choice:
    """One prediction that can be made, and what to say to a student who made it."""

    text: str
    answer: str


@dataclass(frozen=True)
class Exercise:
    """One exercise; the statement stands in its notebook.

    Attributes:
        id: stable words, the cell's id in the notebook: "td3-bc-weight".
        chapter: name of the chapter's file: "32_td3_bc".
        kind: one of `KINDS`.
        title: its heading.
        minutes: how long it takes.
        points: what it is worth.
        function: name of what the student defines; "" for an open one, which a person reads.
        reference: the right function. Its source is the solution that is shown.
        case: the arguments of one call, at random.
        probe: what is looked at: (function, case) -> arrays by name.
        mistakes: the first that shows is named, so those that explain more stand first.
        hints: one more step each, none of them the solution.
        praise: what is nice about the solution.
        choices: for "predict then run": what can be predicted, by letter.
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
    """A probe: the value, and the gradient of its sum with respect to each of these arguments."""

    @compiled
    def probe(function: Callable[..., Any], case: Case) -> dict[str, Any]:
        def of(name: str) -> Any:
            return jax.grad(lambda x: jnp.sum(function(**{**case, name: x})))(case[name])

        return {"value": function(**case)} | {f"gradient by {name}": of(name) for name in names}

    return probe


def returns(*names: str) -> Probe:
    """A probe for a function that returns several arrays, which are given these names."""

    def probe(function: Callable[..., Any], case: Case) -> dict[str, Any]:
        returned = function(**case)
        if not isinstance(returned, tuple | list) or len(returned) != len(names):
            raise Unfit(f"it should return {len(names)} arrays, in this order: {', '.join(names)}")
        return dict(zip(names, returned, strict=True))

    return probe


def looks_like(
    *wrong: Callable[..., Any], probe: Probe = value
) -> Callable[[Seen, Seen, Case], bool]:
    """`shows` of a mistake: the answer gives the numbers of one of these wrong functions.

    Only what this probe looks at is compared; the rest may be anything.
    """

    def shows(mine: Seen, right: Seen, case: Case) -> bool:
        for each in wrong:
            theirs = {name: as_numbers(name, seen) for name, seen in probe(each, case).items()}
            if all(same(mine[name], theirs[name]) for name in theirs):
                return True
        return False

    return shows


def as_numbers(name: str, seen: Any) -> np.ndarray:
    """What was looked at as a float64 array.

    Raises:
        Unfit: it is not an array of numbers, or far too many of them.
    """
    try:
        array = np.asarray(seen)
    except Exception as error:  # lists of unequal lengths, and whatever else a student returns
        raise Unfit(f"its {name} is not an array of numbers: {one_line(error)}") from None
    if array.dtype.kind not in "biuf":
        raise Unfit(f"its {name} should be an array of numbers, and is {type(seen).__name__}")
    if array.size > 100_000:
        raise Unfit(f"its {name} has the shape {array.shape}: far too many numbers")
    return array.astype(np.float64)


def one_line(error: BaseException) -> str:
    """An error's name and the first line of its message, short."""
    lines = str(error).strip().splitlines() or [""]
    text = f"{type(error).__name__}: {lines[0]}".strip(": ")
    return "".join(c if c.isprintable() else " " for c in text[:300])
