"""What pages are built with: no request to another host, buttons only where they lead somewhere."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from sphinx.errors import ExtensionError

from tools.chapters import ROOT
from tools.pages import foreign_requests
from tools.replacing import NothingToReplace, Replacements, replace

HOST = "https://elsewhere.org/a"


@pytest.mark.parametrize(
    "html",
    [
        f'<script async src="{HOST}"></script>',
        f"<link rel='stylesheet' href='{HOST}'>",
        f'<img alt="a picture" src="{HOST}">',
        f"<style>@import url({HOST});</style>",
        f'<p style="background: url({HOST})">text</p>',
    ],
)
def test_fetched_addresses_are_found(html: str) -> None:
    assert HOST in foreign_requests(html)


@pytest.mark.parametrize(
    "html",
    [
        f'<a href="{HOST}">a link, followed only when the reader does</a>',
        f'<link rel="canonical" href="{HOST}">',
        '<script src="../_static/a.js"></script><img src="data:image/png;base64,aGk=">',
        f"<p>{HOST}</p>",
    ],
)
def test_the_rest_is_left_in_peace(html: str) -> None:
    assert foreign_requests(html) == []


@pytest.fixture
def extension(sphinx_extension: Callable[[str], ModuleType]) -> ModuleType:
    return sphinx_extension("offline_book")


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/someone/a.book",
        "https://github.com/someone/a.book.git",
        "git@github.com:someone/a.book.git",
        "ssh://git@ssh.github.com:443/someone/a.book.git",
    ],
)
def test_buttons_lead_to_the_repository(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_REPOSITORY", address)
    config = SimpleNamespace(html_theme_options={})
    extension.add_buttons(None, config)
    options = config.html_theme_options
    assert options["repository_url"] == "https://github.com/someone/a.book"
    assert options["use_repository_button"]
    assert {"colab_url", "binderhub_url"} <= set(options["launch_buttons"])


@pytest.mark.parametrize(
    "address",
    ["", "/home/someone/a.book", "https://elsewhere.org/a/b", "https://notgithub.com/a/b"],
)
def test_without_an_address_there_are_no_buttons(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_REPOSITORY", address)
    config = SimpleNamespace(html_theme_options={})
    extension.add_buttons(None, config)
    assert config.html_theme_options == {}


@pytest.mark.parametrize("name", ["", "a.pdf"])
def test_the_pdf_is_linked_where_it_is_promised(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_PDF", name)
    source = [(ROOT / "book" / "intro.md").read_text(encoding="utf-8")]
    extension.link_pdf(None, "book/intro", source)
    assert ('href="../a.pdf"' in source[0]) == bool(name)
    assert extension.PDF_LINK not in source[0]


@pytest.mark.parametrize("address", ["", "https://github.com/someone/a.book"])
def test_the_rocket_is_named_where_there_is_one(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_REPOSITORY", address)
    source = [(ROOT / "book" / "intro.md").read_text(encoding="utf-8")]
    extension.name_rocket(None, "book/intro", source)
    assert ("rocket" in source[0]) == bool(address)
    assert ("no page has a button for Colab" in source[0]) == (not address)  # and why


@pytest.mark.parametrize(
    ("html", "mended"),
    [
        ('<summary><span class="toctree-toggle">', '<summary aria-label="Pages below"><span'),
        ("<dl>\n<dd><em>a</em>,</dd>\n</dl>", '<span class="sig-line"><em>a</em>,</span>'),
        ("<title>A &#8212; A</title>", "<title>A</title>"),
        ("<title>B &#8212; A</title>", "<title>B &#8212; A</title>"),
        ('<summary aria-label="Toggle hidden content">Show', "<summary>Show"),
        ("<dl><dt>a</dt><dd>b</dd></dl>", "<dl><dt>a</dt><dd>b</dd></dl>"),
    ],
)
def test_faults_of_others_are_mended(light_pages: ModuleType, html: str, mended: str) -> None:
    assert light_pages.mend(html, Replacements()).strip().startswith(mended)


# Everything of a page of the theme that is replaced, in as few words as may be.
PAGE = """<head><script>mode = localStorage.getItem("theme") || "auto"</script>
<script src="_static/scripts/fontawesome.js?digest=1"></script>
<script src="_static/searchtools.js"></script><script src="language_data.js"></script>
<script src="searchindex.js"></script><script src="_static/design-tabs.js?v=1"></script>
<link rel="stylesheet" href="_static/sphinx-design.min.css?v=1" />
<link rel="stylesheet" href="_static/togglebutton.css">
<script src="_static/togglebutton.js"></script>
</head><title>A &#8212; A</title>
BUTTON<summary aria-label="Toggle hidden content">Show</summary>
<div id="pst-primary-sidebar"></div>
<a href="a/b.ipynb" target="_blank"
 class="btn btn-sm btn-download-"></a>
