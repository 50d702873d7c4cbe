"""The commands that train and evaluate, as one types them; tests/test_grading.py has `grade`."""

import csv
import importlib.util
import io
import subprocess
import sys
import urllib.request
from pathlib import Path

import minari
import pytest

from offline_tutor import cli, load_dataset
from offline_tutor.data import DatasetError

TRAIN = ["train", "td3_bc", "maze/stitch-v0", "--to", "{0}/run", "--steps", "20", "--every", "10"]
TRAIN += ["--seeds", "2", "--batch-size", "8", "--hidden", "8", "8", "--alpha", "1"]


def run(folder: Path, *arguments: str) -> int:
    return cli.main([argument.format(folder) for argument in arguments])


def test_train_then_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, *TRAIN) == 0
    assert "policy.npz" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open(encoding="utf-8")))
    assert [(row["step"], row["seed"]) for row in rows] == [
        ("10", "0"), ("10", "1"), ("20", "0"), ("20", "1"),
    ]  # fmt: skip
    assert all(float(row["critic_loss"]) > 0 for row in rows)
    maze = "offline_tutor/PointMaze-v0"
    assert run(tmp_path, "evaluate", "{0}/run", maze, "--episodes", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["seed 0", "seed 1", "all 2"]


def test_train_goes_on_from_its_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer = [argument if argument != "20" else "30" for argument in TRAIN]
    assert run(tmp_path, *TRAIN) == run(tmp_path, *longer) == 0
    steps = {
        row["step"]
        for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open(encoding="utf-8"))
    }
    assert steps == {"10", "20", "30"}
    assert run(tmp_path, *TRAIN[:-1], "2") == 2
    assert "another configs" in capsys.readouterr().err


WRONG = {
    "an unknown dataset": ("train bc no/such-v0 --to {0}/x", "Embedded: "),
    "discrete actions": ("train bc cartpole/mixed-v0 --to {0}/x", "2 discrete actions"),
    "an unknown algorithm": ("train sarsa maze/stitch-v0 --to {0}/x", "sarsa"),
    "an unknown field": ("train bc maze/stitch-v0 --to {0}/x --beta 1", "Unrecognized"),
    "no number": ("train td3_bc maze/stitch-v0 --to {0}/x --alpha much", "--alpha"),
    "out of range": ("train td3_bc maze/stitch-v0 --to {0}/x --tau 3", "at most 1"),
    "no seeds": ("train bc maze/stitch-v0 --to {0}/x --seeds 0", "seeds is 0"),
    "no folder": ("train bc maze/stitch-v0", "--to"),
    "no policy": ("evaluate {0}/policy.npz Pendulum-v1", "there is no policy"),
    "an empty folder": ("evaluate {0} Pendulum-v1", "there is no policy"),
    "no episodes": ("evaluate {0} Pendulum-v1 --episodes 0", "episodes is 0"),
    "no command": ("", "datasets, train, evaluate, grade"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_named_and_leaves_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody answers there
    command, message = WRONG[name]
    assert run(tmp_path, *command.split()) == 2
    printed = capsys.readouterr()
    assert message in printed.err and "Traceback" not in printed.err
    assert not printed.out
    assert not list(tmp_path.iterdir())


def test_evaluate_refuses_another_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, *TRAIN) == 0
    assert run(tmp_path, "evaluate", "{0}/run", "Pendulum-v1") == 2
    assert "observations are (3,); the policy takes (2,)" in capsys.readouterr().err
    assert run(tmp_path, "evaluate", "{0}/run", "NoSuchTask-v0") == 2
    assert "NoSuchTask-v0 cannot be made" in capsys.readouterr().err


def test_datasets_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "datasets") == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["maze/stitch-v0"] == ["10695", "200", "0.20", "2", "2", "numbers"]
    assert lines["cartpole/random-v0"][-2:] == ["2", "discrete"]
    assert run(tmp_path, "datasets", "{0}") == 1
    assert "is not a Minari dataset" in capsys.readouterr().out


def test_help_lists_fields_with_their_comments(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "td3_bc", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--alpha FLOAT weight of the value against cloning" in text
    assert "--hidden" in text and "2.5" in text


def test_help_of_the_command_does_not_wait_for_jax() -> None:
    code = "import sys; from offline_tutor.cli import main; main(['--help']); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "offline-tutor" in found.stdout and "jax" not in found.stdout.split()


def test_missing_packages_are_named_as_an_index_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never by an extra of our own: the package's name was not always on an index."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.main(["grade", str(tmp_path)]) != 0
    said = capsys.readouterr().err
    assert said.strip().endswith("missing: pip install nbclient ipykernel psutil")

    def fetch(name: str) -> None:
        raise ImportError("huggingface_hub")

    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(minari, "download_dataset", fetch)
    with pytest.raises(DatasetError, match=r"pip install 'minari\[gcs,hf\]'"):
        load_dataset("mujoco/hopper/medium-v0")
