"""What pages show without torch, made from the bundled runs: part of `make assets`.

- microscope: what networks make of two pictures at every noise level, for the page Noise.
- words: what runs with captions draw for the listed prompts, for the page Words.
- features: those of the bundled pictures, by the encoder and by the network that measures quality,
  and of the runs' samples: runs are judged sooner, and pictures compared without a network. Each
  file names by its hash the weights it was made from.
- audit: the example of the page Audit, a bundled run's samples, audited as anybody's.

With names, only those: `python -m scripts.build_stored words audit`.
"""

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ambient.copies import features, imagenet
from ambient.copies.quality import REFERENCE, order_of
from ambient.copies.spaces import FEATURES
from ambient.diffusion.closed_forms import noise_levels
from ambient.files import ASSETS
from ambient.images.corpus import BUNDLED, digest, load_corpus
from ambient.reports import audit as audits
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from ui import data
from ui.microscope import answers as microscope_answers
from ui.microscope.asking import ask
from ui.prompts import answers as words_answers
from ui.prompts.asking import both
from ui.prompts.choice import by_lot

# By corpus: one image all its runs trained on, one that none of them saw. So runs can be compared.
SHOWN = {"emoji": ("sun with face", "bison"), "digits": ("5 (no. 1389)", "2 (no. 1341)")}
# Of any split with up to 300 training images of these, enough for both halves of `reference_of`.
COMPARED = 2 * REFERENCE + 300
AUDITED = "emoji-300-standard"


def write(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    print(f"{path.relative_to(ASSETS.parent)}: {path.stat().st_size // 1000} kB", flush=True)


def trained(text: bool) -> list[Run]:
    """The bundled runs with weights, those with captions or the others."""
    return [run for run in list_runs(BUNDLED_RUNS) if run.steps and run.config.text == text]


def microscope() -> None:
    for run in trained(text=False):
        sets, curves, network = data.sets(run), run.curves(), run.denoiser()
        sigmas = [p.sigma for p in curves.levels] if curves else noise_levels(run.config.cutoff)
        usual = sets.train_names[0], sets.heldout_names[0]
        seen, unseen = SHOWN.get(run.config.corpus, usual)
        positions = [sets.train_names.index(seen), sets.heldout_names.index(unseen)]
        images = sets.train[positions[0]], sets.heldout[positions[1]]
        found = [ask(network, run, image, sigmas) for image in images]
        write(
            microscope_answers.PACKS / f"{run.name}.npz",
            positions=positions,
            sigmas=sigmas,
            guesses=np.stack([a.guesses for a in found]),
            errors=np.stack([a.errors for a in found]),
            returns=np.stack([a.returns for a in found]),
            checkpoint_sha256=run.checkpoint_sha256(),
        )


def words() -> None:
    for run in trained(text=True):
        network = run.denoiser()
        listed = [(prompt, kind) for kind, prompts in by_lot(run).items() for prompt in prompts]
        write(
            words_answers.PACKS / f"{run.name}.npz",
            prompts=[prompt for prompt, _ in listed],
            kinds=[kind for _, kind in listed],
            images=np.stack([both(network, run, prompt) for prompt, _ in listed]),
            checkpoint_sha256=run.checkpoint_sha256(),
        )


def encoded() -> None:
    for name in BUNDLED:
        images = load_corpus(name).images
        _write_features(name, images, np.float32)
        # Of the first pictures by `order_of`: the ones that quality compares with.
        places = np.sort(order_of(images)[:COMPARED])
        write(
            features.FOLDER / f"{name}-imagenet.npz",
            places=places,
            features=imagenet.packed(imagenet.compute(images[places])),
            weights_sha256=np.array(_sha256(imagenet.WEIGHTS)),
        )
    for run in list_runs(BUNDLED_RUNS):
        if stored := run.samples():
            # To be shown, not judged by: cosines change by less than 0.001.
            _write_features(run.name, stored[0], np.float16)


def _write_features(name: str, images: np.ndarray, kind: type[np.floating]) -> None:
    write(
        features.FOLDER / f"{name}.npz",
        features=features.encode(images).astype(kind),
        space=FEATURES,
        images_sha256=digest(images),
        encoder_sha256=_sha256(features.WEIGHTS),
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def audit() -> None:
    run = open_run(AUDITED)
    corpus, kept = run.corpus(), run.samples()
    assert kept is not None
    images, seeds = kept
    split, names = run.split(corpus), np.array(corpus.names)
    with tempfile.TemporaryDirectory() as scratch:
        made, train, unseen = (Path(scratch, f"{s}.npz") for s in ("samples", "training", "unseen"))
        np.savez(made, images=images, names=np.array([f"seed {s}" for s in seeds.tolist()]))
        for path, index in ((train, split.train), (unseen, split.heldout)):
            np.savez(path, images=corpus.images[index], names=names[index])
        found = audits.audit(made, train, unseen, quality=False)
    found.save(ASSETS / "audit" / f"{AUDITED}.json")


PARTS = {"microscope": microscope, "words": words, "features": encoded, "audit": audit}


def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or PARTS:
        if name not in PARTS:
            raise SystemExit(f"'{name}' is not made here; expected {', '.join(PARTS)}.")
        PARTS[name]()


if __name__ == "__main__":
    main()
