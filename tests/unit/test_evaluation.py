"""Rollouts, beliefs and intervals, against what can be worked out by hand."""

import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces, wrappers
from gymnasium.experimental.functional import FuncEnv
from gymnasium.spaces import Box

from offline_tutor import environments, episodes, evaluation
from offline_tutor.algorithms import BC, TD3
from offline_tutor.data.units import units_of
from offline_tutor.policies import Policy
from offline_tutor.spaces import spec_of
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
    for row in (3, -1, 1.0):
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


def test_beliefs_of_a_single_policy() -> None:
    policy = make_policy(LINE, 2)
    alone = evaluation.compare_values(policy.seed(0), LINE, discount=0.5, episodes=3)
    stacked = evaluation.compare_values(policy, LINE, discount=0.5, episodes=3)
    assert alone.true.shape == alone.believed.shape == (3,)
    np.testing.assert_allclose(alone.true, stacked.true[0], rtol=1e-5)  # all start at 0
    np.testing.assert_allclose(alone.believed, stacked.believed[0], rtol=1e-5)


def test_beliefs_are_of_critics_in_func_envs() -> None:
    policy = make_policy(LINE, 2)
    for asked, environment, error, message in (
        (policy, "Pendulum-v1", TypeError, "'Pendulum-v1'; give a FuncEnv, such as offline_tutor"),
        ("policy", LINE, TypeError, "policy is 'policy'; give a Policy, such as run.policy"),
        (replace(policy, algorithm=BC), LINE, ValueError, "bc has no critic"),
        (policy, environments.PointMaze(), ValueError, "the policy takes"),
    ):
        with pytest.raises(error, match=message):
            evaluation.compare_values(asked, environment, discount=0.5)


def test_a_task_can_be_held_against_an_environment_before_training() -> None:
    spec = spec_of(environments.Pendulum())
    for environment in (environments.Pendulum(), "Pendulum-v1", gymnasium.make("Pendulum-v1")):
        evaluation.check_task(spec, environment)
    for environment in (environments.PointMaze(), "CartPole-v1", gymnasium.make("CartPole-v1")):
        with pytest.raises(ValueError, match=r"the policy takes \(3,\)"):
            evaluation.check_task(spec, environment)
    with pytest.raises(TypeError, match="the class PointMaze; give"):
        evaluation.check_task(spec, environments.PointMaze)


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
    gymnasium.register("offline_tutor_tests/Starts-v0", entry_point=Starts, max_episode_steps=9)
    name, policy = "offline_tutor_tests/Starts-v0", make_policy(LINE, 3)
    returns = evaluation.evaluate(policy, name, episodes=4, key=1)
    assert len(np.unique(returns)) == 12
    np.testing.assert_array_equal(evaluation.evaluate(policy, name, episodes=4, key=1), returns)
    assert not np.isin(evaluation.evaluate(policy, name, episodes=4, key=2), returns).any()


def test_keys_share_no_episodes() -> None:
    still = lambda x: np.zeros((len(x), 1), np.float32)  # noqa: E731
    environment = gymnasium.wrappers.TimeLimit(Starts(), 9)
    returns = [evaluation.evaluate(still, environment, key=key) for key in range(5)]
    assert len(np.unique(returns)) == 320


@pytest.mark.parametrize("environment", [LINE, "Pendulum-v1"], ids=["ours", "Gymnasium's"])
def test_keys_may_be_any_whole_number(environment: Any) -> None:
    act = lambda x: jnp.zeros((len(x), 1))  # noqa: E731
    played = [
        evaluation.evaluate(act, environment, episodes=2, key=key)
        for key in (3, np.int64(3), jax.random.key(3))
    ]
    np.testing.assert_array_equal(played[0], played[1])
    np.testing.assert_array_equal(played[0], played[2])
    for key in (True, 2.0, "3", jax.random.PRNGKey(0)):
        with pytest.raises(TypeError, match=r"give a whole number or jax\.random\.key"):
            evaluation.evaluate(act, environment, episodes=2, key=key)
    for key in (2**63, jax.random.split(jax.random.key(0))):
        with pytest.raises(ValueError, match=r"key is .*; give (a whole number of at m|one of)"):
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
    other = Spec((3,), Continuous((-1.0, -1.0), (1.0, 1.0)))
    with pytest.raises(ValueError, match="were num_actions or action_bounds forgotten"):
        evaluation.evaluate(replace(policy, spec=other), environments.Pendulum())


