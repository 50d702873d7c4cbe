"""Losses and updates against numbers made by the authors' own code, in float64.

Reads every .npz in the folder named by OFFLINE_TUTOR_REFERENCE, by default tests/reference. Sizes
and hyper-parameters come from each file's `meta`, so another file of a kind must pass as well.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
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
    CQL_QR_DQN,
    QR_DQN,
    TD3_BC,
    cql_lagrange,
    cql_qr_dqn,
    cql_sac,
    dqn,
    qr_dqn,
    sac,
    td3,
)
from offline_tutor.types import Transitions

FOLDER = Path(os.environ.get("OFFLINE_TUTOR_REFERENCE", Path(__file__).parents[1] / "reference"))
FILES = sorted(FOLDER.glob("*.npz"))
KEY = jax.random.key(0)
close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)


@contextlib.contextmanager
def drawn(normal: Sequence[jax.Array] = (), uniform: Sequence[jax.Array] = ()) -> Iterator[None]:
    """These arrays, in turn, in place of random numbers: the noise that the authors' code drew.

    Each must have the shape that is asked for, and all must be used.
    """
    waiting = {"normal": list(normal), "uniform": list(uniform)}

    def draw(name: str, key: jax.Array, shape: tuple[int, ...], **_: Any) -> jax.Array:
        array = waiting[name].pop(0)
        assert array.shape == shape, f"{name} of {shape}, and there is {array.shape}"
        return array

    with pytest.MonkeyPatch.context() as patch:
        for name in waiting:
            patch.setattr(jax.random, name, partial(draw, name))
        yield
    assert not any(waiting.values()), "it did not draw all the noise"


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
        self.algorithm = self.meta.get("algorithm", path.stem)

    def network(self, name: str) -> dict[str, dict[str, jax.Array]]:
        """The parameters saved under `name/layer<i>/kernel` and `/bias`."""
        layers: dict[str, dict[str, jax.Array]] = {}
        for key, array in self.arrays.items():
            if key.startswith(name + "/"):
                layer, kind = key.removeprefix(name + "/").split("/")
                layers.setdefault(layer, {})[kind] = jnp.asarray(array)
        return layers


def check_td3_bc(reference: Reference) -> None:
    """Every loss, the final parameters and the final policy after the file's updates."""
    meta, arrays = reference.meta, reference.arrays
    assert meta["adam_eps"] == 1e-8, "the package uses Adam's own epsilon"
    config = TD3_BC.Config(
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

    @jax.jit
    def update(state: td3.State, batch: Transitions, noise: jax.Array) -> Any:
        with drawn(normal=[noise]):
            return TD3_BC.update(state, batch, KEY, config)

    state = _td3_state(reference, "initial", config)
    for i in range(len(arrays["batches/rewards"])):
        batch = Transitions(
            observations=jnp.asarray(arrays["batches/observations"][i]),
            actions=jnp.asarray(arrays["batches/actions"][i]),
            rewards=jnp.asarray(arrays["batches/rewards"][i, :, 0]),
            next_observations=jnp.asarray(arrays["batches/next_observations"][i]),
            terminations=jnp.asarray(1 - arrays["batches/not_done"][i, :, 0]),
        )
        state, metrics = update(state, batch, jnp.asarray(arrays["batches/noise"][i]))
        close(metrics["critic_loss"], arrays["expected/critic_loss"][i])
        close(metrics["actor_loss"], arrays["expected/actor_loss"][i])  # NaN where it did not move
    final = _td3_state(reference, "final", config)
    for name in ("actor", "critic", "target_actor", "target_critic"):
        jax.tree.map(close, getattr(state, name), getattr(final, name))
    actions = TD3_BC.act(state, jnp.asarray(arrays["probe/observations"]), config)
    close(actions, arrays["probe/actions"])


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


def check_cql_qr_dqn(reference: Reference) -> None:
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
    np.testing.assert_array_equal(
        QR_DQN.act(deployed, rows, config), arrays["expected_next_actions"]
    )
    targets = CQL_QR_DQN.target_values(state, batch, KEY, config)
    predicted = dqn.take(arrays["quantiles"], arrays["actions"])
    midpoints = (jnp.arange(config.num_quantiles) + 0.5) / config.num_quantiles
    per_sample = qr_dqn.quantile_loss(predicted, midpoints, targets, config.kappa)
    close(per_sample, arrays["expected_td_loss_per_sample"])
    td_loss = QR_DQN.loss(network, state, batch, targets, KEY, config)
    close(td_loss, arrays["expected_td_loss"])
    loss, gradient = jax.value_and_grad(CQL_QR_DQN.loss)(
        network, state, batch, targets, KEY, config
    )
    close((loss - td_loss) / config.alpha, arrays["expected_penalty"])
    (expected,) = (arrays[key] for key in arrays if key.startswith("expected_grad_of_td_plus"))
    close(gradient["layer0"]["kernel"].reshape(expected.shape), expected)


def check_cql_sac(reference: Reference) -> None:
    """Every loss, mean and gradient of one update, and its options where the file has them."""
    meta, arrays = reference.meta, reference.arrays
    assert meta["cql_temp"] == 1 and meta["importance_sample"], "what the package does"
    assert meta["log_std_clip"] == [-20, 2], "what the package does"
    expected, noise, rows = (
        {key.removeprefix(kind): jnp.asarray(arrays[key]) for key in arrays if key.startswith(kind)}
        for kind in ("expected/", "noise/", "batch/")
    )
    noise = {
        name: array.swapaxes(0, 1) if array.ndim == 3 else array for name, array in noise.items()
    }
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
    parent = cql_lagrange.PARENT
    with drawn(normal=[noise["normal_backup"]]):
        targets = parent.target_values(state, batch, KEY, config)
    close(jnp.exp(state.log_temperature), expected["alpha"])
    q = td3.values(critic, batch.observations, batch.actions)
    close(q.mean(-1), [expected["average_qf1"], expected["average_qf2"]])
    errors = ((q - targets) ** 2).mean(-1)
    close(errors, [expected["qf1_loss"], expected["qf2_loss"]])
    _check_actor(reference, state, batch, noise["normal_actor"], config)

    samples = partial(
        drawn, [noise["normal_current"], noise["normal_next"]], [noise["uniform_actions"]]
    )
    with samples():
        proposals = cql_sac.propose(actor, batch, KEY, config)
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
    with samples():
        total, gradient = jax.value_and_grad(parent.critic_loss)(
            critic, state, batch, targets, KEY, replace(config, alpha=weight)
        )
    close(total - weight * 2 * target_gap, expected["critic_loss_total"])
    theirs = reference.network("grads/critic1"), reference.network("grads/critic2")
    jax.tree.map(close, gradient, theirs)


def _check_actor(
    reference: Reference, state: Any, batch: Transitions, noise: jax.Array, config: Any
) -> None:
    """Loss and gradient of the actor, and the temperature's loss."""
    expected = reference.arrays
    density = sac.sample(state.actor, batch.observations, noise)[1].mean()
    close(density, expected["expected/log_pi"])
    loss = sac.temperature_loss(state.log_temperature, density, batch, config)
    close(loss, expected["expected/alpha_loss"])
    with drawn(normal=[noise]):
        loss, gradient = jax.value_and_grad(cql_lagrange.PARENT.actor_loss)(
            state.actor, state, batch, KEY, config
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
    assert any(Reference(path).algorithm in CHECKS for path in FILES), f"no references in {FOLDER}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reference(path: Path) -> None:
    reference = Reference(path)
    if reference.algorithm not in CHECKS:
        pytest.skip(f"{reference.algorithm} is not in the package yet")
    CHECKS[reference.algorithm](reference)
