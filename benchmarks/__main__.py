"""`make bench`: steps a second, compile time, memory, loading and importing; tables and JSON.

Contenders run in turn, in bursts of about a second, the matrix limit among them; ratios are taken
round by round and the median is quoted. Rounds in which other programs took more than `QUIET` of
a core during any burst do not count, unless fewer than `ENOUGH` are left: then all count, the
table says so and passes no verdict on speed, since a disturbance slows the contenders unequally.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from benchmarks import gpu, grid, judging
from benchmarks.limit import operations_per_step
from benchmarks.package import time_import, time_loading
from benchmarks.protocol import ROOT, Contender

THEIRS = ROOT / "_build" / "benchmark-venv"
RESULTS = Path(__file__).with_name("results")
SECONDS, QUIET, ENOUGH = 1.2, 0.15, 5
WAYS = ("fit", "update")  # of using d3rlpy, see `benchmarks.theirs`
TITLES = {
    "td3_bc": "TD3+BC, 2 x 256, minibatch 256, 11 observations, 3 actions, 1M transitions",
    "cql_sac": "SAC+CQL, 3 x 256, 30 actions, minibatch 256, 11 observations, 1M transitions",
    "cql_qr_dqn": "QR-DQN+CQL, 2 x 256, 32 quantiles, 8 observations, 4 actions, 1M transitions",
    "fqe": "Fitted Q evaluation beside DQN: 2 x 256, minibatch 256, 4 actions, 1M transitions",
    "judging": "Fitted Q evaluation beside d3rlpy's on two records, and of ten policies, 2 x 64",
    "grid": "Ten alphas of TD3+BC in the maze, 2 x 64, minibatch 64, 5 seeds, 6000 steps",
    "package": "The package",
    "gpu": "On a GPU, 256 wide, minibatch 256, 1M transitions",
}
GOALS = {  # of each table: at least, at most
    "td3_bc": {
        "ours / d3rlpy fit": (3.5, None),
        "share of the matrix limit": (0.65, None),
        "compile, processor s": (None, 8.0),
        "peak memory, MB": (None, 650.0),
        "5 seeds / 1 seed, time a step": (None, 5.5),
    },
    "cql_sac": {
        "ours / d3rlpy fit": (1.7, None),
        "share of the matrix limit": (0.7, None),
        "compile, processor s": (None, 12.0),
        "peak memory, MB": (None, 750.0),
    },
    "cql_qr_dqn": {
        "batch 32: ours / d3rlpy fit": (5.0, None),
        "batch 256: ours / d3rlpy fit": (4.0, None),
        "compile, processor s": (None, 5.0),
        "peak memory, MB": (None, 650.0),
    },
    "fqe": {"FQE / DQN": (0.9, None)},
    "judging": {
        **{f"{kind}: {judging.APART}": (None, 0.05) for kind in judging.RECORDS.values()},
        judging.TOGETHER: (None, 0.7),
    },
    "grid": {"grid / in turn, processor time": (None, 0.6)},
    "package": {
        "load 1M transitions, s": (None, 3.0),
        "import, s beyond jax and flax": (None, 0.5),
    },
    "gpu": {"1M steps of TD3+BC, s, compilation included": (None, 60.0)},
}


class Comparison:
    """Contenders and the matrix limit, measured in turn; the first round warms up and is dropped.

    `contenders`: of each, its module and arguments.
    """

    def __init__(self, rounds: int, contenders: dict[str, tuple[object, ...]]):
        python = {"benchmarks.theirs": make_their_environment()}
        contenders = {"matrix limit": ("benchmarks.limit",)} | contenders
        self.contenders = {
            name: Contender(name, python.get(module, sys.executable), module, *arguments)
            for name, (module, *arguments) in contenders.items()
        }
        for round_ in range(rounds + 1):
            for contender in self.contenders.values():
                contender.run(SECONDS)
            print(f"  round {round_} of {rounds}", end="\r", flush=True)
        print()
        self.bursts = {name: c.bursts[1:] for name, c in self.contenders.items()}
        quiet = [
            i for i in range(rounds) if all(b[i]["others"] < QUIET for b in self.bursts.values())
        ]
        self.quiet = len(quiet)
        self.counted = quiet if self.quiet >= ENOUGH else list(range(rounds))
        for contender in self.contenders.values():
            contender.stop()

    def per_s(self, name: str) -> list[float]:
        """Steps a second, or operations of the matrix limit, in each round that counts."""
        return [self.bursts[name][i]["per_s"] for i in self.counted]

    def ratio(self, a: str, b: str) -> float:
        return median([x / y for x, y in zip(self.per_s(a), self.per_s(b), strict=True)])

    def share(self, name: str, algorithm: str, batch: int) -> float:
        """How much of the matrix limit the products of its steps reach."""
        return self.ratio(name, "matrix limit") * operations_per_step(algorithm, batch)

    def table(self, results: dict[str, float]) -> dict[str, object]:
        speed = {name: median(self.per_s(name)) for name in self.contenders}
        return {"results": results, "quiet_rounds": self.quiet, "per_s": speed}


def median(values: list[float]) -> float:
    return statistics.median(values)


def make_their_environment() -> Path:
    """d3rlpy and PyTorch in an environment of their own, made once."""
    python = THEIRS / "bin" / "python"
    requirements = Path(__file__).with_name("requirements.txt")
    stamp = THEIRS / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != requirements.read_text(
        encoding="utf-8"
    ):
        print("Installing d3rlpy and PyTorch in", THEIRS, flush=True)
        venv.create(THEIRS, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        shutil.copy(requirements, stamp)
    return python


def td3_bc(rounds: int) -> dict[str, object]:
    """TD3+BC beside d3rlpy's; and many small seeds at once beside one."""
    name, ours, theirs = "td3_bc", "benchmarks.ours", "benchmarks.theirs"
    contenders = {
        "ours": (ours, name, 256, 256, 1),
        **{f"d3rlpy {way}": (theirs, name, 256, way) for way in WAYS},
        "1 seed, 2 x 64": (ours, name, 64, 256, 1),
        "5 seeds, 2 x 64": (ours, name, 64, 256, 5),
    }
    done = Comparison(rounds, contenders)
    results = {
        **{f"ours / d3rlpy {way}": done.ratio("ours", f"d3rlpy {way}") for way in WAYS},
        "share of the matrix limit": done.share("ours", name, 256),
        "compile, processor s": done.contenders["ours"].ready["compile_cpu_s"],
        "peak memory, MB": done.contenders["ours"].ready["peak_mb"],
        "5 seeds / 1 seed, time a step": done.ratio("1 seed, 2 x 64", "5 seeds, 2 x 64"),
    }
    return done.table(results)


