"""What Python does between the compiled pieces of a run: records, evaluation, checkpoints."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.checkpoints import load_checkpoint, lock_folder, save_checkpoint
from offline_tutor.messages import warn
from offline_tutor.policies import Policy
from offline_tutor.progress import progress_bar
from offline_tutor.training.interrupts import first_interrupt_asks
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
        """Takes `carry` to the end, or to where Ctrl-C asks for it; fills `run`."""
        name = run.policy.algorithm.name
        bar = progress_bar(run.num_steps, name) if self.progress else contextlib.nullcontext()
        with (
            self._folder(),
            bar as show_progress,
            first_interrupt_asks(lambda: len(run.steps) > 0) as asked,
        ):
            carry = self._start(run, carry)
            began, start = self._steps(carry), time.perf_counter() - run.seconds
            while (done := self._steps(carry)) < run.num_steps and not asked():
                count = min(self.every, run.num_steps - done)
                carry, metrics, diverged = advance(carry, count, run.diverged)
                self._check_count(name, done, count, self._steps(carry))
                self._record(run, carry, metrics, diverged)
                run.seconds = time.perf_counter() - start
                self._report(run, carry)
                if show_progress is not None:
                    show_progress(self._steps(carry))
            if began == run.num_steps:
                warn(
                    f"{self.checkpoint} has all {began} steps of this run already: nothing was "
                    "trained. For another run give another folder",
                    RuntimeWarning,
                )
            if asked():
                warn(
                    f"stopped by Ctrl-C after {done} of {run.num_steps} steps: the Run has what "
                    "was trained until then" + (f", {GOES_ON}" if self.checkpoint else ""),
                    RuntimeWarning,
                )
        lost = np.flatnonzero(run.diverged)
        if len(lost):
            warn(
                f"{len(lost)} of {len(self.rows)} policies diverged and stay as they were before: "
                f"{name_rows(run.policy, lost, run.diverged)}. {ADVICE}",
                RuntimeWarning,
            )
        return carry

    def _start(self, run: Run, carry: Any) -> Any:
        """What the checkpoint holds, if there is one; callbacks are told that training begins."""
        reported = 0
        if self.checkpoint is not None:
            carry, reported = self._resume(run, carry, self.checkpoint)
        names = (*run.metrics, *(["return"] if self.evaluate else []))
        for callback in self.callbacks:
            if hasattr(callback, "begin"):
                callback.begin(run, names)
        if reported < len(run.steps):  # an error came in between
            self._report(run, carry)
        return carry

    def _report(self, run: Run, carry: Any) -> None:
        """Evaluates and calls back; then, even where that raises, writes the checkpoint."""
        doing, reported = "evaluate", len(run.steps) - 1
        try:
            if self.evaluate is not None and len(run.evaluations) < len(run.steps):
                run.evaluations = self._evaluated(run, self.evaluate)
            for place, callback in enumerate(self.callbacks):
                doing = f"callbacks[{place}]"
                callback(run)
            reported += 1
        except BaseException as error:
            kept = f", {GOES_ON}" if self.checkpoint else ". With checkpoint=... nothing is lost"
            error.add_note(
                f"This came from {doing}, after {run.steps[-1]} of {run.num_steps} steps{kept}."
            )
            raise
        finally:
            if self.checkpoint is not None:
                self._save(run, carry, reported, self.checkpoint)

    def _check_count(self, name: str, done: int, count: int, found: int) -> None:
        """A TypeError where an algorithm's `update` has miscounted: training would never end."""
        if found != done + count:
            raise TypeError(
                f"update of {name!r} left State.step at {found} after {count} steps from {done}; "
                "it must count each of them: return state._replace(step=state.step + 1, ...)"
            )

    def _folder(self) -> contextlib.AbstractContextManager[Any]:
        """Locks the checkpoint's folder while training runs."""
        if self.checkpoint is None:
            return contextlib.nullcontext()
        return lock_folder(self.checkpoint)

    def _record(self, run: Run, carry: Any, metrics: dict[str, Array], diverged: Array) -> None:
        num_rows = len(self.rows)
        newly = np.asarray(jax.device_get(diverged))
        diverged = np.where(run.diverged > 0, run.diverged, newly)
        columns = dict(run.metrics)
        for name, means in jax.device_get(metrics).items():
            column = np.where(diverged > 0, np.nan, means)
            earlier = columns.get(name, np.zeros((0, num_rows)))
            columns[name] = np.concatenate([earlier, column[None]])
        run.policy, run.diverged, run.metrics = self._policy(run, carry), diverged, columns
        run.steps = np.append(run.steps, self._steps(carry))
        if run.diverged.all():
            raise Diverged(
                "parameters became NaN or infinite everywhere: "
                f"{name_rows(run.policy, range(num_rows), run.diverged)}. {ADVICE}; with "
                "checkpoint=... the last good one is kept"
            )

    def _evaluated(self, run: Run, evaluate: Evaluate) -> np.ndarray:
        """The evaluations so far and those of the policies as they are now."""
        returns = np.asarray(evaluate(run.policy))
        seeds, had = len(self.rows), run.evaluations.shape[2:] if len(run.evaluations) else None
        if returns.ndim != 2 or len(returns) != seeds:
            raise ValueError(
                f"evaluate returned the shape {returns.shape}, not (seeds, episodes) = ({seeds}, "
                "as many each time)"
            )
        if had is not None and returns.shape[1:] != had:
            raise ValueError(
                f"evaluate returned {returns.shape[1]} episodes, and earlier {had[0]}: play as "
                "many each time, or give another checkpoint folder"
            )
        earlier = run.evaluations if had is not None else returns[None][:0]
        return np.concatenate([earlier, returns[None]])

    def _policy(self, run: Run, carry: Any) -> Policy:
        """The policies as they are now."""
        state = self.rows.policy_state(self.states_of(carry))
        if self.reuses_arrays:
            state = jax.tree.map(jnp.copy, state)
        return replace(run.policy, state=state)

    def _steps(self, carry: Any) -> int:
        """How many steps have been taken."""
        return int(jax.device_get(self.states_of(carry)[0].step))

    def _save(self, run: Run, carry: Any, reported: int, folder: str | Path) -> None:
        records = {
            "steps": run.steps,
            "evaluations": run.evaluations,
            "diverged": run.diverged,
            "seconds": np.array(run.seconds),
            "reported": np.array(reported),
        }
        records |= {f"metrics.{name}": column for name, column in run.metrics.items()}
        save_checkpoint(folder, self.description, carry, records)

    def _resume(self, run: Run, carry: Any, folder: str | Path) -> tuple[Any, int]:
        """The carry of the checkpoint, and how many of its records were evaluated and shown."""
        saved = load_checkpoint(folder, self.description, carry)
        if saved is None:
            return carry, 0
        carry, records = saved
        self._check_records(run, records, folder)
        run.steps, run.evaluations = records["steps"], records["evaluations"]
        run.diverged, run.seconds = records["diverged"], float(records["seconds"])
        named = ((name.partition("metrics."), column) for name, column in records.items())
        run.metrics = {name: column for (_, found, name), column in named if found}
        run.policy = self._policy(run, carry)
        done, reported = self._steps(carry), int(records["reported"])
        if done > run.num_steps:
            raise ValueError(
                f"{folder} holds {done} steps, more than num_steps={run.num_steps}: give another "
                "folder, or more steps"
            )
        if done < run.num_steps:
            self._check_evaluations(run, reported, folder)
        return carry, reported

    def _check_records(self, run: Run, records: dict[str, np.ndarray], folder: str | Path) -> None:
        """A ValueError where records are not such as `_save` writes."""
        count, rows = len(np.atleast_1d(records.get("steps", ()))), len(self.rows)
        wanted = {"steps": (count,), "diverged": (rows,), "seconds": (), "reported": ()}
        wanted |= {f"metrics.{name}": (count, rows) for name in run.metrics}
        shapes = {name: column.shape for name, column in records.items()}
        evaluated = shapes.pop("evaluations", ())
        numbers = all(column.dtype.kind in "iuf" for column in records.values())
        if shapes != wanted or len(evaluated) != 3 or evaluated[1] != rows or not numbers:
            raise ValueError(
                f"{folder} has a checkpoint whose records are damaged: give another folder, or "
                "delete the file to start again"
            )

    def _check_evaluations(self, run: Run, reported: int, folder: str | Path) -> None:
        """A ValueError where `evaluate` does not go on with the evaluations of the checkpoint."""
        had, wanted = len(run.evaluations), reported if self.evaluate else 0
        if had < wanted or (had and self.evaluate is None):
            raise ValueError(
                f"{folder} was trained {'with' if had else 'without'} evaluate=: "
                "do the same, or give another folder"
            )
        if had and self.evaluate is not None:
            self._evaluated(run, self.evaluate)  # once more, to see how many episodes it plays


ADVICE = "A lower learning rate, smaller rewards or normalize=True may help"
GOES_ON = "and so has the checkpoint: the same call goes on from there"
