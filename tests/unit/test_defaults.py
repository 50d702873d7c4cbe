"""Defaults that are the papers' or their authors' code's, each with its source.

A number changed in the package changes the chapters with it, and everything still agrees: only this
table says what it should be.
"""

from typing import Any

import numpy as np
import pytest

from offline_tutor import data
from offline_tutor.algorithms import ALGORITHMS

TD3 = "Fujimoto, van Hoof and Meger 2018, section 6.1"
TD3_CODE = "github.com/sfujim/TD3, TD3.py"
TD3_BC = "Fujimoto and Gu 2021, table 3"
SAC = "Haarnoja et al. 2018, Soft actor-critic algorithms and applications, table 1"
QR_DQN = "Dabney et al. 2018, section 5"
CQL_ATARI = (
    "github.com/aviralkumar2907/CQL, atari/batch_rl/multi_head/quantile_agent.py and its gin"
)
CQL = "Kumar et al. 2020, appendix F"
CQL_CODE = "github.com/aviralkumar2907/CQL, README and d4rl/rlkit/torch/sac/cql.py"
OURS = "our own choice"

OF_TD3 = {
    "hidden": ((256, 256), TD3_CODE),
    "actor_learning_rate": (3e-4, TD3_CODE),
    "critic_learning_rate": (3e-4, TD3_CODE),
    "discount": (0.99, TD3_CODE),
    "tau": (0.005, TD3),
    "policy_noise": (0.2, TD3),
    "noise_clip": (0.5, TD3),
    "policy_delay": (2, TD3),
    "exploration_noise": (0.1, TD3),
    "max_action": (1.0, "actions are scaled to the cube in training"),
}
OF_SAC = {
    "hidden": ((256, 256), SAC),
    "actor_learning_rate": (3e-4, SAC),
    "critic_learning_rate": (3e-4, SAC),
    "temperature_learning_rate": (3e-4, SAC),
    "discount": (0.99, SAC),
    "tau": (0.005, SAC),
    "initial_temperature": (1.0, "github.com/rail-berkeley/softlearning: log alpha starts at 0"),
    "target_entropy": (None, SAC + ": minus the number of action components"),
}
OF_DQN = {
    "hidden": ((256, 256), OURS + ": tasks here have vectors, and Atari games pictures"),
    "learning_rate": (5e-5, CQL_ATARI),
    "discount": (0.99, CQL_ATARI),
    "tau": (1.0, "Mnih et al. 2015, algorithm 1: the target becomes a copy"),
    "target_period": (2000, CQL_ATARI + ": 8000 agent steps, an update each 4"),
    "epsilon": (0.05, OURS),
}
OF_QR_DQN = OF_DQN | {"num_quantiles": (200, QR_DQN), "kappa": (1.0, QR_DQN)}
OF_CQL_SAC = OF_SAC | {
    "alpha": (5.0, CQL_CODE + ": 5 or 10"),
    "num_samples": (10, CQL + ", and the code's num_random"),
}
OF_BC = {name: OF_TD3[name] for name in ("hidden", "actor_learning_rate", "max_action")}

DEFAULTS: dict[str, dict[str, tuple[Any, str]]] = {
    "bc": OF_BC,
    "bc_discrete": {
        "hidden": OF_DQN["hidden"],
        "actor_learning_rate": (5e-5, OURS + ": dqn's, to clone on equal terms"),
    },
    "dqn": OF_DQN,
    "qr_dqn": OF_QR_DQN,
    "cql_qr_dqn": OF_QR_DQN | {"alpha": (1.0, CQL_ATARI + ": on 10 % of the data")},
    "td3": OF_TD3,
    "td3_bc": OF_TD3 | {"alpha": (2.5, TD3_BC)},
    "sac": OF_SAC,
    "cql_sac": OF_CQL_SAC,
    "cql_lagrange": OF_CQL_SAC | {
        "target_gap": (None, "off; " + CQL),
        "multiplier_learning_rate": (3e-4, CQL_CODE),
        "max_backup": (False, CQL_CODE),
        "entropy_in_target": (False, CQL_CODE + ": deterministic_backup"),
        "warm_start_steps": (0, "off; the code has 40,000"),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ALGORITHMS)
def test_defaults_are_those_of_their_sources(name: str) -> None:
    """A field that is new here needs a line above, with where its default comes from."""
    config = ALGORITHMS[name].Config()
    known = DEFAULTS[name]
    assert {*config.floats, *config.static} == set(known)
    for field, (value, source) in known.items():
        assert getattr(config, field) == value, f"{field} is {value}: {source}"


def test_observations_are_normalised_as_in_td3_bc() -> None:
    """Fujimoto and Gu 2021, section 5: (s - mean) / (deviation + 1e-3)."""
    rng = np.random.default_rng(0)
    rows = rng.normal(3, 0.01, size=(50, 2))
    dataset = data.from_arrays(
        rows, np.zeros((50, 1)), np.zeros(50), next_observations=rows,
        terminations=np.zeros(50, bool),
    )  # fmt: skip
    seen = data.normalization(dataset, observations=True).observe(rows)
    expected = (rows - rows.mean(0)) / (rows.std(0) + 1e-3)
    np.testing.assert_allclose(seen, expected, rtol=1e-3, atol=1e-3)


def test_training_takes_minibatches_of_the_papers() -> None:
    """256 rows: TD3+BC, table 3; SAC, table 1."""
    import inspect

    from offline_tutor.training import train, train_online

    for function in (train, train_online):
        assert inspect.signature(function).parameters["batch_size"].default == 256
