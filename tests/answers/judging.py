"""Typical wrong answers to the exercises of 41_judging, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "per-decision": {
        "the whole product for every reward": """
def per_decision(ratios, rewards, discount):
    total = 0.0
    for episode in range(len(ratios)):
        earned = sum(discount**t * r for t, r in enumerate(rewards[episode]))
        total += np.prod(ratios[episode]) * earned
    return total / len(ratios)
""",
        "a ratio too few": """
def per_decision(ratios, rewards, discount):
    total = 0.0
    for episode in range(len(ratios)):
        weight = 1.0
        for t in range(ratios.shape[1]):
            total += weight * discount**t * rewards[episode, t]
            weight = weight * ratios[episode, t]
    return total / len(ratios)
""",
        "the step's own ratio alone": """
def per_decision(ratios, rewards, discount):
    gammas = np.array([discount**t for t in range(ratios.shape[1])])
    return np.mean(np.sum(ratios * rewards * gammas[None, :], axis=1))
""",
        "not weighted": """
def per_decision(ratios, rewards, discount):
    return np.mean(rewards @ discount ** np.arange(rewards.shape[1]))
""",
        "product over the episodes": """
def per_decision(ratios, rewards, discount):
    w = np.cumprod(ratios, axis=0)
    return (w * rewards * discount ** np.arange(rewards.shape[1])).sum() / len(rewards)
""",
        "normalised weights": """
def per_decision(ratios, rewards, discount):
    w = np.cumprod(ratios, axis=1)
    w = w / w.sum(axis=0, keepdims=True)
    return np.sum(w * rewards * discount ** np.arange(rewards.shape[1]))
""",
        "no discount": """
def per_decision(ratios, rewards, discount):
    return np.mean(np.sum(np.cumprod(ratios, axis=-1) * rewards, axis=-1))
""",
        "discounted a step too far": """
def per_decision(ratios, rewards, discount):
    gammas = discount ** np.arange(1, rewards.shape[1] + 1)
    return ((np.cumprod(ratios, 1) * rewards) @ gammas).mean()
""",
        "sum over the episodes": """
def per_decision(ratios, rewards, discount):
    total = 0.0
    for ratio, reward in zip(ratios, rewards):
        weight = 1.0
        for t in range(len(ratio)):
            weight *= ratio[t]
            total += discount**t * weight * reward[t]
    return total
""",
        "mean over the steps": """
def per_decision(ratios, rewards, discount):
    gammas = discount ** np.arange(rewards.shape[1])
    return np.mean(np.cumprod(ratios, axis=1) * gammas * rewards)
""",
    },
    "fqe-targets": {
        "the best action": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    return rewards + discount * (1 - terminations) * jnp.max(next_q, axis=1)
""",
        "the likeliest action alone": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    action = jnp.argmax(next_probabilities, axis=1)
    value = jnp.take_along_axis(next_q, action[:, None], axis=1)[:, 0]
    return jnp.where(terminations, rewards, rewards + discount * value)
""",
        "all actions alike": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    return rewards + discount * (1 - terminations) * jnp.mean(next_q, axis=1)
""",
        "divided once more": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    value = jnp.mean(next_probabilities * next_q, axis=1)
    return rewards + discount * (1.0 - terminations) * value
""",
        "over the whole minibatch": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    value = jnp.vdot(next_probabilities, next_q)
    return rewards + discount * (1 - terminations) * value
""",
        "nothing ends": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    return rewards + discount * jnp.einsum("ba,ba->b", next_probabilities, next_q)
""",
        "ends only": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    value = jnp.sum(next_probabilities * next_q, axis=1)
    return rewards + discount * terminations * value
""",
        "no reward at the end": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    value = jnp.sum(next_probabilities * next_q, axis=1)
    return (1 - terminations) * (rewards + discount * value)
""",
        "no discount": """
def fqe_targets(rewards, terminations, next_probabilities, next_q, discount):
    value = jnp.sum(next_probabilities * next_q, axis=1)
    return rewards + (1 - terminations) * value
""",
    },
}
