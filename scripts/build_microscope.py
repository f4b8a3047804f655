"""What the bundled networks make of two pictures at every noise level: part of `make assets`.

Writes assets/microscope/NAME.npz for every bundled run with weights: the training and the unseen
picture that the page Noise opens with, so that it opens without torch.
"""

from __future__ import annotations

import numpy as np
import torch

from ambient.diffusion.closed_forms import noise_levels
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs
from ui import data
from ui.microscope.answers import PACKS
from ui.microscope.asking import ask

# By corpus: one image all its runs trained on, one that none of them saw. So runs can be compared.
SHOWN = {"emoji": ("sun with face", "bison"), "digits": ("5 (no. 1389)", "2 (no. 1341)")}


def build(run: Run) -> None:
    both, curves = data.sets(run), run.curves()
    sigmas = [p.sigma for p in curves.levels] if curves else noise_levels(run.config.cutoff)
    seen, unseen = SHOWN.get(run.config.corpus, (both.train_names[0], both.heldout_names[0]))
    positions = [both.train_names.index(seen), both.heldout_names.index(unseen)]
    network = run.denoiser()
    found = [
        ask(network, run, image, sigmas)
        for image in (both.train[positions[0]], both.heldout[positions[1]])
    ]
    np.savez_compressed(
        PACKS / f"{run.name}.npz",
        positions=positions,
        sigmas=sigmas,
        guesses=np.stack([a.guesses for a in found]),
        errors=np.stack([a.errors for a in found]),
        returns=np.stack([a.returns for a in found]),
        checkpoint_sha256=run.checkpoint_sha256(),
    )


def main() -> None:
    torch.set_num_threads(1)
    PACKS.mkdir(exist_ok=True)
    for run in list_runs(BUNDLED_RUNS):
        if run.steps and not run.config.text:
            build(run)
            print(f"{run.name}: {(PACKS / f'{run.name}.npz').stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
