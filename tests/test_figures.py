"""Figures: colours that everyone can tell apart, pictures that fit any page, sliders that move."""

import inspect
import json
import re
import shutil
import subprocess
import sys
import types
from html.parser import HTMLParser
from itertools import combinations
from xml.etree import ElementTree

import jax
import matplotlib
import nbformat
import numpy as np
import pytest
from colorspacious import cspace_convert
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from nbclient import NotebookClient
from py_mini_racer import MiniRacer

matplotlib.use("agg")

from offline_tutor.algorithms import TD3_BC
from offline_tutor.book import figures
from offline_tutor.book.figures import curves, grid, page, walk, walk_script
from offline_tutor.book.figures.curves import LivePlot
from offline_tutor.book.figures.page import description, figure_html
from offline_tutor.book.figures.seal import sealed, unsealed
from offline_tutor.book.figures.slider import slider_html
from offline_tutor.book.figures.style import COUNTS, IMPOSSIBLE, INK, LOOKS, PAPER, VALUES
from offline_tutor.book.figures.svg import picture, unique_names
from offline_tutor.data import load_dataset
from offline_tutor.environments import NOISE, STEP, PointMaze
from offline_tutor.evaluation import evaluate
from offline_tutor.intervals import mean_interval
from offline_tutor.progress import in_notebook, progress_bar
from offline_tutor.training import Run, train

ALT = "A line that rises from left to right."

# Machado, Oliveira and Fernandes (2009), "A Physiologically-based Model for Simulation of Color
# Vision Deficiency": sight without the first, second or third kind of cone.
VISIONS = {
    "full": None,
    "no red": "protanomaly",
    "no green": "deuteranomaly",
    "no blue": "tritanomaly",
}
# Methods that meet in one figure: those for continuous and those for discrete actions.
TOGETHER = [
    ("bc", "td3", "td3_bc", "sac", "cql", "online"),
    ("bc", "dqn", "qr_dqn", "cql", "online"),
]
PAGES = [("#ffffff", "#222832"), ("#121212", "#ced6dd")]  # paper and ink of the book's theme
FIXED = {name: look.color for name, look in LOOKS.items() if look.color != INK}
FIXED["many counts"] = matplotlib.colors.to_hex(COUNTS(1.0))


@pytest.fixture(autouse=True)
def style():
    """The book's look, for one test."""
    with matplotlib.rc_context():
        figures.use_style()
        yield


def contrast(one, other):
    """Contrast ratio of the Web Content Accessibility Guidelines 2.1."""
    linear = cspace_convert([to_rgb(one), to_rgb(other)], "sRGB1", "sRGB1-linear")
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


def seen(colors, vision):
    """Lightness and two more coordinates in CAM02-UCS (..., 3), as somebody with that sight sees.

    Luo, Cui and Li (2006), "Uniform colour spaces based on CIECAM02": equal distances look alike.
    """
    if kind := VISIONS[vision]:
        sight = {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
        colors = np.clip(cspace_convert(colors, sight, "sRGB1"), 0, 1)
    return cspace_convert(colors, "sRGB1", "CAM02-UCS")


def difference(one, other, vision):
    """Distance of two colours as somebody with that sight sees them; black and white are 100."""
    return np.linalg.norm(seen(to_rgb(one), vision) - seen(to_rgb(other), vision))


@pytest.mark.parametrize("background", ["#ffffff", "#121212"])
@pytest.mark.parametrize("name", FIXED)
def test_every_colour_stands_out_from_light_and_dark_pages(name, background):
    assert contrast(FIXED[name], background) >= 3


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("methods", TOGETHER)
def test_colours_in_one_figure_differ_for_every_kind_of_sight(methods, vision):
    for one, other in combinations(methods, 2):
        assert difference(FIXED[one], FIXED[other], vision) >= 9, (one, other)


@pytest.mark.parametrize("vision", VISIONS)
def test_the_main_methods_differ_clearly_for_every_kind_of_sight(vision):
    for one, other in combinations(("bc", "td3", "td3_bc", "cql"), 2):
        assert difference(FIXED[one], FIXED[other], vision) >= 15, (one, other)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("paper", "ink"), PAGES)
def test_what_has_the_page_s_colour_differs_from_every_method(paper, ink, vision):
    """References are drawn in the page's ink."""
    for name, color in FIXED.items():
        assert difference(color, ink, vision) >= 15, name


@pytest.mark.parametrize("vision", VISIONS)
def test_larger_values_are_lighter_for_every_kind_of_sight(vision):
    lightness = seen(VALUES(np.linspace(0, 1, 65))[:, :3], vision)[:, 0]
    assert np.diff(lightness).min() > 0
    assert np.ptp(lightness) > 60


