"""Training: one compiled loop for every algorithm, from a fixed dataset or by trying things out.

The loop knows what an algorithm is (`offline_tutor.algorithms.algorithm`), and none by name.
"""

from offline_tutor.training.offline import train
from offline_tutor.training.online import Replay, train_online
from offline_tutor.training.run import Diverged, Run

__all__ = ["Diverged", "Replay", "Run", "train", "train_online"]
