"""Typical wrong answers to the exercises of 32_td3_bc, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
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
        "sum instead of the mean": """
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
        "the worst instead of the best": """
def dial(grid, q, actions, alphas):
    clone = np.array([np.mean((a - actions) ** 2) for a in grid])
    return np.array([grid[np.argmax(clone - alpha * q)] for alpha in alphas])
""",
        "the nearest row instead of all": """
def dial(grid, q, actions, alphas):
    nearest = np.abs(grid[:, None] - actions[None, :]).min(axis=1)
    return grid[np.argmin(nearest**2 - alphas[:, None] * q, axis=1)]
""",
        "a place's number instead of the place": """
def dial(grid, q, actions, alphas):
    clone = np.array([np.mean((a - actions) ** 2) for a in grid])
    return np.argmin(clone - alphas[:, None] * q, axis=1)
""",
    },
}
