"""A control that trains with a number of the reader's choice and shows the run live."""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from typing import Any

from offline_tutor.book.figures.curves import LivePlot
from offline_tutor.book.figures.page import figure_html, put
from offline_tutor.progress import in_notebook
from offline_tutor.training import Run

Show = Callable[[Run], None]

_WHERE = (
    "To train with your own {name} and watch it live, open this chapter in Colab or JupyterLab and "
    "run it from the top: the control appears here."
)
_MISSING = "The control for {name} needs ipywidgets: pip install ipywidgets, then run this again."


def try_out(
    train: Callable[[float, Show], Any],
    plot: LivePlot,
    *,
    name: str,
    low: float,
    high: float,
    start: float,
) -> None:
    """Show a logarithmic slider, and a button that trains with the number chosen.

    If no reader is at the notebook, as when the book is built, a sentence says where to run it
    instead; if ipywidgets is not installed, a sentence says so.

    Args:
        train: called as `train(number, show)`; it passes `show` to `offline_tutor.train` as a
            callback.
        plot: draws the run.
        name: the name of the number.
        low: the smallest number that can be chosen, above 0.
        high: the largest number that can be chosen.
        start: the number chosen at first.
    """
    if not attended():
        _say(_WHERE.format(name=name))
        return
    try:
        import ipywidgets  # type: ignore[import-untyped]
    except ImportError:
        _say(_MISSING.format(name=name))
        return
    from IPython.display import display

    ends = {"min": math.log10(low), "max": math.log10(high)}
    slider = ipywidgets.FloatLogSlider(value=start, description=name, step=0.1, **ends)
    button = ipywidgets.Button(description="Train")
    picture = ipywidgets.HTML()  # a callback can change it in every front end
    button.on_click(lambda _: _train_once(train, plot, slider, button, picture))
    display(ipywidgets.VBox([ipywidgets.HBox([slider, button]), picture]))


def attended() -> bool:
    """Return whether a person is at the notebook: programs that run notebooks disallow input."""
    if not in_notebook():
        return False
    from IPython import get_ipython

    return bool(get_ipython().get_parent()["content"].get("allow_stdin"))


def _train_once(
    train: Callable[[float, Show], Any], plot: LivePlot, slider: Any, button: Any, picture: Any
) -> None:
    """Train with the slider's number and draw each record; show an error and re-raise it."""
    number = slider.value
    chosen = f"{slider.description} {number:.2g}"
    button.disabled = True
    picture.value = f"{escape(chosen)}: the first curve takes a few seconds."

    def show(run: Run) -> None:
        heading = f"{chosen}: {run.steps[-1]} of {run.num_steps} steps"
        picture.value = figure_html(plot.draw(run), alt=plot.alt, caption=heading)

    try:
        train(number, show)
    except Exception as error:
        picture.value = escape(f"{chosen}: the training failed: {error}")
        raise
    finally:
        button.disabled = False


def _say(sentence: str) -> None:
    # The class keeps the theme's white box away in the dark, see `page.STYLE`.
    markup = f'<p class="ot-figure"><em>{escape(sentence)}</em></p>'
    put({"text/html": markup, "text/plain": sentence})
