# make demo     sets up, then takes a trained ResNet-18 to a verified, virtual ESP32
# make test     sets up, then runs what CI runs: the static checks and all tests but the slow ones
#
# Everything else below is a part of these two, or rare. PYTHON chooses the interpreter (3.11 or newer).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup debian demo hil-demo check test test-slow bench bench-board accuracy docs clean

PYTHON ?= python3
CLANG_FORMAT ?= clang-format-22
BIN := .venv/bin
STAMP := .venv/.set-up

# The one version that was tried; a range lets pip choose a build with gigabytes of GPU libraries.
TORCH := torch==2.13.0

# Hands out boards that are on many machines (docs/labgrid.md).
LABGRID := 26.0.1
LABGRID_STAMP := .venv/labgrid/.set-up-$(LABGRID)

# Compilers, binutils and emulator for the virtual board; chromium, valgrind, clang-format and RISC-V for the checks.
PACKAGES := gcc libc6-dev clang-22 llvm-22 binutils-xtensa-lx106 qemu-system-misc chromium valgrind clang-format-22 \
	gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo 'make setup    only sets up: Python packages in .venv, and Debian packages where this is Debian'
	@echo 'make check    only the static checks'
	@echo 'make hil-demo  four virtual boards in the loop, two of them through labgrid: one fails its gate, one dies'
	@echo 'make test-slow, make bench, make bench-board PORT=..., make accuracy, make docs, make clean'

setup: $(STAMP) $(LABGRID_STAMP)

# A second call finds the stamp and is instant.
$(STAMP): pyproject.toml | debian
	@[[ -x $(BIN)/pip ]] || { echo 'setup: making .venv'; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -c 'import torch' 2>/dev/null || { echo 'setup: installing $(TORCH)'; $(BIN)/pip install -q '$(TORCH)'; }
	@echo 'setup: installing edgeq and what it needs into .venv'
	@$(BIN)/pip install -q -e '.[torch,demo,verify,dev]'
	@touch $@

# labgrid brings a pyserial of its own, so it has an environment of its own; edgeq finds the client beside its own Python.
$(LABGRID_STAMP): | $(STAMP)
	@echo 'setup: installing labgrid $(LABGRID) into .venv/labgrid'
	@$(BIN)/python -m venv --clear .venv/labgrid
	@if .venv/labgrid/bin/pip install -q 'labgrid==$(LABGRID)'; then \
	  ln -sf ../labgrid/bin/labgrid-client $(BIN)/labgrid-client; touch $@; \
	else echo 'setup: could not install labgrid, which boards on many machines need' >&2; fi

# Installs what is missing, where there is apt-get and the right to use it. What cannot be had is said and is not
# the end: edgeq names the tool that a step lacks, and a check that needs it fails.
debian:
	@command -v apt-get >/dev/null || exit 0; \
	missing=(); \
	for package in $(PACKAGES); do \
	  [[ "$$(dpkg-query -W -f='$${db:Status-Status}' "$$package" 2>/dev/null)" == installed ]] || missing+=("$$package"); \
	done; \
	[[ -x $(BIN)/pip ]] || $(PYTHON) -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv); \
	(( $${#missing[@]} )) || exit 0; \
	if (( EUID == 0 )); then as_root=(); \
	elif sudo -n true 2>/dev/null; then as_root=(sudo); \
	else echo "setup: missing, and no right to install it: apt-get install $${missing[*]}" >&2; exit 0; fi; \
	echo "setup: installing Debian packages: $${missing[*]}"; \
	install=("$${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends); \
	"$${install[@]}" "$${missing[@]}" </dev/null >/dev/null 2>&1 && exit 0; \
	"$${as_root[@]}" apt-get update -qq </dev/null || true; \
	for package in "$${missing[@]}"; do \
	  "$${install[@]}" "$$package" </dev/null >/dev/null || echo "setup: could not install $$package" >&2; \
	done

demo: setup
	$(BIN)/edgeq deploy models/resnet18-digits -o build/demo

# A bench with a board that fails its gate and one that dies; 0 where it ends just so. Under 5 minutes.
hil-demo: setup
	$(BIN)/python examples/hil/demo.py

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	find firmware tests \( -name '*.[ch]' -o -path 'firmware/*.cc' \) -print0 | xargs -0 -r $(CLANG_FORMAT) --style=file:firmware/.clang-format --dry-run -Werror

test: check
	$(BIN)/pytest -m 'not slow and not hil' -n 2

test-slow: setup
	$(BIN)/pytest -m 'slow and not hil' -n 2

# Instructions and bytes on the emulated cores against benchmarks/*.json; `make bench ARGS=--update` accepts them.
bench: setup
	$(BIN)/python benchmarks/bench.py $(ARGS)
	$(BIN)/python benchmarks/kernels.py $(ARGS)
	$(BIN)/python benchmarks/kernels_rv32.py $(ARGS)

# The kernels' table of a real board, into benchmarks/kernels-BOARD.json: cycles beside the emulated core's instructions.
bench-board: setup
	@[[ -n '$(PORT)' ]] || { echo 'make bench-board PORT=... [BOARD=...]: which port? `edgeq ports` lists them' >&2; exit 2; }
	$(BIN)/python benchmarks/board_kernels.py --port '$(PORT)' $(if $(BOARD),--board '$(BOARD)') $(ARGS)

# docs/accuracy.md: each row is a run of `edgeq quantize`; half an hour, and what was interrupted goes on.
accuracy: setup
	$(BIN)/python benchmarks/accuracy.py $(ARGS)

# docs/cli.md from the commands themselves, docs/operators.md from the operators; tests compare.
docs: setup
	$(BIN)/python -m typer edgeq.cli utils docs --name edgeq --output docs/cli.md
	$(BIN)/python -m edgeq.ops.page > docs/operators.md

# What is made here; not .venv, which took minutes.
clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find edgeq models tests -name __pycache__ -type d -prune -exec rm -rf {} +
