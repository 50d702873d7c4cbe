"""CQL on SAC: four checks that public code would have failed, each shown to fail on such a bug."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_sac import make_dataset

from offline_tutor import data, networks, training
from offline_tutor.algorithms import cql_lagrange, cql_sac, sac, td3
from offline_tutor.networks import log_density, mean_in_chunks
from offline_tutor.types import Transitions

CONFIG = cql_sac.Config(hidden=(16,), discount=0.9, tau=0.1, num_samples=4)
OPTIONS = cql_lagrange.Config(hidden=(16,), discount=0.9, tau=0.1, num_samples=4)
SIZE = 64
assert_close = np.testing.assert_allclose


DATASET = make_dataset(SIZE)
BATCH: Transitions = jax.tree.map(jnp.asarray, DATASET.transitions)
KEY = jax.random.key(7)
TARGETS = jnp.linspace(-1.0, 1.0, SIZE)


def make_state(config: cql_sac.Config = CONFIG) -> sac.State:
    return sac.init(jax.random.key(0), config, DATASET.spec)


def line(observation: float, *slopes: float) -> networks.Params:
    """A critic without hidden layers: the sum of slope times component, of both its inputs."""
    kernel = jnp.array([[observation]] * 3 + [[slope] for slope in slopes])
    return {"layer0": {"kernel": kernel, "bias": jnp.zeros(1)}}


# ---- (a) the logarithm of the integral, against the analytic value of a linear Q


SLOPES = (np.array([0.4, -1.2]), np.array([1.0, 0.7]))


def check_integral() -> None:
    """Integral of exp(slope * action) over the square: product of 2 sinh(slope) / slope."""
    config = replace(CONFIG, num_samples=4000)
    state = make_state()._replace(critic=tuple(line(0.3, *slopes) for slopes in SLOPES))
    found = cql_sac.gaps(state.critic, BATCH, *cql_sac.propose(state, BATCH, KEY, config))
    for slopes, gap in zip(SLOPES, found - jnp.log(3 * config.num_samples), strict=True):
        integral = np.log(2 * np.sinh(slopes) / slopes).sum()
        at_data = float((BATCH.actions @ slopes).mean())  # the observation's share cancels
        assert_close(gap, integral - at_data, atol=0.06)


# ---- (b) what goes down and what goes up, for both critics


def check_signs() -> None:
    """The gradient of the penalty by each critic's value: up at the data, down elsewhere."""
    state, keys = make_state(), jax.random.split(KEY, 2)
    actions, log_densities = cql_sac.propose(state, BATCH, keys[0], CONFIG)
    shift = jnp.full(3, 5.0)  # so that observations of s' would be told from those of s

    def values(critic: Any, observations: jax.Array, actions: jax.Array) -> Any:
        """A table in place of networks: an offset for the data's actions, one for the others."""
        assert jnp.ndim(observations) == jnp.ndim(actions)
        return tuple(twin[int(actions.ndim == 3)] + 0.0 * actions[..., 0] for twin in critic)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(td3, "values", values)
        critic = ((jnp.array(0.0), jnp.array(0.0)), (jnp.array(1.0), jnp.array(1.0)))
        shifted = BATCH._replace(next_observations=BATCH.observations + shift)
        push = jax.grad(lambda critic: cql_sac.gaps(critic, shifted, actions, log_densities).sum())(
            critic
        )
    for at_data, elsewhere in push:
        assert_close(at_data, -1, rtol=1e-5)
        assert_close(elsewhere, 1, rtol=1e-5)


# ---- (c) how many actions are valued, and where


