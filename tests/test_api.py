"""The pages that list the package: all of it, as its source says it, with links both ways."""

import ast
import importlib
import inspect
import re
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree
from sphinx import addnodes
from sphinx.util.inventory import InventoryFile

from tools import agreement, api, package
from tools.chapters import ROOT, Chapter, chapters
from tools.docstrings import Docstring, comment_on, comments

PAGES = {
    path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "book" / "api").glob("*.md")
}
BUILT = ROOT / "_build" / "html"
ENTRY = re.compile(r"`{7,8}\{py:(\w+)\} (\w+)")


def test_each_module_is_on_one_page() -> None:
    marked = [mark for page in PAGES.values() for mark in api.ENTRIES.findall(page)]
    assert sorted(marked) == sorted(package.modules()), (
        "a mark such as <!-- api: offline_tutor.data --> in book/api/*.md lists a module"
    )


@pytest.mark.parametrize("name", package.modules())
def test_each_public_name_has_an_entry(name: str) -> None:
    """Against the module as Python sees it, of which the pages know only the source."""
    module = importlib.import_module(name)
    if exported := getattr(module, "__all__", None):
        wanted = set(exported)
    else:
        own = {key: value for key, value in vars(module).items() if not key.startswith("_")}
        wanted = {
            key
            for key, value in own.items()
            if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == name
        }
    entries = {found[1] for found in ENTRY.findall(api.entries(name))}
    assert wanted and wanted - entries == set()


def test_the_table_of_contents_has_each_page() -> None:
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert all(f"- file: book/api/{name}\n" in contents for name in PAGES)


def test_a_signature_reads_as_it_was_written() -> None:
    text = api.entries("offline_tutor.algorithms.td3_bc")
    types = "actor: ~offline_tutor.types.Params, state: ~offline_tutor.algorithms.td3.State"
    assert f"{{py:function}} actor_loss({types}, " in text
    assert ":type: float\n:value: 2.5\n" in text and "weight of the value against cloning" in text
    assert "Extends {py:class}`~offline_tutor.algorithms.td3.Config`." in text
    bound = re.search(r"\{py:function\} update\((.*)\) -> ", text)
    assert bound is not None and "actor_loss" not in bound[1]
    assert "{py:func}`~offline_tutor.algorithms.td3.update` with `actor_loss=actor_loss`." in text


def test_an_entry_leads_to_the_section_that_builds_it() -> None:
    section = "(/notebooks/32_td3_bc.ipynb#do-both)"
    assert section in api.entries("offline_tutor.algorithms.td3_bc")
    built = {build.name for build in agreement.builds()}
    entries = "\n".join(map(api.entries, package.modules()))
    assert entries.count("\nBuilt in ") == len(built)


DOCSTRING = """What it does.

More of it.

Args:
    first: (n,) numbers, which
        go on here.
    **rest: others.

Raises:
    ValueError: always.

And on.
"""


def test_docstrings_are_taken_apart() -> None:
    docstring = Docstring.read(DOCSTRING)
    assert " ".join(docstring.text.split()) == "What it does. More of it. And on."
    assert docstring.arguments == {"first": "(n,) numbers, which go on here.", "**rest": "others."}
    assert docstring.errors == {"ValueError": "always."}
    assert Docstring.read(None) == Docstring()


def test_comments_go_with_what_they_stand_beside() -> None:
    source = "# above\n# it\na = 1\nb = (  # beside\n    2\n)\n\nc = 3\n"
    known = comments(source)
    places = [(node.lineno, node.end_lineno) for node in ast.parse(source).body]
    assert [comment_on(*place, known) for place in places] == ["above it", "beside", ""]


@pytest.fixture(scope="module")
def extension(sphinx_extension: Callable[[str], ModuleType]) -> ModuleType:
    return sphinx_extension("api_pages")


BUILDING = [chapter for chapter in chapters() if agreement.builds_of(chapter)]


@pytest.mark.parametrize("chapter", BUILDING, ids=lambda chapter: chapter.path.stem)
def test_each_cell_that_builds_leads_to_the_package(
    extension: ModuleType, chapter: Chapter
) -> None:
    document = publish_doctree("")
    for index, cell in enumerate(chapter.cells):
        if cell.cell_type == "code":
            document += nodes.container(classes=["cell"], cell_index=index)
    builds = agreement.builds_of(chapter)
    extension.add_links(document, builds)
    found = []
    for link in document.findall(addnodes.pending_xref):
        above = document[document.index(link.parent) - 1]
        found.append((above["cell_index"], link["reftarget"]))
    assert found == [(build.index, build.name) for build in builds]
    listed = set(package.addresses().values())
    assert {name for _, name in found} <= listed


def test_the_built_pages_have_every_entry() -> None:
    file = BUILT / "objects.inv"
    pages = [ROOT / "_build" / "html" / "book" / "api" / f"{name}.html" for name in PAGES]
    if not all(page.is_file() for page in pages):
        pytest.skip("the book has not been built: make book")
    with file.open("rb") as opened:
        inventory = InventoryFile.load(opened, "", lambda base, name: name)
    names = {name for kind, found in inventory.items() if kind.startswith("py:") for name in found}
    assert set(package.addresses().values()) - names == set()


def test_pages_made_of_the_package_are_read_again(extension: ModuleType) -> None:
    again = extension.pages_to_read_again(SimpleNamespace())
    assert {f"book/api/{name}" for name in PAGES} | {"book/built"} == set(again)


def test_a_name_that_nobody_defines_is_told() -> None:
    with pytest.raises(ValueError, match="data neither defines 'nothing' nor imports it"):
        api.entry("nothing", "offline_tutor.data", [])
