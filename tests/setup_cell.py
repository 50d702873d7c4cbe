# Setup. Where offline_tutor is installed this does nothing; elsewhere, as in Colab, it installs it
# and leaves the JAX that is there alone.
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys

if importlib.util.find_spec("offline_tutor") is None:
    wanted = os.environ.get("OFFLINE_TUTOR_SPEC", "offline-tutor")
    here = {found.name.lower(): found.version for found in importlib.metadata.distributions()}
    keep = [f"{name}=={here[name]}" for name in ("jax", "jaxlib", "flax", "numpy") if name in here]
    pip = [sys.executable, "-m", "pip", "install", "-q", wanted, *keep]
    if subprocess.run(pip).returncode:
        there = ", ".join([f"Python {platform.python_version()}", *keep])
        raise SystemExit(f"No {wanted} beside {there}: is the runtime too old, or offline?")
    importlib.invalidate_caches()
