"""What programs have in common that train with many alphas, such as `alpha_sweep`.

A sweep is a module. It has

    ALPHAS, or else METHODS         what is tried
    TASKS, BATCH_SIZE               on which datasets, with which minibatches
    stem(name)                      what a dataset's file is called
    describe(name)                  the configuration: what all that is tried shares, or each
    measure(name, dataset, alpha, num_steps, seeds)
                                    trains with one of them; the arrays that the file holds of it
"""

import argparse
import hashlib
import time
from pathlib import Path
from types import ModuleType

import numpy as np

from offline_tutor.book.precomputed import FOLDER, write
from offline_tutor.data import load_dataset
from offline_tutor.data.library import ROOT
from offline_tutor.progress import progress_bar


def checksum(name: str) -> str:
    """SHA-256 of an embedded dataset's file: results of other data are results no longer."""
    return hashlib.sha256((ROOT / name / "data" / "main_data.hdf5").read_bytes()).hexdigest()


def main(
    sweep: ModuleType,
    arguments: list[str] | None = None,
    seeds: int = 5,
    tried: str = "alphas",
) -> Path:
    """The program of a sweep, with so many seeds if none are asked for; the file that it wrote."""
    values = getattr(sweep, tried.upper())
    parser = argparse.ArgumentParser(description=(sweep.__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", choices=sweep.TASKS)
    parser.add_argument("--steps", type=int, default=6000, help="gradient steps (%(default)s)")
    parser.add_argument("--seeds", type=int, default=seeds, help="0 ... n - 1 (%(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to write the file")
    options = parser.parse_args(arguments)
    name, start = options.dataset, time.perf_counter()
    dataset, found = load_dataset(name), []
    with progress_bar(len(values), name) as show_progress:
        for value in values:
            found.append(sweep.measure(name, dataset, value, options.steps, options.seeds))
            show_progress(len(found))
    path = options.folder / f"{sweep.stem(name)}.npz"
    program = f"python -m {sweep.__spec__.name}"  # type: ignore[union-attr]
    write(
        path,
        {tried: np.array(values)}
        | {key: np.stack([one[key] for one in found]) for key in found[0]},
        command=f"{program} {name} --steps {options.steps} --seeds {options.seeds}",
        seconds=time.perf_counter() - start,
        dataset=name,
        dataset_sha256=checksum(name),
        seeds=list(range(options.seeds)),
        num_steps=options.steps,
        batch_size=sweep.BATCH_SIZE,
        normalize=True,
        config=sweep.describe(name),
    )
    return path
