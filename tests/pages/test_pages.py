"""Every page through streamlit's own test driver, against planted and bundled runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import asdict, replace
from streamlit.testing.v1 import AppTest

from ambient.config import configure
from ambient.copies.judge import judge_images
from ambient.copies.records import CorpusFacts, Quality, Report, Sample
from ambient.copies.sets import sets_of
from ambient.copies.spaces import QUALITY
from ambient.diffusion.records import Curves, Level, Subset
from ambient.files import encode_record
from ambient.images.corpus import load_corpus, split_corpus
from ambient.runs import folder as store
from ambient.runs.folder import open_run, write_sheet
from tests.pages import driver
from ui import pages, words
from ui.terms import TERMS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [name for name, *_ in pages.PAGES]
N, SAMPLES = 40, 120
BUNDLED_RUNS = store.BUNDLED_RUNS
OF_SAMPLES = f" of {SAMPLES}"


def _plant(folder: Path, arm: str, cutoff: float, copied: int) -> None:
    """A run whose first samples are training images and whose others are unseen ones."""
    corpus = load_corpus("digits")
    split = split_corpus(corpus, N, 0)
    config = configure(corpus, n_train=N, arm=arm, cutoff=cutoff, steps=100)
    path = folder / f"digits-{N}-{arm}{f'-{cutoff:g}' if cutoff else ''}"
    path.mkdir(parents=True)
    (path / "config.json").write_text(config.to_json())
    rng = np.random.default_rng(int(10 * cutoff))
    unseen = rng.choice(split.heldout, SAMPLES - copied, False)
    taken = np.concatenate([rng.choice(split.train, copied), unseen])
    images = corpus.images[rng.permutation(taken)]
    np.savez_compressed(path / "samples.npz", images=images, seeds=np.arange(SAMPLES))
    found = judge_images(sets_of(corpus, split, images))
    report = Report(
        run=path.name,
        step=100,
        checkpoint_sha256="0" * 64,
        corpus=CorpusFacts(name="digits", n_train=N, n_heldout=100, sha256=corpus.sha256),
        shape=images.shape[1:],
        n_samples=SAMPLES,
        seed=0,
        copies=found.copies,
        quality=Quality(
            features=QUALITY,
            kid=0.03 + cutoff,
            kid_ci95=(0.02, 2.0),
            kid_train=0.1,
            kid_heldout=0.0,
        ),
        warnings=(),
        heldout_ratios=found.heldout_ratios,
        samples=tuple(Sample(seed=i, **asdict(row)) for i, row in enumerate(found.samples)),
    )
    report.save(path / "report.json")
    (path / "reports").mkdir()
    for step in (50, 100):
        write_sheet(path / "sheets" / f"{store.step_name(step)}.png", images[:36])
        replace(report, step=step).save(path / "reports" / f"{store.step_name(step)}.json")
    lines = [{"step": s, "loss": 1 / s, "images_per_second": 9.0, "seconds": s} for s in (10, 100)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(m) + "\n" for m in lines))
    curves = Curves(
        run=path.name,
        step=100,
        checkpoint_sha256=None,
        cutoff=cutoff,
        subset=Subset(train=(0,), heldout=(0,), noises=8),
        levels=tuple(map(_level, np.geomspace(0.02, 20, 8).tolist())),
    )
    (path / "curves.json").write_bytes(encode_record(curves))


def _level(sigma: float) -> Level:
    return Level(
        sigma=sigma,
        loss_train=0.1 * sigma,
        loss_heldout=0.1 * sigma * (1 + sigma),
        loss_ideal=0.01 * sigma,
        gap_ratio=1 + sigma,
        gap_ratio_ci95=(1 + 0.9 * sigma, 1 + 1.1 * sigma),
        posterior_max=1 / (1 + sigma),
        coverage=sigma / (1 + sigma),
        leakage=1 / (2 + sigma),
        train_density=0.3,
    )


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundled")
    for arm, cutoff, copied in (("standard", 0.0, 60), ("ambient", 0.5, 30), ("ambient", 1.0, 12)):
        _plant(folder, arm, cutoff, copied)
    return folder


@pytest.fixture(scope="module")
def visit(
    planted: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], AppTest]]:
    """A page over the planted runs, opened once and then left as the last test had it."""
    opened: dict[str, AppTest] = {}

    def page(name: str) -> AppTest:
        if name not in opened:
            opened[name] = driver.visit(name)
        return opened[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BUNDLED_RUNS", planted)
        patch.setenv("AMBIENT_RUNS", str(tmp_path_factory.mktemp("own") / "runs"))
        yield page


def _pictures(app: AppTest) -> list[str]:
    return [e.proto.imgs[0].url for e in app.get("image")]


def _report(planted: Path, name: str) -> Report:
    found = open_run(planted / name).report()
    assert found is not None
    return found


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_complete(visit: Callable[[str], AppTest], page: str) -> None:
    app = visit(page)
    assert len(app.title) == 1
    assert not app.error
    assert app.get("image") or app.get("plotly_chart") or app.get("bidi_component")
    assert all(e.proto.imgs[0].alt for e in app.get("image"))
    assert all(e.proto.alt for e in app.get("plotly_chart"))


def test_moving_the_cutoff_changes_numbers_and_pictures(
    visit: Callable[[str], AppTest], planted: Path
) -> None:
    sent = driver.film(visit("cutoff"))
    row, standard = sent["rows"]  # these runs store no noisy copies
    for frame, name in enumerate(("standard", "ambient-0.5", "ambient-1")):
        report = _report(planted, f"digits-{N}-{name}")
        assert row["numbers"][frame] == words.percent(report.copies.ratio.rated.rate)
        marks = "".join("=" if r.copy else "." for r in report.samples[:12])
        assert row["marks"][frame].replace("~", ".") == marks
    assert standard["numbers"] == row["numbers"][:1] and standard["tiles"] == row["tiles"][:1]
    assert row["tiles"][1] != row["tiles"][2]


def test_what_cannot_be_opened_is_one_clear_line(visit: Callable[[str], AppTest]) -> None:
    app = visit("evidence")
    app.text_input[0].set_value("/nowhere")
    driver.press(app, "Open folder")
    assert [e.value for e in app.error] and "/nowhere" in app.error[0].value
    driver.ran(app.file_uploader[0].upload("run.zip", b"no zip at all").run())
    assert len(app.error) == 1
    assert "zip" in app.error[0].value


@pytest.mark.parametrize("page", [page for page in PAGES if page != "train"])
def test_without_any_run_a_page_says_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(store, "BUNDLED_RUNS", tmp_path / "none")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    app = driver.visit(page)
    assert app.code[0].value.startswith(("python -m ambient", "make"))
    assert not app.metric


def test_first_paint_of_every_page_imports_no_torch(planted: Path, tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
from ambient.runs import folder as store
store.BUNDLED_RUNS = Path({str(planted)!r})
app = AppTest.from_file({str(ROOT / "app.py")!r}, default_timeout=60).run()
for page in {PAGES!r}:
    app.switch_page(f"pages/{{page}}.py").run()
    assert not app.exception, app.exception[0].message
    assert "torch" not in sys.modules, page
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


def test_terms_are_one_click_away(visit: Callable[[str], AppTest]) -> None:
    app = visit("evidence")
    app.session_state["terms"] = True
    app.run()
    shown = "\n".join(m.value for m in app.markdown)
    assert all(f"**{term}**" in shown for term in TERMS)
    app.text_input(key="term").set_value("Ledoit").run()
    assert not any(f"**{term}**" in m.value for m in app.markdown for term in TERMS)


def test_home_ends_in_a_link_to_the_next_page_but_not_in_a_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: Path
) -> None:
    monkeypatch.setattr(store, "BUNDLED_RUNS", planted)
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    app = driver.visit()
    link = app.main.get("page_link")[-2].proto  # the last one is the footer's
    assert link.label == f"Next: {pages.PAGES[1][1]}"
    app.query_params["lesson"] = "1"
    app.run()
    assert not any(e.proto.label.startswith("Next") for e in app.main.get("page_link"))
