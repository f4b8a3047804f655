"""Evidence: the line and what it counts, rows, search, the map, twins, another run beside."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ambient.files import read_record
from ambient.reports.records import Audit
from ambient.runs.folder import Run, open_run
from tests.files import encoded
from tests.pages.driver import film, press, text, visit
from ui import data, words
from ui.evidence import exhibit, line, map, search, twins
from ui.evidence.exhibit import Exhibit
from ui.evidence.subject import Shelf, Subject

NAME = "emoji-300-standard"


@pytest.fixture(scope="module")
def shown() -> Exhibit:
    return exhibit.stored(open_run(NAME))


def test_a_link_puts_the_line_and_every_frame_counts_its_copies(shown: Exhibit) -> None:
    app = visit("evidence", run=NAME, **{f"ratio-{NAME}": "0.5004"})  # as links were once
    sent = film(app)
    at = line.STEPS.index(0.5)
    assert sent["index"] == at and sent["lines"][at] == 0.5
    share = float((shown.ratios < 0.5).mean())
    assert sent["rows"][0]["numbers"][at] == words.percent(share)
    wrong = int((shown.unseen < 0.5).sum())
    assert f"Of {len(shown.unseen):,} real pictures it never saw, {wrong}" in sent["said"][at]
    usual = film(visit("evidence", run=NAME))
    rule = shown.report.copies.ratio.rated
    assert usual["lines"][usual["index"]] == rule.threshold
    assert usual["rows"][0]["numbers"][usual["index"]] == words.percent(rule.rate)


def test_rows_follow_the_line_and_one_row_is_linked_by_its_seed(shown: Exhibit) -> None:
    seed = shown.seeds[int(np.argsort(shown.ratios)[len(shown.ratios) // 2])]
    for at, says in (("0.05", "resembles"), ("1.00", "= copy")):
        address = {"rows": "One seed", "seed": str(seed), f"ratio-{NAME}": at}
        app = visit("evidence", run=NAME, **address)
        assert says in text(app), at
    assert f"Seed {seed} · ratio {shown.ratios[shown.at[seed]]:.2f}" in text(app)
    app.number_input(key="one-seed").set_value(5000).run()
    assert "Seed 5000 is not stored" in text(app)
    assert app.query_params["seed"] == "5000"


def test_a_row_leads_to_its_search(shown: Exhibit) -> None:
    app = visit("evidence", run=NAME, rows="Median")
    button = next(b for b in app.button if b.label == "Search by this")
    seed = int(button.key.rsplit("-", 1)[1])
    button.click().run()
    assert not app.exception
    assert app.selectbox(key=f"search-generated-{NAME}").value == seed
    assert app.query_params["image"] == f"generated-{seed}"
    app.button_group(key="search-in").set_value("training").run()
    app.selectbox(key=f"search-training-{NAME}").set_value(7).run()
    assert app.query_params["image"] == "training-7"
    worst = shown.seeds[int(shown.ratios.argmin())]
    for no_image in ("training-9999", "uploaded-0", "generated-x", "<b>", "-1"):
        app.query_params["image"] = no_image
        assert app.run().selectbox(key=f"search-generated-{NAME}").value == worst, no_image


def test_search_sees_through_mirrors_and_leaves_the_image_itself_out() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype=np.uint8)
    images[9] = images[4, :, ::-1]
    shelf = Shelf(images, [str(i) for i in range(30)], range(30))
    found = search.nearest(Subject("training", 4, "4", images[4]), "training", shelf)
    assert (found[0].position, found[0].distance) == (9, pytest.approx(0, abs=1e-3))
    assert 4 not in [hit.position for hit in found]
    elsewhere = search.nearest(Subject("training", 4, "4", images[4]), "unseen", shelf)
    assert {hit.position for hit in elsewhere[:2]} == {4, 9}


def test_principal_directions_are_those_of_the_singular_values() -> None:
    rng = np.random.default_rng(1)
    scales = np.array([9.0, 5.0, *[0.5] * 38])
    turn = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    rows = (rng.standard_normal((200, 40)) * scales @ turn + 3).astype(np.float32)
    mean, directions, share = map.principal(rows)
    values, vectors = np.linalg.svd(rows - rows.mean(axis=0))[1:]
    np.testing.assert_allclose(np.abs(directions.T @ vectors[:2].T), np.eye(2), atol=1e-3)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), rel=1e-3)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5)


def test_the_map_puts_each_copy_beside_its_original(shown: Exhibit) -> None:
    at = map.plane(shown).at
    copies = np.flatnonzero(shown.ratios < 0.15)
    originals = [shown.rows[i].nearest for i in copies]
    apart = np.abs(at["generated"][copies] - at["training"][originals])
    others = np.abs(at["generated"][copies] - at["training"][np.roll(originals, 1)])
    assert len(copies) and np.median(apart) < 0.2 * np.median(others)


def test_twins_are_the_groups_of_the_corpus() -> None:
    run = open_run(NAME)
    corpus, found = run.corpus(), twins.of(run)
    sizes = np.unique(corpus.groups, return_counts=True)[1]
    assert sorted(len(g.images) for g in found.groups) == sorted(sizes[sizes > 1].tolist())
    assert max(sum(g.trained) for g in found.groups) == 1  # a split takes one image a group


def test_hostile_files_are_a_line_each_and_the_rest_is_judged(shown: Exhibit) -> None:
    both = shown.sets
    app = visit("evidence", view="Search", run=NAME)
    app.file_uploader(key=search.KEY).set_value(
        [
            ("../../etc/passwd<script>.png", encoded(both.train[3, :, ::-1]), "image/png"),
            ("text.png", b"no picture at all", "image/png"),
            ("moving.png", encoded(both.train[0], "GIF"), "image/png"),
            ("cut.jpg", encoded(both.train[1], "JPEG")[:300], "image/jpeg"),
            ("tiny.png", encoded(both.train[1][:4, :4]), "image/png"),
            ("new.webp", encoded(both.heldout[5], "WEBP"), "image/webp"),
        ]
    ).run()
    assert not app.exception
    names = [e.value.split("'")[1] for e in app.error]
    assert names == ["text.png", "moving.png", "cut.jpg", "tiny.png"]
    assert "1 of these 2 is a copy" in text(app) and "<script>" not in text(app)
    table = app.dataframe[0].value  # a mirrored copy is one too
    assert table["verdict"][0] == "copy"
    assert table["nearest training image"][0] == both.train_names[3]


def test_a_run_without_a_verdict_is_judged_at_a_click_and_sampled_at_any_step(
    monkeypatch: pytest.MonkeyPatch, tiny_run: Run, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "mine")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setattr("ui.evidence.sampling.JUDGED", 24)
    app = visit("evidence", run="mine")
    assert "has no verdict yet" in text(app)
    press(app, "Sample 24 pictures and judge them")
    kept = open_run(tmp_path / "mine").report()
    assert kept is not None and kept.n_samples == 24
    assert film(app)["rows"][0]["scores"]
    app.query_params["view"] = "Sample now"
    app.session_state["view"] = "Sample now"
    app.run()
    first = tiny_run.steps[0]
    next(s for s in app.selectbox if s.label == "Samples").set_value(16)
    next(n for n in app.number_input if n.label == "Steps").set_value(3)
    next(s for s in app.selectbox if s.label == "Trained for").set_value(first)
    press(app, "Sample")
    assert len(film(app)["rows"][0]["scores"]) == 16


# Another run beside it


def _beside(first: str, second: str, **more: str) -> AppTest:
    return visit("evidence", view="Another run", run=first, beside=second, **more)


def _difference(app: AppTest) -> float:
    found = next(m.value for m in app.metric if m.label.startswith("Difference in points"))
    return float(found.replace("−", "-"))


def _copies(name: str) -> dict[int, bool]:
    report = open_run(name).report()
    return {row.seed: row.copy for row in report.samples}


def test_runs_that_differ_in_one_thing_and_the_difference_of_their_pairs() -> None:
    names = (NAME, "emoji-300-ambient-1.0")
    app = _beside(*names, pairs="Both copy")
    assert "**One thing is changed:** way of training (*standard* and *ambient 1*)" in text(app)
    one, other = (_copies(name) for name in names)
    seeds = one.keys() & other.keys()
    change = 100 * sum(other[s] - one[s] for s in seeds) / len(seeds)
    assert _difference(app) == pytest.approx(change, abs=0.051)
    alone = sum(one[s] and not other[s] for s in seeds)
    assert f"the first alone in **{alone:,}**" in text(app)
    alts = [e.proto.imgs[0].alt for e in app.get("image")]
    assert sum("12 of these 12 are copies" in alt for alt in alts) == 2


def test_an_audit_of_any_pictures_stands_beside_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    place = data.audit_example()
    report = read_record(place, Audit)
    audit = SimpleNamespace(name="mine", json=place)
    monkeypatch.setattr("ui.jobs.desk.finished", lambda browser: [audit])
    app = _beside(NAME, "audit: mine")
    assert "not known here" in text(app)
    rates = report.copies.ratio.rate, np.mean([*_copies(NAME).values()])
    assert _difference(app) == pytest.approx(100 * (rates[0] - rates[1]), abs=0.051)
