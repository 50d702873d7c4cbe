"""What students write for the exercises of part 1: typical mistakes, by the names they go by."""

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
    "episode-returns": {
        "time limits missed": """
def episode_returns(rewards, terminations, truncations):
    returns, total = [], 0.0
    for reward, done in zip(rewards, terminations):
        total += reward
        if done:
            returns.append(total)
            total = 0.0
    return np.array(returns)
""",
        "one row late": """
def episode_returns(rewards, terminations, truncations):
    returns = [0.0]
    for reward, ended in zip(rewards, terminations | truncations):
        if ended:
            returns.append(0.0)
        returns[-1] += reward
    return np.array(returns[:-1])
""",
        "never reset": """
def episode_returns(rewards, terminations, truncations):
    total, out = 0.0, []
    for i in range(len(rewards)):
        total = total + rewards[i]
        if terminations[i] or truncations[i]:
            out.append(total)
    return np.array(out)
""",
        "the first reward is lost": """
def episode_returns(rewards, terminations, truncations):
    sums = np.cumsum(rewards)
    out, start = [], 0
    for end in np.where(np.logical_or(terminations, truncations))[0]:
        out.append(sums[end] - sums[start])
        start = end + 1
    return np.array(out)
""",
        "mean in place of the sum": """
def episode_returns(rewards, terminations, truncations):
    out, episode = [], []
    for r, a, b in zip(rewards, terminations, truncations):
        episode.append(r)
        if a or b:
            out.append(np.mean(episode))
            episode = []
    return np.array(out)
""",
    },
    "next-observations": {
        "slips a row an episode": """
def pair_up(observations, lengths):
    n = int(np.sum(lengths))
    before = np.array([observations[i] for i in range(n)])
    after = np.array([observations[i + 1] for i in range(n)])
    return before, after
""",
        "reaches into the next episode": """
def pair_up(observations, lengths):
    before, start = [], 0
    for n in lengths:
        before.extend(observations[start:start + n])
        start += n + 1
    after = before[1:] + [observations[-1]]
    return np.array(before), np.array(after)
""",
        "a pair without an action": """
def pair_up(observations, lengths):
    return observations[:-1], observations[1:]
""",
        "an action without a pair": """
def pair_up(observations, lengths):
    before, after, start = [], [], 0
    for n in lengths:
        episode = observations[start:start + n]
        before.append(episode[:-1])
        after.append(episode[1:])
        start += n + 1
    return np.concatenate(before), np.concatenate(after)
""",
        "swapped": """
def pair_up(observations, lengths):
    before, after, start = [], [], 0
    for n in lengths:
        before.append(observations[start:start + n])
        after.append(observations[start + 1:start + n + 1])
        start += n + 1
    return np.concatenate(after), np.concatenate(before)
""",
    },
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