@pytest.mark.parametrize("vision", VISIONS)
def test_no_possible_value_looks_impossible(vision):
    possible = seen(VALUES(np.linspace(0, 1, 65))[:, :3], vision)
    distances = np.linalg.norm(possible - seen(to_rgb(IMPOSSIBLE), vision), axis=1)
    assert distances.min() >= 12


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("paper", "ink"), PAGES)
def test_larger_counts_are_further_from_the_paper_for_every_kind_of_sight(paper, ink, vision):
    colors = COUNTS(np.linspace(0, 1, 65))
    opaque = colors[:, :3] * colors[:, 3:] + np.array(to_rgb(paper)) * (1 - colors[:, 3:])
    towards_ink = np.sign(seen(to_rgb(ink), vision)[0] - seen(to_rgb(paper), vision)[0])
    lightness = seen(opaque, vision)[:, 0]
    assert (towards_ink * np.diff(lightness)).min() > 0
    assert np.ptp(lightness) > 30


def test_the_simulation_knows_what_colour_blind_readers_confuse():
    """Without this, a simulation that does nothing would pass too."""
    assert difference("#c04040", "#408040", "full") > 20
    assert (
        difference("#8a6a3a", "#5f7a3a", "no green") < 9 < difference("#8a6a3a", "#5f7a3a", "full")
    )


@pytest.mark.parametrize("methods", TOGETHER)
def test_line_and_marker_tell_methods_apart_without_colour(methods):
    looks = {(LOOKS[name].linestyle, LOOKS[name].marker) for name in methods}
    assert len(looks) == len(methods)


def test_an_unknown_method_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match=r"no look for 'iql'.*td3_bc"):
        figures.look("iql")


@pytest.fixture
def figure():
    """A figure with a line, a legend, letters, markers that are defined once, and an image."""
    figure = Figure(figsize=(4, 3))
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], **figures.line("td3_bc"))
    ax.plot([0, 1], [1, 0], color="black")
    ax.imshow(np.arange(9.0).reshape(3, 3), extent=(0, 0.3, 0, 0.3), interpolation="none")
    ax.text(0.5, 0.5, "letters < & >", bbox={"facecolor": PAPER})
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="auto")
    ax.legend()
    return figure


def svg_roots(markup):
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", markup, re.S)]


def test_a_picture_follows_the_page(figure):
    markup = picture(figure).svg()
    assert "currentColor" in markup
    assert "var(--ot-paper" in markup
    assert FIXED["td3_bc"] in markup
    for fixed in (INK, PAPER, "#000000", "font-family:", "<style", "<metadata", "DejaVu", "pt;"):
        assert fixed not in markup
    (root,) = svg_roots(markup)
    assert root.attrib["viewBox"] == "0 0 288 216"  # 72 pixels an inch
    assert "letters < & >" in [text.text for text in root.iter("text")]


def test_a_picture_leaves_the_figure_as_it_was(figure):
    canvas, dpi = figure.canvas, figure.dpi
    first = picture(figure)
    assert (figure.canvas, figure.dpi) == (canvas, dpi)
    assert picture(figure) == first


def test_names_are_resolved_unique_and_repeatable(figure):
    markup = "".join(figure_html(figure, alt=ALT) for _ in range(2))
    names = re.findall(r'\bid="([^"]+)"', markup)
    used = set(re.findall(r'(?:url\(#|href="#)([\w-]+)', markup))
    assert names
    assert len(names) == len(set(names))
    assert used == set(names)
    program = (
        "from offline_tutor.book.figures.svg import unique_names as u; print(u('<a id=\"x\">'))"
    )
    runs = {subprocess.check_output([sys.executable, "-c", program]) for _ in range(2)}
    assert len(runs) == 1


def test_names_in_a_script_change_with_those_they_mean():
    markup = unique_names('<path id="m1"/>' + json.dumps('<use href="#m1" clip="url(#m1)"/>'))
    assert len(set(re.findall(r"f[0-9a-f]{8}(?:-\d+)+", markup))) == 1
    assert "m1" not in markup


@pytest.mark.parametrize(
    ("written", "kept"),
    [("10.126", "10.13"), ("-0.5", "-0.5"), ("-0.001", "0"), ("3.0", "3"), ("100.0", "100")],
)
def test_numbers_lose_only_what_nobody_sees(written, kept):
    from offline_tutor.book.figures.svg import _NUMBER, _two_decimals

    assert _NUMBER.sub(_two_decimals, written) == kept


@pytest.mark.parametrize("alt", ["", "plot.png", "Figure 1", "four words are few", None, 3])
def test_a_description_must_be_a_sentence(figure, alt):
    with pytest.raises(ValueError, match="does not describe the figure"):
        figures.show(figure, alt=alt)


def test_a_description_reaches_the_page_whole(figure):
    alt = 'Q is "high" <above 1> & wrong in the wall.'
    parser = Elements(figure_html(figure, alt=alt, caption="a < b"))
    images = [tag for tag in parser.tags if tag[1].get("role") == "img"]
    assert [tag[1]["aria-label"] for tag in images] == [alt]
    assert all(tag[1].get("aria-hidden") == "true" for tag in parser.tags if tag[0] == "svg")
    assert "a < b" in parser.text


