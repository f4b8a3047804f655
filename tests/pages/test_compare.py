"""The page that sets two runs side by side: its numbers, its pairs, and what it says of causes."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ambient.images.corpus import Corpus, split_corpus
from ambient.runs.folder import BUNDLED_RUNS
from tests.jobs import finish
from tests.pages.driver import visit
from ui import data, words
from ui.compare.choice import IMAGES

ROOT = Path(__file__).resolve().parents[2]
JUDGE = "Judge these images"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page("pages/compare.py")
    return app


def _open(app: AppTest, **query: str) -> AppTest:
    app.query_params.update(query)
    app.run()
    assert not app.exception, app.exception[0].message
    return app


def _report(name: str) -> dict[str, Any]:
    return json.loads((BUNDLED_RUNS / name / "report.json").read_text(encoding="utf-8"))


def _text(app: AppTest) -> str:
    return "\n".join(e.value for e in [*app.markdown, *app.caption])


@pytest.fixture(scope="module")
def page() -> AppTest:
    """The page once for many tests, each of which chooses what stands on it."""
    return visit("compare")


def _beside(page: AppTest, first: str, second: str) -> AppTest:
    for side, name in (("first", first), ("second", second)):
        page.selectbox(key=side).set_value(name)
    return _open(page)


def _difference(page: AppTest) -> str:
    return next(m.value for m in page.metric if m.label.startswith("Difference in points"))


def test_it_opens_on_two_runs_that_differ_in_one_thing(page: AppTest) -> None:
    assert "**One thing is changed:** way of training (*standard* and *ambient 1*)" in _text(page)
    shown = {m.label: m.value for m in page.metric}
    for name in ("emoji-300-standard", "emoji-300-ambient-1.0"):
        rate = words.percent(_report(name)["copies"]["ratio"]["rate"])
        assert rate in shown[f"{name}: copied"]
    assert len(page.get("image")) == 2 and len(page.get("plotly_chart")) == 2


def test_the_difference_is_that_of_the_pairs_and_pairs_are_what_they_are_called(
    page: AppTest,
) -> None:
    names = ("emoji-100-standard", "emoji-300-ambient-4.0")
    _beside(page, *names)
    copies = [{s["seed"]: s["copy"] for s in _report(name)["samples"]} for name in names]
    seeds = copies[0].keys() & copies[1].keys()
    change = 100 * sum(copies[1][s] - copies[0][s] for s in seeds) / len(seeds)
    assert _difference(page) == f"{change:+.1f}".replace("-", "−")
    alone = sum(copies[0][s] and not copies[1][s] for s in seeds)
    assert f"the first alone in **{alone}**" in _text(page)
    assert "3 things differ" in _text(page) and "nothing below has one cause" in _text(page)
    for order, copied in (("Both copy", 24), ("One copies", 12)):
        page.button_group(key="pairs").set_value(order)
        alts = [e.proto.imgs[0].alt for e in _open(page).get("image")]
        assert sum(int(alt.split("; ")[-1].split()[0]) for alt in alts) == copied, order


def test_a_run_beside_itself_shows_no_difference(page: AppTest) -> None:
    _beside(page, "emoji-100-standard", "emoji-100-standard")
    assert "Nothing differs" in _text(page)
    assert _difference(page) in ("+0.0", "−0.0")


def test_images_of_different_sizes_make_no_pairs(page: AppTest) -> None:
    names = ("digits-50-standard", "emoji-300-standard")
    _beside(page, *names)
    page.button_group(key="apart").set_value("Median")
    assert "No pairs: these two make images of different sizes" in _text(_open(page))
    rates = [_report(name)["copies"]["ratio"]["rate"] for name in names]
    assert _difference(page) == f"{100 * (rates[1] - rates[0]):+.1f}".replace("-", "−")
    alts = [e.proto.imgs[0].alt for e in page.get("image")]
    assert len(alts) == 2 and all("(median)" in alt for alt in alts)
    assert page.get("plotly_chart")


def test_another_sampler_is_a_thing_that_differs(app: AppTest, tmp_path: Path) -> None:
    other = tmp_path / "in-more-steps"
    shutil.copytree(BUNDLED_RUNS / "emoji-300-ambient-1.0", other)
    report = _report("emoji-300-ambient-1.0")
    report["sampler"] |= {"sampler": "euler", "steps": 36}
    (other / "report.json").write_text(json.dumps(report), encoding="utf-8")
    _open(app, second=other.name)
    said = _text(app)
    assert "**3 things differ:** way of training" in said
    assert "way of sampling (*heun* and *euler*), steps of sampling (*18* and *36*)" in said


def test_a_spoiled_link_opens_the_page(app: AppTest) -> None:
    _open(app, first="no-such-run", pairs="x", hide="open")
    assert app.selectbox(key="first").value == "emoji-300-standard"
    assert IMAGES not in app.selectbox(key="first").options
    assert [w.value.partition(" here")[0] for w in app.warning] == [
        "There is no run called *no-such-run*"
    ]
    app.selectbox(key="second").set_value("emoji-100-standard").run()
    assert app.warning  # as long as nothing else is chosen there
    app.query_params["first"] = "digits-50-standard"  # as a browser does
    app.selectbox(key="first").set_value("digits-50-standard").run()
    assert not app.warning


@pytest.fixture
def dropped(app: AppTest, emoji: Corpus) -> Iterator[AppTest]:
    """The page with a set of images on the second side: a third of them copies."""
    _open(app, second=IMAGES)
    assert [b.disabled for b in app.button if b.label == JUDGE] == [True]
    assert not app.metric
    split = split_corpus(emoji, 120, 0)
    train, unseen = emoji.images[split.train], emoji.images[split.heldout]
    made = np.concatenate([train[:40], unseen[:80]])
    for which, images in (("generated", made), ("train", train)):
        _drop(app, "second", which, images)
    app.selectbox(key=f"{IMAGES}-second-features").set_value("pixels")
    _judged(app)
    yield app


def _drop(app: AppTest, side: str, which: str, images: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, images=images)
    given = [(f"{which}-of-mine.npz", buffer.getvalue(), "application/octet-stream")]
    app.file_uploader(key=f"{IMAGES}-{side}-{which}").set_value(given)


def _judged(app: AppTest) -> None:
    """Click on the last button that judges, and wait for its end."""
    app.run()
    [b for b in app.button if b.label == JUDGE][-1].click().run()
    assert not app.exception, app.exception[0].message
    finish(data.runs_folder())
    app.run()
    assert not app.exception, app.exception[0].message


def test_images_of_ones_own_stand_beside_a_run(dropped: AppTest) -> None:
    report = _report("emoji-300-standard")
    labels = {m.label: m for m in dropped.metric}
    assert {"emoji-300-standard: copied", "Difference in points, not paired"} <= labels.keys()
    own = next(m for label, m in labels.items() if label.startswith("generated"))
    assert own.delta.endswith("of 120")
    (share,) = re.findall(r"\[(\d+)", own.value)
    assert 33 <= int(share) <= 35
    change = 100 * (40 / 120 - report["copies"]["ratio"]["rate"])
    shown = labels["Difference in points, not paired"].value.replace("−", "-")
    assert float(shown) == pytest.approx(change, abs=1.7)
    said = _text(dropped)
    assert "nobody knows from which noise" in said and "nothing below has one cause" in said
    alts = [e.proto.imgs[0].alt for e in dropped.get("image")]
    assert "8 of these 8 are copies" in alts[1]
    command = next(c.value for c in dropped.code if "ambient compare" in c.value)
    assert "compare emoji-300-standard generated-of-mine.npz.json" in command


def test_two_image_sets_share_their_training_images(dropped: AppTest, emoji: Corpus) -> None:
    dropped.selectbox(key="first").set_value(IMAGES)
    dropped.run()
    assert not dropped.metric  # the other side is still to be given
    split = split_corpus(emoji, 120, 0)
    _drop(dropped, "first", "generated", emoji.images[split.heldout][100:220])
    _drop(dropped, "first", "train", emoji.images[split.train])
    dropped.selectbox(key=f"{IMAGES}-first-features").set_value("pixels")
    dropped.run()
    assert dropped.checkbox(key=f"{IMAGES}-second-like").label.startswith("The same training")
    [b for b in dropped.button if b.label == JUDGE][0].click().run()
    _judged(dropped)
    labels = [m.label for m in dropped.metric]
    assert any(label.endswith("the other side: copied") for label in labels)
    assert not dropped.get("plotly_chart")


def _pipeline(folder: Path) -> bytes:
    """A zip of a saved pipeline of random weights that makes 8x8 pictures in gray."""
    diffusers = pytest.importorskip("diffusers")
    network = diffusers.UNet2DModel(
        sample_size=8,
        in_channels=1,
        out_channels=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
    )
    diffusers.DDPMPipeline(network, diffusers.DDPMScheduler()).save_pretrained(str(folder))
    shutil.make_archive(str(folder), "zip", folder)
    return folder.with_suffix(".zip").read_bytes()


def test_a_pipeline_pairs_with_a_run(app: AppTest, digits: Corpus, tmp_path: Path) -> None:
    _open(app, first="digits-50-standard", second=IMAGES)
    app.button_group(key=f"{IMAGES}-second-source").set_value("model").run()
    given = ("my-ddpm.zip", _pipeline(tmp_path / "my-ddpm"), "application/zip")
    app.file_uploader(key=f"{IMAGES}-second-model").set_value(given)
    _drop(app, "second", "train", digits.images[:120])
    app.selectbox(key=f"{IMAGES}-second-features").set_value("pixels")
    _judged(app)
    metric = next(m for m in app.metric if m.label == "Difference in points, 128 pairs")
    judged = [s["copy"] for s in _report("digits-50-standard")["samples"] if s["seed"] < 128]
    said = _text(app)
    alone = int(re.findall(r"the first alone in \*\*(\d+)", said)[0])
    both = int(re.findall(r"both are copies in \*\*(\d+)", said)[0])
    assert both + alone == sum(judged) and metric.value.startswith("−")
    assert "The pictures are no pairs" in said and "nothing below has one cause" in said
    assert "steps of sampling" not in said and len(app.get("image")) == 2
    command = next(c.value for c in app.code if "ambient compare" in c.value)
    assert "audit --model A --n 128 --train B --json my-ddpm.json" in command
