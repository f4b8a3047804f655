"""The cutoff under the visitor's hand: what a network still sees, what it makes, what it copies."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st
from PIL import Image

from ambient.copies.records import Report
from ambient.runs.folder import Run
from ui import cutoffs, data, film, words
from ui.cutoffs import Family
from ui.film.parts import Chart, Film, Line, Row
from ui.pictures import Images

SHOWN = 12
LABEL = "Cutoff (noise level)"
SEEN = "What it sees above the cutoff"


def slide(family: str, runs: Family) -> float:
    """The film over a family's cutoffs; the cutoff where it stands."""
    judged = {cutoff: data.report(run) or words.no_verdict(run) for cutoff, run in runs.items()}
    stamps = tuple(report.checkpoint_sha256 for report in judged.values())
    place = film.show(
        _film(family, stamps, runs, judged),
        f"cutoffs-{family}",
        f"cutoff-{family}",
        [f"{cutoff:g}" for cutoff in runs],
        usual=[*runs].index(cutoffs.usual(runs)),
        cell="picture",
    )
    return [*runs][place.frame]


@st.cache_resource(max_entries=8, show_spinner=False)
def _film(
    family: str, stamps: tuple[str | None, ...], _runs: Family, _judged: Mapping[float, Report]
) -> Film:
    both, reports = data.sets(_runs[0.0]), [*_judged.values()]
    seen = [_seen(run) for run in _runs.values()]
    names = [f"{cutoff:g}" if cutoff else "none" for cutoff in _runs]
    return Film(
        [
            _row("At this cutoff", "blue", [*_runs.values()], reports),
            _row("No cutoff", "orange", [_runs[0.0]], reports[:1]),
            *([Row(SEEN, "gray", np.stack(seen))] if all(len(s) for s in seen) else []),
        ],
        LABEL,
        names,
        chart=_chart(reports, names),
        ticks=dict(enumerate(names)),
        pool=(both.train, both.train_names),
        largest=88,
        one_line=True,
    )


def _seen(run: Run) -> Images:
    """The one noisy copy of each of the first training images, clean ones without a cutoff; none
    where a run does not store them."""
    clean, path = data.sets(run).train[:SHOWN], run.path / "frozen.png"
    if not run.config.cutoff:
        return clean
    if not path.exists():
        return clean[:0]
    picture = np.atleast_3d(np.asarray(Image.open(path)))
    return np.stack(np.split(picture, picture.shape[1] // run.config.side, axis=1))[:SHOWN]


def _row(title: str, tone: words.Tone, runs: Sequence[Run], reports: Sequence[Report]) -> Row:
    """Samples of the first seeds, run by run."""
    every = [
        data.shown(run, report, range(SHOWN)) for run, report in zip(runs, reports, strict=True)
    ]
    return Row(
        title,
        tone,
        np.stack([some.images for some in every]),
        marks=[[words.mark(row) for row in some.rows] for some in every],
        numbers=[words.percent(report.copies.ratio.rated.rate) for report in reports],
        captions=["copies"],
        near=[[(row.nearest, row.second) for row in some.rows] for some in every],
    )


def _chart(reports: Sequence[Report], names: Sequence[str]) -> Chart:
    rules = [report.copies.ratio.rated for report in reports]
    said = "; ".join(
        f"{name} {words.percent(rule.rate)}" for name, rule in zip(names, rules, strict=True)
    )
    top = 10 * np.ceil(max(10 * rule.ci95[1] for rule in rules))
    return Chart(
        [
            Line(
                "copies",
                "blue",
                [100 * rule.rate for rule in rules],
                ends=[(100 * rule.ci95[0], 100 * rule.ci95[1]) for rule in rules],
            )
        ],
        f"Copies by cutoff: {said}.",
        high=float(top),
        ticks={0: "0", float(top): f"{top:.0f} %"},
        height=110,
    )
