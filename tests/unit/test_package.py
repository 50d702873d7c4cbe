"""What `import offline_tutor` gives, what it loads, and what it leaves alone."""

import importlib
import importlib.metadata
import subprocess
import sys

import pytest

import offline_tutor

HOMES = {
    "evaluate": "evaluation",
    "from_arrays": "data",
    "load_dataset": "data",
    "load_policy": "policies",
    "train": "training",
    "train_online": "training",
}
HEAVY = {"jax", "flax", "optax", "matplotlib", "minari", "h5py", "gymnasium", "IPython"}


def printed(code: str) -> str:
    """What a new Python process prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("name", HOMES)
def test_a_name_is_the_one_of_its_module(name: str) -> None:
    module = importlib.import_module(f"offline_tutor.{HOMES[name]}")
    assert getattr(offline_tutor, name) is getattr(module, name)


def test_every_name_is_listed() -> None:
    assert set(offline_tutor.__all__) == {*HOMES, "__version__"}
    assert set(offline_tutor.__all__) <= set(dir(offline_tutor))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'offline_tutor' has no attribute 'trainer'"):
        offline_tutor.trainer  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_package_is_light() -> None:
    code = f"import sys, offline_tutor; print(sorted({HEAVY} & set(sys.modules)))"
    assert printed(code) == "[]"


def test_importing_the_figures_leaves_matplotlib_as_it_was() -> None:
    code = """
import matplotlib
matplotlib.use("agg")  # else it looks for a screen when it is first asked
rcParams = matplotlib.rcParams
before = rcParams.copy()
from offline_tutor.book import figures
print([name for name in before if before[name] != rcParams[name]])
figures.use_style()
print(rcParams["font.size"] != before["font.size"])
"""
    assert printed(code).splitlines() == ["[]", "True"]


def test_the_version_is_stated_once() -> None:
    assert importlib.metadata.version("offline-tutor") == offline_tutor.__version__
