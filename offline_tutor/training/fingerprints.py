"""What a run was made of, as short texts: a checkpoint is not continued with anything else."""

import hashlib
import inspect
from dataclasses import fields, is_dataclass
from types import CodeType
from typing import Any

import jax
import numpy as np

from offline_tutor.data import Dataset

_PLAIN = int | float | str | tuple


def fingerprint_data(dataset: Dataset) -> str:
    """A hash of the dataset's rows."""
    digest = hashlib.blake2b(digest_size=16)
    for array in jax.tree.leaves(dataset.transitions):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def fingerprint_code(*values: Any) -> str:
    """A hash of the code of functions, and of the functions and numbers that records hold.

    What these functions call by name does not count: a helper that is defined anew goes unnoticed.
    """
    digest = hashlib.blake2b(digest_size=16)
    for value in values:
        for function in _functions(value):
            function = inspect.unwrap(function)  # a decorator is not what it decorates
            digest.update(_code(getattr(function, "__code__", None), function).encode())
    return digest.hexdigest()


def _functions(value: Any) -> list[Any]:
    """A value itself, or the functions in its fields and its class, and its numbers."""
    if not is_dataclass(value) or isinstance(value, type):
        return [value]
    own = [getattr(value, field.name) for field in fields(value)]
    methods = [method for kind in type(value).__mro__[:-1] for method in vars(kind).values()]
    held = [one for one in (*own, *methods) if hasattr(one, "__code__")]
    return held + [one for one in own if isinstance(one, _PLAIN)]


def _code(code: CodeType | None, function: Any) -> str:
    """A function's instructions and constants as text, without names of files and lines."""
    if isinstance(function, _PLAIN):
        return repr(function)
    if code is None:
        return getattr(function, "__qualname__", type(function).__qualname__)
    constants = [
        _code(constant, None) if isinstance(constant, CodeType) else repr(constant)
        for constant in code.co_consts
    ]
    return " ".join([code.co_name, code.co_code.hex(), *constants, *code.co_names])
