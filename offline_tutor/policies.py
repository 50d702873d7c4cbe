"""What training leaves behind: a policy that maps the environment's observations to its actions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import jax

from offline_tutor.data import Array, Normalization


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["state", "normalization"],
    meta_fields=["algorithm", "config", "num_seeds"],
)
@dataclass(frozen=True)
class Policy:
    """The policies of `num_seeds` training runs, stacked, or of one run (`num_seeds` None).

    It carries how observations and actions were scaled in training, so that it takes and gives the
    environment's own units. It is a pytree: jit and vmap take it as an argument.
    """

    state: Any  # the algorithm's State; arrays have a leading axis of seeds where stacked
    normalization: Normalization
    algorithm: ModuleType
    config: Any
    num_seeds: int | None = None

    def __call__(self, observations: Array) -> Array:
        """Actions, (batch, action), at observations, (batch, observation); one policy only."""
        observations = self.normalization.observe(observations)
        actions = self.algorithm.act(self.state, observations, self.config)
        return self.normalization.to_environment(actions)

    def value(self, observations: Array) -> Array:
        """What the critic believes this policy is worth from each observation, (batch,)."""
        observations = self.normalization.observe(observations)
        return self.algorithm.value(self.state, observations, self.config)

    def seed(self, index: int) -> "Policy":
        """The policy of one seed, by its place among the seeds."""
        if self.num_seeds is None or not -self.num_seeds <= index < self.num_seeds:
            raise IndexError(
                f"no policy {index}: {self.num_seeds or 'not stacked, 1'} in this stack"
            )
        state = jax.tree.map(lambda leaf: leaf[index], self.state)
        return replace(self, state=state, num_seeds=None)

    def map(self, function: Callable[..., Any], *arguments: Array) -> Any:
        """`function(policy, *arguments)` for each seed; every argument has an axis of seeds."""

        def of_one(state: Any, *arguments: Array) -> Any:
            return function(replace(self, state=state, num_seeds=None), *arguments)

        return jax.vmap(of_one)(self.state, *arguments)
