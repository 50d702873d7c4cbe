"""A contender: this package's engine, called as a user calls it. See `benchmarks.protocol`."""

import resource
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.protocol import Burst
from benchmarks.sizes import HIDDEN, QUANTILES, SAMPLES, SIZES
from benchmarks.synthetic import make_arrays
from offline_tutor import data, training
from offline_tutor.algorithms import CQL_QR_DQN, CQL_SAC, DQN, TD3_BC
from offline_tutor.ope import FQE

SOFT = {"tau": 0.02, "target_period": 1}  # a parent whose target network moves as its child's
ALGORITHMS: dict[str, tuple[Any, Any]] = {
    "td3_bc": (TD3_BC, TD3_BC.Config()),
    "cql_sac": (CQL_SAC, CQL_SAC.Config(num_samples=SAMPLES)),
    "cql_qr_dqn": (CQL_QR_DQN, CQL_QR_DQN.Config(num_quantiles=QUANTILES)),
    "dqn": (DQN, DQN.Config(**SOFT)),
    "fqe": (FQE, FQE.Config(**SOFT, layer_norm=False)),
    "fqe_normed": (FQE, FQE.Config(**SOFT)),
}


def main(name: str, hidden: int, batch_size: int, seeds: int) -> None:
    """Trains for ever, in bursts of the length that is asked for."""
    # Its user has 1000, and Python between pieces is part of what is measured; a burst is short.
    every = 4 if name == "cql_sac" else 200
    marks: list[tuple[float, float]] = []  # wall-clock and processor time after each piece

    def advance(run: training.Run) -> None:
        marks.append((time.perf_counter(), time.process_time()))
        if len(marks) == 1:
            return
        if len(marks) == 2:
            piece = marks[1][1] - marks[0][1]
            compilation = marks[0][1] - start - piece
            burst.send({"compile_cpu_s": compilation, **peak()})
        burst.wait_if_over(int(run.steps[-1]))
        for name in run.metrics:  # a run without end must not remember all of it
            run.metrics[name] = run.metrics[name][-1:]
        run.steps = run.steps[-1:]

    burst = Burst()
    algorithm, config = configuration(name, hidden)
    options: dict[str, Any] = {"config": config, "batch_size": batch_size, "seeds": seeds}
    options |= {"num_steps": 10**9, "every": every, "progress": False, "callbacks": [advance]}
    dataset = make_dataset(name)
    start = time.process_time()
    training.train(algorithm, dataset, **options)


def configuration(name: str, hidden: int = HIDDEN) -> tuple[Any, Any]:
    """The algorithm, and its configuration at the sizes of the comparison."""
    algorithm, config = ALGORITHMS[name]
    return algorithm, replace(config, hidden=(hidden,) * SIZES[name].layers)


def make_dataset(name: str) -> data.Dataset:
    """The synthetic data; the next observation of a random row is any other."""
    arrays, sizes = make_arrays(name), SIZES[name]
    following = np.roll(arrays["observations"], -1, axis=0)
    num_actions = sizes.actions if sizes.discrete else None
    made = data.from_arrays(**arrays, next_observations=following, num_actions=num_actions)
    if not name.startswith("fqe"):
        return made
    judged = np.roll(np.eye(sizes.actions, dtype=np.float32)[arrays["actions"]], -1, axis=0)
    return replace(made, transitions=made.transitions._replace(next_actions=judged[:, None]))


def peak() -> dict[str, float]:
    """The largest memory this process has had, MB."""
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