def cql_sac(rounds: int) -> dict[str, object]:
    """CQL on SAC beside d3rlpy's."""
    name = "cql_sac"
    contenders: dict[str, tuple[object, ...]] = {"ours": ("benchmarks.ours", name, 256, 256, 1)}
    for way in WAYS:
        contenders[f"d3rlpy {way}"] = ("benchmarks.theirs", name, 256, way)
    done = Comparison(rounds, contenders)
    results = {
        **{f"ours / d3rlpy {way}": done.ratio("ours", f"d3rlpy {way}") for way in WAYS},
        "share of the matrix limit": done.share("ours", name, 256),
        "compile, processor s": done.contenders["ours"].ready["compile_cpu_s"],
        "peak memory, MB": done.contenders["ours"].ready["peak_mb"],
    }
    return done.table(results)


def cql_qr_dqn(rounds: int) -> dict[str, object]:
    """CQL on QR-DQN beside d3rlpy's, minibatches of 32 and of 256."""
    name, ours, theirs = "cql_qr_dqn", "benchmarks.ours", "benchmarks.theirs"
    contenders: dict[str, tuple[object, ...]] = {}
    for batch in (32, 256):
        contenders[f"batch {batch}: ours"] = (ours, name, 256, batch, 1)
        for way in WAYS:
            contenders[f"batch {batch}: d3rlpy {way}"] = (theirs, name, batch, way)
    done = Comparison(rounds, contenders)
    results = {}
    for batch in (32, 256):
        ours = f"batch {batch}: ours"
        for way in WAYS:
            results[f"{ours} / d3rlpy {way}"] = done.ratio(ours, f"batch {batch}: d3rlpy {way}")
        results[f"batch {batch}: share of the matrix limit"] = done.share(ours, name, batch)
    ready = [done.contenders[f"batch {batch}: ours"].ready for batch in (32, 256)]
    results["compile, processor s"] = max(each["compile_cpu_s"] for each in ready)
    results["peak memory, MB"] = max(each["peak_mb"] for each in ready)
    return done.table(results)


