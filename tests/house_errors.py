"""What an error of this package looks like: raised on purpose, and told in the house's form."""

from __future__ import annotations

import dis
import re
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import offline_tutor
from offline_tutor.training.run import Diverged

PACKAGE = str(Path(offline_tutor.__file__).parent)
OURS = (ValueError, TypeError, FileNotFoundError, NotADirectoryError, Diverged)
LONGEST = 450  # characters
# What to do: an imperative at the beginning of a clause, or what must be.
ADVICE = re.compile(
    r"""\b(give|must|should|become|are\ fetched\ by
    |needs?|takes|makes|see|may\ help|gives\ one\ more\ step)\b
    |\bTo\ \w+[\w ]*:
    |(^|[:.;,(]\s|\b(?:or|and|then)\s)(?:please\s)?(give|use|choose|wait|delete|leave|take|flatten
    |clip|make|fetch|keep|find|train|install|pip|register|start|put|submit|clear|pass|call|ask|set
    |turn|wrap|drop|check|add|replace|remove|do|load|write|open|run|play|update|read|cut|filter
    |look|convert|save|stop|name|say|store)\b""",
    re.VERBOSE | re.IGNORECASE,
)
FOLDERS = re.compile(r"(/[\w.-]+)+/")  # how long they are is the machine's affair
FOREIGN = re.compile(r"Traceback|<[\w.]+ object at 0x|\bat 0x[0-9a-f]{6,}")


def faults_of(message: str) -> list[str]:
    """What is wrong with the form of a message; nothing where it is as it should be."""
    found = []
    if not message.strip():
        found.append("it is empty")
    if "\n" in message.strip():
        found.append("it has several lines")
    if len(FOLDERS.sub("/", message)) > LONGEST:
        found.append(f"it has {len(message)} characters")
    if not ADVICE.search(message):
        found.append("it does not say what to do")
    if FOREIGN.search(message):
        found.append("it shows what is inside")
    return found


def is_deliberate(error: BaseException) -> bool:
    """Whether a `raise` in the package threw it, and not something below that failed."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not trace.tb_frame.f_code.co_filename.startswith(PACKAGE):
        return False
    instruction = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return dis.opname[instruction] == "RAISE_VARARGS"


def judge(error: BaseException) -> None:
    """Fails where an error is not one of this package's, or is badly told."""
    shown = "".join(traceback.format_exception(error))[-3000:]
    assert isinstance(error, OURS), f"of the type {type(error).__name__}:\n{shown}"
    assert is_deliberate(error), f"not raised on purpose:\n{shown}"
    assert not faults_of(str(error)), f"{faults_of(str(error))}: {error}"


class TooLong(BaseException):
    """An example hangs."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raises TooLong in the block where it takes longer."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong(f"it takes longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(
    function: Callable[..., Any], *arguments: Any, seconds: float = 30, **named: Any
) -> Any:
    """What the function returns; None where it raises an error as it should."""
    with limit(seconds):
        try:
            return function(*arguments, **named)
        except Exception as error:
            judge(error)
            return None
