# One line each: `make help` lists them. Everything runs from .venv, nothing needs PATH set up.
PYTHON ?= python3
PYTHON311 ?= python3.11
BIN := .venv/bin
JOBS ?= 3
REVIEW ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test proto breaking format format-check lint types arch contract bench check models efficientnet engines device-only clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

setup: .venv/.ready ## make .venv with everything a developer needs

.venv/.ready: pyproject.toml tools/setup
	tools/setup "$(PYTHON)"

demo: setup ## run the closed loop; REVIEW=auto lets a script play the reviewer, FLEET=50 adds simulated devices
	$(BIN)/python -m demo --first-port 7101 $(if $(REVIEW),--review $(REVIEW)) $(if $(FLEET),--fleet $(FLEET)) $(ARGS)

test: setup ## run the tests; ARGS=tests/tinylcm narrows them, JOBS=1 runs them one after another
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

proto: setup ## write gen/ from protos/
	$(BIN)/python tools/generate_proto.py

breaking: setup ## refuse wire or source breaks of the contract; AGAINST=<git ref>
	$(BIN)/buf breaking --against '.git#ref=$(or $(AGAINST),HEAD~1)'

format: setup ## rewrite the code in the house format
	$(BIN)/ruff format . && $(BIN)/ruff check --fix-only --quiet .

format-check: setup ## refuse code that is not in the house format
	$(BIN)/ruff format --check .

lint: setup ## ruff
	$(BIN)/ruff check .

types: setup ## mypy
	$(BIN)/mypy

arch: setup ## the arrows of ARCHITECTURE.md, kept by import-linter
	$(BIN)/lint-imports

contract: setup ## the contract: buf lint, gen/ current, wire vectors
	$(BIN)/buf lint && $(BIN)/pytest tests/contract

bench: setup ## side-by-side measurements, each printing a ratio
	$(BIN)/python -m benchmarks $(ARGS)

check: format-check lint types arch contract test ## everything a change must pass

models: .venv-models/.ready ## train the committed extractors again; needs dataset-fashion-mnist
	for pair in 1,8 3,5 6,9; do .venv-models/bin/python -m tools.models.train_cnn --novel $$pair || exit 1; done
	.venv-models/bin/python -m tools.models.train_motion_cnn

.venv-models/.ready: tools/models/requirements-cnn.txt
	"$(PYTHON)" -m venv .venv-models && .venv-models/bin/pip install --quiet --requirement $< && touch $@

efficientnet: .venv-efficientnet/.ready ## build EfficientNet-lite0 for 112 and 224 pixels; needs dataset-fashion-mnist
	.venv-efficientnet/bin/python -m tools.models.build_efficientnet
	.venv-efficientnet/bin/python -m tools.models.build_efficientnet --size 224

.venv-efficientnet/.ready: tools/models/requirements-efficientnet.txt
	"$(PYTHON)" -m venv .venv-efficientnet && .venv-efficientnet/bin/pip install --quiet --requirement $< && touch $@

engines: setup .venv-tflite/.ready ## the device on tflite-runtime with numpy 1, and how far its embeddings are from LiteRT's
	tools/engines/run_tflite $(ARGS)

.venv-tflite/.ready: pyproject.toml tools/engines/requirements-tests.txt
	"$(PYTHON311)" -m venv .venv-tflite
	$(BIN)/python -m tools.engines.requirements armv7l > .venv-tflite/requirements.txt
	.venv-tflite/bin/pip install --quiet --disable-pip-version-check --requirement .venv-tflite/requirements.txt --requirement tools/engines/requirements-tests.txt
	.venv-tflite/bin/pip install --quiet --disable-pip-version-check --no-deps --editable . && touch $@

device-only: ## the wheel with base and [edge] only, in a fresh environment: fit, init, run, status
	tools/engines/run_device_only "$(PYTHON)"

clean: ## remove what these targets made, but not the sources
	rm -rf .venv .venv-tflite build dist .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
