"""Text files are UTF-8 whatever the system's own encoding is (on Windows it often is another).

Ruff's rule of this kind, PLW1514, is a preview, and it misses a path whose type it cannot infer:
it found 7 of the 109 places found here.
"""

import ast
from pathlib import Path

import pytest

from tools.chapters import ROOT

FOLDERS = ["offline_tutor", "tools", "book/_ext", "tests", "benchmarks"]
NOT_TEXT = {"os", "h5py", "zipfile", "tarfile", "tab"}  # whose `open` opens something else


def leaves_encoding_to_the_system(call: ast.Call) -> bool:
    if any(keyword.arg == "encoding" for keyword in call.keywords):
        return False
    match call.func:
        case ast.Attribute(attr="read_text"):
            return not call.args
        case ast.Attribute(attr="write_text"):
            return len(call.args) < 2
        case ast.Attribute(attr="open") if ast.unparse(call.func).split(".")[0] in NOT_TEXT:
            return False
        case ast.Attribute(attr="open"):  # of a path
            modes = call.args[:1]
        case ast.Name(id="open"):
            modes = call.args[1:2]
        case _:
            return False
    modes += [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    return not any("b" in ast.unparse(mode) for mode in modes)


def faults(source: str) -> list[int]:
    """Lines that open a text file and leave the encoding to the system."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return sorted(call.lineno for call in calls if leaves_encoding_to_the_system(call))


@pytest.mark.parametrize(
    ("code", "faulty"),
    [
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text, 'utf-8')", False),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("h5py.h5o.open(group, key)", False),
        ("path.open('w')", True),
        ("path.open('rb')", False),
        ("open(path, 'a', encoding='utf-8')", False),
    ],
)
def test_what_counts_as_a_fault(code: str, faulty: bool) -> None:
    assert faults(code) == [1] * faulty


@pytest.mark.parametrize("folder", FOLDERS)
def test_text_files_are_opened_as_utf_8(folder: str) -> None:
    files = sorted(Path(ROOT / folder).rglob("*.py"))
    assert files
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files
        for line in faults(file.read_text(encoding="utf-8"))
    ]
    assert found == [], 'these lines need encoding="utf-8"'
