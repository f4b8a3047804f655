"""What the bundled networks make of two images at every noise level: part of `make assets`.

Writes assets/microscope/NAME.npz for every bundled run with curves: the training and the unseen
image that the noise microscope opens with, so that it opens without torch.
"""

from __future__ import annotations

import numpy as np
import torch

from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs
from ui import data, noise
from ui.noise_microscope.answers import PACKS, Answer

# By corpus: one image all its runs trained on, one that none of them saw. So runs can be compared.
SHOWN = {"emoji": ("sun with face", "bison"), "digits": ("5 (no. 1389)", "2 (no. 1341)")}


def build(run: Run) -> None:
    curves = run.curves()
    assert curves is not None
    both, sigmas = data.sets(run), [level.sigma for level in curves.levels]
    network, levels = run.denoiser(), torch.tensor(sigmas)
    seen, unseen = SHOWN[run.config.corpus]
    positions = [both.train_names.index(seen), both.heldout_names.index(unseen)]
    answers = []
    for image in (both.train[positions[0]], both.heldout[positions[1]]):
        noisy = torch.from_numpy(np.stack([noise.at(image, s) for s in sigmas]))
        with torch.inference_mode():
            answers.append([Answer.of(x, image) for x in network(noisy, levels).numpy()])
    np.savez_compressed(
        PACKS / f"{run.name}.npz",
        positions=positions,
        sigmas=sigmas,
        images=np.stack([[a.image for a in row] for row in answers]),
        errors=np.array([[a.error for a in row] for row in answers]),
        checkpoint_sha256=run.checkpoint_sha256(),
    )


def main() -> None:
    torch.set_num_threads(1)
    PACKS.mkdir(exist_ok=True)
    for run in list_runs(BUNDLED_RUNS):
        build(run)
        print(f"{run.name}: {(PACKS / f'{run.name}.npz').stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
