"""What students write for the exercises of part 3: typical mistakes, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "td3-target": {
        "terminations ignored": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    eps = jnp.clip(noise, -noise_clip, noise_clip)
    a = jnp.clip(next_actions + eps, -1.0, 1.0)
    return rewards + discount * jnp.minimum(q1(a), q2(a))
""",
        "terminations the wrong way round": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    a = (next_actions + noise.clip(-noise_clip, noise_clip)).clip(-1, 1)
    next_q = jnp.where(q1(a) < q2(a), q1(a), q2(a))
    return rewards + discount * terminations * next_q
""",
        "one minimum for the whole minibatch": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    a = (next_actions + noise.clip(-noise_clip, noise_clip)).clip(-1, 1)
    next_q = jnp.stack([q1(a), q2(a)]).min()
    return rewards + discount * (1 - terminations) * next_q
""",
        "not the smaller of the twins": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    a = (next_actions + noise.clip(-noise_clip, noise_clip)).clip(-1, 1)
    next_q = 0.5 * (q1(a) + q2(a))
    return rewards + discount * (1 - terminations) * next_q
""",
        "noise not clipped": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    a = jnp.clip(next_actions + noise, -1, 1)
    next_q = jnp.minimum(q1(a), q2(a))
    return rewards + (1 - terminations) * discount * next_q
""",
        "outside the box": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    a = next_actions + jnp.clip(noise, -noise_clip, noise_clip)
    next_q = jnp.min(jnp.stack([q1(a), q2(a)]), axis=0)
    return rewards + discount * (1 - terminations) * next_q
""",
    },
    "slow-copies": {
        "the wrong way round": """
def follow(start, online, tau, delay):
    target, after = start, []
    for i in range(len(online)):
        if (i + 1) % delay == 0:
            target = tau * target + (1 - tau) * online[i]
        after.append(target)
    return np.array(after)
""",
        "moves at the first step already": """
def follow(start, online, tau, delay):
    target, history = start, []
    for step in range(len(online)):
        if step % delay == 0:
            target = (1 - tau) * target + tau * online[step]
        history.append(target)
    return np.array(history)
""",
        "moves at every step": """
def follow(start, online, tau, delay):
    history = []
    for trained in online:
        start = (1 - tau) * start + tau * trained
        history.append(start)
    return np.stack(history)
""",
        "forgets where it was": """
def follow(start, online, tau, delay):
    target, history = start, []
    for step, trained in enumerate(online, start=1):
        if step % delay == 0:
            target = (1 - tau) * start + tau * trained
        history.append(target if step >= delay else start)
    return np.stack(history)
""",
        "a full copy": """
def follow(start, online, tau, delay):
    history = [start]
    for step in range(1, len(online) + 1):
        history.append(online[step - 1] if step % delay == 0 else history[-1])
    return np.array(history[1:])
""",
    },
    "twin-promises": {
        "the minimum too early": """
def promises(errors1, errors2):
    both = np.minimum(errors1, errors2)
    return np.max(errors1, axis=1).mean(), np.max(both, axis=1).mean()
""",
        "each critic its own favourite": """
def promises(errors1, errors2):
    best1 = errors1.max(axis=-1)
    best2 = errors2.max(axis=-1)
    return best1.mean(), np.mean(np.minimum(best1, best2))
""",
        "only the second critic": """
def promises(errors1, errors2):
    best = errors1.argmax(axis=1)
    second = [row[a] for row, a in zip(errors2, best)]
    return errors1.max(axis=1).mean(), np.mean(second)
""",
        "a favourite among states": """
def promises(errors1, errors2):
    best = errors1.argmax(axis=0)
    columns = np.arange(errors1.shape[1])
    first, second = errors1[best, columns], errors2[best, columns]
    return first.mean(), np.minimum(first, second).mean()
""",
    },
    "td3-bc-weight": {
        "weight not stopped": """
def td3_bc_weight(q, alpha):
    return alpha / jnp.mean(jnp.abs(q))
""",
        "size of the mean": """