def test_several_figures_are_one_image_of_several_drawings():
    drawn, axes = figures.panels(3)
    for ax in axes:
        ax.plot([0, 1])
    parser = Elements(figure_html(drawn, alt=ALT))
    assert sum(tag == "svg" for tag, _ in parser.tags) == 3
    assert sum(attributes.get("role") == "img" for _, attributes in parser.tags) == 1


class Elements(HTMLParser):
    """The tags with their attributes, and the text, of a piece of HTML."""

    def __init__(self, markup):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def frames(count=4):
    """Frames in which numbers at the axis get longer, so that they would jump if not aligned."""
    drawn = []
    for k in range(count):
        figure = Figure(figsize=(4, 3), layout="constrained")
        figure.subplots().plot([0, 10.0**k], [0, 1000.0**k])
        drawn.append(figure)
    return drawn


def test_a_slider_holds_every_frame_exactly():
    drawn = frames()
    markup = slider_html(drawn, list("abcd"), name="Number", alt=ALT)
    arrays = {
        name: json.loads(literal.replace("<\\/", "</"))
        for name, literal in re.findall(r"(labels|parts|frames)=(\[.*?\])(?=,\n?\w+=|;)", markup)
    }
    assert arrays["labels"] == list("abcd")
    assert len(set(arrays["parts"])) == len(arrays["parts"])
    for figure, (indices,) in zip(drawn, arrays["frames"], strict=True):
        shown = "".join(arrays["parts"][i] for i in indices)
        expected = "".join(picture(figure).parts)
        assert re.sub(r"f[0-9a-f]{8}(-\d+)+", "", shown) == re.sub(
            r"(?<=[#(])[mp][0-9a-f]{10}", "", expected
        )
    used = set(re.findall(r'(?:url\(#|href=\\?"#)([\w-]+)', markup))
    assert used <= set(re.findall(r'\bid="([^"]+)"', markup))


def test_axes_stay_in_place_from_frame_to_frame():
    drawn = frames()
    slider_html(drawn, list("abcd"), name="Number", alt=ALT)
    places = {tuple(figure.axes[0].get_position().bounds) for figure in drawn}
    assert len(places) == 1


def test_a_slider_shows_its_last_frame_without_a_script():
    drawn = frames()
    markup = slider_html(drawn, list("abcd"), name="Number", alt=ALT)
    (root,) = svg_roots(markup)
    last = ElementTree.fromstring(f"<g>{''.join(picture(drawn[-1]).parts)}</g>")
    assert [t.text for t in root.iter("text")] == [t.text for t in last.iter("text")]
    assert dict(Elements(markup).tags)["div"].get("hidden", "no") is None


@pytest.mark.parametrize(("start", "value"), [(0, 0), (2, 2), (-1, 3)])
def test_a_slider_opens_where_it_is_told_to(start, value):
    markup = slider_html(frames(), list("abcd"), name="Number", alt=ALT, start=start)
    assert f'min="0" max="3" step="1" value="{value}"' in markup
    assert f">{'abcd'[value]}</output>" in markup


def test_labels_cannot_end_the_script():
    markup = slider_html(frames(1), ["</script><b>"], name="x", alt=ALT)
    assert markup.count("</script>") == 1


@pytest.mark.parametrize("labels", [[], ["one"], list("abcde")])
def test_frames_and_labels_must_match(labels):
    with pytest.raises(ValueError, match=f"slider 'k': 4 frames for {len(labels)} labels"):
        slider_html(frames(), labels, name="k", alt=ALT)


