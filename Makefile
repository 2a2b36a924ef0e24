# The commands of the project. `make` alone lists them.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 18

# The environment follows the lock file: versions and hashes, nothing else. One whose Python is gone, or was replaced by
# another version, has no pip any more and is made anew.
anew := $(if $(wildcard .venv/.installed),$(shell $(PY) -c 'import pip' 2>/dev/null || echo anew))
.PHONY: anew
.venv/.installed: requirements-dev.lock pyproject.toml scripts/install $(anew)
	@scripts/install
	@touch $@

.PHONY: install
install: .venv/.installed  ## install the locked dependencies into .venv

.PHONY: demo
demo: install  ## real calls through a real Asterisk, answered (ONCE=1: end by itself)
	@scripts/system-packages lab
	@$(PY) -m lab.demo $(if $(ONCE),--once)

.PHONY: run
run: install  ## the service alone, with the settings of .env
	@.venv/bin/asterisk-ai serve

.PHONY: lab
lab: install  ## the lab's Asterisk alone, until Ctrl-C
	@scripts/system-packages lab
	@$(PY) -m lab up

.PHONY: test
test: install  ## all checks and all tests, with the lab
	@scripts/system-packages lab browser
	@scripts/test

.PHONY: check
check: install  ## format, lint, types, layers, packaging
	@scripts/check

.PHONY: bench
bench: install  ## what a turn costs, beside a straightforward build (some minutes)
	@scripts/system-packages lab
	@$(PY) -m bench

.PHONY: format
format: install  ## format the code and mend what the linter can
	$(PY) -m ruff format . && $(PY) -m ruff check --fix .

.PHONY: lock
lock: install  ## renew the lock files from pyproject.toml
	scripts/lock

.PHONY: clean
clean:  ## remove the lab's folders (not while one is in use), the environment and caches
	@python=$(PY); $$python -c '' 2>/dev/null || python=$${PYTHON:-python3}; $$python -m lab.clean
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
