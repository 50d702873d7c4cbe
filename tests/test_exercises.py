"""Exercises check themselves: what `check` says to each kind of answer; the files made of them."""

import ast
import importlib
import io
import linecache
import os
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from offline_tutor.classroom.exercises import (
    Exercise,
    Observation,
    check,
    exercise,
    exercises,
    hint,
    judge,
    observe,
    predict,
    read_observations,
    solution,
    write_observations,
)
from offline_tutor.classroom.exercises.exercise import KINDS
from offline_tutor.classroom.exercises.files import ObservationError
from tools.agreement import bare, definitions
from tools.chapters import ROOT, chapters
from tools.exercises import (
    SOURCES,
    TEXT_STUB,
    cell_of,
    function_of,
    has_cell,
    made,
    of_chapter,
    sources,
    stub_lines,
    student,
)

ANSWERS: dict[str, dict[str, str]] = {}
for file in sorted(Path(__file__).parent.glob("answers/*.py")):
    ANSWERS |= importlib.import_module(f"answers.{file.stem}").ANSWERS

ALL = exercises()
CHECKED = [each for each in ALL if not each.is_open]
each_exercise = pytest.mark.parametrize("this", ALL, ids=lambda this: this.id)
each_checked = pytest.mark.parametrize("this", CHECKED, ids=lambda this: this.id)
each_source = pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
Record = Callable[[str, object], None]


def written(this: Exercise, text: str) -> Callable[..., Any]:
    """The function that a student wrote, in a notebook where the usual is imported."""
    name = f"<answer to {this.id}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, Any] = {"np": np, "jnp": jnp, "jax": jax}
    exec(compile(text, name, "exec"), space)
    return space[this.function]


def solved(this: Exercise) -> str:
    """The source of the solution's cell."""
    notebook = nbformat.read(SOURCES / f"{this.chapter}.ipynb", as_version=4)
    return cell_of(notebook, this.id).source


def stub(this: Exercise) -> Callable[..., Any]:
    return written(this, f"def {this.function}(*a, **k):\n    ...  # your lines here")


def asked(this: Exercise, function: Any, kind: str, record: Record) -> Any:
    """What `check` says, noted for the table at the end."""
    began = time.perf_counter()
    verdict = check(this.id, function)
    seconds = time.perf_counter() - began
    record("exercise check", (this.id, kind, verdict.status, verdict.text, seconds))
    return verdict


# ------------------------------------------------------------------- every exercise


@each_checked
def test_right_answer_passes(this: Exercise, record_property: Record) -> None:
    assert asked(this, this.reference, "right", record_property)


@each_checked
def test_empty_answer_is_not_done(this: Exercise, record_property: Record) -> None:
    verdict = asked(this, stub(this), "empty", record_property)
    assert verdict.status == "not done" and "Not done yet" in verdict.text

    def raises(**named: Any) -> None:
        raise NotImplementedError

    assert check(this.id, raises).status == "not done"


WRONG = [(this, name) for this in CHECKED for name in ANSWERS.get(this.id, {})]


@pytest.mark.parametrize(("this", "name"), WRONG, ids=[f"{t.id}: {n}" for t, n in WRONG])
def test_wrong_answer_is_told_its_own_mistake(
    this: Exercise, name: str, record_property: Record
) -> None:
    function = written(this, ANSWERS[this.id][name])
    (own,) = (mistake for mistake in this.mistakes if mistake.name == name)
    verdict = asked(this, function, name, record_property)
    for _ in range(2):  # whatever the random inputs are
        assert (verdict.status, verdict.mistake) == ("wrong", name), verdict.text
        assert own.hint in verdict.text
        verdict = check(this.id, function)


@each_checked
def test_at_least_three_mistakes_are_tried(this: Exercise) -> None:
    assert len(this.mistakes) >= 3 and len(ANSWERS[this.id]) >= 3
    assert len({mistake.name for mistake in this.mistakes}) == len(this.mistakes)


@each_checked
def test_is_not_passed_by_a_constant_or_by_printing(this: Exercise) -> None:
    assert this.reference is not None
    first = this.reference(**this.case(np.random.default_rng(0)))

    def constant(**named: Any) -> Any:
        return first

    def talker(**named: Any) -> Any:
        print("Right: it agrees with ours on 5 random inputs.")
        return np.zeros(())

    assert not check(this.id, constant) and not check(this.id, talker)


