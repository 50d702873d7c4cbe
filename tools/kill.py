"""Kills commands with `kill -9` and runs them again: `python -m tools.kill`, 50 moments in all.

Half of the moments are random times, half lie just after a random change of a file. After each:

- every result is the old one or the new one, whole, and what was reported as saved is there;
- no process outlives the one that was killed;
- the same command then comes to the same bits as one that nobody disturbed, and leaves the same
  files, here and among the temporary ones: nothing half-written, no folder, no lock that holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import numpy as np
import psutil
from nbformat.v4 import new_code_cell, new_notebook

from tools.chapters import ROOT

PYTHON = [sys.executable, "-m"]
LONGEST = 600  # seconds of one command
# Bits that no two runs share: how long it took, and when a lock or a database was last used.
NOT_COMPARED = re.compile(r"\.lock$|\.db$|/results/.*\.json$|-journal$")

# Runs a module as `python -m` does, and is killed a moment after the n-th change of a file below a
# folder; with n = 0 it counts them.
WATCHED = """
import atexit, os, runpy, signal, sys, threading
folder, last, delay, counted, module, *arguments = sys.argv[1:]
last, delay, seen = int(last), float(delay), 0

def changes(event, args):
    if event == "open":
        written = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return written and str(args[0]).startswith(folder)
    return event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir") and folder in str(args)

def watch(event, args):
    global seen
    if changes(event, args):
        seen += 1
        if seen == last:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

def note():
    with open(counted, "w") as file:
        file.write(str(seen))

if not last:
    atexit.register(note)
sys.addaudithook(watch)
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""

SAVE = """
import sys
from dataclasses import replace
import numpy as np
from offline_tutor.policies import load_policy
path = sys.argv[1]
policy = load_policy(path)
for number in range(1, 61):
    state = policy.state._replace(step=np.full(policy.num_rows, number, policy.state.step.dtype))
    replace(policy, state=state).save(path)
    print("saved", number, flush=True)
"""

BOOK = """
import sys
from pathlib import Path
from tools import execute
from tools.chapters import Chapter
folder = Path(sys.argv[1])
execute.CACHE, execute.FINGERPRINTS = folder / "cache", folder / "cache" / "fingerprints.json"
execute.chapters = lambda: [Chapter(path) for path in sorted((folder / "book").glob("*.ipynb"))]
sys.exit(execute.main())
"""


def of_code(name: str, code: str) -> Callable[[Path], list[str]]:
    """A command that runs code with the folder as its argument, as a module beside the folder."""

    def command(folder: Path) -> list[str]:
        (folder.parent / f"{name}_.py").write_text(code, encoding="utf-8")
        return [f"{name}_", str(folder / "policy.npz" if name == "save" else folder)]

    return command


def train(steps: int) -> Callable[[Path], list[str]]:
    """The command line that trains two tiny seeds for so many steps."""
    words = "offline_tutor.cli train td3_bc maze/stitch-v0 --every 10 --seeds 2 --batch-size 8"
    return lambda folder: [
        *words.split(), *f"--hidden 8 8 --num-steps {steps} --to {folder}/run".split()
    ]  # fmt: skip


def make(folder: Path) -> list[str]:
    words = "offline_tutor.book.recipes.make cartpole/expert-v0 --output"
    return [*words.split(), str(folder / "data")]


def grade(folder: Path) -> list[str]:
    words = "offline_tutor.cli grade {0}/class --reports {0}/reports --jobs 2"
    return words.format(folder).split()


def half_trained(folder: Path) -> None:
    run([*train(30)(folder)], folder)


def a_policy(folder: Path) -> None:
    run([*train(10)(folder)], folder)
    shutil.move(folder / "run" / "policy.npz", folder / "policy.npz")
    shutil.rmtree(folder / "run")


def an_older_dataset(folder: Path) -> None:
    run(make(folder), folder)
    described = next(folder.rglob("metadata.json"))
    text = described.read_text(encoding="utf-8").replace("perfect controller", "older controller")
    described.write_text(text, encoding="utf-8")


def a_class(folder: Path) -> None:
    notebooks = ROOT / "notebooks" / "exercises"
    (folder / "class").mkdir()
    shutil.copy(
        notebooks / "student" / "13_behaviour_cloning.ipynb", folder / "class" / "ann.ipynb"
    )
    (folder / "class" / "bob.ipynb").touch()
    (folder / "class" / "eve.ipynb").write_text("{", encoding="utf-8")


def a_book(folder: Path) -> None:
    (folder / "book").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for name in ("1_one", "2_two"):
        cells = [new_code_cell(f"print({name!r})", id="prints")]
        nbformat.write(
            new_notebook(cells=cells, metadata=kernel), folder / "book" / f"{name}.ipynb"
        )


def nothing(folder: Path) -> None:
    """Needs no preparation."""