def check_actions() -> None:
    """3 n distinct actions a state, each from its own distribution, all valued at this state."""
    state, seen = make_state(), []
    proposals = cql_sac.propose(state, BATCH, KEY, CONFIG)
    original = td3.values

    def spy(critic: Any, observations: jax.Array, actions: jax.Array) -> Any:
        seen.append((np.asarray(observations), np.asarray(actions)))
        return original(critic, observations, actions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(td3, "values", spy)
        cql_sac.gaps(state.critic, BATCH, *proposals)
    (observations, actions), _ = seen
    here = np.broadcast_to(np.asarray(BATCH.observations)[:, None], observations.shape)
    assert_close(observations, here)
    for row in actions.reshape(SIZE, -1, 2):
        assert len(np.unique(row, axis=0)) == 3 * CONFIG.num_samples
    uniform = actions[:, : CONFIG.num_samples]
    assert uniform.min() < -0.9 and uniform.max() > 0.9 and abs(uniform.mean()) < 0.1
    # What is said of each action is the density of the distribution that it was drawn from.
    parts = np.split(np.asarray(proposals[1]), 3, axis=1)
    n = CONFIG.num_samples
    assert_close(parts[0], -2 * np.log(2), rtol=1e-6)
    for part, observations, rows in (
        (parts[1], BATCH.observations, slice(n, 2 * n)),
        (parts[2], BATCH.next_observations, slice(2 * n, None)),
    ):
        mean, log_std = sac.policy(state.actor, observations)
        drawn = jnp.asarray(proposals[0][:, rows])
        said = log_density(mean[:, None], log_std[:, None], drawn)
        near_ends = np.asarray(jnp.abs(drawn).max(-1) > 0.999)
        assert_close(np.where(near_ends, 0, part), np.where(near_ends, 0, said), atol=2e-2)


# ---- planted bugs, all of which have shipped somewhere


def uniform_in_half(
    state: sac.State, batch: Transitions, key: jax.Array, config: Any
) -> tuple[jax.Array, jax.Array]:
    """Uniform actions in [0, 1], with the density of those in [-1, 1]."""
    actions, log_densities = PROPOSE(state, batch, key, config)
    n = config.num_samples
    return actions.at[:, :n].set(jnp.abs(actions[:, :n])), log_densities


def no_densities(
    state: sac.State, batch: Transitions, key: jax.Array, config: Any
) -> tuple[jax.Array, jax.Array]:
    actions, log_densities = PROPOSE(state, batch, key, config)
    return actions, jnp.zeros_like(log_densities)


def one_sample_each(
    state: sac.State, batch: Transitions, key: jax.Array, config: Any
) -> tuple[jax.Array, jax.Array]:
    """The logsumexp over three values in place of 3 n."""
    return PROPOSE(state, batch, key, replace(config, num_samples=1))


def stopped(
    critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array
) -> jax.Array:
    """Nothing is pushed down: a stop-gradient on the logsumexp."""
    return GAPS(jax.lax.stop_gradient(critic), batch, actions, log_densities) - (
        jnp.stack(td3.values(critic, batch.observations, batch.actions))
        - jax.lax.stop_gradient(jnp.stack(td3.values(critic, batch.observations, batch.actions)))
    ).mean(-1)


def one_critic(
    critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array
) -> jax.Array:
    return GAPS(critic, batch, actions, log_densities).at[1].set(0.0)


def no_data(
    critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array
) -> jax.Array:
    at_data = jnp.stack(td3.values(critic, batch.observations, batch.actions)).mean(-1)
    return GAPS(critic, batch, actions, log_densities) + at_data


def at_next(
    critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array
) -> jax.Array:
    """The last third valued at the next state."""
    there = jnp.repeat(batch.next_observations[:, None], actions.shape[1], axis=1)
    here = jnp.repeat(batch.observations[:, None], actions.shape[1], axis=1)
    third = jnp.arange(actions.shape[1]) >= 2 * actions.shape[1] // 3
    everywhere = jnp.stack(td3.values(critic, jnp.where(third[:, None], there, here), actions))
    at_data = jnp.stack(td3.values(critic, batch.observations, batch.actions))
    return (jax.nn.logsumexp(everywhere - log_densities, axis=-1) - at_data).mean(-1)


PROPOSE, GAPS = cql_sac.propose, cql_sac.gaps


@pytest.mark.parametrize("check", [check_integral, check_signs, check_actions])
def test_penalty(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(
    ("check", "name", "bug"),
    [
        (check_integral, "propose", uniform_in_half),
        (check_integral, "propose", no_densities),
        (check_integral, "gaps", at_next),
        (check_signs, "gaps", stopped),
        (check_signs, "gaps", one_critic),
        (check_signs, "gaps", no_data),
        (check_actions, "propose", uniform_in_half),
        (check_actions, "propose", no_densities),
        (check_actions, "propose", one_sample_each),
        (check_actions, "gaps", at_next),
    ],
)
def test_check_fails_on_a_planted_bug(
    check: Callable[[], None], name: str, bug: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cql_sac, name, bug)
    with pytest.raises(AssertionError):
        check()


def test_no_gradient_reaches_the_actor_through_the_penalty() -> None:
    """The critics' step moves the critics alone."""
    state = make_state()
    noise = jnp.zeros_like(BATCH.actions)
    after, _ = sac.update_critic(state, BATCH, noise, KEY, CONFIG, cql_sac.critic_loss)
    unchanged = jax.tree.map(lambda a, b: bool((a == b).all()), state.actor, after.actor)
    assert all(jax.tree.leaves(unchanged))
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.critic, after.critic)
    assert all(jax.tree.leaves(moved))


# ---- the loss, whole and in parts


def plain_loss(critic: Any, state: sac.State, batch: Transitions, targets: jax.Array) -> jax.Array:
    gaps = cql_sac.gaps(critic, batch, *cql_sac.propose(state, batch, KEY, CONFIG))
    return td3.critic_loss(critic, batch, targets) + CONFIG.alpha * gaps.sum()


@pytest.mark.parametrize("size", [1, 31, 32, 37, 48, 64])
def test_chunks_have_the_value_and_the_gradient_of_the_whole(size: int) -> None:
    """Sizes that 32 divides, that it does not, and a prime."""
    state = make_state()
    batch, targets = jax.tree.map(lambda column: column[:size], (BATCH, TARGETS))
    expected = jax.value_and_grad(plain_loss)(state.critic, state, batch, targets)
    found = jax.value_and_grad(cql_sac.critic_loss)(
        state.critic, state, batch, targets, KEY, CONFIG
    )
    jax.tree.map(partial(assert_close, rtol=2e-4, atol=1e-5), found, expected)


def test_chunks_under_vmap_and_with_a_factor() -> None:
    def loss(number: jax.Array, rows: jax.Array) -> jax.Array:
        return ((number - rows) ** 2).mean()

    rows, numbers = jnp.linspace(-1.0, 2.0, 48), jnp.array([0.5, -2.0, 3.0])
    chunked = jax.vmap(jax.value_and_grad(lambda x: 3 * mean_in_chunks(loss, x, rows)))(numbers)
    whole = jax.vmap(jax.value_and_grad(lambda x: 3 * loss(x, rows)))(numbers)
    jax.tree.map(partial(assert_close, rtol=1e-5, atol=1e-5), chunked, whole)


# ---- the options


def options_state(**changes: Any) -> cql_lagrange.State:
    return cql_lagrange.init(jax.random.key(0), replace(OPTIONS, **changes), DATASET.spec)


def test_options_off_are_the_core() -> None:
    """The same loss from the same state and draws; draws of a whole update differ."""
    state, core = options_state(), make_state()
    jax.tree.map(assert_close, state.parent, core)
    noise = jax.random.normal(KEY, (OPTIONS.num_samples, *BATCH.actions.shape))
    jax.tree.map(
        assert_close,
        cql_lagrange.target_values(core, BATCH, noise, OPTIONS),
        sac.target_values(core, BATCH, noise[0], CONFIG),
    )
    assert_close(
        cql_lagrange.actor_loss(core.actor, core, BATCH, noise[0], OPTIONS),
        sac.actor_loss(core.actor, core, BATCH, noise[0], CONFIG),
    )
    assert cql_lagrange.multiplier(state.log_multiplier) == 1
    after, metrics = cql_lagrange.update(state, BATCH, KEY, OPTIONS)
    assert after.log_multiplier == 0 and "multiplier" not in metrics


def test_max_backup_takes_the_best_of_the_sampled() -> None:
    config, state = replace(OPTIONS, max_backup=True), make_state()
    noise = jax.random.normal(KEY, (OPTIONS.num_samples, *BATCH.actions.shape))
    each = jnp.stack([sac.target_values(state, BATCH, one, CONFIG) for one in noise])
    found = cql_lagrange.target_values(state, BATCH, noise, config)
    assert_close(found, each.max(0), rtol=1e-5)
    assert (found >= each.mean(0) - 1e-6).all() and (found > each.mean(0) + 1e-3).any()


def test_max_backup_counts_the_entropy_of_the_action_it_took() -> None:
    config = replace(OPTIONS, max_backup=True, entropy_in_target=True)
    state = make_state()._replace(log_temperature=jnp.log(0.7))
    noise = jax.random.normal(KEY, (OPTIONS.num_samples, *BATCH.actions.shape))
    plain = cql_lagrange.target_values(
        state, BATCH, noise, replace(config, entropy_in_target=False)
    )
    found = cql_lagrange.target_values(state, BATCH, noise, config)
    each = jnp.stack([sac.target_values(state, BATCH, one, CONFIG) for one in noise])
    surprise = jnp.take_along_axis(
        sac.sample(state.actor, BATCH.next_observations, noise)[1], each.argmax(0)[None], 0
    )[0]
    by_hand = -0.9 * 0.7 * surprise
    going_on = ~np.asarray(BATCH.terminations)
    assert_close((found - plain)[going_on], by_hand[going_on], atol=1e-5)
    assert_close(found[~going_on], BATCH.rewards[~going_on], atol=1e-6)


def test_entropy_counts_in_targets_only_if_asked_for() -> None:
    state, noise = make_state(), jax.random.normal(KEY, BATCH.actions.shape)
    without = sac.target_values(state, BATCH, noise, CONFIG)
    counted = sac.target_values(state, BATCH, noise, replace(CONFIG, entropy_in_target=True))
    assert not CONFIG.entropy_in_target and jnp.abs(without - counted).max() > 0.1


def likelihood(state: cql_lagrange.State) -> float:
    """Mean log-density of the data's actions."""
    policy = sac.policy(state.parent.actor, BATCH.observations)
    return float(log_density(*policy, BATCH.actions).mean())


def test_warm_start_clones_and_then_stops() -> None:
    """With critics that never learn, any liking for the data's actions comes from cloning."""
    config = replace(OPTIONS, warm_start_steps=60, actor_learning_rate=3e-2)
    state, before = options_state(), options_state().parent
    step = jax.jit(partial(cql_lagrange.update, config=config))
    start = likelihood(state)
    for key in jax.random.split(KEY, 60):
        state, _ = step(state, BATCH, key)
    assert likelihood(state) > start + 0.1
    noise = jax.random.normal(KEY, BATCH.actions.shape)
    for number, cloning in ((0, True), (60, True), (61, False)):
        at = before._replace(step=jnp.array(number))
        found = cql_lagrange.actor_loss(before.actor, at, BATCH, noise, config)
        improving = sac.actor_loss(before.actor, at, BATCH, noise, config)
        assert bool(jnp.isclose(found, improving)) != cloning


@pytest.mark.parametrize(("target_gap", "direction"), [(-100.0, 1), (100.0, -1)])
def test_multiplier_rises_above_the_target_and_falls_below(
    target_gap: float, direction: int
) -> None:
    config = replace(OPTIONS, target_gap=target_gap, multiplier_learning_rate=0.1)
    after, metrics = cql_lagrange.update_multiplier(options_state(), BATCH, KEY, config)
    assert direction * after.log_multiplier > 0.09
    assert metrics["multiplier"] == 1
    proposals = cql_sac.propose(options_state().parent, BATCH, KEY, config)
    gaps = cql_sac.gaps(options_state().parent.critic, BATCH, *proposals)
    assert_close(metrics["gap"], gaps.mean(), rtol=1e-5)


def test_multiplier_is_bounded_and_weighs_the_penalty() -> None:
    assert_close(cql_lagrange.multiplier(jnp.array(50.0)), 1e6)
    state = options_state()
    _, once = cql_lagrange.update(state, BATCH, KEY, OPTIONS)
    thrice = state._replace(log_multiplier=jnp.log(3.0))
    _, weighted = cql_lagrange.update(thrice, BATCH, KEY, OPTIONS)
    _, by_alpha = cql_lagrange.update(state, BATCH, KEY, replace(OPTIONS, alpha=3 * OPTIONS.alpha))
    assert_close(weighted["critic_loss"], by_alpha["critic_loss"], rtol=1e-5)
    assert weighted["critic_loss"] > once["critic_loss"]


# ---- all of it


def short_run(algorithm: ModuleType, config: Any, **options: Any) -> training.Run:
    return training.train(
        algorithm,
        DATASET,
        config=config,
        batch_size=32,
        seeds=2,
        progress=False,
        **{"num_steps": 20, "every": 10} | options,
    )


def test_training_pulls_the_critics_towards_the_data() -> None:
    """With a large alpha the gap shrinks, and the data's actions get the larger values."""
    rates = {f"{part}_learning_rate": 1e-2 for part in ("actor", "critic", "temperature")}
    run = short_run(
        cql_sac, replace(CONFIG, **rates, discount=0.0, alpha=10.0), num_steps=200, every=50
    )
    assert all(np.isfinite(values).all() for values in run.metrics.values())
    loss = run.metrics["critic_loss"].mean(1)
    assert loss[-1] < loss[0]


def test_interrupted_options_go_on_to_the_same_bits(tmp_path: Path) -> None:
    config = replace(OPTIONS, target_gap=1.0, warm_start_steps=5, max_backup=True)
    whole = short_run(cql_lagrange, config, num_steps=30)

    def stop(run: training.Run) -> None:
        if len(run.steps) == 2:
            raise KeyboardInterrupt

    options = {"num_steps": 30, "checkpoint": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        short_run(cql_lagrange, config, callbacks=[stop], **options)
    assert any(tmp_path.iterdir())
    resumed = short_run(cql_lagrange, config, **options)
    jax.tree.map(np.testing.assert_array_equal, resumed.policy.state, whole.policy.state)
    assert resumed.metrics["multiplier"].shape == (3, 2)


@pytest.mark.parametrize("algorithm", [cql_sac, cql_lagrange])
def test_discrete_actions_are_refused(algorithm: ModuleType) -> None:
    with pytest.raises(ValueError, match="discrete"):
        algorithm.init(jax.random.key(0), algorithm.Config(), data.Spec(3, None, None, 4))
