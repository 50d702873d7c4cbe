"""What students write for the exercises of part 2: typical mistakes, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "bootstrap-target": {
        "time limits treated as ends": """
def bootstrap_target(rewards, terminations, truncations, next_q, discount):
    done = jnp.logical_or(terminations, truncations)
    return rewards + discount * jnp.where(done, 0.0, jnp.max(next_q, axis=1))
""",
        "nothing ends": """
def bootstrap_target(rewards, terminations, truncations, next_q, discount):
    return rewards + discount * jnp.max(next_q, axis=1)
""",
        "no reward at the end": """
def bootstrap_target(rewards, terminations, truncations, next_q, discount):
    target = rewards + discount * jnp.max(next_q, axis=1)
    return jnp.where(terminations, 0.0, target)
""",
        "mean over the actions": """
def bootstrap_target(rewards, terminations, truncations, next_q, discount):
    not_done = ~terminations
    return rewards + discount * not_done * jnp.mean(next_q, axis=-1)
""",
        "maximum over the minibatch": """
def bootstrap_target(rewards, terminations, truncations, next_q, discount):
    return rewards + (1.0 - terminations) * discount * jnp.max(next_q)
""",
        "ends only": """
def bootstrap_target(rewards, terminations, truncations, next_q, discount):
    return jnp.where(terminations, rewards + discount * next_q.max(1), rewards)
""",
        "no discount": """
def bootstrap_target(rewards, terminations, truncations, next_q, discount):
    return jnp.where(terminations, rewards, rewards + next_q.max(1))
""",
    },
    "double-choice": {
        "roles exchanged": """
def double_target(rewards, terminations, trained_q, target_q, discount):
    chosen = jnp.argmax(target_q, axis=1)
    value = jnp.take_along_axis(trained_q, chosen[:, None], axis=1)[:, 0]
    return rewards + discount * jnp.where(terminations, 0.0, value)
""",
        "the target network does both": """
def double_target(rewards, terminations, trained_q, target_q, discount):
    chosen = jnp.argmax(target_q, axis=1)
    value = jnp.take_along_axis(target_q, chosen[:, None], axis=1)[:, 0]
    return rewards + discount * jnp.where(terminations, 0.0, value)
""",
        "the trained network does both": """
def double_target(rewards, terminations, trained_q, target_q, discount):
    rows = jnp.arange(trained_q.shape[0])
    value = trained_q[rows, jnp.argmax(trained_q, axis=1)]
    return rewards + discount * (1 - terminations) * value
""",
        "smaller of the two": """
def double_target(rewards, terminations, trained_q, target_q, discount):
    q = jnp.minimum(trained_q.max(axis=1), target_q.max(axis=1))
    return rewards + discount * (1 - terminations) * q
""",
        "ends are missed": """
def double_target(rewards, terminations, trained_q, target_q, discount):
    chosen = trained_q.argmax(1)
    return rewards + discount * target_q[jnp.arange(chosen.size), chosen]
""",
    },
    "still-target": {
        "gradient through the target": """
def td_loss(
    weights, observations, actions, rewards, next_observations, terminations, discount
):
    q = observations @ weights
    mine = jnp.take_along_axis(q, actions[:, None], axis=1)[:, 0]
    best = jnp.max(next_observations @ weights, axis=1)
    target = jnp.where(terminations, rewards, rewards + discount * best)
    return jnp.mean((mine - target) ** 2)
""",
        "the prediction is held still": """
def td_loss(
    weights, observations, actions, rewards, next_observations, terminations, discount
):
    q = observations @ jax.lax.stop_gradient(weights)
    mine = q[jnp.arange(q.shape[0]), actions]
    best = jnp.max(next_observations @ weights, axis=1)
    target = rewards + discount * (1 - terminations) * best
    return jnp.mean((target - mine) ** 2)
""",
        "everything is held still": """
def td_loss(
    weights, observations, actions, rewards, next_observations, terminations, discount
):
    weights = jax.lax.stop_gradient(weights)
    mine = (observations @ weights)[jnp.arange(len(actions)), actions]
    target = rewards + discount * (1 - terminations) * (next_observations @ weights).max(1)
    return jnp.mean((target - mine) ** 2)
""",
        "largest value in place of the data's": """
