"""Write a dataset in Minari's format, as a small file with the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import gymnasium
import h5py
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

from offline_tutor.evaluation import Trajectories
from offline_tutor.files import replacing, temporary_folder
from offline_tutor.types import Transitions

LICENCE = "CC-BY-4.0"
AUTHOR = "The offline_tutor authors"


@dataclass(frozen=True)
class Recording:
    """What a recipe returns.

    Attributes:
        episodes: transitions in order, one entry per episode, as NumPy arrays, with which Minari is
            40 times faster. An episode that does not end with a termination was cut off.
        environment: the environment in which the episodes were recorded.
        evaluation: the environment to test policies in.
        algorithm: what chose the actions.
        description: what the dataset is for, in a few sentences.
    """

    episodes: list[Transitions]
    environment: gymnasium.Env
    evaluation: gymnasium.Env
    algorithm: str
    description: str


def write(name: str, recording: Recording, root: Path) -> Path:
    """Write a recording to `root/name/data`, as Minari would, and return that folder."""
    folder = root / name / "data"
    with temporary_folder("recipe") as temporary, replacing(folder) as part:
        with mock.patch.dict(os.environ, MINARI_DATASETS_PATH=str(temporary)):
            made = minari.create_dataset_from_buffers(
                name,
                [buffer(index, episode) for index, episode in enumerate(recording.episodes)],
                env=recording.environment,
                eval_env=recording.evaluation,
                algorithm_name=recording.algorithm,
                author=AUTHOR,
                author_email=set(),  # the authors can be reached through the repository
                code_permalink=f"python -m offline_tutor.book.recipes.make {name}",
                description=recording.description,
            )
        part.mkdir()
        pack(made.storage.data_path / "main_data.hdf5", part / "main_data.hdf5")
        described = made.storage.data_path / "metadata.json"
        metadata = json.loads(described.read_text(encoding="utf-8"))
        metadata["license"] = LICENCE
        metadata["dataset_size"] = round((part / "main_data.hdf5").stat().st_size / 1e6, 1)
        text = json.dumps(metadata, indent=1) + "\n"
        (part / "metadata.json").write_text(text, encoding="utf-8")
    return folder


def split_episodes(rows: Trajectories) -> list[Transitions]:
    """Split trajectories that were played in parallel into episodes of their own lengths."""
    columns = [np.asarray(column) for column in rows[:5]]  # the fields of Transitions
    lengths = np.asarray(rows.valid).sum(axis=1)
    return [
        Transitions(*(column[index, :length] for column in columns))
        for index, length in enumerate(lengths)
    ]


def buffer(index: int, episode: Transitions) -> EpisodeBuffer:
    """Turn an episode of n steps into Minari's form, which holds n + 1 observations."""
    truncations = np.zeros_like(episode.terminations)
    truncations[-1] = not episode.terminations[-1]
    return EpisodeBuffer(
        id=index,
        observations=np.concatenate([episode.observations, episode.next_observations[-1:]]),
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=episode.terminations,
        truncations=truncations,
        infos={},
    )


def pack(source: Path, target: Path) -> None:
    """Copy an HDF5 file with every array in one piece: a fifth of the size for short episodes.

    Minari stores arrays in chunks, so that they can grow, which costs about 15 kB per episode. The
    copy does not record when it was written.
    """
    with h5py.File(source) as old, h5py.File(target, "w", libver=("earliest", "v110")) as new:
        for index in range(len(old)):
            episode = old[f"episode_{index}"]
            group = new.create_group(episode.name)
            group.attrs.update(episode.attrs)
            for key, array in episode.items():
                if isinstance(array, h5py.Dataset):
                    group.create_dataset(key, data=array[()], track_times=False)


def checksums(root: Path) -> Iterator[str]:
    """Yield the lines of `sha256sum` for every dataset file under a folder, in order."""
    for path in sorted(root.rglob("data/*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        yield f"{digest}  {path.relative_to(root).as_posix()}"
