"""The resources that one submission may use."""

from __future__ import annotations

from dataclasses import dataclass

SPARE_MB = 1024  # what a submission as a whole may use beyond the memory of one process


@dataclass(frozen=True)
class Limits:
    """The resources that one submission may use. A cell that exceeds a limit is stopped.

    Attributes:
        cell_seconds: wall time of one cell, or of one exercise's check.
        seconds: wall time of a whole submission, including cells that are run again.
        memory_mb: data of one process. All processes and files of a submission may together use
            1024 MB more.
        disk_mb: size of all files that a submission writes. They are kept in memory, and /tmp,
            /dev/shm and the home folder share this limit. Without bubblewrap: size of one file.
        processes: number of processes at a time.
        notebook_mb: size of the submitted notebook.
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
                raise ValueError(f"{name} is {value}, but must be at least 1")
