"""Datasets: recorded transitions in memory, and how to load them.

`load_dataset` reads Minari's format; `from_arrays` takes arrays of your own. Both check their input
and report the first problem with its row, because a single NaN makes an algorithm fail much later
and far less clearly. `normalization` measures the units in which an algorithm sees a dataset.
"""

from offline_tutor.data.arrays import from_arrays
from offline_tutor.data.dataset import Dataset, DatasetError
from offline_tutor.data.minari import load_dataset
from offline_tutor.data.units import Normalization, normalization

__all__ = [
    "Dataset",
    "DatasetError",
    "Normalization",
    "from_arrays",
    "load_dataset",
    "normalization",
]
