"""Exercises of the chapter 13_behaviour_cloning."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from offline_tutor.classroom.exercises.chapters.shared import no_gradient
from offline_tutor.classroom.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    gradients,
    looks_like,
)
from offline_tutor.types import Array


def cloning_loss(outputs: Array, actions: Array, max_action: float) -> Array:
    """Mean squared distance of the policy's actions to the data's: ().

    `outputs`: (n, 1), what the network says; the policy is max_action * tanh(outputs).
    `actions`: (n,), of the data, the one component in a flat array.
    """
    proposed = max_action * jnp.tanh(outputs)[:, 0]
    return ((proposed - actions) ** 2).mean()


def _cloning_case(rng: np.random.Generator) -> Case:
    largest = float(rng.uniform(1.5, 3))
    return {
        "outputs": jnp.asarray(rng.normal(size=(7, 1)), jnp.float32),
        "actions": jnp.asarray(rng.uniform(-largest, largest, size=7), jnp.float32),
        "max_action": largest,
    }


def _cloning_everybody(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((max_action * jnp.tanh(outputs) - actions) ** 2).mean()


def _cloning_sum(outputs: Any, actions: Any, max_action: Any) -> Any:
    return cloning_loss(outputs, actions, max_action) * len(actions)


def _cloning_everybody_sum(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((max_action * jnp.tanh(outputs) - actions) ** 2).sum()


def _cloning_unbounded(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((outputs[:, 0] - actions) ** 2).mean()


def _cloning_unbounded_scaled(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((max_action * outputs[:, 0] - actions) ** 2).mean()


def _cloning_unscaled(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((jnp.tanh(outputs)[:, 0] - actions) ** 2).mean()


def _cloning_absolute(outputs: Any, actions: Any, max_action: Any) -> Any:
    return jnp.abs(max_action * jnp.tanh(outputs)[:, 0] - actions).mean()


def _cloning_root(outputs: Any, actions: Any, max_action: Any) -> Any:
    return jnp.sqrt(cloning_loss(outputs, actions, max_action))


CLONING_LOSS = Exercise(
    id="cloning-loss",
    chapter="13_behaviour_cloning",
    kind="fill in",
    title="Copy row by row",
    minutes=10,
    points=3,
    function="cloning_loss",
    reference=cloning_loss,
    case=_cloning_case,
    probe=gradients("outputs"),
    mistakes=(
        Mistake(
            "broadcasting",
            looks_like(_cloning_everybody, _cloning_everybody_sum),
            "A column (n, 1) less a flat array (n,) is a table (n, n): every action of the policy "
            "is compared with every row of the data, and the best it can do is to give the mean "
            "everywhere. Bring both to the same shape first.",
        ),
        Mistake(
            "sum in place of the mean",
            looks_like(_cloning_sum),
            "The number is right, times the size of the minibatch. With a sum the step that suits "
            "32 rows is eight times too long for 256: take the mean.",
        ),
        Mistake(
            "the policy has no bounds",
            looks_like(_cloning_unbounded, _cloning_unbounded_scaled),
            "The network's outputs are compared as they are. They may be any size; the policy "
            "squashes them into the range of the motor before it acts.",
        ),
        Mistake(
            "bounds of another motor",
            looks_like(_cloning_unscaled),
            "The policy never goes beyond 1, and the data goes up to max_action. Scale it.",
        ),
        Mistake(
            "distance without the square",
            looks_like(_cloning_absolute),
            "This is the absolute distance, whose best answer is the median. The task asks for "
            "the squared one.",
        ),
        Mistake(
            "root of the loss",
            looks_like(_cloning_root),
            "This is the root of the mean square: a good number to print, and another loss.",
        ),
        Mistake(
            "no gradient",
            no_gradient("outputs"),
            "The number is right, and nothing can be learned from it: its gradient is zero. Is "
            "there a stop_gradient on the way from the outputs to the loss?",
        ),
    ),
    hints=(
        "First the policy: the outputs through tanh, and then as far as max_action goes.",
        "Print the shapes of the policy's actions and of the data's before you subtract.",
        "`outputs[:, 0]`, or `actions[:, None]`: one of them, so that row i meets row i.",
    ),
    praise="One index makes both flat, and row i meets row i. An assert on two shapes costs a "
    "line and can save a week: the wrong version runs without a warning, and its loss falls, too.",
)


def expected_cost(epsilon: float, horizon: int) -> float:
    """Mean cost of `horizon` steps, each spoilt by a mistake with probability `epsilon`."""
    steps = np.arange(1, horizon + 1)
    lost = 1 - (1 - epsilon) ** steps  # probability that a mistake has been made by then
    return float(lost.sum())


def _cost_case(rng: np.random.Generator) -> Case:
    return {"epsilon": float(rng.uniform(0.01, 0.1)), "horizon": int(rng.integers(20, 100))}


EXPECTED_COST = Exercise(
    id="compounding",
    chapter="13_behaviour_cloning",
    kind="predict then run",
    title="One mistake in a hundred",
    minutes=10,
    points=3,
    function="expected_cost",
    reference=expected_cost,
    case=_cost_case,
    choices={
        "a": Choice(
            "about 1",
            "You counted mistakes: one in a hundred steps. But after it the clone is lost, and "
            "every step that is left costs 1, too. Now compute how much.",
        ),
        "b": Choice(
            "about 37",
            "Good instinct: a first mistake comes somewhere on the way, and costs all the steps "
            "after it. Now compute it, and look at how it grows when the road is twice as long.",
        ),
        "c": Choice(
            "close to 100",
            "It would be, if the first mistake always came at once. It often comes late, and in "
            "more than a third of all drives never. Now compute what is left.",
        ),
    },
    mistakes=(
        Mistake(
            "a mistake costs one step",
            looks_like(lambda epsilon, horizon: epsilon * horizon),
            "This counts the mistakes. Here a mistake costs the step on which it is made *and "
            "every later one*: ask for each step how likely it is that all is still well.",
        ),
        Mistake(
            "lost from the start",
            looks_like(lambda epsilon, horizon: horizon * (1 - (1 - epsilon) ** horizon)),
            "This is the probability of any mistake times all steps, as if it always came at the "
            "first of them. Each step needs a probability of its own.",
        ),
        Mistake(
            "one step late",
            looks_like(
                lambda epsilon, horizon: sum(1 - (1 - epsilon) ** t for t in range(horizon))
            ),
            "Off by one: at the first step a mistake is already possible, and that step then "
            "costs 1.",
        ),
        Mistake(
            "the part that is well",
            looks_like(
                lambda epsilon, horizon: sum((1 - epsilon) ** t for t in range(1, horizon + 1))
            ),
            "This is the number of steps on which all is still well. The cost is the others.",
        ),
        Mistake(
            "small-epsilon formula",
            looks_like(
                lambda epsilon, horizon: epsilon * horizon * (horizon + 1) / 2,
                lambda epsilon, horizon: epsilon * horizon**2 / 2,
                lambda epsilon, horizon: epsilon * horizon**2,
            ),
            "You have an approximation. For small epsilon the cost is close to epsilon T^2 / 2, "
            "which is why it is called quadratic; epsilon T^2 is twice that, an upper bound. Here "
            "both overshoot, because a road is spoilt only once. Be exact.",
        ),
    ),
    hints=(
        "The cost is a sum over steps. Which probability belongs to step t?",
        "All is well after t steps if no mistake was made in any of them: `(1 - epsilon) ** t`.",
        "Sum what is left of 1, for t from 1 to the horizon.",
    ),
    praise="The expectation of a sum is the sum of the expectations, so one probability a step is "
    "all you need. Here twice the road costs three times as much, 114 instead of 37; on a "
    "road so short that a mistake is rare, nearly four times.",
)


def best_rows(rewards: np.ndarray, lengths: np.ndarray, share: float) -> np.ndarray:
    """Which rows belong to the best share of the episodes, by return: (rows,) bool.

    `rewards`: (rows,), one episode after the other. `lengths`: (episodes,) int, their rows.
    """
    returns = np.add.reduceat(rewards, np.cumsum(lengths) - lengths)
    keep = round(share * len(lengths))
    best = np.argsort(-returns)[:keep]
    return np.isin(np.repeat(np.arange(len(lengths)), lengths), best)


def _best_case(rng: np.random.Generator) -> Case:
    lengths = rng.integers(3, 40, size=20)
    level = rng.normal(0.8, 0.5, size=20)  # some drive better than others
    rewards = np.repeat(level, lengths) + rng.normal(size=lengths.sum())
    return {"rewards": rewards, "lengths": lengths, "share": float(rng.choice([0.25, 0.4, 0.5]))}


def _best_by(score: Any) -> Any:
    """The rows of the best episodes by another score: `score(returns, lengths)`."""

    def wrong(rewards: Any, lengths: Any, share: Any) -> np.ndarray:
        returns = np.add.reduceat(rewards, np.cumsum(lengths) - lengths)
        order = np.argsort(-score(returns, lengths))[: round(share * len(lengths))]
        return np.isin(np.repeat(np.arange(len(lengths)), lengths), order)

    return wrong


def _best_single_rows(rewards: Any, lengths: Any, share: Any) -> np.ndarray:
    keep = round(share * len(rewards))
    return rewards >= np.sort(rewards)[-keep]


def _is_not_a_mask(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["value"].shape != right["value"].shape and mine["value"].ndim == 1


BEST_ROWS = Exercise(
    id="best-rows",
    chapter="13_behaviour_cloning",
    kind="find the bug",
    title="Only the best",
    minutes=15,
    points=4,
    function="best_rows",
    reference=best_rows,
    case=_best_case,
    mistakes=(
        Mistake(
            "single rows",
            looks_like(_best_single_rows),
            "These are the best *rows*. A pendulum's best rows are those in which it already "
            "stands: nothing among them shows how it got there. What is good is a whole episode, "
            "with the poor rewards that had to be paid on the way.",
        ),
        Mistake(
            "the worst",
            looks_like(_best_by(lambda returns, lengths: -returns)),
            "These are the worst episodes. `np.argsort` puts the smallest first.",
        ),
        Mistake(
            "mean reward",
            looks_like(_best_by(lambda returns, lengths: returns / lengths)),
            "These episodes have the best *mean* reward. The return is the sum, and it is what "
            "the task asks for: they differ where episodes are not equally long.",
        ),
        Mistake(
            "the longest",
            looks_like(_best_by(lambda returns, lengths: lengths)),
            "These are the longest episodes. Long is not good, unless every step pays.",
        ),
        Mistake(
            "no mask",
            _is_not_a_mask,
            "One bool for each row of the file is wanted, so that every column can be cut with "
            "it. `np.repeat` spreads what is known of an episode over its rows.",
        ),
    ),
    hints=(
        "What is the best row of a pendulum that was swung up, and what would a clone learn there?",
        "First one number for each episode, its return; then which episodes; then their rows.",
        "`np.add.reduceat` sums by episode, `np.repeat(..., lengths)` goes back to rows.",
    ),
    praise="Down from rows to episodes, choose, and back up again. The mask cuts every column of "
    "the dataset alike.",
)

EXERCISES: tuple[Exercise, ...] = (
    CLONING_LOSS,
    EXPECTED_COST,
    BEST_ROWS,
)
