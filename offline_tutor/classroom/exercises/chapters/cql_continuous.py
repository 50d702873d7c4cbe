"""Exercises of the chapter 34_cql_continuous."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from offline_tutor.classroom.exercises.chapters.shared import (
    ACTIONS,
    BATCH,
    gaussian,
    is_not_finite,
    looks_like_numpy,
    uniform_actions,
    where_value_is_right,
)
from offline_tutor.classroom.exercises.exercise import Case, Exercise, Mistake, compiled, looks_like
from offline_tutor.types import Array

Critic = Callable[[Array, Array], Array]  # values of observations and actions: (...)


def log_integral(
    q_uniform: Array,
    q_here: Array,
    q_next: Array,
    log_here: Array,
    log_next: Array,
    action_dim: int,
) -> Array:
    """An estimate of the logarithm of the integral of exp Q over all actions: (batch,).

    `q_uniform`, `q_here`, `q_next`: (batch, n), what a critic says, all in this state, of actions
    drawn uniformly from the cube with sides from -1 to 1, from the policy here, and from the policy
    in the next state. `log_here`, `log_next`: (batch, n), the log-densities that the latter two
    were drawn with.
    """
    log_uniform = -action_dim * jnp.log(2.0)
    groups = [q_uniform - log_uniform, q_here - log_here, q_next - log_next]
    weighed = jnp.concatenate(groups, axis=1)
    return jax.nn.logsumexp(weighed, axis=1) - jnp.log(weighed.shape[1])


def _integral_case(rng: np.random.Generator) -> Case:
    q = rng.normal(size=(3, BATCH, 4))
    q[:, 0] += 100  # exp of it is more than 32 bits can hold
    return {
        "q_uniform": jnp.asarray(q[0], jnp.float32),
        "q_here": jnp.asarray(q[1], jnp.float32),
        "q_next": jnp.asarray(q[2], jnp.float32),
        "log_here": gaussian(rng, BATCH, 4, mean=1),
        "log_next": gaussian(rng, BATCH, 4, mean=-1),
        "action_dim": int(rng.integers(3, 7)),
    }


def _integral_by(
    weigh: Callable[..., Any] = lambda q, log_density: q - log_density,
    log_uniform: Callable[[int], Any] = lambda dim: -dim * np.log(2.0),
    count: Callable[[int], Any] = lambda n: 3 * n,
) -> Callable[..., Any]:
    """A variation of the estimate, by the weights, the uniform density and the number."""

    def wrong(
        q_uniform: Any, q_here: Any, q_next: Any, log_here: Any, log_next: Any, action_dim: Any
    ) -> Any:
        uniform = weigh(q_uniform, log_uniform(action_dim))
        groups = [uniform, weigh(q_here, log_here), weigh(q_next, log_next)]
        number = np.log(count(q_here.shape[1]))
        return np.logaddexp.reduce(np.concatenate(groups, axis=1), axis=1) - number

    return wrong


def _integral_one_policy(log_next: Any, log_here: Any, **case: Any) -> Any:
    return _integral_by()(log_here=log_here, log_next=log_here, **case)


def _integral_mean_of_logs(**case: Any) -> Any:
    weighed = [
        case["q_uniform"] + case["action_dim"] * np.log(2.0),
        case["q_here"] - case["log_here"],
        case["q_next"] - case["log_next"],
    ]
    logs = [np.logaddexp.reduce(each, axis=1) - np.log(each.shape[1]) for each in weighed]
    return sum(logs) / 3


def _integral_of_means(**case: Any) -> Any:
    groups = (
        case["q_uniform"] + case["action_dim"] * np.log(2.0),
        case["q_here"] - case["log_here"],
    )
    return np.concatenate([*groups, case["q_next"] - case["log_next"]], axis=1).mean(axis=1)


IMPORTANCE_WEIGHTS = Exercise(
    id="importance-weights",
    chapter="34_cql_continuous",
    kind="fill in",
    title="Thirty samples for an integral",
    minutes=20,
    points=4,
    function="log_integral",
    reference=log_integral,
    case=_integral_case,
    mistakes=(
        Mistake(
            "overflow",
            is_not_finite,
            "e to the power of a value of 100 is more than a number of 32 bits can hold, and "
            "values of 100 are nothing special. `jax.nn.logsumexp` takes out the largest first.",
        ),
        Mistake(
            "uniform density forgotten",
            looks_like_numpy(_integral_by(log_uniform=lambda dim: 0.0)),
            "The uniform samples count as if their density were 1. They fill a cube whose sides "
            "are 2 long: what is its volume, and so the density that integrates to one?",
        ),
        Mistake(
            "uniform density the wrong way round",
            looks_like_numpy(_integral_by(log_uniform=lambda dim: dim * np.log(2.0))),
            "The uniform density is the volume of the cube here. A density is one *over* the "
            "volume; its logarithm is negative.",
        ),
        Mistake(
            "one side of the cube",
            looks_like_numpy(
                _integral_by(log_uniform=lambda dim: -np.log(2.0)),
                _integral_by(log_uniform=lambda dim: -np.log(2.0 * dim)),
            ),
            "The cube has a side for each component of the action, and its volume is the product "
            "of all of them. In which dimension is yours right?",
        ),
        Mistake(
            "one policy's density for both",
            looks_like_numpy(_integral_one_policy),
            "Actions that were drawn in the next state are weighed with the density of the policy "
            "*here*. What counts is the density that a sample was really drawn with.",
        ),
        Mistake(
            "no densities",
            looks_like_numpy(_integral_by(weigh=lambda q, log_density: q)),
            "Every sample counts alike. Where the policy draws many actions there are then many "
            "terms, and they are pushed down because they are drawn often, not because Q is large "
            "there. Divide each by the density that it was drawn with.",
        ),
        Mistake(
            "multiplied by the densities",
            looks_like_numpy(_integral_by(weigh=lambda q, log_density: q + log_density)),
            "Samples that are drawn often are counted even more here. A density makes up for how "
            "often a sample is drawn: divide by it, so subtract its logarithm.",
        ),
        Mistake(
            "number of samples left out",
            looks_like_numpy(_integral_by(count=lambda n: 1)),
            "Right but for a constant, so the gradient is right, and CQL's code stops here. An "
            "estimate of the integral is a *mean* over samples, though: subtract the logarithm of "
            "how many there are.",
        ),
        Mistake(
            "three integrals added",
            looks_like_numpy(_integral_by(count=lambda n: n)),
            "Each group is an estimate of the whole integral, and here the three are added up. "
            "Take their mean: how many samples are there altogether?",
        ),
        Mistake(
            "mean of three logarithms",
            looks_like_numpy(_integral_mean_of_logs),
            "Each group's logarithm is taken by itself, and those are averaged. Average the "
            "integrals, then take the logarithm: put all samples into one sum.",
        ),
        Mistake(
            "mean instead of the logsumexp",
            looks_like_numpy(_integral_of_means),
            "A mean of Q less log-density: every sample is pushed equally, whether its value is "
            "large or small. The integral is of exp Q.",
        ),
    ),
    hints=(
        "For each sample: e^Q over the density that it was drawn with. In logarithms that is a "
        "difference.",
        "The uniform density on a cube of volume V is 1 / V. Here V has a factor of 2 for each "
        "component.",
        "Put the three groups side by side, take `jax.nn.logsumexp` over the samples of each row, "
        "and turn the sum into a mean.",
    ),
    praise="The three groups are treated alike, since what makes them differ is only the density. "
    "A sample drawn from another policy is as good as any, so long as that one's density is used. "
    "For a straight line the integral is known: a test that the wrong ones do not pass.",
)


def conservative_gap(
    q: Critic,
    observations: Array,
    next_observations: Array,
    actions: Array,
    here: Array,
    there: Array,
    log_here: Array,
    log_there: Array,
) -> Array:
    """How far a critic stands above its values of the data's actions, mean: ().

    `q`: a function of observations (..., observation) and actions (..., action): (...). `here`,
    `there`: (batch, n, action), actions that the policy would take in `observations` and in
    `next_observations`, both (batch, observation), drawn with the log-densities `log_here` and
    `log_there`, (batch, n). `actions`: (batch, action), the data's.
    """
    sampled = jnp.concatenate([here, there], axis=1)
    log_densities = jnp.concatenate([log_here, log_there], axis=1)
    states = jnp.repeat(observations[:, None], sampled.shape[1], axis=1)
    soft_maximum = jax.nn.logsumexp(q(states, sampled) - log_densities, axis=1)
    return (soft_maximum - q(observations, actions)).mean()


def _hollow(state: Array, action: Array, observations: Array, actions: Array) -> Array:
    """A critic in plain operators, as good for NumPy as for JAX: (...)."""
    return (observations * state).sum(axis=-1) + (actions * (action + actions)).sum(axis=-1)


def _gap_case(rng: np.random.Generator) -> Case:
    return {
        "q": Partial(_hollow, gaussian(rng, 2), gaussian(rng, ACTIONS)),
        "observations": gaussian(rng, BATCH, 2),
        "next_observations": gaussian(rng, BATCH, 2),
        "actions": uniform_actions(rng, BATCH, ACTIONS),
        "here": uniform_actions(rng, BATCH, 4, ACTIONS),
        "there": uniform_actions(rng, BATCH, 4, ACTIONS),
        "log_here": gaussian(rng, BATCH, 4, mean=1),
        "log_there": gaussian(rng, BATCH, 4, mean=-1),
    }


@compiled
def _gap_and_gradient(function: Any, case: Case) -> dict[str, Any]:
    """The value, and the gradient by the critic's weights."""

    def total(q: Any) -> Any:
        gap = function(**{**case, "q": q})
        return jnp.sum(gap), gap

    by_critic, gap = jax.grad(total, has_aux=True)(case["q"])
    return {"value": gap, "gradient by the critic": jnp.concatenate(jax.tree.leaves(by_critic))}


