"""Finds and reads submitted notebooks. The content of every file may be hostile."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from offline_tutor.classroom.exercises import Exercise

MAX_CELLS = 1000
MAX_ANSWER = 5000  # characters of a written answer
MAX_FILES = 1000  # searched in one student's folder
# Finds plain mentions only: code can spell a name in many other ways, which nobody can list.
REFERENCES = re.compile(r"exercises\s*(\.|import)\s*\(?\s*chapters\b|\.reference\b")


class UnreadableError(ValueError):
    """A submission that is not a notebook; the message tells its author why."""


@dataclass(frozen=True)
class Submission:
    """The submission of one student.

    Attributes:
        student: name of the file without its suffix, or of the folder.
        digest: SHA-256 of the notebook's bytes, or of the problem.
        cells: the source of each code cell; nothing else of the notebook is used.
        answers: the written answers that a person has to read, by exercise.
        remarks: remarks about the file, for the teacher.
        problem: why there is nothing to grade, in one line; empty if there is something.
    """

    student: str
    digest: str
    cells: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Notebook:
    """The code cells of a file, with their nbgrader metadata.

    `texts` are the sources of the other cells, by grade id.
    """

    digest: str
    sources: tuple[str, ...]
    grade_ids: tuple[str, ...]
    points: tuple[tuple[str, object], ...]  # of the cells that claim points, by grade id
    texts: Mapping[str, str]


def printable(text: object, length: int = 300) -> str:
    """Text from outside as one line: shortened, and without control characters."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:length])


def students(folder: Path) -> dict[str, Path]:
    """The submissions in a folder, by student, without hidden files.

    Raises:
        NotADirectoryError: it is not a folder.
        ValueError: it is empty.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder: give the one with the submissions")
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not paths:
        raise ValueError(
            f"{folder} is empty: put one notebook, or one folder, for each student into it"
        )
    stems = Counter(path.stem if path.suffix == ".ipynb" else path.name for path in paths)
    short = [p.stem if p.suffix == ".ipynb" and stems[p.stem] == 1 else p.name for p in paths]
    return dict(zip(short, paths, strict=True))


def chapter_of_class(paths: Mapping[str, Path], known: Sequence[Exercise], max_bytes: int) -> str:
    """The chapter whose exercises the submissions contain.

    Raises:
        ValueError: they contain none, or those of several chapters.
    """
    chapters = {exercise.id: exercise.chapter for exercise in known}
    found: Counter[str] = Counter()
    for path in paths.values():
        for file in notebooks(path):
            try:
                grade_ids = read_notebook(file, max_bytes).grade_ids
            except (UnreadableError, OSError):
                continue  # its own report explains the problem
            found.update({chapters[id] for id in grade_ids if id in chapters})
    if len(found) == 1:
        return next(iter(found))
    names = ", ".join(sorted(found or {exercise.chapter for exercise in known}))
    what = "exercises of several chapters" if found else "no exercise of this book"
    raise ValueError(f"the submissions contain {what}: choose one with --assignment, of {names}")


def read_submission(
    student: str, path: Path, chapter: str, assignment: Sequence[Exercise], max_bytes: int
) -> Submission:
    """One student's notebook of this chapter. Problems with it are recorded, not raised."""
    try:
        notebook = _notebook_of(path, chapter, assignment, max_bytes)
    except (UnreadableError, OSError) as error:
        # An OSError's own text would name folders of the teacher's machine.
        unread = f"it cannot be read ({getattr(error, 'strerror', '')}): submit it again"
        problem = str(error) if isinstance(error, UnreadableError) else unread
        digest = hashlib.sha256(problem.encode()).hexdigest()
        return Submission(printable(student, 200), digest, problem=printable(problem))
    remarks = tuple(_remarks(notebook, assignment))
    answers = {each.id: notebook.texts.get(each.id, "") for each in assignment if each.is_open}
    name = printable(student, 200)
    return Submission(name, notebook.digest, notebook.sources, answers, remarks)


def notebooks(path: Path) -> list[Path]:
    """The notebook at this path, or those in this folder. Links are not followed."""
    if path.is_symlink():
        return []
    if not path.is_dir():
        return [path] if path.suffix == ".ipynb" else []
    found: list[Path] = []
    for seen, (root, folders, files) in enumerate(os.walk(path)):
        if seen >= MAX_FILES:
            break
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = sorted(name for name in files if not name.startswith("."))
        found += [Path(root, name) for name in files if name.endswith(".ipynb")]
    return [file for file in found if not file.is_symlink()][:MAX_FILES]


