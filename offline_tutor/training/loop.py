"""What Python does between the compiled pieces of a run: records, evaluation, checkpoints."""

import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.checkpoints import load_checkpoint, lock_folder, save_checkpoint
from offline_tutor.policies import Policy
from offline_tutor.progress import progress_bar
from offline_tutor.training.rows import Rows
from offline_tutor.training.run import Diverged, Run, name_rows
from offline_tutor.types import Array

Evaluate = Callable[[Policy], Array]
# carry, number of steps, and for each row the step at which it has diverged or 0
# -> carry, metrics by rows, and the same of the rows that diverge now
Advance = Callable[[Any, int, np.ndarray], tuple[Any, dict[str, Array], Array]]


@dataclass(frozen=True)
class Loop:
    """The options of a run that compiled code does not see.

    The carry is a tuple. Offline it holds one state for each configuration; online it holds the
    states, the episodes under way, the replay buffer and the steps of divergence.
    """

    rows: Rows
    every: int
    evaluate: Evaluate | None
    callbacks: tuple[Callable[[Run], None], ...]
    progress: bool
    checkpoint: str | Path | None = None
    description: dict[str, Any] = field(default_factory=dict)
    states_of: Callable[[Any], tuple[Any, ...]] = tuple
    reuses_arrays: bool = False  # whether the next piece writes over the arrays of this one

    def __call__(self, run: Run, carry: Any, advance: Advance) -> Any:
        """Takes `carry` to the end; fills `run`."""
        name = run.policy.algorithm.name
        bar = progress_bar(run.num_steps, name) if self.progress else contextlib.nullcontext()
        with self._folder(), bar as show_progress:
            if self.checkpoint is not None:
                carry = self._resume(run, carry, self.checkpoint)
            start = time.perf_counter() - run.seconds
            while (done := self._steps(carry)) < run.num_steps:
                count = min(self.every, run.num_steps - done)
                carry, metrics, diverged = advance(carry, count, run.diverged)
                self._record(run, carry, metrics, diverged)
                run.seconds = time.perf_counter() - start
                for callback in self.callbacks:
                    callback(run)
                if self.checkpoint is not None:
                    self._save(run, carry, self.checkpoint)
                if show_progress is not None:
                    show_progress(self._steps(carry))
        lost = np.flatnonzero(run.diverged)
        if len(lost):
            warnings.warn(
                f"{len(lost)} of {len(self.rows)} policies diverged and stay as they were before: "
                f"{name_rows(run.policy, lost, run.diverged)}. {ADVICE}",
                RuntimeWarning,
                stacklevel=3,
            )
        return carry

    def _folder(self) -> contextlib.AbstractContextManager[Any]:
        """Locks the checkpoint's folder while training runs."""
        if self.checkpoint is None:
            return contextlib.nullcontext()
        return lock_folder(self.checkpoint)

    def _record(self, run: Run, carry: Any, metrics: dict[str, Array], diverged: Array) -> None:
        num_rows = len(self.rows)
        run.policy = self._policy(run, carry)
        run.steps = np.append(run.steps, self._steps(carry))
        newly = np.asarray(jax.device_get(diverged))
        run.diverged = np.where(run.diverged > 0, run.diverged, newly)
        for name, means in jax.device_get(metrics).items():
            column = np.where(run.diverged > 0, np.nan, means)
            earlier = run.metrics.get(name, np.zeros((0, num_rows)))
            run.metrics[name] = np.concatenate([earlier, column[None]])
        if run.diverged.all():
            raise Diverged(
                "parameters became NaN or infinite everywhere: "
                f"{name_rows(run.policy, range(num_rows), run.diverged)}. {ADVICE}; with "
                "checkpoint=... the last good one is kept"
            )
        if self.evaluate is not None:
            returns = np.asarray(self.evaluate(run.policy))[None]
            earlier = run.evaluations if len(run.evaluations) else returns[:0]
            if returns.shape[1:] != (num_rows, *earlier.shape[2:]) or returns.ndim != 3:
                raise ValueError(
                    f"evaluate returned the shape {returns.shape[1:]}, not (seeds, episodes) = "
                    f"({num_rows}, as many each time)"
                )
            run.evaluations = np.concatenate([earlier, returns])

    def _policy(self, run: Run, carry: Any) -> Policy:
        """The policies as they are now."""
        state = self.rows.policy_state(self.states_of(carry))
        if self.reuses_arrays:
            state = jax.tree.map(jnp.copy, state)
        return replace(run.policy, state=state)

    def _steps(self, carry: Any) -> int:
        """How many steps have been taken."""
        return int(jax.device_get(self.states_of(carry)[0].step))

    def _save(self, run: Run, carry: Any, folder: str | Path) -> None:
        records = {
            "steps": run.steps,
            "evaluations": run.evaluations,
            "diverged": run.diverged,
            "seconds": np.array(run.seconds),
        }
        records |= {f"metrics.{name}": column for name, column in run.metrics.items()}
        save_checkpoint(folder, self.description, carry, records)

    def _resume(self, run: Run, carry: Any, folder: str | Path) -> Any:
        saved = load_checkpoint(folder, self.description, carry)
        if saved is None:
            return carry
        carry, records = saved
        run.steps, run.evaluations = records["steps"], records["evaluations"]
        run.diverged, run.seconds = records["diverged"], float(records["seconds"])
        named = ((name.partition("metrics."), column) for name, column in records.items())
        run.metrics = {name: column for (_, found, name), column in named if found}
        run.policy = self._policy(run, carry)
        done = self._steps(carry)
        if done > run.num_steps:
            raise ValueError(
                f"{folder} holds {done} steps, more than num_steps={run.num_steps}: give another "
                "folder, or more steps"
            )
        if done < run.num_steps and bool(len(run.evaluations)) != bool(self.evaluate):
            raise ValueError(
                f"{folder} was trained {'with' if len(run.evaluations) else 'without'} evaluate=: "
                "do the same, or give another folder"
            )
        return carry


ADVICE = "A lower learning rate, smaller rewards or normalize=True may help"
