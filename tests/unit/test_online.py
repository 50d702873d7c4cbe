"""Training online: learning from what was tried, every draw with a key of its own."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.experimental.functional import FuncEnv
from gymnasium.spaces import Box, Dict

from offline_tutor import environments, evaluation, training
from offline_tutor.algorithms import TD3, TD3_BC
from offline_tutor.algorithms.algorithm import Functions
from offline_tutor.training import online


class Dice(FuncEnv):
    """All that can be seen of it is drawn, once each, from the key that its functions are given."""

    observation_space, action_space = Box(0, 1, (2,)), Box(-1, 1, (1,))
    max_episode_steps = 7

    def initial(self, rng: Any, params: Any = None) -> Any:
        return jax.random.uniform(rng)

    def transition(self, state: Any, action: Any, rng: Any, params: Any = None) -> Any:
        return jax.random.uniform(rng)

    def observation(self, state: Any, rng: Any, params: Any = None) -> Any:
        return jnp.stack([state, jax.random.uniform(rng)])

    def reward(self, state: Any, action: Any, next_state: Any, rng: Any, params: Any = None) -> Any:
        return jax.random.uniform(rng)

    def terminal(self, state: Any, rng: Any, params: Any = None) -> Any:
        return jax.random.uniform(rng) < 0.05


DICE = Dice()


def draws(rows: Any, ends: Any, actions: Any = ()) -> np.ndarray:
    """Every number that was drawn, once: observations of rows, those after ends, rewards."""
    last = rows.next_observations[ends]
    parts = (rows.observations, last, rows.rewards, actions)
    return np.concatenate([np.ravel(part) for part in parts])


def test_every_draw_of_training_online_has_its_own_key() -> None:
    """The same key in two places would give the same number twice."""
    _, replay = training.train_online(
        TD3, DICE, config=TD3.Config(hidden=(4,)), num_steps=60, random_steps=60, batch_size=4,
        seeds=2, every=60, progress=False,
    )  # fmt: skip
    rows = replay.transitions
    ends = rows.terminations | replay.truncations
    inside = ~ends[:, :-1]
    assert inside.sum() > 80 and ends.sum() > 16
    # An observation with noise is drawn once: the next step acts on the very one that was recorded.
    following = rows.observations[:, 1:][inside]
    np.testing.assert_array_equal(rows.next_observations[:, :-1][inside], following)
    found = draws(rows, ends, (rows.actions + 1) / 2)
    assert len(np.unique(found.round(6))) > 0.995 * len(found)


def test_every_draw_of_a_rollout_has_its_own_key() -> None:
    played = evaluation.play(lambda x: jnp.zeros((len(x), 1)), DICE, episodes=8)
    rows = jax.tree.map(np.asarray, played)
    goes_on = rows.valid[:, 1:]
    assert goes_on.sum() > 20
    np.testing.assert_array_equal(
        rows.next_observations[:, :-1][goes_on], rows.observations[:, 1:][goes_on]
    )
    valid = jax.tree.map(lambda column: column[rows.valid], rows)
    last = np.zeros_like(rows.valid)
    last[np.arange(8), rows.valid.sum(1) - 1] = True
    found = draws(valid, last[rows.valid])
    assert len(np.unique(found.round(6))) > 0.995 * len(found)


def test_the_replay_is_not_held_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece takes over the arrays of the one before."""
    take_steps, gone = online._take_steps, []

    def watched(carry: Any, *arguments: Any) -> Any:
        after = take_steps(carry, *arguments)
        gone.append(carry[2].transitions.observations.is_deleted())
        return after

    watched.trace = take_steps.trace  # type: ignore
    monkeypatch.setattr(online, "_take_steps", watched)
    seen: list[float] = []
    run, _ = training.train_online(
        TD3, DICE, config=TD3.Config(hidden=(4,)), num_steps=30, random_steps=5, batch_size=4,
        seeds=2, every=10, progress=False,
        callbacks=[lambda run: seen.append(float(run.policy.state.actor["layer0"]["bias"].sum()))],
    )  # fmt: skip
    assert gone == [True] * 3
    assert len(set(seen)) == 3  # what a callback is given can be read while training goes on
    assert np.isfinite(run.policy.state.actor["layer0"]["kernel"]).all()


class Count(NamedTuple):
    """A state that only counts."""

    step: Any
    weight: Any


# It acts by the difference of the first two numbers, and learns nothing.
SUMMING = Functions(
    name="summing", Config=TD3.Config,
    init=lambda key, config, spec: Count(jnp.zeros((), int), jnp.zeros(())),
    update=lambda state, batch, key, config: (state._replace(step=state.step + 1), {}),
    act=lambda state, seen, config: seen[..., :1] - seen[..., 1:2],
    explore=lambda state, seen, key, config: seen[..., :1] - seen[..., 1:2],
)  # fmt: skip


