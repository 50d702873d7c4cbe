#!/bin/sh
# Makes .venv with one of three sets of packages, and notes in .venv/installed what it now has:
#   lock    what requirements.txt pins, as `make` installs it for everyone
#   lowest  of each package that pyproject.toml asks for, the oldest version that it allows
#   newest  the newest that it allows
set -e
cd "$(dirname "$0")/.."
python=.venv/bin/python

case "$1" in
lock)
    make .venv/installed
    ;;
lowest)
    make "$python"
    "$python" -m pip install --quiet uv
    # Not IPython's: nbgrader, which only tests need, asks for a newer one. `make colab` has the oldest.
    "$python" -m uv pip compile --quiet --no-deps --resolution lowest-direct pyproject.toml \
        | grep -v '^ipython==' > .venv/lowest.txt
    "$python" -m uv pip install --python "$python" -c .venv/lowest.txt -e '.[book,grade,pdf,test]'
    ;;
newest)
    make "$python"
    "$python" -m pip install --upgrade -e '.[book,grade,pdf,test]'
    ;;
*)
    echo "usage: $0 lock | lowest | newest" >&2
    exit 2
    ;;
esac

# For make, the environment is ready when this file is newer than the lock.
"$python" -m pip freeze --exclude offline-tutor | tr 'A-Z_' 'a-z-' | sort > .venv/installed
