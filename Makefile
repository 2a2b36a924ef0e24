# The commands of the project. `make help` lists them.
SHELL := /bin/bash
PY := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## / - /'

# The environment follows the lock file: versions and hashes, nothing else.
.venv/.installed: requirements-dev.lock pyproject.toml scripts/install
	scripts/install
	@touch $@

.PHONY: install
install: .venv/.installed  ## install the locked dependencies into .venv

.PHONY: format
format: install  ## format the code
	$(PY) -m ruff format . && $(PY) -m ruff check --fix .

.PHONY: check
check: install  ## format, lint, types, layers
	scripts/check

.PHONY: lock
lock: install  ## renew the lock files from pyproject.toml
	scripts/lock
