"""Losses and updates against numbers made by the authors' own code, in float64.

Reads every .npz in the folder named by OFFLINE_TUTOR_REFERENCE, by default tests/reference. Sizes
and hyper-parameters come from each file's `meta`, so another file of a kind must pass as well.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from offline_tutor.algorithms import (
    cql_lagrange,
    cql_qr_dqn,
    cql_sac,
    dqn,
    qr_dqn,
    sac,
    td3,
    td3_bc,
)
from offline_tutor.types import Transitions

FOLDER = Path(os.environ.get("OFFLINE_TUTOR_REFERENCE", Path(__file__).parents[1] / "reference"))
FILES = sorted(FOLDER.glob("*.npz"))
assert_close = np.testing.assert_allclose


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


class Reference:
    """One file: its arrays, its hyper-parameters."""

    def __init__(self, path: Path):
        with np.load(path, allow_pickle=False) as file:
            self.arrays = dict(file)
        self.meta = json.loads(str(self.arrays.pop("meta")))

    def network(self, name: str) -> dict[str, dict[str, jax.Array]]:
        """The parameters saved under `name/layer<i>/kernel` and `/bias`."""
        layers: dict[str, dict[str, jax.Array]] = {}
        for key, array in self.arrays.items():
            if key.startswith(name + "/"):
                layer, kind = key.removeprefix(name + "/").split("/")
                layers.setdefault(layer, {})[kind] = jnp.asarray(array)
        return layers


def check_td3_bc(reference: Reference, _: object) -> None:
    """Every loss, the final parameters and the final policy after the file's updates."""
    meta, arrays = reference.meta, reference.arrays
    assert meta["adam_eps"] == 1e-8, "the package uses Adam's own epsilon"
    config = td3_bc.Config(
        actor_learning_rate=meta["learning_rate"],
        critic_learning_rate=meta["learning_rate"],
        discount=meta["discount"],
        tau=meta["tau"],
        policy_noise=meta["policy_noise"],
        noise_clip=meta["noise_clip"],
        policy_delay=meta["policy_freq"],
        max_action=meta["max_action"],
        alpha=meta["alpha"],
    )
    state = _td3_state(reference, "initial", config)
    updates = len(arrays["batches/rewards"])
    for i in range(updates):
        batch = Transitions(
            observations=jnp.asarray(arrays["batches/observations"][i]),
            actions=jnp.asarray(arrays["batches/actions"][i]),
            rewards=jnp.asarray(arrays["batches/rewards"][i, :, 0]),
            next_observations=jnp.asarray(arrays["batches/next_observations"][i]),
            terminations=jnp.asarray(1 - arrays["batches/not_done"][i, :, 0]),
        )
        noise = jnp.asarray(arrays["batches/noise"][i])
        targets = td3.target_values(state, batch, noise, config)
        state, metrics = td3.update_critic(state, batch, targets, config)
        assert_close(
            metrics["critic_loss"], arrays["expected/critic_loss"][i], rtol=1e-10, atol=1e-10
        )
        expected = arrays["expected/actor_loss"][i]
        assert np.isnan(expected) == (int(state.step) % config.policy_delay != 0)
        if not np.isnan(expected):
            state, actor_loss = td3.update_actor(state, batch, config, td3_bc.actor_loss)
            assert_close(actor_loss, expected, rtol=1e-10, atol=1e-10)
    final = _td3_state(reference, "final", config)
    for name in ("actor", "critic", "target_actor", "target_critic"):
        ours, theirs = getattr(state, name), getattr(final, name)
        jax.tree.map(lambda a, b: assert_close(a, b, rtol=1e-10, atol=1e-10), ours, theirs)
    actions = td3_bc.act(state, jnp.asarray(arrays["probe/observations"]), config)
    assert_close(actions, arrays["probe/actions"], rtol=1e-10, atol=1e-10)


