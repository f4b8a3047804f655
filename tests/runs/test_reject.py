"""Drawing again while a sample is a copy, and what the rules miss of plants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ambient import sample
from ambient.cli import main
from ambient.copies.guises import STILL
from ambient.copies.rules import MIN_SAMPLES
from ambient.copies.sets import Images, ImageSets, sets_of
from ambient.files import InputError
from ambient.images.corpus import Corpus, split_corpus
from ambient.reports.evaluate import judge_samples
from ambient.reports.rejecting import APART, TRIES, Filter, draw_again
from ambient.runs.folder import Run, open_run

NONE = np.zeros((0, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def kept(emoji: Corpus) -> ImageSets:
    return sets_of(emoji, split_corpus(emoji, 100, 0), NONE)


def test_a_copy_is_drawn_again_until_it_is_new(kept: ImageSets) -> None:
    """A generator whose first draws are copies, but of seed 7 a copy at every try."""
    rule = Filter.of(kept, STILL)
    new = kept.heldout[~rule.copies(kept.heldout)]

    def draw(seeds: Sequence[int]) -> Images:
        tries, first = np.divmod(np.array(seeds), APART)
        copied = (first == 7) | ((first % 2 == 0) & (tries < 2))
        return np.where(copied[:, None, None, None], kept.train[first], new[first])

    found = draw_again(draw, range(20), rule)
    assert found.seeds.tolist() == [
        s + APART * (TRIES - 1 if s == 7 else 2 * (s % 2 == 0)) for s in range(20)
    ]
    np.testing.assert_array_equal(found.images, draw(found.seeds.tolist()))
    assert np.flatnonzero(rule.copies(found.images)).tolist() == [7]
    assert found.rejection.draws == 20 + 2 * 10 + TRIES - 1
    assert found.rejection.left == 1
    few = ImageSets(NONE, kept.train, kept.heldout[:9], kept.groups, kept.heldout_groups[:9])
    with pytest.raises(InputError, match=f"9 held-out images; at least {MIN_SAMPLES}"):
        Filter.of(few, STILL)


def test_commands_and_python_reject_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out, told = "digits-50-standard", tmp_path / "x.npz", tmp_path / "report.json"
    few = ["--n", "20", "--steps", "5", "--reject"]
    assert main(["sample", run, *few, "--out", str(out)]) == 0
    assert "20 samples took " in capsys.readouterr().err
    with np.load(out) as made:
        images, seeds = made["images"], made["seeds"]
    again = sample(open_run(run), range(20), steps=5, reject=True)
    np.testing.assert_array_equal(again.images, images)
    np.testing.assert_array_equal(again.seeds, seeds)
    one = sample(open_run(run), [int(seeds[3])], steps=5)
    np.testing.assert_array_equal(one.images[0], images[3])
    command = ["evaluate", run, *few, "--json", str(told)]
    assert main(command) == 0
    report = json.loads(told.read_text())
    assert [s["seed"] for s in report["samples"]] == seeds.tolist()
    rejection = report["rejection"]
    assert rejection["draws"] == again.draws > 20
    assert sum(s["copy"] for s in report["samples"]) == rejection["left"]
    assert "20 samples took" in report["warnings"][0]
    assert report["copies"]["strict"]["rate"] is not None
    assert main([*command, "--store"]) == 2
    assert "--store keeps what the run itself draws" in capsys.readouterr().err


def test_what_the_rules_miss_is_told_at_every_point(tiny_run: Run) -> None:
    corpus = tiny_run.corpus()
    split = tiny_run.split(corpus)
    sets = sets_of(corpus, split, corpus.images[split.heldout[:30]])
    found = judge_samples(tiny_run, sets).copies
    kinds = {m.kind for m in found.missed}
    assert kinds == {"denoised from 0.3", "denoised from 0.5", "blurred", "grain"}
    points = [point.false_alarms for point in found.operating]
    for kind in kinds:
        rows = {m.false_alarms: m for m in found.missed if m.kind == kind}
        rates = [rows[point].rate for point in points]
        assert rates == sorted(rates, reverse=True)  # the more alarms, the fewer are missed
        assert all(m.n <= 25 and m.ci95[0] <= m.rate <= m.ci95[1] for m in rows.values())
        assert None in rows
    assert {m.rate for m in found.missed if m.kind == "grain"} == {0}
