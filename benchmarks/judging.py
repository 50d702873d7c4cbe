"""Fitted Q evaluation: beside d3rlpy's on the same record, and ten policies in one program.

Both judge the same clone: the arrays of `write_case` hold the record and the clone's network, in
units that neither scales any further. What the clone is worth is simulated from the same starts.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.protocol import ROOT
from offline_tutor.algorithms import BC, BC_DISCRETE
from offline_tutor.data import Dataset, load_dataset
from offline_tutor.environments import CartPole, Pendulum
from offline_tutor.evaluation import rollout
from offline_tutor.ope import FQE, fitted_q_evaluations
from offline_tutor.ope.evaluate import initial_observations
from offline_tutor.policies import Policy
from offline_tutor.training import offline, train
from offline_tutor.types import Discrete

RECORDS = {"cartpole/mixed-v0": "discrete", "pendulum/replay-v0": "continuous"}
# d3rlpy's target network jumps every `PERIOD` updates; ours moves 1 / PERIOD of the way in each.
DISCOUNT, PERIOD, STEPS, BATCH, SEEDS, HIDDEN = 0.95, 20, 3000, 128, 2, (64, 64)
# Steps, after which 0.95 to that power, 4e-5, is left of what a reward counts; a pendulum's limit.
HORIZON = Pendulum.max_episode_steps
OPTIONS: dict[str, Any] = {
    "config": FQE.Config(hidden=HIDDEN, discount=DISCOUNT, tau=1 / PERIOD),
    "num_steps": STEPS,
    "batch_size": BATCH,
    "seeds": SEEDS,
}
POLICIES = 10
WAYS = ("in one program", "in turn")
APART, TOGETHER = "|ours - d3rlpy| / |d3rlpy|", "ten policies: in one program / in turn"


def compare_values(python: Path) -> dict[str, float]:
    """What both say of the clone of each record, and what it is worth; layer norm in both."""
    results = {}
    for name, kind in RECORDS.items():
        dataset = load_dataset(name)
        clone = _clone(dataset)
        ours = fitted_q_evaluations([clone], dataset, **OPTIONS)[0].estimate
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "case.npz"
            write_case(path, clone, dataset)
            theirs = _theirs(python, path)
        results |= {
            f"{kind}: {APART}": abs(ours - theirs) / abs(theirs),
            f"{kind}: ours": ours,
            f"{kind}: d3rlpy": theirs,
            f"{kind}: simulated": simulate(clone, dataset),
        }
    return results


def _clone(dataset: Dataset) -> Policy:
    """The clone of a record, which stays inside it."""
    algorithm: Any = BC_DISCRETE if isinstance(dataset.spec.actions, Discrete) else BC
    config = algorithm.Config(hidden=HIDDEN, actor_learning_rate=1e-3)
    run = train(
        algorithm, dataset, config=config, num_steps=3000, every=3000, seeds=[0], normalize=True,
        progress=False,
    )  # fmt: skip
    return run.policy.seed(0)


def write_case(path: Path, clone: Policy, dataset: Dataset) -> None:
    """What `benchmarks.theirs_judging` reads: the record, and the layers of the clone."""
    rows, units = dataset.transitions, clone.normalization
    layers = clone.state.actor
    arrays: dict[str, Any] = {
        "observations": units.observe(rows.observations),
        "actions": units.from_environment(rows.actions),
        "rewards": rows.rewards,
        "terminations": rows.terminations,
        "truncations": dataset.truncations,
        "first": units.observe(initial_observations(dataset)),
    }
    for name in layers:
        arrays |= {f"{name}/{part}": layers[name][part] for part in ("kernel", "bias")}
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})


def _theirs(python: Path, path: Path) -> float:
    """d3rlpy's estimate: the mean over as many seeds."""
    numbers = [DISCOUNT, PERIOD, STEPS, BATCH, SEEDS, *HIDDEN]
    command = [python, "-m", "benchmarks.theirs_judging", path, *numbers]
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return statistics.mean(json.loads(done.stdout.splitlines()[-1]))


def simulate(policy: Policy, dataset: Dataset) -> float:
    """The mean discounted return from the starts of the record, as if it had no limit of time."""
    first = initial_observations(dataset)
    environment: Any = CartPole(max_episode_steps=HORIZON)
    if not isinstance(dataset.spec.actions, Discrete):
        environment = Pendulum()
        first = np.stack([np.arctan2(first[:, 1], first[:, 0]), first[:, 2]], -1)
    played = rollout(
        policy, environment, jax.random.key(0), episodes=len(first),
        initial_states=jnp.asarray(first),
    )  # fmt: skip
    rewards = np.asarray(played.rewards, np.float64)
    return float((rewards @ DISCOUNT ** np.arange(HORIZON)).mean())


def compare_programs(rounds: int) -> dict[str, float]:
    """Processor seconds of judging ten policies, compilation included; medians over rounds."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for round_ in range(rounds):
        for way in WAYS:
            seconds[way].append(_in_new_process(way))
        print(f"  round {round_ + 1} of {rounds}", end="\r", flush=True)
    print()
    results = {f"{way}, processor s": statistics.median(seconds[way]) for way in WAYS}
    ratios = [one / ten for one, ten in zip(*seconds.values(), strict=True)]
    return {TOGETHER: statistics.median(ratios), **results}


def _in_new_process(way: str) -> float:
    """What `main` prints, where nothing has been compiled before."""
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    command = [sys.executable, "-m", __name__, way]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return float(done.stdout)


def main(way: str) -> None:
    """Prints the processor seconds of judging ten policies, asking them included."""
    dataset = load_dataset("cartpole/mixed-v0")
    weights = np.random.default_rng(0).standard_normal((POLICIES, 4))

    def follow(weight: np.ndarray) -> Any:
        return lambda observations: (observations @ weight > 0).astype(int)

    policies = [follow(weight) for weight in weights]
    start = time.process_time()
    if way == "in one program":
        fitted_q_evaluations(policies, dataset, **OPTIONS)
    for policy in policies if way == "in turn" else ():
        offline._take_steps.clear_cache()
        fitted_q_evaluations([policy], dataset, **OPTIONS)
    print(time.process_time() - start)


if __name__ == "__main__":
    main(sys.argv[1])