@dataclass(frozen=True)
class Trial:
    """A command, what must be there before it, and what it says when something is saved."""

    command: Callable[[Path], list[str]]
    prepare: Callable[[Path], None] = nothing
    says: str = r"(?!)"  # a pattern; its group names what is saved by now
    is_saved: Callable[[Path, str], bool] = lambda folder, name: True


def policy_is(folder: Path, number: str) -> bool:
    from offline_tutor.policies import load_policy

    return int(load_policy(folder / "policy.npz").state.step[0]) >= int(number)


def result_is_kept(folder: Path, student: str) -> bool:
    return (folder / "reports" / "results" / f"{student}.json").exists()


TRIALS = {
    "train": Trial(
        train(60), nothing, r"Trained .*: (.*)", lambda folder, path: Path(path).exists()
    ),
    "resume": Trial(
        train(60), half_trained, r"Trained .*: (.*)", lambda folder, path: Path(path).exists()
    ),
    "save": Trial(of_code("save", SAVE), a_policy, r"saved (\d+)", policy_is),
    "dataset": Trial(
        make,
        an_older_dataset,
        r"cartpole/expert-v0: (.*)",
        lambda folder, path: Path(path).exists(),
    ),
    "grade": Trial(grade, a_class, r"\[\d/3\] (\w+):", result_is_kept),
    "book": Trial(of_code("book", BOOK), a_book),
}


# ------------------------------------------------------------------------------- running


def environment(folder: Path) -> dict[str, str]:
    """Temporary files beside the folder, and the trial's own modules."""
    spare = folder.parent / "tmp"
    spare.mkdir(exist_ok=True)
    paths = os.pathsep.join([str(ROOT), str(folder.parent)])
    own = {"TMPDIR": str(spare), "PYTHONPATH": paths, "JUPYTER_RUNTIME_DIR": str(folder.parent)}
    return os.environ | own


