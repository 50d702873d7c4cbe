"""Switches the checks of shapes on, before anything imports the package.

Without beartype, which is not among the package's own requirements, the tests run unchecked.
"""

import importlib.util
import sys

from jaxtyping import install_import_hook

if importlib.util.find_spec("beartype") is not None:
    assert "offline_tutor" not in sys.modules, "imported before its shapes could be checked"
    install_import_hook("offline_tutor", "shape_checks.check")
