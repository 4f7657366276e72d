# The commands of this repository. Each installs what it needs; `make` alone lists them.
SHELL := /bin/sh
PY := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help setup demo demo-once panels screenshots stack topics test test-fast pythons chaos rolling chaos-prove failover mutants attack bench bench-profile bench-telemetry bench-followers bench-goals bench-year flood lively lint format types imports contracts manifests deploy-check compose-check kind-check check sizes lock clean

help: ## List the commands
	@echo "Options are given as in 'make demo DEMO_ARGS=--help', which lists them."
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 17

setup: ## Create .venv from the lock file (installs uv with pip if it is missing): PYTHON=3.13, or a path
	@scripts/bootstrap.sh

demo: setup ## Start everything, play a conversation, keep running on http://localhost:3000: [DEMO_ARGS=--help]
	@$(PY) -m demo $(DEMO_ARGS)

demo-once: setup ## The demo without staying up; exits with 0 only if every message got one reply that was read
	@$(PY) -m demo --once

panels: setup ## Check that every dashboard panel has data, with a real Prometheus and failures: [PANELS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m panels $(PANELS_ARGS)

screenshots: setup ## `make panels`, and draw the dashboards into docs/dashboards (also needs node, npm and chromium)
	@$(PY) -m local_stack fetch
	@$(PY) -m panels --draw docs/dashboards $(PANELS_ARGS)

stack: setup ## Run real Kafka and MongoDB in the foreground, and print their addresses as export lines
	@$(PY) -m local_stack up

topics: setup ## Create the topics on KAFKA_BOOTSTRAP_SERVERS; on one broker: TOPICS_ARGS='--replication 1'
	@$(PY) -m common.kafka.admin ensure $(TOPICS_ARGS)

test: setup ## Run every test, on real Kafka and MongoDB (it starts them; TEST_INFRA=docker uses containers)
	@[ -n "$(TEST_INFRA)" ] || $(PY) -m local_stack fetch
	@scripts/test.sh $(PY) $(PYTEST_ARGS)

test-fast: setup ## Run the tests that need no Kafka, MongoDB or processes
	@$(PY) -m pytest -m "not integration and not e2e" $(PYTEST_ARGS)

pythons: setup ## Run test-fast on each other supported Python of this machine: [PYTHONS_ARGS=libs/common]
	@scripts/pythons.sh $(PYTHONS_ARGS)

chaos: setup ## Inject faults under traffic, on three brokers and three mongods: FAULTS=40 SEED=7 [CHAOS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m chaos --faults $(or $(FAULTS),40) --seed $(or $(SEED),7) $(CHAOS_ARGS)

failover: setup ## Stop MongoDB's primary, then two of three members; print how long each kind of caller waits: [FAILOVER_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m chaos.failover $(FAILOVER_ARGS)

attack: setup ## Attack with a hostile tenant and clients; measure what a good tenant notices: FULL=1 [ATTACK_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m hostile $(if $(FULL),--full) $(ATTACK_ARGS)

rolling: setup ## Replace every process under traffic, and check that nothing is lost: SEED=7 [CHAOS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m chaos --rolling --seed $(or $(SEED),7) $(CHAOS_ARGS)

chaos-prove: setup ## Check that the fault suite finds each deliberately broken build
	@$(PY) -m local_stack fetch
	@$(PY) -m chaos.check_broken_builds

mutants: setup ## Check that the tests find small faults in copies of the code: ONLY=name,service [MUTANTS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m mutants $(if $(ONLY),--only $(ONLY)) $(MUTANTS_ARGS)

bench: setup ## Measure everything against baselines; write a report with plots (about an hour): [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick all $(BENCH_ARGS)

bench-profile: setup ## Measure the CPU time of the services by module; add it to the report: [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick profile $(BENCH_ARGS)

bench-telemetry: setup ## Measure what metrics and traces cost; add it to the report: [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick telemetry $(BENCH_ARGS)

bench-followers: setup ## Compare our at-least-once reader with FastStream, in cost and in faults: [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick.followers $(BENCH_ARGS)

bench-goals: setup ## Measure each goal; fails if one that must hold is missed: QUICK=1 BENCH_ARGS='--against REV' [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick goals $(if $(QUICK),--quick) $(BENCH_ARGS)

bench-year: setup ## Fill a mongod with a year's data, and measure every query: [YEAR_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick.year $(YEAR_ARGS)

flood: setup ## Measure how long quiet tenants wait beside a flooding one: MESSAGES=50000 [FLOOD_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m flood --messages $(or $(MESSAGES),50000) $(FLOOD_ARGS)

lively: setup ## Measure how long replies wait in lively chats, for each reading of Meta's limit: [LIVELY_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m flood.lively $(LIVELY_ARGS)

check: lint types imports ## Check lint, types, import contracts, generated files and commit subjects
	@$(PY) scripts/generate/contracts.py --check
	@$(PY) scripts/generate/metrics.py --check
	@$(PY) scripts/generate/manifests.py --check
	@$(PY) scripts/generate/dashboards.py --check
	@$(PY) scripts/subjects.py

lint: setup ## ruff: check rules and format
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

format: setup ## ruff: fix and format
	@.venv/bin/ruff check --fix-only . && .venv/bin/ruff format .

types: setup ## mypy in strict mode
	@.venv/bin/mypy libs/common/src services/*/src tools/*/src tests/*/src bench/*/src examples/*/src

imports: setup ## Check the import contracts (which module may import which)
	@.venv/bin/lint-imports --no-logo

manifests: setup ## Generate topics, users, alerts and dashboards in deploy/
	@$(PY) scripts/generate/manifests.py
	@$(PY) scripts/generate/dashboards.py

deploy-check: setup ## Validate manifests, compose file, Dockerfile and alerts, without running them (needs go and kubectl)
	@scripts/deploy_check.sh

compose-check: setup ## Run the compose file, and check that the system works (needs docker with compose)
	@scripts/compose_check.sh

kind-check: ## Run the dev overlay on a real Kubernetes, and check that it works (needs docker, kubectl, and kind or go)
	@scripts/kind_check.sh

contracts: setup ## Generate docs/contracts: AsyncAPI of the topics, OpenAPI of the services
	@$(PY) scripts/generate/contracts.py
	@$(PY) scripts/generate/metrics.py

sizes: setup ## Print sizes of files and functions; fails if a median or p90 is too large
	@$(PY) scripts/sizes.py

lock: ## Update requirements.lock and deploy/locks; UPGRADE=1 also takes newer versions
	@UPGRADE=$(UPGRADE) scripts/lock.sh

clean: ## Delete the virtual environment and all caches
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
