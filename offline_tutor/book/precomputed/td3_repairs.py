"""TD3 with each of its three repairs taken away: what each of them does on the pendulum.

    python -m offline_tutor.book.precomputed.td3_repairs pendulum/replay-v0

writes td3_repairs_pendulum_replay.npz with, for each of `CHANGES` and each seed,

    returns   mean undiscounted return of fresh episodes, after training on the dataset
    believed  what the first critic thinks of the policy in states of the data, on average
    true      the discounted return that the policy then gets from the same states

and, for the replay, `online` and `online_believed`: the return where the same agent learns by
trial, and the mean target of its critics in the last thousand steps.

Without the delay the actor and the targets move at each step, so twice as often. "same speed" moves
them half as far each time: what then differs is the delay alone. With one critic the second one
still learns, but nothing listens to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms import TD3, td3
from offline_tutor.book.precomputed import alpha_sweep
from offline_tutor.book.precomputed.sweep import Arrays, Sweep, train_each
from offline_tutor.data import Dataset
from offline_tutor.environments import Pendulum
from offline_tutor.evaluation import evaluate, rollout
from offline_tutor.policies import Policy
from offline_tutor.training import train_online
from offline_tutor.types import Array, PerRow, Transitions

PENDULUM = Pendulum()
REPLAY = "pendulum/replay-v0"
ONLINE_STEPS = 7000
STATES = 100  # of the data, in which belief and truth are compared
SMOOTHLESS: dict[str, Any] = {"policy_noise": 0.0}
UNDELAYED: dict[str, Any] = {"policy_delay": 1}
SAME_SPEED: dict[str, Any] = UNDELAYED | {
    "tau": alpha_sweep.NETWORKS["tau"] / 2,
    "actor_learning_rate": alpha_sweep.NETWORKS["actor_learning_rate"] / 2,
}
CHANGES: dict[str, dict[str, Any]] = {
    "TD3": {},
    "one critic": {},
    "no smoothing": SMOOTHLESS,
    "no delay": UNDELAYED,
    "no delay, same speed": SAME_SPEED,
    "none of the three": SMOOTHLESS | UNDELAYED,
}
ONE_CRITIC = ("one critic", "none of the three")


def first_critic_targets(
    state: td3.State, batch: Transitions, key: Array, config: td3.Config
) -> PerRow:
    """TD3's targets without a second opinion."""
    alone = state._replace(target_critic=state.target_critic[:1])
    return td3.target_values(alone, batch, key, config)


SINGLE = replace(TD3, name="td3_one_critic", target_values=first_critic_targets)


def settings(name: str, change: str) -> tuple[Any, Any]:
    """The algorithm and its configuration for a dataset."""
    algorithm, config = alpha_sweep.settings(name, np.inf)
    if change in ONE_CRITIC:
        algorithm = SINGLE
    return algorithm, replace(config, **CHANGES[change])


def describe(name: str) -> dict[str, Any]:
    """The configuration of each change, as the file records it."""
    return {change: asdict(settings(name, change)[1]) for change in CHANGES}


def measure(
    dataset: Dataset, changes: Sequence[str], num_steps: int, seeds: int
) -> Iterator[Arrays]:
    """Trains with every change; what the file holds of each."""
    each = [settings(dataset.name, change) for change in changes]
    options = {"num_steps": num_steps, "batch_size": alpha_sweep.BATCH_SIZE, "seeds": seeds}
    for setting, run in zip(each, train_each(dataset, each, **options), strict=True):
        found = assess(run.policy, dataset)
        if dataset.name == REPLAY:
            found.update(learn_online(*setting, seeds))
        yield found


def assess(policies: Policy, dataset: Dataset) -> Arrays:
    """What the file holds of each policy in a stack: (seeds,) each."""
    rows = np.linspace(0, len(dataset) - 1, STATES).astype(int)
    believed, true = compare(policies, dataset.transitions.observations[rows])
    return {
        "returns": evaluate(policies, PENDULUM, episodes=alpha_sweep.EPISODES).mean(-1),
        "believed": np.asarray(believed.mean(-1)),
        "true": np.asarray(true.mean(-1)),
    }


@jax.jit
def compare(policies: Policy, observations: Array) -> tuple[Array, Array]:
    """What the first critic believes in each state and what comes: (seeds, states) each."""
    cos, sin, speed = observations.T
    states = jnp.stack([jnp.arctan2(sin, cos), speed], axis=1)
    discount = alpha_sweep.TASKS[REPLAY][1]
    weights = discount ** jnp.arange(PENDULUM.max_episode_steps)

    def one(policy: Policy) -> tuple[Array, Array]:
        start = {"episodes": len(states), "initial_states": states}
        played = rollout(policy, PENDULUM, jax.random.key(0), **start)
        return policy.value(observations), played.rewards @ weights

    return policies.map(one)


def learn_online(algorithm: Any, config: Any, seeds: int) -> Arrays:
    """The return of the same agent after it learned by trial, and the mean of its last targets."""
    run, _ = train_online(
        algorithm,
        PENDULUM,
        config=config,
        num_steps=ONLINE_STEPS,
        random_steps=500,
        batch_size=alpha_sweep.BATCH_SIZE,
        seeds=seeds,
        progress=False,
    )
    if not run.finished:
        raise KeyboardInterrupt
    scores = evaluate(run.policy, PENDULUM, episodes=alpha_sweep.EPISODES).mean(-1)
    return {"online": scores, "online_believed": np.asarray(run.metrics["q"][-1])}


SWEEP = Sweep(
    name="td3_repairs",
    axis="changes",
    ways=tuple(CHANGES),
    datasets=(REPLAY, "pendulum/medium-v0"),
    batch_size=alpha_sweep.BATCH_SIZE,
    seeds=10,
    describe=describe,
    measure=measure,
)

if __name__ == "__main__":
    print(SWEEP.main())
