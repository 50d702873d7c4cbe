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

# -------------------------------------------------------------------------- 11_fixed_data


def seen_targets(
    q: np.ndarray,
    seen: np.ndarray,
    rewards: np.ndarray,
    next_states: np.ndarray,
    terminations: np.ndarray,
    discount: float,
    worst: float,
) -> np.ndarray:
    """Targets of fitted Q iteration that ask only about actions that were seen: (rows,).

    `q`: (states, actions), the table; `seen`: its shape, bool. `worst`: what an action that was
    not seen is taken to be worth. `rewards`, `next_states`, `terminations`: (rows,).
    """
    best = np.where(seen, q, worst).max(axis=1)
    return rewards + discount * (1 - terminations) * best[next_states]


def _seen_case(rng: np.random.Generator) -> Case:
    seen = rng.random((6, 4)) < 0.5
    seen[0], seen[1] = False, True  # one state that nobody left, one where all was tried
    q = np.where(seen, -rng.uniform(1, 9, size=(6, 4)), rng.uniform(-1, 1, size=(6, 4)))
    return {
        "q": q,
        "seen": seen,
        "rewards": -rng.uniform(0.5, 1.5, size=12),
        "next_states": np.append(rng.integers(2, 6, size=8), [0, 1, 4, 5]),
        "terminations": np.arange(12) % 6 == 5,
        "discount": float(rng.uniform(0.8, 0.95)),
        "worst": -20.0,
    }


def _seen_by(best: Any) -> Any:
    """Targets with another value of each state: `best(q, seen, worst)`."""

    def wrong(
        q: Any,
        seen: Any,
        rewards: Any,
        next_states: Any,
        terminations: Any,
        discount: Any,
        worst: Any,
    ) -> np.ndarray:
        return rewards + discount * (1 - terminations) * best(q, seen, worst)[next_states]

    return wrong


def _seen_endless(**case: Any) -> np.ndarray:
    return seen_targets(**{**case, "terminations": np.zeros(12)})


def _seen_nothing_at_ends(**case: Any) -> np.ndarray:
    return (1 - case["terminations"]) * _seen_endless(**case)


def _seen_undiscounted(**case: Any) -> np.ndarray:
    return seen_targets(**{**case, "discount": 1.0})


def _is_not_finite(mine: Seen, right: Seen, case: Case) -> bool:
    return not np.isfinite(mine["value"]).all()


SEEN_TARGETS = Exercise(
    id="seen-targets",
    chapter="11_fixed_data",
    kind="fill in",
    title="Ask only about what was seen",
    minutes=15,
    points=4,
    function="seen_targets",
    reference=seen_targets,
    case=_seen_case,
    mistakes=(
        Mistake(
            "asks about everything",
            looks_like(_seen_by(lambda q, seen, worst: q.max(axis=1))),
            "The maximum still runs over actions that nobody tried, and picks the numbers that "
            "are made up. What `seen` says must be heard before the maximum is taken.",
        ),
        Mistake(
            "zero for what was not seen",
            looks_like(
                _seen_by(lambda q, seen, worst: (q * seen).max(axis=1)),
                _seen_by(lambda q, seen, worst: np.where(seen, q, 0.0).max(axis=1)),
            ),
            "What was not seen became 0. Where every step costs something, 0 is the best value "
            "there can be, so the maximum prefers exactly what it should avoid.",
        ),
        Mistake(
            "nothing to choose from",
            _is_not_finite,
            "Somewhere a number is not finite: in a state where nothing was seen, the best of "
            "nothing is minus infinity, or a mean of nothing. `worst` is meant for such states.",
        ),
        Mistake(
            "ends are missed",
            looks_like(_seen_endless),
            "Rows that end the walk look ahead as if it went on. After a termination there is "
            "nothing more to earn: only the reward counts.",
        ),
        Mistake(
            "no reward at the end",
            looks_like(_seen_nothing_at_ends),
            "At a termination the target is 0, and the last reward is lost. (1 - d) belongs to "
            "what comes after, not to the reward of the step itself.",
        ),
        Mistake(
            "no discount",
            looks_like(_seen_undiscounted),
            "What comes a step later counts in full here; the discount is an argument.",
        ),
    ),
    hints=(
        "Three steps: a table in which nothing tempts, the best of each state, the targets.",
        "`np.where(condition, this, that)` chooses number by number.",
        "Index the best values with `next_states` to get one for each row; d switches them off.",
    ),
    praise="The mask acts before the maximum, where the harm is done, and `worst` is a value that "
    "the world really has: that of walking for ever.",
)


