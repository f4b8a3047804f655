"""Looked-up features are the encoder's own, and only while its weights are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ambient.copies import stored as stored_features
from ambient.copies.features import encode
from ambient.copies.stored import features_of
from ambient.images.corpus import Corpus


def test_bundled_pictures_and_others_get_the_encoders_features(emoji: Corpus) -> None:
    mixed = np.concatenate([emoji.images[500:503], 255 - emoji.images[:2], emoji.images[7:8]])
    np.testing.assert_allclose(features_of(mixed), encode(mixed), rtol=1e-4, atol=1e-4)
    for none in (mixed[:0], mixed[3:5]):
        np.testing.assert_array_equal(features_of(none), encode(none))


def test_bundled_pictures_are_not_encoded_again(
    digits: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def counted(images: np.ndarray, features: str) -> np.ndarray:
        asked.append(len(images))
        return encode(images, features)

    monkeypatch.setattr(stored_features, "encode", counted)
    features_of(np.concatenate([digits.images[:50], 255 - digits.images[:3]]))
    assert asked == [3]


def test_features_of_other_weights_are_not_used(
    tmp_path: Path, emoji: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "encoder.safetensors"
    other.write_bytes(b"retrained")
    monkeypatch.setattr(stored_features, "WEIGHTS", other)
    stored_features._stored.cache_clear()
    try:
        assert not stored_features._stored(emoji.images.shape[1:])
    finally:
        stored_features._stored.cache_clear()
