# Every target makes the environment by itself where it is missing or out of date.
PYTHON ?= python3
VENV   ?= .venv
DEMO   ?= demo-output
NOTES  ?= notes
LOWEST_PYTHON ?= python3.10
# Test processes; the tests are light, but two share their caches well on small machines.
WORKERS ?= 2

# Without compiled files each of the hundreds of processes that tests start would compile PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

BIN   := $(VENV)/bin
STAMP := $(VENV)/.mixlab-setup
BENCH := $(VENV)/.mixlab-bench
DOCS  := $(VENV)/.mixlab-docs
COVER := --cov --cov-report= --cov-fail-under=0 --cov-append
FAST  := not slow and not gpu and not corpus and not browser
# On a busy machine a click may come to nothing, as a person's may, who then clicks again. A test is tried once more
# only where Playwright waited in vain; what a test asserts must hold at once. All that was tried again is printed.
# Scripts in a page have no limit of their own: one that never ends fails its test, after more than any test takes with
# its waits of a minute, and the others go on.
AGAIN := --reruns 1 --only-rerun '^TimeoutError: .*Timeout [0-9.]+ms exceeded' -raR --rerun-show-tracebacks --timeout 400

.DEFAULT_GOAL := help
.PHONY: help setup demo notes test test-all harm test-browser lowest pythons coverage coverage-report check format tutorials app bench docs wheel constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything in it (again only when pyproject.toml or constraints.txt change)
	@echo "Environment ready in $(VENV). Next: make demo, or $(BIN)/mixlab --help"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "constraints.txt needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
	  echo "Type: make setup PYTHON=python3.11   (on 3.10, install without it: pip install -e '.[all,dev]')"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { \
	  echo "Python cannot make virtual environments here. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing mixlab and its libraries into $(VENV) (once; PyTorch is large, this takes some minutes) ..."
	@# Python compiles what is imported; compiling all of PyTorch's and others' files beforehand takes longer.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[all,dev]'
	@touch $@

demo: $(STAMP) ## Make demo corpora, index them, mix, train a small model and print its report
	$(BIN)/mixlab demo --out $(DEMO)

test: $(STAMP) ## Run the fast tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "$(FAST)" $(ARGS)

test-all: $(STAMP) ## Run all tests, also those marked slow, gpu, corpus and browser
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

harm: $(STAMP) ## Kill mixlab at random moments, some hundred times, and see that nothing is lost
	$(BIN)/python -m tests.harm $(ARGS)

test-browser: $(STAMP) ## Try the explorer in a real browser (needs chromium: apt-get install chromium)
	$(BIN)/python -m pytest tests/browser -m browser $(AGAIN) $(ARGS)

lowest: ## Run tests with the oldest releases that are allowed (LOWEST_PYTHON: a Python 3.10; downloads 6 GB)
	.ci/lowest core $(LOWEST_PYTHON) build/lowest-core
	.ci/lowest all $(LOWEST_PYTHON) build/lowest-all

pythons: wheel ## Install the wheel with every other Python that is here (3.10, 3.12, 3.13), and use it
	.ci/other-pythons dist/mixlab-*.whl

coverage: $(STAMP) ## Run the fast tests and show how much of the code they run, room by room
	rm -rf .coverage
	$(MAKE) --no-print-directory test ARGS="$(COVER) $(ARGS)"
	$(MAKE) --no-print-directory coverage-report

coverage-report: $(STAMP) ## Show what the last measured tests ran; fails below the floor in pyproject.toml
	$(BIN)/python .ci/coverage_report.py

check: $(STAMP) ## Check format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(STAMP) ## Put the code into the common format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

notes: ## Get libraries of recorded notes into NOTES for "mixlab compose", with their licences (npm, apt-get)
	examples/get_notes.sh $(NOTES)

tutorials: $(STAMP) ## Execute the tutorials into build/tutorials; goes on where it was stopped
	$(BIN)/python -m docs.tutorials.run $(ARGS)

app: $(STAMP) ## Open the explorer in the browser
	$(BIN)/mixlab app

bench: $(BENCH) ## Measure mixing speed against what one would take instead
	$(BIN)/python -m benchmarks.run $(ARGS)

$(BENCH): $(STAMP) benchmarks/alternatives.txt
	@echo "Installing what to compare with into $(VENV) ..."
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[bench]' \
	  && $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r benchmarks/alternatives.txt; \
	then touch $@; else echo "NOTICE: not all of it can be installed here; what is missing will have no figure"; fi
	@command -v rubberband >/dev/null || .ci/apt-install rubberband-cli || true

docs: $(DOCS) ## Make the site of docs/ in build/docs, where every warning and every broken link is an error
	rm -rf build/docs
	$(BIN)/python -m sphinx --builder html --fail-on-warning --keep-going --quiet --fresh-env --conf-dir docs/site docs build/docs
	$(BIN)/python -m docs.site.check build/docs

$(DOCS): $(STAMP)
	@echo "Installing what makes the site into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[docs]'
	@touch $@

wheel: $(STAMP) ## Build the wheel and the source archive into dist/
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

constraints: ## Write constraints.txt anew from what .venv holds
	$(BIN)/python -m pip freeze --exclude-editable --exclude mixlab > constraints.txt

clean: ## Remove builds, caches and the demo's output (keeps .venv and runs)
	rm -rf build dist $(DEMO) .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find app benchmarks mixlab tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