class Endless(gymnasium.Env):
    """No episode of it ever ends."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict]:
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        return np.zeros(1, np.float32), 1.0, False, False, {}


def test_an_environment_without_an_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "MAX_STEPS", 50)
    gymnasium.register("offline_tutor_tests/Endless-v0", entry_point=Endless)
    name, first = "offline_tutor_tests/Endless-v0", lambda x: np.zeros(len(x), int)
    with (
        pytest.warns(UserWarning, match=r"Endless.* has no time limit.*Give max_steps="),
        pytest.raises(ValueError, match=r"goes on after 50 steps; give max_steps="),
    ):
        evaluation.evaluate(first, name, episodes=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluation.evaluate(first, name, episodes=2, max_steps=7).tolist() == [7, 7]
        limited = gymnasium.make(name, max_episode_steps=5)
        assert evaluation.evaluate(first, limited, episodes=2).tolist() == [5, 5]
    with pytest.warns(UserWarning, match="has no time limit"):  # one that ends by itself is played
        cart = gymnasium.make("CartPole-v1").unwrapped
        assert (evaluation.evaluate(first, cart, episodes=2) < 20).all()


def test_max_steps_cut_episodes_of_func_envs_too() -> None:
    speed = lambda x: jnp.full_like(x, 0.1)  # noqa: E731
    assert evaluation.evaluate(speed, LINE, episodes=1, max_steps=2) == pytest.approx([0.3])
    assert len(evaluation.play(speed, LINE, episodes=1, max_steps=8).rewards[0]) == 4


class Limitless(FuncEnv):
    """It says nothing of its length."""

    observation_space, action_space = Line.observation_space, Box(-np.inf, np.inf, (1,))
    initial, transition, observation = Line.initial, Line.transition, Line.observation
    reward, terminal = Line.reward, Line.terminal


LIMITLESS = Limitless()


def test_a_func_env_needs_a_limit_and_its_actions_need_none() -> None:
    speed = lambda x: jnp.full_like(x, 0.1)  # noqa: E731
    with pytest.raises(ValueError, match="which has no time limit: set its max_episode_steps, or"):
        evaluation.evaluate(speed, LIMITLESS)
    assert evaluation.evaluate(speed, LIMITLESS, episodes=1, max_steps=2) == pytest.approx([0.3])
    with pytest.raises(ValueError, match=r"noise is 0.1 times half the width .*infinite"):
        evaluation.evaluate(speed, LIMITLESS, max_steps=2, noise=0.1)
    assert evaluation.evaluate(make_policy(LINE, 2), LIMITLESS, episodes=1, max_steps=2).all()


def test_what_cannot_be_played_is_named() -> None:
    policy, vector = make_policy(LINE, 2), gymnasium.make_vec("CartPole-v1", 2)
    run = SimpleNamespace(policy=policy)
    old = type("TimeLimit", (), {"reset": None, "step": None, "spec": None, "__module__": "gym.w"})
    for asked, environment, message in (
        (policy, None, "environment is None; give a FuncEnv with max_episode_steps, the name"),
        (policy, Line, r"environment is the class Line; give an environment, Line\(\)"),
        (policy, vector, "several side by side; give the name of one"),
        (policy, old(), r"a gym.w.TimeLimit, which is no gymnasium.Env; give .* shimmy"),
        (run, LINE, r"policy is namespace.*give a Policy, such as run.policy.*Its .policy is one"),
        ("policy.npz", "Pendulum-v1", "policy is 'policy.npz'; give a Policy"),
    ):
        with pytest.raises(TypeError, match=message):
            evaluation.evaluate(asked, environment)
    with pytest.raises(ValueError, match=r"'Pendulum-v8', which cannot be made .*v8"):
        evaluation.evaluate(policy, "Pendulum-v8")
    with pytest.raises(TypeError, match="Line'>; give a FuncEnv, such as"):
        evaluation.play(policy, Line, episodes=1)


@pytest.mark.parametrize("environment", [LINE, "Pendulum-v1"], ids=["ours", "Gymnasium's"])
@pytest.mark.parametrize("count", [0, -1, 2.5, True, "3", None])
def test_counts_are_whole_numbers(environment: Any, count: Any) -> None:
    act = lambda x: jnp.zeros((len(x), 1))  # noqa: E731
    with pytest.raises(ValueError, match=r"episodes is .*; it must be a whole number, at least 1"):
        evaluation.evaluate(act, environment, episodes=count)
    if count is not None:
        with pytest.raises(ValueError, match=r"max_steps is .*; it must be a whole number"):
            evaluation.evaluate(act, environment, max_steps=count)


def test_a_wrapped_environment_is_played_with_what_wraps_it() -> None:
    right = lambda x: np.ones(len(x), int)  # noqa: E731
    plain = evaluation.evaluate(right, "CartPole-v1", episodes=4)
    make = gymnasium.make
    for wrapped, factor in (
        (wrappers.TransformReward(make("CartPole-v1"), lambda reward: 3 * reward), 3),
        (type("Own", (gymnasium.Wrapper,), {})(make("CartPole-v1")), 1),
        (wrappers.TransformAction(make("CartPole-v1"), lambda a: a, spaces.Discrete(2)), 1),
    ):
        found = evaluation.evaluate(right, wrapped, episodes=4)
        np.testing.assert_array_equal(found, factor * plain)
    recorded = wrappers.TransformReward(make("CartPole-v1"), lambda reward: 3 * reward).spec
    np.testing.assert_array_equal(evaluation.evaluate(right, recorded, episodes=4), 3 * plain)


def test_what_was_changed_in_an_environment_stays_changed() -> None:
    still = lambda x: np.zeros((len(x), 1), np.float32)  # noqa: E731
    changed = gymnasium.make("Pendulum-v1")
    changed.unwrapped.g = 2.0
    with_argument = gymnasium.make("Pendulum-v1", g=2.0)
    np.testing.assert_allclose(
        evaluation.evaluate(still, changed, episodes=2),
        evaluation.evaluate(still, with_argument, episodes=2),
    )


class Copying(gymnasium.Env):
    """Each step costs the distance of the action from the place, both 2 numbers."""

    observation_space = spaces.Dict(place=Box(-1, 1, (2,)), goal=Box(-1, 1, (1,)))
    action_space = Box(-1, 1, (2,), np.float64)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.seen = {key: space.sample() for key, space in self.observation_space.spaces.items()}
        return self.seen, {}

    def step(self, action: Any) -> tuple[dict, float, bool, bool, dict]:
        assert self.action_space.contains(action)
        cost = np.abs(action - self.seen["place"]).sum()
        return self.reset()[0], -float(cost), False, False, {}


def copying_policy(spec: Spec) -> Policy:
    """It does what stands behind the first number of an observation."""
    act = lambda state, observations, config: observations[..., 1:]  # noqa: E731
    config = TD3.Config(hidden=(8,))
    return Policy(None, units_of(spec), replace(TD3, act=act), (config,), spec)


def test_dictionaries_are_joined_in_the_order_of_the_data() -> None:
    """Which is goal, place; the environment's is place, goal."""
    environment = wrappers.TimeLimit(Copying(), 5)
    bounds = Continuous((-1.0, -1.0), (1.0, 1.0))
    knowing = copying_policy(Spec((3,), bounds, (("goal", 1), ("place", 2))))
    assert (np.abs(evaluation.evaluate(knowing, environment, episodes=4)) < 1e-5).all()
    unknowing = copying_policy(Spec((3,), bounds))
    with pytest.raises(ValueError, match="in which order they were joined is not known"):
        evaluation.evaluate(unknowing, environment)
    joined = wrappers.FlattenObservation(environment)
    assert (evaluation.evaluate(unknowing, joined, episodes=4) < -1).all()
    with pytest.raises(ValueError, match="takes dictionaries, of goal"):
        evaluation.evaluate(knowing, joined)
    in_its_order = lambda x: x[:, :2]  # noqa: E731
    assert (np.abs(evaluation.evaluate(in_its_order, environment, episodes=4)) < 1e-5).all()


