"""The noise microscope: closed forms against torch, stored pictures, hostile uploads, the page."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from ambient.diffusion import denoiser
from ambient.errors import InputError
from ambient.images.corpus import ASSETS, load_corpus, to_unit
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from ui import data, noise
from ui.noise_microscope import levels, microscope, own_image

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = list_runs(BUNDLED_RUNS)
SMALL = "digits-50-standard"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)


def _open(app: AppTest, **address: str) -> AppTest:
    app.run()
    app.switch_page("pages/noise_microscope.py")
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def _pictures(app: AppTest) -> dict[str, str]:
    """Addresses of all pictures, by their alternative text."""
    return {e.proto.imgs[0].alt: e.proto.imgs[0].url for e in app.get("image")}


def _captions(app: AppTest) -> list[str]:
    return [e.proto.imgs[0].caption for e in app.get("image")]


def _page_text(app: AppTest) -> str:
    return "\n".join(e.value for e in [*app.subheader, *app.markdown, *app.caption])


# Closed forms


@pytest.mark.parametrize("sigma", [0.02, 0.5, 3.0, 20.0])
def test_posterior_and_ideal_are_those_of_the_core(sigma: float) -> None:
    both = data.sets(open_run("emoji-100-standard"))
    noisy = noise.at(both.heldout[3], sigma)
    x, images = torch.from_numpy(noisy[None]), torch.from_numpy(to_unit(both.train))
    level = torch.tensor([sigma])
    weights = microscope.posterior(noisy, both.train, sigma)
    oracle = denoiser.posterior(x, images, level**2)[0]
    torch.testing.assert_close(torch.from_numpy(weights), oracle, rtol=1e-3, atol=1e-5)
    found = microscope.ideal(noisy, weights, both.train)
    expected = denoiser.ideal(images)(x, level)[0]
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-3, atol=1e-4)


def test_blocks_of_training_images_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    both = data.sets(open_run(SMALL))
    noisy = noise.at(both.heldout[0], 2.0)
    whole = microscope.posterior(noisy, both.train, 2.0)
    mean = microscope.ideal(noisy, whole, both.train)
    monkeypatch.setattr(microscope, "BLOCK", 7)
    np.testing.assert_allclose(microscope.posterior(noisy, both.train, 2.0), whole, rtol=1e-6)
    np.testing.assert_allclose(microscope.ideal(noisy, whole, both.train), mean, atol=1e-6)


def test_at_low_noise_a_perfect_memory_answers_with_the_training_image() -> None:
    both = data.sets(open_run("emoji-100-standard"))
    noisy = noise.at(both.train[5], 0.2)
    weights = microscope.posterior(noisy, both.train, 0.2)
    answer = microscope.Answer.of(microscope.ideal(noisy, weights, both.train), both.train[5])
    assert np.array_equal(answer.image, both.train[5])
    assert answer.error < 1e-10


# Stored pictures


@pytest.mark.parametrize("run", BUNDLED, ids=lambda r: r.name)
def test_every_bundled_run_stores_the_answers_of_its_own_weights(run: Run) -> None:
    found = microscope.pack(run)
    assert found is not None
    assert found.checkpoint_sha256 == run.checkpoint_sha256()
    sigmas = [p["sigma"] for p in (run.curves() or {})["levels"]]
    assert all(list(found.answers[kind]) == sigmas for kind in microscope.KINDS)


def test_stored_answers_are_what_the_network_says() -> None:
    from ui.noise_microscope import live_denoiser

    run = open_run(SMALL)
    found, both = microscope.pack(run), data.sets(run)
    assert found is not None
    for kind, images in (("training", both.train), ("unseen", both.heldout)):
        sigmas = list(found.answers[kind])
        live = live_denoiser.answers(run, run.last_step, images[found.positions[kind]], sigmas)
        stored = found.answers[kind].values()
        np.testing.assert_allclose([a.error for a in live], [a.error for a in stored], rtol=1e-3)
        for a, b in zip(live, stored, strict=True):
            assert np.abs(a.image.astype(int) - b.image).max() <= 1


def test_stored_answers_are_small() -> None:
    assert sum(p.stat().st_size for p in microscope.PACKS.iterdir()) < 2**20


# Words and rows


def test_rows_hold_every_stored_number_and_each_sampling_step_once() -> None:
    curves = open_run("emoji-300-ambient-1.0").curves()
    assert curves is not None
    table = levels.rows(curves)
    assert sum(row["sampling_steps"] for row in table) == len(curves["sampler_sigmas"])
    for row, stored in zip(table, curves["levels"], strict=True):
        assert row["return_generated"] == stored["return_generated"]
    text = data.csv_bytes(table).decode()
    assert "return_train_low,return_train_high" in text and "[" not in text


def test_sentences_carry_the_stored_figures() -> None:
    run = open_run("emoji-100-standard")
    curves = run.curves()
    assert curves is not None
    widest = max(curves["levels"], key=lambda p: p["gap_ratio"])
    measured = levels.in_practice(curves)
    assert f"{widest['gap_ratio']:.3g} times" in measured
    near = [s for s in curves["sampler_sigmas"] if 0.5 <= s / widest["sigma"] <= 2]
    assert f"{len(near)} of its {len(curves['sampler_sigmas'])} steps" in measured
    stored = json.loads((ASSETS / "results" / "suggestion.json").read_text())["rows"]
    splits = [r for r in stored if (r["corpus"], r["n_train"]) == ("emoji", 100)]
    assert levels.reach(curves) == pytest.approx(splits[0]["cutoff"])
    said = levels.in_theory(run, curves)
    assert f"below level {splits[0]['cutoff']:.2g}" in said
    mean = sum(r["cutoff"] for r in splits) / len(splits)
    assert f"averaged over {len(splits)} splits" in said and f"suggests: {mean:.2f}." in said


def test_where_unseen_images_come_back_the_clone_test_says_so(app: AppTest) -> None:
    curves = open_run("emoji-100-standard").curves() or {}
    low, high = curves["levels"][0], data.widest_gap(curves)
    assert low["return_heldout"] > 0.9 and high["return_heldout"] == 0
    assert levels.tells_little(high) == ""
    _open(app, run="emoji-100-standard", sigma=f"{low['sigma']:g}")
    assert levels.tells_little(low) in _page_text(app)


def test_curves_without_returns_or_sampling_steps_are_told_and_drawn_without() -> None:
    from ui.charts.levels import noise_levels

    curves = dict(open_run(SMALL).curves() or {})
    full = noise_levels(curves, "standard", {})
    old = {
        "cutoff": 0.0,
        "levels": [
            {k: v for k, v in p.items() if not k.startswith("return_")} for p in curves["levels"]
        ],
    }
    assert levels.returned(old["levels"][0]) is None
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
    image = own_image.decode(_encoded((300, 200), form), config)
    assert image.shape == (config.side, config.side, config.channels)
    assert image.dtype == np.uint8


def test_own_picture_is_read_as_a_folder_of_pictures_is(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(_encoded((400 - 50 * i, 120), "PNG"))
    config = open_run("emoji-100-standard").config
    corpus = load_corpus(tmp_path, side=config.side)
    mine = own_image.decode((tmp_path / "0.png").read_bytes(), config)
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
        own_image.decode(content, open_run(SMALL).config)


# The page


def test_zero_clicks_show_both_images_as_network_and_memory_see_them(app: AppTest) -> None:
    _open(app, run="emoji-100-standard")
    run = open_run("emoji-100-standard")
    widest = data.widest_gap(run.curves() or {})
    assert f"{widest['gap_ratio']:.3g} times" in app.subheader[0].value
    found = microscope.pack(run)
    assert found is not None
    for kind in microscope.KINDS:
        error = found.answers[kind][widest["sigma"]].error
        assert any(f"error {error:.2g}" in c for c in _captions(app) if "network" in c)
    assert not [b for b in app.button if b.label == "Ask the network"]
    assert levels.returned(widest) in _page_text(app)


def test_moving_the_level_changes_numbers_and_pictures(app: AppTest) -> None:
    _open(app, run="emoji-100-standard")
    before = _pictures(app)
    curves = open_run("emoji-100-standard").curves() or {}
    level = curves["levels"][-3]
    app.select_slider(key="sigma").set_value(level["sigma"]).run()
    assert not app.exception
    assert f"{level['gap_ratio']:.3g} times" in app.subheader[0].value
    assert levels.returned(level) in _page_text(app)
    assert not set(before.values()) & {
        url for alt, url in _pictures(app).items() if "noise level" in alt
    }


def test_a_link_opens_run_level_and_images(app: AppTest) -> None:
    _open(app, run="emoji-300-standard", sigma="1.34", training="llama", unseen="bread")
    assert "1.3, unseen" in app.subheader[0].value
    alts = "\n".join(_pictures(app))
    assert "training image: llama" in alts
    assert "unseen image: bread" in alts


def test_an_earlier_network_is_asked_and_told_apart_from_the_curves(app: AppTest) -> None:
    _open(app, run="emoji-300-standard", step="1800")
    assert app.selectbox(key="step").value == 1800
    asked = [b.key for b in app.button if b.label == "Ask the network"]
    assert asked == ["ask-training", "ask-unseen"]
    assert "Curves and rates are of step 18,000, the pictures of step 1,800." in _page_text(app)


def test_a_chosen_level_that_another_run_lacks_gives_way_to_the_nearest(app: AppTest) -> None:
    _open(app, run="emoji-100-ambient-1.0", sigma="1")
    assert app.select_slider(key="sigma").value == 1.0
    app.selectbox(key="run").set_value("emoji-100-standard").run()
    assert not app.exception
    assert app.select_slider(key="sigma").value == 0.99239


def test_where_no_level_was_chosen_another_run_begins_at_its_own_widest_gap(app: AppTest) -> None:
    _open(app, run="emoji-100-standard")
    app.selectbox(key="run").set_value("emoji-100-ambient-1.0").run()
    assert not app.exception
    widest = data.widest_gap(open_run("emoji-100-ambient-1.0").curves() or {})
    assert app.select_slider(key="sigma").value == widest["sigma"]


def test_the_network_is_asked_in_one_click(app: AppTest) -> None:
    _open(app, run=SMALL, sigma="0.544", training="0 (no. 1002)")
    app.button(key="ask-training").click().run()
    assert not app.exception
    assert not [b for b in app.button if b.label == "Ask the network"]
    run = open_run(SMALL)
    both = data.sets(run)
    image = both.train[both.train_names.index("0 (no. 1002)")]
    x = torch.from_numpy(noise.at(image, 0.54434)[None])
    with torch.inference_mode():
        clean = run.denoiser()(x, torch.tensor([0.54434]))
    error = ((clean - torch.from_numpy(to_unit(image[None]))) ** 2).mean()
    assert any(f"error {error:.2g}" in c for c in _captions(app) if "network" in c)


@pytest.mark.parametrize(("kind", "sigma", "home"), [("training", "0.02", 6), ("unseen", "20", 0)])
def test_clone_test_brings_back_what_it_must(
    app: AppTest, kind: str, sigma: str, home: int
) -> None:
    _open(app, run=SMALL, sigma=sigma, clone=kind)
    next(b for b in app.button if b.label == "Run the clone test").click().run()
    assert not app.exception
    assert f"{home} of 6 came back" in _page_text(app)


def test_own_picture_takes_the_place_of_the_unseen_one(app: AppTest) -> None:
    _open(app, run=SMALL)
    app.file_uploader(key="own-picture").upload("me.png", _encoded((50, 60), "PNG")).run()
    assert not app.exception
    assert "unseen image: your image" in _pictures(app)
    assert [b.key for b in app.button if b.label == "Ask the network"] == ["ask-unseen"]


def test_bad_upload_is_one_line_and_loses_nothing(app: AppTest) -> None:
    _open(app, run=SMALL)
    before = set(_pictures(app))
    app.file_uploader(key="own-picture").upload("me.png", b"no picture").run()
    assert not app.exception
    assert len(app.error) == 1
    assert "PNG, JPEG or WebP" in app.error[0].value
    assert set(_pictures(app)) == before
