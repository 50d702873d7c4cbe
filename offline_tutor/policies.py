"""What training leaves behind: a policy that maps the environment's observations to its actions."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.checkpoints import (
    as_path,
    from_numpy,
    load_arrays,
    name_leaves,
    save_arrays,
    to_numpy,
)
from offline_tutor.data import Normalization
from offline_tutor.data.units import units_of
from offline_tutor.messages import shortened
from offline_tutor.spaces import join
from offline_tutor.types import Array, Continuous, Discrete, Spec

ADVICE = "give a file that Policy.save wrote"


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["state", "normalization", "configs"],
    meta_fields=["algorithm", "spec", "seeds"],
)
@dataclass(frozen=True, eq=False, repr=False)
class Policy:
    """The policies of a training run, stacked by rows, or one of them (`seeds` is None).

    A row is one seed of one configuration. It carries how observations and actions were scaled in
    training, so that it takes and gives the environment's own units. It is a pytree: jit and vmap
    take it as an argument.
    """

    state: Any  # the algorithm's State; arrays have a leading axis of rows where stacked
    normalization: Normalization
    algorithm: Algorithm
    configs: tuple[Any, ...]
    spec: Spec
    seeds: tuple[int, ...] | None = None

    def __call__(self, observations: Array | Mapping[str, Any]) -> Array:
        """Actions, (batch, action), at observations, (batch, observation); one policy only.

        One observation, (observation,), gives one action. Discrete actions are (batch,) integers.
        Where the data's observations were dictionaries of vectors, these may be such too, and are
        joined in the data's order.
        Gymnasium takes actions as NumPy's: `environment.step(np.asarray(policy(observation)))`.

        Raises ValueError for observations of another form, and for such as are not finite.
        """
        return _act(self, self._numbers_of(observations))

    def value(self, observations: Array | Mapping[str, Any]) -> Array:
        """What the critic believes this policy is worth from each observation, (batch,)."""
        self.check_critic()
        return _value(self, self._numbers_of(observations))

    def check_critic(self) -> None:
        """Raises ValueError where there is no critic."""
        if getattr(self.algorithm, "value", None) is None:
            raise ValueError(f"{self.algorithm.name} has no critic, so it has no value")

    def __repr__(self) -> str:
        """One line, not the arrays."""
        configs = (
            self.configs[0] if len(self.configs) == 1 else f"{len(self.configs)} configurations"
        )
        seeds = "" if self.seeds is None else f", seeds {list(self.seeds)}"
        return f"<Policy of {self.algorithm.name}, {configs}{seeds}>"

    @property
    def config(self) -> Any:
        """The configuration. Raises ValueError where there are several."""
        if len(self.configs) > 1:
            raise ValueError(
                f"these are policies of {len(self.configs)} configurations: take one of them by "
                ".select(0), or see .rows"
            )
        return self.configs[0]

    @property
    def rows(self) -> list[tuple[Any, int]]:
        """Configuration and seed of each row of a stack."""
        return [(config, seed) for config in self.configs for seed in self.seeds or ()]

    @property
    def num_rows(self) -> int | None:
        """How many policies are stacked; None for one policy."""
        return None if self.seeds is None else len(self.configs) * len(self.seeds)

    def _numbers_of(self, observations: Any) -> Array:
        """Observations as an array that the networks take."""
        if self.seeds is not None:
            raise ValueError(
                f"this is a stack of {self.num_rows} policies, one a seed: take one by "
                ".seed(0), or ask all of them by .map"
            )
        wanted, keys = self.spec.observation_shape, self.spec.observation_keys
        sizes = ", ".join(map(str, wanted))
        if isinstance(observations, Mapping):
            if not keys:
                raise ValueError(
                    f"observations are a dictionary, of {', '.join(observations)}; this policy "
                    f"takes (batch, {sizes}): join its vectors in the order that the data had"
                )
            observations = join(observations, keys)
        if not isinstance(observations, jax.Array):
            try:
                observations = np.asarray(observations)
            except (TypeError, ValueError) as error:
                raise ValueError(f"observations are no array of numbers: {error}") from error
        shape = observations.shape
        if shape[max(0, len(shape) - len(wanted)) :] != wanted:
            raise ValueError(f"observations are {shape}; this policy takes (batch, {sizes})")
        if not isinstance(observations, jax.core.Tracer):  # whose numbers are not known yet
            _check_finite(np.asarray(observations), len(wanted))
        return observations

    def select(self, index: int) -> "Policy":
        """The policies of one configuration, counted from 0, in the order of training."""
        count, number = len(self.seeds or ()), len(self.configs)
        if self.seeds is None:
            raise ValueError("this is one policy, and select is for stacks of them")
        if not isinstance(index, Integral) or not 0 <= index < number:
            raise ValueError(f"configuration {index}: there are {number}, counted from 0")
        rows = slice(index * count, (index + 1) * count)
        state = jax.tree.map(lambda leaf: leaf[rows], self.state)
        return replace(self, state=state, configs=self.configs[index : index + 1])

    def seed(self, index: int) -> "Policy":
        """The policy of one row, counted from 0: of one configuration, that of its seed."""
        count = 0 if self.seeds is None else len(self.rows)
        if not isinstance(index, Integral) or not 0 <= index < count:
            raise ValueError(f"seed {index}: there are {count or 1}, counted from 0")
        state = jax.tree.map(lambda leaf: leaf[index], self.state)
        return replace(self, state=state, configs=(self.rows[index][0],), seeds=None)

    def map(self, function: Callable[..., Any], *arguments: Array) -> Any:
        """`function(policy, *arguments)` for each row; every argument has an axis of rows."""
        if self.seeds is None:
            raise ValueError("this is one policy, and map is for stacks of them")
        numbers = self._numbers(len(self.seeds))

        def of_one(state: Any, numbers: dict[str, Array], *arguments: Array) -> Any:
            config = replace(self.configs[0], **numbers)
            return function(replace(self, state=state, configs=(config,), seeds=None), *arguments)

        return jax.vmap(of_one)(self.state, numbers, *arguments)

    def _numbers(self, num_seeds: int) -> dict[str, Array]:
        """The numbers of each row's configuration, (rows,); none where all rows have the same."""
        if len(self.configs) == 1:
            return {}
        columns = {
            name: [getattr(config, name) for config in self.configs]
            for name in self.configs[0].floats
            if getattr(self.configs[0], name) is not None
        }
        return {
            name: jnp.repeat(jnp.asarray(column, float), num_seeds)
            for name, column in columns.items()
        }

    def __copy__(self) -> "Policy":
        return self  # nothing in it changes

    def __deepcopy__(self, memo: Any) -> "Policy":
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a policy is not pickled: write it by .save(path), read it by load_policy")

    def save(self, path: str | Path) -> None:
        """Writes the policy, or the stack of them, to one file, which `load_policy` reads.

        In a folder, the file is policy.npz; `~` is your home.
        """
        description = {
            "algorithm": self.algorithm.name,
            "configs": [asdict(config) for config in self.configs],
            "spec": asdict(self.spec),
            "seeds": self.seeds,
        }
        leaves = name_leaves(self.state, "state") | name_leaves(self.normalization, "normalization")
        save_arrays(
            _file(path), description, {name: to_numpy(leaf) for name, leaf in leaves.items()}
        )


