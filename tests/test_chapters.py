"""What every chapter keeps to, so that it reads the same in the book, JupyterLab and Colab."""

import ast
import re
from collections.abc import Iterator

import pytest
from nbformat import NotebookNode

from tools.agreement import builds, builds_of, public_names
from tools.chapters import ROOT, Chapter, chapters, tags

CHAPTERS = chapters()
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RANDOM_ID = re.compile(r"[0-9a-f]{8}")
MYST = {
    "a directive": re.compile(r"^\s*(```+|~~~+|:::+)\s*\{", re.MULTILINE),
    "a colon fence": re.compile(r"^\s*:::", re.MULTILINE),
    "a role": re.compile(r"\{[\w:-]+\}`"),
    "a target": re.compile(r"^\([\w-]+\)=\s*$", re.MULTILINE),
    "an equation label": re.compile(r"\$\$\s*\([\w:-]+\)"),
}
# GitHub shows the source of a formula that contains one of these.
REFUSED = re.compile(
    r"\\(operatorname|mbox|[hv]?phantom|def|let|(re)?newcommand|require|DeclareMathOperator)\b"
)
# Of these a chapter says what they do; it builds what is made of them.
EXPLAINED = {"__init__", "algorithm", "hyperparameters"}
BUILT = [
    f"offline_tutor.algorithms.{file.stem}"
    for file in sorted(ROOT.glob("offline_tutor/algorithms/*.py"))
    if file.stem not in EXPLAINED
] + ["offline_tutor.networks"]

EXERCISES = [Chapter(path) for path in sorted(ROOT.glob("notebooks/exercises/**/*.ipynb"))]

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.path.stem)


def prose(chapter: Chapter) -> Iterator[tuple[NotebookNode, str]]:
    """Markdown cells and their text."""
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            yield cell, cell.source


def headings(chapter: Chapter) -> list[str]:
    text = "\n".join(source for _, source in prose(chapter))
    fences = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ .*", fences.sub("", text), re.MULTILINE)


@each_chapter
def test_name_has_part_and_place(chapter: Chapter) -> None:
    assert re.fullmatch(r"notebooks/\d\d_[a-z0-9_]+", chapter.name)


@each_chapter
def test_notebook_is_plain(chapter: Chapter) -> None:
    assert chapter.notebook.metadata == METADATA
    assert (chapter.notebook.nbformat, chapter.notebook.nbformat_minor) == (4, 5)
    for cell in chapter.code_cells:
        assert not cell.outputs and cell.execution_count is None, f"cell {cell.id!r} has outputs"


@each_chapter
def test_cell_ids_are_words(chapter: Chapter) -> None:
    ids = [cell.id for cell in chapter.cells]
    assert len(ids) == len(set(ids))
    odd = [name for name in ids if not ID.fullmatch(name) or RANDOM_ID.fullmatch(name)]
    assert not odd, f"give these cells names: {odd}"


@each_chapter
def test_opens_with_title_objectives_and_setup(chapter: Chapter) -> None:
    titles = [heading for heading in headings(chapter) if heading.startswith("# ")]
    assert chapter.cells[0].cell_type == "markdown" and chapter.cells[0].source.startswith("# ")
    assert len(titles) == 1
    first_code = chapter.cells.index(chapter.code_cells[0])
    before = "\n".join(cell.source for cell in chapter.cells[:first_code])
    assert re.search(r"^#{2,3} Objectives$", before, re.MULTILINE)
    setup = chapter.code_cells[0]
    assert (setup.id, tags(setup)) == ("setup", {"remove-cell"})


@pytest.mark.parametrize("chapter", CHAPTERS + EXERCISES, ids=lambda chapter: chapter.name)
def test_prose_is_plain_markdown(chapter: Chapter) -> None:
    for cell, text in prose(chapter):
        for what, pattern in MYST.items():
            assert not pattern.search(text), f"cell {cell.id!r} has {what}, raw text in Colab"
        assert not (macro := REFUSED.search(text)), f"cell {cell.id!r}: GitHub refuses {macro}"
        assert not re.search(r"!\[[^\]]*\]\(https?:", text), f"{cell.id!r}: a picture elsewhere"
        assert not re.search(r"!\[\s*\]\(", text), f"{cell.id!r}: a picture without alt text"


@each_chapter
def test_links_lead_somewhere(chapter: Chapter) -> None:
    for cell, text in prose(chapter):
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" not in link:
                target = (chapter.path.parent / link).resolve()
                assert target.is_file(), f"cell {cell.id!r}: there is no {link}"


@each_chapter
def test_code_cells_are_python_and_fit_a_screen(chapter: Chapter) -> None:
    for cell in chapter.code_cells:
        ast.parse(cell.source)  # no magics: they are not Python everywhere
        lines = len(cell.source.splitlines())
        assert lines <= (45 if cell.id == "setup" else 40), f"{cell.id!r} has {lines} lines"


@each_chapter
def test_claims_are_asserted(chapter: Chapter) -> None:
    claims = [cell for cell in chapter.code_cells if "assertion" in tags(cell)]
    assert len(claims) >= 2
    for cell in claims:
        assert tags(cell) & {"remove-cell", "hide-cell"}, f"cell {cell.id!r} shows in the book"
        nodes = list(ast.walk(ast.parse(cell.source)))
        asserts = any(isinstance(node, ast.Assert) for node in nodes)
        assert asserts or "assert_" in cell.source, f"cell {cell.id!r} asserts nothing"


@each_chapter
def test_has_two_exercises(chapter: Chapter) -> None:
    found = [heading for heading in headings(chapter) if re.match(r"#{2,4} Exercise \d", heading)]
    assert len(found) >= 2


def needs(code: str) -> Iterator[str]:
    """Names below the modules that chapters build which a piece of code imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def unbuilt(wanted: str, built: set[str]) -> set[str]:
    """What of an imported name (a module, or a name in one) no earlier cell has built."""
    package, _, name = wanted.rpartition(".")
    for module in BUILT:
        public = {f"{module}.{name}" for name in public_names(module)}
        if wanted == module:
            return public - built
        full = f"{module}.{name}"  # the package gives TD3 and the like without the module
        if package in (module, "offline_tutor.algorithms") and full in public:
            return {full} - built
    return set()


@pytest.mark.parametrize("number", range(len(CHAPTERS)), ids=lambda i: CHAPTERS[i].path.stem)
def test_imports_only_what_is_built_before(number: int) -> None:
    chapter = CHAPTERS[number]
    built = {build.name for earlier in CHAPTERS[:number] for build in builds_of(earlier)}
    own = builds_of(chapter)
    for index, cell in enumerate(chapter.cells):
        if cell.cell_type == "code":
            before = built | {build.name for build in own if build.index < index}
            for wanted in needs(cell.source):
                missing = unbuilt(wanted, before)
                assert not missing, (
                    f"cell {cell.id!r} imports {wanted} before these are built: {sorted(missing)}"
                )


@pytest.mark.parametrize("module", BUILT)
def test_every_public_name_is_built_in_a_chapter(module: str) -> None:
    built = {build.short_name for build in builds() if build.module == module}
    assert public_names(module) - built == set()


def test_table_of_contents_names_every_notebook() -> None:
    listed = {chapter.path for chapter in CHAPTERS}
    assert listed == set((ROOT / "notebooks").glob("*.ipynb"))
