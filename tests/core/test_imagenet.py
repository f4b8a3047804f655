"""EfficientNet-Lite0: ours is the packages' network, and its features see what they should."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ambient.copies.imagenet import (
    DIM,
    WEIGHTS,
    Conv,
    compute,
    imagenet_features,
    load_efficientnet,
    read_efficientnet,
)
from ambient.files import InputError
from ambient.images.corpus import Corpus, load_corpus


@pytest.mark.parametrize("name", ["emoji", "kanji", "digits"])
def test_features_are_those_of_the_package_it_came_from(name: str) -> None:
    with np.load(WEIGHTS.with_name("expected.npz")) as expected:
        images = load_corpus(name).images[expected[f"{name}_places"]]
        np.testing.assert_allclose(compute(images), expected[name], rtol=0, atol=1e-2)


def test_padding_is_tensorflows() -> None:
    """Each output sees the input around stride * its place, at any size: ceil(side / stride)."""
    conv = Conv(1, 1, 3, 2, bias=False).requires_grad_(False)
    conv.weight[:] = 1.0
    x = torch.rand(1, 1, 5, 8, generator=torch.Generator().manual_seed(0))
    padded = F.pad(x, (0, 1, 1, 1))  # odd sides: one on each end; even ones: at the end alone
    torch.testing.assert_close(conv(x), F.conv2d(padded, conv.weight, stride=2))


def test_it_is_small_bounded_and_sees_pictures_alone(emoji: Corpus) -> None:
    assert WEIGHTS.stat().st_size < 10_000_000
    assert sum(p.numel() for p in load_efficientnet().parameters()) == 3_350_000
    rows = imagenet_features(emoji.images[:5])
    assert rows.shape == (5, DIM)
    assert rows.min() >= 0
    assert rows.max() <= 6
    np.testing.assert_allclose(imagenet_features(emoji.images[2:3]), rows[2:3], atol=1e-4)
    assert imagenet_features(emoji.images[:0]).shape == (0, DIM)


def test_what_is_no_picture_and_no_weights_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"images are float64 \(2, 8, 8, 3\); expected uint8"):
        imagenet_features(np.zeros((2, 8, 8, 3)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="does not hold the weights of EfficientNet-Lite0"):
        read_efficientnet(tmp_path / "none.safetensors")
    whole = WEIGHTS.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="restore the file"):
        read_efficientnet(tmp_path / "cut.safetensors")
