"""Typical wrong answers to the exercises of 21_q_learning, by the names they go by."""

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
        "largest value instead of the data's": """
def td_loss(
    weights, observations, actions, rewards, next_observations, terminations, discount
):
    q = jnp.max(observations @ weights, axis=-1)
    next_q = jax.lax.stop_gradient(jnp.max(next_observations @ weights, axis=-1))
    return jnp.mean(jnp.square(rewards + discount * next_q * (1 - terminations) - q))
""",
        "sum instead of the mean": """
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
}
