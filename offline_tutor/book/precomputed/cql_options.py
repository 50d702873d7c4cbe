"""CQL on SAC with one thing changed at a time: what each part and each option does.

    python -m offline_tutor.book.precomputed.cql_options pendulum/medium-v0

writes cql_options_pendulum_medium.npz with, for each of `CHANGES` and each seed, what
`cql_sac_sweep` measures, at one alpha and with its settings.
"""

from dataclasses import asdict, replace
from typing import Any

import jax.numpy as jnp

from offline_tutor.algorithms import CQL_LAGRANGE, CQL_SAC, cql_sac, sac
from offline_tutor.algorithms.td3 import Critic
from offline_tutor.book.precomputed import alpha_sweep, cql_sac_sweep
from offline_tutor.book.precomputed.sweep import Sweep
from offline_tutor.types import Array, PerRow, Scalar, Transitions

ALPHA = 10.0
SCALE = {"reward_scale": 1.0}  # of the pendulum's rewards
CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    "no penalty": {"alpha": 0.0},
    "not divided": {},  # by the densities: CQL(rho)
    "10 of each": {"num_samples": 10},
    "entropy in targets": {"entropy_in_target": True},
    "best of several": {"max_backup": True},
    "cloning start": {"warm_start_steps": 1000},
}


def undivided_loss(
    critic: Critic,
    state: sac.State,
    batch: Transitions,
    targets: PerRow,
    key: Array,
    config: cql_sac.Config,
) -> Scalar:
    """CQL's, whose samples are not divided by the density that they were drawn with: CQL(rho)."""
    actions, log_densities = cql_sac.propose(state.actor, batch, key, config)
    penalty = cql_sac.gaps(critic, batch, actions, jnp.zeros_like(log_densities)).sum()
    return sac.critic_loss(critic, state, batch, targets, key, config) + config.alpha * penalty


UNDIVIDED = replace(CQL_SAC, name="cql_rho", critic_loss=undivided_loss)


def settings(name: str, change: str) -> tuple[Any, Any]:
    """The algorithm and its configuration for a dataset."""
    algorithm, config = cql_sac_sweep.settings(name, ALPHA)
    changed = CHANGES[change]
    if change == "not divided":
        algorithm = UNDIVIDED
    if changed.keys() - asdict(config).keys():
        algorithm, config = CQL_LAGRANGE, CQL_LAGRANGE.Config(**asdict(config))
    return algorithm, replace(config, **changed)


def describe(name: str) -> dict[str, Any]:
    """The configuration of each change, as the file records it."""
    return {change: asdict(settings(name, change)[1]) | SCALE for change in CHANGES}


SWEEP = Sweep(
    name="cql_options",
    axis="changes",
    ways=tuple(CHANGES),
    datasets=("pendulum/medium-v0",),
    batch_size=cql_sac_sweep.BATCH_SIZE,
    seeds=10,
    describe=describe,
    measure=alpha_sweep.measurer(settings),
)

if __name__ == "__main__":
    print(SWEEP.main())
