"""What is not right about a run is said before it trains, in words."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor import data, training
from offline_tutor.algorithms import BC, BC_DISCRETE, TD3_BC, bc
from offline_tutor.algorithms.algorithm import Functions
from offline_tutor.algorithms.hyperparameters import Hyperparameters

ROWS = 40
DATASET = data.from_arrays(
    np.linspace(-1, 1, 3 * ROWS).reshape(ROWS, 3),
    np.linspace(-1, 1, 2 * ROWS).reshape(ROWS, 2),
    np.zeros(ROWS),
    next_observations=np.zeros((ROWS, 3)),
    terminations=np.zeros(ROWS, bool),
)
MINE = Functions(name="mine", Config=BC.Config, init=BC.init, update=BC.update, act=BC.act)
CONFIG = BC.Config(hidden=(4,))


def train(algorithm: Any = MINE, **options: Any) -> training.Run:
    usual = {"config": CONFIG, "num_steps": 4, "every": 2, "batch_size": 4, "seeds": 2}
    return training.train(algorithm, DATASET, progress=False, **usual | options)


def after(change: Any) -> Any:
    """Cloning whose result is changed: `change(state, metrics)`."""
    return replace(MINE, update=lambda *arguments: change(*BC.update(*arguments)))


def no_count(state: Any, batch: Any, key: Any, config: Any) -> Any:
    updated, metrics = BC.update(state, batch, key, config)
    return updated._replace(step=state.step), metrics


def first_of(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[..., :1], params)


@dataclass
class Loose:
    """Not frozen, so that it can change."""

    name: str = "loose"
    Config: Any = BC.Config
    init: Any = BC.init
    update: Any = BC.update
    act: Any = BC.act


@dataclass
class Plain:
    hidden: tuple[int, ...] = (4,)


def bad_step(key: Any, config: Any, spec: Any) -> Any:
    return BC.init(key, config, spec)._replace(step=jnp.zeros(()))


ALGORITHMS: dict[str, tuple[Any, str]] = {
    "an update that does not count": (
        replace(MINE, update=no_count),
        r"update of 'mine' left State.step at 0 after 2 steps from 0; .*step=state.step \+ 1",
    ),
    "an update that counts twice": (
        after(lambda state, metrics: (state._replace(step=state.step + 1), metrics)),
        "left State.step at 4 after 2 steps",
    ),
    "metrics that are a list": (
        after(lambda state, metrics: (state, [1.0])), "metrics that are a list; give a dict"
    ),
    "a metric for each row": (
        after(lambda state, metrics: (state, {"loss": jnp.zeros(4)})),
        r"metric 'loss' is float32\(4,\); it must be one number",
    ),
    "a metric that is a text": (after(lambda state, metrics: (state, {"x": "a"})), "'x' is a str"),
    "metrics by number": (after(lambda state, metrics: (state, {1: 1.0})), "a metric named 1"),
    "no metrics": (after(lambda state, metrics: state), "gives a State; it must give state, metr"),
    "nothing": (after(lambda state, metrics: None), "update of 'mine' gives nothing; it must"),
    "another shape": (
        after(lambda state, metrics: (state._replace(actor=first_of(state.actor)), metrics)),
        r"state.actor.* was float32\(4,\) and is float32\(1,\); it must stay",
    ),
    "another type": (
        after(lambda state, metrics: (state._replace(step=state.step * 1.0), metrics)),
        r"state.step was int32\(\) and is float32\(\)",
    ),
    "a state that is a tuple": (
        after(lambda state, metrics: (tuple(state), metrics)), "was .* and is nothing"
    ),
    "a counter with a point": (replace(MINE, init=bad_step), r"a step that is float32\(\); it m"),
    "a state that is a dict": (
        replace(MINE, init=lambda key, config, spec: {"w": jnp.zeros(3)}),
        "init of 'mine' gives a dict; it must give a NamedTuple with a counter",
    ),
    "actions of another size": (
        replace(MINE, act=lambda state, x, config: BC.act(state, x, config)[:, :1]),
        r"act of 'mine' gives float32 \(batch, 1\); .* must give numbers \(batch, 2\)",
    ),
    "actions that are indices": (
        replace(MINE, act=lambda state, x, config: BC.act(state, x, config).argmax(-1)),
        r"act of 'mine' gives int32 \(batch,\)",
    ),
    "a plain Config": (replace(MINE, Config=Plain), "Config of 'mine' is .*Plain.*Hyperparameters"),
    "no function": (replace(MINE, update=3), "update of 'mine' is 3; give a function"),
    "no name": (replace(MINE, name=None), "name of .* is None; give a text"),
    "a record that can change": (Loose(), r"algorithm 'loose' cannot be hashed.*frozen=True"),
    "a text": ("td3_bc", "give one such as"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_is_checked_before_it_trains(name: str) -> None:
    algorithm, message = ALGORITHMS[name]
    begun: list[int] = []
    with pytest.raises(TypeError, match=message):
        train(algorithm, callbacks=[lambda run: begun.append(1)])
    assert not begun


def test_one_that_miscounts_does_not_hang_online_either() -> None:
    from offline_tutor.algorithms import TD3
    from offline_tutor.environments import Pendulum

    def update(state: Any, batch: Any, key: Any, config: Any) -> Any:
        updated, metrics = TD3.update(state, batch, key, config)
        return updated._replace(step=state.step), metrics

    algorithm = Functions(
        name="mine", Config=TD3.Config, init=TD3.init, update=update, act=TD3.act,
        explore=TD3.explore,
    )  # fmt: skip
    with pytest.raises(TypeError, match=r"left State\.step at 0 after 3 steps"):
        training.train_online(
            algorithm, Pendulum(), config=TD3.Config(hidden=(4,)), num_steps=6, every=3, seeds=1,
            batch_size=4, random_steps=2, progress=False,
        )  # fmt: skip


class Plot:
    """A callback that knows what it needs before training."""

    def begin(self, run: training.Run, names: Any) -> None:
        raise ValueError(f"needs Q, and there is {', '.join(names)}")

    def __call__(self, run: training.Run) -> None: ...


@dataclass
class Changeable:
    """Draws rows, and can change."""

    share: float = 0.5

    def __call__(self, key: Any, num_rows: int, batch_size: int) -> Any:
        return jnp.zeros(batch_size, int)


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "evaluate is an environment": ({"evaluate": "Pendulum-v1"}, "is 'Pendulum-v1'; give a f"),
    "evaluate is returns": ({"evaluate": np.zeros((2, 3))}, "(?s)evaluate is .*; give a function"),
    "a callback alone": ({"callbacks": print}, r"callbacks is .*print.*; give a list"),
    "a callback that is none": ({"callbacks": [print, 3]}, r"callbacks\[1\] is 3; give a function"),
    "a callback that refuses": (
        {"callbacks": [Plot()], "evaluate": print}, "needs Q, and there is actor_loss, return"
    ),
    "no function of rows": ({"draw_rows": "uniform"}, "draw_rows is 'uniform'; give a function"),
    "rows that can change": ({"draw_rows": Changeable()}, "draw_rows cannot be hashed"),
    "rows with a point": (
        {"draw_rows": lambda key, rows, batch: jnp.zeros(batch)},
        r"gives float32\(4,\); it"
    ),
    "too few rows": (
        {"draw_rows": lambda key, rows, batch: jnp.zeros(2, int)}, r"gives int32\(2,\);.* of 4 rows"
    ),
    "rows that are not there": (
        {"draw_rows": lambda key, rows, batch: jax.random.randint(key, (batch,), 0, 2 * rows)},
        r"draw_rows gives row \d+; there are 40, counted from 0",
    ),
    "rows before the first": (
        {"draw_rows": lambda key, rows, batch: jnp.full(batch, -1)}, "draw_rows gives row -1; there"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_checked_before_it_trains(name: str) -> None:
    options, message = OPTIONS[name]
    with pytest.raises((TypeError, ValueError), match=message):
        train(**options)


def test_an_algorithm_for_others_says_so() -> None:
    with pytest.raises(ValueError, match="needs discrete ones"):
        train(BC_DISCRETE, config=BC_DISCRETE.Config(hidden=(4,)))


def test_the_check_compiles_and_traces_nothing_twice() -> None:
    traced: list[int] = []

    def update(*arguments: Any) -> Any:
        traced.append(1)
        return BC.update(*arguments)

    train(replace(MINE, update=update))
    assert len(traced) <= 2  # as many as without the check: for the metrics' shapes, and the loop


# ---- configurations


def test_a_field_that_does_not_exist_is_named_with_its_neighbour() -> None:
    for wrong in (lambda: TD3_BC.Config(alhpa=1.0), lambda: replace(TD3_BC.Config(), alhpa=1.0)):
        with pytest.raises(
            TypeError, match=r"^td3_bc.Config has no alhpa; did you mean alpha\? It"
        ):
            wrong()


def test_a_list_in_a_configuration_is_refused_as_what_it_is() -> None:
    class Config(Hyperparameters):
        layers: Any = ()

    with pytest.raises(ValueError, match=r"layers is \[1\]; .* cannot change, such as a tuple"):
        Config(layers=[1])


def test_help_of_a_configuration_says_what_its_fields_mean() -> None:
    text = TD3_BC.Config.__doc__
    assert text is not None and text.startswith("TD3's, and one more.\n\nFields:\n")
    for line in (
        "hidden: tuple[int, ...] = (256, 256)  # hidden widths of actor and critics",
        "alpha: float = 2.5  # weight of the value against cloning; section 5 of the paper",
    ):
        assert f"    {line}" in text.splitlines()
    assert text.count("#") == len(TD3_BC.Config.floats) + len(TD3_BC.Config.static)


def test_help_of_an_update_is_that_of_its_algorithm() -> None:
    for algorithm in (TD3_BC, BC):
        assert "step" in (algorithm.update.__doc__ or "") and "partial" not in str(algorithm.update)
    assert bc.Config.__doc__.startswith("Sizes and rates")
