"""Rollouts, beliefs and intervals, against what can be worked out by hand."""

from dataclasses import replace
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.experimental.functional import FuncEnv
from gymnasium.spaces import Box

from offline_tutor import environments, evaluation
from offline_tutor.algorithms import TD3
from offline_tutor.data.units import units_of
from offline_tutor.policies import Policy
from offline_tutor.training.online import spec_of
from offline_tutor.types import Continuous, Discrete, Spec


class Line(FuncEnv):
    """A point at x moves by its action; each step pays x, and passing 1 ends the episode."""

    observation_space, action_space = Box(-9, 9, (1,)), Box(-0.5, 0.5, (1,))
    max_episode_steps = 4

    def initial(self, rng: Any, params: Any = None) -> Any:
        return jnp.zeros(1)

    def transition(self, state: Any, action: Any, rng: Any, params: Any = None) -> Any:
        return state + action

    def observation(self, state: Any, rng: Any, params: Any = None) -> Any:
        return state

    def reward(self, state: Any, action: Any, next_state: Any, rng: Any, params: Any = None) -> Any:
        return next_state[0]

    def terminal(self, state: Any, rng: Any, params: Any = None) -> Any:
        return state[0] > 1


LINE = Line()


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (0.2, 0.2 + 0.4 + 0.6 + 0.8),  # cut by the time limit
        (0.5, 0.5 + 1.0 + 1.5),  # ends at 1.5; what would have come does not count
        (9.0, 0.5 + 1.0 + 1.5),  # clipped to the action space
    ],
)
def test_returns_by_hand(speed: float, expected: float) -> None:
    returns = evaluation.evaluate(lambda x: jnp.full_like(x, speed), LINE, episodes=3)
    np.testing.assert_allclose(returns, [expected] * 3, rtol=1e-6)


def test_trajectories_by_hand() -> None:
    played = evaluation.play(lambda x: jnp.full_like(x, 0.5), LINE, episodes=2)
    assert played.valid[0].tolist() == [True, True, True, False]
    assert played.terminations[0].tolist() == [False, False, True, False]
    np.testing.assert_allclose(played.observations[0, :3, 0], [0, 0.5, 1.0])
    np.testing.assert_allclose(played.next_observations[0, :3, 0], [0.5, 1.0, 1.5])


def test_episodes_start_where_they_are_told() -> None:
    played = evaluation.rollout(
        jax.tree_util.Partial(jnp.zeros_like), LINE, jax.random.key(0), episodes=2,
        initial_states=jnp.array([[0.25], [-1.0]]),
    )  # fmt: skip
    np.testing.assert_allclose(played.rewards.sum(-1), [1.0, -4.0])


def test_noise_is_in_units_of_half_the_action_space() -> None:
    played = evaluation.play(jnp.zeros_like, LINE, episodes=2000, noise=0.1)
    np.testing.assert_allclose(played.actions[:, 0].std(), 0.05, rtol=0.1)


def test_noise_on_discrete_actions_is_the_probability_of_any() -> None:
    right = lambda x: jnp.ones(len(x), int)  # noqa: E731
    for noise in (0.0, 0.4):
        played = evaluation.play(right, environments.CartPole(), episodes=2000, noise=noise)
        np.testing.assert_allclose(played.actions[:, 0].mean(), 1 - noise / 2, atol=0.03)


def make_policy(environment: Any, seeds: int) -> Policy:
    """Stacked, untrained TD3 policies."""
    spec, config = spec_of(environment), TD3.Config(hidden=(8,))
    scaling = units_of(spec)
    # At 0 all would act alike.
    scaling = scaling._replace(observation_mean=scaling.observation_mean - 1)
    keys = jax.random.split(jax.random.key(0), seeds)
    states = jax.vmap(lambda key: TD3.init(key, config, spec))(keys)
    return Policy(states, scaling, TD3, (config,), spec, tuple(range(seeds)))


def test_stacked_policies_are_each_their_own() -> None:
    policy = make_policy(LINE, 3)
    together = evaluation.evaluate(policy, LINE, episodes=2)
    alone = [evaluation.evaluate(policy.seed(i), LINE, episodes=2) for i in range(3)]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-5)
    assert len(np.unique(together[:, 0].round(5))) == 3
    for row in (3, -1):
        with pytest.raises(ValueError, match=f"seed {row}: there are 3, counted from 0"):
            policy.seed(row)


def test_beliefs_are_the_critics_word_and_the_discounted_truth() -> None:
    policy = make_policy(LINE, 2)
    beliefs = evaluation.compare_values(policy, LINE, discount=0.5, episodes=1)
    first = policy.seed(0)
    np.testing.assert_allclose(beliefs.believed[0], first.value(jnp.zeros((1, 1))), rtol=1e-5)
    rewards = evaluation.play(first, LINE, episodes=1).rewards[0]
    np.testing.assert_allclose(beliefs.true[0], rewards @ 0.5 ** np.arange(4), rtol=1e-5)


