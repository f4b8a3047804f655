"""Every figure of the explorer as one list: what it shows, its data, its command."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ambient import __version__
from ambient.copies.records import Report
from ambient.files import ASSETS
from ambient.runs.folder import Run
from ui import cutoffs, data, stages, surgery, words
from ui.charts.cutoffs import copies_against_cutoff, copies_against_switch, quality_against_copies
from ui.charts.levels import gaps, noise_levels
from ui.charts.training import copied_along
from ui.charts.verdicts import histogram
from ui.noise import strip
from ui.pictures import arm_color, gallery

SHOWN = 12
RESULTS = ASSETS.parent / "docs" / "results.md"


@dataclass(frozen=True)
class Figure:
    """A figure that a page shows.

    Attributes:
        name: of its files and widget keys.
        page, query: where it is shown, and the address that sets it up.
        command: makes its numbers again.
        rows: its data.
        chart, picture: draws it; one of the two.
        small: draws the chart where it is shown small, if not as it is.
    """

    name: str
    title: str
    alt: str
    page: str
    query: dict[str, str]
    command: str
    sources: list[str]
    rows: Callable[[], data.Rows]
    chart: Callable[[], go.Figure] | None = None
    picture: Callable[[], bytes] | None = None
    small: Callable[[], go.Figure] | None = None


def every() -> list[Figure]:
    """The figures of the bundled runs and measurements, in the order of the pages."""
    found: list[Figure] = []
    table = data.with_cutoffs()
    for n, runs in table.items():
        found += _galleries(n, runs)
    pairs = [run for runs in table.values() for run in _pair(runs)]
    for run in pairs:
        found += [*_along(run), *_levels(run)]
    for n, runs in table.items():
        found += [*_cutoffs(n, runs), *_surgery(n, runs)]
    for run in pairs:
        found += _histogram(run)
    return found


def _pair(runs: Mapping[float, Run]) -> list[Run]:
    """The standard run, and the ambient one whose cutoff is nearest to 1."""
    return [runs[0.0], runs[min((c for c in runs if c), key=lambda c: abs(c - 1))]]


def _galleries(n: int, runs: Mapping[float, Run]) -> Iterator[Figure]:
    for run in _pair(runs):
        if report := data.report(run):
            yield _gallery(n, run, report)


def _gallery(n: int, run: Run, report: Report) -> Figure:
    def picture() -> bytes:
        some = data.shown(run, report, range(SHOWN))
        return gallery(some.images, some.nearest, some.copies, arm_color(run.config.arm))

    rate = words.percent(report.copies.ratio.rated.rate)
    return Figure(
        f"samples-{run.name}",
        f"Samples above their nearest training images, {words.run_name(run)}: {rate} copies",
        f"{SHOWN} samples of {run.name} above their nearest training images, copies framed.",
        "home",
        {"n": str(n)},
        words.evaluates(run),
        [words.provenance(run, report)],
        lambda: report.samples,
        picture=picture,
    )


def _along(run: Run) -> Iterator[Figure]:
    rows, c = stages.copies(run), run.config
    if len(rows) < 2:
        return
    yield Figure(
        f"copies-along-{run.name}",
        f"Copies along training, {words.run_name(run)}",
        f"Copies against training step, {words.percent(rows[-1]['rate'])} at the end.",
        "home",
        {"n": str(run.config.n_train)},
        "make assets",
        [words.provenance(run, data.report(run))],
        lambda: rows,
        chart=lambda: copied_along(rows, c.arm, c.steps),
    )


def _levels(run: Run) -> Iterator[Figure]:
    curves = data.curves(run)
    if curves is None:
        return
    peak = data.widest_gap(curves)
    yield Figure(
        f"noise-levels-{run.name}",
        f"Noise level by noise level, {words.run_name(run)}",
        f"Errors by noise level; the gap peaks at {peak.gap_ratio:.3g} near noise level "
        f"{peak.sigma:.2g}.",
        "noise",
        {"run": run.name},
        words.measures(run),
        [words.provenance(run, data.report(run))],
        lambda: curves.levels,
        chart=lambda: noise_levels(curves, run.config.arm, strip(data.sets(run).train[0])),
        small=lambda: gaps([(curves, run.config.arm, "")]),
    )


def _cutoffs(n: int, runs: Mapping[float, Run]) -> Iterator[Figure]:
    measure = next(iter(cutoffs.MEASURES))
    valley, plane = cutoffs.field(runs, n), cutoffs.field(runs, n, measure)
    suggested, usual = cutoffs.suggestion(n), _pair(runs)[1].config.cutoff
    value = suggested.value if suggested else None

    def figure(
        name: str, title: str, field: cutoffs.Field, draw: Callable[[bool], go.Figure]
    ) -> Figure:
        rates = "; ".join(f"{p.label} {words.percent(p.rate)}" for p in field.ends)
        return Figure(
            f"{name}-{n}",
            f"{title}, n = {n}",
            f"{title}: {rates}.",
            "cutoff",
            {"n": str(n)},
            field.command,
            [field.about],
            lambda: cutoffs.rows(field),
            chart=lambda: draw(False),
            small=lambda: draw(True),
        )

    yield figure(
        "copies-against-cutoff",
        "Copies against the cutoff",
        valley,
        lambda small: copies_against_cutoff(valley, value, usual, small=small),
    )
    yield figure(
        "quality-against-copies",
        f"Copies against {measure}",
        plane,
        lambda small: quality_against_copies(plane, measure, f"ambient-{usual:g}", small=small),
    )


def _surgery(n: int, runs: Mapping[float, Run]) -> Iterator[Figure]:
    found = surgery.stored(runs, n)
    if found is None:
        return
    yield Figure(
        f"surgery-{n}",
        f"Surgery: who decides what is copied, n = {n}",
        f"Copies of {found.standard.name} and {found.ambient.name} spliced at noise levels.",
        "cutoff",
        {"n": str(n)},
        "make measurements",
        [found.about],
        lambda: found.rows,
        chart=lambda: copies_against_switch(
            found.rows,
            (found.standard.name, found.ambient.name),
            found.ambient.config.cutoff,
            surgery.USUAL,
        ),
    )


def _histogram(run: Run) -> Iterator[Figure]:
    report = data.report(run)
    if report is None:
        return
    yield Figure(
        f"ratios-{run.name}",
        f"Generated and unseen images by the rule, {words.run_name(run)}",
        f"Histogram of d1/d2 of {report.n_samples} samples and of unseen images.",
        "evidence",
        {"run": run.name},
        words.evaluates(run),
        [words.provenance(run, report)],
        lambda: report.samples,
        chart=lambda: histogram(
            np.array([s.ratio for s in report.samples], np.float32),
            np.array(report.heldout_ratios, np.float32),
            report.copies.ratio.threshold,
            "ratio",
            run.config.arm,
        ),
    )


def archive(figures: Sequence[Figure]) -> bytes:
    """A zip: a CSV a figure, PNG of galleries, charts as pages that save SVG, all sources.

    Charts open without a network (plotly.js is in the zip, once); the camera on a chart saves it
    as SVG. `manifest.json` lists every file with its hash, source and command.
    """
    buffer = io.BytesIO()
    manifest: list[dict[str, object]] = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:

        def put(name: str, content: bytes, figure: Figure | None = None) -> None:
            target.writestr(name, content)
            about = {"file": name, "sha256": hashlib.sha256(content).hexdigest()}
            more = ("title", "command", "sources") if figure else ()
            manifest.append(about | {field: getattr(figure, field) for field in more})

        for figure in figures:
            put(f"{figure.name}.csv", data.csv_bytes(figure.rows()), figure)
            if figure.picture:
                put(f"{figure.name}.png", figure.picture(), figure)
            if figure.chart:
                put(f"{figure.name}.html", _page(figure), figure)
        put("plotly.min.js", get_plotlyjs().encode())
        for path in _sources():
            put(f"sources/{path.relative_to(ASSETS.parent).as_posix()}", path.read_bytes())
        listed = {"made_by": f"Ambient Explorer {__version__}", "files": manifest}
        target.writestr("manifest.json", json.dumps(listed, indent=1))
    return buffer.getvalue()


def _page(figure: Figure) -> bytes:
    assert figure.chart
    drawn = figure.chart()
    drawn.update_layout(title=figure.title, paper_bgcolor="#FBF8F2", plot_bgcolor="#FBF8F2")
    drawn.update_layout(margin={"t": 60})
    saved = {"toImageButtonOptions": {"format": "svg", "filename": figure.name}}
    html: str = drawn.to_html(include_plotlyjs="directory", config=saved)
    return html.encode()


def _sources() -> list[Path]:
    """The stored files that the figures and the results are made of."""
    found = [*(ASSETS / "results").glob("*.json"), *(ASSETS / "sweeps").glob("*/*")]
    found += [p for name in ("report.json", "curves.json") for p in ASSETS.glob(f"runs/*/{name}")]
    return sorted([*found, *([RESULTS] if RESULTS.exists() else [])])


def section(title: str) -> str:
    """A section of docs/results.md by its heading; empty where it is not there."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    parts = [p for p in text.split("\n## ") if p.startswith(f"{title}\n")]
    return parts[0].partition("\n")[2].strip() if parts else ""
