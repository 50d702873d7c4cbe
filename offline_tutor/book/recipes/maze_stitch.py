"""`maze/stitch-v0`: two kinds of walk that share a corridor, none of which is the one wanted.

Most episodes lead from A to C, some from B to the goal D. The test starts at A: the way to the goal
has to be stitched together from the first half of the one and the second half of the other.
"""

from __future__ import annotations

from collections import deque

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.book.recipes.write import Recording, split_episodes
from offline_tutor.environments import STEP, PointMaze
from offline_tutor.evaluation import rollout

NAME = "maze/stitch-v0"
WALKS = (("A", "C", 160), ("B", "D", 40))  # from, to, episodes
SEED = 0
NOISE = 0.5  # standard deviation of the noise on the walker's actions


def record() -> Recording:
    """Walk all episodes."""
    episodes = []
    for index, (start, end, count) in enumerate(WALKS):
        walker = jax.tree_util.Partial(walk, next_centres(end))
        key = jax.random.fold_in(jax.random.key(SEED), index)
        rows = rollout(walker, PointMaze(start), key, episodes=count, noise=NOISE)
        # What the maze makes of a longer action is recorded, not the action: never beyond the disc.
        speeds = jnp.linalg.norm(rows.actions, axis=-1, keepdims=True)
        rows = rows._replace(actions=rows.actions / jnp.maximum(1.0, speeds))
        episodes += split_episodes(rows)
    return Recording(
        episodes=episodes,
        environment=gymnasium.make("offline_tutor/PointMaze-v0", start="data"),
        evaluation=gymnasium.make("offline_tutor/PointMaze-v0", start="A"),
        algorithm="walk from cell centre to cell centre, Gaussian noise of 0.5 on the actions",
        description=(
            "A point in a maze of corridors, an H on its side. 160 episodes lead from A (top left) "
            "to C (bottom left), 40 from B (top right) to the goal D (bottom right); none leads "
            "from A to D, which is the test. Reward 1 at D, else 0. Time limit 60 steps."
        ),
    )


def walk(centres: jax.Array, observations: jax.Array) -> jax.Array:
    """Head for the centre of the next cell: positions (episodes, 2) to actions (episodes, 2)."""
    columns, rows = jnp.floor(observations).astype(int).T
    towards = centres[columns, rows] - observations
    distance = jnp.linalg.norm(towards, axis=1, keepdims=True)
    return towards / jnp.maximum(distance, STEP)


def next_centres(place: str) -> jax.Array:
    """Return where to head for from each cell to reach a place: (columns, rows from below, 2)."""
    free = ~PointMaze.cells[::-1].T  # [x, y] is the cell that reaches from (x, y) to (x + 1, y + 1)
    centres = np.zeros((*free.shape, 2), np.float32)
    goal = tuple(np.floor(PointMaze.places[place]).astype(int).tolist())
    centres[goal] = PointMaze.places[place]
    reached, queue = {goal}, deque([goal])
    while queue:
        x, y = queue.popleft()
        for cell in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if free[cell] and cell not in reached:
                centres[cell] = x + 0.5, y + 0.5
                reached.add(cell)
                queue.append(cell)
    return jnp.asarray(centres)
