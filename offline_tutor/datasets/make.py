"""Make an embedded dataset again: ``python -m offline_tutor.datasets.make maze/stitch-v0``.

On the same machine it is the same bytes, which ``SHA256SUMS`` beside this file records; on
another one, where sums are rounded in another order, it is the same up to that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from offline_tutor.datasets import library, maze_stitch
from offline_tutor.datasets.write import checksums, write

RECIPES = {maze_stitch.NAME: maze_stitch.record}


def main() -> None:
    """Read the command line, make the dataset, say where it is."""
    parser = argparse.ArgumentParser(prog="python -m offline_tutor.datasets.make")
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
    (arguments.output / "SHA256SUMS").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
