"""CQL on SAC: four checks that public code would have failed, each shown to fail on such a bug."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_sac import make_dataset

from offline_tutor import training
from offline_tutor.algorithms import CQL_LAGRANGE, CQL_SAC, SAC, cql_lagrange, cql_sac, sac, td3
from offline_tutor.networks import log_density
from offline_tutor.types import Params, Transitions

CONFIG = CQL_SAC.Config(hidden=(16,), discount=0.9, tau=0.1, num_samples=4)
OPTIONS = CQL_LAGRANGE.Config(hidden=(16,), discount=0.9, tau=0.1, num_samples=4)
SIZE = 64
assert_close = np.testing.assert_allclose


DATASET = make_dataset(SIZE)
BATCH: Transitions = jax.tree.map(jnp.asarray, DATASET.transitions)
KEY = jax.random.key(7)
NOISES = jax.random.normal(
    KEY, (OPTIONS.num_samples, *BATCH.actions.shape)
)  # as `max_backup` draws them
TARGETS = jnp.linspace(-1.0, 1.0, SIZE)


def make_state(config: cql_sac.Config = CONFIG) -> sac.State:
    return sac.init(jax.random.key(0), config, DATASET.spec)


def line(observation: float, *slopes: float) -> Params:
    """A critic without hidden layers: the sum of slope times component, of both its inputs."""
    kernel = jnp.array([[observation]] * 3 + [[slope] for slope in slopes])
    return {"layer0": {"kernel": kernel, "bias": jnp.zeros(1)}}


# ---- (a) the logarithm of the integral, against the analytic value of a linear Q


SLOPES = (np.array([0.4, -1.2]), np.array([1.0, 0.7]))


def check_integral() -> None:
    """Integral of exp(slope * action) over the square: product of 2 sinh(slope) / slope."""
    config = replace(CONFIG, num_samples=4000)
    state = make_state()._replace(critic=tuple(line(0.3, *slopes) for slopes in SLOPES))
    found = cql_sac.gaps(state.critic, BATCH, *cql_sac.propose(state.actor, BATCH, KEY, config))
    for slopes, gap in zip(SLOPES, found - jnp.log(3 * config.num_samples), strict=True):
        integral = np.log(2 * np.sinh(slopes) / slopes).sum()
        at_data = float((BATCH.actions @ slopes).mean())  # the observation's share cancels
        assert_close(gap, integral - at_data, atol=0.06)


# ---- (b) what goes down and what goes up, for both critics


def check_signs() -> None:
    """The gradient of the penalty by each critic's value: up at the data, down elsewhere."""
    state, keys = make_state(), jax.random.split(KEY, 2)
    actions, log_densities = cql_sac.propose(state.actor, BATCH, keys[0], CONFIG)
    shift = jnp.full(3, 5.0)  # so that observations of s' would be told from those of s

    def values(critic: Any, observations: jax.Array, actions: jax.Array) -> Any:
        """A table in place of networks: an offset for the data's actions, one for the others."""
        return jnp.stack([twin[int(actions.ndim == 3)] + 0.0 * actions[..., 0] for twin in critic])

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
    proposals = cql_sac.propose(state.actor, BATCH, KEY, CONFIG)
    original = td3.values

    def spy(critic: Any, observations: jax.Array, actions: jax.Array) -> Any:
        seen.append((np.asarray(observations), np.asarray(actions)))
        return original(critic, observations, actions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(td3, "values", spy)
        cql_sac.gaps(state.critic, BATCH, *proposals)
    (observations, actions), _ = seen
    assert_close(observations, BATCH.observations)
    for row in actions.swapaxes(0, 1):
        assert len(np.unique(row, axis=0)) == 3 * CONFIG.num_samples
    n = CONFIG.num_samples
    assert actions[:n].min() < -0.9 and actions[:n].max() > 0.9 and abs(actions[:n].mean()) < 0.1
    # What is said of each action is the density of the distribution that it was drawn from.
    assert_close(proposals[1][:n], -2 * np.log(2), rtol=1e-6)
    for rows, observations in (
        (slice(n, 2 * n), BATCH.observations),
        (slice(2 * n, None), BATCH.next_observations),
    ):
        drawn = proposals[0][rows]
        said = log_density(*sac.policy(state.actor, observations), drawn)
        inside = np.abs(drawn).max(-1) <= 0.999
        assert_close(np.asarray(proposals[1][rows])[inside], said[inside], atol=2e-2)


# ---- planted bugs, all of which have shipped somewhere


def uniform_in_half(actor: Any, batch: Transitions, key: jax.Array, config: Any) -> Any:
    """Uniform actions in [0, 1], with the density of those in [-1, 1]."""
    actions, log_densities = PROPOSE(actor, batch, key, config)
    n = config.num_samples
    return actions.at[:n].set(jnp.abs(actions[:n])), log_densities


def no_densities(actor: Any, batch: Transitions, key: jax.Array, config: Any) -> Any:
    actions, log_densities = PROPOSE(actor, batch, key, config)
    return actions, jnp.zeros_like(log_densities)


def one_sample_each(actor: Any, batch: Transitions, key: jax.Array, config: Any) -> Any:
    """The logsumexp over three values in place of 3 n."""
    return PROPOSE(actor, batch, key, replace(config, num_samples=1))


def mean_at_data(critic: Any, batch: Transitions) -> jax.Array:
    return td3.values(critic, batch.observations, batch.actions).mean(-1)


def stopped(critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array) -> Any:
    """Nothing is pushed down: a stop-gradient on the logsumexp."""
    at_data = mean_at_data(critic, batch)
    still = GAPS(jax.lax.stop_gradient(critic), batch, actions, log_densities)
    return still - (at_data - jax.lax.stop_gradient(at_data))


def one_critic(
    critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array
) -> Any:
    return GAPS(critic, batch, actions, log_densities).at[1].set(0.0)


def no_data(critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array) -> Any:
    return GAPS(critic, batch, actions, log_densities) + mean_at_data(critic, batch)


def at_next(critic: Any, batch: Transitions, actions: jax.Array, log_densities: jax.Array) -> Any:
    """The last third valued at the next state."""
    third = jnp.arange(len(actions)) >= 2 * len(actions) // 3
    places = jnp.where(third[:, None, None], batch.next_observations, batch.observations)
    everywhere = td3.values(critic, places, actions) - log_densities
    return jax.nn.logsumexp(everywhere, axis=1).mean(-1) - mean_at_data(critic, batch)


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
    after, _ = td3.update_critic(CQL_SAC, state, BATCH, TARGETS, KEY, CONFIG)
    unchanged = jax.tree.map(lambda a, b: bool((a == b).all()), state.actor, after.actor)
    assert all(jax.tree.leaves(unchanged))
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), state.critic, after.critic)
    assert all(jax.tree.leaves(moved))


