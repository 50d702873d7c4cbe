"""The command `offline-tutor`: one file for each thing that it does.

tyro makes flags, types and help of the commands' arguments, and of the fields of each algorithm's
`Config` with the comments beside them.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

STOPPED = {
    "train": "The same command goes on from the last checkpoint.",
    "grade": "Finished results are kept: the same command continues.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns the exit status: 0, 1 where something is missing, 2 for bad input."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    name = asked[0] if asked else ""
    try:
        return _run(asked)
    except (ArithmeticError, OSError, TypeError, ValueError, RuntimeError) as error:
        print(f"offline-tutor {name}: {error}", file=sys.stderr)
        return 2
    except SystemExit as stop:  # tyro's, after help or a usage error
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print(f"Stopped. {STOPPED.get(name, 'Nothing was changed.')}", file=sys.stderr)
        return 130


def _run(asked: list[str]) -> int:
    """Hands the arguments to their command; only `train` waits for JAX to say what it takes."""
    options: dict[str, Any] = {"config": (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)}
    if asked[:1] == ["train"]:
        from offline_tutor.cli.train import commands as algorithms

        return tyro.extras.subcommand_cli_from_dict(
            algorithms(), prog="offline-tutor train", args=asked[1:], **options
        )
    from offline_tutor.cli import datasets, evaluate, grade

    if asked[:1] == ["grade"]:  # what protects machine and marks is for those who ask
        name = "offline-tutor grade"
        return tyro.cli(grade.run, prog=name, description=grade.DETAILS, args=asked[1:], **options)
    commands: dict[str, Callable[..., int]] = {
        "datasets": datasets.run,
        "train": _train,
        "evaluate": evaluate.run,
        "grade": grade.run,
    }
    return tyro.extras.subcommand_cli_from_dict(
        commands, prog="offline-tutor", args=asked, **options
    )


def _train() -> int:
    """Train an algorithm on a dataset: `offline-tutor train --help` lists the algorithms."""
    raise AssertionError("train is run by its algorithm's command")
