"""How long the package takes to load a large dataset, and to be imported."""

import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from benchmarks.protocol import ROOT
from benchmarks.sizes import EPISODE, SIZES
from benchmarks.synthetic import make_arrays


def time_loading() -> float:
    """Seconds to load a Minari dataset of a million transitions in a thousand episodes."""
    code = """
        import sys, time
        from offline_tutor.data import load_dataset
        start = time.perf_counter()
        assert len(load_dataset(sys.argv[1])) == 1_000_000
        print(time.perf_counter() - start)
    """
    with tempfile.TemporaryDirectory() as folder:
        path = write_minari(Path(folder))
        return statistics.median([_seconds(code, str(path)) for _ in range(3)])


def write_minari(folder: Path) -> Path:
    """The synthetic data of TD3+BC as a Minari dataset, below `folder`."""
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    warnings.filterwarnings("ignore", module="minari")  # it has no environment to name
    arrays, sizes = make_arrays("td3_bc"), SIZES["td3_bc"]
    buffers = []
    for start in range(0, len(arrays["rewards"]), EPISODE):
        rows = {name: array[start : start + EPISODE] for name, array in arrays.items()}
        last = rows["observations"][-1:]
        rows["observations"] = np.concatenate([rows["observations"], last])
        buffers.append(EpisodeBuffer(**rows))
    observations = gymnasium.spaces.Box(-np.inf, np.inf, (sizes.observations,), np.float32)
    minari.create_dataset_from_buffers(
        "benchmark/million-v0",
        buffers,
        observation_space=observations,
        action_space=gymnasium.spaces.Box(-1, 1, (sizes.actions,), np.float32),
        description="Random numbers.",
        author="offline_tutor",
        author_email="none",
        code_permalink="none",
        algorithm_name="none",
    )
    return folder / "benchmark" / "million-v0"


def time_import() -> float:
    """Seconds that importing the package adds to importing jax and flax."""
    code = "import time; s = time.perf_counter(); {}; print(time.perf_counter() - s)"
    with_ours = code.format("import jax, flax, offline_tutor")
    without = code.format("import jax, flax")
    _seconds(with_ours)  # warms the disk's cache
    return statistics.median([_seconds(with_ours) - _seconds(without) for _ in range(7)])


def _seconds(code: str, *arguments: str) -> float:
    lines = [line.removeprefix("        ") for line in code.splitlines()]
    command = [sys.executable, "-c", "\n".join(lines), *arguments]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
