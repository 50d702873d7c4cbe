"""Checks made before training starts."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.algorithms.hyperparameters import Hyperparameters, is_whole
from offline_tutor.data.sampling import uniform
from offline_tutor.messages import shown
from offline_tutor.training.interface import check_hashable, check_rows

MOST_SEEDS = 10_000  # that train at once
LARGEST = 2**31 - 1  # number that a compiled loop counts to


def check_sizes(**sizes: Any) -> list[int]:
    """The sizes as int, 1e6 too. Raises ValueError where one is not a whole number from 1 on."""
    for name, size in sizes.items():
        if not is_whole(size) or not 1 <= size <= LARGEST:
            raise ValueError(
                f"{name} is {shown(size)}; it must be a whole number, at least 1 and at most "
                f"{LARGEST}"
            )
    return [int(size) for size in sizes.values()]


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """The seeds, as int. Raises ValueError where they are not seeds, or one comes twice."""
    if is_whole(seeds):
        if not 1 <= seeds <= MOST_SEEDS:
            raise ValueError(
                f"seeds is {shown(seeds)}; it must be how many, at least 1 and at most "
                f"{MOST_SEEDS}: one seed of that number is seeds=[number]"
            )
        seeds = range(int(seeds))
    if not isinstance(seeds, Iterable) or not all(map(is_whole, found := tuple(seeds))):
        raise ValueError(f"seeds is {shown(seeds)}; give how many, or whole numbers")
    found = tuple(map(int, found))
    if not found or len(set(found)) < len(found) or min(found) < 0 or max(found) >= 2**32:
        raise ValueError(
            f"seeds is {shown(seeds)}; give one or more, each once, from 0 to 2**32 - 1"
        )
    return found


def check_calls(evaluate: Any, callbacks: Any) -> tuple[Any, ...]:
    """The callbacks. Raises TypeError where they or `evaluate` cannot be called."""
    if evaluate is not None and not callable(evaluate):
        raise TypeError(
            f"evaluate is {shown(evaluate)}; give a function of the policy, such as "
            "lambda policy: offline_tutor.evaluate(policy, environment)"
        )
    try:
        found = tuple(callbacks)
    except TypeError as error:
        raise TypeError(
            f"callbacks is {shown(callbacks)}; give a list of functions, [...]"
        ) from error
    for place, callback in enumerate(found):
        if not callable(callback):
            raise TypeError(
                f"callbacks[{place}] is {shown(callback)}; give a function that is called with "
                "the Run"
            )
    return found


def check_switch(**switches: Any) -> None:
    """A TypeError where one is neither True nor False: "no" would count as True."""
    for name, value in switches.items():
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{name} is {shown(value)}; give True or False")


def check_draws(draw_rows: Any, num_rows: int, batch_size: int) -> None:
    """An error where `draw_rows` names rows that are not there: JAX would take others unsaid."""
    if not callable(draw_rows):
        raise TypeError(
            f"draw_rows is {shown(draw_rows)}; give a function of offline_tutor.data.sampling"
        )
    check_hashable("draw_rows", draw_rows)
    if draw_rows is uniform:
        return
    keys = jax.random.split(jax.random.key(0), 64)
    drawn = jax.jit(
        jax.vmap(lambda key: check_rows(draw_rows(key, num_rows, batch_size), batch_size))
    )(keys)
    low, high = int(drawn.min()), int(drawn.max())
    if low < 0 or high >= num_rows:
        raise ValueError(
            f"draw_rows gives row {low if low < 0 else high}; there are {num_rows}, counted from 0"
        )


def check_configs(algorithm: Algorithm, config: Any) -> tuple[Hyperparameters, ...]:
    """One configuration or several, at least one; None is the default.

    Raises TypeError where one is not the algorithm's, and ValueError where they differ in more than
    numbers, or would scale actions twice.
    """
    configs = tuple(config) if isinstance(config, Sequence) else (config,)
    if not configs:
        raise ValueError("config is empty; give one configuration or several, or leave it out")
    configs = tuple(algorithm.Config() if one is None else one for one in configs)
    for one in configs:
        _check_config(algorithm, one)
    for name in (*configs[0].static, *configs[0].floats):
        found = list(dict.fromkeys(getattr(one, name) for one in configs))
        if name in configs[0].floats and None not in found:
            continue
        if len(found) > 1:
            raise ValueError(
                f"config: {name} is {found[0]!r} in one configuration and {found[1]!r} in another; "
                "those trained together may differ in numbers only. Train these one after another"
            )
    return configs


def _check_config(algorithm: Algorithm, config: Any) -> None:
    name = algorithm.name
    # By its fields and not by its class: chapters train with the Config that they have built.
    known = (*algorithm.Config.floats, *algorithm.Config.static)
    wanted = f"{algorithm.Config.__module__}.Config(...)"
    if not isinstance(config, Hyperparameters):
        raise TypeError(f"config is {shown(config)}; {name} takes {wanted}")
    lacking = [field for field in known if not hasattr(config, field)]
    surplus = [field for field in (*config.floats, *config.static) if field not in known]
    if lacking or surplus:
        what = f"has no {lacking[0]}" if lacking else f"has {surplus[0]}, which {name} has not"
        raise TypeError(f"config is {shown(config)}, which {what}; {name} takes {wanted}")
    if getattr(config, "max_action", 1) != 1:
        raise ValueError(
            f"max_action is {config.max_action}, and training scales actions to [-1, 1]: leave it "  # type: ignore[attr-defined]
            "at 1. How large actions are, the dataset says: from_arrays(..., action_bounds=...)"
        )
