"""Checks made before training starts."""

import numbers
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.types import shown

MOST_SEEDS = 10_000  # that train at once


def check_sizes(**sizes: Any) -> list[int]:
    """The sizes as int, 1e6 too. Raises ValueError where one is not a whole number from 1 on."""
    for name, size in sizes.items():
        number = isinstance(size, int | float | np.number) and not isinstance(size, bool | np.bool_)
        if not number or not np.isfinite(size) or size < 1 or size != int(size):
            raise ValueError(f"{name} is {shown(size)}; it must be a whole number, at least 1")
    return [int(size) for size in sizes.values()]


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """The seeds, as int. Raises ValueError where they are not seeds, or one comes twice."""
    if isinstance(seeds, numbers.Integral) and not isinstance(seeds, bool):
        if not 1 <= seeds <= MOST_SEEDS:
            raise ValueError(
                f"seeds is {shown(seeds)}; it must be how many, at least 1 and at most {MOST_SEEDS}: "
                "one seed of that number is seeds=[number]"
            )
        seeds = range(int(seeds))
    try:
        found = tuple(operator.index(seed) for seed in seeds)
    except TypeError as error:
        raise ValueError(f"seeds is {shown(seeds)}; give how many, or whole numbers") from error
    if not found or len(set(found)) < len(found) or min(found) < 0 or max(found) >= 2**32:
        raise ValueError(
            f"seeds is {shown(seeds)}; give one or more, each once, from 0 to 2**32 - 1"
        )
    return found


def check_algorithm(algorithm: Any) -> Algorithm:
    """The algorithm. Raises TypeError where it lacks what training needs."""
    needed = ("name", "Config", "init", "update", "act")
    lacking = [name for name in needed if not hasattr(algorithm, name)]
    if lacking:
        raise TypeError(
            f"algorithm is {algorithm!r}, which has no {', '.join(lacking)}; give one such as "
            "offline_tutor.algorithms.TD3_BC, or replace(TD3_BC, ...)"
        )
    return algorithm


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
        raise TypeError(f"config is {config!r}; {name} takes {wanted}")
    lacking = [field for field in known if not hasattr(config, field)]
    surplus = [field for field in (*config.floats, *config.static) if field not in known]
    if lacking or surplus:
        what = f"has no {lacking[0]}" if lacking else f"has {surplus[0]}, which {name} has not"
        raise TypeError(f"config is {config!r}, which {what}; {name} takes {wanted}")
    if getattr(config, "max_action", 1) != 1:
        raise ValueError(
            f"max_action is {config.max_action}, and training scales actions to [-1, 1]: leave it "  # type: ignore[attr-defined]
            "at 1. How large actions are, the dataset says: from_arrays(..., action_bounds=...)"
        )
