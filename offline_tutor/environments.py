"""The environments that the chapters act in, in JAX: thousands of episodes run at once.

All are functional environments of Gymnasium (`gymnasium.experimental.functional.FuncEnv`):
pure methods `initial`, `transition`, `observation`, `reward` and `terminal`, which
`jax.vmap` and `jax.lax.scan` take as they are. The number of steps after which an episode is
cut short stands beside them as `max_episode_steps`: a time limit is not a property of the state,
so it is not a termination.

Importing this module registers `offline_tutor/PointMaze-v0` with `gymnasium.make`.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.envs.functional_jax_env import FunctionalJaxEnv
from gymnasium.envs.phys2d.cartpole import CartPoleFunctional, CartPoleParams
from gymnasium.envs.phys2d.pendulum import PendulumFunctional
from gymnasium.experimental.functional import FuncEnv

# Top row first; "#" is wall, every cell is 1 x 1.
MAP = (
    "#######",
    "#A   B#",
    "### ###",
    "### ###",
    "### ###",
    "#C   D#",
    "#######",
)
WALLS = np.array([[cell == "#" for cell in line] for line in MAP])
BODY = 0.15  # half the width of the square body
STEP = 0.35  # distance of a full step
NOISE = 0.05  # standard deviation of the position noise, in each direction
GOAL_RADIUS = 0.5
START_SPREAD = 0.25  # an episode starts at most this far from the centre of its cell, in x and in y
STARTS = {
    "A": (1.0, 0.0),
    "B": (0.0, 1.0),
    "data": (0.8, 0.2),
}  # probabilities of starting at A, B


def cell_centre(row: int, column: int) -> tuple[float, float]:
    """Return the point (x, y) at the middle of a cell; y grows upwards, rows grow downwards."""
    return column + 0.5, len(MAP) - row - 0.5


def find_places() -> dict[str, tuple[float, float]]:
    """Return the centres of the cells that carry a letter on the map: `{"A": (x, y), ...}`."""
    cells = [(r, c) for r, line in enumerate(MAP) for c, cell in enumerate(line) if cell.isalpha()]
    return {MAP[row][column]: cell_centre(row, column) for row, column in cells}


def find_corridors() -> tuple[np.ndarray, np.ndarray]:
    """Return the lower left and upper right corners, both (corridors, 2), of where the body fits.

    A corridor is a straight run of two free cells or more. Shrunk on every side by half the body,
    it becomes the rectangle in which the body's centre may be. With corridors one cell wide the
    rectangles cover every place where the body touches no wall.
    """
    corridors = []
    for grid, transposed in ((WALLS, False), (WALLS.T, True)):
        for line, cells in enumerate(grid):
            edges = np.flatnonzero(np.diff(cells.astype(int)))  # wall to free, free to wall, ...
            for first, last in zip(edges[::2] + 1, edges[1::2], strict=True):
                ends = [cell_centre(line, end) for end in (first, last)]
                if transposed:
                    ends = [cell_centre(end, line) for end in (first, last)]
                if last > first:
                    corridors.append(np.sort(ends, axis=0))
    reach = 0.5 - BODY
    return (
        np.array([low - reach for low, _ in corridors], np.float32),
        np.array([high + reach for _, high in corridors], np.float32),
    )


class PointMaze(FuncEnv):
    """A point walks through corridors in the shape of an H that lies on its side, from A to D.

    State and observation are the position (x, y). The action (2,) is a direction and a speed
    inside the unit disc (a longer one is cut to length 1), which moves the point by `STEP` times
    the action plus normal noise. Coming within `GOAL_RADIUS` of D gives reward 1 and ends the
    episode; every other reward is 0. An episode is cut after `max_episode_steps`.

    Args:
        start: where episodes begin: `"A"`, `"B"`, or `"data"`, which mixes the two as the
            dataset `maze/stitch-v0` does.

    Attributes:
        cells: (rows, columns) bool, top row first, True where there is a wall; every cell is 1 x 1.
        places: the centres (x, y) of A, B, C and D; the origin is the lower left corner of the map.
    """

    max_episode_steps = 60
    cells = WALLS
    places = find_places()
    observation_space = gymnasium.spaces.Box(0.0, float(len(MAP)), shape=(2,), dtype=np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, shape=(2,), dtype=np.float32)

    def __init__(self, start: str = "A"):
        if start not in STARTS:
            raise ValueError(f"PointMaze: start is {start!r}; it must be one of {list(STARTS)}.")
        super().__init__()
        self.start = start

    def __eq__(self, other: object) -> bool:
        """Equal starts make equal mazes, so that jit compiles once for all of them."""
        return isinstance(other, PointMaze) and other.start == self.start

    def __hash__(self) -> int:
        return hash((PointMaze, self.start))

    def initial(self, rng: jax.Array, params: None = None) -> jax.Array:
        """Draw the first position (2,) of an episode."""
        choose, spread = jax.random.split(rng)
        centres = jnp.array([self.places["A"], self.places["B"]])
        centre = jax.random.choice(choose, centres, p=jnp.array(STARTS[self.start]))
        return centre + jax.random.uniform(spread, (2,), minval=-START_SPREAD, maxval=START_SPREAD)

    def transition(
        self, state: jax.Array, action: jax.Array, rng: jax.Array, params: None = None
    ) -> jax.Array:
        """Return the position (2,) after one step: the wall stops one direction, not the other."""
        action = action / jnp.maximum(1.0, jnp.linalg.norm(action))
        displacement = STEP * action + NOISE * jax.random.normal(rng, (2,))
        return slide(slide(state, displacement, axis=0), displacement, axis=1)

    def observation(self, state: jax.Array, rng: jax.Array, params: None = None) -> jax.Array:
        """Return the position (2,)."""
        return state

    def reward(
        self,
        state: jax.Array,
        action: jax.Array,
        next_state: jax.Array,
        rng: jax.Array,
        params: None = None,
    ) -> jax.Array:
        """Return 1.0 when the step reached the goal, else 0.0."""
        return self.terminal(next_state, rng).astype(jnp.float32)

    def terminal(self, state: jax.Array, rng: jax.Array, params: None = None) -> jax.Array:
        """Return whether the position is within `GOAL_RADIUS` of D."""
        return jnp.linalg.norm(state - jnp.array(self.places["D"])) <= GOAL_RADIUS


CORRIDORS = find_corridors()


def slide(position: jax.Array, displacement: jax.Array, axis: int) -> jax.Array:
    """Move a position (2,) along one axis as far as the corridors around it allow.

    All corridors that hold the point overlap there, so together they leave one interval free along
    the axis. Clipping to it is exact: no step is long enough to jump a wall, and a point that
    touches a wall lies on the interval's very end, free to slide along.
    """
    low, high = CORRIDORS
    inside = ((low <= position) & (position <= high)).all(axis=1)
    free = (
        jnp.where(inside, low[:, axis], jnp.inf).min(),
        jnp.where(inside, high[:, axis], -jnp.inf).max(),
    )
    return position.at[axis].set(jnp.clip(position[axis] + displacement[axis], *free))


class Pendulum(PendulumFunctional):
    """Gymnasium's own Pendulum in JAX (`phys2d`); the same equations as `Pendulum-v1`."""

    max_episode_steps = 200

    def __eq__(self, other: object) -> bool:
        """All are equal, so that jit compiles once, as with `PointMaze`."""
        return isinstance(other, Pendulum)

    def __hash__(self) -> int:
        return hash(Pendulum)


