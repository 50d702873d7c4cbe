"""`python -m offline_tutor.cli` does what the command `offline-tutor` does."""

import sys

from offline_tutor.cli import main

sys.exit(main())
