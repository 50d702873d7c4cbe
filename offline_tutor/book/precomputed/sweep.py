"""What the programs here have in common that train in several ways, such as with many alphas."""

import argparse
import hashlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.book.precomputed import FOLDER, write
from offline_tutor.data import Dataset, load_dataset
from offline_tutor.data.library import ROOT
from offline_tutor.training import Diverged, Run, train
from offline_tutor.types import Array

Arrays = MutableMapping[str, Array]  # what a file holds, by name


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A program that trains in several ways on a dataset and writes what it measured to a file."""

    name: str  # of its module, such as "alpha_sweep"
    axis: str = "alphas"  # what the file calls the ways
    ways: tuple[Any, ...]  # what is tried, in the file's order
    datasets: tuple[str, ...]  # on which it can be tried
    batch_size: int
    seeds: int = 5  # how many, if no other number is asked for
    # The configuration on the dataset of that name: what all ways share, or each way's.
    describe: Callable[[str], dict[str, Any]]
    # `measure(dataset, ways, num_steps, seeds)`: what the file holds of each way, in order.
    measure: Callable[[Dataset, Sequence[Any], int, int], Iterable[Arrays]]

    def stem(self, dataset: str) -> str:
        """What a dataset's file is called: "alpha_sweep_maze_stitch" of "maze/stitch-v0"."""
        return f"{self.name}_{dataset.removesuffix('-v0').replace('/', '_')}"

    def main(self, arguments: list[str] | None = None) -> Path:
        """The program, with the arguments of its command line; the file that it wrote."""
        parser = argparse.ArgumentParser(description=f"Computes {self.name}_<dataset>.npz.")
        parser.add_argument("dataset", choices=self.datasets)
        parser.add_argument("--steps", type=int, default=6000, help="gradient steps (%(default)s)")
        parser.add_argument(
            "--seeds", type=int, default=self.seeds, help="0 ... n - 1 (%(default)s)"
        )
        parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write the file")
        options = parser.parse_args(arguments)
        name, start = options.dataset, time.perf_counter()
        found = list(self.measure(load_dataset(name), self.ways, options.steps, options.seeds))
        path = options.folder / f"{self.stem(name)}.npz"
        program = f"python -m {__package__}.{self.name}"
        write(
            path,
            {self.axis: np.array(self.ways)}
            | {key: np.stack([one[key] for one in found]) for key in found[0]},
            command=f"{program} {name} --steps {options.steps} --seeds {options.seeds}",
            seconds=time.perf_counter() - start,
            dataset=name,
            dataset_sha256=checksum(name),
            seeds=list(range(options.seeds)),
            num_steps=options.steps,
            batch_size=self.batch_size,
            normalize=True,
            config=self.describe(name),
        )
        return path


def train_each(
    dataset: Dataset, settings: Iterable[tuple[Algorithm, Any]], **options: Any
) -> Iterator[Run]:
    """A run of each algorithm with its configuration, in order.

    Neighbours that differ in numbers only are compiled and trained together. Raises `Diverged`
    where a seed does, and KeyboardInterrupt where Ctrl-C stopped it: a policy that stopped early is
    not what a file promises.
    """
    for _, group in itertools.groupby(settings, key=_structure):
        algorithms, configs = zip(*group, strict=True)
        run = train(algorithms[0], dataset, config=configs, normalize=True, **options)
        if not run.finished:
            raise KeyboardInterrupt
        if run.diverged.any():
            raise Diverged(f"{run!r}: diverged at steps {run.diverged.tolist()} (0: did not)")
        yield from (run.select(index) for index in range(len(configs)))


def _structure(setting: tuple[Algorithm, Any]) -> tuple[Any, ...]:
    """What a program is compiled for: the algorithm, and its configuration but for floats."""
    algorithm, config = setting
    return algorithm.name, [getattr(config, name) for name in config.static]


def checksum(name: str) -> str:
    """SHA-256 of an embedded dataset's file: results of other data are results no longer."""
    return hashlib.sha256((ROOT / name / "data" / "main_data.hdf5").read_bytes()).hexdigest()
