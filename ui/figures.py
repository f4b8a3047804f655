"""Every figure of the explorer with its data, as one zip: what it shows, and its command."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from ambient import __version__
from ambient.copies.rules import halves
from ambient.files import ASSETS
from ambient.runs.folder import Run
from ui import cutoffs, data, stages, words
from ui.charts.cutoffs import copies_against_cutoff, copies_against_switch, quality_against_copies
from ui.charts.levels import noise_levels
from ui.charts.prompts import obedience
from ui.charts.training import copies_along
from ui.charts.verdicts import roc
from ui.cutoffs import Family
from ui.noise import strip
from ui.pictures import arm_color, gallery

SHOWN = 12
RESULTS = ASSETS.parent / "docs" / "results.md"


@dataclass(frozen=True)
class Figure:
    name: str  # of its files
    title: str
    command: str  # makes its numbers again, which `rows` holds
    sources: list[str]
    rows: Callable[[], data.Rows]
    # chart, picture: draws it; one of the two
    chart: Callable[[], go.Figure] | None = None
    picture: Callable[[], bytes] | None = None


def every() -> list[Figure]:
    """The figures of the bundled runs and measurements."""
    found: list[Figure] = []
    for run in data.bundled():
        found += [*_samples(run), *_along(run), *_levels(run)]
    for name, asked in stages.told().items():
        found += _prompts(name, asked)
    for name, runs in cutoffs.families().items():
        found += [*_cutoffs(name, runs), *_splices(name, runs)]
    return found


def _samples(run: Run) -> Iterator[Figure]:
    report = data.report(run)
    if report is None:
        return
    about = words.evaluates(run), [words.provenance(run, report)]

    def picture() -> bytes:
        some = data.shown(run, report, range(SHOWN))
        return gallery(some.images, some.nearest, some.copies, arm_color(run.config.arm))

    def operating() -> go.Figure:
        ratios = np.array([s.ratio for s in report.samples], np.float32)
        unseen = np.array(report.heldout_ratios, np.float32)
        unseen = unseen[halves(len(unseen))[1]]
        return roc(report.copies, ratios, unseen, report.copies.ratio.threshold, run.config.arm)

    title = f"Samples above their nearest training images, {words.run_name(run)}"
    yield Figure(f"samples-{run.name}", title, *about, lambda: report.samples, picture=picture)
    title = f"Copies against false alarms, {words.run_name(run)}"
    rows = report.copies.operating
    yield Figure(f"operating-{run.name}", title, *about, lambda: rows, chart=operating)


def _along(run: Run) -> Iterator[Figure]:
    rows, arm = stages.copies(run), run.config.arm
    if len(rows) > 1:
        yield Figure(
            f"copies-along-{run.name}",
            f"Copies along training, {words.run_name(run)}",
            "make assets",
            [words.provenance(run, data.report(run))],
            lambda: rows,
            chart=lambda: copies_along([(arm, words.run_name(run), rows, True)]),
        )


def _levels(run: Run) -> Iterator[Figure]:
    curves = data.curves(run)
    if curves:
        yield Figure(
            f"noise-levels-{run.name}",
            f"Noise level by noise level, {words.run_name(run)}",
            words.measures(run),
            [words.provenance(run, data.report(run))],
            lambda: curves.levels,
            chart=lambda: noise_levels(curves, run.config.arm, strip(data.sets(run).train[0])),
        )


def _prompts(name: str, runs: stages.Runs) -> Iterator[Figure]:
    table = stages.prompt_rows(runs)
    if table:
        yield Figure(
            f"prompts-{name.replace(' ', '-')}",
            f"What obeying words costs, {name}",
            "\n".join(words.evaluates(run) for run in runs.values()),
            [words.provenance(run, data.report(run)) for run in runs.values()],
            lambda: table,
            chart=lambda: obedience(table),
        )


def _cutoffs(name: str, runs: Family) -> Iterator[Figure]:
    of, usual = words.family(runs[0.0]), cutoffs.usual(runs)
    suggested = cutoffs.suggestion(runs[0.0].config)
    valley, value = cutoffs.field(runs), suggested.value if suggested else None
    yield Figure(
        f"copies-against-cutoff-{name}",
        f"Copies against the cutoff, {of}",
        valley.command,
        [valley.about, *valley.sources],
        lambda: cutoffs.rows(valley),
        chart=lambda: copies_against_cutoff(valley, value, usual),
    )
    for measure in cutoffs.measures(runs):
        yield _plane(f"{measure}-against-copies-{name}", runs, measure)


def _plane(name: str, runs: Family, measure: str) -> Figure:
    plane, selected = cutoffs.field(runs, measure), f"cutoff {cutoffs.usual(runs):g}"
    about = cutoffs.MEASURES[measure]
    return Figure(
        name,
        f"Copies against {about}, {words.family(runs[0.0])}",
        plane.command,
        [plane.about, *plane.sources],
        lambda: cutoffs.rows(plane),
        chart=lambda: quality_against_copies(plane, about, selected),
    )


def _splices(name: str, runs: Family) -> Iterator[Figure]:
    found = cutoffs.splices(runs)
    if found:
        pair = found.standard.name, found.ambient.name
        cutoff, switch = found.ambient.config.cutoff, found.switches[len(found.switches) // 2]
        yield Figure(
            f"surgery-{name}",
            f"Who decides what is copied, {words.family(runs[0.0])}",
            "python -m scripts.measure surgery",
            [found.about],
            lambda: found.rows,
            chart=lambda: copies_against_switch(found.rows, pair, cutoff, switch),
        )


def archive() -> bytes:
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

        for figure in every():
            put(f"{figure.name}.csv", data.csv_bytes(figure.rows()), figure)
            if figure.picture:
                put(f"{figure.name}.png", figure.picture(), figure)
            if figure.chart:
                put(f"{figure.name}.html", _page(figure, figure.chart()), figure)
        put("plotly.min.js", get_plotlyjs().encode())
        for path in _sources():
            put(f"sources/{path.relative_to(ASSETS.parent).as_posix()}", path.read_bytes())
        listed = {"made_by": f"Ambient Explorer {__version__}", "files": manifest}
        target.writestr("manifest.json", json.dumps(listed, indent=1))
    return buffer.getvalue()


def _page(figure: Figure, drawn: go.Figure) -> bytes:
    drawn = go.Figure(drawn)  # the drawn one is kept for all visitors
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
