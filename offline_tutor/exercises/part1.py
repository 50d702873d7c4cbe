"""Exercises of part 1, what is given: 11_fixed_data, 12_datasets, 13_behaviour_cloning."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from offline_tutor.data import Array
from offline_tutor.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    gradients,
    looks_like,
    returns,
    same,
)

# ---------------------------------------------------------------------------- 12_datasets


def episode_returns(
    rewards: np.ndarray, terminations: np.ndarray, truncations: np.ndarray
) -> np.ndarray:
    """The return of each episode, in the order of the file: (episodes,).

    `rewards`, `terminations`, `truncations`: (rows,), one episode after the other. The last row of
    each has one of the flags.
    """
    ends = np.flatnonzero(terminations | truncations)
    starts = np.append(0, ends[:-1] + 1)
    return np.add.reduceat(rewards, starts)


def _episodes(rng: np.random.Generator) -> np.ndarray:
    """Lengths of four to seven episodes, of which no two neighbours are equally long."""
    lengths = rng.integers(2, 7, size=rng.integers(4, 8))
    return lengths + 5 * (np.arange(len(lengths)) % 2)


def _returns_case(rng: np.random.Generator) -> Case:
    lengths = _episodes(rng)
    ends = np.cumsum(lengths) - 1
    cut = rng.random(len(lengths)) < 0.5
    cut[[0, 1]] = True, False  # an end of either kind, neither of them the last
    flags = np.zeros((2, lengths.sum()), bool)
    flags[cut.astype(int), ends] = True
    rewards = rng.normal(size=lengths.sum())
    return {"rewards": rewards, "terminations": flags[0], "truncations": flags[1]}


def _sums(rewards: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(rewards, starts)


def _returns_by(flags: np.ndarray, rewards: np.ndarray, open_end: bool) -> np.ndarray:
    ends = np.flatnonzero(flags) + 1
    pieces = np.split(rewards, ends)
    if len(pieces[-1]) == 0 or not open_end:
        pieces = pieces[:-1]
    return np.array([piece.sum() for piece in pieces])


def _returns_to_terminations(open_end: bool) -> Any:
    def wrong(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
        return _returns_by(terminations, rewards, open_end)

    return wrong


def _returns_to_truncations(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
    return _returns_by(truncations, rewards, True)


def _returns_late(with_rest: bool) -> Any:
    def wrong(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
        pieces = np.split(rewards, np.flatnonzero(terminations | truncations))
        return np.array([piece.sum() for piece in pieces[: None if with_rest else -1]])

    return wrong


def _returns_without_first(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
    ends = np.flatnonzero(terminations | truncations)
    starts = np.append(0, ends[:-1] + 1)
    return rewards.cumsum()[ends] - rewards.cumsum()[starts]


def _returns_never_reset(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
    return rewards.cumsum()[terminations | truncations]


def _returns_mean(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
    ends = np.flatnonzero(terminations | truncations)
    return episode_returns(rewards, terminations, truncations) / np.diff(ends, prepend=-1)


EPISODE_RETURNS = Exercise(
    id="episode-returns",
    chapter="12_datasets",
    kind="fill in",
    title="What each episode earned",
    minutes=10,
    points=3,
    function="episode_returns",
    reference=episode_returns,
    case=_returns_case,
    mistakes=(
        Mistake(
            "time limits missed",
            looks_like(_returns_to_terminations(True), _returns_to_terminations(False)),
            "Two episodes run into one wherever a time limit stopped the first. A limit is no end "
            "of the task, so values look past it; but the next row is the start of another "
            "episode, so sums of rewards must not.",
        ),
        Mistake(
            "terminations missed",
            looks_like(_returns_to_truncations),
            "Episodes stop at time limits here, and run on where the task itself ended. Both are "
            "the last row of an episode.",
        ),
        Mistake(
            "one row late",
            looks_like(_returns_late(True), _returns_late(False)),
            "The last reward of an episode is counted with the next one. The row with the flag "
            "still belongs to the episode that it ends: the next begins one row later.",
        ),
        Mistake(
            "the first reward is lost",
            looks_like(_returns_without_first),
            "The difference of two running sums leaves out the reward at the place that is "
            "subtracted, the first of each episode. Subtract the sum *before* it.",
        ),
        Mistake(
            "never reset",
            looks_like(_returns_never_reset),
            "The sum runs on from one episode to the next: the last number is what the whole file "
            "earned. Each episode begins again at zero.",
        ),
        Mistake(
            "mean in place of the sum",
            looks_like(_returns_mean),
            "This is the mean reward of an episode. Its return is the sum: otherwise a long "
            "episode of +1 a step would be worth no more than a short one.",
        ),
    ),
    hints=(
        "Find the rows on which an episode ends, for whatever reason: two flags, one or.",
        "`np.flatnonzero` gives their places. Each episode begins one row after the end of the one "
        "before, and the first at row 0.",
        "`np.add.reduceat` sums between given starts. A loop that collects and resets is as good.",
    ),
    praise="No loop, and no episode is special: the ends say where everything begins. "
    "`np.add.reduceat` sums from each start to the next, and from the last one to the end.",
)


def pair_up(observations: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The observations before and after each action: two arrays (actions, observation).

    `observations`: (actions + episodes, observation), as recorded, one episode after the other.
    `lengths`: (episodes,) int, the number of actions of each.
    """
    last = np.cumsum(lengths + 1) - 1  # row of each episode's last observation
    first = last - lengths
    return np.delete(observations, last, axis=0), np.delete(observations, first, axis=0)