def test_a_figure_that_is_not_trusted_is_one_sentence(figure):
    """JupyterLab takes out scripts, styles, drawings, and attributes that hide or describe."""
    alt = 'Q is "high" <above 1> & wrong in the wall.'
    for markup in (
        figure_html(figure, alt=alt, caption="a < b"),
        slider_html(frames(), ["</script><b>", *"bcd"], name="k", alt=alt),
    ):
        whole = sealed(markup, alt)
        assert unsealed(f"<div>{whole}</div>") == f"<div>{markup}</div>"
        left = re.sub(r"<(script|style|svg)\b.*?</\1>", "", whole, flags=re.S)
        parser = Elements(left)
        assert [tag for tag, _ in parser.tags] == ["p"]
        assert parser.text == f"Run this cell, or trust this notebook, to see the figure: {alt}"


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here to move the slider in")
def test_sliders_move_in_a_browser(tmp_path):
    """Two on one page: each obeys its own input, at the first frame and at the last."""
    labels = [f"label {k}" for k in range(4)]
    sliders = [sealed(slider_html(frames(), labels, name="k", alt=ALT), ALT) for _ in range(2)]
    move = """<script>const report=[];
    const [a,b]=document.querySelectorAll("input");
    const state=i=>{const f=i.closest("figure");return [f.querySelector("output").value,
      i.getAttribute("aria-valuetext"),f.querySelectorAll("svg text").length,
      f.querySelector("svg").innerHTML.includes("10000"),i.offsetParent!==null]};
    report.push(state(a),state(b));
    a.value=0;a.dispatchEvent(new Event("input"));report.push(state(a),state(b));
    document.title=JSON.stringify(report)</script>"""
    file = tmp_path / "page.html"
    file.write_text(
        f"<!doctype html><meta charset=utf-8><body>{''.join(sliders)}{move}", encoding="utf-8"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command = [CHROMIUM, *flags, f"--user-data-dir={tmp_path}", "--dump-dom", file.as_uri()]
    page = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    title = Elements(page[page.index("<title>") : page.index("</title>")]).text
    first_a, first_b, moved_a, moved_b = json.loads(title)
    assert first_a == first_b == moved_b
    assert (first_a[:2], moved_a[:2]) == (["label 3"] * 2, ["label 0"] * 2)
    assert moved_a[2:] != first_a[2:]
    assert first_a[-1]  # the control is to be seen


def run_of(records, *, evaluated=True):
    """A run of 3 seeds that goes on for 4 records in the end."""
    values = np.arange(3.0) + np.arange(records)[:, None]
    evaluations = np.repeat(values[..., None], 2, -1) if evaluated else np.zeros((records, 3, 0))
    steps = 100 * np.arange(1, records + 1)
    policy = types.SimpleNamespace(
        seeds=(0, 1, 2), configs=(None,), rows=[(None, 0), (None, 1), (None, 2)]
    )
    metrics = {"q": values, "critic_loss": values}
    return Run(policy, 400, steps, metrics, evaluations, np.zeros(3, int))


def test_a_live_plot_draws_what_it_is_asked_for():
    assert len(LivePlot(alt=ALT).draw(run_of(2))) == 3
    (drawn,) = LivePlot("return", alt=ALT, method="td3").draw(run_of(2))
    (ax,) = drawn.axes
    assert ax.get_xlim() == (0, 400)  # room for what is to come
    *seeds, mean = ax.get_lines()
    assert len(seeds) == 3
    np.testing.assert_allclose(mean.get_ydata(), [1, 2])


@pytest.mark.parametrize(("ends", "side"), [(9.0, "left"), (-9.0, "right")])
def test_the_label_of_a_limit_stands_where_no_curve_passes(ends, side):
    ax = Figure().subplots()
    values = np.concatenate([np.full(12, -4.0), np.linspace(-4, ends, 8)])[:, None] * np.ones(3)
    figures.learning_curves(ax, np.arange(20), values, references={"limit": 0.0})
    (label,) = ax.texts
    assert label.get_ha() == side


def test_a_live_plot_of_steps_that_learned_nothing_waits_for_others():
    """The first pieces of a run online may be nothing but random actions."""
    run = run_of(1)
    run.metrics["q"] = np.full((1, 3), np.nan)
    (drawn,) = LivePlot("q", alt=ALT, references={"q": {"limit": -1200.0}}).draw(run)
    assert len(drawn.axes[0].get_lines()[0].get_xdata()) == 0
    assert figure_html([drawn], alt=ALT), "references wait for a scale to stand on"


def test_a_live_plot_says_which_seeds_diverged(monkeypatch):
    shown = []
    monkeypatch.setattr(curves, "put", lambda output, **_: shown.append(output))
    monkeypatch.setattr(curves, "in_notebook", lambda: True)
    run = run_of(3)
    run.metrics["q"] = run.metrics["q"].copy()
    run.metrics["q"][1:, 2] = np.nan
    run.diverged[2] = 150
    plot = LivePlot("q", alt=ALT)
    (drawn,) = plot.draw(run)
    (ax,) = drawn.axes
    assert "1 of 3 diverged" in ax.get_title(loc="left")
    cross, mean = ax.get_lines()[-2:]
    assert (cross.get_marker(), cross.get_xdata(), cross.get_ydata()) == ("x", [100], [2])
    np.testing.assert_allclose(mean.get_ydata(), [1, 1.5, 2.5])
    plot(run)
    assert "Diverged: seed 2 at step 150." in shown[0]["text/html"]


def test_a_live_plot_may_count_in_powers_of_ten():
    q, returns = LivePlot("q", "return", alt=ALT, logarithmic=["q"]).draw(run_of(2))
    assert (q.axes[0].get_yscale(), returns.axes[0].get_yscale()) == ("log", "linear")


@pytest.mark.parametrize(("reward", "whole"), [(1, True), (2, False), (0.5, False)])
def test_a_live_plot_shows_success_between_0_and_1(reward, whole):
    """Even while no episode fails; returns that are more than success or failure fill the panel."""
    run = run_of(2)
    run.evaluations = np.full((2, 3, 8), float(reward))
    (drawn,) = LivePlot("return", alt=ALT).draw(run)
    low, high = drawn.axes[0].get_ylim()
    assert (low <= 0 and high >= 1) == whole
    assert low < reward < high


def test_the_interval_of_a_share_ends_where_the_possible_ends():
    """Of returns, which may lie anywhere, it does not."""
    run = run_of(2)
    for successes, ends in ([[0, 1, 1]], True), ([[0, 2, 2]], False):
        run.evaluations = np.repeat(np.array(successes * 2)[..., None], 8, -1)
        (drawn,) = LivePlot("return", alt=ALT).draw(run)
        (band,) = drawn.axes[0].collections
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min() >= 0 and heights.max() <= 1) == ends


