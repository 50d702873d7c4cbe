"""A contender: d3rlpy's TD3+BC or CQL at the same sizes, run in its own environment.

`fit` is what its user gets; `update` is given minibatches that were drawn beforehand, which
leaves out its sampler. Its discrete CQL is double Q-learning, a forward pass more than ours, and
computes its penalty in a pass of its own: the same sizes, not the same work. Its continuous CQL
learns alpha by a multiplier, as it does unless told otherwise.
"""

import contextlib
import io
import itertools
import sys
import warnings
from typing import Any

from benchmarks.protocol import Burst
from benchmarks.sizes import HIDDEN, QUANTILES, SAMPLES, SIZES
from benchmarks.synthetic import make_arrays


def main(name: str, batch_size: int, way: str) -> None:
    """Trains for ever, in bursts of the length that is asked for."""
    warnings.simplefilter("ignore")
    with contextlib.redirect_stderr(io.StringIO()):  # gym, which it needs, asks to be replaced
        import d3rlpy

    dataset = make_dataset(name)
    networks = d3rlpy.models.VectorEncoderFactory([HIDDEN] * SIZES[name].layers)
    options: dict[str, Any] = {"batch_size": batch_size}
    if name == "cql_qr_dqn":
        quantiles = d3rlpy.models.QRQFunctionFactory(n_quantiles=QUANTILES)
        options |= {"q_func_factory": quantiles, "encoder_factory": networks}
        config = d3rlpy.algos.DiscreteCQLConfig(**options)
    else:
        options |= {"actor_encoder_factory": networks, "critic_encoder_factory": networks}
        if name == "cql_sac":
            config = d3rlpy.algos.CQLConfig(**options, n_action_samples=SAMPLES)
        else:
            config = d3rlpy.algos.TD3PlusBCConfig(**options)
    algorithm = config.create(device=False)
    algorithm.build_with_dataset(dataset)
    burst = Burst()
    batches = [dataset.sample_transition_batch(batch_size) for _ in range(100)]
    for batch in batches[:5]:
        algorithm.update(batch)
    burst.send({})

    if way == "update":
        for step, batch in enumerate(itertools.cycle(batches)):
            burst.wait_if_over(step)
            algorithm.update(batch)
    algorithm.fit(
        dataset,
        n_steps=10**9,
        n_steps_per_epoch=1000,
        callback=lambda _algorithm, _epoch, step: burst.wait_if_over(step),
        logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        show_progress=False,
    )


def make_dataset(name: str) -> Any:
    """The synthetic data, in d3rlpy's form."""
    import d3rlpy

    arrays = make_arrays(name)
    actions = arrays["actions"]
    return d3rlpy.dataset.MDPDataset(
        arrays["observations"],
        actions if actions.ndim == 2 else actions[:, None],
        arrays["rewards"][:, None],
        arrays["terminations"].astype("float32"),
        timeouts=arrays["truncations"].astype("float32"),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
