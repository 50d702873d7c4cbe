"""The chapters build the package: their definitions are the package's."""

import re

import pytest

from tools import agreement
from tools.agreement import Build
from tools.chapters import tags
from tools.sync_cells import synced

BUILDS = agreement.builds()
EXACT = [build for build in BUILDS if not build.simplified]
SIMPLIFIED = [build for build in BUILDS if build.simplified]


def label(build: Build) -> str:
    return f"{build.chapter.path.stem}-{build.name.removeprefix('offline_tutor.')}"


@pytest.mark.parametrize("build", EXACT, ids=label)
def test_cell_defines_what_the_package_has(build: Build) -> None:
    shown = agreement.definitions(build.source)
    assert build.short_name in shown, f"{build.place} says it builds {build.name} but does not"
    package = agreement.bare(agreement.package_definition(build))
    assert agreement.bare(shown[build.short_name]) == package, (
        f"{build.place} differs from {build.name}: run 'make sync', or correct the package"
    )


@pytest.mark.parametrize("build", EXACT, ids=label)
def test_syncing_an_agreeing_cell_twice_is_syncing_it_once(build: Build) -> None:
    once = synced(build, build.source)
    assert synced(build, once) == once


@pytest.mark.parametrize("build", SIMPLIFIED, ids=label)
def test_simplified_cell_is_shown_to_agree(build: Build) -> None:
    agreement.package_definition(build)  # raises where the package has no such name
    later = build.chapter.cells[build.index + 1 :]
    visible = [
        cell.source
        for cell in later
        if cell.cell_type == "code"
        and not any(tag.startswith(("remove", "hide")) for tag in tags(cell))
    ]
    own = rf"(?<![\w.]){build.short_name}\("
    packaged = rf"\.{build.short_name}\("
    assert any(
        re.search(own, text) and re.search(packaged, text) and "allclose" in text
        for text in visible
    ), f"no visible cell after {build.place} compares it with {build.name} by allclose"


def test_no_name_is_built_twice() -> None:
    names = [build.name for build in EXACT]
    assert sorted(names) == sorted(set(names))
