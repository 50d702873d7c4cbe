"""A contender: the matrix limit, what the processor can do, and what a training step needs of it.

Training is mostly products of matrices; no step can take less time than its products do. They are
timed with NumPy, at the size of a hidden layer and at one large enough to hide every overhead.
"""

import time

import numpy as np

from benchmarks.protocol import Burst
from benchmarks.sizes import HIDDEN, QUANTILES, SAMPLES, SIZES

ROWS = (256, 31 * 256)


def main() -> None:
    """Tells the operations a second of the fastest piece of each burst; pieces take about 6 ms."""
    square = np.ones((HIDDEN, HIDDEN), np.float32)
    tall = {rows: np.ones((rows, HIDDEN), np.float32) for rows in ROWS}
    out = {rows: np.empty_like(matrix) for rows, matrix in tall.items()}

    def piece(rows: int) -> float:
        repeats = ROWS[-1] // rows
        start = time.perf_counter()
        for _ in range(repeats):
            np.matmul(tall[rows], square, out=out[rows])
        return 2 * repeats * tall[rows].size * HIDDEN / (time.perf_counter() - start)

    burst = Burst()
    burst.send({})
    while True:
        burst.wait()
        best = 0.0
        while not burst.over():
            best = max(best, *map(piece, ROWS))
        burst.tell(best)


def operations_per_step(algorithm: str, batch: int) -> float:
    """Multiplications and additions of the matrix products in one step, on average."""
    products = {"td3_bc": _td3_bc, "cql_sac": _cql_sac, "cql_qr_dqn": _cql_qr_dqn}
    return products[algorithm]() * 2 * batch


def _td3_bc() -> float:
    """Products a transition. Two critics, an actor, their targets; the actor every second step.

    Critic: forward, and backward by weights and by inputs (not to the inputs of the first layer),
    of both; both target critics and the target actor forward. Every second step: actor and first
    critic forward and backward; in the critic only by inputs.
    """
    observations, actions, _, _ = SIZES["td3_bc"]
    first, middle = (observations + actions) * HIDDEN, HIDDEN**2
    critic, actor = first + middle + HIDDEN, observations * HIDDEN + middle + HIDDEN * actions
    critics = 2 * (2 * critic + middle + HIDDEN) + 2 * critic + actor
    through_critic = critic + HIDDEN + middle + actions * HIDDEN
    actors = 2 * actor + HIDDEN * actions + middle + through_critic
    return critics + actors / 2


def _cql_sac() -> float:
    """Products a transition, as above.

    Both critics at the proposals and at the data's action, forward and backward; the policy and
    both target critics at the next observation, forward; the actor forward and backward through
    both critics.
    """
    observations, actions, _, layers = SIZES["cql_sac"]
    middle, mean_and_std = (layers - 1) * HIDDEN**2, 2 * actions * HIDDEN
    critic = (observations + actions) * HIDDEN + middle + HIDDEN
    actor = observations * HIDDEN + middle + mean_and_std
    critics = 2 * (3 * SAMPLES + 1) * (2 * critic + middle + HIDDEN)
    targets = actor + 2 * critic
    through_critics = 2 * (critic + HIDDEN + middle + actions * HIDDEN)
    return critics + targets + 2 * actor + middle + mean_and_std + through_critics


def _cql_qr_dqn() -> float:
    """Products a transition: the target forward, the network forward and backward, as above."""
    observations, actions, _, _ = SIZES["cql_qr_dqn"]
    beyond_first = HIDDEN**2 + HIDDEN * actions * QUANTILES
    network = observations * HIDDEN + beyond_first
    return 3 * network + beyond_first


if __name__ == "__main__":
    main()
