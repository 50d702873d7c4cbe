"""Make an embedded dataset again: `python -m offline_tutor.book.recipes.make maze/stitch-v0`.

The maze and CartPole sets come out as the same bytes, which `data/embedded/SHA256SUMS` records.
The pendulum sets do not any more: an earlier version made the committed files, as
`offline_tutor.book.recipes.pendulum_td3` tells. Learning online amplifies the last bit of a sum, so
that two machines agree on them only where sums are rounded alike: with the versions of
requirements.txt on an x86-64 processor with AVX2.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from offline_tutor.book.recipes import cartpole_linear, maze_stitch, pendulum_td3
from offline_tutor.book.recipes.write import checksums, write
from offline_tutor.data import library

RECIPES = {
    cartpole_linear.MIXED: cartpole_linear.record_mixed,
    cartpole_linear.EXPERT: cartpole_linear.record_expert,
    cartpole_linear.RANDOM: cartpole_linear.record_random,
    maze_stitch.NAME: maze_stitch.record,
    pendulum_td3.MEDIUM: pendulum_td3.record_medium,
    pendulum_td3.REPLAY: pendulum_td3.record_replay,
}


# Newer instructions round sums in another order; JAX reads this when its first array is made.
SAME_ROUNDING = "--xla_cpu_max_isa=AVX2"


def main() -> None:
    """Read the command line, make the dataset, say where it is."""
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {SAME_ROUNDING}"
    parser = argparse.ArgumentParser(prog="python -m offline_tutor.book.recipes.make")
    parser.add_argument("name", choices=[*RECIPES, "all"])
    parser.add_argument(
        "--output",
        type=Path,
        default=library.ROOT,
        help="folder to write to (default: the package's own, whose checksums are then renewed)",
    )
    arguments = parser.parse_args()
    for name in RECIPES if arguments.name == "all" else [arguments.name]:
        folder = write(name, RECIPES[name](), arguments.output)
        print(f"{name}: {folder}")
    lines = list(checksums(arguments.output))
    (arguments.output / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
