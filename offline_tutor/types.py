"""Types that all modules share: arrays, parameters, minibatches, and the spaces of a task.

This is the ground floor: it imports nothing from the package.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

Array = jax.Array | np.ndarray
Scalar = Float[Array, ""]
PerRow = Float[Array, "batch"]  # one number for each row of a minibatch
Number = float | Scalar  # of a configuration: inside jit, an array
Returns = Float[Array, "batch quantiles"]  # several samples or quantiles of each row's return
Samples = Float[Array, "batch samples"]  # the same, where there may be more or fewer of them
Fractions = Float[Array, "quantiles"]  # of probability, one for each quantile

Keys = tuple[tuple[str, int], ...]  # of a dictionary of vectors: their names and widths, in order

# {"layer0": {"kernel": (inputs, outputs), "bias": (outputs,)}, ...}
Params = dict[str, dict[str, Array]]
Metrics = dict[str, Array]  # by name; NaN where an update did not compute it


class Transitions(NamedTuple):
    """Recorded steps, one row per transition; a minibatch has the same form.

    Attributes:
        observations: (n, observation) float32; more axes where observations are pictures.
        actions: (n, action) float32, or (n,) int32 where actions are discrete.
        rewards: (n,) float32.
        next_observations: like `observations`: what the action led to.
        terminations: (n,) bool, True where the task itself ended. A time limit is not a
            termination: the task would have gone on, so values are still bootstrapped there.
        next_actions: for algorithms that ask for it. Like `actions`, what the record did next, from
            `Dataset.with_next_actions`; or what a policy would do, from `offline_tutor.ope`, where
            discrete actions have their probabilities, (n, actions).
    """

    observations: Array
    actions: Array
    rewards: Array
    next_observations: Array
    terminations: Array
    next_actions: Array | None = None


@dataclass(frozen=True)
class Continuous:
    """Actions that are vectors between two bounds, in the environment's units."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __str__(self) -> str:
        """A short form for messages."""
        return f"vectors of length {len(self.low)} from {list(self.low)} to {list(self.high)}"


@dataclass(frozen=True)
class Discrete:
    """Actions that are one of `num`, counted from 0."""

    num: int

    def __str__(self) -> str:
        """A short form for messages."""
        return f"{self.num} discrete actions"


@dataclass(frozen=True)
class Spec:
    """What a network needs to know about a task: the shape of an observation, and the actions.

    Where observations are dictionaries of vectors, `observation_keys` says in which order these
    are joined; it is empty where they are arrays.
    """

    observation_shape: tuple[int, ...]
    actions: Continuous | Discrete
    observation_keys: Keys = field(default=(), repr=False)

    @property
    def observation_dim(self) -> int:
        """Length of an observation. Raises ValueError where observations are not vectors."""
        if len(self.observation_shape) != 1:
            raise ValueError(
                f"Observations have the shape {self.observation_shape}, and this algorithm needs "
                "vectors. Flatten them, x.reshape(len(x), -1), or choose an algorithm with a "
                "network for pictures."
            )
        return self.observation_shape[0]

    @property
    def action_dim(self) -> int:
        """Length of a continuous action. Raises ValueError where actions are discrete."""
        if isinstance(self.actions, Discrete):
            raise ValueError(
                f"This task has {self.actions.num} discrete actions, and this algorithm needs "
                "continuous ones. Choose a dataset with continuous actions, or an algorithm for "
                "discrete ones."
            )
        return len(self.actions.low)

    @property
    def num_actions(self) -> int:
        """How many discrete actions there are. Raises ValueError where actions are continuous."""
        if isinstance(self.actions, Continuous):
            raise ValueError(
                f"This task has continuous actions, {self.actions}, and this algorithm needs "
                "discrete ones. Choose a dataset with discrete actions, or an algorithm for "
                "continuous ones; arrays of your own need num_actions=..."
            )
        return self.actions.num
