"""Algorithms written as a user would, each trained by the engine as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from offline_tutor import data, training
from offline_tutor.algorithms import BC, TD3, TD3_BC, bc, td3
from offline_tutor.algorithms.algorithm import Functions
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.data.sampling import Mixed
from offline_tutor.networks import gradient_step, init_mlp, mlp
from offline_tutor.policies import load_policy
from offline_tutor.types import Array, Metrics, Params, Spec, Transitions


def make_dataset(size: int = 120) -> data.Dataset:
    """Rewards are high where the action is; episodes have 12 rows, every second one is cut."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (size, 2))
    terminations, truncations = np.zeros(size, bool), np.zeros(size, bool)
    terminations[11::24], truncations[23::24] = True, True
    return data.from_arrays(
        rng.normal(size=(size, 3)),
        actions,
        actions[:, 0],
        next_observations=rng.normal(size=(size, 3)),
        terminations=terminations,
        truncations=truncations,
    )


DATASET = make_dataset()
OPTIONS: dict[str, Any] = {"num_steps": 20, "every": 10, "batch_size": 16, "progress": False}
SEEN = DATASET.transitions.observations


def train(algorithm: Any, dataset: data.Dataset = DATASET, **options: Any) -> training.Run:
    options = OPTIONS | {"config": algorithm.Config(hidden=(8,)), "seeds": (3, 7)} | options
    run = training.train(algorithm, dataset, **options)
    assert all(np.isfinite(means).all() for means in run.metrics.values())
    return run


def assert_same_policy(a: Any, b: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, a.state, b.state)
    np.testing.assert_array_equal(a.seed(1)(SEEN), b.seed(1)(SEEN))


# ---- IQL (Kostrikov et al. 2022): a value network beside the critics


class IQLConfig(Hyperparameters):
    hidden: tuple[int, ...] = (256, 256)
    learning_rate: float = 3e-4
    discount: float = 0.99
    tau: float = 0.005
    expectile: float = 0.7
    temperature: float = 3.0


class IQLState(NamedTuple):
    step: Array
    actor: Params
    critic: td3.Critic
    target_critic: td3.Critic
    value: Params
    optimizers: tuple[Any, Any, Any]


def iql_init(key: Array, config: IQLConfig, spec: Spec) -> IQLState:
    keys, inputs = jax.random.split(key, 4), spec.observation_dim
    actor = init_mlp(keys[0], inputs, (*config.hidden, spec.action_dim))
    critic = tuple(init_mlp(k, inputs + spec.action_dim, (*config.hidden, 1)) for k in keys[1:3])
    value = init_mlp(keys[3], inputs, (*config.hidden, 1))
    adam = optax.adam(config.learning_rate)
    optimizers = tuple(map(adam.init, (actor, critic, value)))
    return IQLState(jnp.zeros((), int), actor, critic, critic, value, optimizers)


def iql_update(
    state: IQLState, batch: Transitions, key: Array, config: IQLConfig
) -> tuple[IQLState, Metrics]:
    q = td3.values(state.target_critic, batch.observations, batch.actions).min(0)

    def value_loss(value: Params) -> Array:
        error = q - mlp(value, batch.observations)[:, 0]
        return (jnp.abs(config.expectile - (error < 0)) * error**2).mean()

    def critic_loss(critic: td3.Critic) -> Array:
        next_value = mlp(value, batch.next_observations)[:, 0]
        targets = batch.rewards + config.discount * (1 - batch.terminations) * next_value
        return ((td3.values(critic, batch.observations, batch.actions) - targets) ** 2).mean()

    def actor_loss(actor: Params) -> Array:
        advantage = q - mlp(value, batch.observations)[:, 0]
        weight = jnp.minimum(jnp.exp(config.temperature * advantage), 100.0)
        proposal = bc.policy(actor, batch.observations, 1.0)
        return (weight[:, None] * (proposal - batch.actions) ** 2).mean()

    of_actor, of_critic, of_value = state.optimizers
    rate = config.learning_rate
    value, of_value, loss = gradient_step(value_loss, state.value, of_value, rate)
    actor, of_actor, actor_error = gradient_step(actor_loss, state.actor, of_actor, rate)
    critic, of_critic, error = gradient_step(critic_loss, state.critic, of_critic, rate)
    target = optax.incremental_update(critic, state.target_critic, config.tau)
    optimizers = of_actor, of_critic, of_value
    metrics = {"value_loss": loss, "critic_loss": error, "actor_loss": actor_error}
    return IQLState(state.step + 1, actor, critic, target, value, optimizers), metrics


