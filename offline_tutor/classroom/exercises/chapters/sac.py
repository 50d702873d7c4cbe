"""Exercises of the chapter 33_sac."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.classroom.exercises.chapters.shared import (
    ACTIONS,
    BATCH,
    gaussian,
    is_not_finite,
    looks_like_numpy,
    no_gradient,
    with_other,
)
from offline_tutor.classroom.exercises.exercise import (
    Case,
    Choice,
    Exercise,
    Mistake,
    Seen,
    gradients,
    looks_like,
)
from offline_tutor.types import Array


def log_density(mean: Array, log_std: Array, noise: Array) -> Array:
    """The log-density of the action tanh(u), u = mean + exp(log_std) * noise: (batch,).

    `mean`, `log_std`, `noise`: (batch, action); the noise is standard normal.
    """
    u = mean + jnp.exp(log_std) * noise
    log_normal = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)
    log_slope = 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
    return (log_normal - log_slope).sum(axis=-1)


def _density_case(rng: np.random.Generator) -> Case:
    mean = rng.normal(size=(BATCH, ACTIONS))
    mean[0, 0] = rng.choice([-1, 1]) * rng.uniform(12, 14)  # tanh of it rounds to 1
    log_std = rng.uniform(-1.5, -0.3, size=(BATCH, ACTIONS))
    return {
        "mean": jnp.asarray(mean, jnp.float32),
        "log_std": jnp.asarray(log_std, jnp.float32),
        "noise": gaussian(rng, BATCH, ACTIONS),
    }


def _density_by(
    normal: Callable[[Array, Array], Array] = lambda noise, log_std: (
        -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi)
    ),
    correction: Callable[[Array], Array] = lambda u: (
        -2 * (np.log(2.0) - u - np.logaddexp(0.0, -2 * u))
    ),
    over: Callable[[Array], Array] = lambda each: each.sum(axis=-1),
) -> Callable[..., Any]:
    """A variation of the log-density, by its normal, its correction, and how components join."""

    def wrong(mean: Any, log_std: Any, noise: Any) -> Any:
        return over(normal(noise, log_std) + correction(mean + np.exp(log_std) * noise))

    return wrong


def _stands_still(mine: Seen, right: Seen, case: Case) -> bool:
    """Shows where ordinary rows agree roughly, and those do not that run far out."""
    u = np.abs(case["mean"] + np.exp(case["log_std"]) * case["noise"])
    near, far = (u < 2.5).all(axis=-1), (u > 8).any(axis=-1)
    if mine["value"].shape != near.shape or not near.any():
        return False
    gap = np.abs(mine["value"] - right["value"])
    return bool(gap[near].max() < 0.05 and gap[far].min() > 0.5)


def _is_not_summed(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["value"].shape == case["mean"].shape


TANH_DENSITY = Exercise(
    id="tanh-log-density",
    chapter="33_sac",
    kind="fill in",
    title="How likely was that action?",
    minutes=15,
    points=4,
    function="log_density",
    reference=log_density,
    case=_density_case,
    probe=gradients("mean"),
    mistakes=(
        Mistake(
            "one density for each component",
            _is_not_summed,
            "Your function returns a number for each component of an action. The components are "
            "drawn independently, so the density of the action is the product of their densities, "
            "and its logarithm is one sum for each row.",
        ),
        Mistake(
            "rounds to infinity",
            is_not_finite,
            "Where u is large, tanh(u) rounds to 1 and the logarithm of 0 is minus infinity: one "
            "such sample turns every weight of the network into NaN. 1 - tanh(u)^2 equals "
            "4 / (e^u + e^-u)^2; write the logarithm of that with softplus.",
        ),
        Mistake(
            "correction missing",
            looks_like_numpy(_density_by(correction=np.zeros_like)),
            "This is the density of u. The action is tanh(u), which squeezes the whole line into "
            "(-1, 1), so that the density of the action is larger where tanh is flat. What you "
            "return does not integrate to one.",
        ),
        Mistake(
            "correction the wrong way round",
            looks_like_numpy(
                _density_by(correction=lambda u: 2 * (np.log(2.0) - u - np.logaddexp(0.0, -2 * u)))
            ),
            "The correction has the wrong sign. tanh squeezes the line *together*: the same "
            "probability lies on a shorter piece, so the density grows where tanh is flat.",
        ),
        Mistake(
            "patched with a small number",
            _stands_still,
            "A small number inside the logarithm keeps it finite, and makes it wrong exactly where "
            "it matters: far out, the true correction goes on growing, whereas yours stands still "
            "and has no gradient. Find a form that is exact; softplus helps.",
        ),
        Mistake(
            "mean over the components",
            looks_like_numpy(_density_by(over=lambda each: each.mean(axis=-1))),
            "The log-densities of the components are averaged. The logarithm of a product is the "
            "*sum* of the logarithms. With a mean, the action of an arm with seven joints would "
            "seem no harder to guess than that of one joint.",
        ),
        Mistake(
            "sum over the rows",
            looks_like_numpy(
                _density_by(over=lambda each: each.sum(axis=0)),
                _density_by(over=lambda each: each.sum()),
            ),
            "Rows of the minibatch are added up. Sum over the components of each action, the last "
            "axis.",
        ),
        Mistake(
            "deviation left out",
            looks_like_numpy(
                _density_by(lambda noise, log_std: -0.5 * noise**2 - 0.5 * np.log(2 * np.pi))
            ),
            "As it stands, every policy has the same entropy. The normal density of u falls as its "
            "deviation grows, and that term is missing.",
        ),
        Mistake(
            "deviation instead of its logarithm",
            looks_like_numpy(
                _density_by(
                    lambda noise, log_std: (
                        -0.5 * noise**2 - np.exp(log_std) - 0.5 * np.log(2 * np.pi)
                    )
                )
            ),
            "The deviation itself is subtracted where its logarithm belongs.",
        ),
        Mistake(
            "the normal's constant is missing",
            looks_like_numpy(
                _density_by(lambda noise, log_std: -0.5 * noise**2 - log_std),
                _density_by(lambda noise, log_std: -0.5 * noise**2 - log_std - np.log(2 * np.pi)),
            ),
            "A constant of the normal density is missing, or counted twice. It does not change the "
            "gradient of the actor. But the thermostat compares your result with an entropy in "
            "nats, and there the constant matters.",
        ),
    ),
    hints=(
        "Two parts for each component: the log-density of u, which is normal, and the correction "
        "for tanh.",
        "u lies `noise` deviations away from its mean, so the normal part needs only `noise` and "
        "`log_std`. Do not forget the constant with 2 pi.",
        "log(1 - tanh(u)^2) = 2 (log 2 - u - log(1 + e^(-2u))), and `jax.nn.softplus(x)` is "
        "log(1 + e^x). Sum over the last axis.",
    ),
    praise="The solution never computes 1 - tanh(u)^2, which is rounded to 0 in 32 bits from about "
    "u = 8 on, but only its logarithm, which is an ordinary number everywhere. And since the noise "
    "is at hand, tanh does not have to be inverted.",
)


def soft_targets(
    rewards: Array,
    terminations: Array,
    next_q1: Array,
    next_q2: Array,
    next_log_density: Array,
    temperature: float,
    discount: float,
) -> Array:
    """The targets of SAC's critics: (batch,).

    All arrays (batch,): `next_q1`, `next_q2` are what the target critics say of an action drawn in
    the next state, `next_log_density` is the logarithm of its density.
    """
    soft = jnp.minimum(next_q1, next_q2) - temperature * next_log_density
    return rewards + discount * (1 - terminations) * soft


def _soft_case(rng: np.random.Generator) -> Case:
    return {
        "rewards": gaussian(rng, BATCH),
        "terminations": jnp.asarray(rng.permutation([0.0, 0.0, 0.0, 0.0, 1.0, 1.0]), jnp.float32),
        "next_q1": gaussian(rng, BATCH),
        "next_q2": gaussian(rng, BATCH),
        "next_log_density": gaussian(rng, BATCH),
        "temperature": float(rng.uniform(0.2, 0.8)),
        "discount": float(rng.uniform(0.7, 0.9)),
    }


def _soft_by(target: Callable[..., Any]) -> Callable[..., Any]:
    """Another target: of (r, q, d, h, g), reward, smaller value, termination, pay, discount."""

    def wrong(**case: Any) -> Any:
        q = jnp.minimum(case["next_q1"], case["next_q2"])
        pay = -case["temperature"] * case["next_log_density"]
        return target(case["rewards"], q, case["terminations"], pay, case["discount"])

    return wrong


def _soft_from(choose: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def wrong(**case: Any) -> Any:
        q = choose(case["next_q1"], case["next_q2"])
        return soft_targets(**{**case, "next_q1": q, "next_q2": q})

    return wrong


SOFT_TARGET = Exercise(
    id="soft-target",
    chapter="33_sac",
    kind="find the bug",
    title="Paid after the end",
    minutes=10,
    points=3,
    function="soft_targets",
    reference=soft_targets,
    case=_soft_case,
    mistakes=(
        Mistake(
            "paid after the end",
            looks_like(
                _soft_by(lambda r, q, d, h, g: r + g * (1 - d) * q + h),
                _soft_by(lambda r, q, d, h, g: r + g * (1 - d) * q + g * h),
            ),
            "Entropy is paid where the task has ended. There is no next state in which the policy "
            "could be random. Everything that comes from the next state ends with the task.",
        ),
        Mistake(
            "pay not discounted",
            looks_like(_soft_by(lambda r, q, d, h, g: r + (1 - d) * (g * q + h))),
            "The entropy of the next state is paid in full, as if it came now. But it is earned "
            "one step later, like the value beside it, and has to be discounted like it.",
        ),
        Mistake(
            "entropy is fined",
            looks_like(with_other(soft_targets, temperature=lambda temperature: -temperature)),
            "Here entropy is fined instead of paid. Entropy is the mean of *minus* the "
            "log-density.",
        ),
        Mistake(
            "terminations ignored",
            looks_like(with_other(soft_targets, terminations=jnp.zeros_like)),
            "Rows in which the task ended still count on a next state. There is none.",
        ),
        Mistake(
            "entropy is not paid",
            looks_like(with_other(soft_targets, temperature=lambda temperature: 0.0)),
            "This is TD3's target without its noise. Where is the pay for entropy?",
        ),
        Mistake(
            "temperature is missing",
            looks_like(with_other(soft_targets, temperature=lambda temperature: 1.0)),
            "Here a nat of entropy is worth a reward of 1. It should be worth the temperature.",
        ),
        Mistake(
            "not the smaller of the twins",
            looks_like(
                _soft_from(jnp.maximum),
                _soft_from(lambda a, b: (a + b) / 2),
                _soft_from(lambda a, b: a),
                _soft_from(lambda a, b: jnp.minimum(a, b).min()),
            ),
            "Everything is right except how the twins are combined: take the smaller of the two, "
            "row by row.",
        ),
    ),
    hints=(
        "Take a row with a termination, and compute its target by hand. What does the given "
        "function say?",
        "The reward belongs to this step. What of the rest belongs to the next state?",
        "First add the pay for entropy to the smaller value; then discount the sum, and drop it "
        "where the task has ended.",
    ),
    praise="The value of a next state, entropy included, is one quantity with one name, so that "
    "discount and termination cannot miss a part of it. With the bug, a robot that falls is paid "
    "or fined for a state that it never reaches.",
)


def temperature_loss(log_temperature: Array, log_densities: Array, target_entropy: float) -> Array:
    """What the thermostat makes small: ().

    `log_temperature`: (), what is trained. `log_densities`: (batch,), of the policy's own actions,
    given numbers. `target_entropy`: in nats.
    """
    surprise = log_densities.mean() + target_entropy  # above 0: not random enough
    return -log_temperature * surprise


def _thermostat_case(rng: np.random.Generator) -> Case:
    return {
        "log_temperature": jnp.asarray(rng.uniform(0.5, 1.5) * rng.choice([-1, 1]), jnp.float32),
        "log_densities": gaussian(rng, BATCH, mean=rng.uniform(1, 3)),
        "target_entropy": float(-rng.uniform(1, 7)),
    }


def _thermostat_target(log_temperature: Any, log_densities: Any, target_entropy: Any) -> Any:
    return -log_temperature * (log_densities.mean() - target_entropy)


def _thermostat_paper(log_temperature: Any, log_densities: Any, target_entropy: Any) -> Any:
    return -jnp.exp(log_temperature) * (log_densities.mean() + target_entropy)


def _negative(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **case: -function(**case)


def _is_a_loss_a_row(mine: Seen, right: Seen, case: Case) -> bool:
    return mine["value"].shape == case["log_densities"].shape


THERMOSTAT = Exercise(
    id="thermostat",
    chapter="33_sac",
    kind="predict then run",
    title="Which way does the thermostat turn?",
    minutes=10,
    points=3,
    function="temperature_loss",
    reference=temperature_loss,
    case=_thermostat_case,
    probe=gradients("log_temperature"),
    choices={
        "a": Choice(
            "up: entropy is paid better",
            "A thermostat heats while it is too cold. Is this policy less random than it was told "
            "to be, or more? Compare 0.4 with -1, and look at the gradient.",
        ),
        "b": Choice(
            "down: entropy is paid less",
            "Yes: the policy is more random than it was told to be, so entropy is paid less from "
            "now on. Now write the loss whose gradient does that.",
        ),
        "c": Choice(
            "it stays: an entropy above 0 is enough",
            "There is nothing special about an entropy of 0; a density can have a negative one. "
            "What counts is the distance from the target, here -1. Write the loss, and look.",
        ),
    },
    mistakes=(
        Mistake(
            "a loss for each row",
            _is_a_loss_a_row,
            "There is one temperature for all rows, and one loss: take the mean of the "
            "log-densities.",
        ),
        Mistake(
            "turned the wrong way round",
            looks_like(_negative(temperature_loss)),
            "This heats while it is too hot: the less random the policy is, the less entropy is "
            "paid, until no randomness is left. Try it: with a policy whose entropy is below the "
            "target, one step *down* the gradient should raise the temperature.",
        ),
        Mistake(
            "sign of the target",
            looks_like(_thermostat_target, _negative(_thermostat_target)),
            "The sign of the target is wrong. Entropy is *minus* the mean log-density, so the "
            "target is added to log-densities and subtracted from entropies. At the target the "
            "bracket has to be 0.",
        ),
        Mistake(
            "temperature instead of its logarithm",
            looks_like(_thermostat_paper, _negative(_thermostat_paper)),
            "This has the temperature where the task asks for its logarithm. The paper has it too; "
            "early versions of its authors' code, and this book, have the logarithm, so that the "
            "gradient does not shrink with the temperature.",
        ),
        Mistake(
            "sum instead of the mean",
            looks_like(
                lambda log_temperature, log_densities, target_entropy: (
                    -log_temperature * (log_densities + target_entropy).sum()
                ),
                lambda log_temperature, log_densities, target_entropy: (
                    -log_temperature * (log_densities.sum() + target_entropy)
                ),
            ),
            "The entropy is a mean over the rows; with a sum the balance depends on the size of "
            "the minibatch.",
        ),
        Mistake(
            "no target",
            looks_like(with_other(temperature_loss, target_entropy=lambda target: 0.0)),
            "As it stands the thermostat is set to an entropy of 0, whatever the target.",
        ),
        Mistake(
            "no gradient",
            no_gradient("log_temperature"),
            "The number is right, but the temperature will never move: its gradient is zero.",
        ),
    ),
    hints=(
        "The policy's entropy is minus the mean of `log_densities`. How far is it from its target?",
        "The loss is the logarithm of the temperature times a number that is positive where the "
        "policy is too random, so that a step downhill cools.",
        "That number is the entropy less its target. With log-densities, both signs change.",
    ),
    praise="The bracket has a name that says what it is, and only one sign is left to get wrong. "
    "Neither the return nor the losses show that one soon; two numbers in a test do.",
)

EXERCISES: tuple[Exercise, ...] = (
    TANH_DENSITY,
    SOFT_TARGET,
    THERMOSTAT,
)
