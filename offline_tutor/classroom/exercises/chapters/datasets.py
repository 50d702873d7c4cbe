"""Exercises of the chapter 12_datasets."""

from __future__ import annotations

from typing import Any

import numpy as np

from offline_tutor.classroom.exercises.exercise import (
    Case,
    Exercise,
    Mistake,
    Seen,
    looks_like,
    returns,
)


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


def _returns_by_starts(flags: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """The last sum runs to the end of the file, as those of `reduceat` do."""
    starts = np.append(0, np.flatnonzero(flags)[:-1] + 1)
    return np.add.reduceat(rewards, starts)


def _returns_to_terminations(way: Any) -> Any:
    def wrong(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
        return way(terminations, rewards)

    return wrong


def _returns_to_truncations(way: Any) -> Any:
    def wrong(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
        return way(truncations, rewards)

    return wrong


def _returns_with_rest(flags: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    return _returns_by(flags, rewards, True)


def _returns_without_rest(flags: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    return _returns_by(flags, rewards, False)


def _returns_starts_late(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
    ends = np.flatnonzero(terminations | truncations)
    return np.add.reduceat(rewards, np.append(0, ends[:-1]))


def _returns_without_last(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
    ends = np.flatnonzero(terminations | truncations)
    return episode_returns(rewards, terminations, truncations) - rewards[ends]


def _returns_with_nothing(rewards: Any, terminations: Any, truncations: Any) -> np.ndarray:
    return np.append(episode_returns(rewards, terminations, truncations), 0.0)


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
            looks_like(
                _returns_to_terminations(_returns_with_rest),
                _returns_to_terminations(_returns_without_rest),
                _returns_to_terminations(_returns_by_starts),
            ),
            "Two episodes run into one wherever a time limit stopped the first. A limit is no end "
            "of the task, so values look past it. But the next row belongs to another episode, "
            "so a sum of rewards has to stop there.",
        ),
        Mistake(
            "terminations missed",
            looks_like(
                _returns_to_truncations(_returns_with_rest),
                _returns_to_truncations(_returns_without_rest),
                _returns_to_truncations(_returns_by_starts),
            ),
            "Here episodes stop at time limits, and run on where the task itself ended. A row with "
            "either flag is the last one of its episode.",
        ),
        Mistake(
            "one row late",
            looks_like(_returns_late(True), _returns_late(False), _returns_starts_late),
            "The last reward of an episode is counted with the next one. The row with the flag "
            "still belongs to the episode that it ends: the next begins one row later.",
        ),
        Mistake(
            "the last reward is lost",
            looks_like(_returns_without_last),
            "The last reward of each episode is missing. The row with the flag still belongs to "
            "the episode, and a slice stops *before* its second number.",
        ),
        Mistake(
            "an empty episode",
            looks_like(_returns_with_nothing),
            "The sums are right, and one more follows them, of no rows: after the last end the "
            "file is over, and no episode begins.",
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
            "The sum runs on from one episode to the next, so the last number is what the whole "
            "file earned. Each episode begins again at zero.",
        ),
        Mistake(
            "mean instead of the sum",
            looks_like(_returns_mean),
            "This is the mean reward of an episode. Its return is the sum: otherwise a long "
            "episode of +1 a step would be worth no more than a short one.",
        ),
    ),
    hints=(
        "Find the rows on which an episode ends, for either reason: `|` combines two flags.",
        "`np.flatnonzero` gives their places. Each episode begins one row after the end of the one "
        "before, and the first at row 0.",
        "`np.add.reduceat` sums between given starts. A loop that collects and resets works too.",
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
            "The two arrays are right, but in the wrong order: first what was seen before the "
            "action, then what was seen after it.",
        ),
        Mistake(
            "a pair without an action",
            _has_all_pairs,
            "There is one pair too many at each border between episodes: the last observation of "
            "one and the first of the next are neighbours in the file, and no action leads from "
            "one to the other.",
        ),
        Mistake(
            "an action without a pair",
            _has_too_few_pairs,
            "Each episode has lost its last action, although the observation after it is in the "
            "file. With it goes the one row that says how the episode ended.",
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
    "was seen before an action, leave out its first and you have what came after. The library "
    "d3rlpy has read Minari's files with this slip: every shape is right, and nothing warns.",
)

AUDIT = Exercise(
    id="audit",
    chapter="12_datasets",
    kind="open",
    title="A file from someone else",
    minutes=20,
    points=5,
    hints=(
        "What would make a critic believe in something that cannot happen?",
        "Think of how rows hang together, of why episodes stop, of units, and of who acted.",
    ),
    praise="A good answer names checks that can be run in an afternoon, each with what it would "
    "show if all were well, and is just as clear about what no check can tell.",
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

EXERCISES: tuple[Exercise, ...] = (
    EPISODE_RETURNS,
    PAIR_UP,
    AUDIT,
)