def td3_bc_weight(q, alpha):
    return alpha / jnp.abs(jax.lax.stop_gradient(q.mean()))
""",
        "one weight a row": """
def td3_bc_weight(q, alpha):
    return alpha / jnp.abs(jax.lax.stop_gradient(q))
""",
        "upside down": """
def td3_bc_weight(q, alpha):
    return jax.lax.stop_gradient(jnp.abs(q)).mean() / alpha
""",
        "multiplied": """
def td3_bc_weight(q, alpha):
    size = jnp.abs(q).mean()
    return alpha * jax.lax.stop_gradient(size)
""",
        "sum in place of the mean": """
def td3_bc_weight(q, alpha):
    return jax.lax.stop_gradient(alpha / jnp.sum(jnp.abs(q)))
""",
    },
    "td3-bc-loss": {
        "stopped too much": """
def td3_bc_loss(q, proposed, actions, alpha):
    values = jax.lax.stop_gradient(q(proposed))
    lam = alpha / jnp.mean(jnp.abs(values))
    return -lam * jnp.mean(values) + jnp.mean(jnp.square(proposed - actions))
""",
        "weight not stopped": """
def td3_bc_loss(q, proposed, actions, alpha):
    values = q(proposed)
    lam = alpha / jnp.mean(jnp.abs(values))
    return -lam * jnp.mean(values) + jnp.mean(jnp.square(proposed - actions))
""",
        "away from the critic": """
def td3_bc_loss(q, proposed, actions, alpha):
    values = q(proposed)
    lam = alpha / jax.lax.stop_gradient(jnp.mean(jnp.abs(values)))
    return lam * values.mean() + jnp.mean((actions - proposed) ** 2)
""",
        "sum over the components": """
def td3_bc_loss(q, proposed, actions, alpha):
    values = q(proposed)
    lam = jax.lax.stop_gradient(alpha / jnp.abs(values).mean())
    clone = jnp.sum((proposed - actions) ** 2, axis=1)
    return jnp.mean(-lam * values + clone)
""",
        "value of the data's actions": """
def td3_bc_loss(q, proposed, actions, alpha):
    values = q(actions)
    lam = alpha / jax.lax.stop_gradient(jnp.abs(values).mean())
    return -lam * values.mean() + ((proposed - actions) ** 2).mean()
""",
    },
    "alpha-dial": {
        "alpha on the wrong term": """
def dial(grid, q, actions, alphas):
    chosen = []
    for alpha in alphas:
        clone = [np.mean((a - actions) ** 2) for a in grid]
        chosen.append(grid[np.argmin(alpha * np.array(clone) - q)])
    return np.array(chosen)
""",
        "away from the critic": """
def dial(grid, q, actions, alphas):
    clone = np.array([np.mean((a - actions) ** 2) for a in grid])
    return np.array([grid[np.argmin(clone + alpha * q)] for alpha in alphas])
""",
        "the worst in place of the best": """
def dial(grid, q, actions, alphas):
    clone = np.array([np.mean((a - actions) ** 2) for a in grid])
    return np.array([grid[np.argmax(clone - alpha * q)] for alpha in alphas])
""",
        "the nearest row in place of all": """
def dial(grid, q, actions, alphas):
    nearest = np.abs(grid[:, None] - actions[None, :]).min(axis=1)
    return grid[np.argmin(nearest**2 - alphas[:, None] * q, axis=1)]
""",
        "a place's number in place of the place": """
def dial(grid, q, actions, alphas):
    clone = np.array([np.mean((a - actions) ** 2) for a in grid])
    return np.argmin(clone - alphas[:, None] * q, axis=1)
""",
    },
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
        "doubt is fined": """
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
        "temperature in place of its logarithm": """
def temperature_loss(log_temperature, log_densities, target_entropy):
    entropy = -jnp.mean(log_densities)
    return jnp.exp(log_temperature) * (entropy - target_entropy)
""",
        "a loss for each row": """
def temperature_loss(log_temperature, log_densities, target_entropy):
    return log_temperature * (-log_densities - target_entropy)
""",
    },
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
