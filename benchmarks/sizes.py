"""The sizes of the comparison, the same for every contender."""

from typing import NamedTuple

TRANSITIONS, EPISODE = 1_000_000, 1000
HIDDEN = 256  # width of each of two hidden layers
QUANTILES = 32


class Sizes(NamedTuple):
    """How long an observation is; how long an action is, or how many discrete ones there are."""

    observations: int
    actions: int
    discrete: bool


SIZES = {
    "td3_bc": Sizes(11, 3, discrete=False),  # those of Hopper
    "cql_qr_dqn": Sizes(8, 4, discrete=True),  # those of LunarLander
}
