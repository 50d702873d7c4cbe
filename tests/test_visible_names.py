"""A reader of a page can run what the page shows: no name comes from a cell that it leaves out."""

import builtins
import symtable
from collections.abc import Iterator

import pytest

from tools.chapters import Chapter, chapters, tags


def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """A piece of code and, below it, its functions and classes."""
    yield table
    for child in table.get_children():
        yield from tables(child)


def defined(code: str) -> set[str]:
    """The names that a cell leaves behind."""
    top = symtable.symtable(code, "cell", "exec")
    return {
        name.get_name() for name in top.get_symbols() if name.is_assigned() or name.is_imported()
    }


def needed(code: str) -> set[str]:
    """The names that a cell takes from elsewhere."""
    top = symtable.symtable(code, "cell", "exec")
    used = {
        name.get_name()
        for table in tables(top)
        for name in table.get_symbols()
        if name.is_referenced() and (table is top or name.is_global())
    }
    return used - defined(code) - set(dir(builtins))


@pytest.mark.parametrize("chapter", chapters(), ids=lambda chapter: chapter.path.stem)
def test_visible_cells_need_only_what_visible_cells_define(chapter: Chapter) -> None:
    shown: set[str] = set()
    for cell in chapter.code_cells:
        if "remove-cell" in tags(cell):
            continue
        missing = needed(cell.source) - shown
        assert not missing, f"cell {cell.id!r} needs {sorted(missing)}: no visible cell has them"
        shown |= defined(cell.source)


def test_names_inside_functions_count() -> None:
    code = "import numpy as np\ndef f(x):\n    y = x + hidden\n    return np.sum(y) + len(z)\n"
    assert needed(code) == {"hidden", "z"}
    assert defined(code) == {"np", "f"}
    assert needed("total = [i for i in rows if i]\nprint(total, __name__)") == {"rows"}
