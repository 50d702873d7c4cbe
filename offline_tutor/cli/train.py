"""`offline-tutor train`: an algorithm on a dataset, into a folder."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from offline_tutor.algorithms import ALGORITHMS
from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.cli.evaluate import find, print_returns
from offline_tutor.files import replacing
from offline_tutor.training import Run, train


def commands() -> dict[str, Callable[..., int]]:
    """A command for each algorithm of the package, by its name."""
    return {name: command_of(algorithm) for name, algorithm in ALGORITHMS.items()}


def command_of(algorithm: Algorithm) -> Callable[..., int]:
    """The command that trains an algorithm; its flags are the fields of the algorithm's Config."""

    def command(
        dataset: Positional[str],
        to: Path,
        config: Annotated[algorithm.Config, arg(name="")] = algorithm.Config(),  # type: ignore[name-defined]  # noqa: B008
        steps: int = 6000,
        batch_size: int = 256,
        seeds: int = 5,
        every: int = 1000,
        normalize: bool = False,
        environment: str | None = None,
    ) -> int:
        """Train it, and write policy.npz, metrics.csv and checkpoint.npz to a folder.

        `offline-tutor evaluate` and offline_tutor.load_policy read policy.npz. The same command
        goes on from checkpoint.npz after it was stopped.

        Args:
            dataset: a name, Minari id or folder; see: offline-tutor datasets
            to: the folder to write to
            config: hyper-parameters
            steps: gradient steps
            batch_size: rows of a minibatch
            seeds: how many policies, from seed 0 on
            every: steps between records, and between checkpoints
            normalize: standardise observations
            environment: a Gymnasium id, to play in at the end
        """
        from offline_tutor.data import load_dataset
        from offline_tutor.evaluation import evaluate

        played = find(environment) if environment else None
        done = train(
            algorithm,
            load_dataset(dataset),
            config=config,
            num_steps=steps,
            batch_size=batch_size,
            seeds=seeds,
            every=every,
            normalize=normalize,
            checkpoint=to,
        )
        done.policy.save(to / "policy.npz")
        write_metrics(done, to / "metrics.csv")
        print(f"Trained {seeds} seeds for {steps} steps: {to / 'policy.npz'}")
        if played is not None:
            print_returns(evaluate(done.policy, played))
        return 0

    return command


def write_metrics(run: Run, path: Path) -> None:
    """A row for each record and seed: the step, the seed, and each metric's mean since the last."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "seed", *run.metrics])
        for record, step in enumerate(run.steps):
            for place, seed in enumerate(run.seeds):
                values = (means[record, place] for means in run.metrics.values())
                rows.writerow([step, seed, *values])
