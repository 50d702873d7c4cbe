"""Remake an embedded dataset: `python -m offline_tutor.book.recipes.make maze/stitch-v0`.

The maze and CartPole datasets come out as the bytes whose checksums are in
`data/embedded/SHA256SUMS`. The pendulum datasets no longer do: an earlier version made the
committed files, as `offline_tutor.book.recipes.pendulum_td3` explains. Learning online amplifies
differences in the last bit of a sum, so two machines agree on them only if sums are rounded alike:
with the versions of requirements.txt on an x86-64 processor with AVX2.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

from offline_tutor.book.recipes import cartpole_linear, maze_stitch, pendulum_td3
from offline_tutor.book.recipes.write import checksums, write
from offline_tutor.data import library
from offline_tutor.files import replacing

RECIPES = {
    cartpole_linear.MIXED: cartpole_linear.record_mixed,
    cartpole_linear.EXPERT: cartpole_linear.record_expert,
    cartpole_linear.RANDOM: cartpole_linear.record_random,
    maze_stitch.NAME: maze_stitch.record,
    pendulum_td3.MEDIUM: pendulum_td3.record_medium,
    pendulum_td3.REPLAY: pendulum_td3.record_replay,
}


# Newer instructions sum in a different order. JAX reads this flag when it makes its first array.
SAME_ROUNDING = "--xla_cpu_max_isa=AVX2"


def main() -> None:
    """Read the command line, make the datasets and print where they are."""
    if platform.machine() in ("x86_64", "AMD64"):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {SAME_ROUNDING}"
    parser = argparse.ArgumentParser(prog="python -m offline_tutor.book.recipes.make")
    parser.add_argument("name", choices=[*RECIPES, "all"])
    parser.add_argument(
        "--output",
        type=Path,
        default=library.ROOT,
        help="folder to write to (default: the package's own, whose checksums are then updated)",
    )
    arguments = parser.parse_args()
    for name in RECIPES if arguments.name == "all" else [arguments.name]:
        folder = write(name, RECIPES[name](), arguments.output)
        print(f"{name}: {folder}")
    lines = list(checksums(arguments.output))
    with replacing(arguments.output / "SHA256SUMS") as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
