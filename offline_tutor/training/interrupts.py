"""Ctrl-C, or "interrupt the kernel": the first asks a run to stop, the second stops Python."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def first_interrupt_asks(can_wait: Callable[[], bool]) -> Iterator[Callable[[], bool]]:
    """Within it, the first Ctrl-C only makes what it gives return True from then on.

    The second raises KeyboardInterrupt, as does the first while `can_wait()` is False. Nothing
    changes outside the main thread, or where a program has a way of its own with Ctrl-C.
    """
    asked = False

    def note(number: int, frame: Any) -> None:
        nonlocal asked
        if asked or not can_wait():
            raise KeyboardInterrupt
        asked = True

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
