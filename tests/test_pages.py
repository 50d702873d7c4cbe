"""What pages are built with: no request to another host, buttons only where they lead somewhere."""

import importlib.util
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
def extension() -> ModuleType:
    path = ROOT / "book" / "_ext" / "offline_book.py"
    spec = importlib.util.spec_from_file_location("offline_book", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert options["use_repository_button"] and options["launch_buttons"]["colab_url"]


@pytest.mark.parametrize("address", ["", "/home/someone/a.book", "https://elsewhere.org/a/b"])
def test_without_an_address_there_are_no_buttons(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("OFFLINE_TUTOR_REPOSITORY", address)
    config = SimpleNamespace(html_theme_options={})
    extension.add_buttons(None, config)
    assert config.html_theme_options == {}
