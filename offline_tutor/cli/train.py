"""`offline-tutor train`: an algorithm on a dataset, into a folder."""

import csv
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from offline_tutor.algorithms import ALGORITHMS
from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.checkpoints import as_path
from offline_tutor.cli.evaluate import find, print_returns
from offline_tutor.data import load_dataset
from offline_tutor.evaluation import check_task, evaluate
from offline_tutor.files import replacing
from offline_tutor.training import Run, train


def listed() -> dict[str, Callable[[], int]]:
    """What `train --help` lists: the names of the package's algorithms, each with a line."""

    def entry(algorithm: Algorithm) -> Callable[[], int]:
        def command() -> int:
            raise AssertionError("an algorithm is run by the command of its name")

        command.__doc__ = _line_about(algorithm)
        return command

    return {name: entry(algorithm) for name, algorithm in ALGORITHMS.items()}


def _line_about(algorithm: Algorithm) -> str:
    """The first line of the module that an algorithm is described in."""
    about = sys.modules[algorithm.Config.__module__].__doc__ or algorithm.name
    return about.strip().splitlines()[0]


def command_of(algorithm: Algorithm) -> Callable[..., int]:
    """The command that trains an algorithm; its flags are the fields of the algorithm's Config."""

    def command(
        dataset: Positional[str],
        to: Path,
        config: Annotated[algorithm.Config, arg(name="")] = algorithm.Config(),  # type: ignore[name-defined]  # noqa: B008
        num_steps: int = 6000,
        batch_size: int = 256,
        seeds: tuple[int, ...] = (5,),
        seed: int | None = None,
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
            num_steps: gradient steps
            batch_size: rows of a minibatch
            seeds: how many policies, from seed 0 on; or two or more seeds, such as 3 4 7
            seed: this one seed alone
            every: steps between records, and between checkpoints
            normalize: standardise observations
            environment: a Gymnasium id, to play in at the end
        """
        chosen, folder = choose_seeds(seeds, seed), as_path(to, "--to")
        check_given(config)
        played = find(environment) if environment else None
        loaded = load_dataset(dataset)
        if played is not None:
            check_task(loaded.spec, played)
        done = train(
            algorithm,
            loaded,
            config=config,
            num_steps=num_steps,
            batch_size=batch_size,
            seeds=chosen,
            every=every,
            normalize=normalize,
            checkpoint=folder,
        )
        if not done.finished:
            raise KeyboardInterrupt
        done.policy.save(folder / "policy.npz")
        write_metrics(done, folder / "metrics.csv")
        names = ", ".join(map(str, done.seeds))
        print(f"Trained for {num_steps} steps with seeds {names}: {folder / 'policy.npz'}")
        if played is not None:
            print_returns(evaluate(done.policy, played), done.seeds)
        return 0

    command.__doc__ = f"{_line_about(algorithm)}\n\n{inspect.getdoc(command)}"
    return command


def check_given(config: Any) -> None:
    """A ValueError where a flag for several numbers was given none, as in `--hidden --tau 1`."""
    for name in config.static:
        if getattr(config, name) == () != getattr(type(config)(), name):
            raise ValueError(f"--{name.replace('_', '-')} has no value; give one or more")


def choose_seeds(seeds: tuple[int, ...], seed: int | None) -> int | tuple[int, ...]:
    """One number says how many, several are the seeds themselves; `seed` is one alone."""
    if seed is None:
        return seeds[0] if len(seeds) == 1 else seeds
    if seeds != (5,):
        raise ValueError(f"--seed is {seed} and --seeds {seeds}: give one of the two")
    return (seed,)


def write_metrics(run: Run, path: Path) -> None:
    """A row for each record and seed: the step, the seed, and each metric's mean since the last."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "seed", *run.metrics])
        for record, step in enumerate(run.steps):
            for place, seed in enumerate(run.seeds):
                values = (means[record, place] for means in run.metrics.values())
                rows.writerow([step, seed, *values])
