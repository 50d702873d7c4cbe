"""DQN, QR-DQN and CQL on it: what can be worked out by hand, and the bugs that others shipped."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from offline_tutor import data, environments, evaluation, training
from offline_tutor.algorithms import BC_DISCRETE, CQL_QR_DQN, DQN, QR_DQN, TD3_BC, dqn, qr_dqn
from offline_tutor.types import Transitions

SMALL: dict[str, Any] = {"hidden": (16,), "learning_rate": 1e-2, "tau": 0.02, "target_period": 1}
QR = CQL_QR_DQN.Config(**SMALL, num_quantiles=8)
CONFIGS: dict[Any, Any] = {
    BC_DISCRETE: BC_DISCRETE.Config(hidden=(16,), actor_learning_rate=1e-2),
    DQN: DQN.Config(**SMALL),
    QR_DQN: QR_DQN.Config(**SMALL, num_quantiles=8),
    CQL_QR_DQN: QR,
}
ALL = pytest.mark.parametrize("algorithm", CONFIGS, ids=lambda algorithm: algorithm.name)
Q_ALGORITHMS = pytest.mark.parametrize(
    "algorithm", [DQN, QR_DQN, CQL_QR_DQN], ids=lambda algorithm: algorithm.name
)
KEY = jax.random.key(0)
assert_close = np.testing.assert_allclose


def make_dataset(size: int = 300) -> data.Dataset:
    """The action is 2 where the first coordinate is positive, else 0; action 1 is never tried."""
    rng = np.random.default_rng(0)
    observations = rng.normal(size=(size, 3))
    terminations, truncations = np.zeros(size, bool), np.zeros(size, bool)
    terminations[49::100], truncations[99::100] = True, True
    return data.from_arrays(
        observations,
        2 * (observations[:, 0] > 0),
        rng.normal(size=size),
        next_observations=rng.normal(size=(size, 3)),
        terminations=terminations,
        truncations=truncations,
        num_actions=3,
    )


DATASET = make_dataset()
BATCH = jax.tree.map(jnp.asarray, DATASET.transitions)


def make_state(algorithm: Any, seed: int = 0) -> Any:
    return algorithm.init(jax.random.key(seed), CONFIGS[algorithm], DATASET.spec)


def lookup(table: Any) -> Any:
    """A network of one layer whose output at the i-th unit vector is the table's i-th row."""
    kernel = jnp.asarray(table, float)
    return {"layer0": {"kernel": kernel, "bias": jnp.zeros(kernel.shape[1])}}


# ---- the quantile loss


@pytest.mark.parametrize(
    ("fractions", "kappa", "expected"),
    [
        ([0.2, 0.7], 0.0, 2.0),
        ([0.2, 0.7], 2.0, 2.5),
        ([0.0, 0.4], 0.0, 2.2),
        ([0.0, 0.4], 2.0, 8.5 / 3),
    ],
)
def test_quantile_loss_by_others(fractions: list[float], kappa: float, expected: float) -> None:
    """Numbers of RLax's tests; large kappa would show a division by it."""
    predicted, targets = jnp.array([[-1.0, 3.0]]), jnp.array([[-3.0, 4.0, 2.0]])
    assert_close(
        qr_dqn.quantile_loss(predicted, jnp.array(fractions), targets, kappa), [expected], rtol=1e-6
    )


def test_quantile_loss_sums_over_predictions_and_averages_over_targets() -> None:
    """Numbers of SB3-contrib's tests."""
    midpoints = (jnp.arange(10) + 0.5) / 10
    for samples in (10, 3):
        ones = jnp.ones((1, samples))
        assert_close(qr_dqn.quantile_loss(jnp.zeros((1, 10)), midpoints, ones, 1.0), [2.5])


def settle(loss: Any, returns: jax.Array, num_quantiles: int) -> jax.Array:
    """A bandit of one state and one action: quantiles after many gradient steps on its returns."""
    midpoints = (jnp.arange(num_quantiles) + 0.5) / num_quantiles
    gradient = jax.grad(lambda q: loss(q[None], midpoints, returns[None], 0.0).sum())
    start = jnp.zeros(num_quantiles)
    return jax.lax.fori_loop(0, 5000, lambda i, q: q - gradient(q) / (10 + 0.1 * i), start)


def test_quantiles_of_a_bandit_are_those_of_its_returns() -> None:
    """And the bug with fractions on the axis of the targets would not find them."""
    returns = jnp.concatenate([jnp.linspace(-3, -2, 25), jnp.linspace(1, 5, 75)])
    expected = np.quantile(returns, (np.arange(5) + 0.5) / 5)
    assert_close(settle(qr_dqn.quantile_loss, returns, 5), expected, atol=0.1)

    def transposed(predicted: Any, fractions: Any, targets: Any, kappa: float) -> Any:
        errors = targets[:, None, :] - predicted[:, :, None]
        fractions = (jnp.arange(targets.shape[1]) + 0.5) / targets.shape[1]
        return (jnp.abs(fractions - (errors < 0)) * jnp.abs(errors)).mean(2).sum(1)

    assert np.abs(settle(transposed, returns, 5) - expected).max() > 1


