# One command for each thing a newcomer, a contributor or CI does. Needs only Python 3.11+ and make.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RUN := $(VENV)/installed-run
DEV := $(VENV)/installed-dev
# Three on two processors: one of them often waits for a process it started. More than 4 wait for one PostgreSQL.
WORKERS ?= 3
# ARGS goes to pytest: make test ARGS='-k quorum -x'
ARGS ?=
# make bench BENCH_ARGS='--against 16be414'; benchmarks/README.md has the others.
BENCH_ARGS ?=
PIP := $(PY) -m pip --disable-pip-version-check --quiet install --require-hashes
# What tools write (test databases, a secret key) stays out of the data of `make run`.
TEST_ENV := HITL_DATA_DIR=$(CURDIR)/var/test

.DEFAULT_GOAL := help
.PHONY: help run test quick lint bench soak lock sbom advisories python
# A half-installed environment must not look finished.
.DELETE_ON_ERROR:

help: ## this list
	@echo "HITL: the gate between machines that write patches and the systems that deploy them."
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(RUN) ## start everything with demo data at http://127.0.0.1:8027 (PORT=... changes it); Ctrl-C stops it
	@exec $(PY) manage.py serve --demo

test: $(DEV) ## all tests; browser tests where Chromium is found (HITL_REQUIRE_BROWSER=1 insists)
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

quick: $(DEV) ## the tests that start no process and no browser
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal -m 'not slow and not soak' $(ARGS)

lint: $(DEV) ## ruff, mypy, templates, CSS, JavaScript, migrations, Django's checks
	@status=0; \
	check() { echo "== $$*"; env $(TEST_ENV) "$$@" || status=1; }; \
	check $(PY) -m ruff check .; \
	check $(PY) -m ruff format --check .; \
	check $(PY) -m mypy . .ci/sbom.py .ci/advisories.py; \
	check $(PY) -m mypy --config-file client/pyproject.toml client/src; \
	if [ -n "$$(find templates -name '*.html' -print -quit)" ]; then \
		check $(PY) -m djlint templates --lint --quiet; \
		check $(PY) -m djlint templates --check --quiet; \
	fi; \
	if [ -x $(VENV)/bin/biome ]; then check $(VENV)/bin/biome ci static; else \
		echo "static/ was not checked: biome is not in $(VENV); its package has a program for Linux on x86-64 only." >&2; status=1; \
	fi; \
	check $(PY) manage.py makemigrations --check --dry-run; \
	check $(PY) manage.py check --fail-level WARNING; \
	exit $$status

bench: $(DEV) ## docs/performance.md measured anew, an hour: BENCH_ARGS='--against 16be414', or --quick, or --only queue
	@env $(TEST_ENV) $(PY) -m benchmarks.bench $(BENCH_ARGS)

soak: $(DEV) ## the tests that run for minutes
	@$(PY) -m pytest -m soak $(ARGS)

sbom: $(DEV) ## what is shipped, as CycloneDX JSON: var/sbom.json
	@$(PY) .ci/sbom.py

advisories: $(DEV) ## known vulnerabilities of what is shipped; fails where there is one
	@$(PY) .ci/advisories.py

lock: python ## compile requirements*.txt from requirements*.in
	@[ -x var/lock/bin/python ] || $(PYTHON) -m venv var/lock
	@var/lock/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements-lock.txt
	@for name in requirements-lock requirements requirements-telemetry requirements-dev; do \
		var/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes $$name.in -o $$name.txt; \
	done

# One sentence each instead of a traceback.
python:
	@found=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || { \
		echo "HITL needs Python 3.11 or newer, and '$(PYTHON)' does not run; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "HITL needs Python 3.11 or newer, '$(PYTHON)' is $$found; name another: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module; install it (Debian and Ubuntu: apt-get install python3-venv) and try again." >&2; exit 1; }

$(RUN): requirements.txt | python
	@$(PY) -m pip --version >/dev/null 2>&1 || { echo "Creating $(VENV) ..."; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing requirements.txt (once, about a minute) ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	@echo "Installing requirements-dev.txt (once, about a minute) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $@
