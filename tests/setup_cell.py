# Setup. Where offline_tutor is missing, as in Colab, pip installs it beside the JAX
# that is there: what OFFLINE_TUTOR_SPEC names, else the checkout around this notebook,
# else from the book's home.
import os
import re
import subprocess
import sys
from importlib import invalidate_caches, metadata, util
from pathlib import Path

HOMES = []
if getattr(util.find_spec("offline_tutor"), "origin", None) is None:
    spec = os.environ.get("OFFLINE_TUTOR_SPEC")
    above = [Path.cwd(), *Path.cwd().parents]
    checkout = [at for at in above if (at / "offline_tutor" / "algorithms").is_dir()]
    checkout = [str(at) for at in checkout[:1]]
    ways = [["-e", at] for at in checkout] or [[at] for at in HOMES]
    ways = [[spec]] if spec else ways
    names = ("jax", "jaxlib", "flax", "numpy")
    here = [next(iter(metadata.distributions(name=name)), None) for name in names]
    keep = [f"{package.name}=={package.version}" for package in here if package]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    beside = " ".join([sys.version.split()[0], *keep])
    fault = f"No offline_tutor beside Python {beside}."
    os.environ["GIT_TERMINAL_PROMPT"] = "0"  # so that git waits for no password
    for way in ways:
        ran = subprocess.run([*pip, *keep, *way], stderr=subprocess.PIPE, text=True)
        print(ran.stderr, end="")
        if ran.returncode == 0:
            break
        cause = r"(?im)^ *((?:fatal|error): (?!subprocess|metadata-).+)"
        said = re.findall(cause, ran.stderr)
        fault += f"\n{way[-1]}: {said[-1] if said else ran.stderr.strip()[-200:]}"
    else:
        if not ways:
            fault += "\nThe book's repository is not known to this notebook."
        fault += "\nGive a wheel or an address: os.environ['OFFLINE_TUTOR_SPEC']"
        raise RuntimeError(fault)
    sys.path += checkout
    invalidate_caches()
