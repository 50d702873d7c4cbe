"""A class with hostile students: `python -m tools.class_of_sixty` writes, grades and compares it.

Twelve kinds of students, five of each, submit one assignment; the marks they must get are known.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell

from tools.chapters import ROOT

ASSIGNMENT = "13_behaviour_cloning"
FIRST, SECOND = "cloning-loss", "compounding"
CANARY = "untouched"
Marks = tuple[int, int]  # of the first exercise and of the second
FULL, NONE = (3, 3), (0, 0)
Notebook = nbformat.NotebookNode


@dataclass(frozen=True)
class Handin:
    """One submission: the bytes of its file, and the marks it must get."""

    content: bytes
    marks: Marks


@dataclass(frozen=True)
class Surroundings:
    """What a submission must not reach: a file of the teacher, and a port of this machine."""

    file: Path
    port: int


def notebook(version: str) -> Notebook:
    """The assignment: version "student" without solutions, or "instructor" with them."""
    path = ROOT / "notebooks" / "exercises" / version / f"{ASSIGNMENT}.ipynb"
    return nbformat.read(path, as_version=4)


def cell(of: Notebook, id: str) -> Any:
    return next(cell for cell in of.cells if cell.id == id)


def handed_in(of: Notebook, marks: Marks) -> Handin:
    return Handin(nbformat.writes(of).encode(), marks)


def edited(before: str, after: str, marks: Marks, id: str = FIRST) -> Handin:
    """The right answers, except for a change in one cell."""
    changed = notebook("instructor")
    target = cell(changed, id)
    assert before in target.source, before
    target.source = target.source.replace(before, after)
    return handed_in(changed, marks)


def with_cell(source: str, marks: Marks = FULL, after: str = "imports") -> Handin:
    """The right answers, and one more cell."""
    changed = notebook("instructor")
    place = changed.cells.index(cell(changed, after))
    changed.cells.insert(place + 1, new_code_cell(source))
    return handed_in(changed, marks)


def body(lines: str, marks: Marks = (0, 3)) -> Handin:
    """The right answers, except for the first function, which starts with these lines."""
    return edited("proposed = max", lines.replace("\n", "\n    ") + "\n    proposed = max", marks)


def right(_: Surroundings) -> list[Handin]:
    spelt = notebook("instructor")
    spelt.cells = [each for each in spelt.cells if each.cell_type == "code"]
    return [
        handed_in(notebook("instructor"), FULL),
        handed_in(spelt, FULL),
        edited("** 2).mean()", "** 2).sum() / len(actions)", FULL),
        edited("float(lost.sum())", "lost.sum()", FULL, id=SECOND),
        with_cell("# my notes\nprint('It works')"),
    ]


def wrong(_: Surroundings) -> list[Handin]:
    return [
        edited("[:, 0]", "", (0, 3)),
        edited(".mean()", ".sum()", (0, 3)),
        edited("jnp.tanh(outputs)", "outputs", (0, 3)),
        edited("max_action *", "", (0, 3)),
        edited("1, horizon + 1", "0, horizon", (3, 0), id=SECOND),
    ]


def empty(_: Surroundings) -> list[Handin]:
    nothing = notebook("student")
    nothing.cells = []
    return [
        handed_in(notebook("student"), NONE),
        Handin(b"", NONE),
        handed_in(nothing, NONE),
        Handin(b'{"cells": [{"cell_type": "code", "source": ["x = 1', NONE),
        Handin(b"%PDF-1.7\n", NONE),
    ]


def raising(_: Surroundings) -> list[Handin]:
    return [
        body("raise RuntimeError('<b>not</b> `today`')"),
        body("return undefined"),
        edited("def cloning_loss", "import no_such_package\ndef cloning_loss", (0, 3)),
        edited("def cloning_loss(", "def cloning_loss((", (0, 3)),
        body("return cloning_loss(outputs, actions, max_action)"),
    ]


def endless(_: Surroundings) -> list[Handin]:
    deaf = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    compiled = "import jax\njax.lax.while_loop(lambda x: x < 1, lambda x: x * 1.0, jnp.zeros(()))"
    return [
        body("while True: pass"),
        with_cell("while True: pass"),
        with_cell(deaf),
        with_cell(f"{compiled}.block_until_ready()"),
        body("import time\ntime.sleep(10**6)"),
    ]


def greedy(_: Surroundings) -> list[Handin]:
    many = "import os\nfor _ in range(40):\n    if os.fork() == 0:\n        x = bytearray(2**29)\n"
    many += "        x[::4096] = b'1' * len(x[::4096])\n        import time; time.sleep(100)"
    forks = "import os, time\nfor _ in range(1000):\n    if os.fork() == 0: time.sleep(100)"
    return [
        body("np.ones(int(1e11) // 8)"),
        with_cell(forks),
        with_cell("x = []\nwhile True: x.append(bytearray(2**26))"),
        with_cell("x = jnp.ones(int(1e11) // 4)"),
        with_cell(many),
    ]


def outside(around: Surroundings) -> list[Handin]:
    places = ["/usr/evil", "../../evil", "~/evil", str(around.file)]
    write = "import os, pathlib\npathlib.Path(os.path.expanduser({!r})).write_text('evil')"
    remove = f"import shutil\nshutil.rmtree({str(around.file.parent)!r})"
    return [*(with_cell(write.format(place)) for place in places), with_cell(remove)]


def untested(_: Surroundings) -> list[Handin]:
    def without(*ids: str, of: str = "instructor", marks: Marks = FULL) -> Handin:
        changed = notebook(of)
        changed.cells = [each for each in changed.cells if each.id not in ids]
        return handed_in(changed, marks)

    checks = (f"{FIRST}-check", f"{SECOND}-check")
    return [
        without(*checks),
        without(checks[0]),
        without(*checks, of="student", marks=NONE),
        edited('check("cloning-loss", cloning_loss)', "pass", FULL, id=checks[0]),
        with_cell("def check(*_): return True\ndef observe(*_): return None"),
    ]


def leaving(_: Surroundings) -> list[Handin]:
    return [
        with_cell("exit()"),
        with_cell("import sys\nsys.exit(0)"),
        with_cell("import os\nos._exit(0)"),
        with_cell("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"),
        body("import os\nos._exit(0)"),
    ]


def chatty(_: Surroundings) -> list[Handin]:
    fill = "for folder in ('.', '/tmp', '/dev/shm'):\n    with open(folder + '/log', 'w') as f:\n"
    fill += "        for _ in range(2**10): f.write('x' * 2**20)"
    return [
        with_cell("print('x' * 2**30)"),
        with_cell("for _ in range(2**20): print('x' * 1023)"),
        with_cell("import os\nfor _ in range(2**10): os.write(2, b'x' * 2**20)"),
        with_cell(fill),
        with_cell("from IPython.display import HTML\nHTML('x' * 2**30)"),
    ]


def calling(around: Surroundings) -> list[Handin]:
    local = f"import socket\nsocket.create_connection(('127.0.0.1', {around.port}), timeout=5)"
    return [
        with_cell(local),
        with_cell("import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=5)"),
        with_cell("import urllib.request\nurllib.request.urlopen('http://example.org', timeout=5)"),
        with_cell("import socket\ns = socket.socket()\ns.bind(('0.0.0.0', 8888)); s.listen()"),
        with_cell("import subprocess\nprint(subprocess.run(['ip', 'route'], check=True))"),
    ]


def forged(_: Surroundings) -> list[Handin]:
    def changed(of: str, change: Callable[[dict[str, Any]], object], marks: Marks) -> Handin:
        content = json.loads(nbformat.writes(notebook(of)))
        change(content)
        return Handin(json.dumps(content).encode(), marks)

    def worth_more(content: dict[str, Any]) -> None:
        for each in content["cells"]:
            each["metadata"].get("nbgrader", {}).update(points=1000, locked=False, grade=True)

    def the_same_ids(content: dict[str, Any]) -> None:
        for each in content["cells"]:
            each["id"] = FIRST
            each["metadata"]["nbgrader"] = {"grade_id": FIRST, "points": "many"}

    def no_sense(content: dict[str, Any]) -> None:
        content["metadata"] = {"kernelspec": {"name": "../../bin/sh"}, "language_info": 7}
        for each in content["cells"]:
            each["metadata"] = ["nbgrader"]

    def skipped(content: dict[str, Any]) -> None:
        for each in content["cells"]:
            each["metadata"] = {"tags": ["raises-exception", "skip-execution"]}

    return [
        changed("student", worth_more, NONE),
        changed("instructor", worth_more, FULL),
        changed("instructor", the_same_ids, FULL),
        changed("instructor", no_sense, FULL),
        changed("instructor", skipped, FULL),
    ]


KINDS = (right, wrong, empty, raising, endless, greedy, outside, untested, leaving, chatty, calling,
         forged)  # fmt: skip
NAMES = {"right-1": "=HYPERLINK(1)", "right-2": "Zoë Müller", "right-3": "Ann <b>O'Neil"}


def write_class(
    folder: Path, around: Surroundings, variants: Sequence[int] = range(5)
) -> dict[str, Marks]:
    """Writes the submissions, and returns the marks that each must get, by student."""
    expected: dict[str, Marks] = {}
    for kind in KINDS:
        for number in variants:
            handin = kind(around)[number]
            name = NAMES.get(f"{kind.__name__}-{number}", f"{kind.__name__}-{number}")
            expected[name] = handin.marks
            if number % 2:  # as Moodle hands them out
                (folder / name).mkdir()
                (folder / name / f"{ASSIGNMENT}.ipynb").write_bytes(handin.content)
            else:
                (folder / f"{name}.ipynb").write_bytes(handin.content)
    return expected


@contextmanager
def surroundings(folder: Path) -> Iterator[tuple[Surroundings, list[str]]]:
    """A file and a port that nobody may touch, and a list of the connections to the port."""
    file = folder / "teacher" / CANARY
    file.parent.mkdir()
    file.write_text(CANARY, encoding="utf-8")
    callers: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return  # closed: the class is over
                callers.append(str(address))
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield Surroundings(file, server.getsockname()[1]), callers


def marks_in(file: Path) -> dict[str, Marks]:
    """The marks of a CSV file, by student."""
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return {row["student"].lstrip("'"): (int(row[FIRST]), int(row[SECOND])) for row in rows}


def command(submissions: Path, reports: Path, *options: str) -> list[str]:
    grade = [sys.executable, "-m", "offline_tutor.cli", "grade", str(submissions)]
    return [*grade, "--reports", str(reports), "--assignment", ASSIGNMENT, *options]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="a new folder for all of it (default: deleted)")
    asked, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.keep or Path(name)
        submissions, reports = folder / "class", folder / "reports"
        submissions.mkdir(parents=True)
        with surroundings(folder) as (around, callers):
            expected = write_class(submissions, around)
            start = time.monotonic()
            status = subprocess.run(command(submissions, reports, *options), check=False).returncode
            seconds = time.monotonic() - start
        got = marks_in(reports / "marks.csv")
        wrong = [who for who, marks in expected.items() if got.get(who) != marks]
        pages, all_ = len(list(reports.glob("*.html"))), len(expected)
        print(f"{all_} submissions in {seconds / 60:.1f} minutes on {os.cpu_count()} cores")
        print(f"{all_ - len(wrong)} with exactly the expected marks, {pages} reports")
        for who in sorted(wrong):
            print(f"{who}: {got.get(who)} instead of {expected[who]}")
        touched = (
            around.file.read_text(encoding="utf-8") != CANARY if around.file.exists() else True
        )
        print("The teacher's file is", "CHANGED" if touched else "unchanged")
        print(f"{len(callers)} submissions reached the network")
    return int(bool(status or wrong or touched or callers or pages != all_))


if __name__ == "__main__":
    sys.exit(main())
