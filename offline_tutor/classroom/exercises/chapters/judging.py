"""Exercises of the chapter 41_judging."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from offline_tutor.classroom.exercises.chapters.shared import flags, gaussian, pick
from offline_tutor.classroom.exercises.exercise import Case, Choice, Exercise, Mistake, looks_like
from offline_tutor.types import Array


def per_decision(ratios: np.ndarray, rewards: np.ndarray, discount: float) -> float:
    """What a policy is worth by the recorded episodes of another: their weighted mean.

    `ratios`: (episodes, steps), how many times likelier the policy takes the recorded action than
    those who recorded it did. `rewards`: (episodes, steps).
    """
    weights = np.cumprod(ratios, axis=1)
    discounts = discount ** np.arange(rewards.shape[1])
    return float((weights * discounts * rewards).sum(axis=1).mean())


def _decision_case(rng: np.random.Generator) -> Case:
    ratios = rng.uniform(0.4, 2.2, size=(7, 5))
    ratios[rng.permutation(7)[:2], rng.integers(1, 5, size=2)] = 0.0  # never done by the policy
    return {
        "ratios": ratios,
        "rewards": rng.normal(2.0, 0.5, size=(7, 5)),
        "discount": float(rng.uniform(0.7, 0.9)),
    }


def _products(ratios: Any) -> Any:
    return np.cumprod(ratios, axis=1)


def _decision_by(
    weights: Any, first: int = 0, average: Any = lambda table: table.sum(1).mean()
) -> Any:
    """The estimate with other weights, other powers of the discount, or another average."""

    def wrong(ratios: Any, rewards: Any, discount: Any) -> Any:
        discounts = discount ** (first + np.arange(rewards.shape[1]))
        return average(weights(ratios) * discounts * rewards)

    return wrong


def _whole(ratios: Any) -> Any:
    return np.prod(ratios, axis=1, keepdims=True)


def _before(ratios: Any) -> Any:
    """Products up to the step before: the first weight is 1."""
    return np.append(np.ones((len(ratios), 1)), _products(ratios)[:, :-1], axis=1)


def _normalised(weights: Any) -> Any:
    """Weights divided by their sum over the episodes, for a mean that divides once more."""

    def wrong(ratios: Any) -> Any:
        return len(ratios) * weights(ratios) / weights(ratios).sum(axis=0)

    return wrong


def _normalised_once_more(ratios: Any) -> Any:
    return _products(ratios) / _products(ratios).sum(axis=0)


def _decision_undiscounted(**case: Any) -> float:
    return per_decision(**{**case, "discount": 1.0})


PER_DECISION = Exercise(
    id="per-decision",
    chapter="41_judging",
    kind="predict then run",
    title="Only what came before",
    minutes=15,
    points=4,
    function="per_decision",
    reference=per_decision,
    case=_decision_case,
    choices={
        "a": Choice(
            "about 1.4 times: the root of 2",
            "The sum of twice as many independent numbers would spread so. These are products: a "
            "weight doubles at each right door, so that few walks carry the whole estimate. Now "
            "compute it.",
        ),
        "b": Choice(
            "twice: in proportion to the doors",
            "The worth doubles, and one would hope for no more. But walks that agree with the "
            "policy become rarer with every door, and each one that is left counts for more. Now "
            "compute it.",
        ),
        "c": Choice(
            "more than four times",
            "Yes: one walk in 16 takes four right doors in a row, and counts 16 times; of eight it "
            "is one in 256. The spread about doubles with every two doors. Now compute it.",
        ),
    },
    mistakes=(
        Mistake(
            "the whole product for every reward",
            looks_like(_decision_by(_whole)),
            "Every reward is weighted by the whole episode's product: ordinary importance "
            "sampling. It has the right mean, and as a rule spreads more than it must: what is "
            "done later cannot change a reward that has been paid. Weight each reward by the "
            "steps up to its own.",
        ),
        Mistake(
            "a ratio too few",
            looks_like(_decision_by(_before)),
            "Each reward is weighted by the steps *before* its own. But the step's own action "
            "earned it, and the policy might not have taken that one: its ratio belongs there.",
        ),
        Mistake(
            "the step's own ratio alone",
            looks_like(_decision_by(lambda ratios: ratios)),
            "Each reward has the ratio of its own step only, as if the policy could be set down "
            "anywhere. It also has to get there: all ratios of the way are multiplied.",
        ),
        Mistake(
            "not weighted",
            looks_like(_decision_by(np.ones_like)),
            "This is what those who recorded earned: no ratio has a part in it. A walk that the "
            "policy would take more often than they did has to count for more.",
        ),
        Mistake(
            "product over the episodes",
            looks_like(_decision_by(lambda ratios: np.cumprod(ratios, axis=0))),
            "The ratios are multiplied down the episodes, which have nothing to do with each "
            "other. Steps of one episode lie along the second axis.",
        ),
        Mistake(
            "normalised weights",
            looks_like(
                _decision_by(_normalised(_products)),
                _decision_by(_normalised(_whole)),
                _decision_by(_normalised_once_more),
            ),
            "The weights are divided by their sum. That is another estimator, *weighted* "
            "importance sampling: as a rule it spreads less, and it has a bias. Asked for here is "
            "the plain mean over the episodes, which has none.",
        ),
        Mistake(
            "no discount",
            looks_like(_decision_undiscounted),
            "What comes later counts in full here. The ratios say how likely it is, and not when "
            "it comes: the discount is an argument of its own.",
        ),
        Mistake(
            "discounted a step too far",
            looks_like(_decision_by(_products, first=1)),
            "Already the first reward is discounted. It counts in full, and the second is the "
            "first to be multiplied by the discount: powers begin at 0.",
        ),
        Mistake(
            "sum over the episodes",
            looks_like(_decision_by(_products, average=np.sum)),
            "This grows with the record: it adds the episodes up. An estimate of what one episode "
            "is worth is their mean.",
        ),
        Mistake(
            "mean over the steps",
            looks_like(_decision_by(_products, average=np.mean)),
            "The mean runs over the steps as well, so this is what one step is worth. The steps "
            "of an episode are added up, and then comes the mean over the episodes.",
        ),
    ),
    hints=(
        "Three tables of the same shape: how much likelier the policy is to have come this far "
        "and done this, how much a reward counts by its step, and the rewards.",
        "A product so far is to `np.cumprod` what a sum so far is to `np.cumsum`. Which axis "
        "holds the steps?",
        "Powers of the discount begin at 0. Add along the steps, then average over the episodes.",
    ),
    praise="Its mean over many records is exactly what the policy is worth, if the ratios are "
    "right and everything that the policy does was sometimes done. One record is another matter: "
    "in a long corridor a few walks carry all the weight, and most records have too few of them "
    "and say too little, while some have too many and say far too much.",
)


def fqe_targets(
    rewards: Array, terminations: Array, next_probabilities: Array, next_q: Array, discount: float
) -> Array:
    """Targets of fitted Q evaluation: (batch,).

    `rewards`, `terminations`: (batch,), the latter bool. `next_probabilities`, `next_q`: (batch,
    actions), how likely the policy is to take each action next, and what it is believed worth.
    """
    following = (next_probabilities * next_q).sum(axis=-1)
    return rewards + discount * (1 - terminations) * following


def _targets_case(rng: np.random.Generator) -> Case:
    return {
        "rewards": gaussian(rng, 9),
        "terminations": flags(rng, 9),
        "next_probabilities": jnp.asarray(rng.dirichlet(np.ones(4), size=9), jnp.float32),
        "next_q": gaussian(rng, 9, 4, mean=5.0, scale=3.0),
        "discount": float(rng.uniform(0.8, 0.95)),
    }


def _targets_by(following: Any, goes_on: Any = lambda d: 1 - d) -> Any:
    """Targets with another value of the next state, or other ends."""

    def wrong(
        rewards: Any, terminations: Any, next_probabilities: Any, next_q: Any, discount: Any
    ) -> Any:
        later = following(next_probabilities, next_q)
        return rewards + discount * goes_on(terminations) * later

    return wrong


def _mean_of(p: Any, q: Any) -> Any:
    return (p * q).sum(axis=-1)


def _targets_without_last(**case: Any) -> Any:
    return (1 - case["terminations"]) * fqe_targets(**case)


def _targets_undiscounted(**case: Any) -> Any:
    return fqe_targets(**{**case, "discount": 1.0})


FQE_TARGETS = Exercise(
    id="fqe-targets",
    chapter="41_judging",
    kind="fill in",
    title="Not the best action, but its own",
    minutes=10,
    points=3,
    function="fqe_targets",
    reference=fqe_targets,
    case=_targets_case,
    mistakes=(
        Mistake(
            "the best action",
            looks_like(_targets_by(lambda p, q: q.max(axis=-1))),
            "These are Q-learning's targets: they go on with the best action, whoever is judged, "
            "so that every policy gets the same mark. Go on with what *this* policy would do.",
        ),
        Mistake(
            "the likeliest action alone",
            looks_like(_targets_by(lambda p, q: pick(q, p.argmax(axis=-1)))),
            "Only the policy's likeliest action counts here. That is right for a policy that "
            "takes no other; one that is sometimes careless is marked as if it never were. Each "
            "action counts as often as the policy takes it.",
        ),
        Mistake(
            "all actions alike",
            looks_like(
                _targets_by(lambda p, q: q.mean(axis=-1)),
                _targets_by(lambda p, q: q.sum(axis=-1)),
            ),
            "The probabilities have no part in this: every action counts alike, as if all "
            "policies acted at random. Weight each action by how likely the policy is to take it.",
        ),
        Mistake(
            "divided once more",
            looks_like(_targets_by(lambda p, q: (p * q).mean(axis=-1))),
            "The products are averaged, so that they are divided by the number of actions. The "
            "probabilities sum to 1 already: the sum of the products *is* the mean.",
        ),
        Mistake(
            "over the whole minibatch",
            looks_like(
                _targets_by(lambda p, q: (p * q).sum()),
                _targets_by(lambda p, q: (p * q).sum(axis=-1).mean()),
            ),
            "All rows look ahead to one number, made of the whole minibatch. Each row has its own "
            "next state: name the axis of the actions.",
        ),
        Mistake(
            "nothing ends",
            looks_like(_targets_by(_mean_of, lambda d: 1.0)),
            "Rows that end the task look ahead as well. Nothing comes after a termination, and "
            "what the table or network says of that place is never corrected by a row.",
        ),
        Mistake(
            "ends only",
            looks_like(_targets_by(_mean_of, lambda d: d)),
            "The future counts only where the task ended. It is the other way round: d is 1 at an "
            "end.",
        ),
        Mistake(
            "no reward at the end",
            looks_like(_targets_without_last),
            "At a termination the target is 0, so the last reward is lost. (1 - d) belongs to "
            "what comes after the step, not to what the step itself earned.",
        ),
        Mistake(
            "no discount",
            looks_like(_targets_undiscounted),
            "What comes a step later counts in full here; the discount is an argument.",
        ),
    ),
    hints=(
        "It is the target of DQN but for one thing: what is the next state worth to a policy that "
        "takes each action with a probability of its own?",
        "The mean of numbers that come with probabilities: multiply each number by its own, and "
        "add up. Along which axis?",
        "The reward stands outside: (1 - d) and the discount multiply what comes after it.",
    ),
    praise="One line differs from Q-learning, and with it the question: not how well one could "
    "act, but how well this policy does. A row counts whatever came before it: at each door half "
    "of all walks go right, however long the corridor is. The price is that Q has to be right "
    "wherever the policy goes, also where the record has no rows. In the corridor there was no "
    "such place.",
)

EXERCISES: tuple[Exercise, ...] = (
    PER_DECISION,
    FQE_TARGETS,
)