def fqe(rounds: int) -> dict[str, object]:
    """Updates of fitted Q evaluation beside those of its parent, one seed, one policy.

    The like-for-like figure is without layer normalisation, which the parent does not have.
    """
    names = {"DQN": "dqn", "FQE": "fqe", "FQE, layer norm": "fqe_normed"}
    done = Comparison(
        rounds, {shown: ("benchmarks.ours", name, 256, 256, 1) for shown, name in names.items()}
    )
    results = {f"{name} / DQN": done.ratio(name, "DQN") for name in names if name != "DQN"}
    return done.table(results)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Speed, beside d3rlpy's.")
    parser.add_argument(
        "--rounds", type=int, default=12, help="of bursts; fewer than 5 are a trial"
    )
    measures = {
        "td3_bc": td3_bc,
        "cql_sac": cql_sac,
        "cql_qr_dqn": cql_qr_dqn,
        "fqe": fqe,
        "judging": judge,
        "grid": sweep,
        "package": package,
    }
    parser.add_argument("--only", choices=measures, help="one table")
    options = parser.parse_args()
    if jax.default_backend() == "gpu":
        tables = {"gpu": {"results": gpu.measure()}}
    else:
        chosen = [options.only] if options.only else list(measures)
        tables = {name: measures[name](options.rounds) for name in chosen}
    for name, table in tables.items():
        show(name, table, options.rounds)
    if options.only is None and options.rounds >= ENOUGH:
        print("Written to", keep(tables, options.rounds).relative_to(ROOT))


def sweep(rounds: int) -> dict[str, object]:
    """Many configurations that differ in a number: each round takes one or two minutes."""
    return {"results": grid.measure(min(rounds, 3))}


def judge(rounds: int) -> dict[str, object]:
    """What both say that a policy is worth; ten policies in one program and in ten."""
    values = judging.compare_values(make_their_environment())
    return {"results": values | judging.compare_programs(min(rounds, 3))}


def package(_: int) -> dict[str, object]:
    """Loading data, importing."""
    loading, importing = time_loading(), time_import()
    return {
        "results": {"load 1M transitions, s": loading, "import, s beyond jax and flax": importing}
    }


def keep(tables: dict[str, Any], rounds: int) -> Path:
    """Writes what was measured, with machine, versions and commit."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    device = jax.devices()[0].device_kind
    meta = {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "machine": f"{processor()}, {os.cpu_count()} cores; JAX runs on: {device}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("jax", "flax", "optax", "numpy")},
        "rounds": rounds,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{jax.default_backend()}.json"
    path.write_text(json.dumps({"meta": meta, **tables}, indent=1) + "\n", encoding="utf-8")
    return path


def processor() -> str:
    """What the processor calls itself, where it says so (Linux)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def show(name: str, table: dict, rounds: int) -> None:
    """Prints a table: speeds, then results with what they ought to be."""
    quiet = table.get("quiet_rounds")
    disturbed = quiet is not None and quiet < ENOUGH
    print(f"\n{TITLES[name]}")
    for contender, per_s in table.get("per_s", {}).items():
        limit = contender == "matrix limit"
        value = f"{per_s / 1e9:10.0f} billion operations" if limit else f"{per_s:10.0f} steps"
        print(f"  {contender:36}{value} a second")
    for result, value in table["results"].items():
        least, most = GOALS[name].get(result, (None, None))
        goal = f"at least {least}" if least is not None else ""
        goal = f"at most {most}" if most is not None else goal
        missed = (least is not None and value < least) or (most is not None and value > most)
        verdict = "   MISSED" if missed else ""
        if disturbed and result not in ("compile, processor s", "peak memory, MB"):
            verdict = "   no verdict" if goal else ""
        print(f"  {result:44}{value:10.2f}  {goal}{verdict}")
    if disturbed:
        print(
            f"  Only {quiet} of {rounds} rounds were quiet: all count, and the speeds say little."
        )
    elif quiet is not None:
        print(f"  {quiet} of {rounds} rounds were quiet and count.")


if __name__ == "__main__":
    main()
