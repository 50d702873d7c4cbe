"""The base of every `Config`: numbers are data, sizes are structure; it checks both."""

import difflib
import inspect
import math
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self, dataclass_transform

import jax
import numpy as np

from offline_tutor.messages import shown


class Range(NamedTuple):
    """The numbers that a field may hold: both ends, or all but the lower one."""

    low: float
    high: float = math.inf
    above: bool = False  # whether `low` itself is left out

    def holds(self, number: float) -> bool:
        """Whether the number lies inside: not if it is NaN, infinite or too large."""
        try:
            number = float(number)
        except OverflowError:
            return False
        inside = self.low < number if self.above else self.low <= number
        return inside and number <= self.high and math.isfinite(number)

    def __str__(self) -> str:
        """In words, for messages."""
        if self.low == -math.inf:
            return "finite"
        low = f"above {self.low:g}" if self.above else f"at least {self.low:g}"
        return low if self.high == math.inf else f"{low} and at most {self.high:g}"


RANGES = {
    "actor_learning_rate": Range(0),
    "critic_learning_rate": Range(0),
    "temperature_learning_rate": Range(0),
    "multiplier_learning_rate": Range(0),
    "learning_rate": Range(0),
    "discount": Range(0, 1),
    "tau": Range(0, 1, above=True),
    "epsilon": Range(0, 1),
    "alpha": Range(0),
    "kappa": Range(0),
    "policy_noise": Range(0),
    "noise_clip": Range(0),
    "exploration_noise": Range(0),
    "max_action": Range(0, above=True),
    "initial_temperature": Range(0, above=True),
    "policy_delay": Range(1),
    "target_period": Range(1),
    "num_quantiles": Range(1),
    "num_samples": Range(1),
    "warm_start_steps": Range(0),
}


@dataclass_transform(frozen_default=True)
class Hyperparameters:
    """What can be set of an algorithm. Subclasses become frozen dataclasses.

    Fields of type `float` are leaves of a pytree: a new value compiles nothing, and
    `vmap` runs over several values at once. All others (widths, counts, switches) are
    static. Raises ValueError where a value has another type than its field, or lies
    outside its range in `RANGES`. Do not decorate a subclass with `dataclass` again.
    """

    floats: ClassVar[tuple[str, ...]]  # names of the fields that are data
    static: ClassVar[tuple[str, ...]]  # and of those that are structure
    _types: ClassVar[dict[str, Any]]

    def __init_subclass__(cls) -> None:
        inherited = {
            field.name
            for base in cls.__mro__[1:]
            if is_dataclass(base)
            for field in fields(base)
        }
        for name in inherited & vars(cls).keys() - cls.__annotations__.keys():
            raise TypeError(
                f"{cls.__name__}: give {name} its type, "
                f"{name}: ... = {vars(cls)[name]!r}"
            )
        dataclass(frozen=True)(cls)
        cls.__doc__ = _Doc(cls)  # type: ignore[assignment]
        hints = typing.get_type_hints(cls)
        cls._types = {field.name: hints[field.name] for field in fields(cls)}  # type: ignore[arg-type]
        cls.floats = tuple(
            name for name, kind in cls._types.items() if float in _kinds(kind)
        )
        cls.static = tuple(name for name in cls._types if name not in cls.floats)
        jax.tree_util.register_pytree_with_keys(cls, _flatten, partial(_unflatten, cls))

    def __new__(cls, *values: Any, **named: Any) -> Self:
        """An instance whose fields are yet to be set. Raises TypeError for unknown
        ones.
        """
        for name in named.keys() - cls._types.keys():
            owner, known = _owner(cls), ", ".join(cls._types)
            raise TypeError(
                f"{owner} has no {name}{nearest(name, cls._types)} It has {known}"
            )
        return super().__new__(cls)

    def __post_init__(self) -> None:
        """Check every field, and bring it to its type."""
        for name, kind in self._types.items():
            object.__setattr__(
                self, name, self._checked(name, getattr(self, name), kind)
            )

    def _checked(self, name: str, value: Any, kind: Any) -> Any:
        """The value in its field's type. Raises ValueError where it does not fit."""
        kinds, allowed = _kinds(kind), RANGES.get(name, Range(-math.inf))
        if value is None and type(None) in kinds:
            return None
        if float in kinds:
            if isinstance(value, jax.core.Tracer):
                return value  # a number under way through jit or vmap
            if isinstance(value, jax.Array | np.ndarray) and value.ndim == 0:
                value = value.item()
            if _is_number(
                value, int | float | np.integer | np.floating
            ) and allowed.holds(value):
                return float(value)
            raise self._error(name, value, f"a number, {allowed}")
        if kinds == {int}:
            if is_whole(value) and allowed.holds(value):
                return int(value)
            raise self._error(name, value, f"a whole number, {allowed}")
        if kinds == {bool}:
            if isinstance(value, bool | np.bool_):
                return bool(value)
            raise self._error(name, value, "True or False")
        if typing.get_origin(kind) is tuple and typing.get_args(kind)[0] is int:
            sizes = value if isinstance(value, tuple | list) else (None,)
            if all(is_whole(size) and size >= 1 for size in sizes):
                return tuple(map(int, sizes))
            raise self._error(
                name, value, "whole numbers of at least 1, such as (256, 256)"
            )
        try:
            hash(value)
        except TypeError:
            raise self._error(
                name, value, "a value that cannot change, such as a tuple"
            ) from None
        return value

    def _error(self, name: str, value: Any, wanted: str) -> ValueError:
        return ValueError(
            f"{_owner(type(self))}: {name} is {shown(value)}; it must be {wanted}"
        )


