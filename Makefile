# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# A thin front for CMake: `make` alone lists the targets.
#
#   PRESET=dev|release|asan|tsan   which build (CMakePresets.json); default dev
#   JOBS=N                         parallel jobs; default: one per processor
#   ARGS='…'                       more CMake arguments at the first configuration

PRESET ?= dev
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
BUILD := $(if $(filter dev,$(PRESET)),build,build-$(PRESET))
export PATH := $(CURDIR)/.toolchain/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup configure build demo test check bench bench-pairs \
        bench-gpu docs \
        format clean

help: ## list the targets
	@echo "attnc: make <target> [PRESET=dev|release|asan|tsan] [JOBS=N]"
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

setup: ## install the toolchain where it is missing (scripts/setup.sh --help)
	@bash scripts/setup.sh

configure: setup
	@test -f $(BUILD)/build.ninja || cmake --preset $(PRESET) $(ARGS)

build: configure ## build everything: tools in build/bin, libraries in build/lib
	@cmake --build $(BUILD) -j $(JOBS)

demo: build ## compile real attention specs and run them
	@bash examples/demo.sh $(BUILD)/bin

test: build ## every test: unit tests, lit, and the source checks
	@python3 scripts/run-tests.py --build $(BUILD) --jobs $(JOBS)

check: ## the source checks alone (includes, docs, mirror, format, sizes)
	@python3 scripts/run-tests.py --checks-only

bench: build ## attention that models use beside other libraries (installs them; ARGS='--quick')
	@python3 bench/run.py --build $(BUILD) $(ARGS)

bench-pairs: build ## masks beside PyTorch FlexAttention (installs it; ARGS='--quick')
	@python3 bench/pairs.py --build $(BUILD) $(ARGS)

bench-gpu: build ## GPU kernels beside Triton's, judged from machine code (installs it; ARGS='--only sm_80:128')
	@python3 bench/gpu.py --build $(BUILD) $(ARGS)

docs: ## regenerate docs/dialect.md and docs/passes.md from TableGen
	@bash scripts/check-docs.sh --update

format: ## format all C and C++ sources in place
	@bash scripts/check-format.sh --fix

clean: ## remove the build directories
	rm -rf build build-release build-asan build-tsan