@each_checked
def test_error_is_told_in_one_line(this: Exercise) -> None:
    text = f"def {this.function}(*a, **k):\n    wanted = {{}}\n    return wanted['missing']\n"
    verdict = check(this.id, written(this, text))
    assert verdict.status == "error" and "\n" not in verdict.text
    assert "KeyError: 'missing'" in verdict.text and "at: return wanted['missing']" in verdict.text


@each_checked
def test_nothing_said_holds_the_solution(this: Exercise) -> None:
    """No hint has a whole line of the solution, but for lines that are hardly any."""
    body = solved(this).partition("### BEGIN SOLUTION")[2].partition("### END SOLUTION")[0]
    lines = [line.split("#")[0].strip() for line in body.splitlines()]
    said = [*this.hints, *(mistake.hint for mistake in this.mistakes)]
    for line in filter(lambda line: len(line) > 12, lines):
        assert not any(line in text for text in said), line


@each_exercise
def test_is_described(this: Exercise) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", this.id)
    assert this.kind in KINDS and this.minutes > 0 and this.points > 0
    assert this.is_open == (this.kind == "open") == bool(this.rubric)
    assert (this.choices is not None) == (this.kind == "predict then run")
    assert this.is_open or len(this.hints) >= 2
    assert sum(points for points, _ in this.rubric) == (this.points if this.is_open else 0)


def test_ids_are_unique_and_chapters_have_two() -> None:
    assert len({this.id for this in ALL}) == len(ALL)
    assert [this.chapter for this in ALL] == sorted(this.chapter for this in ALL)
    for path in sources():
        assert len(of_chapter(path.stem)) >= 2


ODD = (np.zeros(()), np.zeros(0), np.full((2, 3), np.nan), np.full(7, np.inf), np.ones((1, 1, 1)))


@each_checked
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"{odd.shape}")
def test_odd_shapes_are_judged_like_any(this: Exercise, odd: np.ndarray) -> None:
    """What a stranger may have put into the file, where the code that ran was not ours."""
    seen = observe(this, this.reference, seed=3)
    forged = tuple(dict.fromkeys(case, odd) for case in seen.cases)
    assert not judge(this, Observation(forged), seed=3)


# ------------------------------------------------------------------- what a reader calls


def test_unknown_exercise_names_similar_ones() -> None:
    with pytest.raises(
        LookupError, match=r"no exercise 'episode-return'; similar ids: .*episode-ret"
    ):
        check("episode-return", None)


def test_what_is_no_function_or_takes_other_arguments() -> None:
    assert check("compounding", 3.0).mistake == "no function"
    assert "is missing" in check("compounding").text
    verdict = check("compounding", lambda epsilon: epsilon)
    assert verdict.mistake == "arguments" and "(epsilon, horizon)" in verdict.text


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("text", "array of numbers"),
        ([[1.0], [1.0, 2.0]], "not an array of numbers"),
        (np.zeros(200_000), "far too many"),
        (np.zeros(2), "wrong shape"),
        (np.nan, "not finite"),
        (1.0, "a constant"),
    ],
)
def test_what_is_none_of_the_known_mistakes(value: Any, says: str) -> None:
    verdict = check("compounding", lambda epsilon, horizon: value)
    assert verdict.status == "wrong" and says in verdict.text


def test_other_numbers_are_said_to_differ() -> None:
    right = exercise("compounding").reference
    assert right is not None
    verdict = check("compounding", lambda epsilon, horizon: right(epsilon, horizon) + 0.5)
    assert verdict.mistake == "other numbers" and "by up to 0.5" in verdict.text


def test_numpy_where_jax_differentiates_is_explained() -> None:
    def function(outputs: Any, actions: Any, max_action: Any) -> Any:
        return ((max_action * np.tanh(np.asarray(outputs)[:, 0]) - actions) ** 2).mean()

    assert "write jnp." in check("cloning-loss", function).text


def test_exit_in_an_answer_is_an_error() -> None:
    assert check("compounding", lambda epsilon, horizon: exit(0)).status == "error"


def test_hints_come_one_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    steps = exercise("episode-returns").hints
    for step in steps:
        hint("episode-returns")
        assert step in capsys.readouterr().out
    hint("episode-returns")
    assert 'solution("episode-returns")' in capsys.readouterr().out


@each_exercise
def test_solution_shows_source_and_praise(
    this: Exercise, capsys: pytest.CaptureFixture[str]
) -> None:
    solution(this.id)
    said = capsys.readouterr().out
    assert this.praise in said
    assert this.is_open or f"def {this.function}(" in said


