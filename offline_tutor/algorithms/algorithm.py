"""What an algorithm is: a value made of pure functions, which training is given.

`Algorithm` is all that training asks for; any record, class or module that has it will
do. `ActorCritic` is the record that the algorithms with an actor fill in. An offline
algorithm is its online parent with one loss replaced,

    TD3_BC = replace(TD3, name="td3_bc", Config=Config, actor_loss=actor_loss)

and so is one of your own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from offline_tutor.types import Array, Metrics, Scalar, Spec, Transitions


class Algorithm(Protocol):
    """What training needs. Everything is pure: randomness comes from `key` alone."""

    @property
    def name(self) -> str:
        """What files and messages call it."""

    @property
    def Config(self) -> type[Any]:
        """The class of its hyper-parameters; all have defaults."""

    @property
    def init(self) -> Callable[[Array, Any, Spec], Any]:
        """`init(key, config, spec)`: a fresh state, a NamedTuple with a `step`."""

    @property
    def update(self) -> Callable[[Any, Transitions, Array, Any], tuple[Any, Metrics]]:
        """`update(state, batch, key, config)`: one gradient step: state, metrics."""

    @property
    def act(self) -> Callable[[Any, Array, Any], Array]:
        """`act(state, observations, config)`: indices, or actions to max_action."""

    # Two more that it may have, like `act`: `value(state, observations, config)`, what
    # its critic believes that acting is worth, (batch,); and, to train online,
    # `explore(state, observations, key, config)`, the actions to try.


@runtime_checkable
class UpdatesInRounds(Protocol):
    """An algorithm that takes several steps at once because that is faster."""

    def round_length(self, config: Any) -> int:
        """How many steps make a round."""

    def update_round(
        self,
        state: Any,
        batches: Transitions,
        keys: Array,
        config: Any,
        first: Any,
        last: Any,
    ) -> tuple[Any, Metrics]:
        """Steps `first` to `last` (exclusive) of a round, given all its minibatches.

        Arrays of `batches`, `keys` and metrics begin with an axis of the round's steps.
        However a round is cut, the result has the same bits.
        """


# One signature for all losses of a kind. The first argument is what is trained;
# `targets`, (batch,) or (batch, quantiles), are given since many losses may share them.
Init = Callable[[Array, Any, Spec], Any]  # key, config, spec
# state, batch, key, config
TargetValues = Callable[[Any, Transitions, Array, Any], Array]
# critic, state, batch, targets, key, config
CriticLoss = Callable[[Any, Any, Transitions, Array, Array, Any], Scalar]
# actor, state, batch, key, config
ActorLoss = Callable[[Any, Any, Transitions, Array, Any], Scalar]
Act = Callable[[Any, Array, Any], Array]  # state, observations, config
Explore = Callable[[Any, Array, Array, Any], Array]  # state, observations, key, config


@dataclass(frozen=True, kw_only=True)
class ActorCritic:
    """The functions of an algorithm with an actor; a family adds the `update`."""

    name: str
    Config: type[Any]
    init: Init
    target_values: TargetValues
    critic_loss: CriticLoss
    actor_loss: ActorLoss
    act: Act
    value: Act
    explore: Explore


@dataclass(frozen=True, kw_only=True)
class Functions:
    """An algorithm whose functions it shares with no other, such as one of your own."""

    name: str
    Config: type[Any]
    init: Init
    update: Callable[[Any, Transitions, Array, Any], tuple[Any, Metrics]]
    act: Act
    value: Act | None = None
    explore: Explore | None = None
