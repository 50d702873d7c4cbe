"""The command `offline-tutor`: one file for each thing that it does.

tyro makes flags, types and help of the commands' arguments, and of the fields of each algorithm's
`Config` with the comments beside them.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import tyro

import offline_tutor

ABOUT = "Offline reinforcement learning; each command says more with --help."
ALGORITHM = """Train an algorithm; each lists its flags with --help.

One of your own is named by its file, my_file.py:MINE, or its module, my.module:MINE.
"""
REGISTRY = tyro.constructors.ConstructorRegistry()
STOPPED = {
    "train": "The same command goes on from the last checkpoint.",
    "grade": "Finished results are kept: the same command continues.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns the exit status: 0, 1 where something is missing, 2 for bad input."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    name = asked[0] if asked else ""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: _say(name, message)
            return _run(asked)
    except (ArithmeticError, OSError, TypeError, ValueError, RuntimeError) as error:
        notes = [note for note in getattr(error, "__notes__", []) if "JAX_TRACEBACK" not in note]
        _say(name, "\n".join([str(error), *notes]))
        return 2
    except SystemExit as stop:  # tyro's, after help or a usage error
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print(f"Stopped. {STOPPED.get(name, 'Nothing was changed.')}", file=sys.stderr)
        return 130


def _say(command: str, message: Any) -> None:
    print(f"offline-tutor {command}: {message}", file=sys.stderr)


def _run(asked: list[str]) -> int:
    """Hands the arguments to their command; only `train` waits for JAX to say what it takes."""
    if asked == ["--version"]:
        print(f"offline-tutor {offline_tutor.__version__}")
        return 0
    options: dict[str, Any] = {
        "config": (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
        "registry": REGISTRY,
    }
    if asked[:1] == ["train"]:
        return _train_with(asked[1:], options)
    from offline_tutor.cli import datasets, evaluate, grade, judge

    if asked[:1] == ["grade"]:  # what protects machine and marks is for those who ask
        name = "offline-tutor grade"
        return tyro.cli(grade.run, prog=name, description=grade.DETAILS, args=asked[1:], **options)
    commands: dict[str, Callable[..., int]] = {
        "datasets": datasets.run,
        "train": _train,
        "evaluate": evaluate.run,
        "judge": judge.run,
        "grade": grade.run,
    }
    if asked and not asked[0].startswith("-") and asked[0] not in commands:
        from offline_tutor.algorithms.hyperparameters import nearest

        known = ", ".join(commands)
        raise ValueError(f"there is no such command{nearest(asked[0], commands)} There are {known}")
    return tyro.extras.subcommand_cli_from_dict(
        commands, prog="offline-tutor", args=asked, description=ABOUT, **options
    )


def _train_with(asked: list[str], options: dict[str, Any]) -> int:
    """The command of an algorithm of this package, or of one of the user's own."""
    from offline_tutor.cli.own import find_algorithm
    from offline_tutor.cli.train import command_of, listed

    prog = "offline-tutor train"
    if asked and not asked[0].startswith("-"):
        command = command_of(find_algorithm(asked[0]))
        return tyro.cli(command, prog=f"{prog} {asked[0]}", args=asked[1:], **options)
    return tyro.extras.subcommand_cli_from_dict(
        listed(), prog=prog, args=asked, description=ALGORITHM, **options
    )


def _train() -> int:
    """Train an algorithm on a dataset: `offline-tutor train --help` lists the algorithms."""
    raise AssertionError("train is run by its algorithm's command")


@REGISTRY.primitive_rule
def _whole_numbers(wanted: tyro.constructors.PrimitiveTypeInfo) -> Any:
    """Whole numbers may be written as 1e4, as they may be in Python."""
    if wanted.type is not int:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda texts: _whole(texts[0]),
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    )


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if not number.is_integer():
        raise ValueError(f"{text} is no whole number")
    return int(number)
