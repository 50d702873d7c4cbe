"""The sizes of the comparison, the same for every contender."""

from typing import NamedTuple

TRANSITIONS, EPISODE = 1_000_000, 1000
HIDDEN = 256  # width of each hidden layer
QUANTILES = 32
SAMPLES = 10  # actions of CQL on SAC from each of three distributions


class Sizes(NamedTuple):
    """How long an observation is; how long an action is, or how many discrete ones there are."""

    observations: int
    actions: int
    discrete: bool
    layers: int  # hidden ones


SIZES = {
    "td3_bc": Sizes(11, 3, discrete=False, layers=2),  # those of Hopper
    "cql_sac": Sizes(11, 3, discrete=False, layers=3),
    "cql_qr_dqn": Sizes(8, 4, discrete=True, layers=2),  # those of LunarLander
}
# Fitted Q evaluation beside its parent, on the same.
SIZES |= dict.fromkeys(("dqn", "fqe", "fqe_normed"), SIZES["cql_qr_dqn"])
