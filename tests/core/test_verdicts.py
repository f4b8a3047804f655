"""Verdicts on planted sets: exact, disguised and no copies, and what unseen images would score."""

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import to_builtins
from msgspec.structs import replace
from PIL import Image
from scipy.stats import betabinom

from ambient.cli import main
from ambient.config import configure
from ambient.copies.guises import Orbit
from ambient.copies.judge import judge_images
from ambient.copies.records import JudgedImage
from ambient.copies.rules import FALSE_ALARMS, LEFT_OUT, halves
from ambient.copies.sets import ImageSets, sets_of
from ambient.images.corpus import Corpus, split_corpus
from ambient.reports.audit import audit
from ambient.reports.evaluate import draw_and_judge, evaluate, report_of
from ambient.reports.records import read_report
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from ambient.runs.start import start_run
from ambient.runs.train import record
from tests.jobs import some_of


def planted(corpus: Corpus, copies: int, innocents: int, n_train: int = 100) -> ImageSets:
    """Samples of which the first are training images and the others images nobody has seen.

    400 more of those are held out.
    """
    split = split_corpus(corpus, n_train, 0)
    rest = split.heldout[: innocents + 400]
    train, unseen = corpus.images[split.train], corpus.images[rest]
    samples = np.concatenate([train[:copies], unseen[:innocents]])
    return ImageSets(
        samples,
        train,
        unseen[innocents:],
        corpus.groups[split.train],
        corpus.groups[rest[innocents:]],
    )


def test_planted_copies_are_found_by_both_rules(emoji: Corpus) -> None:
    found = judge_images(planted(emoji, 40, 160), "encoder-64", False)
    copies = found.copies
    for rule in ("ratio", "similarity"):
        low, high = getattr(copies, rule).ci95
        assert low < 0.2 < high
        assert all(r.copy and r.copy_by_similarity for r in found.samples[:40])
    assert copies.agreement.both >= 40
    assert sum(to_builtins(copies.agreement).values()) == 200


def test_the_curve_of_false_alarms_holds_the_headline(emoji: Corpus) -> None:
    """Thresholds and rates grow along it; what lies between 1 and 5 % only resembles."""
    found = judge_images(planted(emoji, 30, 300))
    points = found.copies.operating
    assert [p.false_alarms for p in points] == [0.001, 0.005, 0.01, 0.02, 0.05]
    for field in ("threshold", "rate", "heldout_rate"):
        values = [getattr(point, field) for point in points]
        assert values == sorted(values)
    assert points[2].threshold == found.copies.ratio.threshold
    assert all(p.heldout_ci95[0] <= p.promised for p in points)
    marks = [(s.copy, s.resembles) for s in found.samples]
    assert marks[:30] == [(True, False)] * 30
    assert all(s.strict for s in found.samples[:30])
    between = [points[2].threshold <= s.ratio < points[4].threshold for s in found.samples]
    assert [resembles for _, resembles in marks] == between


def test_the_strict_rule_misses_a_mirrored_copy(emoji: Corpus) -> None:
    sets = planted(emoji, 60, 60)
    samples = np.concatenate([sets.samples[:60, :, ::-1], sets.samples[60:]])
    found = judge_images(dataclasses.replace(sets, samples=samples), "encoder-64", False)
    assert all(s.copy and s.copy_by_similarity for s in found.samples[:60])
    assert sum(not s.strict for s in found.samples[:60]) > 10


def test_samples_of_another_training_set_are_the_null(emoji: Corpus) -> None:
    """A perfect copier of its own training set copies next to nothing of a stranger's."""
    sets = planted(emoji, 100, 0)
    found = judge_images(sets, "encoder-64", False)
    for rule in ("ratio", "similarity"):
        assert getattr(found.copies, rule).rate == 1
        null = getattr(found.copies, rule).null
        assert null.n_train == 100
        assert null.ci95[0] <= 0.01


def test_without_unseen_images_training_images_calibrate_the_rules(emoji: Corpus) -> None:
    whole = planted(emoji, 50, 100, n_train=300)
    none = ImageSets(
        whole.samples, whole.train, whole.heldout[:0], whole.groups, whole.heldout_groups[:0]
    )
    found = judge_images(none, "encoder-64")
    assert found.calibrated_on == LEFT_OUT
    assert found.quality is None
    assert found.copies.ratio.null is None
    assert len(found.heldout_ratios) == 300
    assert "there are no held-out images: the rules are calibrated on training" in found.warnings[0]
    for rule in ("ratio", "similarity"):
        low, high = getattr(found.copies, rule).ci95
        assert low < 1 / 3 < high
        assert getattr(found.copies, rule).heldout_ci95[0] <= 0.01