def start(command: list[str], folder: Path, said: Path) -> subprocess.Popen[bytes]:
    with said.open("wb") as out:
        return subprocess.Popen(
            [*PYTHON, *command], env=environment(folder), cwd=ROOT, stdout=out,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


def run(command: list[str], folder: Path) -> str:
    """Runs a command undisturbed. Returns what it printed; raises where it fails."""
    said = folder.parent / "said"
    process = start(command, folder, said)
    try:
        status = process.wait(LONGEST)
    finally:
        process.kill()
    text = said.read_text(encoding="utf-8")
    if status:
        raise Fault(f"{' '.join(command)} ended with {status}:\n{text[-2000:]}")
    return text


class Fault(Exception):
    """What should not be after a kill."""


def names(folder: Path) -> set[str]:
    """Every file and folder there is, temporary ones included."""
    places = (folder, folder.parent / "tmp")
    return {path.relative_to(folder.parent).as_posix() for top in places for path in top.rglob("*")}


def results(folder: Path) -> dict[str, str]:
    """A digest of each file, without what no two runs share."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: digest(path)
        for name, path in files.items()
        if path.is_file() and ".part" not in name and not NOT_COMPARED.search(f"/{name}")
    }


def digest(path: Path) -> str:
    """Of a checkpoint without the seconds that it took; else of the bytes."""
    if path.name != "checkpoint.npz":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    found = hashlib.sha256()
    with np.load(path, allow_pickle=False) as file:
        for name in sorted(set(file) - {"records.seconds"}):
            found.update(name.encode() + file[name].tobytes())
    return found.hexdigest()


@dataclass
class Undisturbed:
    """What a command leaves that nobody kills, from which every other run starts or is judged."""

    template: Path  # the prepared folder
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    seconds: float = 0
    changes: int = 0  # of files


def undisturbed(trial: Trial, base: Path) -> Undisturbed:
    """Prepares a trial, runs it, and counts its changes of files."""
    template = base / "template" / "w"
    template.mkdir(parents=True)
    trial.prepare(template)
    made = Undisturbed(template, results(template))
    folder, begun = copy_of(template, base / "undisturbed"), time.monotonic()
    run(watched(trial.command(folder), folder, 0, 0), folder)
    made.seconds = time.monotonic() - begun
    made.after, made.names = results(folder), names(folder)
    made.changes = int((folder.parent / "changes").read_text(encoding="utf-8"))
    return made


def copy_of(template: Path, parent: Path) -> Path:
    return Path(shutil.copytree(template, parent / "w"))


def watched(command: list[str], folder: Path, change: int, delay: float) -> list[str]:
    """The command, which kills itself a moment after a change of a file, counted from 1."""
    (folder.parent / "watched_.py").write_text(WATCHED, encoding="utf-8")
    counted = folder.parent / "changes"
    return ["watched_", str(folder), str(change), str(delay), str(counted), *command]


def agree(found: Mapping[str, str], wanted: Mapping[str, str], what: str) -> None:
    other = sorted(n for n in found.keys() | wanted.keys() if found.get(n) != wanted.get(n))
    if other:
        raise Fault(f"{what}: {', '.join(other)}")


@dataclass
class Moment:
    """When a command is killed: after seconds, or a delay after a change of a file."""

    seconds: float = LONGEST
    change: int = 0
    delay: float = 0.0

    def __str__(self) -> str:
        """In words, for the table."""
        if self.change:
            return f"{1000 * self.delay:.1f} ms after change {self.change} of a file"
        return f"after {self.seconds:.2f} s"


def choose(rng: random.Random, made: Undisturbed, by_change: bool) -> Moment:
    if by_change and made.changes:
        return Moment(
            change=rng.randint(1, made.changes), delay=rng.choice([0, rng.random() / 100])
        )
    return Moment(seconds=rng.uniform(0, made.seconds))


def kill(command: list[str], folder: Path, moment: Moment) -> str | None:
    """Starts a command and kills it. Returns what it had printed; None if it had ended before."""
    said = folder.parent / "said"
    if moment.change:
        command = watched(command, folder, moment.change, moment.delay)
    process = start(command, folder, said)
    end, children = time.monotonic() + moment.seconds, set()
    while process.poll() is None and (rest := end - time.monotonic()) > 0:
        children |= set(descendants(process.pid))
        time.sleep(min(0.1, rest))
    children |= set(descendants(process.pid))
    process.kill()
    status = process.wait()
    alive = psutil.wait_procs(children, timeout=20)[1]
    for each in alive:
        each.kill()
    if alive:
        raise Fault(f"{len(alive)} processes outlive the one that was killed: {alive}")
    return said.read_text(encoding="utf-8") if status == -signal.SIGKILL else None


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def check_whole(folder: Path, made: Undisturbed) -> None:
    """Raises Fault where a file is neither the old one, nor the new one, nor whole."""
    for name, found in results(folder).items():
        path = folder / name
        if found in (made.before.get(name), made.after.get(name)) or not_counted(folder, path):
            continue
        try:
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as file:
                    dict(file)
            else:
                json.loads(path.read_text(encoding="utf-8"))
        except Exception as error:
            raise Fault(f"{name} is not whole: {error}") from error


def not_counted(folder: Path, path: Path) -> bool:
    """Whether the notebook cache does not count a file yet, since its fingerprint is missing."""
    prints = folder / "cache" / "fingerprints.json"
    known = json.loads(prints.read_text(encoding="utf-8")) if prints.exists() else {}
    return path.is_relative_to(folder / "cache" / "executed") and path.parent.name not in known


def attempt(trial: Trial, made: Undisturbed, moment: Moment, parent: Path) -> str | None:
    """Kills a trial's command at a moment, checks, runs it again, checks; what was saved by then.

    None where the command had ended before. Raises Fault.
    """
    folder = copy_of(made.template, parent)
    said = kill(trial.command(folder), folder, moment)
    if said is None:
        return None
    check_whole(folder, made)
    saved = re.findall(trial.says, said)
    for name in saved:
        if not trial.is_saved(folder, name):
            raise Fault(f"{name} was reported as saved, and is lost")
    run(trial.command(folder), folder)
    agree(results(folder), made.after, "the second run came to other bits")
    if litter := names(folder) - made.names:
        raise Fault(f"left behind: {', '.join(sorted(litter))}")
    return f"{len(saved)}"


def kill_often(trials: list[str], moments: int, seed: int, base: Path) -> list[list[str]]:
    """Rows of the table: number, command, moment, how much was saved by then, what came of it."""
    rng, rows = random.Random(seed), []
    made = {name: undisturbed(TRIALS[name], base / name) for name in trials}
    while len(rows) < moments:
        number = len(rows)
        name = trials[number % len(trials)]
        moment = choose(rng, made[name], by_change=number // len(trials) % 2 == 0)
        parent = Path(tempfile.mkdtemp(dir=base / name))
        try:
            saved = attempt(TRIALS[name], made[name], moment, parent)
            outcome = "same bits, nothing left"
        except Fault as fault:
            saved, outcome = "", f"FAULT: {fault}"
        if saved is not None:
            rows.append([str(number + 1), name, str(moment), saved, outcome])
            print("| " + " | ".join(rows[-1]) + " |", flush=True)
        if "FAULT" not in outcome:
            shutil.rmtree(parent)
    return rows


def main() -> int:
    """Prints the table. Returns 1 where there was a fault, whose folder is then kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", nargs="+", choices=TRIALS, default=list(TRIALS))
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="kill-"))
    print(f"Seed {options.seed}, in {base}.\n")
    print("| | Command | Killed | Saved before | Afterwards |\n|---|---|---|---|---|")
    rows = kill_often(options.trials, options.moments, options.seed, base)
    faults = sum("FAULT" in row[-1] for row in rows)
    print(f"\n{len(rows)} moments, {faults} faults.")
    if not faults:
        shutil.rmtree(base)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
