# Two commands: `make run` (the demo study, to its report) and `make test`. Both set up .venv first.
PYTHON ?= python3
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

ifneq (,$(findstring :,$(CURDIR)))
$(error $(CURDIR): a folder with a colon in its name cannot be in PATH; rename it or move the clone)
endif
# Programs are called as modules: the scripts that pip writes do not start from a folder with a dollar sign in its name.

.PHONY: run test test-slow test-gpu test-slurm compare bench lint docs site shipped clean

run: .venv/ready
	python workflow/unlock_stale.py
	@python workflow/progress.py --cores $(CORES)
	@echo "report:  $$PWD/results/demo/report.html"
	@echo "ask the trained model in a browser:  .venv/bin/leukoflow serve results/demo/export"
	@echo "your own images:  .venv/bin/leukoflow init FOLDER"

# A process for each core; one thread each, or they would fight for the cores.
test: .venv/ready
	OMP_NUM_THREADS=1 python -m pytest -m "not slow and not gpu" --numprocesses auto --maxprocesses 8 --dist loadfile

test-slow: .venv/ready
	python -m pytest -m slow

# On a machine with a CUDA device; elsewhere its tests skip themselves.
test-gpu: .venv/ready
	python -m pytest -m gpu -v tests/gpu

# On a SLURM that is brought up for it, as root (apt install slurm-wlm slurmdbd mariadb-server munge).
test-slurm: .venv/ready
	python -m pytest -m slow -v tests/e2e/test_slurm.py

# What our mRMR is checked against; pyproject.toml says what pymrmr needs. Nothing that is pinned changes.
compare: .venv/ready
	pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[pymrmr-build]'
	pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation --editable '.[pymrmr]'
	pip install --quiet --disable-pip-version-check --no-deps mrmr-selection==0.2.8 category_encoders==2.11.2 polars==2.1.0
	python -c 'import mrmr, pymrmr'

# Ours next to what one would use instead: the table, page and figure of docs/speed.md. Let nothing else run meanwhile.
bench: compare
	pip install --quiet --disable-pip-version-check --no-deps torchstain==1.4.1 ImageHash==4.3.2
	python tests/benchmarks/peers.py --table docs/speed.csv --page docs/speed.md --figure docs/speed.png

lint: .venv/ready
	ruff check src tests workflow
	ruff format --check src tests workflow
	python -m mypy
	snakefmt --check Snakefile workflow
	python -m snakemake --lint

docs: .venv/ready
	python -m leukoflow.config.reference
	python -m leukoflow.outputs.reference
	python -m leukoflow.outputs.overview
	python -m leukoflow.outputs.shown

# The documentation as pages in site/; a broken link is an error.
site: .venv/ready
	pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[site]'
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --quiet

# The model of the package, trained again from workflow/studies/cells.yaml (needs LEUKOFLOW_DATA or downloads; half an hour).
shipped: .venv/ready
	python -m snakemake results/cells/export/leukonet/export.json --cores $(CORES) --configfile workflow/studies/cells.yaml
	python -m leukoflow.steps.ship --export results/cells/export/leukonet

clean:
	rm -rf .venv results resources logs benchmarks site .snakemake

# Made last, so that an interrupted set-up is taken up again.
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or later is needed; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "error: Python has no venv module; install it (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[pipeline,serve,dev,slurm]'
	@touch $@
