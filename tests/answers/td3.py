"""Typical wrong answers to the exercises of 31_td3, by the names they go by."""

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
        "rows that ended, and perhaps more": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    a = jnp.clip(next_actions + jnp.clip(noise, -noise_clip, noise_clip), -1, 1)
    return rewards + discount * jnp.maximum(q1(a), q2(a))
""",
        "the next value, in several ways": """
def td3_targets(q1, q2, rewards, terminations, next_actions, noise, noise_clip, discount):
    a = jnp.clip(next_actions + noise, -1, 1)
    return rewards + discount * (1 - terminations) * jnp.maximum(q1(a), q2(a))
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
}