def live_frames(monkeypatch, moments, drawing):
    """At which records a plot is drawn: 0 before the first, then at the given moments."""
    clock, shown, records = [0.0], [], 0

    def put(output, **_):
        clock[0] += drawing
        shown.append(records)
        return types.SimpleNamespace(update=put)

    monkeypatch.setattr(curves, "put", put)
    monkeypatch.setattr(curves, "in_notebook", lambda: True)
    monkeypatch.setattr(curves.time, "perf_counter", lambda: clock[0])
    plot, run = LivePlot("q", alt=ALT), run_of(1)
    nothing = {"steps": run.steps[:0], "metrics": {"q": np.zeros((0, 3))}}
    run.steps, run.metrics = nothing["steps"], nothing["metrics"]
    plot.begin(run, ("q",))
    for now in moments:
        clock[0], records = now, records + 1
        later = run_of(records)
        run.steps, run.metrics = later.steps, later.metrics
        plot(run)
    return shown


def test_a_live_plot_rests_but_shows_the_end(monkeypatch):
    """A drawing of 0.05 s earns a rest of 0.45 s; 4 is the end."""
    assert live_frames(monkeypatch, (10, 10.4, 10.6, 10.7), 0.05) == [0, 1, 3, 4]


def test_a_live_plot_never_rests_for_more_than_a_second(monkeypatch):
    """However slow a drawing was: the first of all loads libraries, and waited nine-fold after."""
    assert live_frames(monkeypatch, (10, 13.1, 16.2, 17.3), 2.0) == [0, 1, 2, 3, 4]


def test_a_live_plot_names_what_a_run_has():
    with pytest.raises(ValueError, match=r"no 'Q'\. It has q, critic_loss, return"):
        LivePlot("Q", alt=ALT).draw(run_of(1))
    with pytest.raises(ValueError, match=r"'critic_los'; did you mean critic_loss\?"):
        LivePlot("critic_los", alt=ALT).draw(run_of(1))
    with pytest.raises(ValueError, match="needs `evaluate`"):
        LivePlot("return", alt=ALT).draw(run_of(1, evaluated=False))


def test_a_live_plot_of_what_does_not_exist_is_refused_before_training():
    run = run_of(1)
    with pytest.raises(ValueError, match=r"no 'Q'.*It has q"):
        LivePlot("Q", alt=ALT).begin(run, ("q",))
    LivePlot("q", "return", alt=ALT).begin(run, ("q", "return"))


def test_a_live_plot_refuses_a_bad_description_before_training():
    with pytest.raises(ValueError, match="does not describe"):
        LivePlot(alt="plot.png")


def test_outside_a_notebook_nothing_is_written(capfd):
    assert not in_notebook()
    LivePlot(alt=ALT)(run_of(1))
    with progress_bar(10, "TD3") as bar:
        bar(5)
        bar(10)
    assert capfd.readouterr() == ("", "")


def test_in_a_notebook_plot_and_progress_grow_in_place():
    """A real kernel: each display is updated rather than repeated, and nothing goes to stderr."""
    source = """
import types

import numpy as np
from offline_tutor.book.figures import LivePlot, use_style
from offline_tutor.progress import progress_bar
from offline_tutor.training import Run, train
use_style()
plot = LivePlot("q", alt="The curves of three seeds rise.")
first, last = run_of(1), run_of(4)
with progress_bar(400, "TD3") as bar:
    plot(first)
    for name in vars(last):
        setattr(first, name, getattr(last, name))
    plot(first)
    bar(400)
"""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(inspect.getsource(run_of) + source)]
    )
    NotebookClient(notebook, timeout=600).execute()
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data"] * 2
    progress, plot = (output.data for output in outputs)
    assert progress["text/plain"].startswith("400 of 400 steps, ")
    assert 'value="400"' in progress["text/html"]
    assert set(plot) == {"text/html", "text/plain", "application/pdf"}
    assert plot["text/plain"] == "Figure: The curves of three seeds rise."


