# Two commands on a fresh machine: `make run` and `make test`. The environment lives in .venv.
PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8501
# A CPU-only torch is smaller: make run TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
SPEC   ?= assets/sweeps/emoji-100/spec.json
SWEPT   = runs/sweeps/$(notdir $(patsubst %/,%,$(dir $(SPEC))))
# A Ray cluster's address: make sweep RAY=host:6379 (docs/scale.md)
RAY    ?=

BIN = $(VENV)/bin
PY  = $(BIN)/python
# Not compiled: of the many files that come, few are ever imported, and those are compiled then.
PIP = $(PY) -m pip install --quiet --no-compile
export PYTHONPATH := $(CURDIR)

.PHONY: run test tests check lint layout types order chromium assets corpora encoder sweep quality \
        measurements trials results performance screenshots pages docker soak size clean

run: $(VENV)/.run                ## open the explorer
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: lint tests                 ## everything: lint and all tests, the browser's where there is one
tests: $(VENV)/.test chromium
	$(PY) -m pytest -rs -n 2

chromium:
	@sh scripts/chromium.sh

check: lint                      ## lint, types and the core's tests
	$(PY) -m pytest -n 2 tests/core

lint: layout types order         ## layout, lint, types and the order of the rooms
layout: $(VENV)/.test
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
types: $(VENV)/.test
	$(BIN)/mypy
order: $(VENV)/.test
	$(BIN)/lint-imports

corpora: $(VENV)/.test           ## rebuild assets/corpora from its sources
	$(PY) -m scripts.build_corpora

encoder: $(VENV)/.test           ## retrain assets/encoder
	$(PY) -m scripts.train_encoder

assets: $(VENV)/.run             ## train, judge and store the runs of assets/runs.json; resumable
	$(PY) -m scripts.build_runs
	$(PY) -m scripts.build_stored

sweep: $(VENV)/.run              ## train and judge every run of SPEC into its table (hours; resumable)
	$(PY) -m ambient sweep --spec $(SPEC) --out $(SWEPT) $(if $(RAY),--ray $(RAY),--workers 2)
	cp $(SWEPT)/table.json $(SWEPT)/records.npz $(dir $(SPEC))

quality: $(VENV)/.run            ## which measures of quality may be believed, into docs/quality.md
	$(PY) -m scripts.quality

measurements: $(VENV)/.run       ## suggested cutoffs, surgery and onset, for docs/results.md
	$(PY) -m scripts.measure

trials: $(VENV)/.run             ## audits whose answer is known, for docs/audit.md
	OMP_NUM_THREADS=1 $(PY) -m scripts.audit_trials

results: $(VENV)/.run            ## docs/results.md and other figures from what is stored
	$(PY) -m scripts.results

performance: $(VENV)/.test       ## time it beside other libraries, into docs/performance.md
	$(PIP) -r requirements-bench.txt
	$(PY) -m ambient bench --json assets/results/bench.json
	$(PY) -m scripts.after_click
	$(PY) -m scripts.in_browser
	$(PY) -m scripts.samplers
	$(PY) -m scripts.performance

soak: $(VENV)/.run               ## twenty visitors for five minutes; runs killed at random moments
	$(PY) -m scripts.soak
	$(PY) -m scripts.soak_worker

screenshots: $(VENV)/.test       ## docs/screenshots from a running app
	$(PY) -m scripts.screenshots

pages: $(VENV)/.test             ## words, controls and first screens of every page, in Chromium
	$(PY) -m scripts.first_screens

size: $(VENV)/.test              ## lines, rooms, arrows and circles of the project
	$(PY) -m scripts.size

docker:                          ## build the image and run it, its runs in a volume
	docker build $(if $(TORCH_INDEX),--build-arg TORCH_INDEX=$(TORCH_INDEX)) -t ambient-explorer .
	docker run --rm -p 127.0.0.1:$(PORT):8501 -v ambient-runs:/home/user/runs ambient-explorer

clean:                           ## forget the environment
	rm -rf $(VENV)

define environment
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) torch torchvision)
endef

$(VENV)/.run: requirements.txt
	$(environment)
	$(PIP) -r $<
	@touch $@

EXTRAS = requirements-models.txt requirements-text.txt requirements-ray.txt requirements-dev.txt
$(VENV)/.test: requirements.txt $(EXTRAS)
	$(environment)
	$(PIP) $(^:%=-r %)
	@touch $@ $(VENV)/.run
