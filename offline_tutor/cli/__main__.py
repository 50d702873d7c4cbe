"""The command `offline-tutor`."""

import argparse
import sys
from collections.abc import Sequence

from offline_tutor.cli import datasets, evaluate, grade, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns the exit status: 0, 1 where something is missing, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="offline-tutor", description="Offline RL, step by step.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (datasets, train, evaluate, grade):
        command.add(commands)
    asked = parser.parse_args(arguments)
    try:
        return asked.run(asked)
    except (ArithmeticError, OSError, ValueError, RuntimeError) as error:
        print(f"offline-tutor {asked.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Stopped. {asked.stopped}", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
