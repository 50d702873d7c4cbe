"""Find a dataset by name: embedded in this package, on this machine, or on Minari's server."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from typing import Any

import gymnasium
import minari
from minari.dataset.minari_dataset import DATASET_ID_RE

from offline_tutor.data.dataset import DatasetError
from offline_tutor.messages import shortened

# Laid out as in Minari: <name>/data/{main_data.hdf5,metadata.json}.
ROOT = Path(__file__).parent / "embedded"
HOME = "MINARI_DATASETS_PATH"  # the environment variable that names Minari's folder
HUGGING_FACE = "https://huggingface.co"


def embedded() -> list[str]:
    """Return the names of the datasets that come with this package."""
    return _datasets_in(ROOT)


def local() -> list[str]:
    """Return the ids of the datasets in Minari's folder on this machine.

    Whatever else lies there, or if it cannot be read, there are just fewer of them.
    """
    return [name for name in _datasets_in(home()) if _is_id(name)]


def home() -> Path:
    """Return Minari's folder, which need not exist; Minari itself would make a folder named ~."""
    folder = os.environ.get(HOME) or "~/.minari/datasets"
    return Path(os.path.expanduser(folder))


def _datasets_in(root: Path) -> list[str]:
    """Return the names of folders with a `data/metadata.json` in them, however deep."""
    found, seen = [], set()
    for folder, inside, _ in os.walk(root, followlinks=True):  # what cannot be read is passed over
        real = os.path.realpath(folder)
        if real in seen:  # a link that leads back
            inside.clear()
            continue
        seen.add(real)
        if os.path.isfile(os.path.join(folder, "data", "metadata.json")):
            found.append(Path(folder).relative_to(root).as_posix())
            inside.clear()
        inside[:] = [name for name in inside if not name.startswith(".")]
    return sorted(found)


def _is_id(name: str) -> bool:
    """Whether Minari takes a name for the id of a dataset, with its version."""
    match = DATASET_ID_RE.fullmatch(name)
    return match is not None and match["version"] is not None


def find(source: str | os.PathLike[str], download: bool) -> minari.MinariDataset:
    """Open a dataset given by name, id or folder; fetch it if it is missing and `download` is set.

    Raises:
        DatasetError: if there is no such dataset, or it cannot be fetched or opened.
    """
    if source in embedded():
        return open_folder(ROOT / source)
    path = os.path.expanduser(source)
    if isinstance(source, os.PathLike) or os.path.exists(path):
        return open_folder(Path(path))
    if not _is_id(source):
        raise DatasetError(
            f"Dataset {source!r} is neither a folder on this machine nor a name: names end in a "
            f"version, such as -v0.{_nearest(source)} {names()}"
        )
    folder = home() / source
    if not (folder / "data").exists():
        if not download:
            raise DatasetError(
                f"Dataset {source!r} is not on this machine, and download is False."
                f"{_nearest(source)} {names()}"
            )
        fetch(source)
    return open_folder(folder)


def open_folder(folder: Path) -> minari.MinariDataset:
    """Open the Minari dataset whose `metadata.json` is in a folder or in its subfolder `data`."""
    if not folder.is_dir():
        what = "It is a file" if folder.exists() else "There is no such folder"
        raise DatasetError(
            f"{folder} is not a Minari dataset. {what}; give the folder that contains "
            "metadata.json, or whose subfolder data does."
        )
    if (folder / "data").is_dir():
        folder = folder / "data"
    if not (folder / "metadata.json").is_file():
        raise DatasetError(
            f"{folder} is not a Minari dataset: there is no metadata.json in it. Give the folder "
            "that contains it, or whose subfolder data does; for your own arrays use from_arrays."
        )
    try:
        dataset = minari.MinariDataset(folder)
        if dataset.storage.FORMAT == "hdf5":
            import h5py

            h5py.File(folder / "main_data.hdf5").close()
    except Exception as error:  # Minari and h5py fail here in many ways: JSON, keys, versions, HDF5
        raise DatasetError(
            f"{folder} cannot be opened as a Minari dataset ("
            f"{shortened(f'{type(error).__name__}: {error}', 130)}). {_advice(folder, error)}"
        ) from error
    return dataset


def _advice(folder: Path, error: Exception) -> str:
    """Say what to do about a dataset that does not open; it may be the only copy there is."""
    installed = minari.__version__
    try:
        written = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))[
            "minari_version"
        ]
        newer = _numbers(written) > _numbers(installed)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        written, newer = installed, False
    if written not in minari.supported_dataset_versions:
        return (
            f"Nothing is wrong with it: Minari {written} wrote it, and Minari {installed}, which "
            f"is installed, does not read that. Install one that does: pip install "
            f"'minari{'>=' if newer else '=='}{written}'."
        )
    if isinstance(error, ImportError | gymnasium.error.Error):
        return "Install the packages of the environment or the format that it names."
    if isinstance(error, PermissionError):
        return "Ask for the permission to read it."
    return (
        "It is damaged or incomplete. Copy or make it again; if it came from Minari's server, "
        "minari.download_dataset(id, force_download=True) fetches it again."
    )


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version, to compare it with another."""
    return [int(number) for number in version.split(".")]


def fetch(name: str) -> None:
    """Download a dataset from Minari's server, with Minari's own progress bar."""
    where = f"{_nearest(name)} {names()}"
    if os.environ.get("MINARI_REMOTE", "hf://").startswith("hf://"):
        _check_network(name, where)
    try:
        with _expanded_home():
            minari.download_dataset(name)
    except ImportError as error:
        raise DatasetError(
            f"Fetching {name!r} needs more packages: pip install 'minari[gcs,hf]'."
        ) from error
    except Exception as error:  # an unknown name, a broken connection, a full disk
        raise DatasetError(f"Dataset {name!r} could not be fetched: {error}{where}") from error


def _check_network(name: str, where: str) -> None:
    """Raise DatasetError at once where the server of Hugging Face does not answer."""
    server = os.environ.get("HF_ENDPOINT", HUGGING_FACE)
    if not server.startswith(("http://", "https://")):
        raise DatasetError(
            f"Dataset {name!r} is not on this machine, and HF_ENDPOINT, the server to fetch it "
            f"from, is {server!r}; give it with its scheme, such as {HUGGING_FACE}, or unset it."
        )
    try:
        urllib.request.urlopen(server, timeout=5).close()
    except urllib.error.HTTPError:
        pass  # it answered, so there is a network
    except (OSError, ValueError, HTTPException) as error:
        raise DatasetError(
            f"Dataset {name!r} is not on this machine, and there is no network to fetch it "
            f"({server}: {error}).{where}"
        ) from error


@contextmanager
def _expanded_home() -> Iterator[None]:
    """Let Minari use `home()`, where the environment variable begins with ~."""
    before = os.environ.get(HOME)
    os.environ[HOME] = str(home())
    try:
        yield
    finally:
        if before is None:
            del os.environ[HOME]
        else:
            os.environ[HOME] = before


def _nearest(name: Any) -> str:
    """Return " Did you mean ...?", or nothing where no name of a dataset is near."""
    close = get_close_matches(str(name), dict.fromkeys([*embedded(), *local()]), n=1, cutoff=0.7)
    return f" Did you mean {close[0]!r}?" if close else ""


def names() -> str:
    """Return a text that lists the available datasets and says how to get others."""
    here = ", ".join(local()) or "none"
    return (
        f"Embedded: {', '.join(embedded())}. On this machine: {here}. Others are fetched by their "
        "Minari id, such as 'mujoco/hopper/medium-v0' (minari.farama.org lists them)."
    )
