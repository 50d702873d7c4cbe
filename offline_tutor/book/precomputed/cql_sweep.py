"""CQL on one dataset with many alphas, from QR-DQN (no penalty) to cloning (nothing else).

    python -m offline_tutor.book.precomputed.cql_sweep cartpole/mixed-v0

writes cql_sweep_cartpole_mixed.npz with, for each alpha (the first, 0, is QR-DQN; the last,
infinity, is cloning, which believes nothing: NaN) and each seed,

    returns        mean undiscounted return of fresh episodes
    believed       what the network thinks that the policy is worth where these episodes start
    true           the discounted return that then came
    believed_data  the same two where the data has been: at observations spread evenly over it
    true_data
    agreement      share of the data's actions that the policy would take too
    gap            what the penalty measures: logsumexp of Q minus Q of the data's action, mean;
                   of cloning, its cross-entropy
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms import BC_DISCRETE, CQL_QR_DQN
from offline_tutor.book.precomputed.sweep import Arrays, Sweep, train_each
from offline_tutor.data import Dataset
from offline_tutor.environments import CartPole
from offline_tutor.evaluation import rollout
from offline_tutor.networks import mlp
from offline_tutor.policies import Policy
from offline_tutor.types import Array, Transitions

ALPHAS = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, np.inf)
DATASETS = ("cartpole/mixed-v0", "cartpole/expert-v0", "cartpole/random-v0")
DISCOUNT = 0.98
HIDDEN, LEARNING_RATE = (64, 64), 1e-3
VALUES: dict[str, Any] = {
    "discount": DISCOUNT,
    "tau": 0.02,
    "target_period": 1,
    "num_quantiles": 16,
}
BATCH_SIZE = 64
EPISODES = 64  # fresh ones, to measure the return of each seed; and as many from the data


def settings(alpha: float) -> tuple[Any, Any]:
    """The algorithm and its configuration."""
    if np.isinf(alpha):
        return BC_DISCRETE, BC_DISCRETE.Config(hidden=HIDDEN, actor_learning_rate=LEARNING_RATE)
    network = {"hidden": HIDDEN, "learning_rate": LEARNING_RATE}
    return CQL_QR_DQN, CQL_QR_DQN.Config(**network, **VALUES, alpha=alpha)


def describe(name: str) -> dict[str, Any]:
    """The configuration that all alphas of a dataset share, as the file records it."""
    return asdict(settings(1.0)[1]) | {"alpha": "alphas"}


def measure(
    dataset: Dataset, alphas: Sequence[float], num_steps: int, seeds: int
) -> Iterator[Arrays]:
    """Trains with every alpha; what the file holds of each."""
    keys = jax.random.split(jax.random.key(1), seeds)
    options = {"num_steps": num_steps, "batch_size": BATCH_SIZE, "seeds": seeds}
    for run in train_each(dataset, map(settings, alphas), **options):
        yield assess(run.policy, keys, dataset.transitions)


@jax.jit
def assess(policies: Policy, keys: Array, data: Transitions) -> Arrays:
    """What the file holds of each policy in a stack: (seeds,) each."""
    places = data.observations[:: len(data.rewards) // EPISODES][:EPISODES]
    play = partial(rollout, environment=CartPole(), episodes=EPISODES)

    def assess_one(policy: Policy, key: Array) -> Arrays:
        fresh, from_data = play(policy, key=key), play(policy, key=key, initial_states=places)
        scores = score(policy, data.observations)
        chosen = jnp.take_along_axis(scores, data.actions[:, None], axis=1)[:, 0]
        discounts = DISCOUNT ** jnp.arange(CartPole().max_episode_steps)
        knows = hasattr(policy.algorithm, "value")
        return {
            "returns": fresh.rewards.sum(1).mean(),
            "believed": policy.value(fresh.observations[:, 0]).mean() if knows else jnp.nan,
            "true": (fresh.rewards @ discounts).mean(),
            "believed_data": policy.value(places).mean() if knows else jnp.nan,
            "true_data": (from_data.rewards @ discounts).mean(),
            "agreement": (scores.argmax(-1) == data.actions).mean(),
            "gap": (jax.nn.logsumexp(scores, axis=-1) - chosen).mean(),
        }

    return policies.map(assess_one, keys)


def score(policy: Policy, observations: Array) -> Array:
    """Q of each action, or what cloning has in its place: (batch, actions)."""
    observations = policy.normalization.observe(observations)
    if policy.algorithm is BC_DISCRETE:
        return mlp(policy.state.actor, observations)
    return CQL_QR_DQN.values(policy.state.network, observations, policy.config)


SWEEP = Sweep(
    name="cql_sweep",
    ways=ALPHAS,
    datasets=DATASETS,
    batch_size=BATCH_SIZE,
    seeds=10,
    describe=describe,
    measure=measure,
)

if __name__ == "__main__":
    print(SWEEP.main())