def test_intervals_are_where_the_numbers_are():
    returns = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    ax = Figure().subplots()
    figures.interval_plot(ax, {"td3": returns, "alpha 2": np.ones(3)}, references={"limit": 1.0})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["TD3", "alpha 2"]
    seeds, interval, mean = ax.get_lines()[:3]
    np.testing.assert_allclose(seeds.get_xdata(), returns.mean(1))
    estimate, low, high = mean_interval(returns)
    np.testing.assert_allclose(interval.get_xdata(), [low, high])
    np.testing.assert_allclose(mean.get_xdata(), [estimate])
    assert "highest possible" in [text.get_text() for text in ax.texts]
    figures.interval_plot(within := Figure().subplots(), {"td3": returns}, possible=(0, 1))
    assert low < 0 and high > 1
    np.testing.assert_allclose(within.get_lines()[1].get_xdata(), [0, 1])


@pytest.fixture
def shown(monkeypatch):
    """What the function under test would display."""
    outputs = []
    monkeypatch.setattr("offline_tutor.book.figures.results.put", outputs.append)
    return outputs


def test_a_table_says_which_cells_its_heads_stand_for(shown):
    values = np.array([0.0, 1.0, 1.0])
    rows = {"td3_bc": {"success": values, "Q": -1234.567}, "<own>": {"Q": "diverged"}}
    figures.results_table(rows, caption="Success & Q at the start.", digits=1)
    parser = Elements(shown[0]["text/html"])
    scopes = [attributes["scope"] for tag, attributes in parser.tags if tag == "th"]
    assert scopes == ["col"] * 3 + ["row"] * 2
    _, low, high = mean_interval(values)
    text = parser.text.replace("\N{NO-BREAK SPACE}", " ")
    interval = f"0.7 [{low:.1f}, {high:.1f}]".replace("-", "\N{MINUS SIGN}")
    for part in ("Success & Q", "TD3+BC", interval, "<own>", "diverged"):
        assert part in text
    assert "\N{MINUS SIGN}1\N{NARROW NO-BREAK SPACE}234.6" in text
    assert "\N{EN DASH}" in text
    assert shown[0]["text/plain"].startswith("Success & Q at the start.\nmethod")


def test_values_are_painted_where_the_body_can_be_and_nowhere_else():
    _, (ax,) = figures.panels(1)
    figures.draw_values(ax, lambda points: points[:, 0], low=0, high=9, limit=3.0, label="Q")
    (image,) = ax.images
    left, right, bottom, top = image.get_extent()
    values = image.get_array()
    rows, columns = np.nonzero(~values.mask)
    x = left + (columns + 0.5) * (right - left) / values.shape[1]
    y = bottom + (rows + 0.5) * (top - bottom) / values.shape[0]
    np.testing.assert_allclose(values[rows, columns], x, atol=1e-5)
    free = ~PointMaze.cells[::-1]
    for dx, dy in ((0.15, 0.15), (-0.15, 0.15), (0.15, -0.15), (-0.15, -0.15)):
        assert free[(y + dy).astype(int), (x + dx).astype(int)].all()
    assert 0.7**2 / 0.1**2 * free.sum() < len(x) < free.sum() / 0.1**2
    over = matplotlib.colors.to_hex(image.cmap(image.norm(3.01)))
    assert over == IMPOSSIBLE
    assert matplotlib.colors.to_hex(image.cmap(image.norm(2.99))) != IMPOSSIBLE


def test_policy_arrows_point_where_the_policy_goes_and_no_further_than_a_step():
    ax = Figure().subplots()
    figures.draw_policy_arrows(ax, lambda points: np.tile([3.0, 4.0], (len(points), 1)))
    (arrows,) = ax.collections
    np.testing.assert_allclose(np.hypot(arrows.U, arrows.V), 1)
    np.testing.assert_allclose(arrows.V / arrows.U, 4 / 3)


# The y axis of a grid points down, as its rows do.
@pytest.mark.parametrize(("action", "side"), list(enumerate([(0, -1), (1, 0), (0, 1), (-1, 0)])))
def test_the_triangle_of_an_action_lies_where_it_goes(action, side):
    centre = np.mean(grid._triangle(5, 7, action), axis=0)
    np.testing.assert_allclose(centre, np.add([7, 5], np.array(side) / 3))
    np.testing.assert_array_equal(grid.MOVES[action], side[::-1])


def test_a_grid_shows_only_what_it_is_told_to():
    values = np.arange(16.0).reshape(2, 2, 4)
    ax = Figure().subplots()
    figures.draw_grid(ax, np.zeros((2, 2), bool) | [[True, False], [False, False]])
    figures.draw_grid_values(ax, values, low=0, high=15, shown=values > 9)
    np.testing.assert_array_equal(ax.collections[-1].get_array(), np.arange(10, 16))
    assert len(ax.collections[-1].get_paths()) == 6


