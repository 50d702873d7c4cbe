"""Seeds spread over several devices: the same results, every device busy, nothing sent between."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_training import DATASET, OPTIONS, TD3_BC, training

SEEDS, NUM_STEPS = 5, 60
CODE = f"""
import sys
import jax
import numpy as np
from offline_tutor.training import offline
from tests.unit.test_training import DATASET, OPTIONS, TD3_BC, training

take_steps, shares = offline._take_steps, []

def watched(*arguments):
    after = take_steps(*arguments)
    kernel = after[0].actor["layer0"]["kernel"]
    shares.append([(shard.device.id, len(shard.data)) for shard in kernel.addressable_shards])
    return after

def forbid(run):
    jax.config.update("jax_transfer_guard", "disallow")

watched.trace = take_steps.trace
offline._take_steps = watched
run = training.train(
    TD3_BC, DATASET, **OPTIONS, seeds={SEEDS}, num_steps={NUM_STEPS}, callbacks=[forbid]
)
jax.config.update("jax_transfer_guard", "allow")
np.savez(
    sys.argv[1], shares=shares, kernel=run.policy.state.actor["layer0"]["kernel"], **run.metrics
)
"""


@pytest.mark.parametrize("count", [2, 4])
def test_several_devices_come_to_the_same(count: int, tmp_path: Path) -> None:
    flags = f"--xla_force_host_platform_device_count={count}"
    subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "run.npz")],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    with np.load(tmp_path / "run.npz") as file:
        found = dict(file)
    share = -(-SEEDS // count)  # rounded up: each device has as many seeds, some of them copies
    assert found.pop("shares").tolist() == [[[device, share] for device in range(count)]] * 3
    run = training.train(TD3_BC, DATASET, **OPTIONS, seeds=SEEDS, num_steps=NUM_STEPS)
    kernel = run.policy.state.actor["layer0"]["kernel"]
    np.testing.assert_allclose(found.pop("kernel"), kernel, atol=1e-5)
    assert found.keys() == run.metrics.keys()
    for name, means in run.metrics.items():
        np.testing.assert_allclose(found[name], means, rtol=1e-4, atol=1e-5)