IQL = Functions(
    name="iql",
    Config=IQLConfig,
    init=iql_init,
    update=iql_update,
    act=lambda state, observations, config: bc.policy(state.actor, observations, 1.0),
    value=lambda state, observations, config: mlp(state.value, observations)[:, 0],
)


def test_iql_trains_resumes_and_is_saved(tmp_path: Path) -> None:
    whole = train(IQL)
    assert set(whole.metrics) == {"value_loss", "critic_loss", "actor_loss"}
    train(IQL, num_steps=10, checkpoint=tmp_path)
    resumed = train(IQL, checkpoint=tmp_path)
    assert resumed.steps.tolist() == [10, 20]
    assert_same_policy(resumed.policy, whole.policy)
    whole.policy.save(tmp_path / "policy.npz")
    loaded = load_policy(tmp_path / "policy.npz", IQL)
    assert_same_policy(loaded, whole.policy)
    np.testing.assert_array_equal(loaded.seed(0).value(SEEN), whole.policy.seed(0).value(SEEN))


def test_iql_serves_several_configurations() -> None:
    configs = [IQLConfig(hidden=(8,), expectile=tau) for tau in (0.5, 0.9)]
    run = train(IQL, config=configs)
    assert_same_policy(run.select(1).policy, train(IQL, config=configs[1]).policy)


# ---- a replaced actor loss (AWR, Peng et al. 2019): clone what was better than the policy


def awr_loss(actor: Params, state: Any, batch: Transitions, key: Array, config: Any) -> Array:
    q = td3.values(state.critic[:1], batch.observations, batch.actions)[0]
    own = bc.policy(state.actor, batch.observations, config.max_action)
    advantage = q - td3.values(state.critic[:1], batch.observations, own)[0]
    weight = jnp.minimum(jnp.exp(advantage), 20.0)
    proposal = bc.policy(actor, batch.observations, config.max_action)
    return (weight[:, None] * (proposal - batch.actions) ** 2).mean()


def test_an_actor_loss_is_replaced() -> None:
    run = train(replace(TD3, name="awr", actor_loss=awr_loss))
    usual = train(TD3)
    assert (run.metrics["actor_loss"] > 0).all()  # a distance, and TD3's is minus a value
    assert not np.allclose(run.policy.seed(0)(SEEN), usual.policy.seed(0)(SEEN), atol=1e-4)


# ---- a target that asks for the data's next action (ReBRAC, Tarasov et al. 2023)


class ReBRACConfig(TD3_BC.Config):
    critic_weight: float = 0.1


def rebrac_targets(state: Any, batch: Transitions, key: Array, config: ReBRACConfig) -> Array:
    assert batch.next_actions is not None
    noise = config.policy_noise * jax.random.normal(key, batch.actions.shape)
    noise = jnp.clip(noise, -config.noise_clip, config.noise_clip)
    actions = bc.policy(state.target_actor, batch.next_observations, config.max_action) + noise
    actions = jnp.clip(actions, -config.max_action, config.max_action)
    next_q = td3.values(state.target_critic, batch.next_observations, actions).min(0)
    next_q -= config.critic_weight * ((actions - batch.next_actions) ** 2).sum(-1)
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


REBRAC = replace(TD3_BC, name="rebrac", Config=ReBRACConfig, target_values=rebrac_targets)