def _check_finite(observations: np.ndarray, axes: int) -> None:
    """A ValueError where a number is not finite: NaN would make the first discrete action best."""
    if observations.dtype.kind not in "biuf":
        raise ValueError(f"observations are of type {observations.dtype}; give numbers")
    if np.isfinite(observations).all():
        return
    rows = observations.reshape(-1, *observations.shape[observations.ndim - axes :])
    row = int(np.argmin(np.isfinite(rows).reshape(len(rows), -1).all(1)))
    raise ValueError(
        f"observations, row {row}: {rows[row].tolist()} is not finite; leave it out or repair it"
    )


# Compiled: for one observation at a time, small operations cost a hundred times as much.
@jax.jit
def _act(policy: Policy, observations: Array) -> Array:
    seen = policy.normalization.observe(observations)
    actions = policy.algorithm.act(policy.state, seen, policy.configs[0])
    actions = policy.normalization.to_environment(actions)
    space = policy.spec.actions
    if isinstance(space, Discrete):
        return actions
    low, high = np.array(space.low, np.float32), np.array(space.high, np.float32)
    return jnp.clip(actions, low, high)  # rounding may have led out


@jax.jit
def _value(policy: Policy, observations: Array) -> Array:
    seen = policy.normalization.observe(observations)
    return policy.algorithm.value(policy.state, seen, policy.configs[0])  # type: ignore[attr-defined]


