"""Twenty-eight policies of CartPole, judged by their record alone in several ways.

    python -m offline_tutor.book.precomputed.judging cartpole/mixed-v0

writes judging_cartpole_mixed.npz. For each of ten records, drawn from the episodes of the dataset
with replacement: cloning, DQN, QR-DQN and CQL with four alphas, two seeds each, as they are after a
quarter of the steps and after all of them; what each earned in 64 episodes; and what is believed of
it without acting. The judges' settings were chosen on the whole dataset with other seeds (100 to
103), never on these records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import jax
import numpy as np

from offline_tutor.algorithms import BC_DISCRETE, CQL_QR_DQN, DQN, QR_DQN
from offline_tutor.algorithms.dqn import QLearning
from offline_tutor.book.precomputed.sweep import Arrays, Sweep
from offline_tutor.data import Dataset
from offline_tutor.environments import CartPole
from offline_tutor.evaluation import evaluate
from offline_tutor.ope import (
    FQE,
    cloned_behaviour,
    effective_sample_size,
    fitted_q_evaluations,
    logged,
    softened,
    weighted_per_decision,
)
from offline_tutor.ope.evaluate import initial_observations
from offline_tutor.policies import Policy
from offline_tutor.training import Run, train

RECORDS = 10
ALPHAS = (0.1, 0.5, 2.0, 8.0)
SHARED: dict[str, Any] = {
    "hidden": (64, 64),
    "learning_rate": 1e-3,
    "discount": 0.98,
    "tau": 0.02,
    "target_period": 1,
}
CQL = CQL_QR_DQN.Config(**SHARED, num_quantiles=16)
FAMILIES: dict[str, tuple[Any, list[Any]]] = {
    "bc": (BC_DISCRETE, [BC_DISCRETE.Config(hidden=(64, 64), actor_learning_rate=1e-3)]),
    "dqn": (DQN, [DQN.Config(**SHARED)]),
    "qr_dqn": (QR_DQN, [QR_DQN.Config(**SHARED, num_quantiles=16)]),
    "cql_qr_dqn": (CQL_QR_DQN, [replace(CQL, alpha=alpha) for alpha in ALPHAS]),
}
JUDGE = FQE.Config(hidden=(64, 64), discount=0.99, tau=0.05)
JUDGE_STEPS, JUDGE_BATCH, JUDGES = 3000, 64, 2
EPSILON = 0.1  # random actions in what importance sampling judges, which else has no weight
EPISODES = 64  # played with each


def resampled(dataset: Dataset, number: int) -> Dataset:
    """A record of as many episodes, drawn with replacement."""
    drawn = np.random.default_rng(number).integers(dataset.num_episodes, size=dataset.num_episodes)
    return dataset.subset(drawn)


def candidates(
    dataset: Dataset, seeds: Sequence[int], num_steps: int
) -> Iterator[tuple[str, float, int, Policy]]:
    """Family, alpha, steps and policy of each, in a fixed order."""
    for name, (algorithm, configs) in FAMILIES.items():
        early: list[Policy] = []

        def keep(run: Run, early: list[Policy] = early) -> None:
            early.append(run.policy)

        run = train(
            algorithm,
            dataset,
            config=configs,
            num_steps=num_steps,
            batch_size=64,
            seeds=seeds,
            every=max(1, num_steps // 4),
            normalize=True,
            callbacks=[keep],
            progress=False,
        )
        for steps, stack in ((num_steps // 4, early[0]), (num_steps, run.policy)):
            for row, (config, _) in enumerate(stack.rows):
                yield name, getattr(config, "alpha", 0.0), steps, stack.seed(row)


def measure(dataset: Dataset, ways: Sequence[Any], num_steps: int, seeds: int) -> Iterator[Arrays]:
    """Of each record, by candidate: what it earned, and what each judge says."""
    for number in ways:
        record = resampled(dataset, number)
        found = list(candidates(record, range(seeds * number, seeds * (number + 1)), num_steps))
        names, alphas, steps, policies = (list(column) for column in zip(*found, strict=True))
        earned = [
            evaluate(policy, CartPole(), episodes=EPISODES, key=number) for policy in policies
        ]
        judged: dict[str, Any] = {
            "families": np.array(names),
            "candidate_alphas": np.array(alphas),
            "candidate_steps": np.array(steps),
            "returns": np.array(earned, np.int16),
        }
        judge_steps = min(JUDGE_STEPS, num_steps)
        yield (
            judged
            | by_critics(policies, record)
            | by_weights(policies, record, judge_steps)
            | by_fqe(policies, record, judge_steps)
        )


def by_critics(policies: Sequence[Policy], record: Dataset) -> dict[str, Any]:
    """What critics believe at the starts, their temporal-difference errors, and agreement."""
    first, rows = initial_observations(record), record.transitions
    believed, errors, agreement = [], [], []
    for policy in policies:
        agrees = np.asarray(policy(rows.observations)) == rows.actions
        agreement.append(agrees.mean())
        algorithm = policy.algorithm
        if not isinstance(algorithm, QLearning):  # a clone has no critic
            believed.append(np.nan)
            errors.append(np.nan)
            continue
        believed.append(float(np.mean(policy.value(first))))
        q = jax.jit(algorithm.values)(
            policy.state.network, policy.normalization.observe(rows.observations), policy.config
        )
        following = np.asarray(policy.value(rows.next_observations))
        targets = rows.rewards + policy.config.discount * (1 - rows.terminations) * following
        taken = np.asarray(q)[np.arange(len(record)), rows.actions]
        errors.append(np.mean((taken - targets) ** 2))
    return {
        "believed": np.array(believed),
        "errors": np.array(errors),
        "agreement": np.array(agreement),
    }


def by_weights(policies: Sequence[Policy], record: Dataset, num_steps: int) -> dict[str, Any]:
    """Weighted importance sampling of softened policies, and its effective episodes."""
    clone = cloned_behaviour(record, num_steps=num_steps)
    seen = [logged(record, softened(policy, EPSILON), clone) for policy in policies]
    return {
        "weighted": np.array(
            [weighted_per_decision(one.ratios, one.rewards, JUDGE.discount) for one in seen]
        ),
        "effective": np.array([effective_sample_size(one.ratios) for one in seen]),
    }


def by_fqe(policies: Sequence[Policy], record: Dataset, num_steps: int) -> dict[str, Any]:
    """Fitted Q evaluation, (candidates, judges), with layer normalisation and without."""
    found = {}
    for name, config in (("fqe", JUDGE), ("fqe_plain", replace(JUDGE, layer_norm=False))):
        evaluations = fitted_q_evaluations(
            policies,
            record,
            config=config,
            num_steps=num_steps,
            batch_size=JUDGE_BATCH,
            seeds=JUDGES,
        )
        found[name] = np.array([one.values.mean(1) for one in evaluations])
    return found


def describe(name: str) -> dict[str, Any]:
    """The settings of candidates and judges, as the file records them."""
    return {
        "candidates": {
            family: [asdict(config) for config in configs]
            for family, (_, configs) in FAMILIES.items()
        },
        "judge": asdict(JUDGE) | {"num_steps": JUDGE_STEPS, "batch_size": JUDGE_BATCH},
        "epsilon": EPSILON,
    }


SWEEP = Sweep(
    name="judging",
    axis="records",
    ways=tuple(range(RECORDS)),
    datasets=("cartpole/mixed-v0", "cartpole/random-v0"),
    batch_size=64,
    seeds=2,
    describe=describe,
    measure=measure,
)

if __name__ == "__main__":
    print(SWEEP.main())
