"""Runs with text: trained, judged by prompt, and asked which prompts give copies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ambient.cli import main
from ambient.config import configure
from ambient.copies.asked import fit_probe
from ambient.copies.reader import auc
from ambient.copies.records import Report
from ambient.copies.sets import Images
from ambient.files import InputError, decode_record, encode_record, read_record
from ambient.images.corpus import Corpus
from ambient.library import sample, train
from ambient.reports import curves, prompts, signals
from ambient.reports import evaluate as evaluating
from ambient.reports.evaluate import evaluate
from ambient.reports.records import Signals
from ambient.reports.signals import bootstrap, caught, prompt_signals
from ambient.runs.folder import CAPTIONS_FILE, SIGNALS_FILE, Run
from ambient.runs.start import packed
from ambient.sweeps import sweep
from ambient.sweeps.spec import read_sweep

SMALL = {"n_train": 40, "width": 16, "batch": 4, "steps": 2}
FEW = {"images": 4, "noises": 1, "returns": 2}  # for curves that nobody looks at
pytestmark = pytest.mark.usefixtures("small_vocabulary", "cheap_features")


@pytest.fixture
def cheap_features(monkeypatch: pytest.MonkeyPatch) -> None:
    def pooled(images: Images) -> NDArray[np.float32]:
        n, h, w, c = images.shape
        small = images.reshape(n, 8, h // 8, 8, w // 8, c).mean((2, 4))
        return small.reshape(n, -1).astype(np.float32) / 255

    monkeypatch.setattr(prompts, "imagenet_features", pooled)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, digits: Corpus, small_vocabulary: None) -> Run:
    """40 digits with captions, 2 steps: it has learned nothing."""
    folder = tmp_path_factory.mktemp("text")
    texts = [f"digit{kind} thing{i}" for i, kind in enumerate(digits.categories)]
    lines = [
        json.dumps({"file_name": name, "text": text})
        for name, text in zip(digits.names, texts, strict=True)
    ]
    (folder / "captions.jsonl").write_text("\n".join(lines))
    captions = folder / "captions.jsonl"
    return train(
        "digits", out=folder / "run", text=True, captions=captions, checkpoint_every=1, **SMALL
    )


def perfect(corpus: Corpus) -> object:
    """What a model would draw that has learned every caption of the corpus by heart."""
    place = {text: i for i, text in enumerate(corpus.captions)}

    def drawn(_: object, texts: Sequence[str], *__: object) -> Images:
        return corpus.images[[place.get(text, 0) for text in texts]]

    return drawn


def test_a_run_keeps_its_captions_and_samples_by_prompt(run: Run, tmp_path: Path) -> None:
    captions = run.corpus().captions
    assert captions[0] == "digit0 thing0"
    with_prompt, without = (
        sample(run, range(2), steps=2, prompt=prompt).images for prompt in (captions[0], "")
    )
    assert np.array_equal(without, sample(run, range(2), steps=2).images)
    assert with_prompt.shape == without.shape
    kept = run.path / CAPTIONS_FILE
    before = kept.read_text()
    kept.write_text(before.replace("thing0", "nothing"))
    with pytest.raises(InputError, match="was trained with other captions; restore them"):
        run.corpus()
    kept.write_text(before)


def test_a_perfect_copier_copies_its_own_images_and_shows_what_was_asked(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "draw_prompts", perfect(run.corpus()))
    found = prompts.judge_prompts(run, most=30, guidances=(1.0,))
    asked = {a.kind: a for a in found.asked}
    assert list(asked) == list(prompts.KINDS)
    known, unseen = asked["training"], asked["held-out"]
    assert known.copies == known.own == 1
    assert unseen.copies < 0.2 and unseen.own is None
    for kind in (known, unseen):
        for fit in (kind.precision, kind.category):
            assert fit is not None
            assert fit.rate == fit.ceiling  # they are the real images
            assert fit.ci95[0] <= fit.rate <= fit.ci95[1]
        assert kind.precision is not None and abs(kind.precision.floor - 1 / 30) < 0.02
    assert asked["recombined"].precision is not None
    assert asked["recombined"].precision.ceiling is None
    assert asked["empty"].precision is None


def test_the_report_of_a_run_with_text_judges_by_prompt(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "is_installed", lambda: True)
    report = evaluate(run, n=20, how=run.sampler("heun", 2))
    assert report.prompts is not None
    series = [(a.kind, a.guidance) for a in report.prompts.asked]
    assert len(series) == len(set(series)) == 3 * len(prompts.GUIDANCES) + 1
    assert {a.n_samples for a in report.prompts.asked} == {20}
    assert decode_record(encode_record(report), Report, "it") == report
    monkeypatch.setattr(evaluating, "is_installed", lambda: False)
    bare = evaluate(run, n=20, how=run.sampler("heun", 2))
    assert bare.prompts is None
    assert "pip install -r requirements-text.txt" in bare.warnings[-1]


def test_the_probe_finds_what_belongs_together() -> None:
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((600, 10))
    images, texts = (shared @ rng.standard_normal((10, d)) for d in (40, 20))
    images += 0.1 * rng.standard_normal(images.shape)
    kinds = [str(k) for k in shared[:, :3].argmax(1)]
    probe = fit_probe(images[:500], texts[:500], kinds[:500])
    assert (probe.scores(images[500:], texts[500:]).argmax(1) == np.arange(100)).mean() > 0.9
    assert (
        np.mean([a == b for a, b in zip(probe.named(images[500:]), kinds[500:], strict=True)]) > 0.8
    )


def test_signals_are_rated_as_they_should_be() -> None:
    low = np.arange(100.0)
    assert auc(low + 1000, low) == 1 and auc(low, low) == 0.5
    assert caught(np.array([98.5, 99.5, 97.0, 200.0]), low) == 0.75
    interval = bootstrap(auc, low + 20, low, seed=0)
    assert interval[0] < auc(low + 20, low) < interval[1]


def test_a_planted_copier_is_told_by_its_sameness(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training prompts give one image from every seed; at the early stage all are noise."""
    corpus = run.corpus()
    place = {text: i for i, text in enumerate(corpus.captions)}
    train_captions = {corpus.captions[i] for i in run.split(corpus).train}
    rng = np.random.default_rng(0)

    def planted(_: Run, texts: Sequence[str], __: int, step: int, *___: object) -> object:
        shape = (len(texts), signals.SEEDS, *corpus.images.shape[1:])
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        for row, text in zip(images, texts, strict=True):
            if step == run.last_step and text in train_captions:
                row[:] = corpus.images[place[text]]
        images = images.reshape(-1, *shape[2:])
        noise = {name: rng.standard_normal(len(texts)) for name in signals.SIGNALS}
        return images, noise | {"sameness": -signals._diversity(images)}

    monkeypatch.setattr(signals, "watch", planted)
    found = prompt_signals(run, n=30)
    assert found.positives == 30 and found.negatives >= 25
    rated = {signal.name: signal for signal in found.signals}
    assert rated["sameness"].auc == rated["sameness"].tpr == 1
    assert rated["sameness"].early_auc is not None
    assert abs(rated["sameness"].early_auc - 0.5) < 0.25
    assert abs(rated["magnitude"].auc - 0.5) < 0.25