def test_predictions_are_answered_whatever_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    predict("compounding")
    assert "Choose first: a, b, c" in capsys.readouterr().out
    for letter, choice in (exercise("compounding").choices or {}).items():
        predict("compounding", letter.upper())
        assert choice.answer in capsys.readouterr().out
    with pytest.raises(ValueError, match="not one of a, b, c"):
        predict("compounding", "z")
    with pytest.raises(LookupError, match="nothing to predict"):
        predict("cloning-loss", "a")


# ------------------------------------------------------------------- observations on disk


@each_checked
def test_observations_survive_the_disk(this: Exercise, tmp_path: Path) -> None:
    seen = observe(this, this.reference, seed=7)
    write_observations(tmp_path / "seen", {this.id: seen, "broken": Observation((), "error", "é")})
    read = read_observations(tmp_path / "seen")
    assert judge(this, read[this.id], seed=7) and read["broken"].text == "é"
    assert not judge(this, read[this.id], seed=8)  # answers to other questions


def npy(array: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


HUGE = npy(np.zeros(1)).replace(b"(1,), }        ", b"(999999999,), }")
BAD_FILES = {
    "no archive": None,
    "a pickle": {"a/problem.npy": npy(np.array([{}], object), allow_pickle=True)},
    "a stranger": {"../../etc/passwd": b"x"},
    "no text": {"a/problem.npy": npy(np.array(""))},
    "an unknown problem": {
        "a/problem.npy": npy(np.array("odd")),
        "a/text.npy": npy(np.array("")),
    },
    "a long text": {
        "a/problem.npy": npy(np.array("error")),
        "a/text.npy": npy(np.array("x" * 501)),
    },
    "a missing case": {
        "a/problem.npy": npy(np.array("")),
        "a/text.npy": npy(np.array("")),
        "a/1/value.npy": npy(np.zeros(2)),
    },
    "a size that lies": {"a/0/value.npy": HUGE},
    "other numbers": {"a/0/value.npy": npy(np.zeros(2, complex))},
}


@pytest.mark.parametrize("what", BAD_FILES)
def test_files_that_hold_no_observations_are_refused(what: str, tmp_path: Path) -> None:
    path, members = tmp_path / "seen.npz", BAD_FILES[what]
    path.write_bytes(b"no archive")
    if members is not None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    with pytest.raises(ObservationError):
        read_observations(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "seen.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/0/value.npy", bytes(100 * 2**20))
    assert path.stat().st_size < 2**20
    with pytest.raises(ObservationError, match="too large"):
        read_observations(path)


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    write_observations(tmp_path / "seen", {"a": Observation((), "error", "x")})
    (tmp_path / "link").symlink_to(tmp_path / "seen")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(ObservationError, match="not a regular file"):
            read_observations(tmp_path / name)


def test_spoilt_files_are_refused_or_judged(tmp_path: Path) -> None:
    """Bytes at random places are changed: no other error may come of it than the promised ones."""
    this, path, rng = exercise("episode-returns"), tmp_path / "seen", np.random.default_rng(0)
    write_observations(path, {this.id: observe(this, this.reference, seed=1)})
    whole, refused = np.frombuffer(path.read_bytes(), np.uint8), 0
    for _ in range(300):
        spoilt = whole.copy()
        places = rng.integers(len(whole), size=rng.choice([1, 3, 20]))
        spoilt[places] = rng.integers(256, size=len(places))
        path.write_bytes(spoilt.tobytes())
        try:
            judge(this, read_observations(path)[this.id], seed=1)
        except (ValueError, KeyError):
            refused += 1
    assert refused > 200


def test_a_verdict_asks_for_every_case() -> None:
    this = exercise("compounding")
    seen = observe(this, this.reference, seed=1, cases=2)
    with pytest.raises(ValueError, match="2 cases"):
        judge(this, seen, seed=1)


# ------------------------------------------------------------------- one source, many forms


@each_source
def test_made_files_are_of_their_source(path: Path) -> None:
    for file, text in made(path).items():
        assert file.is_file() and file.read_text(encoding="utf-8") == text, (
            f"run 'make exercises' for {file.name}"
        )


def test_nothing_else_stands_among_what_is_made() -> None:
    wanted = {file for path in sources() for file in made(path)}
    there = {*SOURCES.glob("student/*"), *SOURCES.glob("instructor/*")}
    assert there | set((ROOT / "book" / "exercises").glob("*")) == wanted


@each_source
def test_source_names_its_exercises(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    graded = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert all(cell.id == cell.metadata.nbgrader.grade_id for cell in graded)
    solutions = [cell.id for cell in graded if cell.metadata.nbgrader.solution]
    assert solutions == [this.id for this in of_chapter(path.stem)]
    for this in of_chapter(path.stem):
        words = cell_of(notebook, f"{this.id}-words").source
        kind = this.kind.replace("predict then run", "predict, then run").capitalize()
        assert words.startswith(
            f"## {this.title}\n\n*{kind} · {this.minutes} minutes · {this.points} points*\n"
        )
        assert all(part in words for part in ("**Where:**", "**Task:**", "**Criterion:**"))
        marked = cell_of(notebook, this.id if this.is_open else f"{this.id}-check")
        assert marked.metadata.nbgrader.grade and marked.metadata.nbgrader.points == this.points
        assert has_cell(notebook, f"{this.id}-given") == (this.kind == "find the bug")


@each_checked
def test_solution_cell_is_the_reference(this: Exercise) -> None:
    notebook = nbformat.read(SOURCES / f"{this.chapter}.ipynb", as_version=4)
    module = importlib.import_module(this.reference.__module__)  # type: ignore[union-attr]
    theirs = definitions(Path(str(module.__file__)).read_text(encoding="utf-8"))[this.function]
    assert bare(function_of(cell_of(notebook, this.id), this.function)) == bare(theirs)


@each_source
def test_stubs_are_part_of_their_solutions(path: Path) -> None:
    source = nbformat.read(path, as_version=4)
    for this in of_chapter(path.stem):
        whole = cell_of(source, this.id).source.splitlines()
        lines = stub_lines(cell_of(student(source), this.id))
        assert set(lines) <= set(whole) and "### BEGIN SOLUTION" not in lines


@each_source
def test_student_file_has_no_solution(path: Path) -> None:
    text = (SOURCES / "student" / path.name).read_text(encoding="utf-8")
    assert "SOLUTION" not in text and "HIDDEN" not in text and "assert check" not in text
    notebook = nbformat.reads(text, as_version=4)
    for this in of_chapter(path.stem):
        cell = cell_of(notebook, this.id)
        if this.is_open:
            assert cell.source == TEXT_STUB
        else:
            docstring, *body = function_of(cell, this.function).body
            assert isinstance(docstring, ast.Expr) and [ast.unparse(node) for node in body] == [
                "..."
            ]


@pytest.mark.parametrize("form", ["student", "instructor"])
@each_source
def test_notebook_runs_to_the_end(path: Path, form: str) -> None:
    """The student's unfilled; the instructor's with every check passed, as its asserts say."""
    notebook = nbformat.read(SOURCES / form / path.name, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for this in of_chapter(path.stem):
        outputs = cell_of(notebook, f"{this.id}-check").outputs
        said = "".join(output.get("text", "") for output in outputs)
        begins = {"student": "Not done yet", "instructor": "Right"}[form]
        assert said.startswith("A person reads" if this.is_open else begins)


@each_source
def test_notebook_runs_on_after_an_answer_that_raises(path: Path) -> None:
    """No cell calls an answer that `check` has not passed: nbgrader's own stub raises."""
    notebook = nbformat.read(SOURCES / "student" / path.name, as_version=4)
    for cell in notebook.cells:
        for node in ast.parse(cell.source).body if cell.cell_type == "code" else ():
            called = {call.func.id for call in ast.walk(node) if is_call_by_name(call)}
            answers = called & {this.function for this in ALL}
            assert not answers or guarded(node), f"{cell.id} calls {answers}: begin 'if check('"


def is_call_by_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def guarded(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).startswith("check(")


def test_pages_lead_to_colab_where_a_repository_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    linked = importlib.import_module("colab_links").linked
    text = (ROOT / "book" / "exercises" / "12_datasets.md").read_text(encoding="utf-8")
    colab = "https://colab.research.google.com/github/someone/book/blob/main/"
    path = "notebooks/exercises/student/12_datasets.ipynb"
    assert f"]({colab}{path})" in linked(text, "https://github.com/someone/book")
    assert (ROOT / path).is_file() and "colab" not in linked(text, None).lower()


def test_every_chapter_has_exercises_and_leads_to_them() -> None:
    for chapter in chapters():
        name = chapter.path.stem
        assert (SOURCES / f"{name}.ipynb").is_file()
        text = "\n".join(cell.source for cell in chapter.cells if cell.cell_type == "markdown")
        link = f"[exercises that check themselves](../book/exercises/{name}.md)"
        assert link in text.partition("\n## Exercises\n")[2].partition("\n## ")[0]
