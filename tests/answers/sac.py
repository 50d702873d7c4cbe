"""Typical wrong answers to the exercises of 33_sac, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "tanh-log-density": {
        "correction missing": """
def log_density(mean, log_std, noise):
    std = jnp.exp(log_std)
    u = mean + std * noise
    return jax.scipy.stats.norm.logpdf(u, mean, std).sum(-1)
""",
        "rounds to infinity": """
def log_density(mean, log_std, noise):
    std = jnp.exp(log_std)
    u = mean + std * noise
    log_prob = jax.scipy.stats.norm.logpdf(u, mean, std)
    return jnp.sum(log_prob - jnp.log(1 - jnp.tanh(u) ** 2), axis=-1)
""",
        "correction the wrong way round": """
def log_density(mean, log_std, noise):
    std = jnp.exp(log_std)
    u = mean + std * noise
    correction = 2 * (jnp.log(2) - u - jnp.logaddexp(0.0, -2 * u))
    return jnp.sum(jax.scipy.stats.norm.logpdf(u, mean, std) + correction, axis=-1)
""",
        "one density for each component": """
def log_density(mean, log_std, noise):
    u = mean + jnp.exp(log_std) * noise
    log_normal = -noise ** 2 / 2 - log_std - jnp.log(jnp.sqrt(2 * jnp.pi))
    return log_normal - 2 * (jnp.log(2) - u - jax.nn.softplus(-2 * u))
""",
        "patched with a small number": """
def log_density(mean, log_std, noise):
    std = jnp.exp(log_std)
    u = mean + std * noise
    log_prob = jax.scipy.stats.norm.logpdf(u, mean, std)
    return jnp.sum(log_prob - jnp.log(1 - jnp.tanh(u) ** 2 + 1e-6), axis=-1)
""",
        "mean over the components": """
def log_density(mean, log_std, noise):
    u = mean + jnp.exp(log_std) * noise
    log_normal = -noise ** 2 / 2 - log_std - jnp.log(jnp.sqrt(2 * jnp.pi))
    return (log_normal - 2 * (jnp.log(2) - u - jax.nn.softplus(-2 * u))).mean(-1)
""",
        "deviation left out": """
def log_density(mean, log_std, noise):
    u = mean + jnp.exp(log_std) * noise
    log_normal = jax.scipy.stats.norm.logpdf(noise)
    return (log_normal - 2 * (jnp.log(2) - u - jax.nn.softplus(-2 * u))).sum(-1)
""",
    },
    "soft-target": {
        "paid after the end": """
def soft_targets(
    rewards, terminations, next_q1, next_q2, next_log_density, temperature, discount
):
    q = jnp.minimum(next_q1, next_q2)
    future = (1 - terminations) * q - temperature * next_log_density
    return rewards + discount * future
""",
        "pay not discounted": """
def soft_targets(
    rewards, terminations, next_q1, next_q2, next_log_density, temperature, discount
):
    bonus = -temperature * next_log_density
    q = jnp.minimum(next_q1, next_q2)
    return jnp.where(terminations > 0, rewards, rewards + bonus + discount * q)
""",
        "entropy is fined": """
def soft_targets(
    rewards, terminations, next_q1, next_q2, next_log_density, temperature, discount
):
    soft = jnp.minimum(next_q1, next_q2) + temperature * next_log_density
    return rewards + discount * (1.0 - terminations) * soft
""",
        "terminations ignored": """
def soft_targets(
    rewards, terminations, next_q1, next_q2, next_log_density, temperature, discount
):
    return rewards + discount * (
        jnp.minimum(next_q1, next_q2) - temperature * next_log_density
    )
""",
    },
    "thermostat": {
        "turned the wrong way round": """
def temperature_loss(log_temperature, log_densities, target_entropy):
    return log_temperature * jnp.mean(log_densities + target_entropy)
""",
        "sign of the target": """
def temperature_loss(log_temperature, log_densities, target_entropy):
    return -log_temperature * jnp.mean(log_densities - target_entropy)
""",
        "temperature instead of its logarithm": """
def temperature_loss(log_temperature, log_densities, target_entropy):
    entropy = -jnp.mean(log_densities)
    return jnp.exp(log_temperature) * (entropy - target_entropy)
""",
        "a loss for each row": """
def temperature_loss(log_temperature, log_densities, target_entropy):
    return log_temperature * (-log_densities - target_entropy)
""",
    },
}