def test_prompts_is_a_command(run: Run, tmp_path: Path, tiny_run: Run) -> None:
    out = tmp_path / "prompts.json"
    assert main(["prompts", str(run.path), "--n", "2", "--json", str(out)]) == 0
    found = read_record(out, Signals)
    assert found is not None
    assert (len(found.prompts), found.early_step, found.seeds) == (4, 1, signals.SEEDS)
    assert all(set(p.scores) == set(signals.SIGNALS) for p in found.prompts)
    assert "are needed to rate a signal" in found.warnings[0]
    assert main(["prompts", str(tiny_run.path)]) == 2


def test_a_sweep_of_runs_with_text_keeps_their_prompts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(_: Path, *words: object) -> None:
        few = {"prompts": ["--n", "2"], "evaluate": ["--sampler", "euler", "--steps", "2"]}
        assert main([*map(str, words), *few.get(str(words[0]), [])]) == 0

    monkeypatch.setattr(sweep, "command", command)
    monkeypatch.setattr(curves, "noise_level_curves", partial(curves.noise_level_curves, **FEW))
    monkeypatch.setattr(evaluating, "is_installed", lambda: True)
    (tmp_path / "x.npz").write_bytes(packed(run.corpus()))
    common = {"corpus": str(tmp_path / "x.npz"), "text": True, **SMALL}
    asked = {"common": common, "arms": [{}], "stages": 1, "samples": 20}
    (tmp_path / "spec.json").write_text(json.dumps(asked))
    spec = read_sweep(tmp_path / "spec.json")
    ((name, config),) = spec.jobs.items()
    sweep.do_job(tmp_path / name, config, spec)
    table = sweep.write_table(spec, tmp_path)
    kinds = [{a["kind"] for a in row["prompts"]["asked"]} for row in table["rows"]]
    assert kinds == [set(prompts.KINDS)]
    assert [(s["run"], s["step"], "prompts" in s) for s in table["signals"]] == [(name, 2, False)]
    assert table["missing"] == []
    (tmp_path / name / SIGNALS_FILE).unlink()
    assert sweep.write_table(spec, tmp_path)["missing"] == [name]


def test_captions_are_a_choice_of_the_command(
    tmp_path: Path, emoji: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "captions.jsonl"
    place.write_text('{"file_name": "grinning face", "text": "a laugh"}\n')
    out, small = tmp_path / "run", ["--n-train", "16", "--width", "16", "--steps", "1"]
    assert main(["train", "--text", "--captions", str(place), "--out", str(out), *small]) == 2
    assert "no caption holds a known word" in capsys.readouterr().err  # it is not trained on
    assert main(["train", "--captions", str(place), "--out", str(tmp_path / "b"), *small]) == 2
    assert "--captions goes with --text" in capsys.readouterr().err
    assert configure(emoji, n_train=16).captions_sha256 == ""
