"""Corpora: what is bundled, twins and splits."""

import numpy as np
import pytest

from ambient.files import InputError
from ambient.images.corpus import Corpus, split_corpus, to_bytes, to_unit
from ambient.images.twins import TWIN_RMS, groups_across, twin_groups


def test_bytes_survive_the_unit_range(pixels: np.ndarray) -> None:
    unit = to_unit(pixels)
    assert unit.shape == (20, 3, 8, 8)
    assert unit.min() >= -1
    assert unit.max() <= 1
    np.testing.assert_array_equal(to_bytes(unit), pixels)


def test_bundled_corpora_are_what_the_readme_says(
    emoji: Corpus, digits: Corpus, kanji: Corpus
) -> None:
    assert emoji.images.shape == (1636, 32, 32, 3)
    assert digits.images.shape == (1797, 8, 8, 1)
    assert kanji.images.shape == (6355, 32, 32, 1)
    for corpus in (emoji, digits, kanji):
        assert len(corpus.names) == len(corpus.categories) == len(corpus)
    assert "Flags" not in emoji.categories
    np.testing.assert_array_equal(emoji.groups, twin_groups(emoji.images))


def test_kanji_that_one_stroke_tells_apart_are_no_twins(kanji: Corpus) -> None:
    labels, counts = np.unique(kanji.groups, return_counts=True)
    twins = [kanji.names[i][0] for i in np.flatnonzero(kanji.groups == labels[counts > 1])]
    assert twins == ["鶇", "鶫"]
    known = {name[0]: group for name, group in zip(kanji.names, kanji.groups, strict=True)}
    assert known["大"] != known["犬"] != known["太"]
    assert known["己"] != known["已"] != known["巳"]
    index = np.flatnonzero(np.isin(kanji.groups, [known[c] for c in "鶇大犬太己已巳未末"]))
    few = twin_groups(kanji.images[index])
    assert len(np.unique(few)) == len(few) - 1


def test_twins_are_found_by_brute_force_too(emoji: Corpus) -> None:
    images = emoji.images[500:700]
    flat = to_unit(images).reshape(200, -1)
    mirrored = to_unit(images[:, :, ::-1]).reshape(200, -1)
    close = np.zeros((200, 200), bool)
    for query in (flat, mirrored):
        close |= ((query[:, None] - flat[None]) ** 2).mean(2) < TWIN_RMS**2
    reach = close | close.T | np.eye(200, dtype=bool)
    for _ in range(8):  # single linkage: the closure of "close"
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    np.testing.assert_array_equal(twin_groups(images), reach.argmax(1))


def test_different_faint_pictures_are_no_twins() -> None:
    """Scans, stars: nearly everything is black, and different pictures lie close together."""
    y, x = np.mgrid[:32, :32]
    at = np.array([(i, j) for i in range(3, 30, 4) for j in range(2, 16, 4)]).reshape(-1, 2, 1, 1)
    spots = np.exp(-((y - at[:, 0]) ** 2 + (x - at[:, 1]) ** 2) / 6)
    images = np.rint(90 * spots)[..., None].astype(np.uint8)
    assert twin_groups(images).tolist() == list(range(len(images)))
    noisy = images + np.random.default_rng(0).integers(0, 2, images.shape, dtype=np.uint8)
    groups = twin_groups(np.concatenate([images, noisy]))
    assert (groups[len(images) :] == groups[: len(images)]).all()
    across = groups_across(images, noisy, twin_groups(images) + 7, twin_groups(noisy))
    np.testing.assert_array_equal(across, groups)
    flat = np.full((20, 8, 8, 1), 7, np.uint8)
    assert set(twin_groups(flat).tolist()) == {0}


def test_split_keeps_twins_on_one_side(emoji: Corpus) -> None:
    split = split_corpus(emoji, 300, 0)
    assert len(np.unique(emoji.groups[split.train])) == 300
    assert not set(emoji.groups[split.train]) & set(emoji.groups[split.heldout])
    assert len(split.train) + len(split.heldout) == len(np.unique(emoji.groups))


def test_splits_are_nested_repeatable_and_differ_by_seed(emoji: Corpus) -> None:
    large, small = split_corpus(emoji, 300, 1).train, split_corpus(emoji, 100, 1).train
    np.testing.assert_array_equal(large[:100], small)
    np.testing.assert_array_equal(large, split_corpus(emoji, 300, 1).train)
    assert set(large) != set(split_corpus(emoji, 300, 2).train)


def test_duplicates_are_not_split(pixels: np.ndarray) -> None:
    doubled = np.concatenate([pixels, pixels])
    blank = ("",) * 40
    corpus = Corpus("doubled", doubled, blank, blank, twin_groups(doubled), "")
    with pytest.raises(InputError, match="only 20 distinct"):
        split_corpus(corpus, 30, 0)