class CartPole(CartPoleFunctional):
    """Gymnasium's CartPole in JAX: push a cart left (0) or right (1) so that its pole stays up.

    The observation (4,) is the cart's position (m) and speed (m/s), the pole's angle (rad) and
    angular speed (rad/s). Every step pays 1; the episode ends when the cart is 2.4 m off or the
    pole leans by 12 degrees, and is cut after `max_episode_steps`: 500 as in `CartPole-v1`, or
    200 as in `CartPole-v0`.
    """

    # Gymnasium's `phys2d` adds the pole's mass and half length where its CartPole-v1, and the
    # physics, multiply them.
    params = CartPoleParams(
        polemass_length=CartPoleParams.masspole * CartPoleParams.length  # type: ignore[call-arg]
    )

    def __init__(self, max_episode_steps: int = 500):
        if max_episode_steps < 1:
            raise ValueError(f"CartPole: max_episode_steps is {max_episode_steps}; at least 1.")
        super().__init__()
        self.max_episode_steps = max_episode_steps

    def __eq__(self, other: object) -> bool:
        """Equal limits make equal environments, as with `PointMaze`."""
        return isinstance(other, CartPole) and other.max_episode_steps == self.max_episode_steps

    def __hash__(self) -> int:
        return hash((CartPole, self.max_episode_steps))

    def transition(
        self, state: jax.Array, action: Any, rng: Any = None, params: Any = None
    ) -> jax.Array:
        """Return the state (4,) after one step of 0.02 s."""
        return super().transition(state, action, rng, self.params)


class PointMazeEnv(FunctionalJaxEnv):
    """`PointMaze` behind Gymnasium's ordinary interface: `offline_tutor/PointMaze-v0`."""

    def __init__(self, start: str = "A", render_mode: None = None):
        maze = PointMaze(start)
        maze.transform(jax.jit)
        super().__init__(maze, metadata={"render_modes": []}, render_mode=render_mode)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; return the observation (2,) as a NumPy array, and no further info."""
        observation, info = super().reset(seed=seed, options=options)
        return np.asarray(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one step; like Gymnasium's, with the observation (2,) as a NumPy array."""
        observation, *rest = super().step(np.asarray(action, np.float32))
        return np.asarray(observation), *rest


# The entry point is a string, so that a dataset can carry the recipe of its environment.
gymnasium.register(
    id="offline_tutor/PointMaze-v0",
    entry_point="offline_tutor.environments:PointMazeEnv",
    max_episode_steps=PointMaze.max_episode_steps,
)
