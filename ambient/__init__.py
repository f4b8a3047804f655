"""Ambient: train small diffusion models, corrupt their data on purpose, and measure what they copy.

The names below load on first use, so that `import ambient` costs milliseconds and pages that
show stored results never pay for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Config": "config",
    "Corpus": "images.corpus",
    "InputError": "files",
    "Model": "models.adapters",
    "audit": "library",
    "corrupt": "library",
    "evaluate": "reports.evaluate",
    "find_copies": "copies.rules",
    "load_corpus": "images.corpus",
    "load_pipeline": "models.pipelines",
    "noise_level_curves": "reports.curves",
    "open_run": "runs.folder",
    "sample": "library",
    "suggest_cutoff": "library",
    "train": "library",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ambient' has no attribute {name!r}")
    return getattr(import_module(f"ambient.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
