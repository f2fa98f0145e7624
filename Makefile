# Shortcuts for those who have `make`. Everything goes through start.py, which needs only Python.
PYTHON ?= python3
START = $(PYTHON) start.py

.PHONY: run test slow lint notebooks bench lock clean

run:            ## set up and run the main job
	$(START) run trial=theophylline_bioequivalence

test:           ## the tests
	$(START) test

slow:           ## the tests that take minutes
	$(START) test -m slow

lint:           ## style, types and directions of import
	$(START) lint

notebooks:      ## execute the notebooks
	$(START) test -m notebook

bench:          ## the benchmarks; writes benchmarks/results
	$(START) python benchmarks/run_all.py

# The lock files name versions and hashes, never a host: the installer's own settings say where packages come from.
LOCK = uv pip compile --universal --python-version 3.12 --generate-hashes --no-header --no-annotate --quiet $(LOCK_FLAGS)
lock:           ## renew the lock files (needs uv); `make lock LOCK_FLAGS=--upgrade` moves to the newest versions
	$(LOCK) --group build -o requirements-build.lock
	$(LOCK) pyproject.toml -c requirements-build.lock -o requirements.lock
	$(LOCK) pyproject.toml --group dev -c requirements-build.lock -c requirements.lock -o requirements-dev.lock

clean:          ## forget the environment and what tools left behind; runs/ is kept
	rm -rf .venv dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
