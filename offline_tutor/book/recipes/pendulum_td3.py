"""`pendulum/replay-v0` and `pendulum/medium-v0`: a broad and a narrow record of one TD3 run.

The replay contains everything that TD3 tried while it learned to swing a pendulum up, from random
torques to near mastery. The medium set contains many episodes of its half-trained policy, with a
little noise.

The committed files were made by an earlier version, commit 3bbbe0c, whose online training drew its
random numbers differently: in that version `python -m offline_tutor.datasets.make
pendulum/replay-v0` reproduces them byte for byte. This program records data of the same kind from
another run of TD3; its seed and settings were kept, not tuned again.
"""

from __future__ import annotations

import gymnasium
import jax
import numpy as np

from offline_tutor.algorithms import TD3
from offline_tutor.book.recipes.write import Recording, split_episodes
from offline_tutor.environments import Pendulum
from offline_tutor.evaluation import rollout
from offline_tutor.training import Replay, Run, train_online
from offline_tutor.types import Transitions

REPLAY = "pendulum/replay-v0"
MEDIUM = "pendulum/medium-v0"
REPLAY_STEPS = 12_000
# Chosen from a dozen snapshots of four runs. Judged by returns, offline TD3 fails on data from each
# of them; on data from this one, its values also exceed what is possible within 6000 steps.
MEDIUM_STEPS = 5_000
MEDIUM_EPISODES = 50
NOISE = 0.1  # standard deviation of the noise on the medium policy, in units of the largest torque
SEED = 2
CONFIG = TD3.Config(
    hidden=(64, 64),
    actor_learning_rate=1e-3,
    critic_learning_rate=1e-3,
    discount=0.98,
    tau=0.02,
)


def record_replay() -> Recording:
    """Train TD3 online and keep everything that it tried."""
    _, replay = _act(REPLAY_STEPS)
    rows = jax.tree.map(lambda column: column[0], replay)
    ends = np.flatnonzero(rows.truncations) + 1  # the pendulum never terminates
    starts = [0, *ends[:-1]]
    episodes = [
        Transitions(*(column[start:end] for column in rows.transitions[:5]))
        for start, end in zip(starts, ends, strict=True)
    ]
    return _recording(
        episodes,
        "online TD3",
        f"Every step of one TD3 run online, {REPLAY_STEPS} of them, from random torques to near "
        "mastery: broad data.",
    )


def record_medium() -> Recording:
    """Train TD3 online for a while, then let its policy act with noise."""
    run, _ = _act(MEDIUM_STEPS)
    rows = rollout(
        run.policy.seed(0),
        Pendulum(),
        jax.random.key(SEED),
        episodes=MEDIUM_EPISODES,
        noise=NOISE,
    )
    return _recording(
        split_episodes(rows),
        f"TD3 after {MEDIUM_STEPS} steps online, Gaussian noise of {NOISE} on the actions",
        f"{MEDIUM_EPISODES} episodes of one half-trained policy with a little noise: narrow data.",
    )


def _act(num_steps: int) -> tuple[Run, Replay]:
    """TD3 after so many steps online, and each of them."""
    run, replay = train_online(
        TD3, Pendulum(), config=CONFIG, num_steps=num_steps, batch_size=64, seeds=[SEED]
    )
    if not run.finished:
        raise KeyboardInterrupt  # half a run is no dataset
    return run, replay


def _recording(episodes: list[Transitions], algorithm: str, description: str) -> Recording:
    environment = gymnasium.make("Pendulum-v1")
    return Recording(
        episodes=episodes,
        environment=environment,
        evaluation=environment,
        algorithm=algorithm,
        description=f"Swing a pendulum up and hold it. {description} Time limit 200 steps.",
    )