def td_loss(
    weights, observations, actions, rewards, next_observations, terminations, discount
):
    q = jnp.max(observations @ weights, axis=-1)
    next_q = jax.lax.stop_gradient(jnp.max(next_observations @ weights, axis=-1))
    return jnp.mean(jnp.square(rewards + discount * next_q * (1 - terminations) - q))
""",
        "sum in place of the mean": """
def td_loss(
    weights, observations, actions, rewards, next_observations, terminations, discount
):
    total = 0.0
    for i in range(len(actions)):
        next_q = jax.lax.stop_gradient(jnp.max(next_observations[i] @ weights))
        target = rewards[i] + discount * (1 - terminations[i]) * next_q
        total += ((observations[i] @ weights)[actions[i]] - target) ** 2
    return total
""",
    },
    "quantile-loss": {
        "fractions along the wrong axis": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    huber = jnp.where(jnp.abs(u) < kappa, 0.5 * u**2, kappa * (jnp.abs(u) - 0.5 * kappa))
    rho = jnp.abs(fractions - (u < 0).astype(float)) * huber
    return rho.mean(-1).sum(-1)
""",
        "sign of the errors": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = predicted[:, :, None] - targets[:, None, :]
    a = jnp.abs(u)
    huber = jnp.where(a < kappa, 0.5 * a**2, kappa * (a - 0.5 * kappa))
    w = jnp.where(u < 0, 1 - fractions[None, :, None], fractions[None, :, None])
    return (w * huber).mean(-1).sum(-1)
""",
        "weight without its size": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    a = jnp.abs(u)
    huber = jnp.where(a < kappa, 0.5 * a**2, kappa * (a - 0.5 * kappa))
    return ((fractions.reshape(1, -1, 1) - (u < 0)) * huber).mean(-1).sum(-1)
""",
        "corner not rounded": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    p = fractions[None, :, None]
    return jnp.maximum(p * u, (p - 1) * u).mean(axis=2).sum(axis=1)
""",
        "divided by kappa": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    a = jnp.abs(u)
    small = jnp.minimum(a, kappa)
    huber = 0.5 * small**2 + kappa * (a - small)
    return (jnp.abs(fractions[:, None] - (u < 0)) * huber / kappa).mean(2).sum(1)
""",
        "mean over the wrong axis": """
def quantile_loss(predicted, fractions, targets, kappa):
    def one(prediction, target, p):
        u = target - prediction
        a = jnp.abs(u)
        h = jnp.where(a < kappa, 0.5 * u**2, kappa * (a - 0.5 * kappa))
        return jnp.where(u < 0, 1 - p, p) * h

    n, m = predicted.shape[1], targets.shape[1]
    total = 0.0
    for i in range(n):
        for j in range(m):
            total = total + one(predicted[:, i], targets[:, j], fractions[i])
    return total / (n * m)
""",
        "mean over the minibatch": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    a = jnp.abs(u)
    huber = jnp.where(a < kappa, 0.5 * u**2, kappa * (a - 0.5 * kappa))
    return (jnp.abs(fractions[:, None] - (u < 0)) * huber).mean(2).sum(1).mean()
""",
    },
    "dream-return": {
        "each quantile from another action": """
def quantile_targets(rewards, terminations, next_quantiles, discount):
    best = jnp.max(next_quantiles, axis=1)
    keep = discount * (1.0 - terminations)
    return rewards.reshape(-1, 1) + keep.reshape(-1, 1) * best
""",
        "the luckiest action": """
def quantile_targets(rewards, terminations, next_quantiles, discount):
    best = jnp.argmax(jnp.max(next_quantiles, axis=2), axis=1)
    z = jnp.stack([next_quantiles[i, a] for i, a in enumerate(best)])
    return rewards[:, None] + discount * jnp.where(terminations[:, None], 0.0, z)
""",
        "ends are missed": """
def quantile_targets(rewards, terminations, next_quantiles, discount):
    best = jnp.argmax(jnp.mean(next_quantiles, axis=2), axis=1)
    z = next_quantiles[jnp.arange(best.size), best, :]
    return rewards[:, None] + discount * z
""",
        "the mean alone": """
def quantile_targets(rewards, terminations, next_quantiles, discount):
    q = jnp.mean(next_quantiles, axis=2)
    return rewards + discount * (1 - terminations) * jnp.max(q, axis=1)
""",
    },
    "lottery": {
        "the mean": """
def best_prediction(returns, fraction):
    return sum(returns) / len(returns)