def test_wider_actions_are_clipped_and_that_is_said() -> None:
    policy = make_policy(LINE, 2).seed(0)
    wide = replace(policy, spec=Spec((1,), Continuous((-9.0,), (9.0,))))
    for environment in (LINE, wrappers.TimeLimit(Starts(), 9)):
        with pytest.warns(UserWarning, match=r"-9.0\] to \[9.0\]; .*beyond its bounds are clipped"):
            evaluation.evaluate(wide, environment, episodes=2)


class Kinds(Starts):
    """Starts with other actions."""

    def __init__(self, action_space: Any):
        self.action_space = action_space

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        return super().step(action)


def test_a_function_gives_what_the_space_takes() -> None:
    def played(space: Any, action: Any) -> np.ndarray:
        act = lambda x: np.tile(np.asarray(action), (len(x), *[1] * np.ndim(action)))  # noqa: E731
        environment = wrappers.TimeLimit(Kinds(space), 9)
        return evaluation.evaluate(act, environment, episodes=1)

    for space, action in (
        (spaces.Discrete(3, start=1), 3),
        (spaces.Discrete(3), 2.0),
        (spaces.MultiDiscrete([3, 2]), np.array([2, 1])),
        (spaces.MultiBinary(2), np.array([1, 0], np.int8)),
        (Box(-1, 1, (2, 2)), np.full((2, 2), 9.0)),
    ):
        assert played(space, action).shape == (1,)
    for space, action, message in (
        (
            spaces.Discrete(3, start=1),
            0,
            r"gave the action 0; the environment takes Discrete\(3, st",
        ),
        (spaces.Discrete(3), 0.5, "the action 0.5"),
        (spaces.Discrete(3), [1], r"gave actions \(1, 1\); Discrete\(3\) needs \(1,\)"),
        (Box(-1, 1, (2,)), [[1.0]], r"gave actions \(1, 1, 1\)"),
        (spaces.Tuple([spaces.Discrete(2)]), 1, r"actions are Tuple\(.*TransformAction"),
    ):
        with pytest.raises(ValueError, match=message):
            played(space, action)


