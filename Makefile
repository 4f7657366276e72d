# Verbs of this repository. Each installs what it needs; `make` alone lists them.
SHELL := /bin/sh
PY := .venv/bin/python
.DEFAULT_GOAL := help

.PHONY: help setup demo demo-once panels screenshots stack topics test test-fast chaos rolling chaos-prove mutants attack bench bench-profile bench-telemetry bench-followers bench-goals flood lively lint format types imports contracts manifests deploy-check compose-check kind-check check sizes lock clean

help: ## List the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: ## Make .venv from the lock (uv is installed from pip when missing)
	@scripts/bootstrap.sh

demo: setup ## Start everything, play a conversation, stay up on http://localhost:3000: [DEMO_ARGS=--help]
	@$(PY) -m demo $(DEMO_ARGS)

demo-once: setup ## The same once; exits 0 only if every message got one reply that was read
	@$(PY) -m demo --once

panels: setup ## Prometheus scrapes the demo while things go wrong: every panel of the dashboards must have data: [PANELS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m panels $(PANELS_ARGS)

screenshots: setup ## The same, and pictures of the dashboards in docs/dashboards (needs node, npm and chromium as well)
	@$(PY) -m local_stack fetch
	@$(PY) -m panels --draw docs/dashboards $(PANELS_ARGS)

stack: setup ## Real Kafka and MongoDB in the foreground, with their addresses to export
	@$(PY) -m local_stack up

topics: setup ## Create the topics on KAFKA_BOOTSTRAP_SERVERS; on one broker: TOPICS_ARGS='--replication 1'
	@$(PY) -m common.kafka.admin ensure $(TOPICS_ARGS)

test: setup ## Every test, on real Kafka and MongoDB (starts them; TEST_INFRA=docker uses containers)
	@[ -n "$(TEST_INFRA)" ] || $(PY) -m local_stack fetch
	@scripts/test.sh $(PY) $(PYTEST_ARGS)

test-fast: setup ## The tests that need no Kafka, MongoDB or processes
	@$(PY) -m pytest -m "not integration and not e2e" $(PYTEST_ARGS)

chaos: setup ## Faults under traffic on three brokers and three mongods: FAULTS=40 SEED=7 [CHAOS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m chaos --faults $(or $(FAULTS),40) --seed $(or $(SEED),7) $(CHAOS_ARGS)

attack: setup ## A hostile tenant and hostile clients against everything, and what a good tenant notices: FULL=1 [ATTACK_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m hostile $(if $(FULL),--full) $(ATTACK_ARGS)

rolling: setup ## A rolling update of everything under traffic, which loses nothing: SEED=7 [CHAOS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m chaos --rolling --seed $(or $(SEED),7) $(CHAOS_ARGS)

chaos-prove: setup ## Deliberately broken builds, each of which the fault suite has to find
	@$(PY) -m local_stack fetch
	@$(PY) -m chaos.check_broken_builds

mutants: setup ## Small faults in copies of the code, each of which a test has to find: ONLY=name,service [MUTANTS_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m mutants $(if $(ONLY),--only $(ONLY)) $(MUTANTS_ARGS)

bench: setup ## Everything measured beside honest baselines, with a report and plots (about an hour): [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick all $(BENCH_ARGS)

bench-profile: setup ## Where the services' CPU time goes, by module, added to the report: [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick profile $(BENCH_ARGS)

bench-telemetry: setup ## What metrics and traces cost, added to the report: [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick telemetry $(BENCH_ARGS)

bench-followers: setup ## Our reader of topics for work that may be repeated, beside FastStream: cost and behaviour (half an hour): [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick.followers $(BENCH_ARGS)

bench-goals: setup ## Each goal with its ratio; fails when one that must hold falls short: QUICK=1 [BENCH_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m yardstick goals $(if $(QUICK),--quick) $(BENCH_ARGS)

flood: setup ## How long a quiet tenant waits beside one that floods, per plan: MESSAGES=50000 [FLOOD_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m flood --messages $(or $(MESSAGES),50000) $(FLOOD_ARGS)

lively: setup ## How long replies wait in lively chats, however Meta counts messages to one person: [LIVELY_ARGS=--help]
	@$(PY) -m local_stack fetch
	@$(PY) -m flood.lively $(LIVELY_ARGS)

check: lint types imports ## Lint, types, import contracts, that what is generated is up to date, and commit subjects
	@$(PY) scripts/generate/contracts.py --check
	@$(PY) scripts/generate/metrics.py --check
	@$(PY) scripts/generate/manifests.py --check
	@$(PY) scripts/generate/dashboards.py --check
	@$(PY) scripts/subjects.py

lint: setup ## ruff: rules and format
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .

format: setup ## ruff: mend what can be mended
	@.venv/bin/ruff check --fix-only . && .venv/bin/ruff format .

types: setup ## mypy, strict
	@.venv/bin/mypy libs/common/src services/*/src tools/*/src tests/*/src bench/*/src examples/*/src

imports: setup ## The import contracts (who may know whom)
	@.venv/bin/lint-imports --no-logo

manifests: setup ## Write what deploy/ has of topics, users, alerts and dashboards
	@$(PY) scripts/generate/manifests.py
	@$(PY) scripts/generate/dashboards.py

deploy-check: setup ## Validate manifests, compose file, Dockerfile and alerts, without running them (needs go and kubectl)
	@scripts/deploy_check.sh

compose-check: setup ## Run the compose file for real and check what it does (needs docker with compose)
	@scripts/compose_check.sh

kind-check: ## Run the dev overlay on a real Kubernetes and check what it does (needs docker, kubectl and kind, or go)
	@scripts/kind_check.sh

contracts: setup ## Write docs/contracts: AsyncAPI of the topics, OpenAPI of the services
	@$(PY) scripts/generate/contracts.py
	@$(PY) scripts/generate/metrics.py

sizes: setup ## Median, p90 and largest of files and functions; fails when a median or p90 is too large
	@$(PY) scripts/sizes.py

lock: ## Rewrite requirements.lock and deploy/locks from the members' ranges; UPGRADE=1 takes newer versions
	@UPGRADE=$(UPGRADE) scripts/lock.sh

clean: ## Remove the virtual environment and all caches of the tools
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
