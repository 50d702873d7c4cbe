"""Typical wrong answers to the exercises of 12_datasets, by the names they go by."""

ANSWERS: dict[str, dict[str, str]] = {
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
        "the last reward is lost": """
def episode_returns(rewards, terminations, truncations):
    ends = np.flatnonzero(terminations | truncations)
    starts = [0, *(ends[:-1] + 1)]
    return np.array([rewards[start:end].sum() for start, end in zip(starts, ends)])
""",
        "an empty episode": """
def episode_returns(rewards, terminations, truncations):
    ends = np.flatnonzero(terminations | truncations)
    return np.array([part.sum() for part in np.split(rewards, ends + 1)])
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
        "mean instead of the sum": """
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
}
