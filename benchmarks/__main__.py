"""`make bench`: steps a second, compile time, memory, loading and importing; a table and JSON.

Contenders run in turn, in bursts of about a second; ratios are taken burst by burst and the
median is quoted. Bursts during which other programs took more than `QUIET` of a core do not
count, unless fewer than five are left: then all count and the table says so.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.protocol import ROOT, Contender

THEIRS = ROOT / "_build" / "benchmark-venv"
RESULT = ROOT / "_build" / "benchmark.json"
ROUNDS, SECONDS, QUIET = 12, 1.2, 0.15
GOALS = {
    "ours / d3rlpy fit": 3.5,
    "share of the matrix limit": 0.65,
}  # at least
LIMITS = {
    "compile, processor s": 8.0,
    "peak memory, MB": 650.0,
    "5 seeds / 1 seed, time a step": 5.5,
    "load 1M transitions, s": 3.0,
    "import, s beyond jax and flax": 0.5,
}  # at most


def flops_per_step(observations: int, actions: int, hidden: int, batch: int) -> float:
    """Multiplications and additions of the matrix products in one step of TD3(+BC), on average.

    Critic: forward, and backward by weights and by inputs (not to the inputs of the first layer),
    of both; both target critics and the target actor forward. Every second step: actor and first
    critic forward and backward; in the critic only by inputs.
    """
    first, middle = (observations + actions) * hidden, hidden * hidden
    critic, actor = first + middle + hidden, observations * hidden + middle + hidden * actions
    critics = 2 * (2 * critic + middle + hidden) + 2 * critic + actor
    through_critic = critic + hidden + middle + actions * hidden
    actors = 2 * actor + hidden * actions + middle + through_critic
    return 2 * batch * (critics + actors / 2)


def matrix_limit() -> float:
    """The most multiplications and additions a second this machine's NumPy does, float32."""
    best = 0.0
    for rows in (256, 7936):
        a, b = np.ones((rows, 256), np.float32), np.ones((256, 256), np.float32)
        for _ in range(30):
            repeats = max(1, 10_000_000_000 // (2 * rows * 256 * 256) // 40)
            start = time.perf_counter()
            for _ in range(repeats):
                a @ b
            best = max(best, repeats * 2 * rows * 256 * 256 / (time.perf_counter() - start))
    return best


def make_their_environment() -> Path:
    """d3rlpy and PyTorch in an environment of their own, made once."""
    python = THEIRS / "bin" / "python"
    requirements = Path(__file__).with_name("requirements.txt")
    stamp = THEIRS / "installed.txt"
    if not stamp.exists() or stamp.read_text() != requirements.read_text():
        print("Installing d3rlpy and PyTorch in", THEIRS, flush=True)
        venv.create(THEIRS, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        shutil.copy(requirements, stamp)
    return python


def compare(contenders: dict[str, Contender]) -> dict[str, list[dict[str, float]]]:
    """Bursts of all contenders, in turn; the first round warms up and is dropped."""
    for round_ in range(ROUNDS + 1):
        for contender in contenders.values():
            contender.run(SECONDS)
        print(f"  round {round_} of {ROUNDS}", end="\r", flush=True)
    print()
    return {name: contender.bursts[1:] for name, contender in contenders.items()}


def quiet_rounds(bursts: dict[str, list[dict[str, float]]]) -> list[int]:
    """The rounds in which no burst was disturbed; all rounds where fewer than five are."""
    quiet = [i for i in range(ROUNDS) if all(b[i]["others"] < QUIET for b in bursts.values())]
    return quiet if len(quiet) >= 5 else list(range(ROUNDS))


def median(values: list[float]) -> float:
    return statistics.median(values)


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
        return median([_seconds(code, str(path)) for _ in range(3)])


def write_minari(folder: Path) -> Path:
    """The synthetic data as a Minari dataset, below `folder`."""
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    import warnings

    import gymnasium
    import minari
    from minari.data_collector import EpisodeBuffer

    from benchmarks.synthetic import ACTIONS, EPISODE, OBSERVATIONS, make_arrays

    warnings.filterwarnings("ignore", module="minari")  # it has no environment to name
    arrays = make_arrays()
    buffers = []
    for start in range(0, len(arrays["rewards"]), EPISODE):
        rows = {name: array[start : start + EPISODE] for name, array in arrays.items()}
        last = rows["observations"][-1:]
        rows["observations"] = np.concatenate([rows["observations"], last])
        buffers.append(EpisodeBuffer(**rows))
    minari.create_dataset_from_buffers(
        "benchmark/million-v0",
        buffers,
        observation_space=gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATIONS,), np.float32),
        action_space=gymnasium.spaces.Box(-1, 1, (ACTIONS,), np.float32),
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
    return median([_seconds(with_ours) - _seconds(without) for _ in range(7)])


def _seconds(code: str, *arguments: str) -> float:
    lines = [line.removeprefix("        ") for line in code.splitlines()]
    command = [sys.executable, "-c", "\n".join(lines), *arguments]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


def main() -> None:
    ours, theirs = Path(sys.executable), make_their_environment()
    limit = matrix_limit()
    print(f"Matrix limit: {limit / 1e9:.0f} billion float32 operations a second")
    contenders = {
        "ours": Contender("ours", ours, "benchmarks.ours", 256, 256, 1),
        "d3rlpy fit": Contender("d3rlpy fit", theirs, "benchmarks.theirs", "fit"),
        "d3rlpy update": Contender("d3rlpy update", theirs, "benchmarks.theirs", "update"),
        "1 seed": Contender("1 seed", ours, "benchmarks.ours", 64, 64, 1),
        "5 seeds": Contender("5 seeds", ours, "benchmarks.ours", 64, 64, 5),
    }
    bursts = compare(contenders)
    limit = max(limit, matrix_limit())
    rounds = quiet_rounds(bursts)
    for contender in contenders.values():
        contender.stop()

    speed = {name: [b[i]["steps_per_s"] for i in rounds] for name, b in bursts.items()}

    def ratio(a: str, b: str) -> float:
        return median([x / y for x, y in zip(speed[a], speed[b], strict=True)])

    at_limit = limit / flops_per_step(11, 3, 256, 256)
    results = {
        "ours / d3rlpy fit": ratio("ours", "d3rlpy fit"),
        "ours / d3rlpy update": ratio("ours", "d3rlpy update"),
        "share of the matrix limit": median(speed["ours"]) / at_limit,
        "compile, processor s": contenders["ours"].ready["compile_cpu_s"],
        "peak memory, MB": contenders["ours"].ready["peak_mb"],
        "5 seeds / 1 seed, time a step": ratio("1 seed", "5 seeds"),
        "load 1M transitions, s": time_loading(),
        "import, s beyond jax and flax": time_import(),
    }
    report(results, {name: median(values) for name, values in speed.items()}, len(rounds))


def report(results: dict[str, float], speed: dict[str, float], quiet: int) -> None:
    """Prints the table, writes the JSON."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    meta = {
        "commit": git.stdout.strip(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("jax", "flax", "optax", "numpy")},
        "rounds": ROUNDS,
        "quiet_rounds": quiet,
    }
    RESULT.write_text(
        json.dumps({"meta": meta, "results": results, "steps_per_s": speed}, indent=1)
    )
    print("\nTD3+BC, 2 x 256, minibatch 256, 11 observations, 3 actions, 1M transitions")
    for name, value in speed.items():
        print(f"  {name:32}{value:10.0f} steps a second")
    for name, value in results.items():
        goal = f"at least {GOALS[name]}" if name in GOALS else ""
        goal = f"at most {LIMITS[name]}" if name in LIMITS else goal
        met = value >= GOALS.get(name, value) and value <= LIMITS.get(name, value)
        print(f"  {name:32}{value:10.2f}  {goal}{'' if met else '   MISSED'}")
    print(f"  {quiet} of {ROUNDS} rounds counted. Written to {RESULT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