def _pair_case(rng: np.random.Generator) -> Case:
    lengths = _episodes(rng)
    return {"observations": rng.normal(size=((lengths + 1).sum(), 3)), "lengths": lengths}


def _pair_slips(observations: Any, lengths: Any) -> Any:
    rows = lengths.sum()
    return observations[:rows], observations[1 : rows + 1]


def _pair_crosses(observations: Any, lengths: Any) -> Any:
    before, _ = pair_up(observations, lengths)
    return before, np.append(before[1:], observations[-1:], axis=0)


def _pair_rolls(observations: Any, lengths: Any) -> Any:
    before, _ = pair_up(observations, lengths)
    return before, np.roll(before, -1, axis=0)


def _pair_stays(observations: Any, lengths: Any) -> Any:
    before, _ = pair_up(observations, lengths)
    last = np.cumsum(lengths) - 1
    after = np.append(before[1:], before[-1:], axis=0)
    after[last] = before[last]
    return before, after


def _pair_swapped(observations: Any, lengths: Any) -> Any:
    return pair_up(observations, lengths)[::-1]


def _has_all_pairs(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["observations"].shape[:1] == (len(case["observations"]) - 1,)


def _has_too_few_pairs(mine: Seen, right: Seen, case: Case) -> bool:
    fewer = len(right["observations"]) - len(case["lengths"])
    return mine["observations"].shape[:1] == (fewer,)


_pairs = returns("observations", "next_observations")

PAIR_UP = Exercise(
    id="next-observations",
    chapter="12_datasets",
    kind="find the bug",
    title="The row that slips",
    minutes=15,
    points=4,
    function="pair_up",
    reference=pair_up,
    case=_pair_case,
    probe=_pairs,
    mistakes=(
        Mistake(
            "slips a row an episode",
            looks_like(_pair_slips, probe=_pairs),
            "The first episode is right, and from then on everything is late: by one row in the "
            "second, two in the third. Every episode has one observation more than actions, so an "
            "action's row is not its observation's row.",
        ),
        Mistake(
            "reaches into the next episode",
            looks_like(_pair_crosses, _pair_rolls, probe=_pairs),
            "What follows an episode's last action here is the start of another episode, as if "
            "the world had jumped. The file has the true last observation: it is the extra one.",
        ),
        Mistake(
            "the last observation is lost",
            looks_like(_pair_stays, probe=_pairs),
            "At each end the next observation repeats the one before it, as if nothing had "
            "happened. The file has the true last observation of every episode: use it.",
        ),
        Mistake(
            "swapped",
            looks_like(_pair_swapped, probe=_pairs),
            "The two arrays are right and change places: first what was seen before the action, "
            "then what was seen after it.",
        ),
        Mistake(
            "a pair without an action",
            _has_all_pairs,
            "There is a pair too many at each border between episodes: the last observation of "
            "one and the first of the next are neighbours in the file, and no action leads from "
            "one to the other.",
        ),
        Mistake(
            "an action without a pair",
            _has_too_few_pairs,
            "Each episode has lost its last action. Its next observation is in the file, and with "
            "it the one row that says how the episode ended.",
        ),
    ),
    hints=(
        "Write down the rows of two episodes with 2 and 3 actions: how many observations has "
        "each, and in which rows of the file do they stand?",
        "Episode k takes `lengths[k] + 1` rows. Every row but its last is a 'before', every row "
        "but its first an 'after'.",
        "`np.cumsum(lengths + 1) - 1` are the last rows; `np.delete(observations, rows, axis=0)` "
        "leaves rows out.",
    ),
    praise="It says what the format means: leave out each episode's last row and you have what "
    "was seen before an action, leave out its first and you have what came after. The slip stood "
    "in the loader of a well-known library: it runs, every shape is right, and nothing warns.",
)

# ------------------------------------------------------------------- 13_behaviour_cloning


def cloning_loss(outputs: Array, actions: Array, max_action: float) -> Array:
    """Mean squared distance of the policy's actions to the data's: ().

    `outputs`: (n, 1), what the network says; the policy is max_action * tanh(outputs).
    `actions`: (n,), of the data, the one component in a flat array.
    """
    proposed = max_action * jnp.tanh(outputs)[:, 0]
    return ((proposed - actions) ** 2).mean()


def _cloning_case(rng: np.random.Generator) -> Case:
    largest = float(rng.uniform(1.5, 3))
    return {
        "outputs": jnp.asarray(rng.normal(size=(7, 1)), jnp.float32),
        "actions": jnp.asarray(rng.uniform(-largest, largest, size=7), jnp.float32),
        "max_action": largest,
    }


def _cloning_everybody(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((max_action * jnp.tanh(outputs) - actions) ** 2).mean()


def _cloning_sum(outputs: Any, actions: Any, max_action: Any) -> Any:
    return cloning_loss(outputs, actions, max_action) * len(actions)


def _cloning_everybody_sum(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((max_action * jnp.tanh(outputs) - actions) ** 2).sum()


def _cloning_unbounded(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((outputs[:, 0] - actions) ** 2).mean()


def _cloning_unbounded_scaled(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((max_action * outputs[:, 0] - actions) ** 2).mean()


def _cloning_unscaled(outputs: Any, actions: Any, max_action: Any) -> Any:
    return ((jnp.tanh(outputs)[:, 0] - actions) ** 2).mean()


def _cloning_absolute(outputs: Any, actions: Any, max_action: Any) -> Any:
    return jnp.abs(max_action * jnp.tanh(outputs)[:, 0] - actions).mean()


def _cloning_root(outputs: Any, actions: Any, max_action: Any) -> Any:
    return jnp.sqrt(cloning_loss(outputs, actions, max_action))


def _no_gradient(name: str) -> Any:
    """Shows where the value is right and its gradient is zero."""

    def shows(mine: Seen, right: Seen, case: Case) -> bool:
        gradient = mine[f"gradient by {name}"]
        return same(mine["value"], right["value"]) and not gradient.any()

    return shows


CLONING_LOSS = Exercise(
    id="cloning-loss",
    chapter="13_behaviour_cloning",
    kind="fill in",
    title="Copy row by row",
    minutes=10,
    points=3,
    function="cloning_loss",
    reference=cloning_loss,
    case=_cloning_case,
    probe=gradients("outputs"),
    mistakes=(
        Mistake(
            "broadcasting",
            looks_like(_cloning_everybody, _cloning_everybody_sum),
            "A column (n, 1) less a flat array (n,) is a table (n, n): every action of the policy "
            "is compared with every row of the data, and the best it can do is to give everybody "
            "the mean. Bring both to the same shape first.",
        ),
        Mistake(
            "sum in place of the mean",
            looks_like(_cloning_sum),
            "The number is right, times the size of the minibatch. With a sum the step that suits "
            "32 rows is eight times too long for 256: take the mean.",
        ),
        Mistake(
            "the policy has no bounds",
            looks_like(_cloning_unbounded, _cloning_unbounded_scaled),
            "The network's outputs are compared as they are. They may be any size; the policy "
            "squashes them into what the motor can do before anybody acts.",
        ),
        Mistake(
            "bounds of another motor",
            looks_like(_cloning_unscaled),
            "The policy never goes beyond 1, and the data goes up to max_action. Scale it.",
        ),
        Mistake(
            "distance without the square",
            looks_like(_cloning_absolute),
            "This is the absolute distance, whose best answer is the median. The task asks for "
            "the squared one.",
        ),
        Mistake(
            "root of the loss",
            looks_like(_cloning_root),
            "This is the root of the mean square: a good number to print, and another loss.",
        ),
        Mistake(
            "no gradient",
            _no_gradient("outputs"),
            "The number is right, and nothing can be learned from it: its gradient is zero. Is "
            "there a stop_gradient on the way from the outputs to the loss?",
        ),
    ),
    hints=(
        "First the policy: the outputs through tanh, and then as far as max_action goes.",
        "Print the shapes of the policy's actions and of the data's before you subtract.",
        "`outputs[:, 0]`, or `actions[:, None]`: one of them, so that row i meets row i.",
    ),
    praise="One index makes both flat, and row i meets row i. An assert on two shapes costs a "
    "line and would have saved many a week: the wrong one runs without a warning, and its loss "
    "falls, too.",
)


def expected_cost(epsilon: float, horizon: int) -> float:
    """Mean cost of `horizon` steps, each spoilt by a mistake with probability `epsilon`."""
    steps = np.arange(1, horizon + 1)
    lost = 1 - (1 - epsilon) ** steps  # probability that a mistake has been made by then
    return float(lost.sum())


def _cost_case(rng: np.random.Generator) -> Case:
    return {"epsilon": float(rng.uniform(0.01, 0.1)), "horizon": int(rng.integers(20, 100))}


EXPECTED_COST = Exercise(
    id="compounding",
    chapter="13_behaviour_cloning",
    kind="predict then run",
    title="One mistake in a hundred",
    minutes=10,
    points=3,
    function="expected_cost",
    reference=expected_cost,
    case=_cost_case,
    choices={
        "a": Choice(
            "about 1",
            "You counted mistakes: one in a hundred steps. But after it the clone is somewhere "
            "else, and every step that is left costs something, too. Now compute how much.",
        ),
        "b": Choice(
            "about 37",
            "Good instinct: a first mistake comes somewhere on the way, and costs all the steps "
            "after it. Now compute it, and look at how it grows when the road is twice as long.",
        ),
        "c": Choice(
            "close to 100",
            "It would be, if the first mistake always came at once. It often comes late, and in "
            "more than a third of all drives never. Now compute what is left.",
        ),
    },
    mistakes=(
        Mistake(
            "a mistake costs one step",
            looks_like(lambda epsilon, horizon: epsilon * horizon),
            "This counts the mistakes. Here a mistake costs the step on which it is made *and "
            "every later one*: ask for each step how likely it is that all is still well.",
        ),
        Mistake(
            "lost from the start",
            looks_like(lambda epsilon, horizon: horizon * (1 - (1 - epsilon) ** horizon)),
            "This is the probability of any mistake times all steps, as if it always came at the "
            "first of them. Each step needs a probability of its own.",
        ),
        Mistake(
            "one step late",
            looks_like(
                lambda epsilon, horizon: sum(1 - (1 - epsilon) ** t for t in range(horizon))
            ),
            "Off by one: at the first step a mistake is already possible, and that step then "
            "costs 1.",
        ),
        Mistake(
            "the part that is well",
            looks_like(
                lambda epsilon, horizon: sum((1 - epsilon) ** t for t in range(1, horizon + 1))
            ),
            "This is the number of steps on which all is still well. The cost is the others.",
        ),
        Mistake(
            "small-epsilon formula",
            looks_like(
                lambda epsilon, horizon: epsilon * horizon * (horizon + 1) / 2,
                lambda epsilon, horizon: epsilon * horizon**2 / 2,
                lambda epsilon, horizon: epsilon * horizon**2,
            ),
            "A fine rule of thumb for small epsilon, and the reason why people say 'quadratic'. "
            "For these numbers it overshoots: a cost cannot exceed the number of steps. Be exact.",
        ),
    ),
    hints=(
        "The cost is a sum over steps. Which probability belongs to step t?",
        "All is well after t steps if no mistake was made in any of them: `(1 - epsilon) ** t`.",
        "Sum what is left of 1, for t from 1 to the horizon.",
    ),
    praise="The expectation of a sum is the sum of the expectations, so one probability a step is "
    "all there is to it. Twice the road costs nearly four times as much, while it is short.",
)

EXERCISES: tuple[Exercise, ...] = (EPISODE_RETURNS, PAIR_UP, CLONING_LOSS, EXPECTED_COST)
