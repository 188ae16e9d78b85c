# Everything a developer does here. Each target sets up .venv by itself the first time it is needed.
#
#   ARGS      more arguments for the command behind the target:  make test ARGS='-k rekey'
#   WORKERS   how many processes the tests run in: one more than cores, for many of them wait
#   PYTHON    the interpreter that .venv is made with (3.11 or newer)

VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/ready
WORKERS ?= 3
PYTHON  ?=
ARGS    ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint fmt bench fuzz soak ha-kills chaos coverage pictures clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Make .venv and install everything into it

demo: $(READY) ## Show a fleet authenticating and keying itself over real UDP; ARGS=--ha: an HA pair that loses a node
	@$(BIN)/peerkey demo $(ARGS)

test: $(READY) ## Run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: lint ## Format, style, types, layers, then the tests: what must hold before a change is offered
	@$(MAKE) --no-print-directory test

lint: $(READY) ## Format, style, types and layers, without the tests
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports --no-logo

fmt: $(READY) ## Format the code and mend what can be mended mechanically
	@$(BIN)/python -m ruff check --fix-only --quiet .
	@$(BIN)/python -m ruff format .

bench: $(VENV)/bench ## Measure keys a second, the actor runtime, and the longest pauses of the event loop
	@$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(VENV)/fuzz ## Look for new failures of protocol, HA pair, runtime and reader of lists, for as long as it takes
	@$(BIN)/python -m tests.fuzz.lists
	@$(BIN)/python -m pytest tests/protocol/test_properties.py tests/runtime/test_model.py tests/ha/test_turmoil.py tests/pki/test_crl_pass.py --hypothesis-profile=long --timeout=0 $(ARGS)

soak: $(READY) ## Simulate fleets of random seeds until something is found or Ctrl-C; ARGS names seeds
	@$(BIN)/python -m tests.sim.seeds $(ARGS)

ha-kills: $(READY) ## Kill the nodes of an HA router a hundred times while it rekeys, and print what became of the keys (as root)
	@PEERKEY_HA_KILLS=100 $(BIN)/python -m pytest tests/net/test_ha_kills.py --timeout=0 -s $(ARGS)

chaos: $(READY) ## Break a fleet on a cluster of Ray's 2000 times (PEERKEY_CHAOS_KILLS) and print how it heals; ARGS: a seed
	@$(BIN)/python -m tests.chaos.kills $(ARGS)

coverage: $(READY) ## Run the tests and show, file by file, which lines no test reached
	@$(BIN)/python -m coverage erase
	@$(BIN)/python -m coverage run -m pytest $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

pictures: $(READY) ## Make the pictures of the documentation anew, with Chromium
	@$(BIN)/python -m tests.page.pictures

clean: ## Remove .venv and everything that was made
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the runtime is measured beside. Without it the rows say so, and everything else is measured.
$(VENV)/bench: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' || \
		echo "peerkey: pip could not install pykka and xoscar; their rows will say so"
	@touch $@

# Without it `make fuzz` says so, and hypothesis goes on alone.
$(VENV)/fuzz: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]' || true
	@touch $@

$(READY): pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV)
	@touch $(READY)
