"""The same synthetic data for every contender: one million transitions of the size of Hopper's."""

import numpy as np

OBSERVATIONS, ACTIONS, EPISODE = 11, 3, 1000


def make_arrays(transitions: int = 1_000_000) -> dict[str, np.ndarray]:
    """Random numbers in the shapes of a Minari dataset; speed does not depend on what they say."""
    rng = np.random.default_rng(0)
    timeouts = np.zeros(transitions, bool)
    timeouts[EPISODE - 1 :: EPISODE] = True
    return {
        "observations": rng.standard_normal((transitions, OBSERVATIONS), dtype=np.float32),
        "actions": rng.uniform(-1, 1, (transitions, ACTIONS)).astype(np.float32),
        "rewards": rng.standard_normal(transitions, dtype=np.float32),
        "terminations": np.zeros(transitions, bool),
        "truncations": timeouts,
    }
