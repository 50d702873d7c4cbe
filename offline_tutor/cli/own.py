"""An algorithm of one's own for the command line: `my_file.py:MINE`, or `my.module:MINE`."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from offline_tutor.algorithms import ALGORITHMS
from offline_tutor.algorithms.algorithm import Algorithm
from offline_tutor.algorithms.hyperparameters import nearest
from offline_tutor.checkpoints import as_path
from offline_tutor.training.interface import check_algorithm


def find_algorithm(name: str) -> Algorithm:
    """The algorithm of that name: of this package, or the value NAME in `FILE.py:NAME`.

    Raises ValueError where there is none, or where its file cannot be run, and TypeError where it
    is no algorithm.
    """
    if ":" not in name:
        if name not in ALGORITHMS:
            raise ValueError(
                f"algorithm is {name}, which is none of {', '.join(ALGORITHMS)}"
                f"{nearest(name, ALGORITHMS)} For one of your own give its file: my_file.py:MINE"
            )
        return ALGORITHMS[name]
    place, _, value = name.rpartition(":")
    module = _module(place)
    if not hasattr(module, value):
        known = [each for each in vars(module) if not each.startswith("_")]
        raise ValueError(f"{place} has no {value}{nearest(value, known)}")
    return check_algorithm(getattr(module, value))


def _module(place: str) -> ModuleType:
    """The module of a file or of a dotted name. Raises ValueError where it cannot be run."""
    path = as_path(place, "algorithm")
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise ValueError(f"algorithm is {place}: there is no such file")
    # As `python my_file.py` and `python -m my.module` do.
    sys.path.insert(0, str(path.resolve().parent if is_file else Path.cwd()))
    try:
        return _run(path) if is_file else importlib.import_module(place)
    except Exception as error:
        raise ValueError(f"{place} cannot be run: {_last_line(error)}") from error


def _run(path: Path) -> ModuleType:
    name = f"own.{path.stem}"  # so that a file called json.py takes nobody's place
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where annotations are looked up
    spec.loader.exec_module(module)
    return module


def _last_line(error: Exception) -> str:
    """An error in one line, and the line of the file that it comes from."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = "" if "<" in frame.filename else f" ({Path(frame.filename).name}, line {frame.lineno})"
    return f"{type(error).__name__}: {error}{where}"
