"""The evidence room: its two rules, search, map, twins and a visitor's own pictures."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import asdict
from PIL import Image
from streamlit.testing.v1 import AppTest

from ambient.copies.rules import judge
from ambient.images.corpus import BUNDLED, digest, load_corpus
from ambient.runs import folder as store
from ambient.runs.folder import Run, open_run
from tests.pages.driver import press, text, visit
from ui import data, words
from ui.evidence import (
    agreement,
    embedding,
    encoded,
    evidence,
    exhibit,
    own_pictures,
    ruling,
    search,
    twins,
)
from ui.evidence.encoded import Cloud
from ui.evidence.exhibit import Exhibit, Room, Shelf
from ui.evidence.subject import Subject

ROOT = Path(__file__).resolve().parents[2]
VIEWS = {  # and what only this view says
    "Rows": "From left to right: generated",
    "Two rules": "Both call it a copy",
    "Search": "Generated images, nearest",
    "Twins": "groups of near-duplicates",
    "Your pictures": "Are your pictures copies",
}
NAME = "emoji-300-standard"
RUNS = [r.name for r in store.list_runs(store.BUNDLED_RUNS) if (r.path / "samples.npz").exists()]


def _open(**address: str) -> AppTest:
    """The room as a link opens it, in a fresh session."""
    return visit("evidence", **address)


@pytest.fixture(scope="module")
def run() -> Run:
    return open_run(NAME)


@pytest.fixture(scope="module")
def shown(run: Run) -> Exhibit:
    found = exhibit.stored_exhibit(run)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def room(run: Run, shown: Exhibit) -> Room:
    found = Room.of(run, shown)
    assert found.seen("similarity")
    return found


def test_a_link_shows_the_stored_rates_of_its_rule_and_a_moved_line_is_counted(
    run: Run, shown: Exhibit
) -> None:
    report = run.report()
    assert report is not None
    app = _open(run=NAME, rule="Encoder")
    for rule in ("similarity", "ratio"):
        app.button_group(key="rule").set_value(rule).run()
        stored = words.rated(report, rule)
        null = stored.null
        assert null is not None
        expected = [
            (stored.rate, stored.ci95, ""),
            (stored.heldout_rate, stored.heldout_ci95, f" of {words.checked_on(report):,}"),
            (null.rate, null.ci95, ""),
        ]
        assert len(app.metric) == 3
        for metric, (rate, ci95, of) in zip(app.metric, expected, strict=True):
            assert words.percent(rate) in metric.value
            assert metric.delta == words.interval(ci95) + of
    link = {f"similarity-{NAME}": "0.7"}
    app = _open(run=NAME, rule="Encoder", **link)
    assert "similarity in the encoder > 0.700" in text(app)
    share = np.mean([(r.similarity or 0) > 0.7 for r in shown.rows])
    assert words.percent(share) in app.metric[0].value


def test_one_row_is_linked_by_its_seed(shown: Exhibit) -> None:
    app = _open(run=NAME, rows="One seed", seed="17")
    assert len(app.get("image")) == 1
    assert f"Seed 17 · d1 = {shown.rows[shown.at[17]].d1:.2f}" in text(app)
    app.number_input(key="one-seed").set_value(5000).run()
    assert "Seed 5000 is not stored" in text(app)
    assert app.query_params["seed"] == "5000"
    assert not app.get("image")


def test_random_rows_are_dealt_again_and_linked() -> None:
    app = _open(rows="Random")
    first = text(app)
    press(app, "Draw others")
    assert app.query_params["deal"] == "1"
    dealt = text(app)
    assert dealt != first
    app.query_params["deal"] = "../-7"
    assert text(app.run()) == first
    assert text(_open(rows="Random", deal="1")) == dealt


def test_a_row_leads_to_its_search(shown: Exhibit) -> None:
    app = _open(run=NAME, rows="Median")
    button = next(b for b in app.button if b.label == "Search by this")
    seed = int(button.key.rsplit("-", 1)[1])
    button.click().run()
    assert not app.exception
    assert app.selectbox(key=f"search-generated-{NAME}").value == seed
    assert f"**seed {seed}**" in text(app)
    assert app.query_params["image"] == f"generated-{seed}"
    app.button_group(key="search-in").set_value("training").run()
    app.selectbox(key=f"search-training-{NAME}").set_value(7).run()
    assert app.query_params["image"] == "training-7"
    assert "a training image" in text(app)
    worst = shown.seeds[int(np.argmin([r.ratio for r in shown.rows]))]
    for no_image in ("training-9999", "uploaded-0", "generated-x", "<b>", "-1"):
        app.query_params["image"] = no_image
        assert app.run().selectbox(key=f"search-generated-{NAME}").value == worst, no_image
    link = _open(run=NAME, view="Search", image="training-7")
    assert link.selectbox(key=f"search-training-{NAME}").value == 7


@pytest.mark.parametrize("name", RUNS)
def test_stored_features_give_the_reports_similarities(name: str) -> None:
    run = open_run(name)
    shown = exhibit.stored_exhibit(run)
    assert shown is not None
    seen = Room.of(run, shown).seen("similarity")
    assert seen is not None, "python -m scripts.build_features"
    similar = (seen[1] @ seen[0].train.T).max(axis=1)
    np.testing.assert_allclose(similar, [r.similarity for r in shown.rows], atol=5e-4)
    made = judge(similar, encoded.unseen(run, seen[0]), "similarity")
    rule = shown.verdicts.copies.similarity
    assert rule is not None
    assert made.threshold == pytest.approx(rule.threshold, abs=5e-4)
    assert made.heldout_rate == pytest.approx(rule.heldout_rate, abs=2e-3)
    counted = {k: len(v) for k, v in agreement.sorted_out(shown.rows).items()}
    assert counted == asdict(shown.verdicts.copies.agreement)


@pytest.mark.parametrize("name", BUNDLED)
def test_stored_features_are_the_encoders(name: str) -> None:
    from ambient.copies.features import encode

    corpus = load_corpus(name)
    with np.load(encoded.FOLDER / f"{name}.npz") as stored:
        assert str(stored["images_sha256"]) == corpus.sha256 == digest(corpus.images)
        expected = encode(corpus.images[:8])
        np.testing.assert_allclose(stored["features"][:8], expected, rtol=1e-4, atol=1e-4)


def test_features_of_other_pictures_are_not_used(run: Run, shown: Exhibit) -> None:
    other = shown.images[:50]
    assert encoded.made(run, other, digest(other)) is None


def test_the_encoders_second_is_of_another_twin_group() -> None:
    train = encoded.unit(np.array([[1.0, 0], [1.0, 0.01], [1.0, 1.0], [0.0, 1.0]]))
    made = encoded.unit(np.array([[1.0, 0.0]]))[0]
    found = evidence.by_encoder(Cloud(train, train[3:]), made, np.array([7, 7, 1, 2]))
    assert (found.nearest, found.second, found.unseen) == (0, 2, 0)


def test_search_is_exact_and_leaves_the_image_itself_out() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    images[9] = images[4]
    shelf = Shelf(images, [str(i) for i in range(30)], None)
    subject = Subject("training", 4, "4", images[4], None)
    rows = images.reshape(30, -1).astype(np.float32) / 127.5 - 1
    found = search.nearest(subject, "training", shelf, rows, "ratio")
    distances = np.linalg.norm(rows - rows[4], axis=1)
    distances[4] = np.inf
    assert [r["position"] for r in found] == np.argsort(distances)[: search.SHOWN].tolist()
    assert (found[0]["position"], found[0]["distance"]) == (9, 0.0)
    elsewhere = search.nearest(subject, "unseen", shelf, rows, "ratio")
    assert {elsewhere[0]["position"], elsewhere[1]["position"]} == {4, 9}


def test_principal_directions_are_those_of_the_singular_values() -> None:
    rng = np.random.default_rng(1)
    scales = np.array([9.0, 5.0, *[0.5] * 38])
    turn = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    rows = (rng.standard_normal((200, 40)) * scales @ turn + 3).astype(np.float32)
    mean, directions, share = embedding.principal(rows)
    values, vectors = np.linalg.svd(rows - rows.mean(axis=0))[1:]
    np.testing.assert_allclose(np.abs(directions.T @ vectors[:2].T), np.eye(2), atol=1e-3)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), rel=1e-3)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5)


def test_thumbnails_do_not_overlap_and_none_that_fits_is_missing() -> None:
    at = np.random.default_rng(2).random((400, 2)).astype(np.float32)
    corners = (np.zeros(2, np.float32), np.ones(2, np.float32))
    cell = 1 / np.array([embedding.ACROSS, embedding.DOWN])
    chosen = embedding.apart(at, corners)
    gaps = np.abs(at[chosen][:, None] - at[chosen][None]) / cell
    clear = gaps.max(axis=2) >= 1
    assert (clear | np.eye(len(chosen), dtype=bool)).all()
    left = np.setdiff1d(np.arange(400), chosen)
    assert ((np.abs(at[left][:, None] - at[chosen][None]) / cell).max(axis=2) < 1).any(1).all()


def test_the_map_joins_each_copy_to_its_original(room: Room) -> None:
    plane, rows = embedding.plane(room, "ratio"), room.exhibit.rows
    far = np.ptp(plane.train, axis=0)
    copies = [i for i, r in enumerate(rows) if r.ratio < 0.15]
    assert copies
    originals = [rows[i].nearest for i in copies]
    apart = np.abs(plane.samples[copies] - plane.train[originals]) / far
    others = np.abs(plane.samples[copies] - plane.train[np.roll(originals, 1)]) / far
    assert np.median(apart) < 0.2 * np.median(others)


def test_twins_are_the_groups_of_the_corpus(run: Run) -> None:
    corpus, found = run.corpus(), twins.of(run)
    sizes = np.unique(corpus.groups, return_counts=True)[1]
    assert sorted(len(g.images) for g in found.groups) == sorted(sizes[sizes > 1].tolist())
    assert found.distinct == len(sizes)
    trained = [sum(g.trained) for g in found.groups]
    assert max(trained) == 1  # a split takes one image a group
    split = run.split(corpus)
    doubled = np.isin(corpus.groups[split.train], np.flatnonzero(np.bincount(corpus.groups) > 1))
    assert sum(trained) == doubled.sum()


def _png(image: np.ndarray, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.squeeze()).save(buffer, format)
    return buffer.getvalue()


def _bomb() -> bytes:
    """A PNG of a few bytes that says it has 60000x60000 pixels."""
    small = bytearray(_png(np.zeros((8, 8), np.uint8)))
    small[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return bytes(small)


def test_hostile_files_are_a_line_each_and_the_rest_is_judged(run: Run) -> None:
    both = data.sets(run)
    app = _open(view="Your pictures", run=NAME)
    app.file_uploader(key=own_pictures.KEY).set_value(
        [
            ("../../etc/passwd<script>.png", _png(both.train[3]), "image/png"),
            ("text.png", b"no picture at all", "image/png"),
            ("bomb.png", _bomb(), "image/png"),
            ("moving.png", _png(both.train[0], "GIF"), "image/png"),
            ("cut.jpg", _png(both.train[1], "JPEG")[:300], "image/jpeg"),
            ("tiny.png", _png(both.train[1][:4, :4]), "image/png"),
            ("new.webp", _png(both.heldout[5], "WEBP"), "image/webp"),
        ]
    ).run()
    assert not app.exception
    lines = [e.value for e in app.error]
    assert [line.split("'")[1] for line in lines] == [
        "text.png",
        "bomb.png",
        "moving.png",
        "cut.jpg",
        "tiny.png",
    ]
    assert app.subheader[0].value == "1 of these 2 is a copy"
    assert "<script>" not in text(app)
    assert f"**= copy**] of *{both.train_names[3]}* · ratio **0.00**" in text(app)
    assert len(app.metric) == 3  # no rate of two pictures: the room's own three stay alone
    assert "2 samples are too few" in text(app)


def test_many_pictures_are_all_in_the_table(run: Run) -> None:
    both = data.sets(run)
    pictures = [*both.train[:5], *both.heldout[:5]]
    app = _open(view="Your pictures", run=NAME, rule="Encoder")
    app.file_uploader(key=own_pictures.KEY).set_value(
        [(f"{i}.png", _png(x), "image/png") for i, x in enumerate(pictures)]
    ).run()
    assert not app.exception
    table = app.dataframe[0].value  # of all, where the rows and the gallery show some
    assert sorted(table["picture"]) == [f"{i}.png" for i in range(10)]
    assert set(table[table["copy"]]["nearest training image"]) == set(both.train_names[:5])
    assert len(app.get("image")) == own_pictures.IN_ROWS + 1


def test_a_hundred_pictures_have_a_rate(run: Run, room: Room) -> None:
    both = data.sets(run)
    images = np.concatenate([both.train[:60], both.heldout[:60]])
    judged = own_pictures.judged(run, images, [str(i) for i in range(120)])
    assert room.real is not None
    own = replace(room, exhibit=judged, made=room.real.train[:120])
    found = ruling.applied(own, "ratio", 1 / 3)
    assert found is not None
    assert found.copies[:60].all()
    assert found.copies.sum() <= 62
    assert found.stored.rate == pytest.approx(found.copies.mean())
    alike = ruling.applied(own, "similarity", 0.99)
    assert alike is not None
    assert alike.copies.all()


def test_an_earlier_checkpoint_can_be_sampled_and_compared_in_the_encoder(
    monkeypatch: pytest.MonkeyPatch, tiny_run: Run
) -> None:
    first, last = tiny_run.steps[0], tiny_run.last_step
    assert first < last
    monkeypatch.setenv("AMBIENT_RUNS", str(tiny_run.path.parent))
    app = _open(run=tiny_run.name, rule="Encoder")
    next(s for s in app.selectbox if s.label == "Samples").set_value(16)
    next(n for n in app.number_input if n.label == "Steps").set_value(3)
    next(s for s in app.selectbox if s.label == "Trained for").set_value(first)
    press(app, "Sample")
    assert f"step {first:,}" in text(app)
    assert f"weights {tiny_run.checkpoint_sha256(first)[:8]}" in text(app)
    assert "shown by pixels" in text(app)
    press(app, "Compare in the encoder")
    assert "shown by pixels" not in text(app)
    assert "similarity **" in text(app)


def test_every_view_opens_cold_by_the_encoder_and_without_torch(tmp_path: Path) -> None:
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
for view, says in {VIEWS!r}.items():
    app = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=120).run()
    app.switch_page("pages/evidence.py")
    app.query_params["view"], app.query_params["rule"] = view, "Encoder"
    app.run()
    assert not app.exception, app.exception[0].message
    assert not app.error
    assert any(says in e.value for e in [*app.subheader, *app.markdown, *app.caption]), view
    assert all(e.proto.imgs[0].alt for e in app.get("image"))
    assert all(e.proto.alt for e in app.get("plotly_chart"))
    assert "torch" not in sys.modules, view
assert "faiss" in sys.modules  # the encoder's rule did compare
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": "", "AMBIENT_RUNS": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
