"""Noise: closed forms against torch, stored answers, hostile uploads, the page."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from ambient.diffusion.records import Level
from ambient.files import ASSETS
from ambient.images.corpus import load_corpus, to_unit
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from tests.files import picture
from tests.ideal import ideal
from tests.pages.driver import film, press, ran, visit
from ui import data, live, noise, uploads
from ui.microscope import answers, asking, levels, records
from ui.words import percent

BUNDLED = [run for run in list_runs(BUNDLED_RUNS) if run.steps and not run.config.text]
SMALL, RUN = "digits-50-standard", "emoji-300-ambient-1.0"


# Closed forms


@pytest.mark.parametrize("sigma", [0.02, 0.5, 20.0])
def test_the_perfect_memory_is_that_of_the_core(sigma: float) -> None:
    both = data.sets(open_run("emoji-100-standard"))
    noisy = noise.at(both.heldout[3], sigma)
    found, weights = answers.perfect_memory(noisy, both.train, sigma)
    oracle = ideal(torch.from_numpy(to_unit(both.train)))
    expected = oracle(torch.from_numpy(noisy[None]), torch.tensor([sigma]))[0]
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-3, atol=1e-4)
    assert weights.sum() == pytest.approx(1)


# Stored answers


@pytest.mark.parametrize("run", BUNDLED, ids=lambda r: r.name)
def test_every_bundled_run_stores_the_answers_of_its_own_weights(run: Run) -> None:
    found, curves = answers.pack(run), run.curves()
    assert found is not None
    if curves:
        assert found.sigmas == tuple(p.sigma for p in curves.levels)
    side, count = (run.config.side, run.config.side, run.config.channels), len(found.sigmas)
    for stored in found.answers.values():
        assert stored.guesses.shape == (count, *side)
        assert stored.returns.shape == (count, len(records.SEEDS), *side)


def test_stored_answers_are_what_the_network_says() -> None:
    run = open_run(SMALL)
    found, both = answers.pack(run), data.sets(run)
    assert found is not None
    for kind, images in (("training", both.train), ("unseen", both.heldout)):
        live = asking.ask(run.denoiser(), run, images[found.positions[kind]], found.sigmas)
        stored = found.answers[kind]
        np.testing.assert_allclose(live.errors, stored.errors, rtol=1e-3)
        assert np.abs(live.guesses.astype(int) - stored.guesses).max() <= 1
        assert np.abs(live.returns.astype(int) - stored.returns).max() <= 2


# Words and rows


def test_rows_hold_every_stored_number_and_each_sampling_step_once() -> None:
    curves = open_run("emoji-300-ambient-1.0").curves()
    assert curves is not None
    table = levels.rows(curves)
    assert sum(row["sampling_steps"] for row in table) == len(curves.sampler_sigmas)
    for row, stored in zip(table, curves.levels, strict=True):
        assert row["return_generated"] == stored.return_generated
    text = data.csv_bytes(table).decode()
    assert "return_train_low,return_train_high" in text and "[" not in text


def test_sentences_carry_the_stored_figures() -> None:
    run = open_run("emoji-100-standard")
    curves = run.curves()
    assert curves is not None
    widest = max(curves.levels, key=lambda p: p.gap_ratio)
    measured = levels.in_practice(curves)
    assert f"{widest.gap_ratio:.3g} times" in measured
    near = [s for s in curves.sampler_sigmas if 0.5 <= s / widest.sigma <= 2]
    assert f"{len(near)} of its {len(curves.sampler_sigmas)} steps" in measured
    stored = json.loads((ASSETS / "results" / "suggestion.json").read_text())["rows"]
    splits = [r for r in stored if (r["corpus"], r["n_train"]) == ("emoji", 100)]
    assert levels.reach(curves) == pytest.approx(splits[0]["cutoff"])
    said = levels.in_theory(run, curves)
    assert f"below level {splits[0]['cutoff']:.2g}" in said
    mean = sum(r["cutoff"] for r in splits) / len(splits)
    assert f"averaged over {len(splits)} splits" in said and f"suggests: {mean:.2f}." in said


def test_curves_without_returns_or_sampling_steps_are_told_and_drawn_without() -> None:
    from ui.charts.levels import noise_levels

    curves = open_run(SMALL).curves()
    assert curves is not None
    full = noise_levels(curves, "standard", {})
    gone = {name: None for name in Level.__struct_fields__ if name.startswith("return_")}
    old = replace(
        curves, sampler_sigmas=(), levels=tuple(replace(level, **gone) for level in curves.levels)
    )
    assert "steps" not in levels.in_practice(old)
    titles = {a.text for a in noise_levels(old, "standard", {}).layout.annotations}
    assert {a.text for a in full.layout.annotations} - titles >= {"How many come back from here"}


# A visitor's picture


def test_own_picture_is_read_as_a_folder_of_pictures_is(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(picture(i, (400 - 50 * i, 120)))
    config = open_run("emoji-100-standard").config
    corpus = load_corpus(tmp_path, side=config.side)
    mine = uploads.square((tmp_path / "0.png").read_bytes(), config)
    assert np.array_equal(mine, corpus.images[0])
    gray = open_run(SMALL).config
    assert uploads.square(picture(size=(300, 200), form="WEBP"), gray).shape == (
        gray.side,
        gray.side,
        1,
    )


# The page


def test_the_film_shows_what_is_stored_at_every_level() -> None:
    sent, curves = film(visit("noise", run=RUN)), open_run(RUN).curves()
    assert curves is not None
    assert sent["frames"] == [f"{p.sigma:.2g}" for p in curves.levels]
    assert sent["rows"][0]["numbers"] == [percent(p.return_train or 0) for p in curves.levels]
    assert sent["rows"][1]["numbers"] == [percent(p.return_heldout or 0) for p in curves.levels]
    texts = sent["chart"]["lines"][0]["texts"]
    assert texts == [f"{p.gap_ratio:.3g} times" for p in curves.levels]
    place, name, _ = sent["chart"]["uprights"][0]
    assert (curves.levels[round(place)].sigma, name) == (1.0, "cutoff")


def test_own_picture_takes_the_place_of_the_unseen_one_and_a_bad_one_loses_nothing() -> None:
    app = visit("noise", run=SMALL)
    before = film(app)["film"]
    ran(app.file_uploader(key="own-picture").upload("me.png", b"no picture").run())
    assert len(app.error) == 1 and "PNG, JPEG or WebP" in app.error[0].value
    assert film(app)["film"] == before
    app = visit("noise", run=SMALL)
    ran(app.file_uploader(key="own-picture").upload("me.png", picture()).run())
    assert film(app)["rows"][1]["title"] == "Unseen picture: yours"


def test_a_run_of_ones_own_is_measured_at_a_click(
    monkeypatch: pytest.MonkeyPatch, tiny_run: Run, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "mine")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    few = partial(live.noise_level_curves, images=2, noises=1, returns=2)
    monkeypatch.setattr(live, "noise_level_curves", few)
    app = visit("noise", run="mine", more="true")
    assert film(app)["chart"] is None and not app.get("plotly_chart")
    press(app, "Measure it")
    assert film(app)["chart"] and len(app.get("plotly_chart")) == 1
    assert open_run(tmp_path / "mine").curves()
