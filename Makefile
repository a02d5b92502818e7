# make demo: real recordings become a trained, evaluated model with a report
# make test: the whole test suite, in two processes          make lint: ruff and mypy
# make flink: a job server for the tests that convert on Apache Flink (needs Java and Maven)
# make bench: one table of ratios against what people use (BENCH=--quick: small sizes, 3 minutes)
# make bench-torch: training steps beside PyTorch, in an environment of its own
# make bench-peers: input and conversion beside other loaders and formats, in another
# make lock: the newest versions that fit into requirements/*.lock, which demo and test install from
# PYTHON=python3.12 chooses the interpreter of the virtual environment (3.10 to 3.13).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Exact versions with hashes, where there is a lock file; remove it to install what setup.py allows.
locked = $(if $(wildcard requirements/$1.lock),$(PIP) --require-hashes -r requirements/$1.lock)
LOCK := $(BIN)/uv pip compile setup.py --universal --python-version=3.10 --generate-hashes \
  --no-annotate --no-header --quiet --upgrade
PACKAGES := tfrecords_schema pipeline trainer
DATASET := demo/datasets/watch/1.0.0
FLINK_POM := tests/pipeline/flink/pom.xml
FLINK_JOB_SERVER := build/flink/flink-job-server.jar

.PHONY: demo test lint flink bench bench-torch bench-peers lock clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/python -m benchmarks.results.watch_recordings --output_dir=demo/recordings
	$(BIN)/python -m pipeline --source=signals --input_dir=demo/recordings \
	  --output_dir=demo/datasets --name=watch --overwrite \
	  --sample_rate_hz=50 --window_secs=2 --group_regex='subject_\d+' \
	  --split_regex='(?P<test>subject_0[34])|(?P<validation>subject_08)'
	rm -rf demo/run
	$(BIN)/python -m trainer --dataset=$(DATASET) --run_dir=demo/run --max_minutes=2
	@$(BIN)/python -m benchmarks.results.closing_table --run_dir=demo/run

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES)

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks $(BENCH)

bench-torch: $(VENV)/installed-bench | $(VENV)-torch/installed
	$(BIN)/python -m benchmarks.speed.beside_torch --torch_python=$(VENV)-torch/bin/python $(BENCH)

bench-peers: $(VENV)/installed-bench | $(VENV)-peers/installed
	$(BIN)/python -m benchmarks.speed.beside_loaders --peers_python=$(VENV)-peers/bin/python $(BENCH)

flink: $(FLINK_JOB_SERVER)

lock: | $(VENV)/bin/python
	$(PIP) uv
	$(LOCK) --output-file=requirements/demo.lock
	$(LOCK) --extra=test --constraints=requirements/demo.lock --output-file=requirements/test.lock

clean:
	rm -rf $(VENV) $(VENV)-torch $(VENV)-peers demo build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 13); \
	  ok or sys.exit("error: Python %d.%d found, 3.10 to 3.13 needed; give PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.py | $(VENV)/bin/python
	@echo "Installing TensorFlow, Beam and the rest into $(VENV) (about 700 MB, a minute or two)"
	$(call locked,demo)
	$(PIP) --editable .
	@touch $@

$(VENV)/installed-%: setup.py | $(VENV)/bin/python
	@echo "Installing what 'make $*' needs into $(VENV) (about 700 MB the first time)"
	$(call locked,$*)
	$(PIP) --editable '.[$*]'
	@touch $@ $(VENV)/installed

$(VENV)-torch/installed:
	@echo "Installing PyTorch into $(VENV)-torch, an environment of its own (5 GB)"
	$(PYTHON) -m venv $(VENV)-torch
	$(VENV)-torch/bin/python -m pip install --quiet --disable-pip-version-check numpy torch
	@touch $@

# MosaicML's streaming needs an earlier huggingface-hub than the others take by themselves.
$(VENV)-peers/installed:
	@echo "Installing PyTorch, Grain and other loaders into $(VENV)-peers, an environment of its own (6 GB)"
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check torch grain \
	  array_record mosaicml-streaming webdataset datasets 'huggingface-hub<1'
	@touch $@

$(FLINK_JOB_SERVER): $(FLINK_POM)
	@command -v java > /dev/null && command -v mvn > /dev/null || { \
	  echo "error: Java and Maven are needed: apt-get install openjdk-17-jre-headless maven"; exit 1; }
	@echo "Fetching Beam's Flink runner from Maven Central into build/flink (150 MB)"
	mvn --batch-mode --quiet --file $(FLINK_POM) package
	@touch $@
