"""Typical wrong answers to the exercises of 34_cql_continuous, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "importance-weights": {
        "uniform density forgotten": """
def log_integral(q_uniform, q_here, q_next, log_here, log_next, action_dim):
    terms = jnp.concatenate([q_uniform, q_here - log_here, q_next - log_next], axis=-1)
    return jax.nn.logsumexp(terms, axis=-1) - jnp.log(terms.shape[-1])
""",
        "uniform density the wrong way round": """
def log_integral(q_uniform, q_here, q_next, log_here, log_next, action_dim):
    log_uniform = jnp.log(2.0 ** action_dim)
    terms = jnp.hstack([q_uniform - log_uniform, q_here - log_here, q_next - log_next])
    return jax.nn.logsumexp(terms, axis=-1) - jnp.log(terms.shape[-1])
""",
        "one side of the cube": """
def log_integral(q_uniform, q_here, q_next, log_here, log_next, action_dim):
    terms = jnp.hstack([q_uniform - jnp.log(0.5), q_here - log_here, q_next - log_next])
    return jax.nn.logsumexp(terms, axis=-1) - jnp.log(terms.shape[-1])
""",
        "one policy's density for both": """
def log_integral(q_uniform, q_here, q_next, log_here, log_next, action_dim):
    log_uniform = action_dim * jnp.log(0.5)
    terms = jnp.hstack([q_uniform - log_uniform, q_here - log_here, q_next - log_here])
    return jax.nn.logsumexp(terms, axis=-1) - jnp.log(terms.shape[-1])
""",
        "no densities": """
def log_integral(q_uniform, q_here, q_next, log_here, log_next, action_dim):
    terms = jnp.concatenate([q_uniform, q_here, q_next], axis=1)
    return jax.nn.logsumexp(terms, axis=1) - jnp.log(terms.shape[1])
""",
        "overflow": """
def log_integral(q_uniform, q_here, q_next, log_here, log_next, action_dim):
    a = jnp.exp(q_uniform) * 2.0 ** action_dim
    b = jnp.exp(q_here) / jnp.exp(log_here)
    c = jnp.exp(q_next) / jnp.exp(log_next)
    return jnp.log(jnp.concatenate([a, b, c], axis=1).mean(axis=1))
""",
        "number of samples left out": """
def log_integral(q_uniform, q_here, q_next, log_here, log_next, action_dim):
    log_uniform = action_dim * jnp.log(0.5)
    terms = jnp.hstack([q_uniform - log_uniform, q_here - log_here, q_next - log_next])
    return jax.nn.logsumexp(terms, axis=-1)
""",
    },
    "conservative-gap": {
        "valued at the next state": """
def conservative_gap(
    q, observations, next_observations, actions, here, there, log_here, log_there
):
    value = jax.vmap(q, in_axes=(None, 1), out_axes=1)
    q_here = value(observations, here) - log_here
    q_there = value(next_observations, there) - log_there
    pushed = jax.nn.logsumexp(jnp.hstack([q_here, q_there]), axis=1)
    return jnp.mean(pushed) - jnp.mean(q(observations, actions))
""",
        "the data's term is lost": """
def conservative_gap(
    q, observations, next_observations, actions, here, there, log_here, log_there
):
    value = jax.vmap(q, in_axes=(None, 1), out_axes=1)
    q_here = value(observations, here) - log_here
    q_there = value(observations, there) - log_there
    return jax.nn.logsumexp(jnp.hstack([q_here, q_there]), axis=1).mean()
""",
        "nothing is pushed down": """
def conservative_gap(
    q, observations, next_observations, actions, here, there, log_here, log_there
):
    value = jax.vmap(q, in_axes=(None, 1), out_axes=1)
    q_here = value(observations, here) - log_here
    q_there = value(observations, there) - log_there
    pushed = jax.nn.logsumexp(jnp.hstack([q_here, q_there]), axis=1)
    return jnp.mean(jax.lax.stop_gradient(pushed) - q(observations, actions))
""",
        "pooled over the minibatch": """
def conservative_gap(
    q, observations, next_observations, actions, here, there, log_here, log_there
):
    value = jax.vmap(q, in_axes=(None, 1), out_axes=1)
    q_here = value(observations, here) - log_here
    q_there = value(observations, there) - log_there
    pushed = jax.nn.logsumexp(jnp.hstack([q_here, q_there]))
    return pushed - jnp.mean(q(observations, actions))
""",
        "no densities": """
def conservative_gap(
    q, observations, next_observations, actions, here, there, log_here, log_there
):
    value = jax.vmap(q, in_axes=(None, 1), out_axes=1)
    values = jnp.hstack([value(observations, here), value(observations, there)])
    return (jax.nn.logsumexp(values, axis=1) - q(observations, actions)).mean()
""",
    },
}
