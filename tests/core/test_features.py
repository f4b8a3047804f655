"""The bundled encoder: the same features in any batch, and a report that can be recomputed."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ambient.copies.features import BATCH, DIM, WEIGHTS, encode, features_of, read_encoder
from ambient.copies.judge import similarities
from ambient.copies.rules import halves, similarity_threshold
from ambient.copies.spaces import FEATURES, find_space
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


def test_the_report_agrees_with_a_recomputation() -> None:
    """Emoji shifted by a pixel, first split: `test_stored_features.py` tests those looked up."""
    assert REPORT["weights_sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    entry = REPORT["corpora"]["emoji"]
    corpus = load_corpus("emoji")
    first = entry["splits"][0]
    split = split_corpus(corpus, entry["n_train"], first["split_seed"])
    train = corpus.images[split.train]
    keys = encode(train)
    heldout = similarities(features_of(corpus.images[split.heldout]), keys)[0]
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
