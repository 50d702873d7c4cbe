"""`offline-tutor datasets`: which datasets there are, and what is in them."""

from tyro.conf import Positional


def run(names: Positional[tuple[str, ...]] = ()) -> int:
    """List datasets: a line for each that comes with the package or is on this machine.

    Returns 1 where a dataset cannot be read, after the lines of all others.

    Args:
        names: only these: a name, a Minari id (fetched where it is not here), or a folder
    """
    # These take a while, which --help need not wait for.
    from offline_tutor.data import DatasetError, library, load_dataset
    from offline_tutor.types import Discrete

    listed = names or tuple(dict.fromkeys([*library.embedded(), *library.local()]))
    width = max(map(len, listed))
    print(f"{'dataset':{width}}  transitions  episodes  mean return  observation  actions")
    failed = False
    for name in listed:
        try:
            dataset = load_dataset(name)
        except DatasetError as error:
            failed = True
            print(f"{name:{width}}  {error}")
            continue
        spec = dataset.spec
        discrete = isinstance(spec.actions, Discrete)
        actions = f"{spec.num_actions} discrete" if discrete else f"{spec.action_dim} numbers"
        print(
            f"{name:{width}}  {len(dataset):11}  {dataset.num_episodes:8}  "
            f"{dataset.episode_returns().mean():11.2f}  {spec.observation_dim:11}  {actions}"
        )
    return int(failed)
