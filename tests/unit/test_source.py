"""The count of code lines, and what the design promises about it."""

import types
from pathlib import Path

import pytest

from offline_tutor.algorithms import cql_qr_dqn, cql_sac, qr_dqn, sac, td3, td3_bc
from offline_tutor.book.code_lines import code_lines

EXAMPLE = '''"""A module
of two lines of docstring."""

import math  # an import
from os import (
    path,
)


# A comment.
@staticmethod
def area(
    radius: float,  # a comment beside code
) -> float:
    """Docstring."""
    text = """not a
docstring"""

    return math.pi * radius**2
'''
COUNTED = [
    "@staticmethod",
    "def area(\n    radius: float,  # a comment beside code\n) -> float:",
    '    text = """not a\ndocstring"""',
    "    return math.pi * radius**2",
]


def test_code_lines_leaves_out_what_computes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "example.py"
    file.write_text(EXAMPLE, encoding="utf-8")
    module = types.ModuleType("example")
    module.__file__ = str(file)
    assert code_lines(module) == COUNTED


@pytest.mark.parametrize(
    ("child", "parent", "most"),
    [(td3_bc, td3, 10), (cql_qr_dqn, qr_dqn, 10), (cql_sac, sac, 25)],
    ids=["td3_bc", "cql_qr_dqn", "cql_sac"],
)
def test_an_offline_algorithm_adds_few_lines_to_its_parent(
    child: types.ModuleType, parent: types.ModuleType, most: int
) -> None:
    assert 0 < len(code_lines(child)) <= most < len(code_lines(parent))
