"""Networks trained elsewhere: whole weights of one file, or one line that says what to do.

Nothing is downloaded here: networks with random weights take the place of the trained ones.
"""

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
from torchvision.transforms.functional import normalize

from ambient.copies import pretrained as module
from ambient.copies.features import encode
from ambient.copies.pretrained import DINOV2, fetch_weights, load_dinov2, resized
from ambient.copies.spaces import OFFLINE
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
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    load_dinov2.cache_clear()
    return tmp_path / "hub"


def save_state(state: dict[str, Any], folder: Path, stem: str) -> tuple[Path, str]:
    """A weights file, and its hash."""
    scratch = folder / "scratch.pth"
    torch.save(state, scratch)
    sha256 = hashlib.sha256(scratch.read_bytes()).hexdigest()
    return scratch.rename(folder / f"{stem}.pth"), sha256


def test_a_broken_download_leaves_nothing_behind(hub: Path) -> None:
    path, sha256 = save_state({"weight": torch.ones(1000)}, hub.parent, "some")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="could not be fetched.*invalid hash"):
        fetch_weights("some", path.as_uri(), sha256)
    assert not list((hub / "checkpoints").iterdir())
    path.write_bytes(whole)
    assert (fetch_weights("some", path.as_uri(), sha256)["weight"] == 1).all()
    assert (hub / "checkpoints" / path.name).read_bytes() == whole
    path.unlink()  # it is kept
    assert fetch_weights("some", path.as_uri(), sha256).keys() == {"weight"}


def test_without_a_network_one_line_says_what_to_do(hub: Path) -> None:
    with pytest.raises(InputError) as told:
        encode(np.zeros((1, 8, 8, 3), np.uint8), DINOV2)
    line = str(told.value)
    assert "\n" not in line
    for part in (DINOV2, "https://", ".pth", "network once", str(hub / "checkpoints"), OFFLINE):
        assert part in line
    assert OFFLINE == "encoder-64 or pixels"


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
    rows = torch.from_numpy(encode(images, DINOV2))
    assert load_dinov2() is load_dinov2()
    assert not any(p.requires_grad for p in load_dinov2().parameters())
    gray = images[:, :12, :40, :1]
    np.testing.assert_array_equal(encode(gray.repeat(3, axis=3), DINOV2), encode(gray, DINOV2))
    assert encode(gray[:0], DINOV2).shape == (0, 384)
    seen = timm.create_model("vit_small_patch14_dinov2", img_size=224, num_classes=0).eval()
    del state["mask_token"]
    seen.load_state_dict(state | {"pos_embed": resized(state["pos_embed"], 16)})
    unit = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        tokens = seen.forward_features(normalize(unit, module.IMAGENET_MEAN, module.IMAGENET_STD))
    torch.testing.assert_close(rows, tokens[:, 0], rtol=1e-4, atol=1e-4)


def test_without_timm_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    load_dinov2.cache_clear()
    with pytest.raises(InputError, match=r"timm; run `pip install -r requirements-models.txt`"):
        encode(np.zeros((1, 8, 8, 3), np.uint8), DINOV2)


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
        fetch_weights("some", scratch.as_uri(), sha256)
    assert not (hub.parent / "sprung").exists()
