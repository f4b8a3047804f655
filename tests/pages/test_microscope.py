"""The noise microscope: closed forms against torch, stored pictures, hostile uploads, the page."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from PIL import Image
from streamlit.testing.v1 import AppTest

from ambient.diffusion import denoiser
from ambient.diffusion.records import Level
from ambient.files import ASSETS, InputError
from ambient.images.corpus import load_corpus, to_unit
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from tests.pages.driver import pictures, press, ran, text, visit
from ui import data, noise, uploads
from ui.noise_microscope import answers, levels

BUNDLED = list_runs(BUNDLED_RUNS)
SMALL, RUN = "digits-50-standard", "emoji-100-standard"


def _curves(name: str) -> Any:
    found = open_run(name).curves()
    assert found is not None
    return found


def _captions(app: AppTest) -> list[str]:
    return [e.proto.imgs[0].caption for e in app.get("image")]


def _asks(app: AppTest) -> list[str]:
    return [b.key for b in app.button if b.label == "Ask the network"]


@pytest.fixture(scope="module")
def page() -> AppTest:
    """As it opens; read, never moved."""
    return visit("noise", run=RUN)


# Closed forms


@pytest.mark.parametrize("sigma", [0.02, 0.5, 20.0])
def test_the_perfect_memory_is_that_of_the_core(sigma: float) -> None:
    both = data.sets(open_run("emoji-100-standard"))
    noisy = noise.at(both.heldout[3], sigma)
    found, weights = answers.perfect_memory(noisy, both.train, sigma)
    oracle = denoiser.ideal(torch.from_numpy(to_unit(both.train)))
    expected = oracle(torch.from_numpy(noisy[None]), torch.tensor([sigma]))[0]
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-3, atol=1e-4)
    assert weights.sum() == pytest.approx(1)


def test_at_low_noise_a_perfect_memory_answers_with_the_training_image() -> None:
    both = data.sets(open_run("emoji-100-standard"))
    found, weights = answers.perfect_memory(noise.at(both.train[5], 0.2), both.train, 0.2)
    answer = answers.Answer.of(found, both.train[5])
    assert np.array_equal(answer.image, both.train[5])
    assert answer.error < 1e-10
    assert weights.argmax() == 5


# Stored pictures


@pytest.mark.parametrize("run", BUNDLED, ids=lambda r: r.name)
def test_every_bundled_run_stores_the_answers_of_its_own_weights(run: Run) -> None:
    found = answers.pack(run)
    assert found is not None
    assert found.checkpoint_sha256 == run.checkpoint_sha256()
    sigmas = [p.sigma for p in _curves(run.name).levels]
    assert all(list(found.answers[kind]) == sigmas for kind in answers.KINDS)


def test_stored_answers_are_what_the_network_says() -> None:
    from ui.noise_microscope import live_denoiser

    run = open_run(SMALL)
    found, both = answers.pack(run), data.sets(run)
    assert found is not None
    for kind, images in (("training", both.train), ("unseen", both.heldout)):
        sigmas = list(found.answers[kind])
        live = live_denoiser.answers(run, run.last_step, images[found.positions[kind]], sigmas)
        stored = found.answers[kind].values()
        np.testing.assert_allclose([a.error for a in live], [a.error for a in stored], rtol=1e-3)
        for a, b in zip(live, stored, strict=True):
            assert np.abs(a.image.astype(int) - b.image).max() <= 1


def test_stored_answers_are_small() -> None:
    assert sum(p.stat().st_size for p in answers.PACKS.iterdir()) < 2**20


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
    assert levels.returned(old.levels[0]) is None
    assert "steps" not in levels.in_practice(old)
    titles = {a.text for a in noise_levels(old, "standard", {}).layout.annotations}
    assert {a.text for a in full.layout.annotations} - titles >= {"How many come back from here"}


# A visitor's picture


def _encoded(size: tuple[int, int], form: str, mode: str = "RGB") -> bytes:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form)
    return buffer.getvalue()


def _bomb(side: int) -> bytes:
    """A PNG of a few bytes that says it is enormous."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("run", ["emoji-100-standard", SMALL])
def test_own_picture_has_the_size_of_the_run(run: str, form: str) -> None:
    config = open_run(run).config
    image = uploads.square(_encoded((300, 200), form), config)
    assert image.shape == (config.side, config.side, config.channels)
    assert image.dtype == np.uint8


