"""Typical wrong answers to the exercises of 22_qr_dqn, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
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
        "sum and mean exchanged": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    a = jnp.abs(u)
    huber = jnp.where(a < kappa, 0.5 * a**2, kappa * (a - 0.5 * kappa))
    return (jnp.abs(fractions[:, None] - (u < 0)) * huber).mean(1).sum(1)
""",
        "only as many samples as predictions": """
def quantile_loss(predicted, fractions, targets, kappa):
    n = predicted.shape[1]
    total = 0.0
    for i in range(n):
        u = targets - predicted[:, i : i + 1]
        a = jnp.abs(u)
        huber = jnp.where(a < kappa, 0.5 * a**2, kappa * (a - 0.5 * kappa))
        weight = jnp.where(u < 0, 1 - jnp.full(n, fractions[i]), jnp.full(n, fractions[i]))
        total = total + (weight * huber).mean(1)
    return total
""",
        "kappa taken as 1": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    a = jnp.abs(u)
    huber = jnp.where(a < 1, 0.5 * a**2, a - 0.5)
    return (jnp.abs(fractions[:, None] - (u < 0)) * huber).mean(2).sum(1)
""",
        "the half is missing": """
def quantile_loss(predicted, fractions, targets, kappa):
    u = targets[:, None, :] - predicted[:, :, None]
    a = jnp.abs(u)
    huber = jnp.where(a < kappa, a**2, kappa * (a - 0.5 * kappa))
    return (jnp.abs(fractions[:, None] - (u < 0)) * huber).mean(2).sum(1)
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
        "the action with the best median": """
def quantile_targets(rewards, terminations, next_quantiles, discount):
    best = jnp.median(next_quantiles, axis=-1).argmax(-1)
    z = next_quantiles[jnp.arange(len(best)), best]
    return rewards[:, None] + discount * (1 - terminations)[:, None] * z
""",
        "ends the wrong way round": """
def quantile_targets(rewards, terminations, next_quantiles, discount):
    best = next_quantiles.mean(-1).argmax(-1)
    z = next_quantiles[jnp.arange(len(best)), best]
    return rewards[:, None] + discount * terminations[:, None] * z
""",
        "no discount": """
def quantile_targets(rewards, terminations, next_quantiles, discount):
    best = next_quantiles.mean(-1).argmax(-1)
    z = next_quantiles[jnp.arange(len(best)), best]
    return rewards[:, None] + (1 - terminations)[:, None] * z
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
        "a neighbour of the best": """
def best_prediction(returns, fraction):
    return np.quantile(returns, fraction, method="lower")
""",
        "the position instead of the return": """
def best_prediction(returns, fraction):
    errors = returns[:, None] - returns
    return int((np.abs(fraction - (errors < 0)) * np.abs(errors)).mean(0).argmin())
""",
        "between two returns": """
def best_prediction(returns, fraction):
    return np.percentile(returns, 100 * fraction)
""",
        "the loss instead of the return": """
def best_prediction(returns, fraction):
    losses = []
    for prediction in returns:
        u = returns - prediction
        losses.append(np.mean(np.where(u > 0, fraction * u, (fraction - 1) * u)))
    return min(losses)
""",
    },
}