def test_a_function_gives_what_a_func_env_takes() -> None:
    cart = environments.CartPole(3)
    for act, environment, message in (
        (lambda x: jnp.zeros(len(x)), LINE, r"gave actions \(2,\); Box.* needs \(2, 1\)"),
        (lambda x: jnp.zeros((len(x), 2)), LINE, r"gave actions \(2, 2\)"),
        (lambda x: None, LINE, r"gave actions \(\)"),
        (lambda x: jnp.zeros((len(x), 1), int), cart, r"gave actions \(2, 1\)"),
        (lambda x: jnp.full(len(x), 2), cart, r"the action 2; the environment takes Discrete\(2\)"),
        (lambda x: jnp.full(len(x), 0.5), cart, "the action 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluation.evaluate(act, environment, episodes=2)
    for noise in (-0.1, np.nan, "much"):
        with pytest.raises(ValueError, match=r"noise is .*; it must be a number from 0 on"):
            evaluation.evaluate(jnp.zeros_like, LINE, noise=noise)


def test_a_discrete_policy_knows_where_actions_are_counted_from() -> None:
    policy = replace(make_policy(LINE, 2).seed(0), spec=Spec((1,), Discrete(2)))
    for space in (spaces.Discrete(2, start=1), spaces.MultiBinary(2), spaces.MultiDiscrete([2])):
        with pytest.raises(ValueError, match=rf"^actions are {type(space).__name__}"):
            evaluation.evaluate(policy, wrappers.TimeLimit(Kinds(space), 9), episodes=1)
