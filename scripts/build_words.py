"""What the bundled runs with captions draw for some prompts: part of `make assets`.

Writes assets/words/NAME.npz for every bundled run that learned from captions: pictures of the
listed prompts at every guidance, so that the page Words opens without torch.
"""

from __future__ import annotations

import numpy as np
import torch

from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs
from ui.prompts.answers import PACKS
from ui.prompts.asking import both
from ui.prompts.choice import by_lot


def build(run: Run) -> None:
    network = run.denoiser()
    listed = [(prompt, kind) for kind, prompts in by_lot(run).items() for prompt in prompts]
    np.savez_compressed(
        PACKS / f"{run.name}.npz",
        prompts=[prompt for prompt, _ in listed],
        kinds=[kind for _, kind in listed],
        images=np.stack([both(network, run, prompt) for prompt, _ in listed]),
        checkpoint_sha256=run.checkpoint_sha256(),
    )


def main() -> None:
    torch.set_num_threads(1)
    PACKS.mkdir(exist_ok=True)
    for run in list_runs(BUNDLED_RUNS):
        if run.config.text and run.steps:
            build(run)
            print(f"{run.name}: {(PACKS / f'{run.name}.npz').stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
