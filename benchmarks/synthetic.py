"""The same synthetic data for every contender: one million transitions of a usual task's size."""

import numpy as np

from benchmarks.sizes import EPISODE, SIZES, TRANSITIONS


def make_arrays(algorithm: str, transitions: int = TRANSITIONS) -> dict[str, np.ndarray]:
    """Random numbers in the shapes of a Minari dataset; speed does not depend on what they say."""
    rng = np.random.default_rng(0)
    sizes = SIZES[algorithm]
    if sizes.discrete:
        actions = rng.integers(sizes.actions, size=transitions, dtype=np.int32)
    else:
        actions = rng.uniform(-1, 1, (transitions, sizes.actions)).astype(np.float32)
    timeouts = np.zeros(transitions, bool)
    timeouts[EPISODE - 1 :: EPISODE] = True
    return {
        "observations": rng.standard_normal((transitions, sizes.observations), dtype=np.float32),
        "actions": actions,
        "rewards": rng.standard_normal(transitions, dtype=np.float32),
        "terminations": np.zeros(transitions, bool),
        "truncations": timeouts,
    }
