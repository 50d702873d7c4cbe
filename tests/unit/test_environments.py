"""The environments: the maze's walls hold, its point slides, pendulum and cart are Gymnasium's."""

import subprocess
import sys

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from offline_tutor.environments import (
    BODY,
    CORRIDORS,
    GOAL_RADIUS,
    STEP,
    CartPole,
    Pendulum,
    PointMaze,
    slide,
)

MAZE = PointMaze()


def body_is_free(positions: np.ndarray) -> np.ndarray:
    """Return whether no corner of the body is inside a wall: (n, 2) to (n,) bool."""
    reach = BODY - 1e-5  # a body that touches a wall is not inside it
    walls = MAZE.cells[::-1]
    free = np.ones(len(positions), bool)
    for corner in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        columns, rows = np.floor(positions + reach * np.array(corner)).astype(int).T
        free &= ~walls[rows, columns]
    return free


def inside(positions: np.ndarray) -> np.ndarray:
    """Return whether positions (n, 2) lie in one of the corridors: (n,) bool."""
    low, high = CORRIDORS
    points = positions[:, None]
    return ((low <= points) & (points <= high)).all(axis=2).any(axis=1)


def walk(start: np.ndarray, actions: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return where every walker is after each step: (n, 2) and (steps, n, 2) to (steps, n, 2)."""
    keys = jax.random.split(jax.random.key(seed), actions.shape[:2])

    def step(state, inputs):
        state = jax.vmap(MAZE.transition)(state, *inputs)
        return state, state

    return np.asarray(jax.lax.scan(step, jnp.asarray(start), (jnp.asarray(actions), keys))[1])


def test_corridors_are_exactly_where_the_body_fits():
    positions = np.random.default_rng(0).uniform(0.2, 6.8, (20_000, 2))
    assert np.array_equal(inside(positions), body_is_free(positions))
    assert inside(positions).mean() > 0.1


def test_no_walker_enters_a_wall():
    generator = np.random.default_rng(1)
    start = jax.vmap(PointMaze("data").initial)(jax.random.split(jax.random.key(1), 200))
    paths = walk(start, generator.uniform(-3, 3, (200, 200, 2))).reshape(-1, 2)
    assert body_is_free(paths).all()
    assert len(np.unique(np.floor(paths), axis=0)) == (~MAZE.cells).sum()  # they went everywhere


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("distance", [-1e6, -3.0, -0.7, 0.7, 3.0, 1e6])
def test_no_step_is_long_enough_to_jump_a_wall(axis, distance):
    generator = np.random.default_rng(2)
    positions = generator.uniform(0.2, 6.8, (500, 2)).astype(np.float32)
    positions = positions[inside(positions)]
    moved = jax.vmap(lambda position: slide(position, jnp.full(2, distance), axis))(positions)
    for share in np.linspace(0, 1, 50):
        assert body_is_free(positions + share * (np.asarray(moved) - positions)).all()


def test_a_wall_stops_one_direction_and_not_the_other():
    low, high = CORRIDORS[0][0], CORRIDORS[1][0]
    along = np.float32([0.3, 0.3])
    moved = slide(slide(jnp.array([2.0, high[1]]), along, axis=0), along, axis=1)
    assert np.allclose(moved, [2.3, high[1]])
    moved = slide(slide(jnp.array([2.0, low[1]]), -along, axis=0), -along, axis=1)
    assert np.allclose(moved, [1.7, low[1]])


@pytest.mark.parametrize(
    ("start", "push"),
    [
        ((3.15, 4.0), (-1, 1)),
        ((3.85, 4.0), (1, 1)),
        ((3.15, 3.0), (-1, -1)),
        ((2.0, 5.15), (1, -1)),
    ],
)
def test_nobody_sticks_at_a_corner(start, push):
    """A point that leans on a wall and pushes on passes the corner, and goes on beyond it."""
    actions = np.broadcast_to(np.float32(push), (40, 100, 2))
    paths = walk(np.broadcast_to(np.float32(start), (100, 2)), actions)
    leaning = 0 if start[0] > 3 else 1  # the direction that the wall blocks at first
    beyond = push[leaning] * (paths[-1, :, leaning] - start[leaning])
    assert (beyond > 1).all()


def test_a_step_is_as_long_as_promised():
    steps = walk(np.full((5000, 2), 5.5), np.zeros((1, 5000, 2)))[0] - 5.5
    assert np.abs(steps.mean(axis=0)).max() < 0.005
    assert steps.std(axis=0) == pytest.approx([0.05, 0.05], rel=0.05)
    far = walk(np.tile([2.0, 5.5], (5000, 1)), np.tile([10.0, 0.0], (1, 5000, 1)))[0]
    assert far[:, 0].mean() == pytest.approx(2 + STEP, abs=0.005)


def test_reward_and_end_are_at_the_goal_only():
    goal = jnp.array(MAZE.places["D"])
    near, far = goal + jnp.array([0, GOAL_RADIUS - 0.01]), goal - jnp.array([GOAL_RADIUS + 0.01, 0])
    for place, reached in ((goal, True), (near, True), (far, False), (MAZE.places["A"], False)):
        assert MAZE.terminal(jnp.array(place), None) == reached
        assert MAZE.reward(None, None, jnp.array(place), None) == float(reached)


def test_places_are_the_four_corners():
    assert MAZE.places == {"A": (1.5, 5.5), "B": (5.5, 5.5), "C": (1.5, 1.5), "D": (5.5, 1.5)}
    assert body_is_free(np.array(list(MAZE.places.values()))).all()


@pytest.mark.parametrize(("start", "share_of_a"), [("A", 1.0), ("B", 0.0), ("data", 0.8)])
def test_episodes_begin_where_they_should(start, share_of_a):
    positions = jax.vmap(PointMaze(start).initial)(jax.random.split(jax.random.key(3), 2000))
    at_a = np.linalg.norm(positions - np.array(MAZE.places["A"]), axis=1) < 0.5
    at_b = np.linalg.norm(positions - np.array(MAZE.places["B"]), axis=1) < 0.5
    assert (at_a | at_b).all()
    assert at_a.mean() == pytest.approx(share_of_a, abs=0.03)


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match=r"start is 'E'; it must be one of \['A', 'B', 'data'\]"):
        PointMaze("E")


def test_maze_obeys_gymnasium():
    environment = gymnasium.make("offline_tutor/PointMaze-v0", start="B")
    check_env(environment.unwrapped, skip_render_check=True)
    observation, _ = environment.reset(seed=0)
    assert observation in environment.observation_space
    for _ in range(PointMaze.max_episode_steps):
        *_, terminated, truncated, _ = environment.step(np.array([0.0, 1.0]))
    assert truncated and not terminated


def test_the_package_imports_nothing_heavy():
    code = (
        "import sys, offline_tutor, offline_tutor.data\n"
        "heavy = {'gymnasium', 'minari', 'h5py', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pendulum_is_gymnasiums_step_by_step():
    theirs, ours = gymnasium.make("Pendulum-v1"), Pendulum()
    assert theirs.spec.max_episode_steps == ours.max_episode_steps
    assert theirs.action_space == ours.action_space
    step = jax.jit(
        lambda state, action: (
            n := ours.transition(state, action, None),
            ours.reward(state, action, n, None),
            ours.observation(n, None),
        )
    )
    generator = np.random.default_rng(4)
    for episode in range(3):
        theirs.reset(seed=episode)
        for _ in range(200):
            action = generator.uniform(-3, 3, 1).astype(np.float32)
            state, reward, observation = step(np.float32(theirs.unwrapped.state), action)
            expected = theirs.step(action)
            assert np.allclose(observation, expected[0], atol=1e-5)
            assert float(reward) == pytest.approx(expected[1], abs=1e-3)
            assert np.allclose(state, theirs.unwrapped.state, atol=1e-4)
            assert expected[2] == bool(ours.terminal(state, None))


def test_pendulum_starts_like_gymnasiums():
    states = jax.vmap(Pendulum().initial)(jax.random.split(jax.random.key(5), 4000))
    high = np.array([np.pi, 1.0])
    assert (np.abs(states) <= high).all()
    assert np.abs(states).max(axis=0) == pytest.approx(high, rel=0.01)
    assert np.asarray(states).std(axis=0) == pytest.approx(high / np.sqrt(3), rel=0.05)


def test_cartpole_is_gymnasiums_step_by_step():
    """Not its phys2d, where the pole moves the cart twelve times as much."""
    theirs, ours = gymnasium.make("CartPole-v1"), CartPole()
    assert theirs.spec.max_episode_steps == ours.max_episode_steps
    assert theirs.action_space == ours.action_space
    step, generator, ends = jax.jit(ours.transition), np.random.default_rng(6), 0
    for episode in range(10):
        theirs.reset(seed=episode)
        ended = False
        while not ended:
            action = int(generator.integers(2))
            state = step(np.float32(theirs.unwrapped.state), action)
            observation, reward, ended, _, _ = theirs.step(action)
            assert np.allclose(ours.observation(state, None), observation, atol=1e-5)
            assert ended == bool(ours.terminal(state, None))
            assert reward == ours.reward(np.zeros(4), action, state, None) == 1
        ends += ended
    assert ends == 10


def test_cartpole_starts_like_gymnasiums_and_knows_its_limit():
    states = jax.vmap(CartPole().initial)(jax.random.split(jax.random.key(7), 4000))
    assert np.abs(states).max(axis=0) == pytest.approx(np.full(4, 0.05), rel=0.01)
    assert CartPole() == CartPole(500) != CartPole(200)
    assert hash(CartPole()) == hash(CartPole(500))
    with pytest.raises(ValueError, match="max_episode_steps is 0"):
        CartPole(0)
