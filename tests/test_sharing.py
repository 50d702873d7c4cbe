"""What pages say to those who share, find and cite them; formulas with what touches them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree

from tools.browser import BOOK

SECTION = {"doctitle_xform": False}  # as in Sphinx, a page is a section
SITE = "https://someone.github.io/a.book"
built = pytest.mark.skipif(not BOOK.is_dir(), reason="the book has not been built: make book")


@pytest.fixture
def sharing(sphinx_extension: Callable[[str], ModuleType]) -> ModuleType:
    return sphinx_extension("sharing")


@pytest.mark.parametrize("given", [SITE, f"{SITE}/"])
def test_the_address_comes_from_one_place(
    sharing: ModuleType, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_SITE", given)
    assert sharing.site() == f"{SITE}/"
    tags = sharing.tags("A & B", "Says <this>.", "The book", "notebooks/a")
    assert f'property="og:url" content="{SITE}/notebooks/a.html"' in tags
    assert f'property="og:image" content="{SITE}/_static/maze.png"' in tags
    assert 'content="A &amp; B"' in tags and 'content="Says &lt;this&gt;."' in tags
    assert f"url = {{{SITE}/}}" in sharing.bibtex()


def test_without_an_address_nothing_needs_one(
    sharing: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_SITE", "")
    tags = sharing.tags("A", "Says this.", "The book", "notebooks/a")
    assert "og:description" in tags and "og:url" not in tags and "og:image" not in tags
    assert "url" not in sharing.bibtex()


@pytest.mark.parametrize("site", ["", SITE])
def test_beside_the_pages(
    sharing: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: str
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_SITE", site)
    app = SimpleNamespace(
        builder=SimpleNamespace(format="html"),
        outdir=tmp_path,
        config=SimpleNamespace(html_title="A < B"),
        env=SimpleNamespace(found_docs={"book/intro", "notebooks/a"}),
    )
    sharing.write_beside(app, None)
    page = (tmp_path / "404.html").read_text(encoding="utf-8")
    assert "A &lt; B" in page and f'href="{site}/book/intro.html"' in page
    sitemap = tmp_path / "sitemap.xml"
    assert sitemap.is_file() == bool(site)
    if site:
        assert f"<loc>{SITE}/notebooks/a.html</loc>" in sitemap.read_text(encoding="utf-8")


def test_a_description_is_whole_sentences_without_formulas(sharing: ModuleType) -> None:
    text = (
        "Title\n=====\n\nShort.\n\n" + "A formula :math:`x^2`. " * 9 + "\n\n" + "One of it. " * 30
    )
    said = sharing.description(publish_doctree(text, settings_overrides=SECTION))
    assert said.startswith("One of it. One") and said.endswith("it.") and len(said) <= sharing.LONG
    assert sharing.shortened("word " * 99).endswith("word ...")


def test_the_day_is_that_of_the_source(
    sharing: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    assert sharing.edition() == f"{sharing.citation()['version']}, 1 January 2026"
    assert "year = {2026}" in sharing.bibtex()


@built
def test_every_page_has_a_description_and_its_edition() -> None:
    pages = [*BOOK.glob("notebooks/*.html"), *BOOK.glob("book/**/*.html")]
    for page in pages:
        html = page.read_text(encoding="utf-8")
        head = html.partition("</head>")[0]
        assert 'property="og:title"' in head and 'property="og:site_name"' in head, page
        assert re.search(r"<p>Version \d+\.\d+\.\d+", html) and "#how-to-cite" in html, page
        if page.parent.name == "notebooks":
            assert 'name="description"' in head, page
        assert head.count("Step by Step</title>") == 1 or page.name == "intro.html"
    first = (BOOK / "book" / "intro.html").read_text(encoding="utf-8")
    assert "<title>Offline Reinforcement Learning, Step by Step</title>" in first
    references = (BOOK / "book" / "references.html").read_text(encoding="utf-8")
    assert 'id="how-to-cite"' in references and "@book" in references
    assert (BOOK / ".nojekyll").is_file()


@built
def test_downloads_have_names_of_their_own() -> None:
    chapter = (BOOK / "notebooks" / "32_td3_bc.html").read_text(encoding="utf-8")
    assert re.search(r'href="[^"]+/32_td3_bc\.ipynb" download="32_td3_bc\.ipynb"', chapter)
    exercises = (BOOK / "book" / "exercises" / "32_td3_bc.html").read_text(encoding="utf-8")
    assert 'download="32_td3_bc_exercises.ipynb"' in exercises


@pytest.fixture
def typeset(sphinx_extension: Callable[[str], ModuleType]) -> ModuleType:
    return sphinx_extension("typeset_math")


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("word :math:`x`, word", ["x,"]),
        ("word (:math:`x` word", ["(x"]),
        ("word (:math:`x`): :math:`y`-th word", ["(x):", "y-th"]),
        (":math:`x` word :math:`y`", []),
    ],
)
def test_what_touches_a_formula_stays_with_it(
    typeset: ModuleType, text: str, together: list[str]
) -> None:
    document = publish_doctree(text)
    before = document.astext()
    for formula in list(document.findall(nodes.math)):
        typeset.keep_together(formula)
    found = document.findall(
        lambda node: typeset.UNBROKEN in getattr(node, "attributes", {}).get("classes", [])
    )
    assert [one.astext() for one in found] == together
    assert document.astext() == before


def test_a_formula_in_bold_stays_with_what_follows(typeset: ModuleType) -> None:
    formula = nodes.math("x", "x")
    line = nodes.paragraph("", "a ", nodes.strong("", "", formula), nodes.Text(", b"))
    typeset.keep_together(formula)
    assert [part.astext() for part in line] == ["a ", "x,", " b"]
    assert line[1]["classes"] == [typeset.UNBROKEN]


def test_formulas_of_slides_stay_with_what_touches_them(typeset: ModuleType) -> None:
    inline, display = (
        "<mjx-container>x</mjx-container>",
        '<mjx-container display="true">y</mjx-container>',
    )
    assert typeset.unbroken(f"<p>a ({inline}), {inline} b</p>{display}.") == (
        f'<p>a <span class="ot-unbroken">({inline}),</span> {inline} b</p>{display}.'
    )
