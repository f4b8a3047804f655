"""The aligned ratio: the full search agrees, planted copies are found, unseen pictures are not."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ambient.copies import candidates
from ambient.copies.aligned import Neighbors, find_neighbors
from ambient.copies.guises import AUGMENTED, STILL, Orbit, cosines, directions, guises
from ambient.copies.rules import CAP, STRICT, halves, promised, ratio_threshold
from ambient.diffusion.augment import Moves, draw_moves
from ambient.files import InputError
from ambient.images.corpus import Corpus, split_corpus, to_bytes, to_unit
from ambient.images.neighbors import nearest_of_two_groups

Images = NDArray[np.uint8]


def sets(corpus: Corpus, n: int = 100) -> tuple[Images, Images, NDArray[np.int64]]:
    """Training and held-out pictures, and the groups of the first."""
    split = split_corpus(corpus, n, 0)
    return corpus.images[split.train], corpus.images[split.heldout[:400]], np.arange(n)


def aligned(
    queries: Images, train: Images, groups: NDArray[np.int64], orbit: Orbit = STILL, **given: Any
) -> Neighbors:
    return find_neighbors(queries, train, groups, orbit, **given).aligned


def ratios(queries: Images, train: Images, orbit: Orbit = STILL) -> NDArray[np.float32]:
    return aligned(queries, train, np.arange(len(train)), orbit).ratio


def shifted(x: Images, dy: int, dx: int) -> Images:
    """Content moved down and right, the edge going on outward."""
    h, w = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="edge")
    return padded[:, 4 - dy : 4 - dy + h, 4 - dx : 4 - dx + w]


def moved(x: Images, moves: Moves) -> NDArray[np.float32]:
    return moves.apply(torch.from_numpy(to_unit(x))).numpy()


def all_pairs(queries: Images, train: Images, orbit: Orbit = STILL) -> NDArray[np.float32]:
    """Aligned distances (q, n) of every pair, without candidates."""
    asked = directions(to_unit(queries), orbit.hues)
    every = [
        cosines(asked, directions(guise, orbit.hues)) for guise in guises(to_unit(train), orbit)
    ]
    return np.sqrt(np.maximum(2 - 2 * np.max(every, axis=0), 0))


def of_pairs(apart: NDArray[np.float32], groups: NDArray[np.int64]) -> Neighbors:
    rows, nearest = np.arange(len(apart)), apart.argmin(1)
    others = np.where(groups == groups[nearest][:, None], np.inf, apart)
    second = others.argmin(1)
    return Neighbors(nearest, second, apart[rows, nearest], others[rows, second])


def test_all_pairs_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (n, 8, 8, 2), np.uint8) for n in (5, 7))

    def unit(x: Images) -> NDArray[np.float64]:
        flat = x / 127.5 - 1
        return (flat - flat.mean()) / np.linalg.norm(flat - flat.mean())

    apart = np.full((5, 7), np.inf)
    for j, picture in enumerate(b):
        for guise in (picture, picture[:, ::-1]):
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    key = unit(shifted(guise[None], dy, dx)[0])
                    for i, query in enumerate(a):
                        apart[i, j] = min(apart[i, j], np.linalg.norm(unit(query) - key))
    np.testing.assert_allclose(all_pairs(a, b), apart, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "n", "orbit", "budget"),
    [
        ("emoji", 300, STILL, 3e9),
        ("emoji", 60, AUGMENTED, candidates.BUDGET),
        ("digits", 600, STILL, candidates.BUDGET),
    ],
)
def test_candidates_lose_nobody(
    name: str,
    n: int,
    orbit: Orbit,
    budget: float,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    train, unseen, groups = sets(request.getfixturevalue(name), n)
    queries = np.concatenate([unseen[:80], shifted(train[:20, :, ::-1], 1, -2)])
    monkeypatch.setattr(candidates, "BUDGET", budget)
    found, plain = find_neighbors(queries, train, groups, orbit)
    full = of_pairs(all_pairs(queries, train, orbit), groups)
    np.testing.assert_array_equal(found.nearest, full.nearest)
    np.testing.assert_allclose(found.ratio, full.ratio, atol=0.02)
    (d1, d2), (nearest, _) = (
        x.T for x in nearest_of_two_groups(queries.reshape(100, -1), train.reshape(n, -1), groups)
    )
    np.testing.assert_array_equal(plain.ratio < STRICT, d1 / d2 < STRICT)
    assert np.mean(plain.nearest == nearest) >= 0.97


@pytest.mark.parametrize("name", ["emoji", "kanji"])
def test_planted_copies_are_found_and_unseen_pictures_are_not(
    name: str, request: pytest.FixtureRequest
) -> None:
    train, unseen, _ = sets(request.getfixturevalue(name))
    calibration, reporting = halves(len(unseen))
    null = ratios(unseen, train)
    threshold = ratio_threshold(null[calibration])
    assert (null[reporting] < threshold).mean() <= 0.03
    rng = np.random.default_rng(0)
    x = to_unit(train)
    planted = {
        "mirrored": train[:, :, ::-1],
        "shifted": shifted(train, 2, -1),
        "mirrored and shifted": shifted(train[:, :, ::-1], -1, 2),
        "darker": to_bytes(0.7 * x - 0.2),
        "fainter": to_bytes(0.5 * x),
        "noisy": to_bytes(x + 0.1 * rng.standard_normal(x.shape).astype(np.float32)),
    }
    for change, copies in planted.items():
        assert (ratios(copies, train) < threshold).mean() > 0.93, change


def test_a_rule_that_knows_the_orbit_finds_moved_copies(emoji: Corpus) -> None:
    """And one that does not, does not: recolored copies hide."""
    train, unseen, _ = sets(emoji, 50)
    moves = draw_moves(len(train), torch.Generator().manual_seed(0))
    moves = Moves(moves.mirrored, moves.down, moves.right, moves.hue + (moves.hue != 0) * 0.5)
    copies = to_bytes(0.5 * moved(train, moves))  # faint, so that no turned color is clipped
    threshold = ratio_threshold(ratios(unseen[:100], train, AUGMENTED))
    found = ratios(copies, train, AUGMENTED)
    assert (found < threshold).mean() > 0.95
    assert (found < 0.05).mean() > 0.9  # the moves are undone to rounding
    plain = ratio_threshold(ratios(unseen[:100], train))
    assert (ratios(copies, train) < plain).mean() < 0.8


def test_the_best_hue_is_that_of_a_fine_search(emoji: Corpus) -> None:
    train, unseen, _ = sets(emoji)
    train, unseen = train[:6], unseen[:20]
    found = all_pairs(unseen, train, Orbit(hues=True))
    best = np.full(found.shape, np.inf)
    still = torch.zeros(6, dtype=torch.int64)
    asked = directions(to_unit(unseen), hues=False)
    for angle in np.linspace(0, 2 * math.pi, 91):
        turned = moved(train, Moves(still.bool(), still, still, torch.full((6,), float(angle))))
        for guise in guises(turned, STILL):
            alike = cosines(asked, directions(guise, hues=False))
            best = np.minimum(best, np.sqrt(np.maximum(2 - 2 * alike, 0)))
    np.testing.assert_allclose(found, best, rtol=2e-3)


def test_all_eight_turnings_count_where_asked(kanji: Corpus) -> None:
    train, _, groups = sets(kanji, 40)
    turned = np.ascontiguousarray(np.rot90(train, 3, axes=(1, 2))[:, :, ::-1])
    found = aligned(turned, train, groups, Orbit(turns=True))
    np.testing.assert_array_equal(found.nearest, groups)
    assert found.ratio.max() < 0.02
    assert np.median(ratios(turned, train)) > 0.7
    oblong = np.zeros((4, 8, 12, 1), np.uint8)
    with pytest.raises(InputError, match="8x12 pixels have no quarter turns"):
        aligned(oblong, oblong, np.arange(4), Orbit(turns=True))


@pytest.mark.parametrize("channels", [1, 3])
def test_flat_pictures_are_like_none(channels: int) -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (6, 8, 8, channels), np.uint8)
    train[4] = 160
    flat = np.full((1, 8, 8, channels), 12, np.uint8) + (train[:1] > 127)
    for orbit in (STILL, AUGMENTED):
        found = aligned(flat, train, np.arange(6), orbit)
        assert found.ratio[0] == 1
        assert found.d1[0] == pytest.approx(math.sqrt(2), abs=1e-3)
        others = aligned(train[:4], train, np.arange(6), orbit)
        assert (others.nearest == np.arange(4)).all()


def test_twins_and_its_own_group_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (4, 8, 8, 1), np.uint8)
    doubled = np.concatenate([train, train[:1].repeat(200, axis=0)])
    groups = np.array([0, 1, 2, 3, *[0] * 200])
    for values in (candidates.VALUES, 64 * 50 * 16):  # all at once, and 16 pictures at a time
        monkeypatch.setattr(candidates, "VALUES", values)
        found = aligned(train[:1], doubled, groups)
        assert groups[found.nearest[0]] == 0
        assert groups[found.second[0]] != 0
        assert found.ratio[0] < 1e-2
        alone = aligned(train, doubled, groups, own=np.arange(4))
        assert (groups[alone.nearest] != np.arange(4)).all()
        assert (groups[alone.second] != np.arange(4)).all()
        assert (groups[alone.second] != groups[alone.nearest]).all()
    with pytest.raises(InputError, match="form 2 groups of twins; at least 3"):
        aligned(train[:2], train[:2], np.arange(2), own=np.arange(2))
    with pytest.raises(InputError, match="cannot be aligned; read both at one size"):
        aligned(train[:, :4], train, np.arange(4))


def test_blocks_of_queries_change_nothing(digits: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    train, unseen, groups = sets(digits)
    whole = aligned(unseen, train, groups)
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr("ambient.copies.aligned.VALUES", 64 * 150)
    monkeypatch.setattr("ambient.copies.candidates.QUERIES", 70)
    parts = aligned(unseen, train, groups, tell=lambda *said: told.append(said))
    np.testing.assert_array_equal(parts.nearest, whole.nearest)
    np.testing.assert_allclose(parts.ratio, whole.ratio, atol=1e-5)
    assert all(done <= total for _, done, total in told)
    assert len(aligned(unseen[:0], train, groups).d1) == 0


def test_a_threshold_keeps_to_its_false_alarms() -> None:
    ratios = np.linspace(0.3, 0.95, 199, dtype=np.float32)
    assert ratio_threshold(ratios) == ratios[1]
    assert ratio_threshold(ratios, 0.05) == ratios[9]
    assert ratio_threshold(ratios + 0.4) == CAP
    assert ratio_threshold(ratios + 0.4, 0.05) == pytest.approx(ratios[9] + 0.4)
    assert ratio_threshold(ratios[:50]) == ratios[0]  # 1 % of 50 pictures is less than one
    assert promised(100) == 1 / 51
    assert ratio_threshold(ratios[:0]) == STRICT
