"""Feature spaces: the same features in any batch, a report that can be recomputed, and downloads.

Nothing is downloaded here: networks with random weights take the place of the trained ones.
"""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum
from torchvision.transforms.functional import normalize

from ambient.copies import features as module
from ambient.copies.features import (
    BACKBONES,
    BATCH,
    DEFAULT,
    DIM,
    FEATURES,
    OFFLINE,
    SPACES,
    WEIGHTS,
    Pretrained,
    encode,
    find_space,
    load_backbone,
    load_dinov2,
    load_encoder,
    read_encoder,
)
from ambient.copies.rules import halves, similarities, similarity_threshold
from ambient.errors import InputError
from ambient.images.corpus import load_corpus, split_corpus, to_rows, to_unit

REPORT = json.loads(WEIGHTS.with_name("report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def emoji() -> NDArray[np.uint8]:
    return load_corpus("emoji").images[:100]


def test_features_do_not_depend_on_batch_or_order(emoji: NDArray[np.uint8]) -> None:
    order = np.random.default_rng(0).permutation(len(emoji))
    features = encode(emoji)  # crosses a batch border
    assert len(emoji) > BATCH
    assert features.shape == (len(emoji), DIM)
    assert features.dtype == np.float32
    np.testing.assert_allclose(encode(emoji[order]), features[order], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(encode(emoji[7:8]), features[7:8], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(encode(emoji), features)


def test_a_mirrored_picture_has_the_same_features(emoji: NDArray[np.uint8]) -> None:
    some = emoji[:50]
    np.testing.assert_allclose(encode(some[:, :, ::-1]), encode(some), rtol=1e-4, atol=1e-4)


def test_gray_and_gray_rgb_agree() -> None:
    gray = load_corpus("digits").images[:20]
    np.testing.assert_array_equal(encode(gray), encode(gray.repeat(3, axis=3)))


def test_encode_is_the_frozen_encoder_on_unit_pictures(emoji: NDArray[np.uint8]) -> None:
    encoder = load_encoder()
    assert encoder is load_encoder()
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    expected = encoder(torch.from_numpy(to_unit(emoji[:10])))
    torch.testing.assert_close(torch.from_numpy(encode(emoji[:10])), expected)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (12, 40, 3), (64, 64, 3)])
def test_any_size_is_accepted(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    assert np.isfinite(encode(images)).all()
    assert encode(images[:0]).shape == (0, DIM)


def test_a_blank_picture_has_features() -> None:
    assert np.isfinite(encode(np.full((1, 32, 32, 3), 255, np.uint8))).all()


def test_the_report_agrees_with_a_recomputation() -> None:
    """Emoji shifted by a pixel, first split, from the corpus and the weights alone."""
    assert REPORT["weights_sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    entry = REPORT["corpora"]["emoji"]
    corpus = load_corpus("emoji")
    first = entry["splits"][0]
    split = split_corpus(corpus, entry["n_train"], first["split_seed"])
    train = corpus.images[split.train]
    keys = encode(train)
    heldout = similarities(encode(corpus.images[split.heldout]), keys)[0]
    calibration, _ = halves(len(heldout), first["split_seed"])
    threshold = similarity_threshold(heldout[calibration])
    padded = np.pad(train, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    moves = [padded[:, k : k + 32, k : k + 32] for k in (0, 2)]
    found = [(similarities(encode(moved), keys)[0] > threshold).mean() for moved in moves]
    told = first["rules"][FEATURES]
    assert REPORT["features"] == FEATURES
    assert entry["sha256"] == corpus.sha256
    assert threshold == pytest.approx(told["threshold"], abs=1e-4)
    # The report drew a diagonal for each picture; here each goes both ways along one.
    assert np.mean(found) == pytest.approx(told["recall"]["shifted 1 px"], abs=0.02)


@pytest.mark.parametrize("change", ["exact", "mirrored", "shifted 1 px", "shifted 2 px"])
def test_the_encoder_finds_copies_that_pixels_miss(change: str) -> None:
    rules = REPORT["corpora"]["emoji"]["mean_over_splits"]
    assert rules[FEATURES]["recall"][change] > 0.85
    assert rules[FEATURES]["recall"][change] >= rules["pixel ratio"]["recall"][change]


def test_the_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size < 3e6


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (np.zeros((2, 32, 32, 3), np.float32), "float32"),
        (np.zeros((2, 32, 32), np.uint8), r"\(2, 32, 32\)"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"\(2, 3, 32, 32\)"),
        (np.zeros((2, 4, 32, 3), np.uint8), "4x32 pixels"),
    ],
)
def test_other_arrays_are_explained(images: NDArray[np.generic], told: str) -> None:
    with pytest.raises(InputError, match=told):
        encode(images)


def test_damaged_weights_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(InputError, match=r"encoder.safetensors.*train_encoder"):
        read_encoder(path)
    path.write_bytes(WEIGHTS.read_bytes()[:1000])
    with pytest.raises(InputError, match="restore the file"):
        read_encoder(path)


def test_the_default_is_the_bundled_encoder(emoji: NDArray[np.uint8]) -> None:
    assert FEATURES == DEFAULT == "encoder-64"
    np.testing.assert_array_equal(encode(emoji[:3], DEFAULT), encode(emoji[:3]))


@pytest.mark.parametrize("name", ["emoji", "digits"])
def test_pixels_are_the_very_rows_that_distances_use(name: str) -> None:
    images = load_corpus(name).images[: BATCH + 6]
    rows = encode(images, "pixels")
    assert rows.dtype == np.float32
    assert rows.shape == (len(images), find_space("pixels").dim_of(images.shape))
    np.testing.assert_array_equal(rows, to_rows(images))
    assert encode(images[:0], "pixels").shape == (0, rows.shape[1])


def test_an_unknown_space_is_answered_with_the_known_ones(emoji: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError) as told:
        encode(emoji[:1], "resnet-18")
    assert all(name in str(told.value) for name in ("resnet-18", *SPACES))


def test_importing_features_leaves_torchvision_alone() -> None:
    code = "import ambient.copies.features, sys; print('torchvision' in sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=WEIGHTS.parents[2], capture_output=True, text=True
    )
    assert out.stdout.strip() == "False", out.stderr


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


def save_state(network: nn.Module, folder: Path, stem: str) -> tuple[Path, str]:
    """A weights file named by the beginning of its hash, as torchvision's are, and that hash."""
    scratch = folder / "scratch.pth"
    torch.save(network.state_dict(), scratch)
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
    path, _ = save_state(network, folder, builder)
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


def test_the_edges_of_a_picture_are_seen() -> None:
    network = Pretrained(nn.Flatten(), 16, (0.0,) * 3, (1.0,) * 3)
    images = torch.zeros(2, 1, 8, 8)
    images[1, :, 0, 0] = 1
    plain, marked = network(images)
    assert not torch.equal(plain, marked)
    assert (marked >= 0).all()
    assert (marked <= 1).all()


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


HUBCONF = """
import torch
dependencies = ["torch"]
class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 384)
    def forward(self, x):
        assert x.shape[1:] == (3, 224, 224)
        return self.linear(x.mean((2, 3)))
def dinov2_vits14(*, pretrained=True):
    assert not pretrained
    print("said on the way")
    return Tiny()
"""


@pytest.fixture
def dinov2_weights(hub: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Linear:
    """The only layer of `HUBCONF`'s network, its weights where those of DINOv2 would be."""
    torch.manual_seed(0)
    tiny = nn.Linear(3, 384)
    path, sha256 = save_state(nn.ModuleDict({"linear": tiny}), hub.parent, "tiny")
    monkeypatch.setattr(module, "DINOV2_URL", path.as_uri())
    monkeypatch.setattr(module, "DINOV2_SHA256", sha256)
    return tiny


def add_code(hub: Path, code: str) -> None:
    """What torch.hub finds where it would unpack the repository."""
    folder = hub / f"facebookresearch_dinov2_{module.DINOV2_COMMIT}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hubconf.py").write_text(code, encoding="utf-8")


def test_dinov2_is_pinned_code_and_safe_weights(
    hub: Path, dinov2_weights: nn.Linear, capsys: pytest.CaptureFixture[str]
) -> None:
    add_code(hub, HUBCONF)
    images = np.zeros((3, 8, 8, 1), np.uint8)
    images[1], images[2] = 255, 51
    rows = encode(images, "dinov2-vits14")
    levels = torch.tensor([0, 1, 0.2])[:, None].repeat(1, 3)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    with torch.inference_mode():
        expected = dinov2_weights((levels - mean) / std)
    torch.testing.assert_close(torch.from_numpy(rows), expected, rtol=1e-4, atol=1e-4)
    assert capsys.readouterr().out == ""  # reports may go there
    assert load_dinov2() is load_dinov2()


@pytest.mark.usefixtures("dinov2_weights")
@pytest.mark.parametrize("code", [None, "import no_such_module", "dinov2_vits14 = dict"])
def test_missing_or_broken_code_of_dinov2_is_explained(hub: Path, code: str | None) -> None:
    if code:
        add_code(hub, code)
    with pytest.raises(InputError, match="code of 'dinov2-vits14'") as told:
        encode(np.zeros((1, 8, 8, 3), np.uint8), "dinov2-vits14")
    line = str(told.value)
    assert "\n" not in line
    assert str(hub / f"facebookresearch_dinov2_{module.DINOV2_COMMIT}") in line
    assert OFFLINE in line


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
