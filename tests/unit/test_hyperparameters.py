"""Configurations: numbers are leaves, sizes are structure, and every field has its range."""

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor.algorithms import ALGORITHMS, CQL_LAGRANGE, SAC, TD3, TD3_BC
from offline_tutor.algorithms.hyperparameters import RANGES, Hyperparameters

FIELDS = [
    (algorithm.Config, name)
    for algorithm in ALGORITHMS.values()
    for name in (*algorithm.Config.floats, *algorithm.Config.static)
]
IN_RANGES = [(config, name) for config, name in FIELDS if name in RANGES]
ids = lambda value: value.__module__.rpartition(".")[2] if isinstance(value, type) else value  # noqa: E731


def outside(config: type[Hyperparameters], name: str) -> list[Any]:
    """Values that the field must refuse."""
    allowed = RANGES[name]
    wrong = [
        math.nan,
        math.inf,
        "1",
        True,
        [1.0],
        allowed.low if allowed.above else allowed.low - 1,
    ]
    if math.isfinite(allowed.high):
        wrong.append(allowed.high + 0.5)
    if name in config.static:
        wrong.append(allowed.low + 1.5)
    return wrong


@pytest.mark.parametrize(("config", "name"), IN_RANGES, ids=ids)
def test_a_value_outside_its_range_is_named(config: type[Hyperparameters], name: str) -> None:
    module = config.__module__.rpartition(".")[2]
    for value in outside(config, name):
        with pytest.raises(ValueError) as caught:
            config(**{name: value})
        assert str(caught.value).startswith(f"{module}.Config: {name} is {value!r}; it must be a")
        assert str(RANGES[name]) in str(caught.value)


@pytest.mark.parametrize(("config", "name"), IN_RANGES, ids=ids)
def test_the_ends_of_a_range_are_inside(config: type[Hyperparameters], name: str) -> None:
    allowed = RANGES[name]
    for value in (allowed.low + 1e-6 if allowed.above else allowed.low, allowed.high):
        if math.isfinite(value):
            assert getattr(config(**{name: value}), name) == value


def test_every_range_belongs_to_a_field() -> None:
    assert set(RANGES) == {name for _, name in IN_RANGES}
    unlimited = {name for _, name in FIELDS} - set(RANGES)
    assert unlimited == {
        "hidden", "target_entropy", "target_gap", "max_backup", "entropy_in_target"
    }  # fmt: skip


@pytest.mark.parametrize("value", [0, (0,), (16, 2.5), "16", None, (True,)])
def test_widths_are_whole_numbers(value: Any) -> None:
    with pytest.raises(ValueError, match=r"td3\.Config: hidden is .*such as \(256, 256\)"):
        TD3.Config(hidden=value)
    assert TD3.Config(hidden=[16, np.int64(8)]).hidden == (16, 8)


def test_some_fields_may_be_none() -> None:
    assert SAC.Config().target_entropy is None
    assert SAC.Config(target_entropy=-2).target_entropy == -2.0
    assert CQL_LAGRANGE.Config(target_gap=None).target_gap is None
    with pytest.raises(ValueError, match=r"sac\.Config: target_entropy is 'abc'; it must be a n"):
        SAC.Config(target_entropy="'abc'"[1:-1])
    with pytest.raises(ValueError, match=r"td3_bc\.Config: alpha is None; it must be a number, at"):
        TD3_BC.Config(alpha=None)
    with pytest.raises(ValueError, match="max_backup is 1; it must be True or False"):
        CQL_LAGRANGE.Config(max_backup=1)


def test_numbers_of_numpy_become_pythons() -> None:
    config = TD3_BC.Config(alpha=np.float64(2.5), policy_delay=np.int64(2), discount=1)
    assert config == TD3_BC.Config(alpha=2.5, policy_delay=2, discount=1.0)
    assert (type(config.alpha), type(config.policy_delay), type(config.discount)) == (
        float, int, float
    )  # fmt: skip


def test_numbers_are_leaves_and_sizes_are_structure() -> None:
    config = TD3_BC.Config(hidden=(8,))
    assert sorted(jax.tree.leaves(config)) == sorted(
        getattr(config, name) for name in TD3_BC.Config.floats
    )
    same = replace(config, alpha=1.0, actor_learning_rate=1e-2)
    assert jax.tree.structure(same) == jax.tree.structure(config)
    for other in ({"hidden": (9,)}, {"policy_delay": 3}):
        assert jax.tree.structure(replace(config, **other)) != jax.tree.structure(config)
    doubled = jax.tree.map(lambda number: 2 * number, config)
    assert doubled.alpha == 2 * config.alpha and doubled.hidden == (8,)


def test_jit_sees_a_new_number_and_compiles_nothing() -> None:
    traced: list[int] = []

    @jax.jit
    def weighted(config: Any) -> jax.Array:
        traced.append(1)
        return jnp.asarray(config.alpha) * 2

    found = [weighted(TD3_BC.Config(alpha=alpha)) for alpha in (1.0, 2.0, 3.0)]
    assert found == [2, 4, 6] and len(traced) == 1


def test_a_number_may_be_changed_under_jit() -> None:
    """`replace` inside a traced function: what it is given there is an array, and unchecked."""
    assert jax.jit(lambda alpha: replace(TD3_BC.Config(), alpha=alpha).alpha)(4.0) == 4


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(AttributeError):
        TD3.Config().tau = 0.1


def test_a_default_without_its_type_is_refused() -> None:
    """A dataclass would pass over it in silence."""
    with pytest.raises(TypeError, match="policy_delay"):

        class Config(TD3.Config):
            policy_delay = 7


def test_arrays_without_axes_are_checked_as_numbers() -> None:
    assert TD3.Config(tau=jnp.float32(0.5)).tau == 0.5
    with pytest.raises(ValueError, match="tau is"):
        TD3.Config(tau=np.array(-1.0))


@pytest.mark.parametrize("value", [10**400, np.timedelta64(1, "s"), np.complex64(1)])
def test_numbers_that_no_float_holds_are_refused(value: object) -> None:
    """The first has more digits than a float, the second is an integer to NumPy."""
    for field in ("discount", "policy_delay"):
        with pytest.raises(ValueError, match=rf"{field} is .*; it must be a"):
            TD3_BC.Config(**{field: value})


def test_a_long_value_is_cut_short() -> None:
    with pytest.raises(ValueError, match=r"hidden is \('xxx.* \.\.\.; it must be") as caught:
        TD3_BC.Config(hidden=("x" * 500,))
    assert len(str(caught.value)) < 250
