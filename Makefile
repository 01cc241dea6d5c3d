# Every command sets up what it needs. `make help` lists them.
# Console scripts are called as modules: their first line breaks in a path with a space.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The folder of this file, also when called from elsewhere (make -f .../Makefile).
HERE := $(shell f=$$(printf %s '$(MAKEFILE_LIST)' | sed 's/^ *//'); cd "$$(dirname "$$f")" && pwd)
export PYTHON
CH ?=
BACK ?=
FORCE ?=
PORT ?= 8000

IN := @cd "$(HERE)" &&
SETUP = python=$$(tools/python311) && "$$python" tools/env.py
FULL = $(IN) $(SETUP) full && .venv/bin/python
BOOK = $(IN) $(SETUP) book && .venv-book/bin/python
NEED_CH = @test -n '$(CH)' || { echo "say which chapter: make $@ CH=1" >&2; exit 2; }
ONE = $(if $(CH),--chapter '$(CH)')

.PHONY: help book serve lab test chapter text run check lint exercises mutation seeds \
  bench worlds env lock newest clean distclean

help: ## list the commands
	@cd "$(HERE)" && echo "make COMMAND, where COMMAND is one of:" && \
	  sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 14

book: ## build the site into _build/html (no PyTorch needed)
	$(BOOK) tools/site.py build

serve: book ## build the site and serve it on http://localhost:8000 (PORT=...)
	$(IN) echo "http://localhost:$(PORT)  (Ctrl-C to stop)" && \
	  .venv-book/bin/python -m http.server '$(PORT)' --bind 127.0.0.1 \
	  --directory _build/html

lab: ## open JupyterLab on the chapters and exercises
	$(FULL) -m jupyterlab

test: ## prove everything: units, notebooks, seeds, mutation, exercises, keys, site, lint
	$(FULL) tools/test.py $(STEPS)

chapter: ## run one chapter and its solutions, store outputs, show time and memory (CH=1)
	$(NEED_CH)
	$(FULL) tools/run.py $(ONE)

text: ## text view of a chapter for editing (CH=1); BACK=1 writes it back
	$(NEED_CH)
	$(FULL) tools/text.py $(ONE) $(if $(BACK),--back) $(if $(FORCE),--force)

run: ## run every chapter and note time, memory and checks for the status page
	$(FULL) tools/run.py --record $(ONE)

check: ## fail if running would change a stored output (CH=1, or all)
	$(FULL) tools/run.py --check $(ONE)

lint: ## style, types, layers, and the anatomy of chapters (CH=1 for one chapter)
	$(FULL) tools/test.py lint $(ONE)

exercises: ## generate stub notebooks, visible checks and the example key (CH=1, or all)
	$(FULL) tools/exercises.py $(CH)

mutation: ## break every derivation and count the breaks that are noticed (CH=1, or all)
	$(FULL) tools/mutate.py $(ONE)

seeds: ## run chapters at twenty seeds, publish the pass rate of every claim (CH=1, or all)
	$(FULL) tools/seeds.py $(ONE)

bench: ## measure our recommenders against others; results in benchmarks/results
	$(FULL) benchmarks/run.py

worlds: ## measure the worlds against their canon; results on the page of the worlds
	$(FULL) tools/worlds.py

env: ## only set up .venv
	$(FULL) -c "print('.venv is ready')"

# Needs uv (a resolver only; pip installs). Lines of GPU libraries are left out.
UV = uv pip compile --quiet pyproject.toml --python-version 3.11 --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links

lock: ## write the lock files anew for a changed pyproject.toml, keeping versions
	$(IN) mkdir -p build && $(UV) --all-extras -c requirements.lock -o build/full.txt
	$(IN) grep -vE '^(nvidia-|triton|cuda-)' build/full.txt | \
	  sed 's/^\(torch==[0-9.]*\)+cpu/\1/' > requirements.lock
	$(IN) $(UV) --extra book -c requirements.lock -o requirements-book.lock

newest: ## write the lock files anew at the newest versions allowed
	$(IN) mkdir -p build && $(UV) --upgrade --all-extras -o build/full.txt
	$(IN) grep -vE '^(nvidia-|triton|cuda-)' build/full.txt | \
	  sed 's/^\(torch==[0-9.]*\)+cpu/\1/' > requirements.lock
	$(IN) $(UV) --extra book -c requirements.lock -o requirements-book.lock

clean: ## remove what was built (not the environments)
	$(IN) rm -rf _build build dist out .cache .pytest_cache .mypy_cache .ruff_cache \
	  .hypothesis .coverage .import_linter_cache

distclean: clean ## remove the environments too
	$(IN) rm -rf .venv .venv-book
