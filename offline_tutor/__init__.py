"""Offline reinforcement learning, built step by step in JAX.

The few names that everybody needs are here. Each is imported from its module when it is first
used, so that `import offline_tutor` is quick and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offline_tutor.data import from_arrays, load_dataset
    from offline_tutor.evaluation import evaluate
    from offline_tutor.policies import load_policy
    from offline_tutor.training import train, train_online

__version__ = "0.1.0"  # the only place that states it: pyproject.toml reads it here

__all__ = [
    "__version__",
    "evaluate",
    "from_arrays",
    "load_dataset",
    "load_policy",
    "train",
    "train_online",
]

_MODULES = {
    "evaluate": "evaluation",
    "from_arrays": "data",
    "load_dataset": "data",
    "load_policy": "policies",
    "train": "training",
    "train_online": "training",
}

if not TYPE_CHECKING:  # a type checker would take it for any name

    def __getattr__(name: str) -> Any:
        """Import a name of `__all__` from the module that defines it."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