def _gap_by(
    join: Callable[[Array, Array], Array] = lambda pushed, held: (pushed - held).mean(),
    push: Callable[[Array], Array] = lambda terms: np.logaddexp.reduce(terms, axis=1),
    weigh: Callable[[Array, Array], Array] = lambda q, log_density: q - log_density,
    of_next: str = "observations",
    of_data: str = "observations",
) -> Callable[..., Any]:
    """A variation of the gap, by its parts and by the states in which actions are valued."""

    def wrong(q: Any, actions: Any, here: Any, there: Any, **case: Any) -> Any:
        q_here, q_there = q(case["observations"][:, None], here), q(case[of_next][:, None], there)
        terms = [weigh(q_here, case["log_here"]), weigh(q_there, case["log_there"])]
        return join(push(np.concatenate(terms, axis=1)), q(case[of_data], actions))

    return wrong


def _gap_stopped(ndim: int) -> Callable[..., Any]:
    """The gap without a gradient by values of actions of this many dimensions."""

    def wrong(q: Any, **case: Any) -> Any:
        def stopped(observations: Any, actions: Any) -> Any:
            value = q(observations, actions)
            return jax.lax.stop_gradient(value) if actions.ndim == ndim else value

        return conservative_gap(stopped, **case)

    return wrong


