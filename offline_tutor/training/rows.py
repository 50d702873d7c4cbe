"""The rows of a run, one for each seed of each configuration, spread over the devices there are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.training.interface import check_init
from offline_tutor.types import Array, Spec


@dataclass(frozen=True, eq=False)
class Rows:
    """Which configuration and which seed each row has, and where it is computed.

    Every configuration has a state of its own, whose arrays begin with an axis of seeds. On several
    devices the seeds are filled up with copies of the first until every device has as many; `real`
    takes the copies off.
    """

    configs: tuple[Any, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.configs) * len(self.seeds)

    @cached_property
    def mesh(self) -> jax.sharding.Mesh:
        """The devices of this machine, as many as there are seeds for."""
        return jax.sharding.Mesh(jax.local_devices()[: len(self.seeds)], "seeds")

    @property
    def num_seeds(self) -> int:
        """Number of seeds, copies included."""
        return math.ceil(len(self.seeds) / self.mesh.size) * self.mesh.size

    def spread(self, tree: Any) -> Any:
        """Arrays of (seeds, ...), each device with its share."""
        return self._put(tree, jax.sharding.PartitionSpec("seeds"))

    def everywhere(self, tree: Any) -> Any:
        """Arrays that every device has whole."""
        return self._put(tree, jax.sharding.PartitionSpec())

    def _put(self, tree: Any, spec: jax.sharding.PartitionSpec) -> Any:
        return jax.device_put(tree, jax.sharding.NamedSharding(self.mesh, spec))

    def with_copies(self, column: np.ndarray) -> np.ndarray:
        """A column of (rows,) as (configurations, seeds), the copies of the first seed included."""
        seeds = column.reshape(len(self.configs), len(self.seeds))
        copies = np.repeat(seeds[:, :1], self.num_seeds - len(self.seeds), axis=1)
        return np.concatenate([seeds, copies], axis=1)

    def real(self, trees: Sequence[Any]) -> Any:
        """Arrays of (rows, ...): the seeds of each configuration in turn, without copies."""
        if len(trees) == 1 and len(self.seeds) == self.num_seeds:
            return trees[0]
        return _join(tuple(trees), len(self.seeds))

    def policy_state(self, states: Sequence[Any]) -> Any:
        """The states as `Policy` has them: (rows, ...), the step too."""
        rows = self.real([state._replace(step=None) for state in states])
        # On the host, since even a small program takes a while to compile.
        return rows._replace(step=np.full(len(self), jax.device_get(states[0].step)))

    def start(self, algorithm: Algorithm, spec: Spec) -> tuple[tuple[Any, ...], Array]:
        """Fresh states of each configuration, with one counter of steps; a key for each seed."""
        copies = self.num_seeds - len(self.seeds)
        seeds = np.array(self.seeds + self.seeds[:1] * copies, np.uint32)
        init_keys, keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed)))(seeds).T

        def fresh(config: Any) -> Any:
            # Not jitted: `init_mlp` is cached across runs; a jitted closure would recompile.
            states = jax.vmap(lambda key: algorithm.init(key, config, spec))(init_keys)
            check_init(algorithm.name, states)
            # Strip weak types: the loop returns strong ones, and its second call would recompile.
            states = self.spread(jax.tree.map(_strong, states))
            return states._replace(step=self.everywhere(np.zeros((), states.step.dtype)))

        return tuple(fresh(config) for config in self.configs), self.spread(keys)


# Compiled, so that nothing is sent to a device while a run is under way.
@partial(jax.jit, static_argnums=1)
def _join(trees: tuple[Any, ...], count: int) -> Any:
    """The first `count` entries of each tree's arrays, one tree after the other."""
    return jax.tree.map(lambda *leaves: jnp.concatenate([leaf[:count] for leaf in leaves]), *trees)


def _strong(leaf: Array) -> Array:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    return jax.lax.convert_element_type(leaf, leaf.dtype)


def seed_axes(states: Any) -> Any:
    """Where each array of a state has its axis of seeds: first, but for the step, which has none.

    A branch on the step thus stays a branch: were the step batched, vmap would compute both sides
    for every seed at every step.
    """
    return jax.tree.map(lambda _: 0, states)._replace(step=None)


def finite_seeds(states: Any) -> np.ndarray:
    """Whether all numbers of each seed are finite, (seeds,)."""
    leaves = jax.tree.leaves(states._replace(step=None))
    numbers = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    # By NumPy: compiled, it would add half a second to the start of every run.
    finite = [np.isfinite(leaf).reshape(len(leaf), -1).all(1) for leaf in jax.device_get(numbers)]
    return np.all(finite, axis=0)


@jax.jit
def choose_seeds(which: Array, chosen: Any, others: Any) -> Any:
    """Seed by seed `chosen` where `which`, (seeds,), is True, else `others`, whose step counts."""

    def choose(new: Array, old: Array) -> Array:
        return jnp.where(which.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    seeds = jax.tree.map(choose, chosen._replace(step=None), others._replace(step=None))
    return seeds._replace(step=others.step)
