"""Draws the book's signature picture: `python -m tools.picture`, from the precomputed sweeps.

The maze: the dataset's walks, and what cloning, TD3, TD3+BC and CQL make of them. Each method shows
the seed in the middle when its seeds are ordered by what their critics believe at the start. One
picture of all for the README, and one of each for the first page, which sets them side by side or,
on a phone, one below the other.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from offline_tutor.book import figures
from offline_tutor.book.precomputed import load
from offline_tutor.book.precomputed.alpha_sweep import from_field
from offline_tutor.data import load_dataset
from tools.chapters import ROOT

FOLDER = ROOT / "book" / "_static"
PANELS = {  # method: the sweep that holds it, and with which alpha
    "data": None,
    "bc": ("alpha_sweep_maze_stitch", 0.0),
    "td3": ("alpha_sweep_maze_stitch", np.inf),
    "td3_bc": ("alpha_sweep_maze_stitch", 1.0),
    "cql": ("cql_sac_sweep_maze_stitch", 10.0),
}


def draw(ax: Axes, method: str) -> str:
    """Draws one panel; returns its title."""
    place = PANELS[method]
    if place is None:
        dataset = load_dataset("maze/stitch-v0")
        walks = [dataset.transitions.observations[rows] for rows in dataset.episode_slices()[::5]]
        figures.draw_maze(ax)
        figures.draw_paths(ax, walks)
        return "dataset:\nno walk leads from A to D"
    sweep = load(place[0])[0]
    k = sweep["alphas"].tolist().index(place[1])
    value, policy = from_field(sweep["fields"][k])
    if method == "bc":  # it has no critic
        figures.draw_maze(ax)
        figures.draw_policy_arrows(ax, policy)
    else:
        figures.draw_values(ax, value, low=0, high=1, limit=1.0, label=None)
        figures.draw_policy_arrows(ax, policy, color="#111111", outline="white")
    share = sweep["returns"][k].mean()
    return f"{figures.look(method).label}:\n{share:.0%} of walks from A reach D"


def main() -> None:
    plt.close("all")
    figures.use_style()
    together, axes = plt.subplots(1, len(PANELS), figsize=(13.6, 3.2), layout="constrained")
    for ax, method in zip(axes, PANELS, strict=True):
        ax.set_title(draw(ax, method), fontsize=11)
        alone, panel = plt.subplots(figsize=(2.8, 2.8))
        panel.set_position((0, 0, 1, 1))
        draw(panel, method)
        alone.savefig(FOLDER / f"maze_{method}.png", dpi=160, bbox_inches="tight", pad_inches=0)
    together.savefig(FOLDER / "maze.png", dpi=100, facecolor="white")


if __name__ == "__main__":
    main()
