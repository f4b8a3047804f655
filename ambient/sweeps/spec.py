"""What a sweep trains: every arm with every seed, which is also its split.

A spec is a JSON object:

    {"common": {"corpus": "emoji", "n_train": 100, "steps": 3500},
     "arms": [{"arm": "standard"}, {"arm": "ambient", "cutoff": 1.0}],
     "seeds": [0, 1, 2], "stages": 5, "samples": 400}

Seeds differ in everything that chance decides. Choices in an arm go before those in `common`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from ambient.config import CHOICES, Config, Seed, check, configure
from ambient.files import InputError, Record, read_record
from ambient.images.captions import captioned
from ambient.images.corpus import Corpus, load_corpus

GIVEN = set(CHOICES) - {"seed", "split_seed", "checkpoint_every"}  # which follow from the spec
Positive = Annotated[int, Meta(ge=1)]


class Spec(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a spec's file says; `configure` checks the choices."""

    about: str = ""
    common: dict[str, Any] = {}
    arms: Annotated[list[dict[str, Any]], Meta(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0,)
    stages: Positive = 5
    samples: Positive = 400


@dataclass(frozen=True)
class Sweep:
    """A spec, checked: its jobs by name, each the config of a run."""

    jobs: dict[str, Config]
    stages: int  # checkpoints judged of each run, evenly spaced, the last at its end
    samples: int  # images a judged stage

    def stages_of(self, config: Config) -> list[int]:
        """The steps of a run that are judged."""
        return sorted({*(config.checkpoint_every * k for k in range(1, self.stages)), config.steps})


def read_sweep(path: Path) -> Sweep:
    """Read and check a spec, before anything is trained.

    Raises:
        InputError: not a spec, or a run that could not be trained: which one, and why.
    """
    spec = read_record(path, Spec)
    if spec is None:
        raise InputError(f"'{path}' does not exist; expected a sweep's spec (JSON).")
    jobs: dict[str, Config] = {}
    for seed in spec.seeds:
        for arm in spec.arms:
            name, config = _job(path, {**spec.common, **arm}, seed, spec.stages)
            if name in jobs:
                raise InputError(f"'{path}' asks for '{name}' twice; make its arms differ.")
            jobs[name] = config
    return Sweep(jobs, spec.stages, spec.samples)


def _job(path: Path, choices: dict[str, Any], seed: int, stages: int) -> tuple[str, Config]:
    if unknown := sorted(set(choices) - GIVEN):
        known = ", ".join(sorted(GIVEN))
        raise InputError(f"'{path}' has the choice '{unknown[0]}'; expected some of {known}.")
    choices = dict(choices)
    try:
        place = check("corpus", choices.pop("corpus", CHOICES["corpus"].usual))
        corpus = images_of(place, choices.get("text", False))
        steps = check("steps", choices.get("steps", CHOICES["steps"].usual))
        config = configure(
            corpus, seed=seed, split_seed=seed, checkpoint_every=max(1, steps // stages), **choices
        )
    except InputError as e:
        raise InputError(f"'{path}', run {choices} with seed {seed!r}: {e}") from e
    extra = "".join(f"-{k}-{choices[k]}" for k, c in CHOICES.items() if c.named and k in choices)
    return f"{config.label}{extra}-seed-{seed}", config


def images_of(place: str, text: bool) -> Corpus:
    """The images of a run, with their captions where it is trained with text."""
    corpus = load_corpus(place)
    return captioned(corpus) if text else corpus
