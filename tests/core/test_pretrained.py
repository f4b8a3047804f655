"""Networks trained elsewhere: whole weights of one file, or one line that says what to do.

Nothing is downloaded here: networks with random weights take the place of the trained ones.
"""

from __future__ import annotations

import hashlib
import socket
import sys
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum
from torchvision.transforms.functional import normalize

from ambient.copies import pretrained as module
from ambient.copies.features import encode
from ambient.copies.pretrained import BACKBONES, load_backbone, load_dinov2, resized
from ambient.copies.spaces import OFFLINE, SPACES
from ambient.files import InputError


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of torch.hub, and no way to any network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers proxies
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    behind_proxy(monkeypatch, port)
    load_backbone.cache_clear()
    load_dinov2.cache_clear()
    return tmp_path / "hub"


def behind_proxy(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """All requests of urllib go to a port of this machine."""
    for scheme in ("http", "https"):
        for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def save_state(state: dict[str, Any], folder: Path, stem: str) -> tuple[Path, str]:
    """A weights file named by the beginning of its hash, as torchvision's are, and that hash."""
    scratch = folder / "scratch.pth"
    torch.save(state, scratch)
    sha256 = hashlib.sha256(scratch.read_bytes()).hexdigest()
    return scratch.rename(folder / f"{stem}-{sha256[:8]}.pth"), sha256


def stand_in(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WeightsEnum, Path]:
    """A torchvision network's random weights, in a file of `folder` that passes for the trained."""
    weights = models.get_weight(BACKBONES[name].weights)
    torch.manual_seed(0)
    builder = name.replace("-", "_")
    network = models.get_model(builder, weights=None, **BACKBONES[name].options)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1
    network(torch.randn(2, 3, 299, 299))  # else a deep untrained network forgets its pictures
    path, _ = save_state(network.state_dict(), folder, builder)
    monkeypatch.setattr(weights.value, "url", path.as_uri())
    return weights, path


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_give_what_their_last_layer_is_given(
    name: str, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last layer turns the features into what torchvision's own loading of it all answers."""
    weights, path = stand_in(name, hub.parent, monkeypatch)
    seen = weights.transforms()
    side = seen.crop_size[0]
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    images[1] //= 4
    rows = encode(images, name)
    assert rows.dtype == np.float32
    assert rows.shape == (2, SPACES[name].dim)
    assert (hub / "checkpoints" / path.name).read_bytes() == path.read_bytes()
    network = models.get_model(name.replace("-", "_"), weights=weights).eval()
    unit = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        expected = network(normalize(unit, seen.mean, seen.std))
        found = network.get_submodule(BACKBONES[name].last)(torch.from_numpy(rows))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert (expected[0] - expected[1]).abs().max() > 0.05


def test_backbones_take_any_size_gray_and_batch(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = stand_in("resnet18", hub.parent, monkeypatch)
    gray = np.random.default_rng(0).integers(0, 256, (5, 12, 40, 1), dtype=np.uint8)
    rows = encode(gray, "resnet18")
    path.unlink()  # the network stays in memory
    assert load_backbone("resnet18") is load_backbone("resnet18")
    np.testing.assert_array_equal(encode(gray.repeat(3, axis=3), "resnet18"), rows)
    np.testing.assert_allclose(encode(gray[3:4], "resnet18"), rows[3:4], rtol=1e-4, atol=1e-4)
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert encode(gray[:0], "resnet18").shape == (0, 512)
    assert not any(p.requires_grad for p in load_backbone("resnet18").parameters())


def test_a_broken_download_leaves_nothing_behind(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = stand_in("resnet18", hub.parent, monkeypatch)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="could not be fetched.*invalid hash"):
        encode(np.zeros((1, 8, 8, 3), np.uint8), "resnet18")
    assert not list((hub / "checkpoints").iterdir())
    path.write_bytes(whole)
    assert encode(np.zeros((1, 8, 8, 3), np.uint8), "resnet18").shape == (1, 512)


def test_another_file_under_the_name_is_refused(hub: Path) -> None:
    path = hub / "checkpoints" / "resnet18-f37072fd.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a download")
    with pytest.raises(InputError, match=r"resnet18-f37072fd.pth.*expected f37072fd.*delete it"):
        encode(np.zeros((1, 8, 8, 3), np.uint8), "resnet18")


@pytest.mark.parametrize("name", [name for name, space in SPACES.items() if not space.offline])
def test_without_a_network_one_line_says_what_to_do(name: str, hub: Path) -> None:
    with pytest.raises(InputError) as told:
        encode(np.zeros((1, 8, 8, 3), np.uint8), name)
    line = str(told.value)
    assert "\n" not in line
    for part in (name, "https://", ".pth", "network once", str(hub / "checkpoints"), OFFLINE):
        assert part in line
    assert OFFLINE == "encoder-64 or pixels"


def test_a_silent_server_is_given_up(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    before = socket.getdefaulttimeout()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        behind_proxy(monkeypatch, silent.getsockname()[1])
        with pytest.raises(InputError, match="timed out"):
            encode(np.zeros((1, 8, 8, 3), np.uint8), "resnet18")
    assert socket.getdefaulttimeout() == before


def test_dinov2_is_timms_network_with_its_own_weights(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights in a file like DINOv2's, for pictures of 518 pixels, seen at 224."""
    torch.manual_seed(0)
    trained = timm.create_model("vit_small_patch14_dinov2", img_size=518, num_classes=0).eval()
    state = trained.state_dict()
    assert state["pos_embed"].shape == (1, 1 + 37 * 37, 384)
    state["mask_token"] = torch.zeros(1, 384)
    path, sha256 = save_state(state, hub.parent, "dinov2")
    monkeypatch.setattr(module, "DINOV2_URL", path.as_uri())
    monkeypatch.setattr(module, "DINOV2_SHA256", sha256)
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    rows = torch.from_numpy(encode(images, "dinov2-vits14"))
    assert load_dinov2() is load_dinov2()
    seen = timm.create_model("vit_small_patch14_dinov2", img_size=224, num_classes=0).eval()
    del state["mask_token"]
    seen.load_state_dict(state | {"pos_embed": resized(state["pos_embed"], 16)})
    unit = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        tokens = seen.forward_features(normalize(unit, module.IMAGENET_MEAN, module.IMAGENET_STD))
    torch.testing.assert_close(rows, tokens[:, 0], rtol=1e-4, atol=1e-4)


def test_positions_are_interpolated_between_the_trained_ones() -> None:
    """A grid that rises evenly still does, and its token stays."""
    grid = torch.linspace(0, 1, 37).repeat_interleave(37)
    found = resized(torch.cat([torch.tensor([9.0]), grid])[None, :, None], 16)[0, :, 0]
    assert found[0] == 9
    rows = found[1:].view(16, 16)
    torch.testing.assert_close(rows, rows[:, :1].expand(16, 16))
    steps = rows[1:-1, 0].diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=0.05, atol=0)


def test_without_timm_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    load_dinov2.cache_clear()
    with pytest.raises(InputError, match=r"timm; run `pip install -r requirements-models.txt`"):
        encode(np.zeros((1, 8, 8, 3), np.uint8), "dinov2-vits14")


def test_weights_that_would_run_code_are_not_loaded(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (hub.parent / "sprung",)  # type: ignore[return-value]

    scratch = hub.parent / "trap.pth"
    torch.save({"conv1.weight": Trap()}, scratch)
    sha256 = hashlib.sha256(scratch.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="more or less than plain weights"):
        module.fetch_weights("resnet18", scratch.as_uri(), sha256)
    assert not (hub.parent / "sprung").exists()
