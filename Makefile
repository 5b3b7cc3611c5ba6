# Thin over the CMake presets: each target is a line or a script. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: bootstrap build run demo test test-unit test-integration test-e2e lint fmt fmt-check \
        coverage fuzz bench bench-scale bench-proxy sim sim-planted torture torture-rollout validate install clean help

PREFIX ?= /usr/local
DESTDIR ?=
UNIT_PRESET ?= dev
SEED ?=
SEEDS ?= 300
FIRST ?= 1

# The tests over HTTP and with Docker run what ships.
export ORCH_BUILD ?= build

bootstrap: ## install what is missing (Debian 12, root or sudo)
	@scripts/bootstrap

build: ## the programs into build/bin, the plugins into build/lib/orchestrator
	@cmake --preset release >/dev/null
	@cmake --build --preset release

run: build ## a server on this host; prints its URL and where its key lies
	@scripts/run

demo: bootstrap build ## the whole story on a real Docker Engine, told as it goes
	@scripts/demo

test: bootstrap build test-unit test-integration test-e2e ## every test

test-unit: ## unit tests and those of the ABI (UNIT_PRESET=dev|asan-ubsan|coverage)
	@cmake --preset $(UNIT_PRESET) >/dev/null
	@cmake --build --preset $(UNIT_PRESET)
	@ctest --preset $(UNIT_PRESET) -j "$$(nproc)"

test-integration: build ## over real HTTP, with simulated containers
	@scripts/test-integration

test-e2e: build ## with a real Docker Engine of their own (root)
	@scripts/test-e2e

lint: ## look for faults without running anything
	@scripts/lint

fmt: ## bring the C files into form
	@scripts/fmt

fmt-check: ## say which C files are out of form
	@scripts/fmt --check

coverage: ## lines that tests run, by folder; fails below what we promise
	@scripts/coverage

bench: build ## measure; prints figures, judges nothing
	@scripts/bench

bench-scale: ## two million containers and kube-scheduler's shapes, with simulated agents
	@cmake --preset release -B build/bench-release -DBUILD_TESTING=ON \
	  -DORCHESTRATOR_OUTPUT="$$PWD/build/bench-release" >/dev/null
	@cmake --build build/bench-release --target bench_scale
	@mkdir -p build/bench
	@build/bench-release/bin/bench_scale --directory build/bench --json build/bench/scale.json

bench-proxy: ## the proxy beside nginx and HAProxy (five alternating rounds, ten minutes)
	@scripts/bench-proxy

fuzz: ## hostile input, ten minutes a target (FUZZ_SECONDS=600 FUZZ_TARGET=all; clang)
	@scripts/fuzz $(or $(FUZZ_SECONDS),600) $(FUZZ_TARGET)

sim: ## a cluster in one process, faults on purpose (SEED=s: one, with its trace; SEEDS=n FIRST=s)
	@scripts/sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST))

sim-planted: ## show that the simulator finds each planted bug
	@tests/sim/planted/run

torture: build ## a thousand kills, fifty power cuts, disks, clocks and descriptors that fail (root)
	@scripts/test-torture --kills 900 --real 100
	@ORCH_POWER_CUTS=50 scripts/test-torture faults
	@ORCH_ENGINE_KILLS=10 scripts/test-e2e tests/e2e/test_engine_killed.py

torture-rollout: ## two hundred rollouts and a million requests over a Docker Engine: none may fail (root)
	@scripts/test-rollout --rollouts 200 --requests 1000000

validate: build fmt-check ## the example configuration, the format, the API description
	@scripts/validate

install: build ## into PREFIX (/usr/local) below DESTDIR
	@DESTDIR='$(DESTDIR)' cmake --install build/release --prefix '$(PREFIX)'

clean: ## remove everything that was built
	@rm -rf build

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 18