# ---- the loss, whole


def test_the_loss_is_the_parents_and_alpha_times_the_gaps() -> None:
    state = make_state()
    found = CQL_SAC.critic_loss(state.critic, state, BATCH, TARGETS, KEY, CONFIG)
    parents = SAC.critic_loss(state.critic, state, BATCH, TARGETS, KEY, CONFIG)
    gaps = cql_sac.gaps(state.critic, BATCH, *cql_sac.propose(state.actor, BATCH, KEY, CONFIG))
    assert_close(found, parents + CONFIG.alpha * gaps.sum(), rtol=1e-5)


def test_the_gradient_by_the_targets_is_that_of_the_parent() -> None:
    """Whatever a learner differentiates by: it used to be zero, in silence and on CPUs alone."""
    state = make_state()

    def slope(algorithm: Any) -> jax.Array:
        return jax.grad(
            lambda targets: algorithm.critic_loss(state.critic, state, BATCH, targets, KEY, CONFIG)
        )(TARGETS)

    assert jnp.abs(slope(SAC)).max() > 1e-3
    assert_close(slope(CQL_SAC), slope(SAC), rtol=1e-5)


# ---- the options


def options_state(**changes: Any) -> cql_lagrange.State:
    return cql_lagrange.init(jax.random.key(0), replace(OPTIONS, **changes), DATASET.spec)


def test_options_off_are_the_core() -> None:
    """The same losses from the same state and key, and the same update."""
    state, core = options_state(), make_state()
    jax.tree.map(assert_close, state.parent, core)
    ours, parents = (
        [
            algorithm.target_values(core, BATCH, KEY, OPTIONS),
            algorithm.actor_loss(core.actor, core, BATCH, KEY, OPTIONS),
            algorithm.critic_loss(core.critic, core, BATCH, TARGETS, KEY, OPTIONS),
        ]
        for algorithm in (cql_lagrange.PARENT, CQL_SAC)
    )
    jax.tree.map(assert_close, ours, parents)
    assert cql_lagrange.multiplier(state.log_multiplier) == 1
    after, metrics = jax.jit(cql_lagrange.update)(state, BATCH, KEY, OPTIONS)
    assert after.log_multiplier == 0 and "multiplier" not in metrics
    expected, core_metrics = jax.jit(CQL_SAC.update)(core, BATCH, KEY, CONFIG)
    jax.tree.map(
        partial(assert_close, rtol=1e-5, atol=1e-6),
        (after.parent, metrics),
        (expected, core_metrics),
    )


def targets_of_each(state: sac.State) -> jax.Array:
    """Targets without entropy of each of the actions that `max_backup` draws: (samples, batch)."""
    actions, _ = sac.sample(state.actor, BATCH.next_observations, NOISES)
    next_q = td3.values(state.target_critic, BATCH.next_observations, actions).min(0)
    return BATCH.rewards + 0.9 * (1 - BATCH.terminations) * next_q


