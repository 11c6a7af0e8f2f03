# Breakwater: every job of the house. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.lock
CODE := actors cluster node tests

INSTALLED := $(VENV)/.installed
GENERATED := gen/.generated
EDITABLE := $(VENV)/.editable
COMPILED := $(VENV)/.compiled
# The folders are listed too: their time changes when a file is added or removed.
PROTO_TREE := $(shell find protos/breakwater)
PROTO_FILES := $(sort $(filter %.proto,$(PROTO_TREE)))

# Tests that start processes and wait for them, long computations for whoever has time left, and the others: side by side.
WAITING := tests/bots tests/cli tests/docs tests/faults
DRAWN := tests/golden tests/properties tests/simulation

COMPILE := $(BIN)/pip-compile --quiet --no-header --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-emit-options

REPLAY := --venue $(or $(VENUE),all) \
	$(if $(PRICES),--prices "$(PRICES)") \
	$(if $(TRADERS),--traders $(TRADERS)) \
	$(if $(SEED),--seed $(SEED)) \
	$(if $(SHARDS),--shards $(SHARDS)) \
	$(if $(TRANSPORT),--transport $(TRANSPORT))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup protos lint format test test-fast run bench bench-peers profile scaling simulate mutants faults hunt soak lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(EDITABLE) $(GENERATED) ## create .venv from the hash-locked requirements, generate the protobuf code, install editable

protos: $(GENERATED) ## generate the protobuf code into gen/

lint: setup ## ruff, mypy, import floors, buf
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint

format: setup ## rewrite the code in the house style and apply the safe fixes
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

test: setup ## lint, then every test but the soak, in three parts side by side
	@$(MAKE) --no-print-directory -j2 lint $(COMPILED)
	@waited=$$(mktemp); drawn=$$(mktemp); \
	$(BIN)/python -m pytest -p no:cacheprovider $(WAITING) >"$$waited" 2>&1 & waiting=$$!; \
	nice $(BIN)/python -m pytest -p no:cacheprovider $(DRAWN) >"$$drawn" 2>&1 & drawing=$$!; \
	$(BIN)/python -m pytest -p no:cacheprovider tests $(addprefix --ignore=,$(WAITING) $(DRAWN)); failed=$$?; \
	wait $$drawing || failed=1; wait $$waiting || failed=1; \
	cat "$$drawn" "$$waited"; rm -f "$$drawn" "$$waited"; \
	exit $$failed

test-fast: setup $(COMPILED) ## the tests that need neither Ray nor patience
	$(BIN)/python -m pytest -m "not soak and not ray and not slow"

run: setup $(COMPILED) ## one crash through all four rulebooks on one node, into runs/<time>/ (VENUE, PRICES, TRADERS, SEED, SHARDS, TRANSPORT)
	$(BIN)/breakwater replay $(strip $(REPLAY))

bench: setup $(COMPILED) ## measure against the figures to reach (QUICK, ONLY)
	$(BIN)/breakwater bench $(if $(QUICK),--quick) $(addprefix --only ,$(ONLY))

profile: setup $(COMPILED) ## flame graphs of every process under the column stream, into runs/profile-<time>/ (TRANSPORT)
	$(BIN)/breakwater bench --profile $(if $(TRANSPORT),--transport $(TRANSPORT))

scaling: setup $(COMPILED) ## sweep shards, accounts, markets, venues, positions; fit the model; print docs/scaling.md anew
	$(BIN)/python -m node.bench.scaling
	$(BIN)/python -m tests.docs.printing

bench-peers: setup ## install the engines we compare with, each into an environment of its own below .venv-peers/
	$(BIN)/python -m node.bench.peers.environments

simulate: setup $(COMPILED) ## whole nodes in one thread under injected faults, seed by seed (SEEDS, SEED, HOURS, OUT)
	$(BIN)/breakwater simulate --seeds $(or $(SEEDS),600) $(if $(SEED),--seed $(SEED)) $(if $(HOURS),--hours $(HOURS)) \
		--out $(or $(OUT),runs/simulate)

mutants: setup $(COMPILED) ## plant every fault of the list, one at a time: the simulator must find each (ONLY, SEEDS)
	$(BIN)/python -m tests.mutants --seeds $(or $(SEEDS),100) $(if $(ONLY),--only "$(ONLY)")

faults: setup $(COMPILED) ## kill, stop, fill, cut and damage real processes under load (ONLY, OUT)
	$(BIN)/python -m tests.faults $(if $(ONLY),--only $(ONLY)) $(if $(OUT),--out $(OUT))

hunt: setup $(COMPILED) ## the tests on a machine that stands still now and then (ONLY, SEED)
	$(BIN)/python -m tests.pauses $(if $(SEED),--seed $(SEED)) $(or $(ONLY),tests)

soak: setup $(COMPILED) ## kill and recover for a long time
	$(BIN)/python -m pytest -m soak

lock: $(INSTALLED) ## write requirements/*.lock again from pyproject.toml
	$(COMPILE) --extra node --extra dev --output-file requirements/dev.lock pyproject.toml
	$(COMPILE) --extra node --constraint requirements/dev.lock --output-file requirements/node.lock pyproject.toml
	$(COMPILE) --constraint requirements/dev.lock --output-file requirements/client.lock pyproject.toml

clean: ## remove everything that set-up and tools left (runs/ stays)
	rm -rf $(VENV) .venv-peers gen dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems ship Python without ensurepip: there the outer pip (22.3 or later) installs into the new environment.
$(INSTALLED): $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Breakwater needs Python 3.11 or later: make setup PYTHON=python3.11"; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV) 2>/dev/null || $(PYTHON) -m venv --clear --without-pip $(VENV)
	if [ -x $(BIN)/pip ]; then pip="$(BIN)/python -m pip"; else pip="$(PYTHON) -m pip --python $(BIN)/python"; fi; \
		$$pip install --quiet --require-hashes --requirement $(LOCK)
	touch $@

# protoc writes beside gen/ and the result is moved, so that a failing run leaves the old code in place.
$(GENERATED): $(INSTALLED) $(PROTO_TREE)
	rm -rf gen.new
	mkdir -p gen.new
	$(BIN)/python -m grpc_tools.protoc -Iprotos --python_out=gen.new --pyi_out=gen.new --grpc_python_out=gen.new $(PROTO_FILES)
	touch gen.new/breakwater/__init__.py gen.new/breakwater/v1/__init__.py gen.new/breakwater/py.typed
	touch gen.new/.generated
	rm -rf gen
	mv gen.new gen

# Numba's cache does not know which kernels a kernel calls, so every change of an actor compiles afresh. Without it the
# first order of a new node would wait for the compiler.
$(COMPILED): $(EDITABLE) $(GENERATED) $(shell find actors -name '*.py')
	$(BIN)/breakwater warm
	touch $@

# The build backend is in the lock: no build isolation, hence nothing is fetched without a hash.
$(EDITABLE): pyproject.toml $(INSTALLED) | $(GENERATED)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
