"""Networks of other libraries, to be timed beside ours: needs requirements-bench.txt.

Each network is made of its library's own class and blocks, and has as many parameters as ours of
width 48, within 10 %, as it is and behind our pixel-unshuffle. Kinds of blocks, optimizer, loss and
clipping of gradients are those of the library's examples.

Not of its examples: they have tens of millions of parameters. To be as small as ours, width, number
of levels and blocks a level are chosen here, and with them where attention is. Only smalldiffusion
exports the loop that it trains by; the steps of the other two are written here after their trainer
and tutorial, without the moving average, learning rate schedule, loading of pictures and mixed
precision around them. All train on the CPU, at their loop's usual learning rate.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ambient.files import InputError

Step = Callable[[], object]


@dataclass(frozen=True)
class Peer:
    """One library."""

    name: str  # as on the package index
    module: str  # what `import` takes
    network: Callable[[int, int], nn.Module]  # (channels, side) -> its network
    # (network, x, sigma) -> its output, of the shape of x
    answer: Callable[[nn.Module, Tensor, Tensor], Tensor]
    # (network, images, batch) -> one step as its users train
    train: Callable[[nn.Module, Tensor, int], Step]

    def require(self) -> None:
        """Raises InputError where the library is not installed."""
        if importlib.util.find_spec(self.module) is None:
            raise InputError(
                f"'{self.name}' is not installed; pip install -r requirements-bench.txt."
            )


class Adapted(nn.Module):
    """A peer's network as ours is called, F(x, c_noise), behind a pixel-unshuffle by `patch`."""

    def __init__(self, peer: Peer, channels: int, side: int, patch: int) -> None:
        super().__init__()
        self.network = peer.network(channels * patch**2, side // patch)
        self.answer, self.patch = peer.answer, patch

    def forward(
        self, x: Float[Tensor, "b c h w"], c_noise: Float[Tensor, " b"]
    ) -> Float[Tensor, "b c h w"]:
        x = F.pixel_unshuffle(x, self.patch)
        return F.pixel_shuffle(self.answer(self.network, x, (4 * c_noise).exp()), self.patch)


def _smalldiffusion(channels: int, side: int) -> Any:
    from smalldiffusion import Unet

    network: Any = Unet(
        side, channels, channels, ch=32, ch_mult=(1, 2, 2), num_res_blocks=1,
        embed_ch_mult=6, attn_resolutions=(side // 2,),
    )  # fmt: skip
    return network


def _train_smalldiffusion(network: nn.Module, images: Tensor, batch: int) -> Step:
    """Its `training_loop`, which yields once a step."""
    from smalldiffusion import ScheduleLogLinear, diffusion, training_loop
    from torch.utils.data import DataLoader

    data: Any = images
    loader: Any = DataLoader(data, batch, shuffle=True, drop_last=True)
    diffusion.tqdm = iter  # no progress bar into our own
    here = diffusion.Accelerator(cpu=True)  # where the others are, on a machine with a GPU too
    schedule = ScheduleLogLinear(N=500)
    loop = training_loop(loader, network, schedule, accelerator=here, epochs=10**6)
    return lambda: next(loop)


def _ddp(channels: int, side: int) -> Any:
    from denoising_diffusion_pytorch import Unet

    network: Any = Unet(dim=28, dim_mults=(1, 2, 2), channels=channels)
    return network


def _train_ddp(network: nn.Module, images: Tensor, batch: int) -> Step:
    """The body of its `Trainer`, without the moving average."""
    from denoising_diffusion_pytorch import GaussianDiffusion

    diffusion = GaussianDiffusion(network, image_size=images.shape[-1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.9, 0.99))

    def step() -> None:
        loss = diffusion((images[torch.randint(len(images), (batch,))] + 1) / 2)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _diffusers(channels: int, side: int) -> Any:
    from diffusers import UNet2DModel

    network: Any = UNet2DModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    return network


def _train_diffusers(network: nn.Module, images: Tensor, batch: int) -> Step:
    """The loop of its unconditional training tutorial, without accelerate."""
    from diffusers import DDPMScheduler

    scheduler: Any = DDPMScheduler(num_train_timesteps=1000)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step() -> None:
        clean = images[torch.randint(len(images), (batch,))]
        noise, times = torch.randn_like(clean), torch.randint(1000, (batch,))
        predicted = network(scheduler.add_noise(clean, noise, times), times).sample
        F.mse_loss(predicted, noise).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def _time(sigma: Tensor) -> Tensor:
    """A noise level as the step of 1,000 that their sine embeddings expect: 500 at sigma 1."""
    return (1000 * sigma / (1 + sigma)).clamp(0, 999)


PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            "smalldiffusion",
            "smalldiffusion",
            _smalldiffusion,
            lambda network, x, sigma: network(x, sigma),
            _train_smalldiffusion,
        ),
        Peer(
            "diffusers",
            "diffusers",
            _diffusers,
            lambda network, x, sigma: network(x, _time(sigma)).sample,
            _train_diffusers,
        ),
        Peer(
            "denoising-diffusion-pytorch",
            "denoising_diffusion_pytorch",
            _ddp,
            lambda network, x, sigma: network(x, _time(sigma)),
            _train_ddp,
        ),
    )
}
