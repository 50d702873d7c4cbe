"""Runs the chapters that changed, once, for the book and for the tests: `python -m tools.execute`.

nbmake runs copies of them; those that pass go into the notebook cache from which Jupyter Book
takes their outputs. What a chapter depends on besides its cells is in `tools/fingerprints.py`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn

from offline_tutor.files import replacing, temporary_folder
from tools.chapters import ROOT, Chapter, chapters
from tools.fingerprints import fingerprint

CACHE = (
    ROOT / yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]["cache"]
)
FINGERPRINTS = CACHE / "fingerprints.json"
OPTIONS = ["-c", str(ROOT / "pyproject.toml"), "-v", "-p", "no:cacheprovider"]
OPTIONS += ["--nbmake", "--overwrite", "--nbmake-timeout=600", "-n", "2", "--dist", "load"]


def key(notebook: nbformat.NotebookNode) -> str:
    """The notebook cache's key: a hash of the code cells and their metadata."""
    return get_cache(CACHE).create_hashed_notebook(notebook)[1]


def recorded() -> dict[str, str]:
    """The fingerprints of the chapters in the cache, by key."""
    return json.loads(FINGERPRINTS.read_text(encoding="utf-8")) if FINGERPRINTS.is_file() else {}


def record(found: dict[str, str]) -> None:
    """Writes the fingerprints, by key, with which the outputs in the cache were made."""
    with replacing(FINGERPRINTS) as part:
        part.write_text(json.dumps(found, indent=1), encoding="utf-8")


def executed(chapter: Chapter) -> nbformat.NotebookNode | None:
    """The chapter with its outputs, if the cache has those of the package as it is now."""
    if recorded().get(key(chapter.notebook)) != fingerprint(chapter):
        return None
    try:
        return get_cache(CACHE).merge_match_into_notebook(chapter.notebook)[1]
    except KeyError:
        return None


def drop_stale() -> list[Chapter]:
    """Drops outputs of an older package from the cache. Returns the chapters without outputs.

    Their fingerprints go first: a process killed after that leaves nothing that counts as current.
    """
    missing = [chapter for chapter in chapters() if executed(chapter) is None]
    keys = {key(chapter.notebook) for chapter in missing}
    record({key: made for key, made in recorded().items() if key not in keys})
    cache = get_cache(CACHE)
    for entry in cache.list_cache_records():
        if entry.hashkey in keys:
            with suppress(KeyError):  # an entry without its file
                cache.remove_cache(entry.pk)
    for hashkey in keys:  # and files without their entry, both of a process that was killed
        shutil.rmtree(CACHE / "executed" / hashkey, ignore_errors=True)
    return missing


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """What readers should not find in outputs: text on stderr, pictures without alt text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = data.get("text/html", "")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"cell {cell.id!r} writes to stderr: {output.text.strip()[:300]}")
            pictures = re.findall(r"<img\b[^>]*>|<svg\b[^>]*>", html)
            spoken = re.compile(r"\balt=|aria-label(ledby)?=|aria-hidden=")
            silent = [picture for picture in pictures if not spoken.search(picture)]
            image = not html and any(kind.startswith("image/") for kind in data)
            if image and "alt" not in cell.metadata.get("mystnb", {}).get("image", {}):
                silent.append("the image")
            if silent:
                found.append(f"cell {cell.id!r} shows a picture without alt text: {silent[0][:80]}")
    return found


class Keeper:
    """A pytest plugin that puts each notebook into the cache as soon as it has passed."""

    def __init__(self, running: list[Chapter], copies: Path) -> None:
        self.copies = copies
        self.started = {chapter.path.name: (chapter, fingerprint(chapter)) for chapter in running}
        self.faults: list[str] = []
        self.kept = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or not report.passed:
            return
        chapter, before = self.started[report.nodeid.rpartition("::")[2]]
        notebook = nbformat.read(self.copies / chapter.path.name, as_version=4)
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # nbmake's times, which must not change the key
        found = [f"{chapter.name}: {fault}" for fault in faults(notebook)]
        self.faults += found
        if not found:
            bundle = CacheBundleIn(
                notebook, str(chapter.path), data={"execution_seconds": report.duration}
            )
            get_cache(CACHE).cache_notebook_bundle(bundle, overwrite=True)
            record(recorded() | {key(notebook): before})
            self.kept += 1


def mend_compilation_cache(folder: Path) -> None:
    """Deletes what a killed process left half written; JAX would otherwise warn at every write."""
    for program in folder.glob("*-cache"):
        if not program.with_name(program.name.removesuffix("-cache") + "-atime").exists():
            program.unlink(missing_ok=True)


def list_fonts() -> None:
    """Lets Matplotlib find its fonts, once; a notebook would tell stderr that this takes long."""
    import matplotlib.font_manager  # noqa: F401


def main() -> int:
    started = time.monotonic()
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        mend_compilation_cache(Path(os.environ["JAX_COMPILATION_CACHE_DIR"]))
    running = drop_stale()
    unchanged = len(chapters()) - len(running)
    print(f"Notebooks: {len(running)} to run, {unchanged} unchanged since they last passed.")
    if not running:
        return 0
    list_fonts()
    with temporary_folder("chapters") as folder:  # nbmake ignores folders named _build
        keeper = Keeper(running, folder)
        copies = [shutil.copy(chapter.path, folder) for chapter in running]
        status = pytest.main([*OPTIONS, f"--basetemp={folder}/pytest", *copies], plugins=[keeper])
    print("\n".join(keeper.faults))
    if keeper.kept < len(running):  # one failed, or Ctrl-C ended them all
        print(
            f"Notebooks: {keeper.kept + unchanged} of {len(chapters())} have run and are kept; "
            "the same command, given again, runs only the others."
        )
    print(f"Notebooks: {time.monotonic() - started:.0f} s.")
    return int(status) or bool(keeper.faults)


if __name__ == "__main__":
    sys.exit(main())
