# haagent. `make demo` and `make test` do everything on a fresh Debian or Ubuntu machine, as root.
#
#   make demo [TOPOLOGY=pair-dr|pair-nat] [KEEP=1]   the main job on a real kernel, as it happens
#   make test                                        everything that can fail, on real kernels with real peers
#   make check                                       format, lint, types, unit, rfc, simulation: no root, a minute or two
#   make bench | sim SEEDS=20000 | fuzz SECONDS=300 | soak SECONDS=3600   longer runs, printed, never asserted on time
#   make format | clean                              what `check` would have formatted; without a trace of all this

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
TOPOLOGY ?= pair-dr
KEEP ?=
SEEDS ?= 20000
SECONDS = 300
export PYTHONDONTWRITEBYTECODE := 1
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# Real kernels and real peers on a machine that others use too: what failed is played once more, alone. Twice is a failure.
played = $(BIN)/pytest -rs -o cache_dir=$(2) $(1) || \
  { echo "once more, alone:"; $(BIN)/pytest -rs -o cache_dir=$(2) --last-failed --last-failed-no-failures none $(filter tests/%,$(1)); }

.PHONY: help demo test check bench sim fuzz soak format topology packages packages-of-demo clean
.NOTPARALLEL:  # packages come before what they are for

help:
	@sed -n '/^[^#]/q; s/^# \?//p' Makefile

demo: topology packages-of-demo $(VENV)/ready
	@$(BIN)/python -m haagent.lab.demo containerlab/$(TOPOLOGY).clab.yml $(if $(KEEP),--keep)

test: packages $(VENV)/ready check
	$(call played,-n 2 --dist loadscope tests/netns tests/fuzz,.pytest_cache/netns)
	$(call played,-n 2 tests/kernel,.pytest_cache/kernel)

check: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 tests/unit tests/rfc tests/scenarios tests/simulation tests/test_layers.py

bench: packages $(VENV)/ready
	$(BIN)/python -m bench

sim: $(VENV)/ready
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

fuzz: $(VENV)/ready
	$(BIN)/python tools/fuzz.py --seconds $(SECONDS)

soak: packages $(VENV)/ready
	$(BIN)/python -m tests.soak --seconds $(SECONDS)

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

topology:
	@test -e containerlab/$(TOPOLOGY).clab.yml || { echo "there is no topology $(TOPOLOGY); there are:" \
	  $(patsubst containerlab/%.clab.yml,%,$(wildcard containerlab/*.clab.yml)) >&2; exit 1; }

packages:
	@tools/packages test

packages-of-demo:
	@tools/packages demo

$(VENV)/ready: requirements.lock pyproject.toml tools/environment
	@tools/environment $(VENV)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz dist
