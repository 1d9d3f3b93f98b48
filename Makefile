# `make` alone lists the targets. Everything is installed into .venv and build/, from pinned versions.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP     = $(PY) -m tools pip --disable-pip-version-check install -qq -r $(1) || \
		{ echo "$(1) could not be installed, for the reason above: is there a way to PyPI?"; exit 1; }
TOOLS  := $(VENV)/tools-installed
AMQTT  := $(VENV)/amqtt-installed
LINT   := $(VENV)/lint-installed
FLASH  := $(VENV)/mpflash
BENCH  := $(VENV)/bench-installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-next chaos lint build costs deploy repl run board base-firmware clean bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Any broker will do for the demo: amqtt, from PyPI, is installed only where mosquitto can't be had.
demo: $(TOOLS) ## build, deploy to a virtual board, watch it talk to a real broker and lose its WiFi (DEMO_SECONDS=60: longer)
	@$(PY) -m tools.mosquitto >/dev/null || $(MAKE) --no-print-directory $(AMQTT)
	@$(PY) -m tools.demo

test: $(TOOLS) ## all tests on CPython and MicroPython (ARGS="-k name" passes arguments to pytest)
	@$(PY) -m tools.runtests $(ARGS)

test-next: $(TOOLS) ## the client's tests on the second edition of the module, lib/next (3 minutes)
	@$(PY) -m tools.runtests --second

chaos: $(TOOLS) ## cut, kill and restart everywhere: 0 lost, 0 doubled (8 minutes; QUICK=1: one; ARGS=micropython for one runtime)
	@$(PY) -m tools.mosquitto >/dev/null
	@PYTHONPATH=host_tests $(PY) -m chaos $(if $(QUICK),--quick) $(ARGS)

lint: $(TOOLS) $(LINT) ## check style, and that every board has what the code for boards calls
	@$(PY) -m tools ruff check --no-cache --output-format concise .
	@$(PY) -m tools.lint

build: $(TOOLS) ## compile lib/mqtt and check the sizes; BOARD=esp32: all that this board gets, into build/esp32
	@$(PY) -m tools.size
	@$(if $(BOARD),$(PY) -m tools.build "$(BOARD)")

costs: $(TOOLS) ## heap and system calls for each message, beside their budgets
	@$(PY) -m tools.costs

deploy: $(TOOLS) ## bring a board up to date: BOARD=esp32 PORT=auto, or PORT=virtual (CONFIG=file for firmware/config.json)
	@$(PY) -m tools.deploy "$(or $(BOARD),$(filter virtual,$(PORT)))" "$(or $(PORT),auto)" $(CONFIG)

repl: $(TOOLS) ## the board's prompt: PORT=auto, virtual or a port; Ctrl-] ends it
	@port=$$($(PY) -m tools.ports "$(or $(PORT),auto)") && $(PY) -m tools mpremote connect $$port repl

run: $(TOOLS) ## run a file of this machine on the board: FILE=... PORT=...
	@test -f "$(FILE)" || { echo "FILE=$(FILE): there is no such file to run"; exit 1; }
	@port=$$($(PY) -m tools.ports "$(or $(PORT),auto)") && $(PY) -m tools mpremote connect $$port run "$(FILE)"

board: $(TOOLS) ## a virtual board, for PORT=virtual in another terminal (BOARD=rpi_pico_w: with that one's memory)
	@BOARD="$(BOARD)" $(PY) -m tools.virtual_board

base-firmware: $(TOOLS) $(FLASH)/installed ## MicroPython onto an empty board: BOARD=esp32 PORT=... (untested: it takes a board)
	@$(PY) -m tools.base_firmware $(FLASH)/bin/mpflash "$(BOARD)" $(PORT)

bench: $(TOOLS) $(BENCH) ## speed and memory beside other clients (5 minutes; QUICK=1: under two)
	@$(PY) -m tools.bench $(if $(QUICK),--quick) $(ARGS)

clean: ## remove all that make has made
	rm -rf $(VENV) build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(TOOLS): requirements.txt $(PY)
	@echo "Installing the pinned tools into $(VENV) (once, about 50 MB)"
	@$(call PIP,requirements.txt)
	@touch $@

$(AMQTT): requirements-amqtt.txt $(TOOLS)
	@echo "Installing amqtt, a broker from PyPI, into $(VENV)"
	@$(call PIP,requirements-amqtt.txt)
	@touch $@

$(LINT): requirements-lint.txt $(TOOLS)
	@echo "Installing pyright and node into $(VENV) (once, about 70 MB)"
	@$(call PIP,requirements-lint.txt)
	@touch $@

$(BENCH): requirements-bench.txt $(TOOLS)
	@echo "Installing what the benchmark needs into $(VENV)"
	@$(call PIP,requirements-bench.txt)
	@touch $@

$(FLASH)/installed: requirements-flash.txt $(PY)
	@echo "Installing mpflash into $(FLASH)"
	@$(PY) -m tools venv --clear $(FLASH)
	@$(FLASH)/bin/python -m tools pip --disable-pip-version-check install -qq -r requirements-flash.txt
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed, and $(PYTHON) is not: make PYTHON=... names another."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
		{ echo "$(PYTHON) can't make virtual environments (Debian/Ubuntu: apt-get install python3-venv)."; exit 1; }
	@$(PYTHON) -m tools venv --clear $(VENV)
