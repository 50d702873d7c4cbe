"""Which chapters run again after a change, and what is kept of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import execute, fingerprints, package
from tools.chapters import ROOT, Chapter
from tools.fingerprints import datasets, reached_modules


def reached(code: str) -> set[str]:
    return {file.relative_to(ROOT).as_posix() for file in reached_modules(code)}


def test_plain_import_does_not_drag_the_package_in() -> None:
    assert reached("import offline_tutor") == {"offline_tutor/__init__.py"}


@pytest.mark.parametrize(
    "code",
    [
        "from offline_tutor.algorithms import td3_bc",
        "from offline_tutor.algorithms.td3_bc import Config",
        "import offline_tutor.algorithms.td3_bc as algorithm",
        "from offline_tutor.algorithms import TD3_BC",
        "import offline_tutor as tutor\ntutor.algorithms.td3_bc.update",
        "entry_point = 'offline_tutor.algorithms.td3_bc:update'",
    ],
)
def test_imports_are_followed(code: str) -> None:
    files = reached(code)
    assert "offline_tutor/algorithms/sac.py" not in files
    for name in ("td3_bc", "td3", "bc"):
        assert f"offline_tutor/algorithms/{name}.py" in files
    assert {"offline_tutor/__init__.py", "offline_tutor/networks.py"} <= files
    assert not any("figures" in file for file in files)


def test_parent_does_not_depend_on_its_children() -> None:
    assert "offline_tutor/algorithms/td3_bc.py" not in reached(
        "import offline_tutor.algorithms.td3"
    )


@pytest.mark.parametrize("code", ["load('maze/stitch-v0')", "kind = 1; load(f'maze/{kind}')"])
def test_datasets_are_found_by_task(code: str) -> None:
    found = {file.relative_to(ROOT / "offline_tutor/data/embedded") for file in datasets(code)}
    assert {file.parts[0] for file in found} == {"maze"}


def chapter_in(folder: Path, code: str) -> Chapter:
    path = folder / "99_trial.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(code)]), path)
    return Chapter(path)


MODULES = {
    "__init__": "if TYPE_CHECKING:\n    from small.inner import made\ndef __getattr__(name): ...",
    "used": "from small import inner\nraise RuntimeError('this module has been imported')",
    "unused": "",
    "entered": "entry_point = 'small.entry:Environment'",
    "entry": "",
    "inner/__init__": "from small.inner.made import made\nfrom small.inner.other import other",
    "inner/made": "def made(): ...",
    "inner/other": "def other(): ...",
}


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small package, which nobody may import, in place of the real one."""
    for name, text in MODULES.items():
        file = tmp_path / "small" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("jax==1\n", encoding="utf-8")
    for module in (fingerprints, package):
        monkeypatch.setattr(module, "ROOT", tmp_path)
        monkeypatch.setattr(module, "PACKAGE", "small")
    monkeypatch.syspath_prepend(tmp_path)
    package.package.cache_clear()
    yield tmp_path
    package.package.cache_clear()


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import small", set()),
        ("from small import used", {"used", "inner/__init__", "inner/made", "inner/other"}),
        ("import small.inner.made", {"inner/__init__", "inner/made"}),
        ("from small import entered", {"entered", "entry"}),
        ("from small import made", {"inner/__init__", "inner/made"}),  # made on demand
        ("import small as s\ns.inner.made()", {"inner/__init__", "inner/made"}),
        ("import smaller", None),
    ],
)
def test_modules_are_found_without_importing_any(
    small: Path, code: str, modules: set[str] | None
) -> None:
    found = {file.relative_to(small / "small") for file in reached_modules(code)}
    expected = set() if modules is None else {"__init__", *modules}
    assert {file.with_suffix("").as_posix() for file in found} == expected