def test_the_package_does_not_need_matplotlib():
    program = "import sys, offline_tutor; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
    program = "import sys, offline_tutor.training; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_description_is_one_line():
    assert description("A line\n   that rises to the right.") == "A line that rises to the right."


def test_figures_of_pyplot_are_closed_once_shown(capsys):
    from matplotlib import pyplot

    figure, _ = pyplot.subplots()
    page.show(figure, alt=ALT)
    assert not pyplot.fignum_exists(figure.number)
    assert capsys.readouterr().out == f"Figure: {ALT}\n"


def test_a_title_that_would_be_cut_is_refused():
    """Its end would be missing on the page, and nothing else would tell."""
    drawn, ax = figures.panels(1)
    ax[0].set(title="what the network is told", xlim=(0, 10), ylim=(0, 1))
    picture(drawn[0])
    ax[0].set_title("what the network is told at every state of the data")
    with pytest.raises(ValueError, match=r"2.9 x 2.6 inches .* with 'what the network is told at"):
        picture(drawn[0])


def rows_in_the_page():
    """The rows (n, 4) of the maze's dataset as the page holds them."""
    packed = np.frombuffer(walk.packed_rows(load_dataset("maze/stitch-v0")), np.uint8)
    columns = packed.reshape(-1, 4)
    return np.hstack([1 + columns[:, :2] / 50, columns[:, 2:].view(np.int8) / 127])


@pytest.fixture(scope="module")
def maze_script():
    """V8 with what the playable maze computes; `atob` is a browser's, so rows come as text."""
    racer = MiniRacer()
    rows = rows_in_the_page().tolist()
    names = f"const world = {json.dumps(walk.world())}, rows = {json.dumps(rows)};"
    racer.eval(names + walk_script.PHYSICS + walk_script.NEARBY)
    return lambda code: json.loads(racer.eval(f"JSON.stringify({code})"))


def test_the_playable_maze_moves_as_the_environment_does(maze_script):
    """From everywhere, along walls and into corners, with actions short and too long."""
    maze, rng = PointMaze("data"), np.random.default_rng(0)
    states = load_dataset("maze/stitch-v0").transitions.observations[::5]
    actions = 2 * rng.normal(size=states.shape).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), len(states))
    noise = NOISE * jax.vmap(lambda key: jax.random.normal(key, (2,)))(keys)
    after = np.asarray(jax.vmap(maze.transition)(states, actions, keys))
    given = np.stack([states, actions, noise], axis=1).astype(float).tolist()
    found = np.array(maze_script(f"{given}.map(given => transition(...given))"))
    np.testing.assert_allclose(found, after, atol=1e-5)
    ends = jax.vmap(maze.terminal)(after, keys)
    assert maze_script(f"{after.tolist()}.map(arrived)") == ends.tolist()
    lengths = np.maximum(1, np.linalg.norm(actions, axis=1, keepdims=True))
    stopped = np.abs(states + STEP * actions / lengths + noise - after) > 1e-4
    counts = np.bincount(stopped @ [1, 2], minlength=4)  # by none, by each, by both walls
    assert counts.min() > 10
    assert 0 < ends.sum() < len(ends)


def test_the_playable_maze_counts_the_rows_near_by(maze_script):
    dataset = load_dataset("maze/stitch-v0")
    positions, actions = dataset.transitions.observations, dataset.transitions.actions
    rows = rows_in_the_page()
    np.testing.assert_allclose(rows[:, :2], positions, atol=0.0101)
    np.testing.assert_allclose(rows[:, 2:], actions, atol=0.5 / 127 + 1e-6)
    for place in [(1.5, 5.5), (3.5, 1.5), (5.21, 5.33), (3.9, 1.2), (2.5, 3.5)]:
        near = np.linalg.norm(rows[:, :2] - place, axis=1) <= walk.NEAR
        assert maze_script(f"near({list(place)}).length") == near.sum()
        right, up = rows[near, 2:].T
        sideways = np.abs(right) > np.abs(up)
        masks = {"right": sideways & (right > 0), "left": sideways & (right < 0)}
        masks |= {"up": ~sideways & (up > 0), "down": ~sideways & (up < 0)}
        counts = maze_script(f"ways(near({list(place)}))")
        assert dict(map(reversed, counts)) == {k: m.sum() for k, m in masks.items() if m.any()}
        text = maze_script(f"describe(near({list(place)}))")
        expected = f"{near.sum()} rows of the dataset begin" if near.any() else "No row of"
        assert text.startswith(expected)
        alike = maze_script(f"alike(near({list(place)}), [-0.3, 0.07])")
        apart = np.angle((right + 1j * up) / (-0.3 + 0.07j))
        assert alike == (np.abs(apart) <= np.pi / 4).sum()


