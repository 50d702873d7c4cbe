# Setup. Where offline_tutor is missing, as in Colab, pip installs it beside the JAX that is there:
# what OFFLINE_TUTOR_SPEC names, else the checkout around this notebook, else from the book's home.
import os
import re
import subprocess
import sys
from importlib import invalidate_caches, metadata, util
from pathlib import Path

HOMES = []
if getattr(util.find_spec("offline_tutor"), "origin", None) is None:
    spec, above = os.environ.get("OFFLINE_TUTOR_SPEC"), [Path.cwd(), *Path.cwd().parents]
    checkout = [str(at) for at in above if (at / "offline_tutor" / "algorithms").is_dir()][:1]
    ways = [[spec]] if spec else [["-e", at] for at in checkout] or [[home] for home in HOMES]
    here = [list(metadata.distributions(name=name)) for name in ("jax", "jaxlib", "flax", "numpy")]
    keep = [f"{found[0].name}=={found[0].version}" for found in here if found]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *keep]
    fault = f"No offline_tutor beside Python {' '.join([sys.version.split()[0], *keep])}."
    os.environ["GIT_TERMINAL_PROMPT"] = "0"  # so that git waits for no password
    for way in ways:
        ran = subprocess.run([*pip, *way], stderr=subprocess.PIPE, text=True)
        print(ran.stderr, end="")
        if ran.returncode == 0:
            break
        said = re.findall(r"(?im)^ *((?:fatal|error): (?!subprocess|metadata-).+)", ran.stderr)
        fault += f"\n{way[-1]}: {said[-1] if said else ran.stderr.strip()[-200:]}"
    else:
        fault += "" if ways else "\nThe book's repository is not known to this notebook."
        raise RuntimeError(f"{fault}\nGive a wheel or an address: os.environ['OFFLINE_TUTOR_SPEC']")
    sys.path += checkout
    invalidate_caches()