def test_fingerprint_follows_what_the_chapter_reaches(small: Path) -> None:
    chapter = chapter_in(small, "from small import used")
    before = fingerprints.fingerprint(chapter)
    (small / "small" / "unused.py").write_text("x = 2\n", encoding="utf-8")
    assert fingerprints.fingerprint(chapter) == before
    (small / "small" / "inner" / "made.py").write_text("x = 2\n", encoding="utf-8")
    changed = fingerprints.fingerprint(chapter)
    assert changed != before
    (small / "requirements.txt").write_text("jax==2\n", encoding="utf-8")
    relocked = fingerprints.fingerprint(chapter)
    assert relocked != changed
    (small / "small" / "results.npz").write_bytes(b"numbers")
    assert fingerprints.fingerprint(chapter) != relocked


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (new_output("stream", name="stderr", text="a warning"), "stderr"),
        (new_output("display_data", {"text/html": "<svg><path/></svg>"}), "alt text"),
        (new_output("display_data", {"text/html": "<img src='x.png'>"}), "alt text"),
        (new_output("display_data", {"image/png": "aGVsbG8="}), "alt text"),
    ],
)
def test_faulty_outputs_are_told(output: nbformat.NotebookNode, said: str) -> None:
    notebook = new_notebook(cells=[new_code_cell("1", id="trial", outputs=[output])])
    assert [said in fault and "'trial'" in fault for fault in execute.faults(notebook)] == [True]


def test_described_pictures_are_no_fault() -> None:
    svg = "<figure><svg role='img' aria-label='A rising curve.'></svg></figure>"
    outputs = [
        new_output("display_data", {"text/html": svg}),
        new_output("stream", name="stdout", text="3"),
    ]
    assert execute.faults(new_notebook(cells=[new_code_cell("1", outputs=outputs)])) == []


def test_a_killed_process_leaves_no_half_a_program(tmp_path: Path) -> None:
    for name in ("whole-cache", "whole-atime", "half-cache", ".lockfile"):
        (tmp_path / name).write_bytes(b"0")
    execute.mend_compilation_cache(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"whole-cache", "whole-atime", ".lockfile"}
    execute.mend_compilation_cache(tmp_path / "not there yet")


INTERRUPTED = """
import sys
from pathlib import Path
from tools import chapters, execute
folder = Path(sys.argv[1])
chapters.ROOT, execute.CACHE = folder, folder / "cache"
execute.FINGERPRINTS = execute.CACHE / "fingerprints.json"
execute.fingerprint = lambda chapter: "as it is"
execute.chapters = lambda: [chapters.Chapter(folder / f"{name}.ipynb") for name in "ab"]
sys.exit(execute.main())
"""


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as make sends it")
def test_ctrl_c_keeps_the_chapters_that_have_run_and_says_so(tmp_path: Path) -> None:
    for name, code in {"a": "1 + 1", "b": "import time; time.sleep(120)"}.items():
        nbformat.write(new_notebook(cells=[new_code_cell(code)]), tmp_path / f"{name}.ipynb")
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, tmp_path],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 90
    kept = tmp_path / "cache" / "fingerprints.json"
    while not (kept.is_file() and "as it is" in kept.read_text(encoding="utf-8")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Notebooks: 1 of 2 have run and are kept; the same command, given again" in shown


@pytest.fixture
def chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chapter:
    """The only one of a book whose notebook cache, `tmp_path / "cache"`, does not exist yet."""
    monkeypatch.setattr(execute, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(execute, "FINGERPRINTS", tmp_path / "cache" / "fingerprints.json")
    only = chapter_in(tmp_path, "1")
    monkeypatch.setattr(execute, "chapters", lambda: [only])
    return only


def test_a_cache_that_a_killed_process_left_is_mended(chapter: Chapter, tmp_path: Path) -> None:
    """An entry without its file, files without an entry, and fingerprints of what is dropped."""
    hashkey, cache = execute.key(chapter.notebook), execute.get_cache(tmp_path / "cache")
    done = nbformat.from_dict(chapter.notebook)
    done.cells[0].execution_count = 1
    bundle = execute.CacheBundleIn(done, str(chapter.path))
    cache.cache_notebook_bundle(bundle)
    execute.record({hashkey: "of an older package"})
    file = tmp_path / "cache" / "executed" / hashkey / "base.ipynb"
    file.unlink()
    assert execute.drop_stale() == [chapter]
    assert execute.recorded() == {}
    assert not file.parent.exists()
    cache.cache_notebook_bundle(bundle)


def test_a_cache_without_tables_is_made_anew(chapter: Chapter, tmp_path: Path) -> None:
    """As a process leaves it that is killed when it has just opened the database."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "global.db").touch()
    assert execute.drop_stale() == [chapter]
    assert execute.get_cache(tmp_path / "cache").list_cache_records() == []
