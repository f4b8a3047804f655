"""The aligned ratio: brute force agrees, planted copies are found, unseen pictures are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ambient.copies.aligned import (
    AUGMENTED,
    CAP,
    Orbit,
    aligned_neighbors,
    aligned_threshold,
)
from ambient.copies.rules import RATIO_CAP, halves
from ambient.diffusion.augment import Moves, draw_moves
from ambient.files import InputError
from ambient.images.corpus import Corpus, split_corpus, to_unit

Pictures = NDArray[np.float32]


def sets(corpus: Corpus, n: int = 100) -> tuple[Pictures, Pictures, NDArray[np.int64]]:
    """Training and held-out pictures, and the groups of the first."""
    split = split_corpus(corpus, n, 0)
    train, unseen = (to_unit(corpus.images[i]) for i in (split.train, split.heldout[:400]))
    return train, unseen, np.arange(n)


def ratios(queries: Pictures, train: Pictures, orbit: Orbit | None = None) -> Pictures:
    return aligned_neighbors(queries, train, np.arange(len(train)), orbit).ratio


def shifted(x: Pictures, dy: int, dx: int) -> Pictures:
    """Content moved down and right, the edge going on outward."""
    h, w = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (4, 4), (4, 4)), mode="edge")
    return padded[:, :, 4 - dy : 4 - dy + h, 4 - dx : 4 - dx + w]


def moved(x: Pictures, moves: Moves) -> Pictures:
    return moves.apply(torch.from_numpy(x)).numpy()


def test_it_is_the_least_distance_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, 2, 8, 8)).astype(np.float32) for n in (5, 7))
    groups = np.array([0, 0, 2, 3, 4, 5, 6])

    def unit(x: Pictures) -> Pictures:
        x = x - x.mean()
        return x / np.linalg.norm(x)

    apart = np.full((5, 7), np.inf)
    for j, picture in enumerate(b):
        for guise in (picture, picture[..., ::-1]):
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    key = unit(shifted(guise[None], dy, dx)[0])
                    for i, query in enumerate(a):
                        apart[i, j] = min(apart[i, j], np.linalg.norm(unit(query) - key))
    found = aligned_neighbors(a, b, groups)
    np.testing.assert_array_equal(found.nearest, apart.argmin(1))
    np.testing.assert_allclose(found.d1, apart.min(1), rtol=1e-4)
    others = np.where(groups[None] == groups[found.nearest][:, None], np.inf, apart)
    np.testing.assert_array_equal(found.second, others.argmin(1))
    np.testing.assert_allclose(found.d2, others.min(1), rtol=1e-4)


@pytest.mark.parametrize("name", ["emoji", "kanji"])
def test_planted_copies_are_found_and_unseen_pictures_are_not(
    name: str, request: pytest.FixtureRequest
) -> None:
    train, unseen, _ = sets(request.getfixturevalue(name))
    calibration, reporting = halves(len(unseen))
    null = ratios(unseen, train)
    threshold = aligned_threshold(null[calibration])
    assert (null[reporting] < threshold).mean() <= 0.03
    rng = np.random.default_rng(0)
    planted = {
        "mirrored": train[..., ::-1],
        "shifted": shifted(train, 2, -1),
        "mirrored and shifted": shifted(train[..., ::-1], -1, 2),
        "darker": 0.7 * train - 0.2,
        "negative contrast kept": 0.5 * train,
        "noisy": train + 0.1 * rng.standard_normal(train.shape).astype(np.float32),
    }
    for change, copies in planted.items():
        assert (ratios(np.ascontiguousarray(copies), train) < threshold).mean() > 0.93, change


def test_a_rule_that_knows_the_orbit_finds_moved_copies(emoji: Corpus) -> None:
    """And one that does not, does not: recolored copies hide."""
    train, unseen, _ = sets(emoji, 50)
    moves = draw_moves(len(train), torch.Generator().manual_seed(0))
    moves = Moves(moves.mirrored, moves.down, moves.right, moves.hue + (moves.hue != 0) * 0.5)
    copies = moved(train, moves)
    threshold = aligned_threshold(ratios(unseen[:100], train, AUGMENTED))
    found = ratios(copies, train, AUGMENTED)
    assert (found < threshold).mean() > 0.95
    assert (found < 0.02).mean() > 0.95  # the moves are undone to rounding
    plain = aligned_threshold(ratios(unseen[:100], train))
    assert (ratios(copies, train) < plain).mean() < 0.8


def test_the_best_hue_is_that_of_a_fine_search(emoji: Corpus) -> None:
    train, unseen, _ = sets(emoji)
    train, unseen = train[:6], unseen[:20]
    found = aligned_neighbors(unseen, train, np.arange(6), Orbit(hues=True))
    best = np.full(20, np.inf)
    still = torch.zeros(6, dtype=torch.int64)
    for angle in np.linspace(0, 2 * math.pi, 91):
        turned = moved(train, Moves(still.bool(), still, still, torch.full((6,), float(angle))))
        best = np.minimum(best, aligned_neighbors(unseen, turned, np.arange(6)).d1)
    np.testing.assert_allclose(found.d1, best, rtol=2e-3)


def test_all_eight_turnings_count_where_asked(kanji: Corpus) -> None:
    train, _, groups = sets(kanji, 40)
    turned = np.ascontiguousarray(np.rot90(train, 3, axes=(2, 3))[..., ::-1])
    found = aligned_neighbors(turned, train, groups, Orbit(turns=True))
    np.testing.assert_array_equal(found.nearest, groups)
    assert found.ratio.max() < 0.02
    assert np.median(ratios(turned, train)) > 0.7
    oblong = np.zeros((4, 1, 8, 12), np.float32)
    with pytest.raises(InputError, match="8x12 pixels have no quarter turns"):
        aligned_neighbors(oblong, oblong, np.arange(4), Orbit(turns=True))


def test_gray_pictures_have_no_hue(digits: Corpus) -> None:
    train, unseen, groups = sets(digits)
    plain = aligned_neighbors(unseen, train, groups)
    hued = aligned_neighbors(unseen, train, groups, Orbit(hues=True))
    np.testing.assert_array_equal(hued.ratio, plain.ratio)


@pytest.mark.parametrize("channels", [1, 3])
def test_flat_pictures_are_alike_and_unlike_all_others(channels: int) -> None:
    rng = np.random.default_rng(0)
    train = rng.uniform(-1, 1, (6, channels, 8, 8)).astype(np.float32)
    train[4] = 0.3
    flat = np.full((1, channels, 8, 8), -0.9, np.float32) + 0.003 * train[:1]
    for orbit in (Orbit(), AUGMENTED):
        found = aligned_neighbors(flat, train, np.arange(6), orbit)
        assert (found.nearest[0], found.d1[0]) == (4, 0)
        assert found.d2[0] == pytest.approx(math.sqrt(2), abs=1e-3)
        others = aligned_neighbors(train[:4], train, np.arange(6), orbit)
        assert (others.nearest == np.arange(4)).all()
    two = train.copy()
    two[5] = -0.5
    assert ratios(flat, two)[0] == 1  # of two flat ones it copies neither


def test_twins_and_its_own_group_are_left_out() -> None:
    rng = np.random.default_rng(0)
    train = rng.standard_normal((4, 1, 8, 8)).astype(np.float32)
    doubled = np.concatenate([train, train[:1]])
    groups = np.array([0, 1, 2, 3, 0])
    found = aligned_neighbors(train[:1], doubled, groups)
    assert found.second[0] not in (0, 4)
    assert found.ratio[0] < 1e-2
    alone = aligned_neighbors(train, train, np.arange(4), own=np.arange(4))
    assert (alone.nearest != np.arange(4)).all()
    assert (alone.second != np.arange(4)).all()
    with pytest.raises(InputError, match="form 2 groups of twins; at least 3"):
        aligned_neighbors(train[:2], train[:2], np.arange(2), own=np.arange(2))
    with pytest.raises(InputError, match="cannot be aligned; read both at one size"):
        aligned_neighbors(train[:, :, :4], train, np.arange(4))


def test_blocks_of_queries_change_nothing(digits: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    train, unseen, groups = sets(digits)
    whole, told = aligned_neighbors(unseen, train, groups), []
    monkeypatch.setattr("ambient.copies.aligned.BLOCK", 150)
    parts = aligned_neighbors(unseen, train, groups, tell=lambda _, *count: told.append(count))
    np.testing.assert_array_equal(parts.nearest, whole.nearest)
    np.testing.assert_allclose(parts.ratio, whole.ratio, atol=1e-5)
    assert told == [(150, 400), (300, 400), (400, 400)]
    assert len(aligned_neighbors(unseen[:0], train, groups).d1) == 0


def test_a_threshold_keeps_to_its_false_alarms() -> None:
    ratios = np.linspace(0.3, 0.95, 199, dtype=np.float32)
    assert aligned_threshold(ratios) == ratios[1]
    assert aligned_threshold(ratios, 0.05) == ratios[9]
    assert aligned_threshold(ratios + 0.4) == CAP
    assert aligned_threshold(ratios[:50]) == ratios[0]  # 1 % of 50 pictures is less than one
    assert aligned_threshold(ratios[:0]) == RATIO_CAP
