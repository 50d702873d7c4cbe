"""Who may import whom in the package, directly or through others (CONTRIBUTING.md says why).

What is written counts, also inside functions and for type checkers. Left out are
`offline_tutor/__init__.py`, which imports a name only when it is used, and that importing a module
also runs the `__init__.py` of its package.
"""

from __future__ import annotations

from copy import deepcopy
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGE = "offline_tutor"
RECORD = {"algorithms.algorithm", "algorithms.hyperparameters"}  # what every algorithm has
GROUND = {"types", "messages"}
KNOWS_ONLY = {
    "types": set(),
    "messages": set(),
    "spaces": GROUND,
    "data": GROUND | {"spaces"},
    "networks": {"types"},
    "algorithms": GROUND | {"networks"},
    "algorithms.algorithm": RECORD | {"types"},
    "algorithms.hyperparameters": RECORD | GROUND,
    "environments": {"types"},
}
KNOWS_NO_ALGORITHM = ["checkpoints", "training", "policies", "evaluation", "episodes"]
# `load_policy` looks up the algorithm that a file names: in the list of all, when it is called.
THE_LIST = ("policies", "algorithms")
FOR_BOOK_AND_CLASS = {"book", "classroom", "exercises", "cli"}  # nothing else imports these


def build() -> grimp.ImportGraph:
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    for module in graph.find_modules_directly_imported_by(PACKAGE):
        graph.remove_import(importer=PACKAGE, imported=module)
    return graph


def modules(graph: grimp.ImportGraph) -> set[str]:
    return graph.modules - {PACKAGE}


GRAPH = build()


def full(name: str) -> str:
    return f"{PACKAGE}.{name}"


def room(module: str) -> str:
    """The part of the package that a module is in."""
    return module.split(".")[1]


def within(module: str, names: set[str]) -> bool:
    return any(f"{module}.".startswith(f"{full(name)}.") for name in names)


def chains(graph: grimp.ImportGraph, name: str, forbidden: set[str]) -> list[str]:
    """How a part of the package comes to import each forbidden module, by the shortest way."""
    found = []
    for module in sorted(forbidden):
        importers = {full(name), *graph.find_descendants(full(name))}
        ways = [graph.find_shortest_chain(importer, module) for importer in sorted(importers)]
        if reached := [way for way in ways if way]:
            found.append(" -> ".join(min(reached, key=len)))
    return found


def not_allowed(graph: grimp.ImportGraph, name: str, allowed: set[str]) -> list[str]:
    return chains(graph, name, {m for m in modules(graph) if not within(m, {name} | allowed)})


def algorithms_by_name(graph: grimp.ImportGraph, name: str) -> list[str]:
    named = {m for m in modules(graph) if within(m, {"algorithms"})} - {full("algorithms")}
    return chains(graph, name, {m for m in named if not within(m, RECORD)})


def circle(arrows: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1][::-1]  # each imports the next
    return []


def between_rooms(graph: grimp.ImportGraph) -> dict[str, set[str]]:
    arrows: dict[str, set[str]] = {room(module): set() for module in modules(graph)}
    for module in modules(graph):
        for imported in graph.find_modules_directly_imported_by(module):
            if imported != PACKAGE and room(imported) != room(module):
                arrows[room(module)].add(room(imported))
    return arrows


@pytest.mark.parametrize(("name", "allowed"), KNOWS_ONLY.items())
def test_knows_only(name: str, allowed: set[str]) -> None:
    assert not_allowed(GRAPH, name, allowed) == []


@pytest.mark.parametrize("name", KNOWS_NO_ALGORITHM)
def test_knows_no_algorithm_by_name(name: str) -> None:
    graph = deepcopy(GRAPH)
    importer, imported = map(full, THE_LIST)
    graph.remove_import(importer=importer, imported=imported)
    assert algorithms_by_name(graph, name) == []


def test_only_load_policy_asks_for_the_list_of_algorithms() -> None:
    importer, imported = map(full, THE_LIST)
    (place,) = GRAPH.get_import_details(importer=importer, imported=imported)
    assert place["line_contents"] == "from offline_tutor.algorithms import ALGORITHMS"


def test_nothing_imports_what_serves_the_book_and_the_class() -> None:
    theirs = {module for module in modules(GRAPH) if within(module, FOR_BOOK_AND_CLASS)}
    others = {room(module) for module in modules(GRAPH)} - FOR_BOOK_AND_CLASS
    assert "training" in others
    assert [chain for name in sorted(others) for chain in chains(GRAPH, name, theirs)] == []


def test_the_class_needs_no_figures() -> None:
    figures = {module for module in modules(GRAPH) if within(module, {"book.figures"})}
    assert figures
    assert chains(GRAPH, "classroom", figures) == []


def test_no_module_imports_itself_through_others() -> None:
    arrows = {module: GRAPH.find_modules_directly_imported_by(module) for module in modules(GRAPH)}
    assert circle(arrows) == []


def test_no_room_imports_itself_through_others() -> None:
    assert circle(between_rooms(GRAPH)) == []


def test_a_broken_rule_is_named_with_its_chain() -> None:
    graph = deepcopy(GRAPH)
    for importer, imported in [
        ("networks", "progress"), ("progress", "algorithms.td3"), ("types", "networks"),
    ]:  # fmt: skip
        graph.add_import(importer=full(importer), imported=full(imported))
    chain = "offline_tutor.networks -> offline_tutor.progress -> offline_tutor.algorithms.td3"
    assert chain in not_allowed(graph, "networks", {"types"})
    assert chain in algorithms_by_name(graph, "networks")
    found = circle(between_rooms(graph))
    assert found[0] == found[-1] and {"networks", "progress"} <= set(found)