def test_gymnasium_environments_by_name() -> None:
    """Doing nothing on the pendulum: the same kind of return in Gymnasium's and in ours."""
    still = lambda x: jnp.zeros((len(x), 1))  # noqa: E731
    theirs = evaluation.evaluate(still, "Pendulum-v1", episodes=32, key=1)
    ours = evaluation.evaluate(still, environments.Pendulum(), episodes=512)
    assert theirs.shape == (32,)
    np.testing.assert_allclose(theirs.mean(), ours.mean(), rtol=0.15)
    policy = make_policy(environments.Pendulum(), 2)
    assert evaluation.evaluate(policy, "Pendulum-v1", episodes=2).shape == (2, 2)


def test_spec_of_an_environment() -> None:
    spec = spec_of(LINE)
    assert spec == Spec((1,), Continuous((-0.5,), (0.5,)))
    assert (spec.observation_dim, spec.action_dim) == (1, 1)
    actions = units_of(spec).to_environment(np.array([[-1.0], [1.0]]))
    np.testing.assert_allclose(actions, [[-0.5], [0.5]])
    assert spec_of(environments.CartPole()) == Spec((4,), Discrete(2))


def test_beliefs_of_a_single_policy_are_refused() -> None:
    policy = make_policy(LINE, 2).seed(0)
    with pytest.raises(ValueError, match=r"compare_values is for stacked policies, such as run\.p"):
        evaluation.compare_values(policy, LINE, discount=0.5)


class Starts(gymnasium.Env):
    """An episode of one step, which pays what it started with."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,))
    action_space = gymnasium.spaces.Box(-0.5, 0.5, (1,))

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.start = self.np_random.uniform(size=1).astype(np.float32)
        return self.start.copy(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        return self.start.copy(), float(self.start[0]), True, False, {}


def test_each_policy_of_a_stack_has_starts_of_its_own_in_gymnasium_too() -> None:
    gymnasium.register("offline_tutor_tests/Starts-v0", entry_point=Starts)
    name, policy = "offline_tutor_tests/Starts-v0", make_policy(LINE, 3)
    returns = evaluation.evaluate(policy, name, episodes=4, key=1)
    assert len(np.unique(returns)) == 12
    np.testing.assert_array_equal(evaluation.evaluate(policy, name, episodes=4, key=1), returns)
    assert not np.isin(evaluation.evaluate(policy, name, episodes=4, key=2), returns).any()


@pytest.mark.parametrize("environment", [LINE, "Pendulum-v1"], ids=["ours", "Gymnasium's"])
def test_keys_may_be_any_whole_number(environment: Any) -> None:
    act = lambda x: jnp.zeros((len(x), 1))  # noqa: E731
    played = [
        evaluation.evaluate(act, environment, episodes=2, key=key)
        for key in (3, np.int64(3), jax.random.key(3))
    ]
    np.testing.assert_array_equal(played[0], played[1])
    np.testing.assert_array_equal(played[0], played[2])
    for key in (True, 2.0, "3"):
        with pytest.raises(TypeError, match=r"give a whole number or jax\.random\.key"):
            evaluation.evaluate(act, environment, episodes=2, key=key)


def test_a_plain_function_is_asked_at_every_step() -> None:
    asked: list[int] = []

    def act(observations: np.ndarray) -> np.ndarray:
        asked.append(len(observations))
        return np.zeros((len(observations), 1), np.float32)

    evaluation.evaluate(act, "Pendulum-v1", episodes=2)
    assert asked == [2] * 200


def test_an_environment_that_was_made_keeps_its_arguments() -> None:
    still = lambda x: np.zeros((len(x), 1), np.float32)  # noqa: E731
    usual, heavy = (
        evaluation.evaluate(still, gymnasium.make("Pendulum-v1", g=g), episodes=2)
        for g in (10.0, 2.0)
    )
    assert not np.allclose(usual, heavy)
    np.testing.assert_allclose(usual, evaluation.evaluate(still, "Pendulum-v1", episodes=2))


def test_a_policy_of_another_task_is_refused() -> None:
    policy = make_policy(environments.Pendulum(), 2)
    with pytest.raises(ValueError, match=r"observations are \(2,\); the policy takes \(3,\)"):
        evaluation.evaluate(policy, environments.PointMaze())
    with pytest.raises(ValueError, match=r"observations are \(4,\)"):
        evaluation.evaluate(policy, "CartPole-v1", episodes=1)
    narrower = Spec((3,), Continuous((-1.0,), (1.0,)))
    with pytest.raises(ValueError, match="were num_actions or action_bounds forgotten"):
        evaluation.evaluate(replace(policy, spec=narrower), environments.Pendulum())
    with pytest.raises(TypeError, match="give a FuncEnv"):
        evaluation.evaluate(policy, None)


class Endless(gymnasium.Env):
    """No episode of it ever ends."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_an_environment_without_an_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_STEPS", 50)
    gymnasium.register("offline_tutor_tests/Endless-v0", entry_point=Endless)
    with pytest.raises(ValueError, match=r"goes on after 50 steps.*max_episode_steps"):
        evaluation.evaluate(
            lambda x: np.zeros(len(x), int), "offline_tutor_tests/Endless-v0", episodes=1
        )