def test_own_picture_is_read_as_a_folder_of_pictures_is(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(_encoded((400 - 50 * i, 120), "PNG"))
    config = open_run("emoji-100-standard").config
    corpus = load_corpus(tmp_path, side=config.side)
    mine = uploads.square((tmp_path / "0.png").read_bytes(), config)
    assert np.array_equal(mine, corpus.images[0])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"no picture at all", "not a readable picture"),
        (b"", "not a readable picture"),
        (_encoded((40, 40), "GIF"), "not a readable picture"),
        (_encoded((40, 40), "PNG")[:200], "not a readable picture"),
        (_bomb(9_000), "million"),
        (_bomb(100_000), "picture"),
        (_encoded((7, 40), "PNG"), "at least"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * (10 * 2**20), "MB"),
    ],
)
def test_hostile_upload_is_one_clear_line(content: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        uploads.square(content, open_run(SMALL).config)


# The page


def test_zero_clicks_show_both_images_as_network_and_memory_see_them(page: AppTest) -> None:
    run = open_run(RUN)
    widest = data.widest_gap(_curves(RUN))
    assert f"{widest.gap_ratio:.3g} times" in page.subheader[0].value
    found = answers.pack(run)
    assert found is not None
    for kind in answers.KINDS:
        error = found.answers[kind][widest.sigma].error
        assert any(f"error {error:.2g}" in c for c in _captions(page) if "network" in c)
    assert not _asks(page)
    said = levels.returned(widest)
    assert said and said in text(page)
    assert widest.return_heldout == 0 and levels.tells_little(widest) == ""


def test_moving_the_level_changes_numbers_and_pictures(page: AppTest) -> None:
    level = _curves(RUN).levels[0]
    app = visit("noise", run=RUN)
    ran(app.select_slider(key="sigma").set_value(level.sigma).run())
    assert f"{level.gap_ratio:.3g} times" in app.subheader[0].value
    said = levels.returned(level)
    assert said and said in text(app)
    assert level.return_heldout > 0.9 and levels.tells_little(level) in text(app)
    noisy = [{u for alt, u in pictures(a).items() if alt.startswith("Noisy")} for a in (app, page)]
    assert not noisy[0] & noisy[1]


def test_a_link_opens_run_level_and_images() -> None:
    app = visit("noise", run="emoji-300-standard", sigma="1.34", training="llama", unseen="bread")
    assert "1.3, unseen" in app.subheader[0].value
    alts = "\n".join(pictures(app))
    assert "training image: llama" in alts and "unseen image: bread" in alts


def test_an_earlier_network_is_asked_and_told_apart_from_the_curves() -> None:
    app = visit("noise", run="emoji-300-standard", step="1800")
    assert app.selectbox(key="step").value == 1800
    assert _asks(app) == ["ask-training", "ask-unseen"]
    assert "Curves and rates are of step 18,000, the pictures of step 1,800." in text(app)


@pytest.mark.parametrize(("asked", "first"), [({"sigma": "1"}, 1.0), ({}, None)])
def test_a_level_of_another_run_gives_way_to_the_nearest_or_the_widest_gap(
    asked: dict[str, str], first: float | None
) -> None:
    app = visit("noise", run="emoji-100-ambient-1.0", **asked)
    widest = [data.widest_gap(_curves(n)).sigma for n in ("emoji-100-ambient-1.0", RUN)]
    assert app.select_slider(key="sigma").value == (first or widest[0])
    ran(app.selectbox(key="run").set_value(RUN).run())
    assert app.select_slider(key="sigma").value == (0.99239 if first else widest[1])


def test_the_network_is_asked_in_one_click() -> None:
    app = visit("noise", run=SMALL, sigma="0.544", training="0 (no. 1002)")
    press(app, "ask-training")
    assert not _asks(app)
    run = open_run(SMALL)
    both = data.sets(run)
    image = both.train[both.train_names.index("0 (no. 1002)")]
    x = torch.from_numpy(noise.at(image, 0.54434)[None])
    with torch.inference_mode():
        clean = run.denoiser()(x, torch.tensor([0.54434]))
    error = ((clean - torch.from_numpy(to_unit(image[None]))) ** 2).mean()
    assert any(f"error {error:.2g}" in c for c in _captions(app) if "network" in c)


@pytest.mark.parametrize(("kind", "sigma", "home"), [("training", "0.02", 6), ("unseen", "20", 0)])
def test_clone_test_brings_back_what_it_must(kind: str, sigma: str, home: int) -> None:
    app = visit("noise", run=SMALL, sigma=sigma, clone=kind)
    press(app, "Run the clone test")
    assert f"{home} of 6 came back" in text(app)


def test_own_picture_takes_the_place_of_the_unseen_one_and_a_bad_one_loses_nothing() -> None:
    app = visit("noise", run=SMALL)
    before = set(pictures(app))
    ran(app.file_uploader(key="own-picture").upload("me.png", b"no picture").run())
    assert len(app.error) == 1
    assert "PNG, JPEG or WebP" in app.error[0].value
    assert set(pictures(app)) == before
    app = visit("noise", run=SMALL)
    ran(app.file_uploader(key="own-picture").upload("me.png", _encoded((50, 60), "PNG")).run())
    assert "unseen image: your image" in pictures(app)
    assert _asks(app) == ["ask-unseen"]
