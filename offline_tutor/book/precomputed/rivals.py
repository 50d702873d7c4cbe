"""What CQL on SAC is compared with, with its own rate of the actor, steps and number of seeds.

    python -m offline_tutor.book.precomputed.rivals maze/stitch-v0

writes rivals_maze_stitch.npz: what `alpha_sweep` measures, with the actor's learning rate of
`cql_sac_sweep` instead of one that is three times as large, and with ten seeds. The first alpha, 0,
is cloning, whose actor takes a step at every update; those of TD3+BC and TD3 wait for every second.
"""

from dataclasses import asdict, replace
from typing import Any

from offline_tutor.book.precomputed import alpha_sweep, cql_sac_sweep
from offline_tutor.book.precomputed.sweep import Sweep

ACTOR_RATE = cql_sac_sweep.NETWORKS["actor_learning_rate"]


def settings(name: str, alpha: float) -> tuple[Any, Any]:
    """The algorithm and its configuration for a dataset."""
    algorithm, config = alpha_sweep.settings(name, alpha)
    delay = 1 if alpha == 0 else config.policy_delay
    return algorithm, replace(config, actor_learning_rate=ACTOR_RATE, policy_delay=delay)


def describe(name: str) -> dict[str, Any]:
    """The configuration that all alphas above 0 share, as the file records it."""
    return asdict(settings(name, 1.0)[1]) | {"alpha": "alphas"}


SWEEP = Sweep(
    name="rivals",
    ways=alpha_sweep.ALPHAS,
    datasets=tuple(alpha_sweep.TASKS),
    batch_size=alpha_sweep.BATCH_SIZE,
    seeds=10,
    describe=describe,
    measure=alpha_sweep.measurer(settings),
)

if __name__ == "__main__":
    print(SWEEP.main())
