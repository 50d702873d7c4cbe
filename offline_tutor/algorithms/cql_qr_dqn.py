"""Conservative Q-Learning (Kumar et al. 2020) on QR-DQN, with one loss replaced.

CQL(H), equation 4 of the paper: Q is pushed down where it is large and up at what the
data did, so that actions without data do not look better than they are. With discrete
actions the sum over actions is exact. Q is the mean of the quantiles, as in the
authors' code.
"""

from dataclasses import replace

import jax

from offline_tutor.algorithms import qr_dqn
from offline_tutor.algorithms.dqn import State, take
from offline_tutor.algorithms.qr_dqn import QR_DQN
from offline_tutor.types import Array, Params, Returns, Scalar, Transitions


class Config(qr_dqn.Config):
    """QR-DQN's, and one more."""

    alpha: float = 1.0  # weight of the penalty; authors: 1 on 10 % of Atari, 4 on 1 %


def loss(
    network: Params,
    state: State,
    batch: Transitions,
    targets: Returns,
    key: Array,
    config: Config,
) -> Scalar:
    """Equation 4 of the paper: the parent's loss plus the gap to the data's actions.

    Both are of the same quantiles: through the network once, and once back.
    """
    predicted = qr_dqn.quantiles(network, batch.observations, config)
    q = predicted.mean(-1)
    gap = jax.nn.logsumexp(q, axis=-1) - take(q, batch.actions)
    parents = qr_dqn.regression(predicted, batch, targets, config)
    return parents + config.alpha * gap.mean()


CQL_QR_DQN = replace(QR_DQN, name="cql_qr_dqn", Config=Config, loss=loss)
