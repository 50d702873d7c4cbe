"""Exercises of the chapter 11_fixed_data."""

from __future__ import annotations

from typing import Any

import numpy as np

from offline_tutor.classroom.exercises.chapters.shared import is_not_finite
from offline_tutor.classroom.exercises.exercise import Case, Choice, Exercise, Mistake, looks_like


def seen_targets(
    q: np.ndarray,
    seen: np.ndarray,
    rewards: np.ndarray,
    next_states: np.ndarray,
    terminations: np.ndarray,
    discount: float,
    worst: float,
) -> np.ndarray:
    """Targets of fitted Q iteration that ask only about seen actions: (rows,).

    `q`: (states, actions), the table; `seen`: its shape, bool. `worst`: what an action that was
    not seen is taken to be worth. `rewards`, `next_states`, `terminations`: (rows,).
    """
    best = np.where(seen, q, worst).max(axis=1)
    return rewards + discount * (1 - terminations) * best[next_states]


def _seen_case(rng: np.random.Generator) -> Case:
    seen = rng.random((6, 4)) < 0.5
    seen[0], seen[1] = False, True  # one state that nobody left, one where all was tried
    q = np.where(seen, -rng.uniform(1, 9, size=(6, 4)), rng.uniform(-1, 1, size=(6, 4)))
    return {
        "q": q,
        "seen": seen,
        "rewards": -rng.uniform(0.5, 1.5, size=12),
        "next_states": np.append(rng.integers(2, 6, size=8), [0, 1, 4, 5]),
        "terminations": np.arange(12) % 6 == 5,
        "discount": float(rng.uniform(0.8, 0.95)),
        "worst": -20.0,
    }


def _seen_by(best: Any) -> Any:
    """Targets with another value of each state: `best(q, seen, worst)`."""

    def wrong(
        q: Any,
        seen: Any,
        rewards: Any,
        next_states: Any,
        terminations: Any,
        discount: Any,
        worst: Any,
    ) -> np.ndarray:
        return rewards + discount * (1 - terminations) * best(q, seen, worst)[next_states]

    return wrong


def _seen_endless(**case: Any) -> np.ndarray:
    return seen_targets(**{**case, "terminations": np.zeros(12)})


def _seen_inverted(**case: Any) -> np.ndarray:
    return seen_targets(**{**case, "terminations": 1 - case["terminations"]})


def _seen_nothing_at_ends(**case: Any) -> np.ndarray:
    return (1 - case["terminations"]) * _seen_endless(**case)


def _seen_undiscounted(**case: Any) -> np.ndarray:
    return seen_targets(**{**case, "discount": 1.0})


SEEN_TARGETS = Exercise(
    id="seen-targets",
    chapter="11_fixed_data",
    kind="fill in",
    title="Ask only about what was seen",
    minutes=15,
    points=4,
    function="seen_targets",
    reference=seen_targets,
    case=_seen_case,
    mistakes=(
        Mistake(
            "asks about everything",
            looks_like(_seen_by(lambda q, seen, worst: q.max(axis=1))),
            "The maximum still runs over actions that were never tried, and picks the numbers "
            "that are made up. Apply `seen` before you take the maximum.",
        ),
        Mistake(
            "zero for what was not seen",
            looks_like(
                _seen_by(lambda q, seen, worst: (q * seen).max(axis=1)),
                _seen_by(lambda q, seen, worst: np.where(seen, q, 0.0).max(axis=1)),
            ),
            "What was not seen became 0. Where every step costs something, 0 is the best value "
            "there can be, so the maximum prefers exactly what it should avoid.",
        ),
        Mistake(
            "nothing to choose from",
            is_not_finite,
            "Somewhere a number is not finite: in a state where nothing was seen, the best of "
            "nothing is minus infinity, or a mean of nothing. `worst` is meant for such states.",
        ),
        Mistake(
            "ends are missed",
            looks_like(_seen_endless),
            "Rows that end the walk look ahead as if it went on. After a termination there is "
            "nothing more to earn: only the reward counts.",
        ),
        Mistake(
            "no reward at the end",
            looks_like(_seen_nothing_at_ends),
            "At a termination the target is 0, and the last reward is lost. (1 - d) belongs to "
            "what comes after, not to the reward of the step itself.",
        ),
        Mistake(
            "d the wrong way round",
            looks_like(_seen_inverted),
            "Rows that end the walk look ahead, and all others do not. d is 1 at an end, and "
            "1 - d is what the value of the next state is multiplied by.",
        ),
        Mistake(
            "no discount",
            looks_like(_seen_undiscounted),
            "What comes a step later counts in full here; multiply it by `discount`.",
        ),
    ),
    hints=(
        "Three steps: a table in which nothing tempts, the best of each state, the targets.",
        "`np.where(condition, this, that)` chooses number by number.",
        "Index the best values with `next_states` to get one for each row; d switches them off.",
    ),
    praise="The mask acts before the maximum, where the harm is done, and `worst` is a value that "
    "the world really has: that of walking for ever.",
)


