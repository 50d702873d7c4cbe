"""Typical wrong answers to the exercises of 11_fixed_data, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
    "seen-targets": {
        "asks about everything": """
def seen_targets(q, seen, rewards, next_states, terminations, discount, worst):
    targets = []
    for r, s, d in zip(rewards, next_states, terminations):
        targets.append(r if d else r + discount * max(q[s]))
    return np.array(targets)
""",
        "zero for what was not seen": """
def seen_targets(q, seen, rewards, next_states, terminations, discount, worst):
    masked = q * seen
    return rewards + discount * masked.max(1)[next_states] * np.logical_not(terminations)
""",
        "nothing to choose from": """
def seen_targets(q, seen, rewards, next_states, terminations, discount, worst):
    best = np.max(np.where(seen, q, -np.inf), axis=1)
    return rewards + np.where(terminations, 0, discount * best[next_states])
""",
        "ends are missed": """
def seen_targets(q, seen, rewards, next_states, terminations, discount, worst):
    v = np.array([max([x if s else worst for x, s in zip(*row)]) for row in zip(q, seen)])
    return rewards + discount * v[next_states]
""",
        "no reward at the end": """
def seen_targets(q, seen, rewards, next_states, terminations, discount, worst):
    q = q.copy()
    q[~seen] = worst
    return np.where(terminations, 0.0, rewards + discount * q[next_states].max(axis=-1))
""",
        "no discount": """
def seen_targets(q, seen, rewards, next_states, terminations, discount, worst):
    q = q.copy()
    q[~seen] = worst
    return rewards + (1 - terminations) * q[next_states].max(axis=-1)
""",
    },
    "maximum-bias": {
        "mean before the maximum": """
def disappointment(guesses, truth):
    mean = np.mean(guesses, axis=0)
    return np.max(mean) - np.max(truth)
""",
        "compared with the best": """
def disappointment(guesses, truth):
    return np.mean([max(row) - max(truth) for row in guesses])
""",
        "a missed chance": """
def disappointment(guesses, truth):
    got = [truth[np.argmax(row)] for row in guesses]
    return truth.max() - np.mean(got)
""",
        "all guesses": """
def disappointment(guesses, truth):
    return np.mean(np.mean(guesses - truth[None, :], axis=1))
""",
        "sign": """
def disappointment(guesses, truth):
    best = np.argmax(guesses, axis=1)
    return np.mean(truth[best] - guesses[np.arange(len(guesses)), best])
""",
    },
}
