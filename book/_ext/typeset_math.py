"""Formulas come typeset: MathJax runs once, in the build, so that no reader has to load it.

MathJax's own JavaScript, of the package sphinx-mathjax-offline, runs in a JavaScript engine,
without a browser. What it would draw in a page is there from the start: nothing jumps, and 260 kB
of script are not loaded. Screen readers find the same formula as MathML beside the drawing.

Browsers may break a line before and after such a drawing, even between it and a comma. What touches
a formula therefore stands with it in one element that does not break.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.fileutil import copy_asset
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # Jupyter Book's own command does not put the repository there

from tools.replacing import replace

LOGGER = logging.getLogger(__name__)
FONT_FACE = re.compile(r"@font-face[^{]*{")
STYLES = "mathjax/mathjax.css"
FONTS = "output/chtml/fonts/woff-v2"
PARTS = ["adaptors/liteDOM", "input/tex", "output/chtml", "a11y/assistive-mml"]
FILES = ["startup", "core", *PARTS, "output/chtml/fonts/tex"]
UNBROKEN = "ot-unbroken"  # the class, in book.css and slides.css, of what stays on one line
INLINE = re.compile(
    r"([^\s<>]*)(<mjx-container\b(?![^>]*\bdisplay=).*?</mjx-container>)([^\s<>]*)", re.DOTALL
)
# `ready` is empty because MathJax would otherwise begin before its parts are there.
CONFIGURATION = """
globalThis.console = {log() {}, info() {}, warn() {}, error() {}};
globalThis.MathJax = {
    loader: {load: [], require() {}},
    startup: {typeset: false, document: "", ready() {}},
    options: {enableAssistiveMml: true},
    chtml: {fontURL: ".", adaptiveCSS: true},
};
"""
START = f"""
MathJax.loader.preLoad("core", {", ".join(map(json.dumps, PARTS))});
Object.assign(MathJax.config.startup, {{input: ["tex"], output: "chtml", adaptor: "liteAdaptor"}});
MathJax.startup.getComponents();
MathJax.startup.makeMethods();
function typeset(tex, display) {{
    return MathJax.startup.adaptor.outerHTML(MathJax.tex2chtml(tex, {{display}}));
}}
function styles() {{
    return MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet());
}}
"""


def mathjax_folder() -> Path:
    """Where the package keeps MathJax; Python cannot import its name."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("sphinx-mathjax-offline is not installed: run 'make book'")
    return Path(found.origin).parent / "static" / "mathjax"


class Typesetter:
    """MathJax at work; it remembers which letters it has set, for the style sheet."""

    def __init__(self) -> None:
        folder = mathjax_folder()
        scripts = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in FILES]
        self.engine = MiniRacer()
        for script in (CONFIGURATION, *scripts, START):
            self.engine.eval(f"{script};0")  # 0: not every value can be returned

    def html(self, tex: str, *, display: bool) -> str:
        """The formula as MathJax draws it."""
        return self.engine.eval(f"typeset({json.dumps(tex)}, {json.dumps(display)})")

    def styles(self) -> str:
        """The style sheet for all that was set so far.

        Formulas wait for their letters: Chromium without a network would otherwise show other
        letters first, and the page would jump.
        """
        return replace(
            self.engine.eval("styles()"),
            FONT_FACE,
            r"\g<0> font-display: block;",
            where="MathJax's style sheet",
        )


def typeset(translator: HTML5Translator, node: nodes.Node, tex: str, *, display: bool) -> str:
    """The formula of a node, with a warning where MathJax does not understand it."""
    html = translator.builder.typesetter.html(tex, display=display)
    if "<mjx-merror" in html:
        LOGGER.warning("MathJax does not understand the formula %r", tex, location=node)
    return html


def unbroken(html: str) -> str:
    """HTML in which each inline formula stays with the letters and signs that touch it."""
    return INLINE.sub(
        lambda m: f'<span class="{UNBROKEN}">{m[0]}</span>' if m[1] or m[3] else m[0], html
    )


def outermost(formula: nodes.Node) -> nodes.Element:
    """The formula, or the emphasis or link that holds nothing else."""
    while isinstance(formula.parent, nodes.Inline) and len(formula.parent) == 1:
        formula = formula.parent
    return formula


def keep_together(formula: nodes.math) -> None:
    """Puts an inline formula, and what touches it on either side, into an element of its own."""
    inner = outermost(formula)
    place, around = inner.parent.index(inner), inner.parent
    before, after = around[:place][-1:], around[place + 1 :][:1]
    head = re.search(r"\S*$", before[0])[0] if before and isinstance(before[0], nodes.Text) else ""
    tail = re.match(r"\S*", after[0])[0] if after and isinstance(after[0], nodes.Text) else ""
    if not head and not tail:
        return
    whole = nodes.inline(classes=[UNBROKEN])
    parts: list[nodes.Node] = [whole]
    if head:
        parts.insert(0, nodes.Text(before[0][: -len(head)]))
    if tail:
        parts.append(nodes.Text(after[0][len(tail) :]))
    around[place - bool(head) : place + 1 + bool(tail)] = parts
    whole += [nodes.Text(head)] * bool(head) + [inner] + [nodes.Text(tail)] * bool(tail)


class KeepFormulasTogether(SphinxTransform):
    """Keeps every inline formula of a page together with what touches it."""

    default_priority = 700  # after the links to the glossary, which look at running text

    def apply(self, **_: Any) -> None:
        for formula in list(self.document.findall(nodes.math)):
            keep_together(formula)


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    html = typeset(translator, node, node.astext(), display=False)
    start = translator.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    translator.body.append(f"{start}{html}</span>")
    raise nodes.SkipNode


def visit_display(translator: HTML5Translator, node: nodes.math_block) -> None:
    tex = node.astext()
    if r"\\" in tex and not node["nowrap"]:
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    html = typeset(translator, node, tex, display=True)
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append(f"{html}</div>\n")
    raise nodes.SkipNode


def start(app: Sphinx) -> None:
    if app.builder.format == "html":
        app.builder.typesetter = Typesetter()


def finish(app: Sphinx, error: Exception | None) -> None:
    """Writes the style sheet beside the fonts that it names, and ends the engine."""
    if app.builder.format != "html" or error is not None:
        return
    folder = (Path(app.outdir) / "_static" / STYLES).parent
    copy_asset(str(mathjax_folder() / FONTS), str(folder))
    (folder / Path(STYLES).name).write_text(app.builder.typesetter.styles(), encoding="utf-8")
    app.builder.typesetter.engine.close()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer(
        "typeset", inline_renderers=(visit_inline, None), block_renderers=(visit_display, None)
    )
    app.add_css_file(STYLES)
    app.add_transform(KeepFormulasTogether)
    app.connect("builder-inited", start)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