class _Doc:
    """The docstring of a class with its fields, for `help`; made when asked for."""

    def __init__(self, config: type[Hyperparameters]) -> None:
        self.config, self.text = config, vars(config).get("__doc__") or ""

    def __get__(self, instance: Any, owner: Any = None) -> str:
        """Its own text, then each field with its type, its default and its meaning."""
        known: dict[str, str] = {}
        for kind in reversed(self.config.__mro__):
            known |= _comments(kind) if hasattr(kind, "__dataclass_fields__") else {}
        lines = [
            f"    {field.name}: {_type_name(field.type)} = {field.default!r}"
            + (f"  # {known[field.name]}" if field.name in known else "")
            for field in fields(self.config)  # type: ignore[arg-type]
        ]
        return "\n".join([inspect.cleandoc(self.text), "", "Fields:", *lines])


def _type_name(kind: Any) -> str:
    return (
        kind.__name__
        if isinstance(kind, type) and not typing.get_args(kind)
        else str(kind)
    )


def _comments(config: type) -> dict[str, str]:
    """For each field that a class defines, its comment; none without a source."""
    try:
        lines = inspect.getsource(config).splitlines()
    except (OSError, TypeError):
        return {}
    found = [re.match(r"\s+(\w+)\s*:[^#]*#\s*(.*)", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def _flatten(config: Hyperparameters) -> tuple[list[Any], tuple[Any, ...]]:
    key = jax.tree_util.GetAttrKey
    leaves = [(key(name), getattr(config, name)) for name in config.floats]
    return leaves, tuple(getattr(config, name) for name in config.static)


def _unflatten(
    kind: type[Hyperparameters], static: tuple[Any, ...], leaves: Any
) -> Any:
    """Unchecked: JAX rebuilds a configuration with leaves that are not numbers."""
    config = object.__new__(kind)
    for names, values in ((kind.static, static), (kind.floats, leaves)):
        for name, value in zip(names, values, strict=True):
            object.__setattr__(config, name, value)
    return config


def _kinds(kind: Any) -> set[Any]:
    """The types that an annotation allows: two in `float | None`."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return set(typing.get_args(kind))
    return {kind}


def _owner(config: type) -> str:
    """What messages call a class of hyper-parameters: "td3_bc.Config"."""
    owner = f"{config.__module__.rpartition('.')[2]}.{config.__name__}"
    return owner.removeprefix("__main__.")


def nearest(name: str, known: Iterable[str]) -> str:
    """How a sentence on a wrong name ends: "; did you mean alpha?" or a full stop."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {found[0]}?" if found else "."


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; 1e4 is one."""
    if not _is_number(value, int | float | np.integer | np.floating):
        return False
    return isinstance(value, int | np.integer) or float(value).is_integer()


def _is_number(value: Any, kinds: Any) -> bool:
    """Whether it is such a number. (To NumPy, its durations are integers.)"""
    return isinstance(value, kinds) and not isinstance(
        value, bool | np.bool_ | np.timedelta64
    )