# ---- targets


@Q_ALGORITHMS
def test_a_termination_ends_the_sum_and_a_time_limit_does_not(algorithm: Any) -> None:
    found = algorithm.target_values(make_state(algorithm), BATCH, KEY, CONFIGS[algorithm])
    ended, cut = np.flatnonzero(BATCH.terminations), np.flatnonzero(DATASET.truncations)
    assert_close(found[ended].T - BATCH.rewards[ended], 0, atol=1e-7)
    assert np.abs(found[cut].T - BATCH.rewards[cut]).max(-1).min() > 1e-3


def test_dqn_target_by_hand() -> None:
    config = DQN.Config(discount=0.5)
    rows = jnp.eye(2)
    state = dqn.State(jnp.zeros(()), lookup([[9, 0], [9, 0]]), lookup([[1, 2], [4, 3]]), None)
    batch = Transitions(rows, jnp.array([0, 1]), jnp.array([10.0, 20.0]), rows, jnp.array([0, 1]))
    assert_close(DQN.target_values(state, batch, KEY, config), [10 + 0.5 * 2, 20])


def test_qr_dqn_target_is_greedy_by_the_target_networks_mean() -> None:
    """Not by the trained network, not by the largest quantile."""
    config = QR_DQN.Config(discount=0.5, num_quantiles=2)
    target = lookup([[-4, 6, 2, 2]])  # means 1 and 2, the largest quantile belongs to the first
    state = dqn.State(jnp.zeros(()), lookup([[9, 9, 0, 0]]), target, None)
    batch = Transitions(jnp.eye(1), jnp.array([0]), jnp.ones(1), jnp.eye(1), jnp.zeros(1))
    assert_close(QR_DQN.target_values(state, batch, KEY, config), [[1 + 0.5 * 2, 1 + 0.5 * 2]])


@Q_ALGORITHMS
def test_target_network_moves_hard_or_softly(algorithm: Any) -> None:
    start = make_state(algorithm)
    hard = replace(CONFIGS[algorithm], tau=1.0, target_period=2)
    first, _ = algorithm.update(start, BATCH, KEY, hard)
    second, _ = algorithm.update(first, BATCH, KEY, hard)
    same = lambda a, b: jax.tree.map(lambda x, y: assert_close(x, y, rtol=1e-6), a, b)  # noqa: E731
    same(first.target_network, start.network)
    same(second.target_network, second.network)
    soft, _ = algorithm.update(start, BATCH, KEY, replace(hard, tau=0.25, target_period=1))
    between = jax.tree.map(lambda a, b: 0.75 * a + 0.25 * b, start.network, soft.network)
    jax.tree.map(lambda a, b: assert_close(a, b, atol=1e-6), soft.target_network, between)


# ---- the penalty


def penalty(q: Any, actions: Any, alpha: float = 1.0, quantiles: int = 1) -> Any:
    """What CQL adds to its parent's loss for a table of quantiles; and its gradient by them."""
    config = CQL_QR_DQN.Config(alpha=alpha, num_quantiles=quantiles)
    rows, targets = jnp.eye(len(q)), jnp.zeros((len(q), quantiles))
    batch = Transitions(rows, jnp.asarray(actions), jnp.zeros(len(q)), rows, jnp.zeros(len(q)))

    def difference(network: Any) -> Any:
        state = dqn.fresh_state(network, 0.1)
        ours, parents = (
            algorithm.loss(network, state, batch, targets, KEY, config)
            for algorithm in (CQL_QR_DQN, QR_DQN)
        )
        return ours - parents

    value, gradient = jax.value_and_grad(difference)(lookup(q))
    return value, gradient["layer0"]["kernel"]


def test_penalty_by_others() -> None:
    value, _ = penalty([[1, 2, 3], [0, 0, 0], [-1, 4, 2]], [2, 0, 1])
    assert_close(value, 0.5463544956133551, rtol=1e-6)


def test_penalty_pushes_down_by_the_softmax_and_up_at_the_data() -> None:
    """A penalty without its data term, the bug of many, would push everything down."""
    q = np.array([[1.0, 2.0, 3.0]])
    _, gradient = penalty(q, [0], alpha=2.0)
    assert_close(gradient, 2 * (jax.nn.softmax(q) - jnp.eye(3)[:1]), rtol=1e-5, atol=1e-6)
    assert gradient[0, 0] < 0 < min(gradient[0, 1:])
    assert_close(gradient.sum(), 0, atol=1e-6)


def test_penalty_sees_means_of_quantiles() -> None:
    """Spread does not count: the logsumexp is over actions, not over quantiles."""
    narrow, _ = penalty([[1, 1, 2, 2]], [0], quantiles=2)
    wide, _ = penalty([[-50, 52, 2, 2]], [0], quantiles=2)
    assert_close(wide, narrow, rtol=1e-4)
    assert_close(narrow, np.log(np.exp(1) + np.exp(2)) - 1, rtol=1e-4)


