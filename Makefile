.DEFAULT_GOAL := help
.PHONY: help install format lint types imports check test test-fast gpu docs lowest faults mutants demo pictures wheels changelog ci

help: ## Print these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Install the workspace and the development tools from uv.lock
	uv sync --locked

format: ## Format the code and mend what ruff can mend
	uv run ruff check --fix
	uv run ruff format

lint: ## Check format and lint
	uv run ruff format --check
	uv run ruff check

types: ## Check types (pyright, strict)
	uv run pyright

imports: ## Check that the packages import one another only as they may
	uv run lint-imports

check: lint types imports ## All of the above checks

test: ## Run all tests
	uv run pytest -n auto --dist loadgroup

test-fast: ## Run the tests that take seconds
	uv run pytest -n auto --dist loadgroup -m "not e2e"

gpu: ## Run what needs a GPU: tests and measurements; says that it skipped without one
	uv run pytest -m gpu -rs tests/gmai_model/test_gpu.py tests/gmai_model/test_chat.py tests/gmai_bench/backends/test_local.py
	@uv run python benchmarks/gpu_training.py --out gpu.json || echo "gpu.json was not written"

docs: ## Build the docs into site/, and check their links, pages and commands
	uv run mkdocs build --strict
	uv run pytest tests/workspace/test_docs.py

lowest: ## Run the tests that take seconds with the oldest versions that the packages name
	.ci/lowest

faults: ## Kill, damage, fill up and deceive runs on purpose, and print what was lost (a group of parts a core; --only does a part)
	uv run python .ci/faults.py

mutants: ## Put small faults into the code where a mistake costs most; the tests must notice them (an hour)
	.ci/mutants

demo: ## Run the whole loop on phantoms; writes gmai-demo/
	uv run gmai demo

pictures: ## Draw the pictures of README and docs from the pages of gmai-demo/, in Chromium
	uv run .ci/pictures.py gmai-demo

wheels: ## Build the four packages and prove each wheel alone in a clean environment
	rm -rf dist
	uv build --quiet --all-packages --no-sources --out-dir dist
	uv run --no-sync python .ci/check_wheels.py dist

changelog: ## Show the coming changelog entry of each package
	@for package in packages/*; do echo "# $${package#packages/}"; (cd $$package && uv run --no-sync scriv print); done

ci: ## Everything, as CI runs it
	.ci/run
