"""d3rlpy's fitted Q evaluation of a given policy, run in its own environment.

It prints a list: the mean over the starts of the record, for each seed. Its loss is Huber's where
actions are discrete, and it leaves out the row that a time limit cuts: the same estimate, not the
same program. See `benchmarks.judging`.
"""

import contextlib
import io
import json
import sys
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np


def main(path: str, discount: float, period: int, steps: int, batch: int, seeds: int) -> None:
    """Judges the policy of the file with as many seeds."""
    warnings.simplefilter("ignore")
    with contextlib.redirect_stderr(io.StringIO()):  # gym, which it needs, asks to be replaced
        import d3rlpy
    arrays = dict(np.load(path))
    discrete = arrays["actions"].ndim == 1
    act = policy_of(arrays, discrete)
    dataset = d3rlpy.dataset.MDPDataset(
        arrays["observations"],
        arrays["actions"][:, None] if discrete else arrays["actions"],
        arrays["rewards"][:, None],
        arrays["terminations"].astype("float32"),
        timeouts=arrays["truncations"].astype("float32"),
    )
    networks = d3rlpy.models.VectorEncoderFactory(HIDDEN, use_layer_norm=True)
    config = d3rlpy.ope.FQEConfig(
        learning_rate=1e-3,
        encoder_factory=networks,
        batch_size=batch,
        gamma=discount,
        target_update_interval=period,
    )
    # All that its evaluation asks of an algorithm is what it would do.
    algorithm: Any = SimpleNamespace(impl=SimpleNamespace(predict_best_action=act))
    import torch

    torch.set_num_threads(1)  # for networks so small, more only get into each other's way
    first = arrays["first"]
    actions = act(torch.as_tensor(first)).numpy()
    found = []
    for seed in range(seeds):
        d3rlpy.seed(seed)
        kind = d3rlpy.ope.DiscreteFQE if discrete else d3rlpy.ope.FQE
        judge = kind(algorithm, config)
        judge.fit(
            dataset,
            n_steps=steps,
            n_steps_per_epoch=steps,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
            show_progress=False,
        )
        found.append(float(judge.predict_value(first, actions).mean()))
    print(json.dumps(found))


def policy_of(arrays: dict[str, np.ndarray], discrete: bool) -> Any:
    """The network of the file: from observations to actions, in PyTorch."""
    import torch

    count = sum(name.endswith("/kernel") for name in arrays)
    layers = [
        [torch.as_tensor(arrays[f"layer{i}/{part}"]) for part in ("kernel", "bias")]
        for i in range(count)
    ]

    def act(observations: Any) -> Any:
        x = observations
        for i, (kernel, bias) in enumerate(layers):
            x = (torch.relu(x) if i else x) @ kernel + bias
        return x.argmax(-1) if discrete else torch.tanh(x)

    return act


if __name__ == "__main__":
    _, path, discount, period, steps, batch, seeds, *widths = sys.argv
    HIDDEN = [int(width) for width in widths]
    main(path, float(discount), int(period), int(steps), int(batch), int(seeds))
