"""Small pipelines of diffusers: random weights that make 8x8 pictures in color."""

from pathlib import Path
from typing import Any

import pytest
import torch

diffusers = pytest.importorskip("diffusers")


def unet(**changes: Any) -> Any:
    torch.manual_seed(0)
    made = diffusers.UNet2DModel(
        **{
            "sample_size": 8,
            "block_out_channels": (8, 16),
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            **changes,
        }
    )
    return made.eval()


def save(folder: Path, scheduler: Any = None, network: Any = None) -> Path:
    scheduler = scheduler or diffusers.DDPMScheduler()
    diffusers.DDPMPipeline(network or unet(), scheduler).save_pretrained(str(folder))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """What a folder holds, by path."""
    found = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}
