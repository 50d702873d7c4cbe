"""A contender: d3rlpy's TD3+BC at the same sizes, run in its own environment.

`fit` is what its user gets; `update` is given minibatches that were drawn beforehand, which
leaves out its sampler.
"""

import sys
import warnings

from benchmarks.protocol import Burst
from benchmarks.synthetic import make_arrays

PIECE = 20  # steps between looks at the clock


def main(way: str) -> None:
    warnings.simplefilter("ignore")
    import d3rlpy

    arrays = make_arrays()
    dataset = d3rlpy.dataset.MDPDataset(
        arrays["observations"],
        arrays["actions"],
        arrays["rewards"][:, None],
        arrays["terminations"].astype("float32"),
        timeouts=arrays["truncations"].astype("float32"),
    )
    algorithm = d3rlpy.algos.TD3PlusBCConfig(batch_size=256).create(device=False)
    algorithm.build_with_dataset(dataset)
    silent = d3rlpy.logging.NoopAdapterFactory()

    def fit() -> None:
        algorithm.fit(
            dataset,
            n_steps=PIECE,
            n_steps_per_epoch=PIECE,
            logger_adapter=silent,
            show_progress=False,
        )

    batches = [dataset.sample_transition_batch(256) for _ in range(PIECE)]

    def update() -> None:
        for batch in batches:
            algorithm.update(batch)

    work = {"fit": fit, "update": update}[way]
    work()
    burst, steps = Burst(), 0
    burst.send({})
    while True:
        burst.wait_if_over(steps)
        work()
        steps += PIECE


if __name__ == "__main__":
    main(sys.argv[1])
