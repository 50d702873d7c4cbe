"""TD3 on records of the pendulum that differ in the states and in the torques that they cover.

    python -m offline_tutor.book.precomputed.coverage pendulum/medium-v0

writes coverage_pendulum_medium.npz with, for each of `RECORDS` and each seed,

    returns   mean undiscounted return of fresh episodes
    believed  what the first critic thinks of the policy in states of the record, on average
    true      the discounted return that the policy then gets from the same states

Four records hold as many steps as the medium one: in its states or in as many of the replay's, with
the torques of one policy (a clone of the medium record, with its noise) or with uniformly random
ones. The simulator says what came of each. Three are parts of the replay: the episodes that
returned more than -300, all others, and the worst 18 of these. The rest are the medium record and
some steps of the replay, drawn at random: the share is that of these steps in the whole.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms import BC
from offline_tutor.book.precomputed import alpha_sweep, td3_repairs
from offline_tutor.book.precomputed.sweep import Arrays, Sweep, train_each
from offline_tutor.data import Dataset, from_arrays, load_dataset
from offline_tutor.environments import Pendulum
from offline_tutor.training import train
from offline_tutor.types import Array, Transitions

PENDULUM = Pendulum()
SUCCESS = -300.0  # the return above which an episode of the replay counts as one
HOPELESS = -550.0  # below this none of its episodes ends with the pendulum upright
NOISE = 0.1 * PENDULUM.max_torque  # of the medium record's torques

Torques = Callable[[Array, np.random.Generator], np.ndarray]


def single_steps(rows: Transitions) -> Dataset:
    """A dataset of transitions that belong to no episode."""
    limit = PENDULUM.max_torque
    return from_arrays(
        *rows[:3],
        next_observations=rows.next_observations,
        terminations=rows.terminations,
        truncations=np.ones(len(rows.rewards), bool),
        action_bounds=(-limit, limit),
    )


def take(dataset: Dataset, rows: Any) -> Transitions:
    """Some of a dataset's rows."""
    return jax.tree.map(lambda column: np.asarray(column)[rows], dataset.transitions)


def try_out(observations: Array, torques: Array) -> Transitions:
    """One step of the simulator from each observed state, with each torque."""
    cos, sin, speed = observations.T
    states = jnp.stack([jnp.arctan2(sin, cos), speed], axis=1)
    actions = jnp.asarray(torques, jnp.float32)
    after = jax.vmap(PENDULUM.transition)(states, actions)
    rewards = jax.vmap(lambda s, a, t: PENDULUM.reward(s, a, t, None))(states, actions, after)
    seen = jax.vmap(lambda state: PENDULUM.observation(state, None))(after)
    columns = (observations, actions, rewards, seen, np.zeros(len(states)))
    return Transitions(*(np.asarray(column, np.float32) for column in columns))


def random_torques(observations: Array, rng: np.random.Generator) -> np.ndarray:
    """Any torque in any state."""
    return rng.uniform(-PENDULUM.max_torque, PENDULUM.max_torque, size=(len(observations), 1))


def clone_of(medium: Dataset, num_steps: int) -> Torques:
    """The torques of one policy, with noise."""
    common = alpha_sweep.NETWORKS
    config = BC.Config(hidden=common["hidden"], actor_learning_rate=common["actor_learning_rate"])
    run = train(
        BC,
        medium,
        config=config,
        num_steps=num_steps,
        batch_size=alpha_sweep.BATCH_SIZE,
        seeds=1,
        normalize=True,
        progress=False,
    )
    policy = run.policy.seed(0)

    def torques(observations: Array, rng: np.random.Generator) -> np.ndarray:
        noise = NOISE * rng.normal(size=(len(observations), 1))
        limit = PENDULUM.max_torque
        return np.clip(np.asarray(policy(observations)) + noise, -limit, limit)

    return torques


def records(medium: Dataset, num_steps: int) -> dict[str, Callable[[], Dataset]]:
    """A function that makes each record, by its name."""
    replay, clone = load_dataset(td3_repairs.REPLAY), clone_of(medium, num_steps)
    each = np.repeat(replay.episode_returns(), PENDULUM.max_episode_steps)
    succeeds, hopeless = each > SUCCESS, each < HOPELESS

    def crossed(dataset: Dataset, torques: Torques) -> Dataset:
        rng = np.random.default_rng(0)
        rows = rng.permutation(len(dataset))[: len(medium)]
        observations = take(dataset, rows).observations
        return single_steps(try_out(observations, torques(observations, rng)))

    def mixed(share: float) -> Dataset:
        number = round(len(medium) * share / (1 - share))
        rows = np.random.default_rng(0).choice(len(replay), number, replace=False)
        both = zip(medium.transitions[:5], take(replay, rows)[:5], strict=True)
        return single_steps(Transitions(*(np.concatenate(columns) for columns in both)))

    return {
        "medium states, one policy": lambda: crossed(medium, clone),
        "medium states, any torque": lambda: crossed(medium, random_torques),
        "replay states, one policy": lambda: crossed(replay, clone),
        "replay states, any torque": lambda: crossed(replay, random_torques),
        "replay, successes": lambda: single_steps(take(replay, succeeds)),
        "replay, failures": lambda: single_steps(take(replay, ~succeeds)),
        "replay, worst 18": lambda: single_steps(take(replay, hopeless)),
        "5 % of the replay": lambda: mixed(0.05),
        "10 % of the replay": lambda: mixed(0.1),
        "20 % of the replay": lambda: mixed(0.2),
        "40 % of the replay": lambda: mixed(0.4),
    }


RECORDS = (
    "medium states, one policy",
    "medium states, any torque",
    "replay states, one policy",
    "replay states, any torque",
    "replay, successes",
    "replay, failures",
    "replay, worst 18",
    "5 % of the replay",
    "10 % of the replay",
    "20 % of the replay",
    "40 % of the replay",
)


def describe(name: str) -> dict[str, Any]:
    """The configuration that all records share, as the file records it."""
    return asdict(alpha_sweep.settings(name, np.inf)[1])


def measure(dataset: Dataset, names: Sequence[str], num_steps: int, seeds: int) -> Iterator[Arrays]:
    """Trains on every record; what the file holds of each."""
    make = records(dataset, num_steps)
    setting = alpha_sweep.settings(dataset.name, np.inf)
    options = {"num_steps": num_steps, "batch_size": alpha_sweep.BATCH_SIZE, "seeds": seeds}
    for name in names:
        record = make[name]()
        (run,) = train_each(record, [setting], **options)
        yield td3_repairs.assess(run.policy, record)


SWEEP = Sweep(
    name="coverage",
    axis="records",
    ways=RECORDS,
    datasets=("pendulum/medium-v0",),
    batch_size=alpha_sweep.BATCH_SIZE,
    seeds=10,
    describe=describe,
    measure=measure,
)

if __name__ == "__main__":
    print(SWEEP.main())
