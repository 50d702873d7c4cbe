"""Whether the installed wheel may be published: release.yml runs this outside the repository.

Its version is that of the tag, the address that PyPI will show is that of the repository, and a
dataset that it brings can be read.
"""

import importlib.metadata
import os
from collections.abc import Mapping
from email.message import Message


def faults(wheel: Message, environment: Mapping[str, str]) -> list[str]:
    """What is wrong with a wheel of this metadata, given the variables of GitHub Actions."""
    found = []
    version, tag = wheel["Version"], environment["GITHUB_REF_NAME"]
    if tag != f"v{version}":
        found.append(f"The tag is {tag}, but offline_tutor.__version__ is {version}.")
    here = f"{environment['GITHUB_SERVER_URL']}/{environment['GITHUB_REPOSITORY']}"
    if f"Repository, {here}" not in (wheel.get_all("Project-URL") or []):
        found.append(f'[project.urls] in pyproject.toml lacks: Repository = "{here}"')
    return found


def main() -> None:
    if found := faults(importlib.metadata.metadata("offline-tutor"), os.environ):
        raise SystemExit("\n".join(found))
    import offline_tutor

    dataset = offline_tutor.load_dataset("maze/stitch-v0", download=False)
    print(offline_tutor.__version__, len(dataset), "rows")


if __name__ == "__main__":
    main()