CONSERVATIVE_GAP = Exercise(
    id="conservative-gap",
    chapter="34_cql_continuous",
    kind="find the bug",
    title="Which state is being valued?",
    minutes=15,
    points=4,
    function="conservative_gap",
    reference=conservative_gap,
    case=_gap_case,
    probe=_gap_and_gradient,
    mistakes=(
        Mistake(
            "valued at the next state",
            looks_like_numpy(_gap_by(of_next="next_observations")),
            "Actions of the next state are valued in the next state. The integral is over all "
            "actions *here*; the next state is only another place to draw some from. Valued there "
            "they belong to another integral, whose data action is not in the bracket.",
        ),
        Mistake(
            "all valued at the next state",
            looks_like_numpy(
                _gap_by(of_data="next_observations"),
                _gap_by(of_next="next_observations", of_data="next_observations"),
            ),
            "The data's action is valued in the next state. It was taken in this one, and here it "
            "has to be held up.",
        ),
        Mistake(
            "nothing is pushed down",
            where_value_is_right(
                looks_like(
                    _gap_stopped(3),
                    probe=_gap_and_gradient,
                )
            ),
            "The number is right, and the sampled actions have no gradient: all that is left is "
            "to raise the data's values, and nothing else is pushed down. A published table was "
            "made with this one.",
        ),
        Mistake(
            "nothing is held up",
            where_value_is_right(
                looks_like(
                    _gap_stopped(2),
                    probe=_gap_and_gradient,
                )
            ),
            "The number is right, and the data's actions have no gradient: values are pushed down "
            "everywhere, and nothing holds up what the data did.",
        ),
        Mistake(
            "the data's term is lost",
            looks_like_numpy(_gap_by(lambda pushed, held: pushed.mean())),
            "Values are pushed down wherever they are large, at the data's actions too, and "
            "nothing holds those up. What the critic says of them has to be subtracted.",
        ),
        Mistake(
            "sign of the data's term",
            looks_like_numpy(_gap_by(lambda pushed, held: (pushed + held).mean())),
            "The data's own actions are pushed down, twice as hard as any other. They are to be "
            "held up.",
        ),
        Mistake(
            "sign of the penalty",
            looks_like_numpy(_gap_by(lambda pushed, held: (held - pushed).mean())),
            "The penalty is turned round: it rewards a critic that stands above the data.",
        ),
        Mistake(
            "no densities",
            looks_like_numpy(_gap_by(weigh=lambda q, log_density: q)),
            "Actions are pushed down because they are drawn often. That is CQL(rho); here each has "
            "to be divided by the density that it was drawn with, in logarithms: a difference.",
        ),
        Mistake(
            "multiplied by the densities",
            looks_like_numpy(_gap_by(weigh=lambda q, log_density: q + log_density)),
            "The log-densities have the wrong sign: a sample is divided by its density.",
        ),
        Mistake(
            "pooled over the minibatch",
            looks_like_numpy(_gap_by(push=lambda terms: np.logaddexp.reduce(terms, axis=None))),
            "One logsumexp runs over all rows together, so that only the state with the largest "
            "values is pushed down. Each row has an integral of its own.",
        ),
        Mistake(
            "mean instead of the logsumexp",
            looks_like_numpy(_gap_by(push=lambda terms: terms.mean(axis=1))),
            "All samples are pushed equally, whatever their values. It is what stands out that is "
            "to be pressed down: a softmax, the gradient of a logsumexp.",
        ),
        Mistake(
            "sum instead of the mean",
            looks_like_numpy(_gap_by(lambda pushed, held: (pushed - held).sum())),
            "A sum over rows: alpha would mean something else for each size of minibatch.",
        ),
    ),
    hints=(
        "Which integral is it, over which actions, in which state? The one next to the data's "
        "action in the bracket.",
        "What tells `there` apart from `here`? Only the density that it was drawn with.",
        "Put both groups of actions side by side, and value all of them in `observations`.",
    ),
    praise="Once the actions are side by side there is only one place left where a state is "
    "chosen, and `next_observations` is not needed at all. This is the question that is asked most "
    "often where this algorithm is discussed.",
)

