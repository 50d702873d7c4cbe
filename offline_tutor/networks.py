"""The networks that every algorithm shares, and the step that trains them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from offline_tutor.types import Array, Number, Params


class MLP(nn.Module):
    """Dense layers with ReLU between them: the network of all experiments here."""

    sizes: tuple[int, ...]  # outputs of each layer, the last one included

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for i, size in enumerate(self.sizes):
            dense = nn.Dense(size, param_dtype=float, name=f"layer{i}")
            x = dense(x if i == 0 else nn.relu(x))
        return x


# Compiled whole: one program instead of one for every little operation inside.
@partial(jax.jit, static_argnames=("inputs", "sizes"))
def init_mlp(key: Array, inputs: int, sizes: tuple[int, ...]) -> Params:
    """Parameters of an MLP with `inputs` inputs: LeCun-normal kernels, zero biases."""
    return MLP(sizes).init(key, jnp.zeros(inputs))["params"]


def mlp(params: Params, x: Array) -> Array:
    """The MLP's output, (..., outputs), at `x`, (..., inputs)."""
    sizes = tuple(params[f"layer{i}"]["bias"].size for i in range(len(params)))
    return MLP(sizes).apply({"params": params}, x)


class NormedMLP(nn.Module):
    """An MLP with layer normalisation (Ba et al. 2016) after each ReLU.

    Hidden values are brought to mean 0 and variance 1 in every input, so that a network cannot
    answer ever larger numbers to inputs that lie ever further from what it was trained on.
    """

    sizes: tuple[int, ...]  # outputs of each layer, the last one included

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for i, size in enumerate(self.sizes):
            norm = nn.LayerNorm(param_dtype=float, name=f"norm{i}")
            x = x if i == 0 else norm(nn.relu(x))
            x = nn.Dense(size, param_dtype=float, name=f"layer{i}")(x)
        return x


@partial(jax.jit, static_argnames=("inputs", "sizes"))
def init_normed_mlp(key: Array, inputs: int, sizes: tuple[int, ...]) -> Params:
    """Parameters of a `NormedMLP`: as `init_mlp`; norms have scale 1 and shift 0."""
    return NormedMLP(sizes).init(key, jnp.zeros(inputs))["params"]


def normed_mlp(params: Params, x: Array) -> Array:
    """The output of a `NormedMLP`, (..., outputs), at `x`, (..., inputs)."""
    count = sum(name.startswith("layer") for name in params)
    sizes = tuple(params[f"layer{i}"]["bias"].size for i in range(count))
    return NormedMLP(sizes).apply({"params": params}, x)


def gradient_step(
    loss: Callable[[Any], Array],
    params: Any,
    optimizer_state: Any,
    learning_rate: Number,
) -> tuple[Any, Any, Array]:
    """One step of Adam (Kingma and Ba, 2015) down the gradient of `loss`.

    Returns the new parameters, the new state of the optimizer and the loss before the step.
    """
    value, gradient = jax.value_and_grad(loss)(params)
    step, optimizer_state = optax.adam(learning_rate).update(gradient, optimizer_state)
    return optax.apply_updates(params, step), optimizer_state, value


def squash(mean: Array, log_std: Array, noise: Array) -> tuple[Array, Array]:
    """A sample of the tanh-Gaussian policy and its log-density.

    The action is tanh(u), (..., action), where u = mean + std * noise and `noise` is standard
    normal. Its log-density, (...), is that of u less log(1 - tanh(u)^2), written so that it stays
    finite where tanh(u) rounds to 1 (Haarnoja et al. 2018, appendix C, has the formula).
    """
    u = mean + jnp.exp(log_std) * noise
    log_normal = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)
    log_slope = 2 * (jnp.log(2.0) - u - jax.nn.softplus(-2 * u))
    return jnp.tanh(u), (log_normal - log_slope).sum(-1)


def log_density(mean: Array, log_std: Array, actions: Array) -> Array:
    """The log-density, (...), of the tanh-Gaussian policy at actions, (..., action).

    Actions at the very bounds, which data has and the policy never takes, count as just inside.
    """
    u = jnp.arctanh(jnp.clip(actions, -1 + 1e-6, 1 - 1e-6))
    return squash(mean, log_std, (u - mean) / jnp.exp(log_std))[1]
