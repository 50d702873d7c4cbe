"""What pages are built with: no request to another host, buttons only where they lead somewhere."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from tools.chapters import ROOT
from tools.pages import foreign_requests

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


@pytest.mark.parametrize("address", ["", "/home/someone/a.book", "https://elsewhere.org/a/b"])
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


@pytest.mark.parametrize(
    ("html", "mended"),
    [
        ('<summary><span class="toctree-toggle">', '<summary aria-label="Pages below"><span'),
        ("<dl>\n<dd><em>a</em>,</dd>\n</dl>", '<span class="sig-line"><em>a</em>,</span>'),
        ("<dl><dt>a</dt><dd>b</dd></dl>", "<dl><dt>a</dt><dd>b</dd></dl>"),
    ],
)
def test_faults_of_others_are_mended(
    sphinx_extension: Callable[[str], ModuleType], html: str, mended: str
) -> None:
    assert sphinx_extension("light_pages").mend(html).strip().startswith(mended)