def _td3_state(reference: Reference, when: str, config: td3.Config) -> td3.State:
    def twins(name: str) -> Any:
        return reference.network(f"{when}/{name}1"), reference.network(f"{when}/{name}2")

    actor, critic = reference.network(f"{when}/actor"), twins("critic")
    return td3.State(
        step=jnp.zeros((), int),
        actor=actor,
        critic=critic,
        target_actor=reference.network(f"{when}/actor_target"),
        target_critic=twins("critic_target"),
        actor_optimizer=optax.adam(config.actor_learning_rate).init(actor),
        critic_optimizer=optax.adam(config.critic_learning_rate).init(critic),
    )


def check_cql_qr_dqn(reference: Reference, _: object) -> None:
    """Next actions, both terms of the loss and its gradient by the quantiles.

    The file holds quantiles and no network, so a network of one layer looks them up: its weights
    are the quantiles, observation i is the i-th unit vector.
    """
    meta, arrays = reference.meta, reference.arrays
    config = cql_qr_dqn.Config(
        discount=meta["discount"],
        num_quantiles=meta["n_quantiles"],
        kappa=meta["kappa"],
        alpha=meta["alpha"],
    )
    network, target_network = (
        {"layer0": {"kernel": table, "bias": jnp.zeros(table.shape[1])}}
        for table in (
            jnp.asarray(arrays[key].reshape(len(arrays[key]), -1))
            for key in ("quantiles", "target_quantiles")
        )
    )
    state = dqn.State(jnp.zeros((), int), network, target_network, None)
    rows = jnp.eye(len(arrays["actions"]))
    batch = Transitions(rows, arrays["actions"], arrays["rewards"], rows, arrays["dones"])
    deployed = state._replace(network=target_network)
    close = partial(assert_close, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(
        qr_dqn.act(deployed, rows, config), arrays["expected_next_actions"]
    )
    targets = qr_dqn.target_values(state, batch, config)
    predicted = qr_dqn.choose(arrays["quantiles"], arrays["actions"])
    midpoints = (jnp.arange(config.num_quantiles) + 0.5) / config.num_quantiles
    per_sample = qr_dqn.quantile_loss(predicted, midpoints, targets, config.kappa)
    close(per_sample, arrays["expected_td_loss_per_sample"])
    td_loss = qr_dqn.loss(network, batch, targets, config)
    close(td_loss, arrays["expected_td_loss"])
    loss, gradient = jax.value_and_grad(cql_qr_dqn.loss)(network, batch, targets, config)
    close((loss - td_loss) / config.alpha, arrays["expected_penalty"])
    (expected,) = (arrays[key] for key in arrays if key.startswith("expected_grad_of_td_plus"))
    close(gradient["layer0"]["kernel"].reshape(expected.shape), expected)


def check_cql_sac(reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every loss, mean and gradient of one update, and its options where the file has them."""
    meta, arrays = reference.meta, reference.arrays
    assert meta["cql_temp"] == 1 and meta["importance_sample"], "what the package does"
    assert meta["log_std_clip"] == [-20, 2], "what the package does"
    expected, noise, rows = (
        {key.removeprefix(kind): jnp.asarray(arrays[key]) for key in arrays if key.startswith(kind)}
        for kind in ("expected/", "noise/", "batch/")
    )
    lagrange = meta["lagrange"]
    config = cql_lagrange.Config(
        discount=meta["discount"],
        target_entropy=meta["target_entropy"],
        entropy_in_target=meta["backup_entropy"],
        num_samples=meta["cql_n_actions"],
        alpha=meta["cql_alpha"],
        max_backup=meta["max_target_backup"],
        target_gap=meta["target_action_gap"] if lagrange else None,
    )
    actor = reference.network("params/actor")
    critic, target_critic = (
        (reference.network(f"params/{name}1"), reference.network(f"params/{name}2"))
        for name in ("critic", "critic_target")
    )
    fields = (jnp.zeros((), int), actor, critic, target_critic, jnp.asarray(meta["log_alpha"]))
    state = sac.State(*fields, None, None, None)
    batch = Transitions(
        rows["observations"],
        rows["actions"],
        rows["rewards"][:, 0],
        rows["next_observations"],
        rows["dones"][:, 0],
    )
    close = partial(assert_close, rtol=1e-10, atol=1e-10)

    backup = noise["normal_backup"]
    backup = backup[None] if backup.ndim == 2 else backup.swapaxes(0, 1)
    targets = cql_lagrange.target_values(state, batch, backup, config)
    close(jnp.exp(state.log_temperature), expected["alpha"])
    q1, q2 = td3.values(critic, batch.observations, batch.actions)
    close([q1.mean(), q2.mean()], [expected["average_qf1"], expected["average_qf2"]])
    errors = [((q - targets) ** 2).mean() for q in (q1, q2)]
    close(errors, [expected["qf1_loss"], expected["qf2_loss"]])
    _check_actor(reference, state, batch, noise["normal_actor"], config)

    samples = jnp.stack([noise["normal_current"], noise["normal_next"]]).swapaxes(1, 2)
    draws = iter([noise["uniform_actions"].swapaxes(0, 1), samples])
    monkeypatch.setattr(jax.random, "uniform", lambda *args, **kwargs: next(draws))
    monkeypatch.setattr(jax.random, "normal", lambda *args, **kwargs: next(draws))
    proposals = cql_sac.propose(state, batch, jax.random.key(0), config)
    monkeypatch.setattr(cql_sac, "propose", lambda *args: proposals)
    gaps = cql_sac.gaps(critic, batch, *proposals)
    close(gaps, [expected["cql_qf1_diff"], expected["cql_qf2_diff"]])
    log_multiplier = jnp.asarray(meta["log_alpha_prime"] if lagrange else 0.0)
    weight = config.alpha * cql_lagrange.multiplier(log_multiplier)
    target_gap = config.target_gap or 0.0
    penalties = [expected["cql_min_qf1_loss"], expected["cql_min_qf2_loss"]]
    close(weight * (gaps - target_gap), penalties)
    if lagrange:
        loss = cql_lagrange.multiplier_loss(log_multiplier, gaps, target_gap, config.alpha)
        close(loss, expected["lagrange_loss"])
    total, gradient = jax.value_and_grad(cql_sac.critic_loss)(
        critic, state, batch, targets, jax.random.key(0), replace(config, alpha=weight)
    )
    close(total - weight * 2 * target_gap, expected["critic_loss_total"])
    theirs = reference.network("grads/critic1"), reference.network("grads/critic2")
    jax.tree.map(close, gradient, theirs)


def _check_actor(
    reference: Reference, state: Any, batch: Transitions, noise: jax.Array, config: Any
) -> None:
    """Loss and gradient of the actor, and the temperature's loss."""
    expected = reference.arrays
    close = partial(assert_close, rtol=1e-10, atol=1e-10)
    density = sac.sample(state.actor, batch.observations, noise)[1].mean()
    close(density, expected["expected/log_pi"])
    loss = sac.temperature_loss(state.log_temperature, density, batch, config)
    close(loss, expected["expected/alpha_loss"])
    loss, gradient = jax.value_and_grad(cql_lagrange.actor_loss)(
        state.actor, state, batch, noise, config
    )
    close(loss, expected["expected/actor_loss"])
    jax.tree.map(close, gradient, reference.network("grads/actor"))


CHECKS: dict[str, Callable[[Reference], None]] = {
    "TD3+BC": check_td3_bc,
    "CQL(H) on QR-DQN": check_cql_qr_dqn,
    "CQL(H) on SAC": check_cql_sac,
}


def test_there_are_references() -> None:
    """An empty or misspelled folder must not pass in silence."""
    assert any(Reference(path).meta["algorithm"] in CHECKS for path in FILES), (
        f"no references in {FOLDER}"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reference(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Reference(path)
    algorithm = reference.meta["algorithm"]
    if algorithm not in CHECKS:
        pytest.skip(f"{algorithm} is not in the package yet")
    CHECKS[algorithm](reference, monkeypatch)
