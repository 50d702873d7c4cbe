"""Several configurations in one run: one program, and every row as if it were alone."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from test_evaluation import LINE
from test_training import CONFIG, DATASET, OPTIONS, assert_same_bits

from offline_tutor import data, evaluation, training
from offline_tutor.algorithms import TD3_BC
from offline_tutor.policies import load_policy

ALPHAS = (0.5, 2.5, 10.0)
CONFIGS = [replace(CONFIG, alpha=alpha) for alpha in ALPHAS]
SEEDS = (3, 7)
COMPILED: list[str] = []


def listen(event: str, duration: float, **_: Any) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILED.append(event)


jax.monitoring.register_event_duration_secs_listener(listen)


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """The list of programs that were compiled, once the block is over."""
    found, start = [], len(COMPILED)
    yield found
    found += COMPILED[start:]


def train(config: Any, **options: Any) -> training.Run:
    return training.train(
        TD3_BC, DATASET, **OPTIONS | {"config": config, "seeds": SEEDS, "num_steps": 45} | options
    )


@pytest.fixture(scope="module")
def grid() -> training.Run:
    return train(CONFIGS)


def test_rows_are_configurations_and_under_each_its_seeds(grid: training.Run) -> None:
    assert grid.configs == tuple(CONFIGS) and grid.seeds == SEEDS
    rows = [(config.alpha, seed) for config, seed in grid.policy.rows]
    assert rows == [(alpha, seed) for alpha in ALPHAS for seed in SEEDS]
    assert grid.policy.num_rows == 6 and grid.diverged.shape == (6,)
    assert {means.shape for means in grid.metrics.values()} == {(3, 6)}
    assert [grid.policy.seed(row).config.alpha for row in range(6)] == [0.5, 0.5, 2.5, 2.5, 10, 10]
    with pytest.raises(ValueError, match=r"3 configurations: take one of them by \.select"):
        _ = grid.policy.config


@pytest.mark.parametrize("index", range(3))
def test_each_row_is_as_if_it_were_alone(grid: training.Run, index: int) -> None:
    alone, ours = train(CONFIGS[index]), grid.select(index)
    assert_same_bits(ours.policy.state, alone.policy.state)
    assert_same_bits(ours.metrics, alone.metrics)
    assert ours.policy.config == alone.policy.config == CONFIGS[index]


def test_alpha_does_something(grid: training.Run) -> None:
    kernels = [grid.select(i).policy.state.actor["layer0"]["kernel"] for i in range(3)]
    assert not np.allclose(kernels[0], kernels[2], atol=1e-4)


def test_a_new_number_compiles_nothing() -> None:
    train(CONFIG, batch_size=29)
    others = {"alpha": 1.5, "tau": 0.1, "discount": 0.5, "actor_learning_rate": 1e-2}
    with compilations() as compiled:
        for name, number in others.items():
            train(replace(CONFIG, **{name: number}), batch_size=29)
        train(CONFIG, batch_size=29, num_steps=70, every=30)
    assert not compiled


def test_a_grid_takes_steps_by_one_program(caplog: pytest.LogCaptureFixture) -> None:
    with jax.log_compiles(), caplog.at_level("WARNING"):
        train(CONFIGS, batch_size=27)
    named = [text for text in caplog.messages if text.startswith("Compiling jit(_take_steps)")]
    assert len(named) == 1
    with compilations() as compiled:
        train([replace(config, alpha=config.alpha + 1) for config in CONFIGS], batch_size=27)
    assert not compiled


def test_a_grid_resumes_as_one(grid: training.Run, tmp_path: Path) -> None:
    train(CONFIGS, num_steps=20, checkpoint=tmp_path)
    resumed = train(CONFIGS, checkpoint=tmp_path)
    assert_same_bits(resumed.policy.state, grid.policy.state)
    assert_same_bits(resumed.metrics, grid.metrics)
    for other in (CONFIGS[:2], CONFIGS[::-1], CONFIG):
        with pytest.raises(ValueError, match="another config"):
            train(other, checkpoint=tmp_path)


def test_a_grid_is_evaluated_and_saved_as_one(tmp_path: Path) -> None:
    """Each row plays by itself, and belongs to its configuration afterwards too."""
    rng = np.random.default_rng(0)
    rows = data.from_arrays(
        rng.normal(size=(50, 1)),
        rng.uniform(-0.5, 0.5, (50, 1)),
        rng.normal(size=50),
        next_observations=rng.normal(size=(50, 1)),
        terminations=np.zeros(50, bool),
        action_bounds=(-0.5, 0.5),
    )
    options = OPTIONS | {"config": CONFIGS, "seeds": SEEDS, "num_steps": 40}
    run = training.train(
        TD3_BC, rows, evaluate=lambda policy: evaluation.evaluate(policy, LINE, episodes=2),
        **options,
    )  # fmt: skip
    assert run.evaluations.shape == (2, 6, 2)
    assert run.select(2).evaluations.shape == (2, 2, 2)
    keys = jax.random.split(jax.random.key(0), 6)
    last = [
        evaluation.evaluate(run.policy.seed(i), LINE, episodes=2, key=keys[i]) for i in range(6)
    ]
    np.testing.assert_allclose(run.evaluations[-1], last, rtol=1e-5)
    run.policy.save(tmp_path / "policy.npz")
    loaded = load_policy(tmp_path / "policy.npz")
    assert loaded.rows == run.policy.rows
    seen = rows.transitions.observations
    for row in range(6):
        np.testing.assert_array_equal(loaded.seed(row)(seen), run.policy.seed(row)(seen))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "hidden",
            (8,),
            r"config: hidden is \(16, 16\) in one configuration and \(8,\) in another",
        ),
        ("policy_delay", 3, "config: policy_delay is 2 in one configuration and 3 in another"),
    ],
)
def test_configurations_of_several_sizes_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"{message}; .* may differ in numbers only"):
        train([CONFIG, replace(CONFIG, **{name: value})])


def test_a_row_of_a_grid_that_diverges_is_named_with_its_configuration() -> None:
    """A rate at which parameters overflow within a few steps."""
    broken = replace(CONFIG, critic_learning_rate=1e38, actor_learning_rate=1e38)
    with pytest.warns(RuntimeWarning, match="seed 3 of configuration 1 at step"):
        run = train([CONFIG, broken])
    assert (run.diverged[:2] == 0).all() and (run.diverged[2:] > 0).all()
    assert_same_bits(run.select(0).policy.state, train(CONFIG).policy.state)
