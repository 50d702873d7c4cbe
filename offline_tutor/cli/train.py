"""`offline-tutor train`: an algorithm on a dataset, into a folder."""

from __future__ import annotations

import argparse
import ast
import csv
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offline_tutor import algorithms
from offline_tutor.cli import positive
from offline_tutor.cli.evaluate import find, print_returns

if TYPE_CHECKING:
    from offline_tutor.training import Run


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its arguments."""
    train = commands.add_parser(
        "train",
        help="train an algorithm on a dataset",
        description="Trains, and writes to a folder: policy.npz (evaluate reads it, and "
        "offline_tutor.policies.load_policy), metrics.csv, and checkpoint.npz, from which the same "
        "command goes on after it was stopped.",
    )
    train.set_defaults(run=run, stopped="The same command goes on from the last checkpoint.")
    names = sorted(module.name for module in pkgutil.iter_modules(algorithms.__path__))
    train.add_argument("algorithm", choices=names, help=", ".join(names), metavar="ALGORITHM")
    train.add_argument("dataset", help="its name, Minari id or folder; see: offline-tutor datasets")
    train.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="what to write to")
    train.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="changes",
        help="a field of the algorithm's Config, such as alpha=10 or hidden=64,64; repeatable",
    )  # fmt: skip
    sizes = {"steps": 6000, "batch-size": 256, "seeds": 5, "every": 1000}
    for name, size in sizes.items():
        train.add_argument(f"--{name}", type=positive, default=size, help="(%(default)s)")
    train.add_argument("--normalize", action="store_true", help="standardise observations")
    train.add_argument("--environment", help="a Gymnasium id, to play in at the end")


def run(asked: argparse.Namespace) -> int:
    """Trains, writes, prints."""
    from offline_tutor.data import load_dataset  # JAX and Minari: not for --help
    from offline_tutor.evaluation import evaluate
    from offline_tutor.training import train

    algorithm = importlib.import_module(f"{algorithms.__name__}.{asked.algorithm}")
    config = changed(algorithm.Config(), asked.changes)
    environment = find(asked.environment) if asked.environment else None
    done = train(
        algorithm, load_dataset(asked.dataset), config=config, num_steps=asked.steps,
        batch_size=asked.batch_size, seeds=asked.seeds, every=asked.every,
        normalize=asked.normalize, checkpoint=asked.to,
    )  # fmt: skip
    done.policy.save(asked.to / "policy.npz")
    write_metrics(done, asked.to / "metrics.csv")
    print(f"Trained {asked.seeds} seeds for {asked.steps} steps: {asked.to / 'policy.npz'}")
    if environment is not None:
        print_returns(evaluate(done.policy, environment))
    return 0


def changed(config: Any, changes: Sequence[str]) -> Any:
    """The configuration with fields replaced, from texts such as "alpha=10" or "hidden=64,64".

    Raises ValueError for an unknown field or a value of another type.
    """
    known = {field.name: getattr(config, field.name) for field in fields(config)}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in known:
            raise ValueError(f"--set {change}: there is no {name!r}, only {', '.join(known)}")
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError) as error:
            raise ValueError(
                f"--set {change}: {text!r} is no number, list or truth value"
            ) from error
        default = known[name]
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if isinstance(default, tuple) and type(value) is int:
            value = (value,)
        if default is not None and type(value) is not type(default):
            raise ValueError(f"--set {change}: {name} is to be like {default!r}")
        config = replace(config, **{name: value})
    return config


def write_metrics(run: Run, path: Path) -> None:
    """A row for each record and seed: the step, the seed, and each metric's mean since the last."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "seed", *run.metrics])
        for record, step in enumerate(run.steps):
            for place, seed in enumerate(run.seeds):
                values = (means[record, place] for means in run.metrics.values())
                rows.writerow([step, seed, *values])
