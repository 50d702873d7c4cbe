"""Find a dataset by name: embedded in this package, on this machine, or on Minari's server."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

import minari
from minari.storage.datasets_root_dir import get_dataset_path

from offline_tutor.data.dataset import DatasetError

# Laid out as in Minari: <name>/data/{main_data.hdf5,metadata.json}.
ROOT = Path(__file__).parent / "embedded"


def embedded() -> list[str]:
    """Return the names of the datasets that come with this package."""
    folders = (path.parent.parent for path in ROOT.rglob("data/metadata.json"))
    return sorted(folder.relative_to(ROOT).as_posix() for folder in folders)


def find(source: str | os.PathLike[str], download: bool) -> minari.MinariDataset:
    """Open a dataset given by name, id or folder; fetch it if it is missing and `download` is set.

    Raises:
        DatasetError: if there is no such dataset, or it cannot be fetched or opened.
    """
    if source in embedded():
        return open_folder(ROOT / source)
    if isinstance(source, os.PathLike) or Path(source).exists():
        return open_folder(Path(source))
    local = get_dataset_path(source)
    if not (local / "data").exists():
        if not download:
            raise DatasetError(
                f"Dataset {source!r} is not on this machine, and download is False. {names()}"
            )
        fetch(source)
    return open_folder(local)


def open_folder(folder: Path) -> minari.MinariDataset:
    """Open the Minari dataset whose `metadata.json` is in a folder or in its subfolder `data`."""
    if (folder / "data").is_dir():
        folder = folder / "data"
    if not (folder / "metadata.json").is_file():
        raise DatasetError(
            f"{folder} is not a Minari dataset: there is no metadata.json in it. Give the folder "
            "that contains it, or whose subfolder data does; for your own arrays use from_arrays."
        )
    try:
        dataset = minari.MinariDataset(folder)
        next(iter(dataset.iterate_episodes(dataset.episode_indices[:1])), None)
    except Exception as error:  # Minari and h5py fail here in many ways: JSON, keys, versions, HDF5
        raise DatasetError(
            f"{folder} cannot be opened as a Minari dataset ({type(error).__name__}: {error}). It "
            "is damaged or incomplete; delete the folder and fetch or make it again."
        ) from error
    return dataset


def fetch(name: str) -> None:
    """Download a dataset from Minari's server, with Minari's own progress bar."""
    server = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        urllib.request.urlopen(server, timeout=5).close()
    except urllib.error.HTTPError:
        pass  # it answered, so there is a network
    except OSError as error:
        raise DatasetError(
            f"Dataset {name!r} is not on this machine, and there is no network to fetch it "
            f"({server}: {error}). {names()}"
        ) from error
    try:
        minari.download_dataset(name)
    except ImportError as error:
        raise DatasetError(
            f"Fetching {name!r} needs more packages: pip install 'minari[gcs,hf]'."
        ) from error
    except Exception as error:  # an unknown name, a broken connection, a full disk
        raise DatasetError(f"Dataset {name!r} could not be fetched: {error} {names()}") from error


def names() -> str:
    """Return a text that lists the available datasets and says how to get others."""
    local = ", ".join(minari.list_local_datasets()) or "none"
    return (
        f"Embedded: {', '.join(embedded())}. On this machine: {local}. Others are fetched by their "
        "Minari id, such as 'mujoco/hopper/medium-v0' (minari.farama.org lists them)."
    )
