"""Looked-up features are the encoder's own, and only while its weights are the same."""

from pathlib import Path

import numpy as np
import pytest

from ambient.copies import features as stored_features
from ambient.copies import imagenet
from ambient.copies.features import encode, features_of
from ambient.images.corpus import Corpus


def test_bundled_pictures_and_others_get_the_encoders_features(emoji: Corpus) -> None:
    mixed = np.concatenate([emoji.images[500:503], 255 - emoji.images[:2], emoji.images[7:8]])
    np.testing.assert_allclose(features_of(mixed), encode(mixed), rtol=1e-4, atol=1e-4)
    for none in (mixed[:0], mixed[3:5]):
        np.testing.assert_array_equal(features_of(none), encode(none))


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


@pytest.mark.parametrize("name", ["emoji", "digits"])
def test_stored_features_of_the_judging_network_are_its_own_to_a_byte(
    name: str, request: pytest.FixtureRequest
) -> None:
    corpus: Corpus = request.getfixturevalue(name)
    known = imagenet._stored(corpus.images.shape[1:])
    some = np.stack([x for x in corpus.images[:60] if bytes(x) in known][:16])
    assert len(some) == 16
    np.testing.assert_allclose(imagenet.imagenet_features(some), imagenet.compute(some), atol=0.025)
