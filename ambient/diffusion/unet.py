"""A small U-Net: noisy image and noise level in, image out, in plain PyTorch."""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

GROUP = 16  # channels in one GroupNorm group
READ = 96  # numbers that a word is read as


M = TypeVar("M", bound=nn.Module)


def zeroed(module: M) -> M:
    """The same module, starting at zero: what it adds is nothing until it has learned."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class FourierFeatures(nn.Module):
    """ln(sigma)/4 seen through fixed sine waves, so that a linear layer can tell levels apart."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # ln(sigma)/4 spans about [-1.2, 0.9]; half a period to 16 periods a unit resolve it finely.
        # Named, lest torch.device("meta") import all of torch's compiler for it: two seconds.
        freqs = 2 * math.pi * torch.logspace(-1, 4, dim // 2, base=2.0, device="cpu")
        self.freqs: Tensor
        self.register_buffer("freqs", freqs, persistent=False)

    def forward(self, c_noise: Float[Tensor, " b"]) -> Float[Tensor, "b d"]:
        angle = c_noise[:, None] * self.freqs
        return torch.cat([angle.cos(), angle.sin()], dim=1)


class ResBlock(nn.Module):
    """Two 3x3 convolutions with GroupNorm; the noise level scales and shifts the second norm."""

    def __init__(self, c_in: int, c_out: int, c_emb: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(c_in // GROUP, c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.film = nn.Linear(c_emb, 2 * c_out)
        self.norm2 = nn.GroupNorm(c_out // GROUP, c_out)
        self.conv2 = zeroed(nn.Conv2d(c_out, c_out, 3, padding=1))
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(
        self, x: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"]
    ) -> Float[Tensor, "b k h w"]:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.film(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale)))
        return self.skip(x) + h


class SelfAttention(nn.Module):
    """Every position looks at every other. At 4x4 positions it costs next to nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // 32
        self.norm = nn.GroupNorm(channels // GROUP, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        height = x.shape[2]
        qkv = rearrange(self.qkv(self.norm(x)), "b (n k d) h w -> n b k (h w) d", n=3, k=self.heads)
        q, k, v = qkv.flatten(1, 2)
        # Written out: for 16 positions the fused CPU kernel's backward is slower than this.
        scores = torch.baddbmm(q.new_zeros(()), q, k.mT, beta=0, alpha=q.shape[-1] ** -0.5)
        y = rearrange(scores.softmax(-1).to(v.dtype) @ v, "(b k) n d -> b k n d", k=self.heads)
        return x + self.out(rearrange(y, "b k (h w) d -> b (k d) h w", h=height))


class CrossAttention(nn.Module):
    """Every position looks at the words of a prompt.

    A word of zeros is none and is not seen. Beside the others stands a word that says nothing,
    whose key and value are zero; so no words at all add nothing.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.heads = channels // GROUP
        self.norm = nn.GroupNorm(self.heads, channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Linear(dim, 2 * channels, bias=False)
        self.weights = nn.Identity()  # a forward hook on it sees (b, heads, positions, 1 + words)
        self.out = zeroed(nn.Conv2d(channels, channels, 1, bias=False))

    def forward(
        self, x: Float[Tensor, "b c h w"], words: Float[Tensor, "b t d"], seen: Bool[Tensor, "b t"]
    ) -> Float[Tensor, "b c h w"]:
        height = x.shape[2]
        q = rearrange(self.query(self.norm(x)), "b (k d) h w -> b k (h w) d", k=self.heads)
        kv = self.key_value(F.pad(words, (0, 0, 1, 0)))
        k, v = rearrange(kv, "b t (n k d) -> n b k t d", n=2, k=self.heads)
        scores = q @ k.mT * q.shape[-1] ** -0.5
        scores = scores.masked_fill(~F.pad(seen, (1, 0), value=True)[:, None, None], -math.inf)
        y = self.weights(scores.softmax(-1).to(v.dtype)) @ v
        return x + self.out(rearrange(y, "b k (h w) d -> b (k d) h w", h=height))


class UNet(nn.Module):
    """Three resolutions, of growing numbers of channels.

    Most parameters sit at the coarse levels, where a multiplication by a weight is used on few
    positions; and a `patch` x `patch` pixel-unshuffle in front lets a 32x32 image cost what a
    16x16 one costs. Both buy training steps on a CPU.

    Args:
        channels: image channels c.
        widths: channels at each resolution, the finest first; multiples of 16, the last one of 32.
        patch: 1, 2 or 4; image height and width must be multiples of 4 * patch.
        adds: what skips a level is added on the way back, not concatenated: a tenth fewer
            parameters and a quarter less time, and no worse.
        told: numbers that say how an image was moved (`ambient.diffusion.augment`); 0: no such
            input.
        words: numbers a word of a prompt; 0: no such input.
    """

    def __init__(
        self,
        channels: int,
        widths: tuple[int, int, int],
        patch: int = 1,
        adds: bool = False,
        told: int = 0,
        words: int = 0,
    ) -> None:
        super().__init__()
        width, emb, pixels = widths[0], 4 * widths[0], channels * patch**2
        self.patch, self.adds = patch, adds
        self.embed = nn.Sequential(
            FourierFeatures(width), nn.Linear(width, emb), nn.SiLU(), nn.Linear(emb, emb), nn.SiLU()
        )
        self.stem = nn.Conv2d(pixels, width, 3, padding=1)
        self.encode = nn.ModuleList(ResBlock(w, w, emb) for w in widths)
        steps = list(zip(widths[:-1], widths[1:], strict=True))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in steps)
        self.attention = SelfAttention(widths[-1])
        self.middle = ResBlock(widths[-1], widths[-1], emb)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in steps)
        self.decode = nn.ModuleList(ResBlock(a if adds else 2 * a, a, emb) for a, _ in steps)
        self.norm = nn.GroupNorm(width // GROUP, width)
        self.head = zeroed(nn.Conv2d(width, pixels, 3, padding=1))
        # Last, so that all other weights begin as without it; no bias, so that zeros add nothing.
        self.moved = nn.Linear(told, emb, bias=False) if told else None
        self.read = nn.Linear(words, READ, bias=False) if words else None
        if words:
            self.meant = zeroed(nn.Linear(READ, emb, bias=False))
            self.look = nn.ModuleList(CrossAttention(w, READ) for w in widths[1:])

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        c_noise: Float[Tensor, " b"],
        moves: Float[Tensor, "b m"] | None = None,
        words: Float[Tensor, "b t v"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """F(x, c_noise). A row of zeros among `words` is no word; no words are as None."""
        emb, heard = self.embed[:-1](c_noise), None
        if self.moved is not None and moves is not None:
            emb = emb + self.moved(moves)
        if self.read is not None and words is not None:
            seen = (words != 0).any(-1)
            heard = self.read(words), seen
            emb = emb + self.meant(heard[0].sum(1) / seen.sum(1, keepdim=True).clamp(min=1))
        emb = self.embed[-1](emb)
        x = F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last)
        h, skips = self.stem(x), []
        for level, down in enumerate(self.down):
            h = self._listen(self.encode[level](h, emb), level, heard)
            skips.append(h)
            h = down(h)
        h = self._listen(self.encode[-1](h, emb), len(self.down), heard)
        h = self.middle(self.attention(h), emb)
        for skip, up, decode in zip(skips[::-1], self.up[::-1], self.decode[::-1], strict=True):
            h = up(h)
            h = decode(h + skip if self.adds else torch.cat([h, skip], dim=1), emb)
        return F.pixel_shuffle(self.head(F.silu(self.norm(h))), self.patch)

    def _listen(self, h: Tensor, level: int, heard: tuple[Tensor, Tensor] | None) -> Tensor:
        """The coarse levels look at the words; the finest one never does."""
        return h if heard is None or level == 0 else self.look[level - 1](h, *heard)
