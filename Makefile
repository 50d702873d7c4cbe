# make book   builds the book           make serve  shows it on http://127.0.0.1:8000
# make test   runs every test           make bench  measures the training engine
# make quick  tests the package alone, in at most three minutes: no book, no browser, no set-up but
#             python -m pip install -e . pytest
# make sync   writes the chapters' `# builds:` cells from the package, and into every notebook where
#             pyproject.toml says that the book is at home
# make lock   pins the newest versions  make clean  forgets everything that was built
# make slides makes the slides anew, which `make book` does too
# make exercises writes the student's and the instructor's notebooks, and their pages
# make pdf    prints the book, with Chromium (Debian: apt-get install chromium fonts-dejavu)
# make workflows runs what GitHub would run for a proposal, as far as it goes on this machine
# make colab  runs chapters and exercises with the versions that Google Colab has
# Another Python: make PYTHON=python3.12 book

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
PORT ?= 8000

# What Colab says it has installed, and its Python. The list may also be a file.
COLAB_CONSTRAINTS ?= https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.txt
COLAB_PYTHON ?= python3.13
COLAB_HOME ?= site

# One line instead of the shell's, wherever PYTHON is about to be used.
FIND_PYTHON = command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON) here. \
	Name Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }

.PHONY: book test quick serve slides pdf bench sync exercises colab workflows lock clean
.DELETE_ON_ERROR:

# Chapters and tests compile the same programs: four fifths of their time, unless JAX remembers.
# A limit to its size makes JAX lock the folder, which two processes at a time need.
book test quick: export JAX_COMPILATION_CACHE_DIR := $(CURDIR)/_build/jax
book test quick: export JAX_COMPILATION_CACHE_MAX_SIZE := 1000000000
book test quick: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS := 0.2
# Nor do pictures depend on the style, or on the list of fonts, that another project left at home.
book test quick: export MPLCONFIGDIR := $(CURDIR)/_build/matplotlib

BUILD := $(BIN)/jupyter-book build . --all -W -n --keep-going

book: $(INSTALLED)
	$(BIN)/python -m tools.execute
	$(BUILD)
	$(BIN)/python -m tools.slides
	@echo "The book is built. Open $(CURDIR)/_build/html/index.html"

test: $(INSTALLED)
	@status=0; \
	$(BIN)/python -m tools.execute || status=1; \
	$(BUILD) --quiet || status=1; \
	$(BIN)/python -m tools.slides || status=1; \
	$(BIN)/python -m pytest -n 2 --dist worksteal || status=1; \
	exit $$status

# Uses .venv if `make` has set it up, else the Python that has the package and pytest. Most of the
# time is compilation, which takes half as long when XLA optimises little; `make test` tests the rest.
quick: export JAX_DISABLE_MOST_OPTIMIZATIONS := 1
quick: PYTEST := $(if $(wildcard $(INSTALLED)),$(BIN)/python,$(PYTHON)) -m pytest -q -m "not slow"
quick: # in two processes, for two cores: pytest alone runs in one
	@test -e $(INSTALLED) || $(FIND_PYTHON)
	@$(PYTEST) tests/unit/test_[a-h]*.py & first=$$!; \
	$(PYTEST) tests/unit/test_[i-z]*.py; status=$$?; \
	wait $$first && exit $$status

serve: _build/html/index.html
	@echo "http://127.0.0.1:$(PORT) shows the book; Ctrl-C ends it."
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

_build/html/index.html:
	$(MAKE) book

slides: _build/html/index.html
	$(BIN)/python -m tools.slides

pdf: book
	$(BIN)/python -m tools.pdf

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

sync: $(INSTALLED)
	$(BIN)/python -m tools.sync_cells
	$(BIN)/python -m tools.elsewhere
	$(BIN)/python -m tools.reading_time

exercises: $(INSTALLED)
	$(BIN)/python -m tools.exercises

colab: $(INSTALLED)
	$(BIN)/python -m tools.colab --constraints "$(COLAB_CONSTRAINTS)" --python "$(COLAB_PYTHON)" \
		--home "$(COLAB_HOME)" $(CHAPTERS)

workflows: $(INSTALLED)
	$(BIN)/python -m tools.rehearsal $(WORKFLOWS)

LOCK := uv pip compile --universal --python-version 3.11 --all-extras pyproject.toml -o requirements.txt

lock: | $(BIN)/python
	$(BIN)/python -m pip install --quiet uv
	PATH="$(BIN):$$PATH" $(LOCK) --upgrade --no-header --quiet
	@{ echo "# $(LOCK)"; cat requirements.txt; } > requirements.new && mv requirements.new requirements.txt

clean:
	rm -rf _build

# JupyterLab's root is the checkout, whichever notebook it is told to open: chapters link to pages.
$(INSTALLED): requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .
	@mkdir -p .venv/etc/jupyter
	@echo '{"ServerApp": {"root_dir": "$(CURDIR)"}}' > .venv/etc/jupyter/jupyter_server_config.json
	@touch $@

$(BIN)/python:
	@$(FIND_PYTHON)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit( \
	"The book needs Python 3.11, 3.12 or 3.13; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12 book" % v)'
	$(PYTHON) -m venv .venv
