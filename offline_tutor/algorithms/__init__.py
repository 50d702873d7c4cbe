"""One file per algorithm, in the book's order; each is a value: `TD3_BC` in `td3_bc`.

Discrete actions: `BC_DISCRETE`, `DQN`, `QR_DQN`, `CQL_QR_DQN`. Continuous ones: `BC`,
`TD3`, `TD3_BC`, `SAC`, `CQL_SAC`, and `CQL_LAGRANGE`, with what the authors' code of
CQL can switch on. What an algorithm must have, `offline_tutor.algorithms.algorithm`
says.
"""

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.algorithms.bc import BC
from offline_tutor.algorithms.bc_discrete import BC_DISCRETE
from offline_tutor.algorithms.cql_lagrange import CQL_LAGRANGE
from offline_tutor.algorithms.cql_qr_dqn import CQL_QR_DQN
from offline_tutor.algorithms.cql_sac import CQL_SAC
from offline_tutor.algorithms.dqn import DQN
from offline_tutor.algorithms.qr_dqn import QR_DQN
from offline_tutor.algorithms.sac import SAC
from offline_tutor.algorithms.td3 import TD3
from offline_tutor.algorithms.td3_bc import TD3_BC

__all__ = [
    "ALGORITHMS",
    "BC",
    "BC_DISCRETE",
    "CQL_LAGRANGE",
    "CQL_QR_DQN",
    "CQL_SAC",
    "DQN",
    "QR_DQN",
    "SAC",
    "TD3",
    "TD3_BC",
]

_IN_ORDER: tuple[Algorithm, ...] = (
    BC,
    BC_DISCRETE,
    DQN,
    QR_DQN,
    CQL_QR_DQN,
    TD3,
    TD3_BC,
    SAC,
    CQL_SAC,
    CQL_LAGRANGE,
)
ALGORITHMS = {algorithm.name: algorithm for algorithm in _IN_ORDER}
