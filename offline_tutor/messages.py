"""How messages speak: values on one short line, warnings at the line that asked.

Beside `types`, the ground floor: it imports nothing from the package.
"""

import re
import sys
import warnings
from typing import Any

LONGEST = 80  # characters of a value in a message


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warns at the line outside this package that called it, however deep the cause lies."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("offline_tutor"):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def shown(value: Any) -> str:
    """A value in a message: on one line, and not longer than one wants to read."""
    try:
        return shortened(re.sub(r" at 0x[0-9a-f]+", "", repr(value)))
    except Exception:  # code of a user's class, or a number with more digits than Python prints
        return f"a {type(value).__name__}"


def shortened(text: str, length: int = LONGEST) -> str:
    """The same for a text, such as the reason that a library gives."""
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 4]} ..."
