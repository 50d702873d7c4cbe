"""`offline-tutor evaluate`: what a saved policy earns in an environment."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from offline_tutor.cli import positive


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its arguments."""
    evaluate = commands.add_parser(
        "evaluate",
        help="play episodes with a saved policy",
        description="Returns of fresh episodes, for each seed and over all seeds.",
    )
    evaluate.set_defaults(run=run, stopped="Nothing was changed.")
    evaluate.add_argument(
        "policy", type=Path, help="the file of Policy.save, or the folder that train wrote to"
    )
    evaluate.add_argument(
        "environment", help="a Gymnasium id, such as Pendulum-v1 or offline_tutor/PointMaze-v0"
    )
    evaluate.add_argument("--episodes", type=positive, default=64, help="a seed (%(default)s)")
    evaluate.add_argument("--key", type=int, default=0, help="of the episodes (%(default)s)")


def run(asked: argparse.Namespace) -> int:
    """Plays, prints."""
    from offline_tutor.evaluation import evaluate  # JAX: not for --help
    from offline_tutor.policies import load_policy

    policy, environment = load_policy(asked.policy), find(asked.environment)
    print_returns(evaluate(policy, environment, episodes=asked.episodes, key=asked.key))
    return 0


def find(environment: str) -> Any:
    """The environment of that Gymnasium id. Raises ValueError where it cannot be made."""
    import gymnasium

    import offline_tutor.environments  # noqa: F401  (registers its own)

    try:
        made = gymnasium.make(environment)
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"{environment} cannot be made: {error}") from error
    functional = getattr(made.unwrapped, "func_env", None)  # this package's own: much faster
    return functional if hasattr(functional, "max_episode_steps") else made


def print_returns(returns: np.ndarray) -> None:
    """Prints means of (seeds, episodes): a line a seed, then all of them with an interval."""
    from offline_tutor.evaluation import bootstrap_interval

    returns = np.atleast_2d(returns)  # one policy has (episodes,)
    for place, mean in enumerate(returns.mean(1)):
        print(f"seed {place}: mean return {mean:.2f}")
    if len(returns) > 1:
        mean, low, high = bootstrap_interval(returns)
        print(f"all {len(returns)}: mean return {mean:.2f}, 95 % interval {low:.2f} to {high:.2f}")
