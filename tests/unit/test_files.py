"""Files and folders are whole or not there, wherever their process is killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from offline_tutor.files import clear_away, replacing, temporary_folder

# Writes a file and a folder, which were there before, and uses a temporary folder; says when each
# is done. Is killed before the n-th change of a file, and with n = 0 not at all.
WRITES = """
import os, signal, sys, tempfile
from pathlib import Path
from offline_tutor.files import replacing, temporary_folder
home, last, seen = Path(sys.argv[1]), int(sys.argv[2]), 0
tempfile.tempdir = os.environ["TMPDIR"]  # else Python tries out whether it can write there

def watch(event, args):
    global seen
    opened = event == "open" and isinstance(args[2], int) and args[2] & os.O_WRONLY
    if opened or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
with replacing(home / "file") as part:
    part.write_text("new " * 1000)
print("file", flush=True)
with temporary_folder("files-test") as spare, replacing(home / "folder") as part:
    part.mkdir()
    for name in "ab":
        (spare / name).write_text("new", encoding="utf-8")
        (part / name).write_text("new", encoding="utf-8")
print("folder", flush=True)
"""
ROOT = Path(__file__).parents[2]
OLD, NEW = ("old", ["old"] * 2), ("new " * 1000, ["new"] * 2)


def written(home: Path, last: int) -> str:
    """Starts anew from the old file and folder; what the process says before it is killed."""
    spare = home.parent / "spare"
    spare.mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(spare), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WRITES, str(home), str(last)], env=environment, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (0, -9), done.stderr
    return done.stdout + ("" if done.returncode else "end")


def state(home: Path) -> tuple[str, list[str]]:
    """The file, and those of the folder; none where it had just stepped aside."""
    files = [path.read_text(encoding="utf-8") for path in sorted((home / "folder").glob("*"))]
    return (home / "file").read_text(encoding="utf-8"), files


def test_a_process_may_be_killed_at_any_change_of_a_file(tmp_path: Path) -> None:
    for last in range(1, 100):
        home = tmp_path / f"{last}" / "home"
        (home / "folder").mkdir(parents=True)
        (home / "file").write_text("old", encoding="utf-8")
        for name in "ab":
            (home / "folder" / name).write_text("old", encoding="utf-8")
        said = written(home, last)
        file, files = state(home)
        assert file == NEW[0] or ("file" not in said and file == OLD[0])
        assert files in ([], OLD[1], NEW[1])
        assert "folder" not in said or files == NEW[1]
        if not files:  # it stepped aside for the new one, and goes back
            clear_away(home)
            assert state(home)[1] == OLD[1]
        assert written(home, 0).endswith("end")
        assert state(home) == NEW
        assert {path.name for path in home.iterdir()} == {"file", "folder"}
        assert not list((home.parent / "spare").iterdir())
        if said.endswith("end"):
            assert last > 10, "nothing was killed"
            return
    raise AssertionError("it changes files for ever")


def test_what_raises_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old", encoding="utf-8")
    with pytest.raises(KeyError), replacing(tmp_path / "file") as part:
        part.write_text("half", encoding="utf-8")
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"), replacing(tmp_path / "folder") as part:
        part.write_text("new", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_only_what_the_dead_left_is_cleared_away(tmp_path: Path) -> None:
    """The names of a living process, of users, and of other files' parts are left alone."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True).stdout.strip()  # fmt: skip
    mine = [f"x.{os.getpid()}-1.part", "x.part", "x.2024-05", "notes.part", f"y.{dead}-1.part"]
    for name in [*mine, f"x.{dead}-1.part", f"x.{dead}-1.old.part"]:
        (tmp_path / name).write_text("old", encoding="utf-8")
    clear_away(tmp_path, "x")
    assert {path.name for path in tmp_path.iterdir()} == {*mine, "x"}
    clear_away(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*mine[:4], "x"}


def test_temporary_folders_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder("mine") as first, temporary_folder("mine") as second:
        assert first.is_dir() and second.is_dir() and first != second
    assert not list(tmp_path.iterdir())
