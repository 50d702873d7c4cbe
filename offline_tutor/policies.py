"""What training leaves behind: a policy that maps the environment's observations to its actions."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np

from offline_tutor import algorithms
from offline_tutor.checkpoints import load_arrays, name_leaves, save_arrays
from offline_tutor.data import Normalization
from offline_tutor.types import Array, Spec


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["state", "normalization"],
    meta_fields=["algorithm", "config", "spec", "num_seeds"],
)
@dataclass(frozen=True, eq=False, repr=False)
class Policy:
    """The policies of `num_seeds` training runs, stacked, or of one run (`num_seeds` None).

    It carries how observations and actions were scaled in training, so that it takes and gives the
    environment's own units. It is a pytree: jit and vmap take it as an argument.
    """

    state: Any  # the algorithm's State; arrays have a leading axis of seeds where stacked
    normalization: Normalization
    algorithm: ModuleType
    config: Any
    spec: Spec
    num_seeds: int | None = None

    def __call__(self, observations: Array) -> Array:
        """Actions, (batch, action), at observations, (batch, observation); one policy only.

        One observation, (observation,), gives one action. Discrete actions are (batch,) integers.
        Gymnasium takes them as NumPy's: `environment.step(np.asarray(policy(observation)))`.
        """
        return _act(self, self._observe(observations))

    def value(self, observations: Array) -> Array:
        """What the critic believes this policy is worth from each observation, (batch,)."""
        if not hasattr(self.algorithm, "value"):
            raise ValueError(f"{self.algorithm.__name__} has no critic, so it believes no value")
        return self.algorithm.value(self.state, self._observe(observations), self.config)

    def __repr__(self) -> str:
        """One line, not the arrays."""
        return f"<Policy of {self.algorithm.__name__}, num_seeds={self.num_seeds}, {self.config}>"

    def _observe(self, observations: Array) -> Array:
        """Observations as the algorithm sees them."""
        if self.num_seeds is not None:
            raise ValueError(
                f"this is a stack of {self.num_seeds} policies, one for each seed: take one by "
                ".seed(0), or ask all of them by .map"
            )
        wanted, shape = self.spec.observation_dim, np.shape(observations)
        if shape[-1:] != (wanted,):
            raise ValueError(f"observations are {shape}; this policy takes (batch, {wanted})")
        return self.normalization.observe(observations)

    def seed(self, index: int) -> "Policy":
        """The policy of one seed, by its place among the seeds."""
        if self.num_seeds is None or not -self.num_seeds <= index < self.num_seeds:
            raise IndexError(
                f"no policy {index}: {self.num_seeds or 'not stacked, 1'} in this stack"
            )
        state = jax.tree.map(lambda leaf: leaf[index], self.state)
        return replace(self, state=state, num_seeds=None)

    def map(self, function: Callable[..., Any], *arguments: Array) -> Any:
        """`function(policy, *arguments)` for each seed; every argument has an axis of seeds."""

        def of_one(state: Any, *arguments: Array) -> Any:
            return function(replace(self, state=state, num_seeds=None), *arguments)

        return jax.vmap(of_one)(self.state, *arguments)

    def save(self, path: str | Path) -> None:
        """Writes the policy, or the stack of them, to one file, which `load_policy` reads."""
        description = {
            "algorithm": self.algorithm.__name__,
            "config": asdict(self.config),
            "spec": {name: np.asarray(value).tolist() for name, value in vars(self.spec).items()},
            "num_seeds": self.num_seeds,
        }
        leaves = name_leaves(self.state, "state") | name_leaves(self.normalization, "normalization")
        save_arrays(path, description, jax.tree.map(np.asarray, leaves))


@jax.jit
def _act(policy: Policy, observations: Array) -> Array:
    """Compiled: one observation at a time, little operations cost a hundred times as much."""
    actions = policy.algorithm.act(policy.state, observations, policy.config)
    return policy.normalization.to_environment(actions)


def load_policy(path: str | Path, algorithm: ModuleType | None = None) -> Policy:
    """Reads what `Policy.save` wrote. The file holds numbers and texts: reading it runs no code.

    `path` may be the folder that holds it as policy.npz, as `offline-tutor train` leaves it.
    `algorithm` is the module that trained it; those of this package are found by their names.

    Raises FileNotFoundError, and ValueError where the file is no policy, is damaged, or does not
    fit the algorithm.
    """
    path = Path(path)
    path = path / "policy.npz" if path.is_dir() else path
    found, arrays = load_arrays(path, "policy")
    if "spec" not in found:
        raise ValueError(
            f"{path} is not a policy but a checkpoint, perhaps: Policy.save writes one"
        )
    try:
        algorithm = algorithm or _find_algorithm(found["algorithm"])
        config = algorithm.Config(
            **{name: _tuple(value) for name, value in found["config"].items()}
        )
        spec = Spec(**{name: _bound(value) for name, value in found["spec"].items()})
        num_seeds = found["num_seeds"]
        state = jax.eval_shape(lambda: algorithm.init(jax.random.key(0), config, spec))
        shapes = {name: leaf.shape for name, leaf in name_leaves(state, "state").items()}
        for name, shape in shapes.items():
            wanted = shape if num_seeds is None else (num_seeds, *shape)
            if arrays[name].shape != wanted:
                raise ValueError(f"{name} is {arrays[name].shape}, not {wanted}")
        state = jax.tree.unflatten(jax.tree.structure(state), [arrays[name] for name in shapes])
        units = Normalization(
            arrays["normalization.observation_mean"],
            arrays["normalization.observation_std"],
            arrays.get("normalization.action_centre"),  # discrete actions have neither
            arrays.get("normalization.action_half_range"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a policy that can be read here: {error}") from error
    return Policy(state, units, algorithm, config, spec, num_seeds)


def _find_algorithm(name: str) -> ModuleType:
    """This package's module of that name; a file may not have any other imported."""
    own = [module.name for module in pkgutil.iter_modules(algorithms.__path__)]
    package, _, short = name.rpartition(".")
    if package != algorithms.__name__ or short not in own:
        raise ValueError(f"{name}, which trained it, is not of offline_tutor: give algorithm=...")
    return importlib.import_module(name)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON has lists only


def _bound(value: Any) -> Any:
    return np.array(value, np.float32) if isinstance(value, list) else value