def test_a_maze_for_other_data_is_refused():
    with pytest.raises(ValueError, match=r"'pendulum/medium-v0' was not recorded in PointMaze"):
        figures.playable_maze(load_dataset("pendulum/medium-v0"), alt=ALT)


def test_a_playable_maze_is_whole_without_its_script(monkeypatch):
    outputs = []
    monkeypatch.setattr(walk, "put", outputs.append)
    figures.playable_maze(load_dataset("maze/stitch-v0"), alt=ALT)
    (output,) = outputs
    assert set(output) == {"text/html", "text/plain", "application/pdf"}
    markup = unsealed(output["text/html"])
    assert len(markup) < 100_000
    assert "http" not in re.sub(r"<svg.*?</svg>", "", markup, flags=re.S)
    (root,) = svg_roots(markup)
    still = next(group for group in root.iter("g") if group.get("class") == "ot-still")
    assert len(list(still.iter("path"))) > 10  # arrows, circle and dot
    tags = Elements(markup).tags
    (control,) = [found for _, found in tags if found.get("class") == "ot-walk"]
    assert "hidden" in control


@pytest.fixture
def control(monkeypatch):
    """Calls `try_out` as a reader at a notebook does; the slider, the button and the picture."""
    try_out_module = sys.modules["offline_tutor.book.figures.try_out"]
    monkeypatch.setattr(try_out_module, "attended", lambda: True)
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)

    def make(train, plot=None):
        plot = plot or LivePlot("q", alt=ALT)
        figures.try_out(train, plot, name="alpha", low=0.1, high=100, start=1)
        (box,) = shown
        row, picture = box.children
        return *row.children, picture

    return make


def test_the_control_trains_with_the_reader_s_number_and_draws_the_run(control):
    told = []

    def train(number, show):
        told.append((number, button.disabled, picture.value))
        show(run_of(2))
        told.append(picture.value)
        show(run_of(4))

    slider, button, picture = control(train)
    assert (slider.min, slider.max, slider.value) == (-1, 2, 1)
    assert picture.value == ""
    slider.value = 10
    button.click()
    (number, disabled, waiting), drawn = told
    assert number == pytest.approx(10)
    assert disabled and not button.disabled
    assert "first curve" in waiting
    assert "alpha 10: 200 of 400 steps" in drawn
    assert "alpha 10: 400 of 400 steps" in picture.value and f'aria-label="{ALT}"' in picture.value
    assert len(svg_roots(picture.value)) == 1 and "<script" not in picture.value


def test_the_control_s_second_number_compiles_nothing(control):
    """Training, evaluation and drawing: a reader who turns the dial does not wait again."""
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, _, **__: compiled.append(event) if "backend_compile" in event else None
    )
    dataset, maze = load_dataset("maze/stitch-v0"), PointMaze("A")

    def train_with(alpha, show):
        train(
            TD3_BC,
            dataset,
            config=TD3_BC.Config(hidden=(8,), alpha=alpha),
            num_steps=4,
            batch_size=8,
            seeds=2,
            evaluate=lambda policy: evaluate(policy, maze, key=1, episodes=2),
            callbacks=[show],
            progress=False,
        )

    slider, button, picture = control(train_with, LivePlot("q", "return", alt=ALT))
    slider.value = 1
    button.click()
    assert compiled and "4 of 4 steps" in picture.value
    compiled.clear()
    slider.value = 10
    button.click()
    assert "alpha 10: 4 of 4 steps" in picture.value
    assert not compiled


def test_the_control_says_that_a_training_failed_and_can_be_used_again(control):
    def train(number, show):
        raise RuntimeError("no <memory>")

    _, button, picture = control(train)
    button.click()  # what it raises, ipywidgets writes to the log
    assert picture.value == "alpha 1: the training failed: no &lt;memory&gt;"
    assert not button.disabled


def test_without_ipywidgets_the_control_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(sys.modules["offline_tutor.book.figures.try_out"], "attended", lambda: True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    plot = LivePlot("q", alt=ALT)
    figures.try_out(print, plot, name="alpha", low=0.1, high=100, start=1)
    assert "pip install ipywidgets" in capsys.readouterr().out


@pytest.mark.parametrize("attended", [True, False])
def test_the_control_is_there_where_somebody_sits_at_the_notebook(attended):
    """A real kernel, run as a front end does and as a program that builds a book does."""
    source = (
        "from offline_tutor.book import figures\n"
        f"plot = figures.LivePlot('q', alt={ALT!r})\n"
        "figures.try_out(print, plot, name='alpha', low=0.1, high=10, start=1)"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = NotebookClient(notebook, timeout=600)
    with client.setup_kernel():
        client.kc.allow_stdin = attended
        client.execute_cell(notebook.cells[0], 0)
    (output,) = notebook.cells[0].outputs
    assert ("application/vnd.jupyter.widget-view+json" in output.data) == attended
    assert ("Colab or JupyterLab" in output.data["text/plain"]) != attended