def test_a_target_asks_for_the_next_action_of_the_data() -> None:
    known = DATASET.with_next_actions()
    configs = [ReBRACConfig(hidden=(8,), critic_weight=weight) for weight in (0.0, 5.0)]
    run = train(REBRAC, known, config=configs)
    free, bound = (run.select(i).metrics["q"] for i in range(2))
    assert (bound < free).all()
    plain = train(TD3_BC, known)
    np.testing.assert_allclose(free, plain.metrics["q"], rtol=1e-5)


# ---- networks of one's own: layer norm, and pictures


class Normed(nn.Module):
    """Two layers with layer norm between them."""

    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return nn.Dense(self.outputs)(nn.relu(nn.LayerNorm()(nn.Dense(8)(x))))


class Picture(nn.Module):
    """A small convolutional network for pictures of bytes."""

    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.relu(nn.Conv(4, (3, 3), strides=2)(x.astype(float) / 255))
        return nn.Dense(self.outputs)(x.reshape(*x.shape[:-3], -1))


def cloning_with(network: type[Any]) -> Any:
    """Behaviour cloning through another network."""

    def act(state: bc.State, observations: Array, config: bc.Config) -> Array:
        return jnp.tanh(network(2).apply({"params": state.actor}, observations))

    def init(key: Array, config: bc.Config, spec: Spec) -> bc.State:
        blank = jnp.zeros((1, *spec.observation_shape))
        params = network(spec.action_dim).init(key, blank)["params"]
        return bc.first_state(params, config.actor_learning_rate)

    def actor_loss(actor: Any, state: Any, batch: Transitions, key: Array, config: Any) -> Array:
        proposal = act(state._replace(actor=actor), batch.observations, config)
        return ((proposal - batch.actions) ** 2).mean()

    return replace(BC, name=network.__name__, init=init, actor_loss=actor_loss, act=act)


def test_layer_norm_in_a_network() -> None:
    config = BC.Config(actor_learning_rate=1e-2)
    run = train(cloning_with(Normed), config=config, num_steps=60, every=30)
    assert {"Dense_0", "Dense_1", "LayerNorm_0"} == set(run.policy.state.actor)
    loss = run.metrics["actor_loss"]
    assert (loss[1] < loss[0]).all()


def picture_dataset() -> data.Dataset:
    """Where the bright half is says what to do."""
    rng = np.random.default_rng(1)
    side = rng.integers(2, size=80)
    pictures = rng.integers(60, size=(80, 6, 6, 1)).astype(np.uint8)
    pictures[side == 0, :3] += 190
    pictures[side == 1, 3:] += 190
    return data.from_arrays(
        pictures,
        np.stack([2 * side - 1.0, 1 - 2.0 * side], axis=1) * 0.8,
        np.zeros(80),
        next_observations=pictures,
        terminations=np.zeros(80, bool),
    )


def test_observations_may_be_pictures(tmp_path: Path) -> None:
    dataset, algorithm = picture_dataset(), cloning_with(Picture)
    assert dataset.transitions.observations.dtype == np.uint8
    config = BC.Config(actor_learning_rate=1e-2)
    run = train(algorithm, dataset, config=config, num_steps=60, every=30)
    run.policy.save(tmp_path / "policy.npz")
    policy = load_policy(tmp_path / "policy.npz", algorithm).seed(1)
    rows = dataset.transitions
    assert np.abs(policy(rows.observations) - rows.actions).mean() < 0.4
    assert policy(rows.observations[0]).shape == (2,)
    with pytest.raises(ValueError, match=r"takes \(batch, 6, 6, 1\)"):
        policy(rows.observations[..., 0])


def test_algorithms_for_vectors_refuse_pictures() -> None:
    with pytest.raises(ValueError, match=r"shape \(6, 6, 1\), and this algorithm needs vectors"):
        train(TD3_BC, picture_dataset())


# ---- N critics, stacked


class EnsembleConfig(TD3.Config):
    num_critics: int = 2


def ensemble_init(key: Array, config: EnsembleConfig, spec: Spec) -> td3.State:
    state = td3.init(key, config, spec)
    sizes = (*config.hidden, 1)
    inputs = spec.observation_dim + spec.action_dim
    keys = jax.random.split(key, config.num_critics)
    critic = jax.vmap(lambda key: init_mlp(key, inputs, sizes))(keys)
    optimizer = optax.adam(config.critic_learning_rate).init(critic)
    return state._replace(critic=critic, target_critic=critic, critic_optimizer=optimizer)


