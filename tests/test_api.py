"""The pages that list the package: all of it, as its source says it, with links both ways."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import griffe
import pytest
from docutils import nodes
from docutils.core import publish_doctree
from myst_parser.docutils_ import Parser
from sphinx import addnodes
from sphinx.util.inventory import InventoryFile

from tools import agreement, api, package
from tools.chapters import ROOT, Chapter, chapters
from tools.comments import comment_on, comments

PAGES = {
    path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "book" / "api").glob("*.md")
}
BUILT = ROOT / "_build" / "html"
ENTRY = re.compile(r"`{7,8}\{py:(\w+)\} (\w+)")


def modules_with_names() -> Iterator[griffe.Module]:
    """The package's modules that define something public."""
    waiting = [package.package()]
    while waiting:
        module = waiting.pop()
        waiting += (
            one
            for name, one in module.members.items()
            if not one.is_alias and one.is_module and not name.startswith("_")
        )
        if any(package.defined(module)):
            yield module


def test_each_module_is_on_one_page() -> None:
    marked = [mark for page in PAGES.values() for mark in package.ENTRIES.findall(page)]
    assert len(marked) == len(set(marked))
    packages = {name for name in marked if package.find(name).exports is not None}
    # What a package does not hand on is its own affair, but each algorithm is shown whole.
    inner = tuple(f"{name}." for name in packages - {"offline_tutor.algorithms"})
    missing = {
        module.path
        for module in modules_with_names()
        if module.path not in marked and not module.path.startswith(inner)
    }
    assert missing == set(), "list it in book/api/*.md: <!-- api: offline_tutor.data -->"


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
    text = api.entries(name)
    linked = {found.rpartition(".")[2] for found in re.findall(r"{py:obj}`~([\w.]+)`", text)}
    assert wanted and wanted - {found[1] for found in ENTRY.findall(text)} <= linked


def test_the_table_of_contents_has_each_page() -> None:
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert all(f"- file: book/api/{name}\n" in contents for name in PAGES)