BLIND_ALPHA = Exercise(
    id="alpha-without-trying",
    chapter="34_cql_continuous",
    kind="open",
    title="An alpha that nobody may try out",
    minutes=25,
    points=6,
    hints=(
        "What is alpha compared with? Multiply all rewards by 100, and ask what becomes of each "
        "term of the loss.",
        "What do you know of the values before any training? What do the data's own returns say?",
    ),
    praise="No answer gets rid of the choice. A good one says what it rests on, errs on the side "
    "on which an error is cheap, and names beforehand what would make it change its mind.",
    rubric=(
        (1, "the unit: an alpha belongs to a unit of reward, and says how this record's is fixed"),
        (
            1,
            "the breadth: looks at how varied the actions are in similar states, and says which "
            "way a narrow and a broad record push alpha",
        ),
        (
            1,
            "bounds known beforehand: no value above 0 here, none below -3 / (1 - discount), and "
            "belief compared with the discounted returns of the record",
        ),
        (1, "does not choose by losses or by the critic's own promises, and says why they deceive"),
        (
            1,
            "a baseline and a careful side: cloning beside it, the larger alpha in doubt, and why "
            "that error is the cheaper one; several seeds",
        ),
        (
            1,
            "honest about the rest: what cannot be known without trying, and a first deployment "
            "that is watched, small, and counted as a trial",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (
    IMPORTANCE_WEIGHTS,
    CONSERVATIVE_GAP,
    BLIND_ALPHA,
)