def ensemble_values(critic: Params, observations: Array, actions: Array) -> Array:
    inputs = jnp.concatenate([observations, actions], axis=-1)
    return jax.vmap(lambda params: mlp(params, inputs)[..., 0])(critic)


def ensemble_targets(state: Any, batch: Transitions, key: Array, config: Any) -> Array:
    actions = bc.policy(state.target_actor, batch.next_observations, config.max_action)
    next_q = ensemble_values(state.target_critic, batch.next_observations, actions).min(0)
    return batch.rewards + config.discount * (1 - batch.terminations) * next_q


def ensemble_critic_loss(
    critic: Any, state: Any, batch: Transitions, targets: Array, key: Array, config: Any
) -> Array:
    q = ensemble_values(critic, batch.observations, batch.actions)
    return ((q - targets) ** 2).mean(-1).sum()


def ensemble_actor_loss(
    actor: Any, state: Any, batch: Transitions, key: Array, config: Any
) -> Array:
    proposal = bc.policy(actor, batch.observations, config.max_action)
    return -ensemble_values(state.critic, batch.observations, proposal).min(0).mean()


ENSEMBLE = replace(
    TD3,
    name="ensemble",
    Config=EnsembleConfig,
    init=ensemble_init,
    target_values=ensemble_targets,
    critic_loss=ensemble_critic_loss,
    actor_loss=ensemble_actor_loss,
)


def count_equations(program: Any) -> int:
    """Of a program and of all programs inside it."""
    program = getattr(program, "jaxpr", program)
    if not hasattr(program, "eqns"):
        return 0
    inner = [value for equation in program.eqns for value in jax.tree.leaves(equation.params)]
    return len(program.eqns) + sum(map(count_equations, inner))


def test_ten_critics_are_a_program_as_long_as_two() -> None:
    sizes, batch = [], jax.tree.map(lambda column: jnp.asarray(column)[:8], DATASET.transitions)
    for number in (2, 10):
        config = EnsembleConfig(hidden=(8,), num_critics=number)
        state = ENSEMBLE.init(jax.random.key(0), config, DATASET.spec)
        program = jax.make_jaxpr(ENSEMBLE.update)(state, batch, jax.random.key(1), config)
        sizes.append(count_equations(program))
    assert sizes[0] == sizes[1] > 100
    run = train(ENSEMBLE, config=EnsembleConfig(hidden=(8,), num_critics=10))
    kernels = run.policy.state.critic["layer0"]["kernel"]
    assert kernels.shape == (2, 10, 5, 8)
    assert len(np.unique(kernels[0, :, 0, 0])) == 10


# ---- minibatches of two sources


def test_minibatches_mix_two_sources() -> None:
    """The first twelve rows, a tenth of the data, make three quarters of each minibatch."""
    metrics = lambda state, batch: {"share": (batch.observations[:, 0] > 50).mean()}  # noqa: E731

    def update(state: bc.State, batch: Transitions, key: Array, config: Any) -> Any:
        return BC.update(state, batch, key, config)[0], metrics(state, batch)

    algorithm = Functions(name="mix", Config=BC.Config, init=BC.init, update=update, act=BC.act)
    rows = DATASET.transitions
    marked = rows.observations + 100 * (np.arange(len(DATASET)) < 12)[:, None]
    dataset = replace(DATASET, transitions=rows._replace(observations=np.float32(marked)))
    run = train(algorithm, dataset, draw_rows=Mixed(12, 0.75))
    np.testing.assert_allclose(run.metrics["share"], 0.75, rtol=1e-6)
    assert (train(algorithm, dataset).metrics["share"] < 0.4).all()
    with pytest.raises(ValueError, match="boundary is 120"):
        train(algorithm, dataset, draw_rows=Mixed(120, 0.75))
    with pytest.raises(ValueError, match="share is 1"):
        Mixed(12, 1)
