"""Draws the book's signature picture for the README: `python -m tools.picture`.

The maze in four panels: the dataset's walks, and what cloning, TD3 and TD3+BC make of them, at the
settings of the chapter on TD3+BC. Of its ten seeds it shows the one in the middle when they are
ordered by what TD3 believes at the start.
"""

import matplotlib.pyplot as plt
import numpy as np

from offline_tutor import figures
from offline_tutor.algorithms import bc, td3, td3_bc
from offline_tutor.data import load_dataset
from offline_tutor.environments import PointMaze
from offline_tutor.evaluation import compare_values, evaluate
from offline_tutor.training import Run, train
from tools.chapters import ROOT

PICTURE = ROOT / "book" / "_static" / "maze.png"
SEEDS = 10


def train_all() -> dict[str, Run]:
    dataset = load_dataset("maze/stitch-v0")
    sizes = {"hidden": (64, 64), "actor_learning_rate": 1e-3}
    critics = {"critic_learning_rate": 1e-3, "discount": 0.97, "tau": 0.02}
    settings = {
        bc: (bc.Config(**sizes), {"num_steps": 2000, "batch_size": 256}),
        td3: (td3.Config(**sizes, **critics), {"batch_size": 64}),
        td3_bc: (td3_bc.Config(**sizes, **critics, alpha=1.0), {"batch_size": 64}),
    }
    return {
        algorithm.__name__.rpartition(".")[2]: train(
            algorithm, dataset, config=config, seeds=SEEDS, normalize=True, **options
        )
        for algorithm, (config, options) in settings.items()
    }


def main() -> None:
    maze, runs = PointMaze("A"), train_all()
    believed = compare_values(runs["td3"].policy, maze, discount=0.97).believed.mean(1)
    middle = int(np.argsort(believed)[SEEDS // 2])
    dataset = load_dataset("maze/stitch-v0")
    walks = [dataset.transitions.observations[rows] for rows in dataset.episode_slices()[::5]]
    plt.close("all")
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
    figures.draw_maze(axes[0])
    figures.draw_paths(axes[0], walks)
    axes[0].set_title("dataset:\nno walk leads from A to D", fontsize=11)
    for ax, (method, run) in zip(axes[1:], runs.items(), strict=True):
        policy, arrows = run.policy.seed(middle), {}
        if method == "bc":
            figures.draw_maze(ax)
        else:
            figures.draw_values(ax, policy.value, low=0, high=1, limit=1.0, label=None)
            arrows = {"color": "#111111", "outline": "white"}
        figures.draw_policy_arrows(ax, policy, **arrows)
        share = evaluate(run.policy, maze, key=1).mean()
        ax.set_title(
            f"{figures.look(method).label}:\n{share:.0%} of walks from A reach D", fontsize=11
        )
    figure.savefig(PICTURE, dpi=100, facecolor="white")
    print(f"Seed {middle}, {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