@pytest.mark.usefixtures("blank_sheets")
def test_an_audit_is_the_evaluation_of_the_same_images_to_the_last_digit(
    digits: Corpus, tmp_path: Path
) -> None:
    corpus = some_of(digits, 300)
    config = configure(corpus, n_train=16, steps=4, batch=8, width=16)
    run = start_run(tmp_path / "run", config, images=corpus)
    list(record(run, corpus))
    images, report = draw_and_judge(run, n=120)
    sets = sets_of(corpus, run.split(corpus), images)
    for name, some in (("a", sets.samples), ("b", sets.train), ("c", sets.heldout)):
        np.savez(tmp_path / f"{name}.npz", images=some)
    command = ["audit", "--generated", str(tmp_path / "a.npz"), "--train", str(tmp_path / "b.npz")]
    command += ["--heldout", str(tmp_path / "c.npz"), "--json", str(tmp_path / "audit.json")]
    assert main(command) == 0
    found = read_report(tmp_path / "audit.json")
    assert found.quality == report.quality
    turned = judge_images(
        sets, "encoder-64", False, orbit=Orbit(turns=True)
    )  # it may know no moves
    for part in ("copies", "heldout_ratios", "calibrated_on"):
        assert getattr(found, part) == getattr(turned, part), part
    names = JudgedImage.__struct_fields__
    for ours, theirs in zip(turned.samples, found.samples, strict=True):
        assert [getattr(ours, name) for name in names] == [getattr(theirs, name) for name in names]


def test_an_audit_reads_folders_and_leaves_out_twins(emoji: Corpus, tmp_path: Path) -> None:
    sets = planted(emoji, 30, 90, n_train=120)
    for name, some in (("made", sets.samples), ("train", sets.train)):
        (tmp_path / name).mkdir()
        for i, image in enumerate(some):
            Image.fromarray(image).save(tmp_path / name / f"{i:03}.png")
    np.savez(tmp_path / "held.npz", images=np.concatenate([sets.train[:5], sets.heldout[:200]]))
    found = audit(tmp_path / "made", tmp_path / "train", tmp_path / "held.npz", features="pixels")
    assert any("5 held-out images are twins of training images" in w for w in found.warnings)
    assert found.corpus.n_heldout == 200
    assert found.samples[0].file == "000.png"
    assert all(s.copy for s in found.samples[:30])
    low, high = found.copies.ratio.ci95
    assert low < 0.25 < high
    assert found.quality.kid is not None


@pytest.mark.parametrize("run", list_runs(BUNDLED_RUNS), ids=lambda run: run.name)
def test_bundled_false_alarms_are_compatible_with_one_percent(run: Run) -> None:
    report = run.report()
    n = len(report.heldout_ratios)
    calibrating, reporting = (len(half) for half in halves(n))
    below = int(FALSE_ALARMS * (calibrating + 1))
    for rule in (report.copies.ratio, report.copies.similarity):
        alarms = round(rule.heldout_rate * reporting)
        # Both halves are draws of the same images, so alarms in the second are beta-binomial.
        chance = betabinom.sf(alarms - 1, reporting, max(below, 1), calibrating + 1 - below)
        assert chance > 0.005, (alarms, reporting)
        assert rule.null.ci95[0] <= 0.015


def alike(a: Any, b: Any) -> bool:
    """Equal, but for the last digits of sums: processors add in their own order."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        # Stored with four digits, of which the last depends on the order of sums.
        return math.isclose(a, b, rel_tol=1e-5, abs_tol=1.5e-4)
    return bool(a == b)


def test_a_bundled_report_is_what_its_stored_samples_say() -> None:
    run = open_run("digits-50-standard")
    stored, kept = run.report(), run.samples()
    corpus = run.corpus()
    images, seeds = kept
    found = judge_images(sets_of(corpus, run.split(corpus), images), "encoder-64", False)
    again = report_of(run, stored.corpus, found, seeds.tolist(), None, run.sampler())
    # What is missed, a run says: it takes the network.
    copies = replace(again.copies, missed=stored.copies.missed)
    again = replace(again, quality=stored.quality, copies=copies)
    assert alike(to_builtins(again), to_builtins(stored))


def test_without_anything_to_calibrate_on_nothing_is_concluded(emoji: Corpus) -> None:
    few, none = emoji.images[:15], emoji.images[:0]
    sets = ImageSets(few[:5], few, none, np.arange(15), np.arange(0))
    found = judge_images(sets, "encoder-64")
    assert found.copies.similarity.rate is None
    assert found.copies.agreement is None
    assert found.calibrated_on is None
    assert all(s.similarity > 0.999 for s in found.samples)
    assert all(s.copy_by_similarity is None for s in found.samples)


def test_a_report_is_of_the_weights_that_were_there_when_it_began(
    tiny_run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "training"
    shutil.copytree(tiny_run.path, folder)
    newest = open_run(folder).checkpoint(20)
    weights = newest.read_bytes()
    newest.unlink()

    def tell(part: str, done: int, total: int) -> None:
        newest.write_bytes(weights)

    report = evaluate(open_run(folder), 100, features="pixels", tell=tell)
    assert report.step == 10
    assert report.checkpoint_sha256 == open_run(folder).checkpoint_sha256(10)