def disappointment(guesses: np.ndarray, truth: np.ndarray) -> float:
    """How much more the chosen action promises than it is worth, on average.

    `guesses`: (tables, actions), each row an independent guess of all values. The action of the
    largest guess is chosen. `truth`: (actions,), what they are worth.
    """
    chosen = guesses.argmax(axis=1)
    return float((guesses.max(axis=1) - truth[chosen]).mean())


def _disappointment_case(rng: np.random.Generator) -> Case:
    truth = rng.normal(size=5)
    return {"guesses": truth + rng.normal(scale=1.5, size=(40, 5)), "truth": truth}


DISAPPOINTMENT = Exercise(
    id="maximum-bias",
    chapter="11_fixed_data",
    kind="predict then run",
    title="The largest of fair guesses",
    minutes=10,
    points=3,
    function="disappointment",
    reference=disappointment,
    case=_disappointment_case,
    choices={
        "a": Choice(
            "0: every guess is fair",
            "Every guess is fair, and the largest is not: it was chosen *because* it is large, "
            "and the errors upwards are what makes a guess large. Now measure by how much.",
        ),
        "b": Choice(
            "about 1.4",
            "Well judged: the largest of eight standard normal numbers is 1.4 on average. All of "
            "it is error. Now measure it where the actions differ in worth.",
        ),
        "c": Choice(
            "8: the errors add up",
            "The right direction, and too far: a maximum takes one of the errors, not their sum, "
            "and errors of 8 standard deviations do not happen. Now measure it.",
        ),
    },
    mistakes=(
        Mistake(
            "mean before the maximum",
            looks_like(lambda guesses, truth: guesses.mean(axis=0).max() - truth.max()),
            "The mean over the tables came first, and averaged the errors away before the "
            "maximum could choose among them. Each table makes its own choice.",
        ),
        Mistake(
            "compared with the best",
            looks_like(lambda guesses, truth: guesses.max(axis=1).mean() - truth.max()),
            "The promise is compared with the best action's worth. What one gets is the worth "
            "of the *chosen* action, and that is often another one.",
        ),
        Mistake(
            "the promise alone",
            looks_like(lambda guesses, truth: guesses.max(axis=1).mean()),
            "This is what the chosen action promises. Subtract what it is worth, which is not 0 "
            "here.",
        ),
        Mistake(
            "a missed chance",
            looks_like(lambda guesses, truth: truth.max() - truth[guesses.argmax(axis=1)].mean()),
            "This is what the choice costs compared with the best one. The question is how much "
            "less it brings than it promised.",
        ),
        Mistake(
            "all guesses",
            looks_like(
                lambda guesses, truth: (guesses - truth).mean(),
                lambda guesses, truth: guesses.mean() - truth.mean(),
            ),
            "This is the mean error of *all* guesses, and they are fair. Look at the one that is "
            "chosen in each table.",
        ),
        Mistake(
            "sign",
            looks_like(lambda guesses, truth: -disappointment(guesses, truth)),
            "The size is right: promise minus worth, not the other way round.",
        ),
        Mistake(
            "wrong axis",
            looks_like(
                lambda guesses, truth: (guesses.max(axis=0) - truth).mean(),
                lambda guesses, truth: guesses.max(axis=0).mean() - truth.max(),
            ),
            "The maximum runs over the tables, action by action. A learner has one table, and "
            "takes the largest number in it.",
        ),
    ),
    hints=(
        "For each table: which action is chosen, what does it promise, what is it worth?",
        "`argmax(axis=1)` chooses, and `truth[...]` with what it gives says what one gets.",
        "The promise minus the worth, for each table, and the mean over the tables last.",
    ),
    praise="The choice is made once and used twice: for the promise and for what is got. For "
    "fair guesses the difference is never negative on average, and it is positive as soon as the "
    "choice can go wrong.",
)

EXERCISES: tuple[Exercise, ...] = (
    SEEN_TARGETS,
    DISAPPOINTMENT,
)
