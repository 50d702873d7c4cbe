"""Typical wrong answers to the exercises of 13_behaviour_cloning, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "cloning-loss": {
        "broadcasting": """
def cloning_loss(outputs, actions, max_action):
    policy = max_action * jnp.tanh(outputs)
    return jnp.mean(jnp.square(policy - actions))
""",
        "sum in place of the mean": """
def cloning_loss(outputs, actions, max_action):
    error = jnp.tanh(outputs.reshape(-1)) * max_action - actions
    return jnp.sum(error ** 2)
""",
        "the policy has no bounds": """
def cloning_loss(outputs, actions, max_action):
    return jnp.mean((outputs.squeeze() - actions) ** 2)
""",
        "bounds of another motor": """
def cloning_loss(outputs, actions, max_action):
    return jnp.mean((jnp.tanh(outputs).flatten() - actions) ** 2)
""",
        "no gradient": """
def cloning_loss(outputs, actions, max_action):
    policy = jax.lax.stop_gradient(max_action * jnp.tanh(outputs[:, 0]))
    return jnp.mean((policy - actions) ** 2)
""",
    },
    "compounding": {
        "a mistake costs one step": """
def expected_cost(epsilon, horizon):
    return horizon * epsilon
""",
        "lost from the start": """
def expected_cost(epsilon, horizon):
    any_mistake = 1 - (1 - epsilon) ** horizon
    return any_mistake * horizon
""",
        "one step late": """
def expected_cost(epsilon, horizon):
    cost, well = 0.0, 1.0
    for _ in range(horizon):
        cost += 1 - well
        well *= 1 - epsilon
    return cost
""",
        "small-epsilon formula": """
def expected_cost(epsilon, horizon):
    return sum(epsilon * (t + 1) for t in range(horizon))
""",
    },
    "best-rows": {
        "single rows": """
def best_rows(rewards, lengths, share):
    order = np.argsort(rewards)[::-1][: round(share * rewards.size)]
    mask = np.zeros(rewards.size, bool)
    mask[order] = True
    return mask
""",
        "the worst": """
def best_rows(rewards, lengths, share):
    parts = np.split(rewards, np.cumsum(lengths)[:-1])
    returns = np.array([part.sum() for part in parts])
    limit = np.sort(returns)[round(share * len(lengths)) - 1]
    return np.concatenate([np.full(n, r <= limit) for r, n in zip(returns, lengths)])
""",
        "mean reward": """
def best_rows(rewards, lengths, share):
    parts = np.split(rewards, np.cumsum(lengths)[:-1])
    scores = np.array([part.mean() for part in parts])
    limit = np.sort(scores)[-round(share * len(lengths))]
    return np.repeat(scores >= limit, lengths)
""",
        "no mask": """
def best_rows(rewards, lengths, share):
    ends = np.cumsum(lengths)
    returns = [rewards[e - n:e].sum() for e, n in zip(ends, lengths)]
    best = sorted(range(len(lengths)), key=lambda i: -returns[i])[: round(share * len(lengths))]
    return np.concatenate([np.arange(ends[i] - lengths[i], ends[i]) for i in best])
""",
    },
}
