"""Typical wrong answers to the exercises of 23_cql_discrete, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "cql-penalty": {
        "overflow": """
def penalty(q, actions):
    soft = jnp.log(jnp.sum(jnp.exp(q), axis=1))
    return jnp.mean(soft - q[jnp.arange(len(q)), actions])
""",
        "sign of the penalty": """
def penalty(q, actions):
    data = jnp.take_along_axis(q, actions[:, None], axis=1)[:, 0]
    return jnp.mean(data - jax.nn.logsumexp(q, axis=1))
""",
        "nothing holds up": """
def penalty(q, actions):
    return jnp.mean(jax.nn.logsumexp(q, axis=1))
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
        "gradient instead of the force": """
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
        "values instead of shares": """
def force(q, behaviour, alpha):
    return alpha * (behaviour - jnp.exp(q))
""",
    },
}