class Parted(Dice):
    """Its observation is a dictionary of vectors."""

    observation_space = Dict(roll=Box(0, 1, (1,)), key=Box(0, 1, (1,)))

    def observation(self, state: Any, rng: Any, params: Any = None) -> Any:
        return {"key": jax.random.uniform(rng, (1,)), "roll": state[None]}


def test_dictionaries_are_joined_in_the_order_of_the_space() -> None:
    run, replay = training.train_online(
        SUMMING, Parted(), num_steps=20, random_steps=4, batch_size=4, seeds=1, progress=False
    )
    assert run.policy.spec.observation_keys == (("roll", 1), ("key", 1))
    played = evaluation.play(run.policy, Parted(), episodes=2)
    seen = played.observations
    np.testing.assert_allclose(played.actions, seen["roll"] - seen["key"], rtol=1e-5)
    rows = replay.transitions
    inside = ~(rows.terminations | replay.truncations)[0, :-1]
    np.testing.assert_array_equal(
        rows.next_observations[0, :-1][inside], rows.observations[0, 1:][inside]
    )


def test_endless_actions_and_classes_are_refused() -> None:
    class Endless(Dice):
        action_space = Box(-np.inf, np.inf, (1,))

    with pytest.raises(ValueError, match=r"actions are Box\(-inf, inf.*bounds must be finite"):
        training.train_online(TD3, Endless())
    with pytest.raises(TypeError, match="give a Gymnasium FuncEnv"):
        training.train_online(TD3, Dice)


def test_td3_bc_explores_as_td3_does() -> None:
    """It inherits the function: fine-tuning online needs no other algorithm."""
    assert TD3_BC.explore is TD3.explore


def test_online_training_learns_from_what_it_tried() -> None:
    pendulum = environments.Pendulum()
    config = TD3.Config(
        hidden=(32, 32), actor_learning_rate=1e-3, critic_learning_rate=1e-3, discount=0.98
    )
    run, replay = training.train_online(
        TD3, pendulum, config=config, num_steps=450, random_steps=200, batch_size=32, seeds=2,
        every=150, progress=False,
        evaluate=lambda policy: evaluation.evaluate(policy, pendulum, episodes=4),
    )  # fmt: skip
    rows = replay.transitions
    assert rows.observations.shape == (2, 450, 3)
    assert run.evaluations.shape == (3, 2, 4)
    assert replay.truncations[0].nonzero()[0].tolist() == [199, 399]  # the time limit
    assert not rows.terminations.any()
    assert np.abs(rows.actions).max() <= 2
    np.testing.assert_array_equal(rows.next_observations[:, 10], rows.observations[:, 11])
    assert not np.allclose(rows.next_observations[:, 199], rows.observations[:, 200])  # began anew
    assert np.isnan(run.metrics["critic_loss"][0]).all()  # nothing is learned from random steps
    assert np.isfinite(run.metrics["critic_loss"][1:]).all()


def explode(state: Any, batch: Any, key: Any, config: Any) -> Any:
    """TD3 whose parameters break after 20 steps, of seeds that began with a positive weight."""
    lost = (state.actor["layer0"]["kernel"][0, 0] > 0) & (state.step >= 20)
    after, metrics = TD3.update(state, batch, key, config)
    broken = jnp.where(lost, jnp.nan, 1.0)
    return after._replace(actor=jax.tree.map(lambda leaf: leaf * broken, after.actor)), metrics


EXPLODING = Functions(
    name="exploding", Config=TD3.Config, init=TD3.init, update=explode, act=TD3.act,
    explore=TD3.explore,
)  # fmt: skip


def test_a_seed_that_diverges_online_takes_no_others_with_it() -> None:
    config = TD3.Config(hidden=(4,), actor_learning_rate=0.0)
    options: dict[str, Any] = {
        "config": config, "num_steps": 30, "random_steps": 5, "batch_size": 4, "every": 10,
        "progress": False,
    }  # fmt: skip
    with pytest.warns(RuntimeWarning, match="diverged and stay as they were before: seed"):
        run, replay = training.train_online(EXPLODING, DICE, seeds=6, **options)
    lost = run.diverged > 0
    assert 0 < lost.sum() < 6 and (run.diverged[lost] == 21).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run.policy.state))
    assert np.isnan(run.metrics["critic_loss"][2, lost]).all()
    assert np.isfinite(run.metrics["critic_loss"][2, ~lost]).all()
    assert (replay.transitions.observations[lost, 25:] != 0).all()  # it goes on acting
    with pytest.raises(training.Diverged, match="at step 21"):
        training.train_online(EXPLODING, DICE, seeds=np.flatnonzero(lost).tolist(), **options)
