"""SAC: what can be worked out by hand, and the slips that would otherwise go unseen."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from offline_tutor import data, training
from offline_tutor.algorithms import CQL_LAGRANGE, CQL_SAC, SAC, TD3, cql_sac, sac
from offline_tutor.networks import log_density, squash
from offline_tutor.types import Discrete, Params, Spec, Transitions

CONFIG = SAC.Config(hidden=(16,), discount=0.9, tau=0.1)
CQL_CONFIG = CQL_SAC.Config(hidden=(16,), discount=0.9, tau=0.1)
assert_close = np.testing.assert_allclose


def make_dataset(size: int = 200, actions: int = 2) -> data.Dataset:
    """Rewards are the first component of the action; every tenth row ends an episode."""
    rng = np.random.default_rng(0)
    chosen = rng.uniform(-1, 1, size=(size, actions))
    terminations = np.zeros(size, bool)
    terminations[9::10] = True
    return data.from_arrays(
        rng.normal(size=(size, 3)),
        chosen,
        chosen[:, 0],
        next_observations=rng.normal(size=(size, 3)),
        terminations=terminations,
    )


DATASET = make_dataset()
BATCH: Transitions = jax.tree.map(jnp.asarray, DATASET.transitions)
KEY = jax.random.key(7)
NOISE = jax.random.normal(KEY, BATCH.actions.shape)  # as losses draw it from this key


@cache
def make_state() -> sac.State:
    return sac.init(jax.random.key(0), CONFIG, DATASET.spec)


def constant(value: float, inputs: int = 5, outputs: int = 1) -> dict[str, dict[str, jax.Array]]:
    """A network of one layer that says the same everywhere."""
    return {"layer0": {"kernel": jnp.zeros((inputs, outputs)), "bias": jnp.full(outputs, value)}}


# ---- the tanh-Gaussian


@pytest.mark.parametrize("mean", [-1.5, 0.0, 0.7])
@pytest.mark.parametrize("std", [0.1, 0.5, 1.0, 1.5])
def test_density_integrates_to_one(mean: float, std: float) -> None:
    ends = np.tanh(np.linspace(-7.2, 7.2, 4001))
    middles = ((ends[1:] + ends[:-1]) / 2)[:, None]
    log_std = jnp.log(jnp.full(1, std))
    density = np.exp(log_density(jnp.full(1, mean), log_std, middles))
    assert_close(density @ np.diff(ends), 1, atol=5e-3)
    u = np.arctanh(middles[:, 0])
    uncorrected = np.exp(jax.scipy.stats.norm.logpdf(u, mean, std))
    assert uncorrected @ np.diff(ends) < 0.995  # so the correction is what makes it one


def test_density_depends_on_the_action() -> None:
    at = jnp.array([[-0.5], [0.0], [0.5], [0.9]])
    found = log_density(jnp.full(1, 0.3), jnp.zeros(1), at)
    assert found.shape == (4,) and len(set(found.tolist())) == 4
    slope = jax.grad(lambda action: log_density(jnp.full(1, 0.3), jnp.full(1, -1.0), action))
    assert slope(jnp.array([-0.5])) > 1 and slope(jnp.array([0.8])) < -1


def test_a_sample_has_the_density_that_it_says() -> None:
    mean, log_std = jnp.array([0.4, -0.8]), jnp.array([-1.0, -0.3])
    actions, said = squash(mean, log_std, NOISE)
    assert actions.shape == NOISE.shape and said.shape == NOISE.shape[:-1]
    assert (jnp.abs(actions) < 1).all()
    assert_close(said, log_density(mean, log_std, actions), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("u", [-20.0, 20.0])
def test_density_stays_finite_far_out(u: float) -> None:
    def said(mean: jax.Array) -> jax.Array:
        return squash(mean, jnp.zeros(1), jnp.zeros(1))[1]

    mean = jnp.full(1, u)
    expected = -0.5 * np.log(2 * np.pi) - 2 * (np.log(2) - abs(u) - np.log1p(np.exp(-2 * abs(u))))
    assert_close(said(mean), expected, rtol=1e-5)
    assert_close(jax.grad(said)(mean), 2 * np.sign(u), rtol=1e-5)
    assert jnp.isneginf(jnp.log(1 - jnp.tanh(mean) ** 2)).all()  # what it is written to avoid


def test_density_at_the_bounds_is_finite() -> None:
    found = log_density(jnp.zeros(1), jnp.zeros(1), jnp.array([[-1.0], [1.0]]))
    assert jnp.isfinite(found).all()
    assert_close(found[0], found[1], rtol=1e-3)


def test_gradient_of_the_sample_flows_to_mean_and_deviation() -> None:
    noise = jnp.array([0.5])

    def action(mean: float, log_std: float) -> jax.Array:
        return squash(jnp.full(1, mean), jnp.full(1, log_std), noise)[0][0]

    by_mean, by_log_std = jax.grad(action, (0, 1))(0.2, -1.0)
    slope = 1 - np.tanh(0.2 + np.exp(-1) * 0.5) ** 2
    assert_close(by_mean, slope, rtol=1e-5)
    assert_close(by_log_std, slope * np.exp(-1) * 0.5, rtol=1e-5)


# ---- targets


def test_target_takes_the_smaller_twin_of_the_slow_ones() -> None:
    state = make_state()._replace(target_critic=(constant(5.0), constant(-3.0)))
    found = cql_sac.target_values(state, BATCH, KEY, CQL_CONFIG)
    assert_close(found, BATCH.rewards + 0.9 * (1 - BATCH.terminations) * -3, rtol=1e-5)


def test_target_counts_the_next_entropy_and_that_of_cql_does_not() -> None:
    state = make_state()._replace(log_temperature=jnp.log(0.7))
    policy = sac.policy(state.actor, BATCH.next_observations)
    surprise = squash(*policy, NOISE)[1]
    with_it = sac.target_values(state, BATCH, KEY, CONFIG)
    without = cql_sac.target_values(state, BATCH, KEY, CQL_CONFIG)
    by_hand = -0.9 * (1 - BATCH.terminations) * 0.7 * surprise
    assert jnp.abs(by_hand).max() > 0.1
    assert_close(with_it - without, by_hand, atol=1e-5)


def test_a_termination_ends_the_sum() -> None:
    found = sac.target_values(make_state(), BATCH, KEY, CONFIG)
    ended = np.asarray(BATCH.terminations)
    assert ended.any() and not ended.all()
    assert_close(found[ended], BATCH.rewards[ended], atol=1e-7)
    assert (jnp.abs(found - BATCH.rewards)[~ended] > 1e-4).all()


# ---- losses


def test_critics_are_those_of_td3() -> None:
    state, targets = make_state(), jnp.arange(float(len(BATCH.rewards)))
    found = SAC.critic_loss(state.critic, state, BATCH, targets, KEY, CONFIG)
    errors = sac.values(state.critic, BATCH.observations, BATCH.actions) - targets
    assert_close(found, (errors**2).mean(1).sum(), rtol=1e-5)
    assert SAC.critic_loss is TD3.critic_loss


def test_actor_listens_to_the_smaller_twin_and_is_paid_for_entropy() -> None:
    state = make_state()._replace(
        critic=(constant(2.0), constant(-1.0)), log_temperature=jnp.log(0.5)
    )
    surprise = sac.sample(state.actor, BATCH.observations, NOISE)[1].mean()
    assert_close(
        sac.actor_loss(state.actor, state, BATCH, KEY, CONFIG), 0.5 * surprise + 1, rtol=1e-5
    )


def test_a_flat_critic_makes_the_actor_less_certain() -> None:
    """Nothing but the entropy is left to gain: a step down the loss has to raise it."""
    state = make_state()._replace(critic=(constant(0.0), constant(0.0)))

    def entropy(actor: Params) -> jax.Array:
        return -sac.sample(actor, BATCH.observations, NOISE)[1].mean()

    gradient = jax.grad(sac.actor_loss)(state.actor, state, BATCH, KEY, CONFIG)
    moved = jax.tree.map(lambda value, slope: value - 0.01 * slope, state.actor, gradient)
    assert entropy(moved) > entropy(state.actor) + 1e-4


@pytest.mark.parametrize(("std", "direction"), [(0.05, 1), (0.8, -1)])
def test_temperature_rises_below_the_target_and_falls_above(std: float, direction: int) -> None:
    actor = constant(0.0, inputs=3, outputs=4)
    actor["layer0"]["bias"] = jnp.array([0.0, 0.0, np.log(std), np.log(std)])
    state = make_state()._replace(actor=actor)
    state = state._replace(actor_optimizer=optax.adam(3e-4).init(actor))
    after, metrics = sac.update_actor(SAC, state, BATCH, KEY, CONFIG)
    assert (metrics["entropy"] < -2) == (direction > 0)  # two components: the target is -2
    assert direction * (after.log_temperature - state.log_temperature) > 1e-5


def test_target_entropy_can_be_given() -> None:
    def slope(config: sac.Config) -> jax.Array:
        return jax.grad(sac.temperature_loss)(0.0, jnp.array(0.5), BATCH, config)

    assert_close(slope(CONFIG), -(0.5 - 2))
    assert_close(slope(replace(CONFIG, target_entropy=1.5)), -(0.5 + 1.5))


# ---- all of it


def test_training_finds_the_rewarded_action() -> None:
    """The reward is the action's first component, so the policy should go to its upper end."""
    rates = {f"{part}_learning_rate": 1e-2 for part in ("actor", "critic", "temperature")}
    config = replace(CONFIG, **rates, discount=0.0)
    run = training.train(
        SAC,
        DATASET,
        config=config,
        num_steps=300,
        batch_size=32,
        every=100,
        seeds=2,
        progress=False,
    )
    assert all(np.isfinite(values).all() for values in run.metrics.values())
    assert {"q", "entropy", "temperature"} <= set(run.metrics)
    actions = np.concatenate([run.policy.seed(i)(BATCH.observations) for i in range(2)])
    assert actions.shape == (400, 2) and actions[:, 0].mean() > 0.5
    assert run.metrics["temperature"][-1].max() < run.metrics["temperature"][0].max()


def test_exploring_stays_within_the_bounds_and_varies() -> None:
    state, observations = make_state(), BATCH.observations
    first, second = (
        sac.explore(state, observations, jax.random.key(seed), CONFIG) for seed in (0, 1)
    )
    assert (jnp.abs(first) <= 1).all() and jnp.abs(first - second).mean() > 0.1
    assert_close(
        sac.act(state, observations, CONFIG), jnp.tanh(sac.policy(state.actor, observations)[0])
    )


@pytest.mark.parametrize("algorithm", [SAC, CQL_SAC, CQL_LAGRANGE], ids=lambda it: it.name)
def test_discrete_actions_are_refused(algorithm: Any) -> None:
    with pytest.raises(ValueError, match="discrete"):
        algorithm.init(KEY, algorithm.Config(), Spec((3,), Discrete(4)))
