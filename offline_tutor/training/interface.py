"""What training asks of an algorithm, checked on shapes alone: before anything is computed."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.checkpoints import name_leaves
from offline_tutor.messages import shown
from offline_tutor.types import Array, Discrete, Spec

ROWS = 3  # of the minibatch on which `act` is tried


def check_algorithm(algorithm: Any) -> Algorithm:
    """The algorithm. Raises TypeError where it lacks what training needs."""
    needed = ("name", "Config", "init", "update", "act")
    lacking = [name for name in needed if not hasattr(algorithm, name)]
    if lacking:
        raise TypeError(
            f"algorithm is {shown(algorithm)}, which has no {', '.join(lacking)}; give one such as "
            "offline_tutor.algorithms.TD3_BC, or replace(TD3_BC, ...)"
        )
    name, config = algorithm.name, algorithm.Config
    if not isinstance(name, str) or not name:
        raise TypeError(f"name of {shown(algorithm)} is {name!r}; give a text, such as 'mine'")
    if not (isinstance(config, type) and issubclass(config, Hyperparameters)):
        raise TypeError(
            f"Config of {name!r} is {shown(config)}; give a class of hyper-parameters: "
            "class Config(Hyperparameters), of offline_tutor.algorithms.hyperparameters"
        )
    for function in ("init", "update", "act", "value", "explore"):
        found = getattr(algorithm, function, None)
        if not callable(found) and (found is not None or function in needed):
            raise TypeError(f"{function} of {name!r} is {shown(found)}; give a function")
    check_hashable(f"algorithm {name!r}", algorithm)
    return algorithm


def check_hashable(what: str, value: Any) -> None:
    """A TypeError where jit cannot tell a value from others: one that can change, or a list."""
    try:
        hash(value)
    except TypeError as error:
        raise TypeError(
            f"{what} cannot be hashed ({error}): make its class @dataclass(frozen=True), and its "
            "fields tuples in place of lists"
        ) from error


def check_init(name: str, states: Any) -> None:
    """A TypeError where what `init` gave, for each of several seeds, is no state."""
    fields = getattr(states, "_fields", ())
    if "step" not in fields:
        raise TypeError(
            f"init of {name!r} gives {_kind(states)}; it must give a NamedTuple with a counter, "
            "step=jnp.zeros((), int)"
        )
    if jnp.ndim(states.step) != 1 or not jnp.issubdtype(_dtype(states.step), jnp.integer):
        raise TypeError(
            f"init of {name!r} gives a step that is {_form(states.step, seeds=1)}; it must be a "
            "whole number: jnp.zeros((), int)"
        )


def check_update(name: str, before: Any, result: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """The state and the metrics, each (), or of all steps of a round.

    Raises TypeError where the state has not the form that it had, or metrics are not numbers.
    """
    if not isinstance(result, tuple) or len(result) != 2 or hasattr(result, "_fields"):
        raise TypeError(f"update of {name!r} gives {_kind(result)}; it must give state, metrics")
    after, metrics = result
    forms = [
        {part: _form(leaf) for part, leaf in name_leaves(state, "state").items()}
        for state in (before, after)
    ]
    for part in sorted(forms[0].keys() | forms[1].keys()):
        had, has = (form.get(part, "nothing") for form in forms)
        if had != has:
            raise TypeError(
                f"update of {name!r}: {part} was {had} and is {has}; it must stay what init made it"
            )
    if str(jax.tree.structure(before)) != str(jax.tree.structure(after)):
        raise TypeError(
            f"update of {name!r} gives {_kind(after)} as its state; it must be {_kind(before)}, as "
            "init made it"
        )
    _check_metrics(name, metrics, shape)
    return after, metrics


def _check_metrics(name: str, metrics: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(metrics, dict):
        raise TypeError(
            f"update of {name!r} gives metrics that are {_kind(metrics)}; give a dict of numbers, "
            "such as {'loss': loss}"
        )
    for key, metric in metrics.items():
        if not isinstance(key, str):
            raise TypeError(f"update of {name!r} has a metric named {key!r}; name it by a text")
        if not _is_array(metric) or jnp.shape(metric) != shape:
            what = _form(metric) if _is_array(metric) else _kind(metric)
            raise TypeError(
                f"update of {name!r}: the metric {key!r} is {what}; it must be one number for each "
                "step, such as a mean"
            )


def check_act(
    algorithm: Algorithm,
    states: Any,
    config: Any,
    spec: Spec,
    observe: Callable[[Array], Array],
    dtype: Any,
) -> None:
    """A TypeError where `act` does not fit the task; `states` are those of several seeds."""
    name, discrete = algorithm.name, isinstance(spec.actions, Discrete)
    state = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), states)
    state = state._replace(step=jax.ShapeDtypeStruct((), states.step.dtype))
    seen = jax.ShapeDtypeStruct((ROWS, *spec.observation_shape), dtype)

    def ask(function: Any) -> Any:
        return jax.eval_shape(lambda s, x: function(s, observe(x), config), state, seen)

    actions = ask(algorithm.act)
    shape = (ROWS,) if discrete else (ROWS, spec.action_dim)
    kind = jnp.integer if discrete else jnp.floating
    if not _is_array(actions) or (actions.shape, True) != (
        shape, jnp.issubdtype(actions.dtype, kind)
    ):  # fmt: skip
        wanted = "whole numbers (batch,)" if discrete else f"numbers (batch, {spec.action_dim})"
        raise TypeError(
            f"act of {name!r} gives {_describe(actions)}; for this task, with {spec.actions}, it "
            f"must give {wanted}"
        )


def check_rows(indices: Any, batch_size: int) -> Array:
    """The rows of a minibatch. Raises TypeError where `draw_rows` gave something else."""
    whole = _is_array(indices) and jnp.issubdtype(_dtype(indices), jnp.integer)
    if not whole or jnp.shape(indices) != (batch_size,):
        what = _form(indices) if _is_array(indices) else _kind(indices)
        raise TypeError(
            f"draw_rows gives {what}; it must give the indices of {batch_size} rows, int32 "
            f"({batch_size},)"
        )
    return indices


def _is_array(value: Any) -> bool:
    return isinstance(value, int | float) or (hasattr(value, "shape") and hasattr(value, "dtype"))


def _dtype(value: Any) -> Any:
    return getattr(value, "dtype", None) or jnp.result_type(value)


def _form(leaf: Any, seeds: int = 0) -> str:
    """Type and shape of an array, without its first axes where they are those of seeds."""
    return f"{_dtype(leaf)}{jnp.shape(leaf)[seeds:]}"


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _describe(value: Any) -> str:
    """Of what was computed for a few rows: "float32(batch, 2)"."""
    if not _is_array(value):
        return _kind(value)
    sizes = ["batch" if size == ROWS else str(size) for size in value.shape]
    return f"{value.dtype} ({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
