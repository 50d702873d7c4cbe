"""How much a submission may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Whoever wants more loses the cell that wants it.

    Attributes:
        cell_seconds: wall time of one cell, or of one exercise's check.
        seconds: wall time of a whole submission, with all that has to be run again.
        memory_mb: data of one process; all processes together may have 1024 MB more.
        disk_mb: what may be written, and the size of the largest file.
        processes: how many there may be at once.
        notebook_mb: size of the file handed in.
    """

    cell_seconds: int = 30
    seconds: int = 240
    memory_mb: int = 2048
    disk_mb: int = 256
    processes: int = 64
    notebook_mb: int = 10

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} is {value}, and must be at least 1")