def load_policy(path: str | Path, algorithm: Algorithm | None = None) -> Policy:
    """Reads what `Policy.save` wrote. The file holds numbers and texts: reading it runs no code.

    `path` may be the folder that holds it as policy.npz, as `offline-tutor train` leaves it; `~`
    is your home.
    `algorithm` is the one that trained it; those of this package are found by their names.

    Raises FileNotFoundError, and ValueError where the file is not a policy, is damaged, or does
    not fit the algorithm.
    """
    path = _file(path)
    found, arrays = load_arrays(path, "policy", ADVICE)
    if not isinstance(found, dict) or "spec" not in found:
        raise ValueError(f"{path} is not a policy but a checkpoint, perhaps: {ADVICE}")
    try:
        algorithm = algorithm or _find_algorithm(found["algorithm"])
        if algorithm.name != found["algorithm"]:
            raise ValueError(f"{found['algorithm']} trained it, and not {algorithm.name}")
        configs = tuple(algorithm.Config(**fields) for fields in found["configs"])
        spec = _spec(found["spec"])
        seeds = None if found["seeds"] is None else tuple(map(operator.index, found["seeds"]))
        state = _state(algorithm, configs, spec, seeds, arrays)
        units = _read_like(units_of(spec), "normalization", arrays)
    except (
        ArithmeticError,
        AttributeError,
        IndexError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"{path} is not a policy that can be read here: {shortened(str(error), 160)}; {ADVICE}"
        ) from error
    return Policy(state, units, algorithm, configs, spec, seeds)


def _file(path: str | Path) -> Path:
    """The file of a policy, also where its folder is given."""
    path = as_path(path, "path")
    return path / "policy.npz" if path.is_dir() else path


def _spec(found: dict[str, Any]) -> Spec:
    """The task from what JSON keeps of it: lists in place of tuples."""
    shape, actions = tuple(found["observation_shape"]), found["actions"]
    keys = tuple((str(name), int(width)) for name, width in found.get("observation_keys", ()))
    if "num" in actions:
        return Spec(shape, Discrete(int(actions["num"])), keys)
    low, high = (tuple(map(float, actions[end])) for end in ("low", "high"))
    return Spec(shape, Continuous(low, high), keys)


def _state(
    algorithm: Algorithm,
    configs: tuple[Any, ...],
    spec: Spec,
    seeds: tuple[int, ...] | None,
    arrays: dict[str, np.ndarray],
) -> Any:
    """The state from its arrays, each of the shape that the algorithm would give it."""
    rows = () if seeds is None else (len(configs) * len(seeds),)

    def fresh(seed: Array) -> Any:
        return algorithm.init(jax.random.key(seed), configs[0], spec)

    shapes = jax.eval_shape(jax.vmap(fresh) if rows else fresh, np.zeros(rows, np.uint32))
    return _read_like(shapes, "state", arrays)


def _read_like(tree: Any, prefix: str, arrays: dict[str, np.ndarray]) -> Any:
    """A tree of arrays from their names, each of the shape and type that `tree` has there."""
    leaves = []
    for name, like in name_leaves(tree, prefix).items():
        try:
            leaf = from_numpy(arrays[name], like)
        except ValueError as error:
            raise ValueError(f"{name} is {error}") from error
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not jnp.isfinite(leaf).all():
            raise ValueError(f"{name} has numbers that are not finite")
        leaves.append(leaf)
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def _find_algorithm(name: str) -> Algorithm:
    """This package's algorithm of that name."""
    from offline_tutor.algorithms import ALGORITHMS

    if name not in ALGORITHMS:
        raise ValueError(f"{name}, which trained it, is not of offline_tutor: give algorithm=...")
    return ALGORITHMS[name]
