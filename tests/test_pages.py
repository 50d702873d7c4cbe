"""The check that built pages ask no other host for anything."""

import pytest

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
