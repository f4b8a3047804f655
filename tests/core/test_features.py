"""The bundled encoder: the same features in any batch, and a report that can be recomputed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ambient.copies.features import BATCH, DIM, WEIGHTS, encode, read_encoder
from ambient.copies.judge import similarities
from ambient.copies.rules import halves, similarity_threshold
from ambient.copies.spaces import FEATURES, SPACES, find_space
from ambient.files import InputError
from ambient.images.corpus import load_corpus, split_corpus, to_rows

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


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (12, 40, 3), (64, 64, 3)])
def test_any_size_is_accepted(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    assert np.isfinite(encode(images)).all()
    assert encode(images[:0]).shape == (0, DIM)


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
