"""What counts as the code of a run: what it calls and closes over, not how it is written."""

import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor.algorithms import BC, TD3, TD3_BC
from offline_tutor.data.sampling import Mixed
from offline_tutor.training.fingerprints import fingerprint_code

SOURCE = """
    WEIGHT = 2.0
    TABLE = {"a": [1, 2]}

    def helper(x):
        return WEIGHT * x

    class Scale:
        factor = 3.0

        def __call__(self, x):
            return helper(x) * self.factor

    def make(power, scale=Scale()):
        def loss(actor, state, batch, key, config):
            '''Says what it is.'''
            inner = lambda x: scale(x) ** power  # a comment
            return inner(actor) if power in {"a", "b", 2} else TABLE["a"][0]
        return loss

    loss = make(2)
"""


def code_of(source: str = SOURCE, name: str = "loss") -> str:
    known: dict[str, Any] = {"__name__": "__main__"}
    exec(textwrap.dedent(source), known)
    return fingerprint_code(known[name])


CHANGES = {
    "a constant of the module": ("WEIGHT = 2.0", "WEIGHT = 2.5"),
    "a table": ("[1, 2]", "[1, 3]"),
    "a helper": ("return WEIGHT * x", "return WEIGHT + x"),
    "a class that is used": ("factor = 3.0", "factor = 3.5"),
    "a method": ("* self.factor", "+ self.factor"),
    "a variable closed over": ("make(2)", "make(3)"),
    "a default": ("scale=Scale()", "scale=abs"),
    "a function inside": ("** power", "* power"),
    "a set": ('{"a", "b", 2}', '{"a", "c", 2}'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_code_is_made_of_counts(name: str) -> None:
    old, new = CHANGES[name]
    assert old in SOURCE
    assert code_of() != code_of(SOURCE.replace(old, new))


def test_how_it_is_written_does_not() -> None:
    other = SOURCE.replace("a comment", "another").replace("Says what it is.", "Says it anew.")
    assert code_of() == code_of(other.replace("    WEIGHT", "\n\n    WEIGHT"))


def test_other_processes_find_the_same() -> None:
    """Sets have another order in each."""
    code = (
        "from tests.unit.test_fingerprints import code_of, fingerprint_code, TD3_BC\n"
        "print(code_of(), fingerprint_code(TD3_BC))"
    )
    command = [sys.executable, "-c", code]
    found = set()
    for seed in ("1", "2"):
        known = {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.run(command, env=os.environ | known, stdout=-1, text=True, check=True)
        found.add(process.stdout)
    assert len(found) == 1


def test_records_count_by_what_they_hold() -> None:
    assert fingerprint_code(TD3_BC) == fingerprint_code(replace(TD3_BC))
    others = [TD3, BC, replace(TD3_BC, actor_loss=TD3.actor_loss), Mixed(9, 0.5), Mixed(9, 0.25)]
    assert len({fingerprint_code(one) for one in (TD3_BC, *others)}) == 6


def test_arrays_and_partials_count() -> None:
    scaled = lambda array: partial(np.multiply, array)  # noqa: E731
    found = [fingerprint_code(scaled(array)) for array in (np.ones(2), np.zeros(2), jnp.ones(3))]
    assert len(set(found)) == 3
    assert fingerprint_code(scaled(np.ones(2))) == found[0]
