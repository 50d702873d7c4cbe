"""`offline-tutor judge`: what saved policies are worth, by a record alone."""

from pathlib import Path

from tyro.conf import Positional


def run(
    paths: Positional[tuple[str, ...]],
    discount: float = 0.99,
    hidden: tuple[int, ...] = (256, 256),
    tau: float = 0.02,
    num_steps: int = 6000,
    batch_size: int = 256,
    seeds: int = 5,
    algorithm: str | None = None,
) -> int:
    """Judge saved policies by a dataset, without acting: a table and a recommendation.

    What each is worth by fitted Q evaluation, by its own critic and by importance weights, beside
    what was recorded and its clone; and which one to use, or none of them. Not by the rows that
    trained them, if you can spare others.

    Args:
        paths: files of Policy.save or folders that train wrote to, then a dataset, last: a name,
            Minari id or folder
        discount: what a reward one step later is worth now, in the returns that are estimated
        hidden: widths of the judging networks
        tau: how far their targets move at each step
        num_steps: gradient steps
        batch_size: rows of a minibatch
        seeds: how many networks judge each policy, two or more
        algorithm: what trained them, where that is one of your own: my_file.py:MINE
    """
    from offline_tutor.cli.own import find_algorithm
    from offline_tutor.data import load_dataset  # JAX: not for --help
    from offline_tutor.ope import FQE, choose
    from offline_tutor.policies import Policy, load_policy
    from offline_tutor.training.checks import check_sizes

    if len(paths) < 2:
        raise ValueError(
            f"{len(paths)} given; name one or more saved policies, and the dataset last"
        )
    if not hidden:
        raise ValueError("--hidden has no value; give one or more")
    check_sizes(num_steps=num_steps, batch_size=batch_size, seeds=seeds)
    config = FQE.Config(discount=discount, hidden=hidden, tau=tau)
    trained_by = None if algorithm is None else find_algorithm(algorithm)
    *files, name = paths
    dataset = load_dataset(name)
    policies: dict[str, Policy] = {}
    for file in files:
        stack = load_policy(Path(file), trained_by)
        if stack.num_rows is None:
            policies[file] = stack
            continue
        for index, (_, seed) in enumerate(stack.rows):
            policies[f"{file}, seed {seed}"] = stack.seed(index)
    found = choose(
        policies, dataset, config=config, num_steps=num_steps, batch_size=batch_size, seeds=seeds
    )
    print(found)
    return 0
