"""Training from a fixed dataset: draw a minibatch, update; many seeds and settings at once.

Python is entered only every `every` steps: for the progress bar, the evaluation, the live plot
and the checkpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from offline_tutor.algorithms.algorithm import Algorithm, UpdatesInRounds
from offline_tutor.algorithms.hyperparameters import Hyperparameters
from offline_tutor.checkpoints import as_path
from offline_tutor.data import Dataset, Normalization, normalization
from offline_tutor.data.sampling import DrawRows, uniform
from offline_tutor.policies import Policy
from offline_tutor.training.checks import (
    check_calls,
    check_configs,
    check_draws,
    check_seeds,
    check_sizes,
    check_switch,
)
from offline_tutor.training.fingerprints import fingerprint_code, fingerprint_data
from offline_tutor.training.interface import (
    check_act,
    check_algorithm,
    check_rows,
    check_update,
)
from offline_tutor.training.loop import Evaluate, Loop
from offline_tutor.training.rows import Rows, choose_seeds, finite_seeds, seed_axes
from offline_tutor.training.run import Run, new_run
from offline_tutor.types import Array, Transitions


def train(
    algorithm: Algorithm,
    dataset: Dataset,
    *,
    config: Hyperparameters | Sequence[Hyperparameters] | None = None,
    num_steps: int = 6000,
    batch_size: int = 256,
    seeds: int | Sequence[int] = 5,
    every: int = 1000,
    normalize: bool = False,
    evaluate: Evaluate | None = None,
    callbacks: Sequence[Callable[[Run], None]] = (),
    progress: bool = True,
    checkpoint: str | Path | None = None,
    draw_rows: DrawRows = uniform,
) -> Run:
    """Trains `algorithm`, such as `offline_tutor.algorithms.TD3_BC`, on a fixed dataset.

    `config` is one configuration or several, which may differ in numbers, not in sizes; `seeds` is
    how many, counted from 0, or the seeds themselves. Every seed of every configuration trains at
    once, in one program, and a seed's minibatches do not depend on what else runs.

    Every `every` steps: metrics are recorded, `evaluate(policy)`, which returns (rows, episodes),
    is called, then each callback, then the checkpoint is written, even where one of them raises:
    the same call then evaluates and goes on. A callback that has a method `begin(run, names)` is
    told before training what the run will record. `normalize` scales observations to mean 0 and
    deviation 1 (TD3+BC, equation 4) and the policy remembers it. `draw_rows` says which rows make a
    minibatch (`offline_tutor.data.sampling`). With `checkpoint`, a folder, an interrupted run goes
    on where it stopped. However a run is cut or resumed, it comes to the same bits.

    Ctrl-C, or an interrupted kernel, ends training after the steps under way: the Run that comes
    back holds what was trained until then, and a warning says so (`Run.finished`). A second one
    raises KeyboardInterrupt, as does one before the first record.

    A policy whose parameters stop being finite stays as it was before, is marked in `Run.diverged`
    and named in a warning at the end.

    Raises `Diverged` where that happens to all, TypeError or ValueError for what cannot be
    trained, and ValueError where the checkpoint in the folder belongs to another run or is being
    written by one.
    """
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"dataset is {type(dataset).__name__}; load_dataset and from_arrays, both in "
            "offline_tutor.data, make a Dataset of it"
        )
    algorithm, calls = check_algorithm(algorithm), check_calls(evaluate, callbacks)
    rows = Rows(check_configs(algorithm, config), check_seeds(seeds))
    num_steps, batch_size, every = check_sizes(
        num_steps=num_steps, batch_size=batch_size, every=every
    )
    check_draws(draw_rows, len(dataset), batch_size)
    check_switch(normalize=normalize)
    folder = None if checkpoint is None else as_path(checkpoint, "checkpoint")
    scaling = normalization(dataset, observations=normalize)
    states, keys = rows.start(algorithm, dataset.spec)
    configs, transitions, units = rows.everywhere((rows.configs, dataset.transitions, scaling))

    def arguments(config: Any, state: Any, count: int) -> tuple[Any, ...]:
        number = rows.everywhere(np.int32(count))
        return state, keys, config, transitions, units, number, algorithm, batch_size, draw_rows

    def advance(config: Any, state: Any, count: int) -> tuple[Any, dict[str, Array]]:
        return _take_steps(*arguments(config, state, count))

    # Tried on shapes first; what is traced here is not traced again.
    _, metrics = _take_steps.trace(*arguments(configs[0], states[0], num_steps)).out_info
    dtype = dataset.transitions.observations.dtype
    check_act(algorithm, states[0], configs[0], dataset.spec, scaling.observe, dtype)
    policy = Policy(
        rows.policy_state(states), scaling, algorithm, rows.configs, dataset.spec, rows.seeds
    )
    run = new_run(policy, num_steps, metrics)
    description = (
        {}
        if folder is None
        else {
            "algorithm": {"name": algorithm.name, "code": fingerprint_code(algorithm)},
            "configs": [asdict(config) for config in rows.configs],
            "dataset": fingerprint_data(dataset),
            "spec": asdict(dataset.spec),
            "draw_rows": fingerprint_code(draw_rows),
            "seeds": list(rows.seeds),
            "batch_size": batch_size,
            "every": every,
            "normalize": normalize,
            "devices": rows.mesh.size,
        }
    )
    loop = Loop(rows, every, evaluate, calls, progress, folder, description)
    loop(run, states, partial(_advance_all, advance, rows, configs))
    return run


# One program serves every configuration, in turn: each comes to the same bits as if it were trained
# alone, and on a CPU, whose caches one configuration fills, ten side by side take a third longer.
def _advance_all(
    advance: Callable[[Any, Any, int], tuple[Any, dict[str, Array]]],
    rows: Rows,
    configs: Sequence[Any],
    states: Sequence[Any],
    count: int,
    diverged: np.ndarray,
) -> tuple[tuple[Any, ...], dict[str, Array], np.ndarray]:
    """Takes steps of every configuration but of rows that have diverged; see `Advance`."""
    frozen = rows.with_copies(diverged > 0)
    taken = [
        _advance_finite(partial(advance, config), rows, state, count, gone)
        for state, config, gone in zip(states, configs, frozen, strict=True)
    ]
    states, metrics, steps = zip(*taken, strict=True)
    return states, rows.real(metrics), np.concatenate([one[: len(rows.seeds)] for one in steps])


def _advance_finite(
    advance: Callable[[Any, int], tuple[Any, dict[str, Array]]],
    rows: Rows,
    before: Any,
    count: int,
    frozen: np.ndarray,
) -> tuple[Any, dict[str, Array], np.ndarray]:
    """Takes steps; seeds that become NaN or infinite keep their last finite state, for good.

    Also gives for each seed the step that made it so, or 0.
    """
    after, metrics = advance(before, count)
    if frozen.any():
        after = choose_seeds(rows.spread(frozen), before, after)
    lost = ~finite_seeds(after)
    if not lost.any():
        return after, metrics, np.zeros(rows.num_seeds, int)
    held, steps = _last_finite(advance, rows, before, count, lost)
    return choose_seeds(rows.spread(lost), held, after), metrics, steps


def _last_finite(
    advance: Callable[[Any, int], tuple[Any, dict[str, Array]]],
    rows: Rows,
    state: Any,
    count: int,
    lost: np.ndarray,
) -> tuple[Any, np.ndarray]:
    """The last finite state of the seeds in `lost` within `count` steps, and the step after it.

    Takes the steps once more, to the same bits, and finds the one that matters by halving.
    """
    held, first, done = state, int(jax.device_get(state.step)), 0
    steps, undecided = np.zeros(rows.num_seeds, int), lost.copy()
    while undecided.any():  # all of them are finite after `done` steps, and one is not at the end
        end = count
        while end - done > 1:
            tried, _ = advance(state, (end - done) // 2)
            if finite_seeds(tried)[undecided].all():
                state, done = tried, done + (end - done) // 2
            else:
                end = done + (end - done) // 2
        following, _ = advance(state, 1)
        ended = undecided & ~finite_seeds(following)
        held = choose_seeds(rows.spread(ended), state, held)
        steps[ended] = first + done + 1
        undecided &= ~ended
        state, done = following, done + 1
    return held, steps


@partial(jax.jit, static_argnames=("algorithm", "batch_size", "draw_rows"))
def _take_steps(
    states: Any,
    keys: Array,
    config: Any,
    transitions: Transitions,
    scaling: Normalization,
    num_steps: Array,
    algorithm: Any,
    batch_size: int,
    draw_rows: DrawRows,
) -> tuple[Any, dict[str, Array]]:
    """`num_steps` steps of every seed, and each metric's mean over them, (seeds,)."""
    length = algorithm.round_length(config) if isinstance(algorithm, UpdatesInRounds) else 1
    end = states.step + num_steps

    def draw(key: Array, step: Array) -> tuple[Transitions, Array]:
        rows_key, update_key = jax.random.split(jax.random.fold_in(key, step))
        indices = draw_rows(rows_key, len(transitions.rewards), batch_size)
        indices = check_rows(indices, batch_size)
        batch = jax.tree.map(lambda column: column[indices], transitions)
        return scaling.prepare(batch), update_key

    def one_seed(state: Any, key: Array, first: Array, last: Array) -> tuple[Any, Any]:
        """Steps `first` to `last` of a round."""
        shape: tuple[int, ...] = ()
        if length == 1:
            result = algorithm.update(state, *draw(key, state.step), config)
        else:
            steps, shape = state.step - first + jnp.arange(length), (length,)
            batches, update_keys = jax.vmap(partial(draw, key))(steps)
            result = algorithm.update_round(state, batches, update_keys, config, first, last)
        return check_update(algorithm.name, state, result, shape)

    every_seed, alone = one_seed, len(keys) == 1
    if alone:  # without vmap, which costs one seed a tenth of its speed
        keys, states = keys[0], jax.tree.map(itemgetter(0), states._replace(step=states.step[None]))
    else:
        axes = seed_axes(states)
        every_seed = jax.vmap(one_seed, in_axes=(axes, 0, None, None), out_axes=(axes, 0))

    def body(carry: Any) -> Any:
        states, done, sums, counts = carry
        first = done % length
        last = jnp.minimum(length, first + end - done)
        states, metrics = every_seed(states, keys, first, last)
        counts = jax.tree.map(lambda count, new: count + ~jnp.isnan(new), counts, metrics)
        sums = jax.tree.map(
            lambda total, new: total + jnp.where(jnp.isnan(new), 0, new), sums, metrics
        )
        return states, done + last - first, sums, counts

    shapes = jax.eval_shape(every_seed, states, keys, end, end)[1]
    sums = jax.tree.map(lambda metric: jnp.zeros(metric.shape), shapes)
    counts = jax.tree.map(lambda metric: jnp.zeros(metric.shape, int), shapes)
    # A loop whose length is an argument, not a scan: one program serves pieces of any length. It
    # counts for itself, so that it ends even where an update forgets to.
    states, _, sums, counts = jax.lax.while_loop(
        lambda carry: carry[1] < end, body, (states, states.step, sums, counts)
    )
    if alone:
        step = states.step
        states, sums, counts = jax.tree.map(lambda leaf: leaf[None], (states, sums, counts))
        states = states._replace(step=step)
    if length > 1:  # over the steps of a round too
        sums, counts = jax.tree.map(partial(jnp.sum, axis=-1), (sums, counts))
    return states, jax.tree.map(jnp.divide, sums, counts)