SMALL = {
    "parent": '''
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from small.types import Array, _Table

@dataclass(frozen=True)
class Algorithm:
    """A record.

    Attributes:
        name: what files
            call it.
    """

    name: str
    size: int = 4  # how large
    # above
    # it
    rest: dict[str, Any] = field(default_factory=dict)

    def __call__(self, x: "Array") -> Array:
        """Act."""
        self.last = x

    @property
    def half(self) -> float: ...

    @staticmethod
    def make(size: int) -> "Algorithm": ...

def loss(table: _Table, *, rate: float = 0.1) -> tuple[Array, Algorithm]:
    """What it does.

    Args:
        table: (n,) numbers, which
            go on here.

    Returns:
        a number: small.

    Raises:
        ValueError: always.

    And on.
    """

PARENT = Algorithm("parent", size=3)
"""The online parent."""
''',
    "child": """
from dataclasses import replace
from small import parent
from small.parent import PARENT as ONLINE

class Config(parent.Algorithm): ...

def loss(): ...

# One loss replaced.
CHILD = replace(ONLINE, name="child", loss=loss)
""",
    "types": "Array = dict[str, int]\n_Table = list[Array]\nTable = _Private\nLIMIT = 3  # units",
    "inner/__init__": "from small.inner.made import made\n__all__ = ['made']",
    "outer": "from small.child import CHILD\n__all__ = ['ALL', 'CHILD']\nALL = [CHILD]",
    "inner/made": "def made(): ...\ndef other(): ...",
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lists a small package in place of the real one."""
    pages = tmp_path / "pages"
    pages.mkdir()
    modules = ("parent", "outer", "child", "types", "inner")
    text = "\n".join(f"<!-- api: small.{name} -->" for name in modules)
    (pages / "all.md").write_text(text, encoding="utf-8")
    for name, source in {"__init__": "", **SMALL}.items():
        file = tmp_path / "small" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    caches = (package.package, package.modules, package.addresses)
    for name, value in (("ROOT", tmp_path), ("PACKAGE", "small"), ("PAGES", pages)):
        monkeypatch.setattr(package, name, value)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("small")
def test_a_child_leads_to_its_parent() -> None:
    text = api.entries("small.child")
    assert "Extends {py:class}`~small.parent.Algorithm`." in text
    assert (
        "{py:data} CHILD\n\nOne loss replaced.\n\n"
        "{py:obj}`~small.parent.PARENT` with `name='child'`, `loss=loss`.\n" in text
    )
    made = "The online parent.\n\nA {py:obj}`~small.parent.Algorithm` of `'parent'`, `size=3`.\n"
    assert f"{{py:data}} PARENT\n\n{made}" in api.entries("small.parent")


@pytest.mark.usefixtures("small")
def test_a_signature_reads_as_it_was_written() -> None:
    text = api.entries("small.parent")
    table = "list[~small.types.Array]"  # an alias that no page lists is spelt out
    result = "tuple[~small.types.Array, ~small.parent.Algorithm]"
    assert f"{{py:function}} loss(table: {table}, *, rate: float = 0.1) -> {result}\n" in text
    assert "{py:method} __call__(x: ~small.types.Array) -> ~small.types.Array\n" in text
    assert "{py:property} half\n:type: float\n" in text
    assert "{py:method} make(size: int) -> ~small.parent.Algorithm\n:staticmethod:\n" in text
    assert "last" not in text  # which only a method sets


@pytest.mark.usefixtures("small")
def test_docstrings_and_comments_become_text() -> None:
    text = api.entries("small.parent")
    assert "What it does.\n\nAnd on.\n\n:param table: (n,) numbers, which go on here.\n" in text
    assert ":returns: a number: small.\n:raises ValueError: always.\n" in text
    assert "{py:attribute} name\n:no-contents-entry:\n:type: str\n\nwhat files call it.\n" in text
    assert ":type: int\n:value: 4\n\nhow large\n" in text
    assert "\n\nabove it\n" in text
    assert "{py:data} LIMIT\n:no-contents-entry:\n:value: 3\n\nunits" in api.entries("small.types")


@pytest.mark.usefixtures("small")
def test_what_has_an_entry_elsewhere_is_linked() -> None:
    text = api.entries("small.outer")
    assert "Also here, from their own modules: {py:obj}`~small.child.CHILD`." in text
    assert "{py:data} CHILD" not in text and "{py:data} ALL" in text


@pytest.mark.usefixtures("small")
def test_a_package_lists_what_it_hands_on() -> None:
    assert [one.path for one in package.public("small.inner")] == ["small.inner.made.made"]
    assert package.listed("small.inner.made.made") == "small.inner.made"
    assert package.listed("small.inner.made.other") is None


def test_the_table_of_pages_has_each_module() -> None:
    table = api.table_of_pages().splitlines()
    assert "| [Data](data.md) | {py:mod}`~offline_tutor.types`, " in "\n".join(table)
    assert len(table) == 2 + len(PAGES) - 1  # all but the one that it stands on


def test_an_entry_leads_to_the_section_that_builds_it() -> None:
    section = "(/notebooks/32_td3_bc.ipynb#do-both)"
    assert section in api.entries("offline_tutor.algorithms.td3_bc")
    built = {build.name for build in agreement.builds()}
    entries = "\n".join(map(api.entries, package.modules()))
    assert entries.count("\nBuilt in ") == len(built)


def test_comments_go_with_what_they_stand_beside() -> None:
    source = "# above\n# it\na = 1\nb = (  # beside\n    2\n)\n\nc = 3\n"
    known = comments(source)
    places = [(3, 3), (4, 6), (8, 8)]
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
    assert found == [(build.index, package.listed(build.name)) for build in builds]
    listed = set(package.addresses().values())
    assert {name for _, name in found} <= listed


def test_code_links_to_each_entry_once(extension: ModuleType) -> None:
    def link(to: str) -> str:
        return f'<a class="sphinx-codeautolink-a" href="{to}" title="t"><span>{to}</span></a>'

    def name(to: str) -> str:
        return f"<span>{to}</span>"

    html = f"<a href='x'>x</a> {link('x')}, {link('y')}; {link('x')}"
    assert extension.link_first_uses(html) == (
        f"<a href='x'>x</a> {link('x')}, {link('y')}; {name('x')}"
    )


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.path.stem)
def test_a_built_chapter_links_from_its_code(chapter: Chapter, extension: ModuleType) -> None:
    page = BUILT / f"{chapter.name}.html"
    if not page.is_file():
        pytest.skip("the book has not been built: make book")
    found = extension.CODE_LINK.finditer(page.read_text(encoding="utf-8"))
    leads = [link["to"] for link in found]
    assert len(leads) == len(set(leads)) > 5
    assert all(lead.startswith("../book/api/") for lead in leads)


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


@pytest.mark.parametrize(
    "text",
    [
        "Laid out as <name>/data/{main_data.hdf5,metadata.json}",
        "of *args and **kwargs, x[0](y), $HOME to $PATH, _a_, ~b~, {{c}}, a | b, &lt;, 2 \\* 3",
        "# no heading",
    ],
)
def test_letters_of_the_source_are_no_markup(text: str) -> None:
    extensions = {
        "myst_enable_extensions": ["colon_fence", "dollarmath", "linkify", "substitution"]
    }
    shown = publish_doctree(api.prose(text), parser=Parser(), settings_overrides=extensions)
    assert shown.astext() == text


def test_code_in_the_source_is_markup() -> None:
    text = "a `<b>` c\n\n    x = y[0] * 2\n\nhttps://a.org/b_c"
    assert api.prose(text) == text


def test_comments_for_tools_are_not_for_readers() -> None:
    assert comments("a = 1  # type: ignore[x]\nb = 2  # noqa: E1\nc = 3  # a type\n") == {
        3: ("a type", False)
    }


def test_a_name_that_nobody_defines_is_told() -> None:
    with pytest.raises(KeyError, match="nothing"):
        package.find("offline_tutor.data.nothing")
    for name in ("jax.Array", "offline_tutor.data.nothing", "offline_tutor.algorithms.td3.jnp"):
        assert package.known(name) is None
