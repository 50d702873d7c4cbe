"""`offline-tutor evaluate`: what a saved policy earns in an environment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tyro.conf import Positional


def run(
    policy: Positional[Path],
    environment: Positional[str],
    episodes: int = 64,
    key: int = 0,
    algorithm: str | None = None,
) -> int:
    """Play episodes with a saved policy: mean returns of each seed, and of all.

    Args:
        policy: the file of Policy.save, or the folder that train wrote to
        environment: a Gymnasium id, such as Pendulum-v1 or offline_tutor/PointMaze-v0
        episodes: how many, with each seed
        key: which random numbers; the same key gives the same episodes
        algorithm: what trained it, where that is one of your own: my_file.py:MINE
    """
    from offline_tutor.cli.own import find_algorithm  # JAX: not for --help
    from offline_tutor.evaluation import evaluate
    from offline_tutor.policies import load_policy
    from offline_tutor.training.checks import check_sizes

    check_sizes(episodes=episodes)
    trained_by = None if algorithm is None else find_algorithm(algorithm)
    loaded, found = load_policy(policy, trained_by), find(environment)
    print_returns(evaluate(loaded, found, episodes=episodes, key=key), loaded.seeds)
    return 0


def find(environment: str) -> Any:
    """The environment of that Gymnasium id. Raises ValueError where it cannot be made."""
    import gymnasium

    import offline_tutor.environments  # noqa: F401  (registers its own)
    from offline_tutor.messages import shortened

    try:
        made = gymnasium.make(environment)
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(
            f"{environment} cannot be made: {shortened(str(error), 160)} Give the id of one that "
            "is registered, and whose packages are installed."
        ) from error
    functional = getattr(made.unwrapped, "func_env", None)  # this package's own: much faster
    return functional if hasattr(functional, "max_episode_steps") else made.spec


def print_returns(returns: np.ndarray, seeds: Sequence[int] | None) -> None:
    """Prints means of (seeds, episodes): a line a seed, then all of them with an interval."""
    from offline_tutor.intervals import mean_interval

    returns = np.atleast_2d(returns)  # one policy has (episodes,)
    for seed, mean in zip(seeds or range(len(returns)), returns.mean(1), strict=False):
        print(f"seed {seed}: mean return {mean:.2f}")
    if len(returns) > 1:
        mean, low, high = mean_interval(returns)
        print(f"all {len(returns)}: mean return {mean:.2f}, 95 % interval {low:.2f} to {high:.2f}")
