# Two commands for a fresh machine with Python 3.11 or newer: `make demo` and `make test`; `make site` builds the pages.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check site clean

demo: .venv/installed
	$(BIN)/myocard demo --out demo

# One thread for each of the two workers, which would wait for each other's.
test: .venv/installed-dev check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/installed-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

site: .venv/installed-dev
	$(BIN)/mkdocs build --quiet

# Uncompiled: Python compiles what is imported, a small part of what is installed.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --editable . --constraint constraints.txt
	touch $@

# pip 23 knows no dependency groups, so the development tools come from a file.
.venv/installed-dev: .venv/installed requirements-dev.txt
	$(BIN)/pip install --quiet --requirement requirements-dev.txt --constraint constraints.txt
	touch $@

clean:
	rm -rf .venv demo site
