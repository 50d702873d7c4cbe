"""Datasets: what a fixed set of recorded transitions looks like in memory, and where it comes from.

`load_dataset` reads Minari's format; `from_arrays` takes arrays of your own. Both check what they
are given and name the problem and the row, because an algorithm that is fed one NaN fails much
later and far less clearly. `normalization` measures the units that an algorithm is to see.
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
