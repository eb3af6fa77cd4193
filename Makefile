# One word per task; people and CI run the same words.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help check test test-lab smoke demo demo-naive demo-naive-core figures bench-drain bench-ssh bench-scale simulate simulate-fleet docs clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml requirements.lock tools/machine.sh
	tools/machine.sh
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev,lab]'
	touch $(READY)

check: $(READY) ## format, lint, types, imports, fast tests (minutes)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n auto --dist worksteal -m 'not lab'

test: check ## everything that a change must pass, real upgrades included (root; under 45 min)
	$(BIN)/pytest -q -p no:randomly -m 'lab and not matrix' tests/lab

test-lab: $(READY) ## the whole matrix in the lab, of hours; STORY=core for one part of it (root)
	$(BIN)/python -m skylift.gate.matrix $(STORY)

smoke: $(READY) ## tempest's smoke tests on the lab that is up, of any profile (root)
	$(BIN)/python -m skylift.gate.smoke $(SMOKE)

demo: $(READY) ## build a cloud at 2023.1, upgrade it live to 2024.1, print the report (root)
	$(BIN)/python -m skylift.gate.demo $(DEMO)

demo-naive: $(READY) ## the same probes over a plain stop-all, sync, start: the outage it causes (root)
	$(BIN)/python -m skylift.gate.demo --naive $(DEMO)

demo-naive-core: $(READY) ## the same over a plain rolling restart of a whole core, 2024.1 to 2025.1 (root)
	$(BIN)/python -m skylift.gate.demo --naive --profile core $(DEMO)

figures: ## measure both again and write their tables into the README (root)
	$(MAKE) demo DEMO=--readme
	$(MAKE) demo-naive DEMO=--readme

bench-drain: $(READY) ## plan whole fleets of 100 to 10,000 hosts, beside three other ways, and write the page
	$(BIN)/python -m skylift.drainbench.run --page docs/reference/bench-drain.md

bench-ssh: $(READY) ## reach 100 hosts and hold 1,000 connections, beside ansible-core, and write the page (root; minutes)
	$(BIN)/python -m skylift.sshbench.run --page docs/reference/bench-ssh.md $(BENCH)

bench-scale: $(READY) ## what shared runs, the journal and a resume cost, and write the page (root, PostgreSQL; minutes)
	$(BIN)/python -m skylift.scalebench.run --page docs/reference/scale.md $(BENCH)

SEEDS ?= 10000
FIRST ?= 0
JOBS ?= $(shell nproc)
OF_SEEDS = --seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS) $(if $(KEEP),--keep docs/reference/simulation-results.json)

simulate: $(READY) ## whole runs of the engine with faults: SEEDS=, FIRST=, JOBS=; SEED=N sees one again; KEEP=yes writes the page
	$(BIN)/python -m skylift.testing.simulation.run $(if $(SEED),--seed $(SEED),$(OF_SEEDS))

simulate-fleet: $(READY) ## whole runs over 1,000 hosts in simulated time, with faults from 200 seeds
	$(BIN)/python -m skylift.testing.twin.run $(SIMULATE)

docs: $(READY) ## regenerate the reference from the code it describes
	$(BIN)/python -m tools.reference

clean: ## remove what was built here (not the caches)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
