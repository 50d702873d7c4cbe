"""`offline-tutor datasets`: which datasets there are, and what is in them."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command and its arguments."""
    datasets = commands.add_parser(
        "datasets",
        help="list datasets, or look into some",
        description="A line for each dataset: those that come with the package and those on this "
        "machine, or the ones you name, which are fetched where they are not here.",
    )
    datasets.set_defaults(run=run, stopped="Nothing was changed.")
    datasets.add_argument(
        "names", nargs="*", metavar="NAME", help="a dataset's name, its Minari id, or its folder"
    )


def run(asked: argparse.Namespace) -> int:
    """Prints the table; 1 where a dataset cannot be read, after the lines of all others."""
    import minari  # takes a while, which --help need not wait for

    from offline_tutor.data import DatasetError, library, load_dataset

    names = asked.names or [*library.embedded(), *minari.list_local_datasets()]
    width = max(map(len, names))
    print(f"{'dataset':{width}}  transitions  episodes  mean return  observation  actions")
    failed = False
    for name in names:
        try:
            dataset = load_dataset(name)
        except DatasetError as error:
            failed = True
            print(f"{name:{width}}  {error}")
            continue
        spec = dataset.spec
        actions = (
            f"{spec.num_actions} discrete" if spec.num_actions else f"{spec.action_dim} numbers"
        )
        print(
            f"{name:{width}}  {len(dataset):11}  {dataset.num_episodes:8}  "
            f"{dataset.episode_returns().mean():11.2f}  {spec.observation_dim:11}  {actions}"
        )
    return int(failed)
