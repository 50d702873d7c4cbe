"""What a run was made of, as short texts: a checkpoint is not continued with anything else."""

import functools
import hashlib
import inspect
import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

from offline_tutor.checkpoints import to_numpy
from offline_tutor.data import Dataset

_WRAPPERS = property | classmethod | staticmethod | functools.cached_property
_CONSTANT = tuple | frozenset | CodeType  # Python may or may not make one of two equal ones
_INSTALLED = ("site-packages", "dist-packages")


def fingerprint_data(dataset: Dataset) -> str:
    """A hash of the dataset's rows."""
    digest = hashlib.blake2b(digest_size=16)
    for array in jax.tree.leaves(dataset.transitions):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def fingerprint_code(*values: Any) -> str:
    """A hash of functions, of the records that hold them, and of all that their code calls.

    It follows what is named: other functions, classes, constants, the variables that a function
    closes over. Libraries count by name. Comments, docstrings and the place in a file do not.
    """
    held = [getattr(value, name) for value in values for name in getattr(value, "__dict__", {})]
    homes = {_top(one) for one in (*values, *held) if isinstance(one, FunctionType | type)}
    reader = _Reader(homes | {"offline_tutor", "__main__"})
    for value in values:
        reader.read(value)
    return reader.digest.hexdigest()


class _Reader:
    """Reads values and what they are made of, in an order that is always the same."""

    def __init__(self, homes: set[str]) -> None:
        self.homes = homes  # packages whose code counts wherever they are installed
        self.digest = hashlib.blake2b(digest_size=16)
        # The place and the value of each id; while the value is held, no other can have its id.
        self.seen: dict[int, tuple[int, Any]] = {}

    def read(self, value: Any) -> None:
        """Adds a value to the digest."""
        value = inspect.unwrap(value)  # a decorator is not what it decorates
        if value is None or isinstance(value, int | float | complex | str | bytes):
            self.write(repr(value))
        elif id(value) in self.seen:
            self.write(f"seen {self.seen[id(value)][0]}")
        else:
            if not isinstance(value, _CONSTANT):
                self.seen[id(value)] = len(self.seen), value
            self.write(type(value).__qualname__)
            for part in self._parts(value):
                self.read(part)
            self.write("end")

    def write(self, text: str) -> None:
        self.digest.update(text.encode() + b"\0")

    def _parts(self, value: Any) -> Iterable[Any]:
        """What a value is made of."""
        if isinstance(value, FunctionType):
            return self._parts_of_function(value)
        if isinstance(value, MethodType):
            return value.__func__, value.__self__
        if isinstance(value, functools.partial):
            return value.func, value.args, value.keywords
        if isinstance(value, _WRAPPERS):
            return [getattr(value, name, None) for name in ("fget", "func", "__func__")]
        if isinstance(value, CodeType):
            return _parts_of_code(value, None)
        if isinstance(value, type):
            return self._parts_of_class(value)
        if isinstance(value, jax.Array | np.ndarray):
            array = to_numpy(value)
            return str(array.dtype), array.shape, array.tobytes()
        if isinstance(value, set | frozenset):
            return sorted(map(repr, value))  # their own order is another in each process
        if isinstance(value, dict):
            return [part for item in value.items() for part in item]
        if isinstance(value, tuple | list):
            return value
        if is_dataclass(value):
            return type(value), *(getattr(value, field.name, None) for field in fields(value))
        own = {} if self._is_library(type(value)) else getattr(value, "__dict__", {})
        return type(value), getattr(value, "__name__", None), dict(sorted(own.items()))

    def _parts_of_function(self, function: FunctionType) -> Iterable[Any]:
        """Code, defaults, the variables it closes over, and what its code names."""
        held = [_content(cell) for cell in function.__closure__ or ()]
        given = function.__defaults__, function.__kwdefaults__, held
        if self._is_library(function):
            return function.__module__, function.__qualname__, *given
        code = _parts_of_code(function.__code__, function.__doc__)
        return *code, *given, *self._named(function.__code__, function.__globals__)

    def _named(self, code: CodeType, known: dict[str, Any]) -> list[Any]:
        """The names in a function's code that its module knows, or one it names; the values."""
        found: list[Any] = []
        for name in code.co_names:
            value = known.get(name)
            if not isinstance(value, ModuleType):
                found += [name, value] if name in known and not name.startswith("__") else []
            elif not self._is_library(value):
                found += self._named(code, {**vars(value), name: None})
        for constant in code.co_consts:
            found += self._named(constant, known) if isinstance(constant, CodeType) else []
        return found

    def _parts_of_class(self, kind: type) -> Iterable[Any]:
        """Its name, those of its bases, and, unless a library has it, what it defines."""
        names = [base.__qualname__ for base in kind.__mro__]
        if self._is_library(kind):
            return [kind.__module__, names]
        defined = {
            f"{base.__qualname__}.{name}": value
            for base in kind.__mro__
            if not self._is_library(base)
            for name, value in vars(base).items()
            if isinstance(value, FunctionType | _WRAPPERS) or not name.startswith("_")
        }
        return names, dict(sorted(defined.items()))

    def _is_library(self, value: Any) -> bool:
        """Whether code comes from Python or an installed package, and not from where values do."""
        top = _top(value)
        file = getattr(sys.modules.get(top), "__file__", None) or ""
        installed = any(place in file for place in _INSTALLED)
        return top not in self.homes and (top in sys.stdlib_module_names or installed)


def _parts_of_code(code: CodeType, doc: str | None) -> Iterable[Any]:
    """Instructions, names and constants, without the docstring, files and lines."""
    constants = [one for one in code.co_consts if doc is None or one != doc]
    return code.co_name, code.co_code, code.co_names, constants


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty: a name that is not yet bound
        return None


def _top(value: Any) -> str:
    """The package, or the file, that a module, a function or a class is of."""
    module = value.__name__ if isinstance(value, ModuleType) else value.__module__
    return (module or "builtins").partition(".")[0]
