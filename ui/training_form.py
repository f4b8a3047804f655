"""The form of *Train* from outside of it: its settings and its fields."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ambient.config import CHOICES, FIELDS, PEAK_RATES, Config
from ambient.runs.presets import Preset

SCRATCH = "scratch"  # to start from nothing
OFFERED = [name for name, field in FIELDS.items() if field.offered]
CUTOFF = 1.0  # where one is wanted and none was chosen


def settings(c: Config) -> dict[str, Any]:
    """What the form asks for, as a run has it."""
    asked = {name: getattr(c, name) for name in ("corpus", *OFFERED)}
    return {**asked, "cutoff": c.cutoff or CUTOFF, "start": SCRATCH}


def settings_of(preset: Preset) -> dict[str, Any]:
    """The same of a preset, with the usual values where it says none."""
    usual = {name: CHOICES[name].usual for name in OFFERED}
    chosen = {**usual, "cutoff": CUTOFF, **preset.choices}
    rate = chosen["lr"] or PEAK_RATES[chosen["network"]]
    return {**chosen, "corpus": preset.corpus, "lr": rate, "start": SCRATCH}


def fill(values: Mapping[str, Any]) -> None:
    """Put values into the form, for its next run."""
    st.session_state.update({f"train-{name}": value for name, value in values.items()})


def link(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of an address at which the form, unfolded, holds these values."""
    written = {
        k: str(v).lower() if isinstance(v, bool) else v if isinstance(v, str) else f"{v:g}"
        for k, v in values.items()
        if k != "start" and v is not None
    }
    return {"advanced": "true"} | {f"train-{name}": value for name, value in written.items()}
