# Two commands on a fresh machine: `make run` and `make test`. The environment lives in .venv.
PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8501
# A CPU-only torch is smaller: make run TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
SPEC   ?= assets/sweeps/emoji-100/spec.json
# A Ray cluster's address: make sweep RAY=host:6379 (docs/scale.md)
RAY    ?=
# Another checkout, to be timed as well: make performance BEFORE=../before
BEFORE ?=

BIN = $(VENV)/bin
export PYTHONPATH := $(CURDIR)

.PHONY: run test lint assets corpora encoder features sweep protocol measurements planted results \
        performance scale \
        screenshots docker soak clean

run: $(VENV)/.run                ## open the explorer
	$(BIN)/streamlit run app.py --server.port $(PORT)

test: $(VENV)/.test              ## all tests, the browser's too where there is a Chromium
	@sh scripts/chromium.sh
	$(BIN)/python -m pytest -m "not browser" -n 2 --dist loadgroup
	@if sh scripts/chromium.sh --check; then $(BIN)/python -m pytest -m browser; \
	else echo "NOTE: the browser tests did not run: no Chromium here and no right to install one."; fi

lint: $(VENV)/.test              ## layout, lint and types
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

corpora: $(VENV)/.test           ## rebuild assets/corpora from its sources
	$(BIN)/python scripts/build_corpora.py

encoder: $(VENV)/.test           ## retrain assets/encoder
	$(BIN)/python scripts/train_encoder.py

features: $(VENV)/.run           ## what the encoder makes of bundled pictures, into assets/features
	$(BIN)/python scripts/build_features.py

assets: $(VENV)/.run             ## train, judge and store the runs of assets/runs.json; resumable
	$(BIN)/python scripts/build_runs.py
	$(BIN)/python scripts/build_microscope.py
	$(BIN)/python scripts/build_features.py

sweep: $(VENV)/.run              ## train and judge every run of SPEC into its table (hours; resumable)
	$(BIN)/python scripts/build_sweep.py $(SPEC) $(if $(RAY),--ray $(RAY))

protocol: $(VENV)/.run           ## measure copies of the n = 300 runs by a protocol fixed beforehand
	$(BIN)/python scripts/protocol.py

measurements: $(VENV)/.run       ## suggested cutoffs, surgery, cost and onset, for docs/results.md
	$(BIN)/python scripts/measure.py

planted: $(VENV)/.run            ## audits of planted copies, and the example on the page Audit
	$(BIN)/python scripts/planted.py

performance: $(VENV)/.test       ## time it beside other libraries, into docs/performance.md
	$(BIN)/python -m pip install --quiet -r requirements-bench.txt
	$(BIN)/python -m ambient bench --json assets/results/bench.json $(if $(BEFORE),--before $(BEFORE))
	$(BIN)/python scripts/after_click.py
	$(BIN)/python scripts/samplers.py
	$(BIN)/python scripts/performance.py

scale: $(VENV)/.run              ## what a million images would cost, into docs/scale.md
	$(BIN)/python scripts/scale.py

results: $(VENV)/.run            ## docs/results.md from the bundled tables and measurements
	$(BIN)/python scripts/results.py

soak: $(VENV)/.run               ## twenty visitors for five minutes; runs killed at random moments
	$(BIN)/python scripts/soak.py
	$(BIN)/python scripts/soak_worker.py

screenshots: $(VENV)/.test       ## docs/screenshots from a running app
	$(BIN)/python scripts/screenshots.py

docker:                          ## build the image and run it, its runs in a volume
	docker build $(if $(TORCH_INDEX),--build-arg TORCH_INDEX=$(TORCH_INDEX)) -t ambient-explorer .
	docker run --rm -p 127.0.0.1:$(PORT):8501 -v ambient-runs:/home/user/runs ambient-explorer

clean:                           ## forget the environment
	rm -rf $(VENV)

$(VENV)/.run: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet --index-url $(TORCH_INDEX) torch torchvision)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.test: requirements-dev.txt requirements-models.txt requirements-ray.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@