def disappointment(guesses: np.ndarray, truth: np.ndarray) -> float:
    """How much more the chosen action promises than it is worth, on average.

    `guesses`: (tables, actions), each row an independent guess of all values. The action of the
    largest guess is chosen. `truth`: (actions,), what they are worth.
    """
    chosen = guesses.argmax(axis=1)
    return float((guesses.max(axis=1) - truth[chosen]).mean())


def _disappointment_case(rng: np.random.Generator) -> Case:
    truth = rng.normal(size=5)
    return {"guesses": truth + rng.normal(scale=1.5, size=(40, 5)), "truth": truth}


DISAPPOINTMENT = Exercise(
    id="maximum-bias",
    chapter="11_fixed_data",
    kind="predict then run",
    title="The largest of fair guesses",
    minutes=10,
    points=3,
    function="disappointment",
    reference=disappointment,
    case=_disappointment_case,
    choices={
        "a": Choice(
            "0: every guess is fair",
            "Every guess is fair, and the largest is not: it was chosen *because* it is large, "
            "and the errors upwards are what makes a guess large. Now measure by how much.",
        ),
        "b": Choice(
            "about 1.4",
            "Well judged: the largest of eight standard normal numbers is 1.4 on average. All of "
            "it is error. Now measure it where the actions differ in worth.",
        ),
        "c": Choice(
            "8: the errors add up",
            "The right direction, and too far: a maximum takes one of the errors, not their sum, "
            "and errors of 8 standard deviations do not happen. Now measure it.",
        ),
    },
    mistakes=(
        Mistake(
            "mean before the maximum",
            looks_like(lambda guesses, truth: guesses.mean(axis=0).max() - truth.max()),
            "The mean over the tables came first, and averaged the errors away before the "
            "maximum could choose among them. Each table makes its own choice.",
        ),
        Mistake(
            "compared with the best",
            looks_like(lambda guesses, truth: guesses.max(axis=1).mean() - truth.max()),
            "The promise is compared with the best action's worth. Whoever acts gets what the "
            "*chosen* action is worth, and that is often another one.",
        ),
        Mistake(
            "a missed chance",
            looks_like(lambda guesses, truth: truth.max() - truth[guesses.argmax(axis=1)].mean()),
            "This is what the choice costs compared with the best one. The question is how much "
            "less it brings than it promised.",
        ),
        Mistake(
            "all guesses",
            looks_like(
                lambda guesses, truth: (guesses - truth).mean(),
                lambda guesses, truth: guesses.mean() - truth.mean(),
            ),
            "This is the mean error of *all* guesses, and they are fair. Look at the one that is "
            "chosen in each table.",
        ),
        Mistake(
            "sign",
            looks_like(lambda guesses, truth: -disappointment(guesses, truth)),
            "The size is right: promise less worth, not the other way round.",
        ),
        Mistake(
            "wrong axis",
            looks_like(
                lambda guesses, truth: (guesses.max(axis=0) - truth).mean(),
                lambda guesses, truth: guesses.max(axis=0).mean() - truth.max(),
            ),
            "The maximum runs over the tables, action by action. A learner has one table, and "
            "takes the largest number in it.",
        ),
    ),
    hints=(
        "For each table: which action is chosen, what does it promise, what is it worth?",
        "`argmax(axis=1)` chooses, and `truth[...]` with what it gives says what one gets.",
        "Promise less worth for each table, and the mean over the tables last.",
    ),
    praise="The choice is made once and used twice: for the promise and for what is got. Their "
    "difference is never negative on average, however fair the guesses are.",
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

AUDIT = Exercise(
    id="audit",
    chapter="12_datasets",
    kind="open",
    title="A file from somebody else",
    minutes=20,
    points=5,
    hints=(
        "What would make a critic believe in something that cannot happen?",
        "Think of how rows hang together, of why episodes stop, of units, and of who acted.",
    ),
    praise="A good answer names checks that somebody can run in an afternoon, each with what it "
    "would show if all were well, and is as clear about what no check can tell.",
    rubric=(
        (
            1,
            "how rows follow each other: the next observation is that of the next row, but for"
            " ends; one more observation than actions in an episode",
        ),
        (1, "why episodes stop: failures are terminations, ends of a shift or of a file are not"),
        (
            1,
            "units and bounds: valve positions and temperatures in one unit throughout, settings"
            " inside what the valve can do, no missing values in disguise (0, -999)",
        ),
        (
            1,
            "who acted: how many controllers or people, how good, how much of the range they"
            " covered, and whether they knew things that are not in the columns",
        ),
        (
            1,
            "a consequence for the method: what cloning would do with these rows, and where no"
            " method can know better than the file",
        ),
    ),
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


def best_rows(rewards: np.ndarray, lengths: np.ndarray, share: float) -> np.ndarray:
    """Which rows belong to the best share of the episodes, those of the highest return: (rows,).

    `rewards`: (rows,), one episode after the other. `lengths`: (episodes,) int, their rows.
    """
    returns = np.add.reduceat(rewards, np.cumsum(lengths) - lengths)
    keep = round(share * len(lengths))
    best = np.argsort(-returns)[:keep]
    return np.isin(np.repeat(np.arange(len(lengths)), lengths), best)


def _best_case(rng: np.random.Generator) -> Case:
    lengths = rng.integers(3, 40, size=20)
    level = rng.normal(0.8, 0.5, size=20)  # some drive better than others
    rewards = np.repeat(level, lengths) + rng.normal(size=lengths.sum())
    return {"rewards": rewards, "lengths": lengths, "share": float(rng.choice([0.25, 0.4, 0.5]))}


def _best_by(score: Any) -> Any:
    """The rows of the best episodes by another score: `score(returns, lengths)`."""

    def wrong(rewards: Any, lengths: Any, share: Any) -> np.ndarray:
        returns = np.add.reduceat(rewards, np.cumsum(lengths) - lengths)
        order = np.argsort(-score(returns, lengths))[: round(share * len(lengths))]
        return np.isin(np.repeat(np.arange(len(lengths)), lengths), order)

    return wrong


def _best_single_rows(rewards: Any, lengths: Any, share: Any) -> np.ndarray:
    keep = round(share * len(rewards))
    return rewards >= np.sort(rewards)[-keep]


def _is_not_a_mask(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["value"].shape != right["value"].shape and mine["value"].ndim == 1


BEST_ROWS = Exercise(
    id="best-rows",
    chapter="13_behaviour_cloning",
    kind="find the bug",
    title="Only the best",
    minutes=15,
    points=4,
    function="best_rows",
    reference=best_rows,
    case=_best_case,
    mistakes=(
        Mistake(
            "single rows",
            looks_like(_best_single_rows),
            "These are the best *rows*. A pendulum's best rows are those in which it already "
            "stands: nothing among them shows how it got there. What is good is a whole episode, "
            "with the poor rewards that had to be paid on the way.",
        ),
        Mistake(
            "the worst",
            looks_like(_best_by(lambda returns, lengths: -returns)),
            "These are the worst episodes. `np.argsort` puts the smallest first.",
        ),
        Mistake(
            "mean reward",
            looks_like(_best_by(lambda returns, lengths: returns / lengths)),
            "These episodes have the best *mean* reward. The return is the sum, and it is what "
            "the task asks for: they differ where episodes are not equally long.",
        ),
        Mistake(
            "the longest",
            looks_like(_best_by(lambda returns, lengths: lengths)),
            "These are the longest episodes. Long is not good, unless every step pays.",
        ),
        Mistake(
            "no mask",
            _is_not_a_mask,
            "One bool for each row of the file is wanted, so that every column can be cut with "
            "it. `np.repeat` spreads what is known of an episode over its rows.",
        ),
    ),
    hints=(
        "What is the best row of a pendulum that was swung up, and what would a clone learn there?",
        "First one number for each episode, its return; then which episodes; then their rows.",
        "`np.add.reduceat` sums by episode, `np.repeat(..., lengths)` goes back to rows.",
    ),
    praise="Down from rows to episodes, choose, and back up again: three lines, three shapes. The "
    "mask cuts every column of the dataset alike.",
)

EXERCISES: tuple[Exercise, ...] = (
    SEEN_TARGETS,
    DISAPPOINTMENT,
    EPISODE_RETURNS,
    PAIR_UP,
    AUDIT,
    CLONING_LOSS,
    EXPECTED_COST,
    BEST_ROWS,
)
