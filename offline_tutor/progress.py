"""Progress of a computation: a bar in a notebook or a terminal, nothing in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from tqdm import tqdm


def in_notebook() -> bool:
    """Return whether this code runs in a Jupyter kernel (JupyterLab, Colab, a book build)."""
    ipython = sys.modules.get("IPython")  # not imported here: a kernel has imported it already
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


@contextmanager
def progress_bar(
    total: int, description: str = "", *, unit: str = "steps"
) -> Iterator[Callable[[int], None]]:
    """Show progress while the block runs.

        with progress_bar(6000, "TD3") as bar:
            bar(1000)

    `bar` takes the number of units done in total, not the number since its last call.
    """
    if in_notebook():
        bar = _notebook_bar(total, description, unit)
    else:
        bar = _terminal_bar(total, description, unit)
    with bar as report:
        yield report


@contextmanager
def _notebook_bar(total: int, description: str, unit: str) -> Iterator[Callable[[int], None]]:
    from IPython.display import display

    start = time.perf_counter()

    def line(done: int) -> dict[str, str]:
        text = f"{done} of {total} {unit}, {time.perf_counter() - start:.0f} s"
        return {"text/html": _line(done, total, description, text), "text/plain": text}

    handle = display(line(0), raw=True, display_id=True)
    yield lambda done: handle.update(line(done), raw=True)


def _line(done: int, total: int, description: str, text: str) -> str:
    """Return a line of HTML: name, bar, numbers. The bar's accessible name is the description."""
    name = escape(description, quote=True)
    return (
        '<div class="ot-progress" style="display:flex;flex-wrap:wrap;gap:0 .75em;'
        'align-items:center;font-variant-numeric:tabular-nums">'
        + (f"<span>{name}</span>" if name else "")
        + f'<progress max="{total}" value="{done}" aria-label="{name or "progress"}"'
        ' style="flex:0 1 14em"></progress>'
        f"<span>{escape(text)}</span></div>"
    )


@contextmanager
def _terminal_bar(total: int, description: str, unit: str) -> Iterator[Callable[[int], None]]:
    # disable=None: tqdm prints nothing if standard error is not a terminal.
    with tqdm(total=total, desc=description or None, unit=f" {unit}", disable=None) as bar:
        yield lambda done: bar.update(done - bar.n)