""",
        "always the median": """
def best_prediction(returns, fraction):
    errors = np.abs(returns[:, None] - returns[None, :])
    return returns[np.argmin(errors.mean(axis=0))]
""",
        "arms exchanged": """
def best_prediction(returns, fraction):
    def loss(prediction):
        u = prediction - returns
        return np.mean(np.where(u > 0, fraction * u, (fraction - 1) * u))

    return min(returns, key=loss)
""",
        "between two returns": """
def best_prediction(returns, fraction):
    return np.percentile(returns, 100 * fraction)
""",
        "the loss in place of the place": """
def best_prediction(returns, fraction):
    losses = []
    for prediction in returns:
        u = returns - prediction
        losses.append(np.mean(np.where(u > 0, fraction * u, (fraction - 1) * u)))
    return min(losses)
""",
    },
    "cql-penalty": {
        "sign of the penalty": """
def penalty(q, actions):
    data = jnp.take_along_axis(q, actions[:, None], axis=1)[:, 0]
    return jnp.mean(data - jax.nn.logsumexp(q, axis=1))
""",
        "nothing holds up": """
def penalty(q, actions):
    return jnp.mean(jnp.log(jnp.sum(jnp.exp(q), axis=1)))
""",
        "the policy's own action": """
def penalty(q, actions):
    greedy = jnp.argmax(q, axis=1)
    taken = jnp.take_along_axis(q, greedy[:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(q, axis=1) - taken)
""",
        "over the whole minibatch": """
def penalty(q, actions):
    taken = q[jnp.arange(q.shape[0]), actions]
    return jnp.mean(jax.nn.logsumexp(q) - taken)
""",
        "sum over the rows": """
def penalty(q, actions):
    one_hot = jax.nn.one_hot(actions, q.shape[1])
    return jnp.sum(jax.nn.logsumexp(q, axis=1) - jnp.sum(one_hot * q, axis=1))
""",
        "data's values averaged over all actions": """
def penalty(q, actions):
    lse = jax.nn.logsumexp(q, axis=1, keepdims=True)
    return jnp.mean(lse - q[:, actions])
""",
        "push down stopped": """
def penalty(q, actions):
    lse = jax.nn.logsumexp(jax.lax.stop_gradient(q), axis=1)
    return lse.mean() - q[jnp.arange(len(q)), actions].mean()
""",
        "mean of the values": """
def penalty(q, actions):
    taken = jnp.take_along_axis(q, actions.reshape(-1, 1), axis=1).squeeze()
    return (jnp.mean(q, axis=1) - taken).mean()
""",
    },
    "log-sum-exp": {
        "overflow": """
def soft_maximum(q):
    total = 0.0
    for a in range(q.shape[1]):
        total = total + jnp.exp(q[:, a])
    return jnp.log(total)
""",
        "shift not added back": """
def soft_maximum(q):
    shifted = q - jnp.max(q, axis=1)[:, None]
    return jnp.log(jnp.sum(jnp.exp(shifted), axis=1))
""",
        "one shift for all rows": """
def soft_maximum(q):
    m = jnp.max(q)
    return jnp.log(jnp.sum(jnp.exp(q - m), axis=1)) + m
""",
        "clipped": """
def soft_maximum(q):
    q = jnp.clip(q, -80, 80)
    return jnp.log(jnp.sum(jnp.exp(q), axis=1))
""",
        "a hard maximum": """
def soft_maximum(q):
    return jnp.max(q, axis=1)
""",
    },
    "penalty-force": {
        "gradient in place of the force": """
def force(q, behaviour, alpha):
    def loss(q):
        return alpha * (jax.nn.logsumexp(q) - jnp.sum(behaviour * q))

    return jax.grad(loss)(q)
""",
        "nothing holds up": """
def force(q, behaviour, alpha):
    e = jnp.exp(q)
    return -alpha * e / jnp.sum(e)
""",
        "alpha is missing": """
def force(q, behaviour, alpha):
    e = jnp.exp(q - q.max())
    return behaviour - e / e.sum()
""",
        "weighed by the data": """
def force(q, behaviour, alpha):
    p = jax.nn.softmax(q)
    return alpha * (behaviour - behaviour * p)
""",
        "values in place of shares": """
def force(q, behaviour, alpha):
    return alpha * (behaviour - jnp.exp(q))
""",
    },
}
