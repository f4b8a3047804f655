"""Words: stored prompts of the bundled runs, words of one's own, runs of one's own."""

from pathlib import Path

import numpy as np
import pytest

from ambient.images import captions as reading
from ambient.library import train
from ambient.reports.prompts import KINDS
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs
from tests.pages.driver import film, ran, text, visit
from ui import stages
from ui.prompts import GUIDANCES, answers, asking, choice

TOLD = [run for run in list_runs(BUNDLED_RUNS) if run.config.text]
OWN = choice.KINDS[choice.OWN]


def test_a_pair_that_learned_captions_is_bundled() -> None:
    assert [list(runs) for runs in stages.told().values()] == [["standard", "ambient"]]


@pytest.mark.parametrize("run", TOLD, ids=lambda r: r.name)
def test_the_stored_pictures_are_drawn_by_the_stored_weights(run: Run) -> None:
    pack = answers.pack(run)
    assert pack is not None and set(pack.kinds.values()) == set(choice.KINDS) - {choice.OWN}
    assert sorted(pack.drawn) == sorted(p for some in choice.by_lot(run).values() for p in some)
    prompt, stored = next(iter(pack.drawn.items()))
    drawn = asking.both(run.denoiser(), run, prompt)
    apart = np.abs(drawn.astype(int) - stored.astype(int))
    assert np.quantile(apart, 0.99) <= 1  # other processors round otherwise


@pytest.mark.parametrize("run", TOLD, ids=lambda r: r.name)
def test_prompts_are_judged_kind_by_kind_and_scored(run: Run) -> None:
    report, signals = answers.judged(run), answers.signals(run)
    assert report is not None and report.prompts is not None and signals is not None
    assert {a.kind for a in report.prompts.asked} == set(KINDS)
    for a in report.prompts.asked:
        assert a.precision is None or a.precision.floor < 0.05
    for signal in signals.signals:
        assert signal.early_auc is not None and signal.auc_ci95[0] <= signal.auc


def test_the_page_shows_both_networks_with_the_nearest_captions() -> None:
    app = visit("words")
    shown = film(app)
    assert [row["tone"] for row in shown["rows"]] == ["orange", "blue"]
    assert len(shown["frames"]) == len(GUIDANCES) and shown["beneath"]
    run = next(iter(stages.told().values()))["standard"]
    assert {name for _, name in shown["pool"]} <= {*answers.captions(run), "no caption"}
    assert len(app.get("plotly_chart")) == 1


def test_each_kind_of_prompt_has_its_own_share_of_copies() -> None:
    for kind, label in choice.KINDS.items():
        if kind != choice.OWN:
            shown = film(visit("words", kind=label))
            assert all(len(row["numbers"]) == len(GUIDANCES) for row in shown["rows"])
            assert all("%" in number for row in shown["rows"] for number in row["numbers"])


def test_words_of_ones_own_are_drawn_or_refused_in_one_line() -> None:
    app = visit("words", kind=OWN, ask="red heart")
    assert len(film(app)["rows"]) == 2 and "red heart" in text(app)
    assert all(set(row["numbers"]) == {""} for row in film(app)["rows"])
    assert "Write what to draw" in visit("words", kind=OWN).info[0].value
    refused = ran(visit("words", kind=OWN, ask="\U0001f600"))
    assert len(refused.error) == 1 and "no word of" in refused.error[0].value


def test_without_the_packages_that_read_words_stored_prompts_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "PACKAGE", "no_such_package")
    assert len(film(visit("words"))["rows"]) == 2
    (said,) = visit("words", kind=OWN).info
    assert "requirements-text.txt" in said.value


def test_a_run_of_ones_own_is_asked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBIENT_RUNS", str(tmp_path))
    monkeypatch.setattr(asking, "STEPS", 2)
    train("emoji", out=tmp_path / "mine", text=True, n_train=40, width=16, batch=4, steps=2)
    app = visit("words", set="mine")
    shown = film(app)
    assert len(shown["rows"]) == 1 and shown["rows"][0]["numbers"] == [""] * len(shown["frames"])
