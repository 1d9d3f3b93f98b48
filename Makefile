# `make` alone lists the targets. Everything is installed into .venv and build/, from pinned versions.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check install -qq
TOOLS  := $(VENV)/tools-installed
AMQTT  := $(VENV)/amqtt-installed

.DEFAULT_GOAL := help
.PHONY: help demo test chaos lint build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Any broker will do for the demo: amqtt, from PyPI, is installed only where mosquitto can't be had.
demo: $(TOOLS) ## a MicroPython device talks to a real broker (DEMO_SECONDS=60 keeps it running)
	@$(PY) -m tools.mosquitto >/dev/null || $(MAKE) --no-print-directory $(AMQTT)
	@$(PY) -m tools.demo

test: $(TOOLS) ## all tests on CPython and MicroPython (ARGS="-k name" passes arguments to pytest)
	@$(PY) -m tools.runtests $(ARGS)

chaos: $(TOOLS) ## cut, kill and restart everywhere: 0 lost, 0 doubled (8 minutes; ARGS=micropython for one runtime)
	@$(PY) -m tools.mosquitto >/dev/null
	@PYTHONPATH=host_tests $(PY) -m chaos $(ARGS)

lint: $(TOOLS) ## check the style of the Python code
	@$(PY) -m ruff check --no-cache --output-format concise .

build: $(TOOLS) ## compile lib/mqtt to build/lib/mqtt and check the sizes against tools/budget.json
	@$(PY) -m tools.size

clean: ## remove all that make has made
	rm -rf $(VENV) build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(TOOLS): requirements.txt $(PY)
	@echo "Installing the pinned tools into $(VENV) (once, about 50 MB)"
	@$(PIP) -r requirements.txt
	@touch $@

$(AMQTT): requirements-amqtt.txt $(TOOLS)
	@echo "Installing amqtt, a broker from PyPI, into $(VENV)"
	@$(PIP) -r requirements-amqtt.txt
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed, and $(PYTHON) is not: make PYTHON=... names another."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
		{ echo "$(PYTHON) can't make virtual environments (Debian/Ubuntu: apt-get install python3-venv)."; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
