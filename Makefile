# The front door. `make` installs into .venv/; README.md says what each target shows.
.PHONY: all demo clean-demo up test test-fast install client clean

DATA ?= .state/cloud
PORT ?= 8774
KCLOUD = .venv/bin/kcloud

all: install

install:
	@tools/dev packages run
	@tools/dev venv

client:
	@tools/dev client

# The cloud alone, in the foreground. Ctrl-C ends it; guests keep running.
up: install
	@$(KCLOUD) up --data-dir $(DATA) --port $(PORT)

# A VM with an accelerator in it; leaves the cloud running. DEVICE=0000:41:00.0 uses that device of this host.
demo: install client
	@.venv/bin/python -m kcloud_cli.demo up --port $(PORT) $(if $(DEVICE),--device $(DEVICE))

clean-demo:
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m kcloud_cli.demo down; fi

# Everything: lint, types, contracts, unit, functional, real libvirt, the lab. One run on two cores, one summary.
test: client
	@tools/dev packages test
	@tools/dev venv
	@KCLOUD_TEST_THOROUGH=1 .venv/bin/pytest -m "" -n 2 --dist loadscope --no-loadscope-reorder

# Decisions, drivers' contract, the tree's own rules: about a minute on two cores, with nothing but Python.
test-fast:
	@[ -x .venv/bin/pytest ] || $(MAKE) install
	@.venv/bin/pytest -n 2 tests/checks tests/contract tests/unit

clean: clean-demo
	rm -rf .venv .venv-client .state build dist *.egg-info
