"""The commands that train and evaluate, as one types them; tests/test_grading.py has `grade`."""

import csv
import importlib.util
import io
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minari
import pytest

import offline_tutor
from offline_tutor import cli, load_dataset, training
from offline_tutor.algorithms import ALGORITHMS
from offline_tutor.algorithms.hyperparameters import RANGES
from offline_tutor.cli import train as cli_train
from offline_tutor.data import DatasetError

TRAIN = [
    "train",
    "td3_bc",
    "maze/stitch-v0",
    "--to",
    "{0}/run",
    "--num-steps",
    "20",
    "--every",
    "10",
]
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
    assert "nothing was trained" not in capsys.readouterr().err
    assert run(tmp_path, *longer) == 0
    assert "has all 30 steps of this run already: nothing was trained" in capsys.readouterr().err
    assert run(tmp_path, *TRAIN[:-1], "2") == 2
    assert "another configs" in capsys.readouterr().err


WRONG = {
    "an unknown dataset": ("train bc no/such-v0 --to {0}/x", "Embedded: "),
    "discrete actions": ("train bc cartpole/mixed-v0 --to {0}/x", "2 discrete actions"),
    "an unknown algorithm": ("train sarsa maze/stitch-v0 --to {0}/x", "sarsa"),
    "an unknown field": ("train bc maze/stitch-v0 --to {0}/x --beta 1", "Unrecognized"),
    "no number": ("train td3_bc maze/stitch-v0 --to {0}/x --alpha much", "--alpha"),
    "out of range": ("train td3_bc maze/stitch-v0 --to {0}/x --tau 3", "at most 1"),
    "an algorithm misspelt": ("train td3bc maze/stitch-v0 --to {0}/x", "did you mean td3_bc?"),
    "a command misspelt": ("trian td3_bc maze/stitch-v0 --to {0}/x", "did you mean train?"),
    "a field misspelt": ("train bc maze/stitch-v0 --to {0}/x --lerning-rate 1", "-learning-rate"),
    "no widths": ("train bc maze/stitch-v0 --to {0}/x --hidden", "--hidden has no value"),
    "half a width": ("train bc maze/stitch-v0 --to {0}/x --hidden 4 4.5", "'4.5'"),
    "half a step": ("train bc maze/stitch-v0 --to {0}/x --num-steps 2.5", "2.5 is no whole number"),
    "endless steps": ("train bc maze/stitch-v0 --to {0}/x --num-steps inf", "inf is no whole numb"),
    "a seed twice": ("train bc maze/stitch-v0 --to {0}/x --seeds 3 3", "each once"),
    "seeds and a seed": ("train bc maze/stitch-v0 --to {0}/x --seeds 3 4 --seed 4", "one of the"),
    "a key below 0": ("evaluate {0}/policy.npz Pendulum-v1 --key -1", "there is no policy"),
    "nobody's home": ("train bc maze/stitch-v0 --to=~nobody-of-this-name/x", "give a path"),
    "another task": (
        "train bc maze/stitch-v0 --to {0}/x --environment Pendulum-v1",
        "observations are (3,)",
    ),
    "a file that is not there": ("train {0}/no.py:MINE maze/stitch-v0 --to {0}/x", "no such file"),
    "a module that is not there": ("train no.such:MINE maze/stitch-v0 --to {0}/x", "No module nam"),
    "no seeds": ("train bc maze/stitch-v0 --to {0}/x --seeds 0", "seeds is 0"),
    "no folder": ("train bc maze/stitch-v0", "--to"),
    "no policy": ("evaluate {0}/policy.npz Pendulum-v1", "there is no policy"),
    "an empty folder": ("evaluate {0} Pendulum-v1", "there is no policy"),
    "no episodes": ("evaluate {0} Pendulum-v1 --episodes 0", "episodes is 0"),
    "no dataset": ("judge {0}/policy.npz", "1 given; name one or more saved policies"),
    "nothing to judge": ("judge {0}/policy.npz maze/stitch-v0", "there is no policy"),
    "judges without a layer": ("judge {0}/x maze/stitch-v0 --hidden", "--hidden has no value"),
    "no command": ("", "datasets, train, evaluate, judge, grade"),
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


@pytest.mark.parametrize("name", [name for name in RANGES if name not in ("kappa", "epsilon")])
def test_a_value_out_of_its_range_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that Python refuses; in whichever algorithm has the field."""
    known = ALGORITHMS.values()
    owner = next(a for a in known if name in (*a.Config.floats, *a.Config.static))
    below = RANGES[name].low - (0 if RANGES[name].above else 1)
    flag = "--" + name.replace("_", "-")
    command = ["train", owner.name, "maze/stitch-v0", "--to", "{0}/x", flag, f"{below:g}"]
    assert run(tmp_path, *command) == 2
    assert f"{name} is {below:g}" in " ".join(capsys.readouterr().err.replace(".0;", ";").split())
    assert not list(tmp_path.iterdir())


OWN = """
from dataclasses import replace
from offline_tutor.algorithms import BC

class Config(BC.Config):
    weight: float = 2.0  # how much cloning counts

def actor_loss(actor, state, batch, key, config):
    return config.weight * BC.actor_loss(actor, state, batch, key, config)

MINE = replace(BC, name="mine", Config=Config, actor_loss=actor_loss)
NUMBER = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[str]:
    """A file with an algorithm of one's own, called like a module of Python."""
    path = list(sys.path)
    (tmp_path / "json.py").write_text(OWN, encoding="utf-8")
    yield f"{tmp_path}/json.py"
    sys.path[:] = path


def test_an_algorithm_of_one_s_own_has_flags_too(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "train", f"{own}:MINE", "--help") == 0
    assert "--weight FLOAT how much cloning counts" in " ".join(
        capsys.readouterr().out.replace("│", " ").split()
    )
    command = ["train", f"{own}:MINE", *TRAIN[2:-2], "--weight", "0.5"]
    command[command.index("--num-steps") + 1] = "2e1"
    seeds = command.index("--seeds") + 1
    assert run(tmp_path, *command[:seeds], "3", "7", *command[seeds + 1 :]) == 0
    assert "with seeds 3, 7:" in capsys.readouterr().out
    maze = "offline_tutor/PointMaze-v0"
    told = ["evaluate", "{0}/run", maze, "--episodes", "2", "--key", "-1"]
    assert run(tmp_path, *told) == 2
    assert "mine, which trained it" in capsys.readouterr().err
    assert run(tmp_path, *told, "--algorithm", f"{own}:MINE") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["seed 3", "seed 7", "all 2"]


OWN_WRONG = {
    "another name": ("MINI", "", "json.py has no MINI; did you mean MINE?"),
    "no algorithm": ("NUMBER", "", "algorithm is 3, which has no name"),
    "an error": ("MINE", "x = 1 / 0", "cannot be run: ZeroDivisionError: division by zero (json.p"),
    "no Python": ("MINE", "x = ", "cannot be run: SyntaxError"),
}


@pytest.mark.parametrize("name", OWN_WRONG)
def test_a_file_of_one_s_own_that_is_wrong_is_named(
    name: str, own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, line, message = OWN_WRONG[name]
    with Path(own).open("a", encoding="utf-8") as file:
        file.write(line)
    assert run(tmp_path, "train", f"{own}:{value}", "maze/stitch-v0", "--to", "{0}/x") == 2
    assert message in capsys.readouterr().err


def test_one_seed_alone_and_steps_as_in_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [*TRAIN[: TRAIN.index("--seeds")], "--seed", "4", "--hidden", "8", "--batch-size", "8"]
    assert run(tmp_path, *alone) == 0
    assert "for 20 steps with seeds 4:" in capsys.readouterr().out


def test_ctrl_c_ends_the_command_and_the_same_one_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any, **options: Any) -> Any:
        press = lambda run: signal.raise_signal(signal.SIGINT)  # noqa: E731
        return training.train(*arguments, **options, callbacks=[press])

    monkeypatch.setattr(cli_train, "train", stopped)
    assert run(tmp_path, *TRAIN) == 130
    told = capsys.readouterr()
    assert "stopped by Ctrl-C after 10 of 20 steps" in told.err and "same command" in told.err
    assert not told.out and not (tmp_path / "run" / "policy.npz").exists()
    monkeypatch.undo()
    assert run(tmp_path, *TRAIN) == 0


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"offline-tutor {offline_tutor.__version__}\n"


def test_train_lists_its_algorithms(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(f"• {name} " in text for name in ALGORITHMS)
    assert "td3_bc TD3 + behaviour cloning (Fujimoto and Gu 2021)" in text
    assert "my_file.py:MINE" in text


def test_train_then_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, *TRAIN) == 0
    small = ["--hidden", "8", "--num-steps", "20", "--batch-size", "8", "--seeds", "2"]
    capsys.readouterr()
    assert run(tmp_path, "judge", "{0}/run", "maze/stitch-v0", *small) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [f"{tmp_path}/run, seed 0", f"{tmp_path}/run, seed 1", "its clone", "the record"]
    assert [line[: len(name)] for line, name in zip(lines[1:], names, strict=False)] == names
    assert any(line.startswith("recommended: ") for line in lines)
    assert run(tmp_path, "judge", "{0}/run", "maze/stitch-v0", *small[:-1], "1") == 2
    assert "seeds is 1; an interval needs two or more" in capsys.readouterr().err
    assert run(tmp_path, "judge", "{0}/run", "cartpole/mixed-v0", *small) == 2
    assert "policy was trained on vectors" in capsys.readouterr().err


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