def test_penalty_does_not_overflow() -> None:
    value, gradient = penalty([[1e4, 0.0]], [1])
    assert_close(value, 1e4, rtol=1e-3)
    assert np.isfinite(gradient).all()


def test_without_penalty_cql_is_its_parent() -> None:
    state = make_state(QR_DQN)
    ours, _ = CQL_QR_DQN.update(state, BATCH, KEY, replace(QR, alpha=0.0))
    parents, _ = QR_DQN.update(state, BATCH, KEY, QR)
    jax.tree.map(lambda a, b: assert_close(a, b, atol=1e-6), ours, parents)
    with_penalty, _ = CQL_QR_DQN.update(state, BATCH, KEY, QR)
    assert not np.allclose(
        with_penalty.network["layer0"]["kernel"], parents.network["layer0"]["kernel"], atol=1e-4
    )


def test_penalty_lowers_what_was_never_tried() -> None:
    """Rewards do not say which action is good, so that all the difference comes from the data."""
    config = replace(QR, alpha=5.0)
    run = training.train(
        CQL_QR_DQN, DATASET, config=config, num_steps=300, batch_size=64, seeds=2, progress=False
    )
    q = run.policy.map(
        lambda one: QR_DQN.values(one.state.network, BATCH.observations, config)
    ).mean((0, 1))
    assert q[1] < min(q[0], q[2])
    chosen = run.policy.seed(0)(BATCH.observations)
    assert (chosen == BATCH.actions).mean() > 0.95


# ---- what all share


@ALL
def test_training_on_a_dataset(algorithm: Any) -> None:
    run = training.train(
        algorithm, DATASET, config=CONFIGS[algorithm], num_steps=30, batch_size=16, every=20,
        seeds=(3, 7), progress=False,
    )  # fmt: skip
    assert {rows.shape for rows in run.metrics.values()} == {(2, 2)}
    assert all(np.isfinite(rows).all() for rows in run.metrics.values())
    actions = run.policy.seed(1)(BATCH.observations)
    assert actions.shape == (len(DATASET),)
    assert set(np.unique(actions)) <= {0, 1, 2}


@Q_ALGORITHMS
def test_value_is_that_of_the_action_taken(algorithm: Any) -> None:
    state, config = make_state(algorithm), CONFIGS[algorithm]
    q = algorithm.values(state.network, BATCH.observations, config)
    actions = algorithm.act(state, BATCH.observations, config)
    assert_close(algorithm.value(state, BATCH.observations, config), dqn.take(q, actions))
    assert len(np.unique(actions)) > 1


@Q_ALGORITHMS
def test_exploring_takes_any_action_now_and_then(algorithm: Any) -> None:
    state, key = make_state(algorithm), jax.random.key(1)
    observations = jnp.tile(BATCH.observations[:1], (3000, 1))
    config = replace(CONFIGS[algorithm], epsilon=0.3)
    greedy = algorithm.act(state, observations, config)
    explored = algorithm.explore(state, observations, key, config)
    assert_close((explored != greedy).mean(), 0.3 * 2 / 3, atol=0.03)
    unmoved = algorithm.explore(state, observations, key, replace(config, epsilon=0.0))
    assert (unmoved == greedy).all()


def test_cloning_does_what_was_done() -> None:
    run = training.train(
        BC_DISCRETE, DATASET, config=CONFIGS[BC_DISCRETE], num_steps=300, batch_size=64, seeds=1,
        progress=False,
    )  # fmt: skip
    assert (run.policy.seed(0)(BATCH.observations) == BATCH.actions).mean() > 0.97
    assert run.metrics["actor_loss"][-1] < 0.3


@pytest.mark.parametrize("algorithm", [DQN, CQL_QR_DQN], ids=["dqn", "cql_qr_dqn"])
def test_training_online(algorithm: Any) -> None:
    run, replay = training.train_online(
        algorithm, environments.CartPole(), config=CONFIGS[algorithm], num_steps=300,
        random_steps=200, batch_size=16, seeds=2, every=100, progress=False,
    )  # fmt: skip
    assert replay.transitions.actions.shape == (2, 300)
    assert np.issubdtype(replay.transitions.actions.dtype, np.integer)
    assert 0.4 < replay.transitions.actions[:, :200].mean() < 0.6
    assert np.isnan(run.metrics["loss"][0]).all() and np.isfinite(run.metrics["loss"][-1]).all()
    assert evaluation.evaluate(run.policy, environments.CartPole(), episodes=3).shape == (2, 3)
    assert evaluation.evaluate(run.policy.seed(0), "CartPole-v1", episodes=3).min() >= 8


@ALL
def test_continuous_actions_are_refused(algorithm: Any) -> None:
    with pytest.raises(ValueError, match=r"continuous actions.*num_actions"):
        training.train(algorithm, data.load_dataset("pendulum/medium-v0"), progress=False)
    with pytest.raises(ValueError, match="discrete actions"):
        training.train(TD3_BC, DATASET, progress=False)
