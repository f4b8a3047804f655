"""Every page through streamlit's own test driver, against planted and bundled runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ambient.config import configure
from ambient.copies.rules import find_copies, find_neighbors
from ambient.images.corpus import Split, load_corpus, split_corpus, to_unit
from ambient.runs import folder as store
from ambient.runs.folder import open_run, write_sheet
from ui import pages, words
from ui.evidence_room import ruling

ROOT = Path(__file__).resolve().parents[2]
PAGES = [name for name, *_ in pages.PAGES]
N, SAMPLES = 40, 120
OF_SAMPLES = f" of {SAMPLES}"


def _flat(images: np.ndarray) -> np.ndarray:
    return to_unit(images).reshape(len(images), -1)


def _plant(folder: Path, arm: str, cutoff: float, copied: int) -> None:
    """A run whose first samples are training images and whose others are unseen ones."""
    corpus = load_corpus("digits")
    split: Split = split_corpus(corpus, N, 0)
    config = configure(corpus, n_train=N, arm=arm, cutoff=cutoff, steps=100)
    path = folder / f"digits-{N}-{arm}{f'-{cutoff:g}' if cutoff else ''}"
    path.mkdir(parents=True)
    (path / "config.json").write_text(config.to_json())
    rng = np.random.default_rng(int(10 * cutoff))
    taken = np.concatenate(
        [rng.choice(split.train, copied), rng.choice(split.heldout, SAMPLES - copied, False)]
    )
    images = corpus.images[rng.permutation(taken)]
    train, heldout = corpus.images[split.train], corpus.images[split.heldout]
    groups = corpus.groups[split.train]
    verdict, near = find_copies(_flat(images), _flat(train), _flat(heldout), groups)
    null = find_neighbors(_flat(heldout), _flat(train), groups)
    rows = [
        {
            "seed": i,
            "nearest": int(near.nearest[i]),
            "second": int(near.second[i]),
            "d1": float(near.d1[i]),
            "d2": float(near.d2[i]),
            "ratio": float(near.ratio[i]),
            "similarity": 0.5,
            "copy": bool(verdict.copies[i]),
            "nearest_heldout": 0,
            "d_heldout": 1.0,
        }
        for i in range(SAMPLES)
    ]
    rule = {
        "threshold": verdict.threshold,
        "rate": verdict.rate,
        "ci95": list(verdict.ci95),
        "heldout_rate": verdict.heldout_rate,
        "heldout_ci95": list(verdict.heldout_ci95),
    }
    report = {
        "run": path.name,
        "step": 100,
        "checkpoint_sha256": "0" * 64,
        "corpus": {"name": "digits", "n_train": 16, "n_heldout": 100, "sha256": "0" * 64},
        "n_samples": SAMPLES,
        "seed": 0,
        "copies": {"ratio": rule, "similarity": {"features": "encoder-64", **rule}},
        "quality": {
            "features": "encoder-64",
            "frechet": 30.0 + cutoff,
            "frechet_train": 10.0,
            "frechet_heldout": 12.0,
        },
        "samples": rows,
        "heldout_ratios": null.ratio.tolist(),
        "warnings": [],
    }
    (path / "report.json").write_text(json.dumps(report))
    np.savez_compressed(path / "samples.npz", images=images, seeds=np.arange(SAMPLES))
    (path / "reports").mkdir()
    for step in (50, 100):
        write_sheet(path / "sheets" / f"{store.step_name(step)}.png", images[:36])
        stage = json.dumps({**report, "step": step})
        (path / "reports" / f"{store.step_name(step)}.json").write_text(stage)
    lines = [{"step": s, "loss": 1 / s, "images_per_second": 9.0, "seconds": s} for s in (10, 100)]
    (path / "metrics.jsonl").write_text("".join(json.dumps(m) + "\n" for m in lines))
    levels = [
        {
            "sigma": s,
            "loss_train": 0.1 * s,
            "loss_heldout": 0.1 * s * (1 + s),
            "loss_ideal": 0.01 * s,
            "gap_ratio": 1 + s,
            "gap_ratio_ci95": [1 + 0.9 * s, 1 + 1.1 * s],
            "posterior_max": 1 / (1 + s),
            "coverage": s / (1 + s),
            "leakage": 1 / (2 + s),
            "train_density": 0.3,
        }
        for s in np.geomspace(0.02, 20, 8).tolist()
    ]
    subset = {"train": [0], "heldout": [0], "noises": 8, "seed": 0}
    curves = {"run": path.name, "cutoff": cutoff, "subset": subset, "levels": levels}
    (path / "curves.json").write_text(json.dumps(curves))


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundled")
    for arm, cutoff, copied in (("standard", 0.0, 60), ("ambient", 0.5, 30), ("ambient", 1.0, 12)):
        _plant(folder, arm, cutoff, copied)
    return folder


@pytest.fixture
def app(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(store, "BUNDLED_RUNS", planted)
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)


def _open(app: AppTest, page: str) -> AppTest:
    app.run()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception[0].message
    return app


def _text(app: AppTest) -> str:
    found = [*app.title, *app.subheader, *app.markdown, *app.caption, *app.error]
    return "\n".join(e.value for e in found)


def _pictures(app: AppTest) -> list[str]:
    return [e.proto.imgs[0].url for e in app.get("image")]


def _report(planted: Path, name: str) -> dict:
    return json.loads((planted / name / "report.json").read_text())


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_complete(app: AppTest, page: str) -> None:
    _open(app, page)
    assert len(app.title) == 1
    assert not app.error
    assert app.get("image") or app.get("plotly_chart")
    assert all(e.proto.imgs[0].alt for e in app.get("image"))
    assert all(e.proto.alt for e in app.get("plotly_chart"))
    assert "stored" in _text(app)  # the provenance line


def test_home_shows_the_stored_rates_with_their_intervals(app: AppTest, planted: Path) -> None:
    _open(app, "spot_the_copy")
    reports = [_report(planted, f"digits-{N}-{a}") for a in ("standard", "ambient-1")]
    standard, ambient = (r["copies"]["ratio"] for r in reports)
    shown = {m.label: (m.value, m.delta) for m in app.metric}
    expected = [
        (standard["rate"], standard["ci95"], OF_SAMPLES),
        (ambient["rate"], ambient["ci95"], OF_SAMPLES),
        (standard["heldout_rate"], standard["heldout_ci95"], f" of {words.checked_on(reports[0])}"),
    ]
    for (value, delta), (rate, ci95, of) in zip(
        (shown[label] for label in sorted(shown, key=_home_order)), expected, strict=True
    ):
        assert words.percent(rate) in value
        assert delta == words.interval(ci95) + of


def _home_order(label: str) -> int:
    return [label.startswith(s) for s in ("Standard", "Ambient", "Unseen")].index(True)


def test_gallery_caption_counts_the_copies_shown(app: AppTest, planted: Path) -> None:
    _open(app, "spot_the_copy")
    rows = _report(planted, f"digits-{N}-standard")["samples"][:12]
    assert words.copies_of([r["copy"] for r in rows]) in _text(app)


def test_other_samples_are_other_pictures(app: AppTest) -> None:
    _open(app, "spot_the_copy")
    before = _pictures(app)
    next(b for b in app.button if b.label == "Show other samples").click().run()
    assert not app.exception
    assert _pictures(app)[:2] != before[:2]


def test_guess_is_answered_from_the_report(app: AppTest) -> None:
    _open(app, "spot_the_copy")
    app.button_group(key=f"guess-{N}-0").set_value("A").run()
    assert not app.exception
    assert "**Yes, A" in _text(app) or "**No, " in _text(app)


def test_moving_the_cutoff_changes_numbers_and_gallery(app: AppTest, planted: Path) -> None:
    _open(app, "move_the_cutoff")
    before = _pictures(app)
    for cutoff, name in ((0.5, "ambient-0.5"), (0.0, "standard")):
        app.select_slider[0].set_value(cutoff).run()
        assert not app.exception
        rule = _report(planted, f"digits-{N}-{name}")["copies"]["ratio"]
        assert words.percent(rule["rate"]) in app.metric[0].value
        assert app.metric[0].delta == words.interval(rule["ci95"]) + OF_SAMPLES
        assert _pictures(app) != before


def test_microscope_names_the_widest_gap(app: AppTest, planted: Path) -> None:
    _open(app, "noise_microscope")
    curves = json.loads((planted / f"digits-{N}-standard" / "curves.json").read_text())
    peak = max(p["gap_ratio"] for p in curves["levels"])
    assert f"{peak:.3g} times" in app.subheader[0].value


def test_threshold_moves_both_rates(app: AppTest, planted: Path) -> None:
    _open(app, "evidence_room")
    report = _report(planted, f"digits-{N}-standard")
    assert words.percent(report["copies"]["ratio"]["rate"]) in app.metric[0].value
    app.slider[0].set_value(0.9).run()
    assert not app.exception
    ratios, unseen = _scores(report)
    rate, ci95, alarm, _ = ruling.rates_at("ratio", 0.9, ratios, unseen)
    assert rate == np.mean([r["ratio"] < 0.9 for r in report["samples"]])
    assert words.percent(rate) in app.metric[0].value
    assert app.metric[0].delta == words.interval(ci95)
    assert words.percent(alarm) in app.metric[1].value


def _scores(report: dict) -> tuple[np.ndarray, np.ndarray]:
    return np.array([r["ratio"] for r in report["samples"]]), np.array(report["heldout_ratios"])


def test_stored_threshold_gives_the_stored_rates(planted: Path) -> None:
    report = _report(planted, f"digits-{N}-standard")
    rule = report["copies"]["ratio"]
    assert ruling.rates_at("ratio", rule["threshold"], *_scores(report)) == (
        rule["rate"],
        tuple(rule["ci95"]),
        rule["heldout_rate"],
        tuple(rule["heldout_ci95"]),
    )


def test_a_link_opens_its_run(app: AppTest) -> None:
    app.run()
    app.switch_page("pages/evidence_room.py")
    app.query_params["run"] = f"digits-{N}-ambient-1"
    app.run()
    assert app.selectbox(key="run").value == f"digits-{N}-ambient-1"


def test_bad_zip_is_one_clear_line(app: AppTest) -> None:
    _open(app, "evidence_room")
    app.file_uploader[0].upload("run.zip", b"no zip at all").run()
    assert not app.exception
    assert len(app.error) == 1
    assert "zip" in app.error[0].value


def test_missing_folder_is_one_clear_line(app: AppTest) -> None:
    _open(app, "evidence_room")
    app.text_input[0].set_value("/nowhere")
    next(b for b in app.button if b.label == "Open folder").click().run()
    assert not app.exception
    assert len(app.error) == 1
    assert "/nowhere" in app.error[0].value


def test_impossible_training_is_one_clear_line(app: AppTest, tmp_path: Path) -> None:
    _open(app, "train_your_own")
    app.number_input(key="train-n_train").set_value(50_000)
    next(b for b in app.button if b.label == "Train").click().run()
    assert not app.exception
    assert len(app.error) == 1
    assert "50000" in app.error[0].value
    assert not list((tmp_path / "runs").glob("*/config.json"))


def test_card_fills_the_form(app: AppTest) -> None:
    from ambient.config import PRESETS

    _open(app, "train_your_own")
    app.button(key="preset-emoji-ambient").click().run()
    choices = PRESETS["emoji-ambient"].choices
    assert app.selectbox(key="train-corpus").value == PRESETS["emoji-ambient"].corpus
    assert app.number_input(key="train-n_train").value == choices["n_train"]
    assert app.number_input(key="train-cutoff").value == choices["cutoff"]


@pytest.mark.parametrize("page", PAGES)
def test_without_any_run_a_page_says_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(store, "BUNDLED_RUNS", tmp_path / "none")
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    app = _open(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60), page)
    assert app.code[0].value.startswith(("python -m ambient", "make"))
    assert not app.metric


@pytest.mark.parametrize("page", PAGES)
def test_bundled_runs_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    assert store.list_runs(store.BUNDLED_RUNS)
    app = _open(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60), page)
    assert not app.error


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


def test_opened_run_is_read_not_run(planted: Path) -> None:
    assert open_run(planted / f"digits-{N}-standard").config.n_train == N


def test_terms_are_one_click_away(app: AppTest) -> None:
    from ui.terms import TERMS

    _open(app, "evidence_room")
    app.session_state["terms"] = True
    app.run()
    shown = "\n".join(m.value for m in app.markdown)
    assert all(f"**{term}**" in shown for term in TERMS)
    app.text_input(key="term").set_value("Ledoit").run()
    assert not any(f"**{term}**" in m.value for m in app.markdown for term in TERMS)


def test_cards_show_the_stored_outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ambient.config import PRESETS

    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path / "runs"))
    text = _text(
        _open(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60), "train_your_own")
    )
    for preset in PRESETS.values():
        report = open_run(preset.shown_by).report()
        assert report is not None
        rule = report["copies"]["ratio"]
        assert f"{words.percent(rule['rate'])}**] copied" in text
        alarms = f"unseen images: {words.percent(rule['heldout_rate'])}"
        assert f"{words.interval(rule['ci95'])} · {alarms}" in text


def test_home_ends_in_a_link_to_the_next_page_but_not_in_a_lesson(app: AppTest) -> None:
    app.run()
    link = app.main.get("page_link")[-1].proto
    assert link.label == f"Next: {pages.PAGES[1][1]}"
    app.query_params["lesson"] = "1"
    app.run()
    assert not app.main.get("page_link")