def test_max_backup_takes_the_best_of_the_sampled() -> None:
    config, state = replace(OPTIONS, max_backup=True), make_state()
    each = targets_of_each(state)
    found = cql_lagrange.target_values(state, BATCH, KEY, config)
    assert_close(found, each.max(0), rtol=1e-5)
    assert (found >= each.mean(0) - 1e-6).all() and (found > each.mean(0) + 1e-3).any()


def test_max_backup_counts_the_entropy_of_the_action_it_took() -> None:
    config = replace(OPTIONS, max_backup=True, entropy_in_target=True)
    state = make_state()._replace(log_temperature=jnp.log(0.7))
    plain = cql_lagrange.target_values(state, BATCH, KEY, replace(config, entropy_in_target=False))
    found = cql_lagrange.target_values(state, BATCH, KEY, config)
    surprise = jnp.take_along_axis(
        sac.sample(state.actor, BATCH.next_observations, NOISES)[1],
        targets_of_each(state).argmax(0)[None],
        0,
    )[0]
    by_hand = -0.9 * 0.7 * surprise
    going_on = ~np.asarray(BATCH.terminations)
    assert_close((found - plain)[going_on], by_hand[going_on], atol=1e-5)
    assert_close(found[~going_on], BATCH.rewards[~going_on], atol=1e-6)


def test_entropy_counts_in_targets_only_if_asked_for() -> None:
    state = make_state()
    without = cql_lagrange.target_values(state, BATCH, KEY, OPTIONS)
    counted = cql_lagrange.target_values(
        state, BATCH, KEY, replace(OPTIONS, entropy_in_target=True)
    )
    assert not OPTIONS.entropy_in_target and jnp.abs(without - counted).max() > 0.1
    assert_close(counted, SAC.target_values(state, BATCH, KEY, CONFIG))


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
    for number, cloning in ((0, True), (60, True), (61, False)):
        at = before._replace(step=jnp.array(number))
        found = cql_lagrange.actor_loss(before.actor, at, BATCH, KEY, config)
        improving = sac.actor_loss(before.actor, at, BATCH, KEY, config)
        assert bool(jnp.isclose(found, improving)) != cloning


@pytest.mark.parametrize(("target_gap", "direction"), [(-100.0, 1), (100.0, -1)])
def test_multiplier_rises_above_the_target_and_falls_below(
    target_gap: float, direction: int
) -> None:
    config = replace(OPTIONS, target_gap=target_gap, multiplier_learning_rate=0.1)
    after, metrics = cql_lagrange.update_multiplier(options_state(), BATCH, KEY, config)
    assert direction * after.log_multiplier > 0.09
    assert metrics["multiplier"] == 1
    proposals = cql_sac.propose(options_state().parent.actor, BATCH, KEY, config)
    gaps = cql_sac.gaps(options_state().parent.critic, BATCH, *proposals)
    assert_close(metrics["gap"], gaps.mean(), rtol=1e-5)


def test_multiplier_is_bounded_and_weighs_the_penalty() -> None:
    assert_close(cql_lagrange.multiplier(jnp.array(50.0)), 1e6)
    state, update = options_state(), jax.jit(cql_lagrange.update)
    _, once = update(state, BATCH, KEY, OPTIONS)
    thrice = state._replace(log_multiplier=jnp.log(3.0))
    _, weighted = update(thrice, BATCH, KEY, OPTIONS)
    _, by_alpha = update(state, BATCH, KEY, replace(OPTIONS, alpha=3 * OPTIONS.alpha))
    assert_close(weighted["critic_loss"], by_alpha["critic_loss"], rtol=1e-5)
    assert weighted["critic_loss"] > once["critic_loss"]


# ---- all of it


def short_run(algorithm: Any, config: Any, **options: Any) -> training.Run:
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
        CQL_SAC, replace(CONFIG, **rates, discount=0.0, alpha=10.0), num_steps=200, every=50
    )
    assert all(np.isfinite(values).all() for values in run.metrics.values())
    loss = run.metrics["critic_loss"].mean(1)
    assert loss[-1] < loss[0]


def test_interrupted_options_go_on_to_the_same_bits(tmp_path: Path) -> None:
    config = replace(OPTIONS, target_gap=1.0, warm_start_steps=5, max_backup=True)
    whole = short_run(CQL_LAGRANGE, config, num_steps=30)

    def stop(run: training.Run) -> None:
        if len(run.steps) == 2:
            raise KeyboardInterrupt

    options = {"num_steps": 30, "checkpoint": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        short_run(CQL_LAGRANGE, config, callbacks=[stop], **options)
    assert any(tmp_path.iterdir())
    resumed = short_run(CQL_LAGRANGE, config, **options)
    jax.tree.map(np.testing.assert_array_equal, resumed.policy.state, whole.policy.state)
    assert resumed.metrics["multiplier"].shape == (3, 2)
