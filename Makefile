# `make help` lists what there is to do. Everything runs in .venv of this checkout, which `make install` fills.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo-run
UV := $(BIN)/uv
PYTEST := $(BIN)/python -m pytest
# One more than there are cores: some tests wait. Each takes up to 2 GB.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 8 ? cores + 1 : 8)))
# A test on a real cluster waits for Slurm, a long one for kraken. Those on a cluster run as they stand: they share its nodes.
LONG := --timeout 1800
IN_ORDER := $(LONG) -p no:randomly -n 0
# Where this is set, every start of kraken compiles its modules anew, which takes as long again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo ui test test-quick test-slow fuzz test-fresh test-shells coverage cluster cluster-stop test-slurm test-kraken4 test-apptainer faults soak image lint bench lock release-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## set up .venv with the locked versions (kraken, torch and MLflow: 7.5 GB)

$(VENV)/.installed: requirements/all.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else f"Python {v[0]}.{v[1]} is not supported: make PYTHON=python3.11 install (3.10 to 3.13)")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv; } \
	  || { echo "Python's venv module is missing: install it with 'apt install python3-venv' (as root), then run make again" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip sync -q --require-hashes requirements/all.txt requirements/uv.txt
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install -q --no-deps --no-build-isolation -e .
	@printf '%s\n' "#!/bin/sh" "# htr-exp of this checkout, without activating its environment; made by make install." "HTR_EXP_LAUNCHER=\$$0 exec '$(CURDIR)/$(BIN)/htr-exp' \"\$$@\"" > htr-exp && chmod +x htr-exp
	@touch $@

demo: install ## fine-tune the demo model on the synthetic demo pages, and show what was gained
	@echo "The demo's pages are synthetic: drawn by a program, to show the whole job in minutes."
	$(BIN)/htr-exp train dataset=demo model=demo training.quit=fixed training.epochs=8 site.workspace=$(DEMO)
	@echo "Look at it in MLflow: make ui"

ui: install ## open the MLflow UI of the demo on this machine
	$(BIN)/htr-exp ui --workspace $(DEMO)

test-quick: install ## run the tests for daily work: half a minute
	$(PYTEST) -n $(WORKERS) --dist worksteal -m "not seconds and not slow and not kraken" tests/unit

test: install ## run the tests; HTR_EXP_REAL_DATA=FOLDER adds those on real ground truth
	$(PYTEST) -n $(WORKERS) --dist worksteal

test-slow: install ## run the tests that take more than a quarter of a minute each: real trainings, kills, a server that goes away
	HTR_EXP_SLOW=1 $(PYTEST) $(LONG) -n $(WORKERS) --dist load --maxschedchunk 1 -m slow $$(grep -rl --include='test_*.py' 'mark\.slow' tests)

fuzz: install ## try made-up files, models and pages on the readers for long: EXAMPLES=20000 new ones for each test
	HTR_EXP_FUZZ=$(or $(EXAMPLES),20000) $(PYTEST) --timeout 14400 -n 2 tests/unit/groundtruth/test_fuzz.py tests/unit/groundtruth/test_hostile_images.py \
	  tests/unit/kraken/test_hostile_models.py tests/unit/runs/test_hostile_records.py tests/cli/test_made_up_words.py

coverage: install ## run the tests of `make test`, and print how much of the code they reach; fails under the floor in pyproject.toml
	$(PYTEST) -n $(WORKERS) --dist worksteal --cov --cov-report term:skip-covered

test-fresh: ## do as the README says in a fresh Debian 12 (root): TARGET="demo test", BY=user or BY=root
	@tests/fresh/run $(or $(TARGET),demo test) || { code=$$?; [ $$code = 3 ] || exit $$code; echo "skipped: the README's commands on a fresh machine, for the reason above"; }

test-shells: install ## run the tests that press TAB in bash, zsh and fish, which are installed for them (root on Debian)
	@tests/shells/install || { code=$$?; [ $$code = 3 ] || exit $$code; echo "skipped: TAB in zsh and fish where they are missing, for the reason above"; }; $(PYTEST) tests/shells -n 0

cluster: ## start a real Slurm on this machine, for the tests (root on Debian; tests/cluster/start)
	@tests/cluster/start

cluster-stop: ## stop it
	@tests/cluster/stop

test-slurm: install ## run the tests that need a real Slurm, on a cluster started for them (root on Debian 12)
	tests/cluster/with $(PYTEST) tests/slurm $(IN_ORDER) -m slurm

# Both say `skipped` and why where a machine cannot have what they need (exit code 3), and keep what they build in ~/.cache/htr_exp.
test-kraken4: install ## run the tests with the real kraken 4.3.13 behind an environment module, alone and in Slurm jobs
	@found=$$(tests/kraken4/install) || { [ $$? = 3 ] || exit 1; echo "skipped: the tests of kraken 4.3.13, for the reason above"; exit 0; }; \
	eval "export $$(echo "$$found" | tail -n 2 | tr '\n' ' ')"; \
	$(PYTEST) tests/kraken4 $(IN_ORDER) -m kraken4 && tests/cluster/with $(PYTEST) tests/slurm $(IN_ORDER) -m "slurm and kraken4"

test-apptainer: install ## run the tests with a real Apptainer and kraken in a thin image, alone and in Slurm jobs (root on Debian 12)
	@tests/apptainer/install && found=$$(tests/apptainer/thin-image) || { [ $$? = 3 ] || exit 1; echo "skipped: the tests of Apptainer, for the reason above"; exit 0; }; \
	export HTR_EXP_IMAGE="$$(echo "$$found" | tail -n 1)" HTR_EXP_IMAGE_BIND="$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'):/opt/kraken"; \
	found=$$(tests/kraken4/install) && eval "export $$(echo "$$found" | tail -n 2 | tr '\n' ' ')"; \
	$(PYTEST) tests/apptainer $(IN_ORDER) -m apptainer && tests/cluster/with $(PYTEST) tests/slurm $(IN_ORDER) -m "slurm and apptainer"

faults: install ## let runs endure faults drawn at random: MINUTES=10 or FAULTS=30, SEED=1, LOG=FILE; outside CI
	HTR_EXP_FAULTS=$(FAULTS) HTR_EXP_FAULTS_MINUTES=$(or $(MINUTES),$(if $(FAULTS),0,10)) HTR_EXP_FAULTS_SEED=$(or $(SEED),1) HTR_EXP_FAULTS_LOG=$(abspath $(LOG)) \
	  $(PYTEST) tests/faults/test_walk.py $(IN_ORDER) -s

soak: install ## many small runs on a cluster started for them, with nodes, Slurm and MLflow that go away: RUNS=200 MINUTES=120 SEED=1 (root on Debian 12); outside CI
	tests/cluster/with $(BIN)/python -m benchmarks.soak --runs $(or $(RUNS),200) --minutes $(or $(MINUTES),120) --seed $(or $(SEED),1)

image: ## build the image of kraken 7.1 (KRAKEN=4.3: of 4.3.13) as far as this machine allows; takes 10 to 30 minutes
	containers/build $(or $(KRAKEN),7.1)

lint: install ## check style, types and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

bench: install ## measure speed and memory against named peers; writes benchmarks/results/
	$(BIN)/python -m benchmarks

lock: ## choose versions anew, for all systems and Pythons
	$(UV) pip compile -q --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header --extra kraken --extra mlflow --extra optuna --group dev -o requirements/all.txt pyproject.toml
	$(UV) pip compile -q --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header -c requirements/all.txt -o requirements/core.txt pyproject.toml
	$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/all.txt -o containers/kraken-7.1.lock containers/kraken-7.1.in
	$(UV) pip compile -q --universal --python-version 3.9 --generate-hashes --no-emit-index-url --no-header -o containers/kraken-4.3.lock containers/kraken-4.3.in
	echo uv | $(UV) pip compile -q --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header -o requirements/uv.txt -

release-check: install ## build wheel and sdist, and try the wheel in an environment of its own, without kraken
	.ci/release-check

clean: ## remove .venv and the demo's workspace
	rm -rf $(VENV) $(DEMO) htr-exp
