"""What training leaves behind: a policy that maps the environment's observations to its actions."""

from types import ModuleType
from typing import Any

import flax.struct
import jax

from offline_tutor.data import Normalization


@flax.struct.dataclass
class Policy:
    """The deterministic policies of `num_seeds` training runs, stacked, or of one (`num_seeds` None).

    It carries how observations and actions were scaled in training, so that it takes and gives the
    environment's own units. It is a pytree: jit and vmap take it as an argument.
    """

    state: Any  # the algorithm's State; arrays have a leading axis of seeds where stacked
    normalization: Normalization
    algorithm: ModuleType = flax.struct.field(pytree_node=False)
    config: Any = flax.struct.field(pytree_node=False)
    num_seeds: int | None = flax.struct.field(pytree_node=False, default=None)

    def __call__(self, observations: jax.Array) -> jax.Array:
        """Actions, (batch, action), at observations, (batch, observation); one policy only."""
        observations = self.normalization.observe(observations)
        actions = self.algorithm.act(self.state, observations, self.config)
        return self.normalization.to_environment(actions)

    def value(self, observations: jax.Array) -> jax.Array:
        """What the critic believes this policy is worth from each observation, (batch,)."""
        observations = self.normalization.observe(observations)
        return self.algorithm.value(self.state, observations, self.config)

    def seed(self, index: int) -> "Policy":
        """The policy of one seed, by its place among the seeds."""
        if self.num_seeds is None or not -self.num_seeds <= index < self.num_seeds:
            raise IndexError(f"no policy {index}: {self.num_seeds or 'not stacked, 1'} in this stack")
        state = jax.tree.map(lambda leaf: leaf[index], self.state)
        return self.replace(state=state, num_seeds=None)

    def map(self, function, *arguments: jax.Array) -> Any:
        """`function(policy, *arguments)` for each seed at once; every argument has an axis of seeds."""

        def of_one(state: Any, *arguments: jax.Array) -> Any:
            return function(self.replace(state=state, num_seeds=None), *arguments)

        return jax.vmap(of_one)(self.state, *arguments)
