"""`cartpole/mixed-v0`, `expert-v0` and `random-v0`: linear controllers balance a pole.

A linear controller pushes right where the weighted sum of the cart's position and speed and the
pole's angle and angular speed is positive. Good weights balance for ever, most others do not.
"""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp

from offline_tutor.book.recipes.write import Recording, split_episodes
from offline_tutor.environments import CartPole
from offline_tutor.evaluation import rollout
from offline_tutor.types import Transitions

MIXED = "cartpole/mixed-v0"
EXPERT = "cartpole/expert-v0"
RANDOM = "cartpole/random-v0"
SEED = 0
NOISE = 0.1  # probability of a random action in the mixed set
BAD = (  # weights of position (1/m), speed (s/m), angle (1/rad), angular speed (s/rad)
    (0.9, -0.9, 0.5, -0.3),
    (0.0, -0.6, 0.0, -0.1),
    (0.4, -1.7, -2.3, 1.1),
    (0.7, -0.3, 0.4, 0.0),
)  # their episodes last 30 to 45 steps, those of random actions 23
GOOD = (0.0, 0.0, 1.3, 0.1)
BEST = (0.3, 0.5, 2.0, 1.0)


def record_mixed() -> Recording:
    """Let four bad controllers play 50 episodes each, and a good one four."""
    groups = [play(weights, NOISE, 50, group) for group, weights in enumerate(BAD)]
    groups.append(play(GOOD, NOISE, 4, len(BAD)))
    return _recording(
        [episode for group in groups for episode in group],
        f"five linear controllers, a random action with probability {NOISE}",
        "200 episodes of four bad linear controllers, then 4 of a good one: most of the data shows "
        "how not to do it.",
    )


def record_expert() -> Recording:
    """Let the best controller play 20 episodes without noise."""
    return _recording(
        play(BEST, 0.0, 20, 0),
        "a linear controller",
        "20 episodes of one perfect controller without noise: narrow data, which never shows what "
        "the other action would have led to.",
    )


def record_random() -> Recording:
    """Push left and right at random, 300 episodes."""
    return _recording(
        play(BEST, 1.0, 300, 0),
        "uniformly random actions",
        "300 episodes of uniformly random actions: broad data, which shows both actions everywhere "
        "it goes, and goes nowhere far.",
    )


def play(weights: tuple[float, ...], noise: float, episodes: int, index: int) -> list[Transitions]:
    """Let a linear controller play; `noise` is the probability of a random action."""
    controller = jax.tree_util.Partial(push, jnp.array(weights))
    key = jax.random.fold_in(jax.random.key(SEED), index)
    return split_episodes(rollout(controller, CartPole(), key, episodes=episodes, noise=noise))


def push(weights: jax.Array, observations: jax.Array) -> jax.Array:
    """Return 1, to the right, where the weighted sum is positive, else 0: (episodes,)."""
    return (observations @ weights > 0).astype(int)


def _recording(episodes: list[Transitions], algorithm: str, description: str) -> Recording:
    environment = gymnasium.make("CartPole-v1")
    return Recording(
        episodes=episodes,
        environment=environment,
        evaluation=environment,
        algorithm=algorithm,
        description=(
            f"Push a cart left or right so that its pole stays up. {description} Reward 1 a step. "
            "Time limit 500 steps."
        ),
    )