def _notebook_of(
    path: Path, chapter: str, assignment: Sequence[Exercise], max_bytes: int
) -> Notebook:
    """The notebook of the chapter: found by its name, as the only one, or by its exercises."""
    if path.is_symlink():
        raise UnreadableError(
            "it is a link, and links are not followed: submit the notebook itself"
        )
    files = notebooks(path)
    if not files:
        what = "there is no notebook in the folder" if path.is_dir() else "it is not a notebook"
        raise UnreadableError(f"{what}: submit a file whose name ends in .ipynb")
    named = [file for file in files if path.is_dir() and file.stem == chapter]
    if len(named or files) == 1:
        return read_notebook((named or files)[0], max_bytes)
    wanted = {exercise.id for exercise in assignment}
    fitting = [each for each in _readable(files, max_bytes) if wanted & {*each.grade_ids}]
    if len(fitting) != 1:
        raise UnreadableError(
            f"there are {len(files)} notebooks, and {len(fitting)} with these exercises: submit "
            f"one, or call it {chapter}.ipynb"
        )
    return fitting[0]


def _readable(files: Sequence[Path], max_bytes: int) -> Iterator[Notebook]:
    for file in files:
        try:
            yield read_notebook(file, max_bytes)
        except (UnreadableError, OSError):
            continue  # it cannot be the one


def read_notebook(file: Path, max_bytes: int) -> Notebook:
    """Reads a notebook's cells.

    Raises:
        UnreadableError: it is not a notebook.
        OSError: it cannot be read.
    """
    data = _bytes(file, max_bytes)
    if not data.strip():
        raise UnreadableError("the file is empty: save the notebook and submit it again")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = printable(error, 100)
        raise UnreadableError(
            f"it is not valid JSON, as a notebook must be ({reason}): submit the file that "
            "Jupyter saved"
        ) from None
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise UnreadableError(
            "it is JSON without cells, so not a notebook of the current format: submit the file "
            "that Jupyter saved"
        )
    if len(cells) > MAX_CELLS:
        raise UnreadableError(
            f"it has {len(cells)} cells, but at most {MAX_CELLS} are run: delete those that are "
            "not of the assignment"
        )
    code = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    about = [_nbgrader(cell) for cell in code]
    ids = [str(each.get("grade_id", ""))[:100] for each in about]
    points = [(id, each["points"]) for id, each in zip(ids, about, strict=True) if "points" in each]
    sources = tuple(_source(cell) for cell in code)
    words = [cell for cell in cells if isinstance(cell, dict) and cell.get("cell_type") != "code"]
    texts = {str(_nbgrader(cell).get("grade_id")): _source(cell)[:MAX_ANSWER] for cell in words}
    return Notebook(hashlib.sha256(data).hexdigest(), sources, tuple(ids), tuple(points), texts)


def _bytes(file: Path, max_bytes: int) -> bytes:
    """The content of a regular file of limited size; links, pipes and devices are refused."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as opened:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            raise UnreadableError("it is not a regular file: submit a notebook")
        if state.st_size > max_bytes:
            size, limit = state.st_size / 2**20, max_bytes / 2**20
            raise UnreadableError(
                f"the file has {size:.0f} MB, but at most {limit:.0f} MB are read: "
                "clear the outputs (Kernel, Restart and Clear Outputs) and submit it again"
            )
        return opened.read(max_bytes)


def _nbgrader(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return about if isinstance(about, dict) else {}


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    text = "".join(line for line in lines if isinstance(line, str))
    return text.encode("utf-8", "replace").decode("utf-8")  # JSON may contain lone surrogates


def _remarks(notebook: Notebook, assignment: Sequence[Exercise]) -> Iterator[str]:
    """What was changed that should not be. The package decides the marks, so none is affected."""
    count = Counter(notebook.grade_ids)
    worth = {f"{exercise.id}-check": exercise.points for exercise in assignment}
    for exercise in assignment:
        if not exercise.is_open and not count[f"{exercise.id}-check"]:
            yield f"the check cell of {exercise.id} is missing"
        if count[exercise.id] > 1:
            yield f"{count[exercise.id]} cells are marked {exercise.id}: the last one counts"
    for id, points in notebook.points:
        if id in worth and points != worth[id]:
            yield f"the notebook claims {printable(points, 20)} points for {id}, not {worth[id]}"
    if any(REFERENCES.search(source) for source in notebook.sources):
        yield "the notebook mentions the package's reference solutions: please read it"