<a download="" href="c/b.ipynb"><code><span class="pre">b_2.ipynb</span></code></a>
<summary><span class="toctree-toggle"><i class="fa-solid fa-bars"></i></span></summary>
<dl><dd>a,</dd></dl><div role="list" class="citation-list">
<div role="doc-biblioentry"></div></div>""".replace(
    "BUTTON",
    '<button class="btn search-button-field search-button__button pst-js-only"'
    ' title="Search" aria-label="Search"></button>',
)
ICONS = '{bars:[448,512,["navicon"],"f0c9","M0 96z"]}'


@pytest.fixture
def light_pages(sphinx_extension: Callable[[str], ModuleType]) -> ModuleType:
    return sphinx_extension("light_pages")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A built book of one page."""
    (tmp_path / "_static" / "scripts").mkdir(parents=True)
    (tmp_path / "_static" / "scripts" / "fontawesome.js").write_text(ICONS, encoding="utf-8")
    (tmp_path / "a.html").write_text(PAGE, encoding="utf-8")
    return tmp_path


def test_a_page_loads_only_what_it_uses(light_pages: ModuleType, built: Path) -> None:
    light_pages.lighten(built)
    page = (built / "a.html").read_text(encoding="utf-8")
    assert not re.search(r"<link|src=|<i |role=\"(list|doc)|Toggle|target=", page)
    assert 'download="b.ipynb"' in page and 'download="b_2.ipynb"' in page
    assert all(text in page for text in ('d="M0 96z"', "Pages below", "prefers-color-scheme"))
    light_pages.lighten(built)  # a build that leaves the page as it is finds nothing, rightly
    assert (built / "a.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("before", "after", "missed"),
    [
        ('|| "auto"', '?? "auto"', "localStorage"),
        ("scripts/fontawesome.js?", "icons.js?", "fontawesome"),
        ("toctree-toggle", "toggle", "toctree-toggle"),
        ("<dd>a,</dd>", "<dt>a,</dt>", "<dl>"),
        ('role="doc-biblioentry"', "", "doc-biblioentry"),
        ('class="fa-solid fa-bars"', 'style="" class="icon"', "fa\\[srb\\]"),
        ('<i class="fa-solid fa-bars"></i>', '<i class="fa-solid fa-bars">.</i>', "fa"),
    ],
)
def test_a_replacement_that_hits_nothing_fails_the_build(
    light_pages: ModuleType, built: Path, before: str, after: str, missed: str
) -> None:
    assert before in PAGE
    (built / "a.html").write_text(PAGE.replace(before, after), encoding="utf-8")
    with pytest.raises(ExtensionError, match=missed):
        light_pages.lighten(built)


def test_a_replacement_says_what_it_looked_for_and_where() -> None:
    assert replace("a b a", "a", "c", where="x.html") == "c b c"
    assert replace("a1", re.compile(r"(\d)"), r"\1\1", where="x.html") == "a11"
    with pytest.raises(NothingToReplace, match=r"x\.html: .* does not contain 'd'"):
        replace("a b a", "d", "c", where="x.html")
    many = Replacements()
    assert [many.replace(text, "a", "c") for text in ("a", "b")] == ["c", "b"]
    many.check("x.html")
    many.replace("a", "d", "c")
    with pytest.raises(NothingToReplace, match="'d'"):
        many.check("x.html")


def test_thebe_that_is_not_there_is_told(extension: ModuleType) -> None:
    def listener(module: str) -> SimpleNamespace:
        return SimpleNamespace(handler=SimpleNamespace(__module__=module))

    listeners = {"env-updated": [listener("sphinx_thebe"), listener("other")]}
    app = SimpleNamespace(
        events=SimpleNamespace(listeners=listeners),
        registry=SimpleNamespace(css_files=[("thebe.css", {}), ("other.css", {})]),
    )
    extension.drop_thebe(app, None)
    assert [one.handler.__module__ for one in listeners["env-updated"]] == ["other"]
    assert app.registry.css_files == [("other.css", {})]
    with pytest.raises(NothingToReplace, match="sphinx_thebe"):
        extension.drop_thebe(app, None)


def test_marks_that_the_first_page_has_lost_are_told(extension: ModuleType) -> None:
    for write in (extension.link_pdf, extension.name_rocket):
        write(None, "book/glossary", ["no mark"])
        with pytest.raises(NothingToReplace, match=r"book/intro: .*<!-- the"):
            write(None, "book/intro", ["no mark"])


def test_style_sheets_without_letters_are_told(
    sphinx_extension: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    fonts = sphinx_extension("small_fonts")
    sheets = dict.fromkeys(fonts.SHEETS, r'p::before { content: "\f0c9"; }')
    sheets[fonts.SHEETS[-1]] += '.fa-bars { content: "x"; }'
    for sheet, styles in sheets.items():
        (tmp_path / sheet).parent.mkdir(exist_ok=True)
        (tmp_path / sheet).write_text(styles, encoding="utf-8")
    assert fonts.letters(tmp_path) == {0xF0C9}
    (tmp_path / fonts.SHEETS[0]).write_text("", encoding="utf-8")
    with pytest.raises(NothingToReplace, match=fonts.SHEETS[0]):
        fonts.letters(tmp_path)
