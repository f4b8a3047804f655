"""docs/results.md, and the figures in README.md and docs/audit.md: `make results`.

Reads assets/sweeps/emoji-100/table.json, assets/results/*.json, the encoder's report and those of
the bundled runs; computes nothing that needs a model. The words are in scripts/pages.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from safetensors import safe_open

from ambient.copies.records import Report
from ambient.copies.rules import OPERATING
from ambient.copies.spaces import FEATURES, QUALITY
from ambient.files import ASSETS, write_atomically
from ambient.reports.comparison import Mean
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from scripts import audit_trials, judged_pairs, prompt_tables
from scripts.page import Table, measured, render, share
from scripts.stage_tables import along_training, in_short
from scripts.sweep_tables import (
    AMBIENT,
    CONTROLS,
    STANDARD,
    Row,
    Sweep,
    at_the_end,
    by_cutoff,
    by_level,
    by_quality,
    copies,
    mean,
    name,
    number,
    paths,
    points,
    short,
    verdict,
)

DOCS = ASSETS.parent / "docs"
README = ASSETS.parent / "README.md"
SWEEP = ASSETS / "sweeps" / "emoji-100" / "table.json"
STEP = "ambient_step_over_standard"
COSINES = {FEATURES: "features", "pixel cosine": "pixels"}
POINTS = [f"{100 * share:g} %" for share in OPERATING]


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ASSETS / f"{name}.json").read_text("utf-8"))
    return loaded


def halfway(rows: list[Row]) -> list[float]:
    """The switch that decides half of the difference, standard below first; nan if none does."""
    whole = {r["above"]: r["copies"] for r in rows if r["switch"] is None}
    middle = sum(whole.values()) / 2
    found = []
    for below in sorted(whole, key=lambda run: not run.endswith("standard")):
        cut = [r for r in rows if r["switch"] and r["below"] == below]
        found.append(crossing(sorted((r["switch"], r["copies"]) for r in cut), middle))
    return found


def crossing(column: list[tuple[float, float]], middle: float) -> float:
    """The switch at which copies cross a value, ln sigma interpolated; nan if they do not."""
    for (s0, c0), (s1, c1) in zip(column, column[1:], strict=False):
        if (c0 - middle) * (c1 - middle) <= 0 and c0 != c1:
            return s0 * (s1 / s0) ** float((c0 - middle) / (c0 - c1))
    return math.nan


def parameters() -> int:
    """Of the bundled emoji network, which is the sweep's."""
    with safe_open(open_run("emoji-100-standard").checkpoint(), "numpy") as weights:
        return sum(math.prod(weights.get_slice(k).get_shape()) for k in weights.keys())  # noqa: SIM118


# The tables


def share_of(row: Row) -> str:
    return share(row["copies"], row["ci95"])


def cut(rows: list[Row], samples: int) -> dict[str, Any]:
    """What surgery on one pair of runs found."""
    whole = {r["above"]: r for r in rows if r["switch"] is None}
    standard = next(k for k in whole if k.endswith("standard"))
    ambient = next(k for k in whole if k != standard)
    cells = [["switch", "standard below, ambient above", "ambient below, standard above"]]
    for switch in sorted({r["switch"] for r in rows} - {None}):
        pair = {r["below"]: r for r in rows if r["switch"] == switch}
        cells.append([f"{switch:g}", *(share_of(pair[k]) for k in (standard, ambient))])
    half = halfway(rows)
    return {
        "n": rows[0]["n_train"],
        "table": cells,
        "samples": samples,
        "standard": share_of(whole[standard]),
        "ambient": share_of(whole[ambient]),
        "half": half,
        "below": max(half) < AMBIENT.cutoff,
    }


def judged(run: Run, report: Report) -> list[str]:
    rule, quality = report.copies.ratio.rated, report.quality
    cells = [run.name, f"{report.step:,}", share(rule.rate, rule.ci95)]
    if quality is None or quality.features != QUALITY:
        return [*cells, *["-"] * 4]
    return [
        *cells,
        measured(quality.kid, quality.kid_ci95),
        measured(quality.kid_noncopies, quality.kid_noncopies_ci95),
        "-" if quality.frechet is None else f"{quality.frechet:.0f}",
        "-" if quality.fld_gap is None else f"{quality.fld_gap:.2f}",
    ]


HEAD = ["run", "step", "copies %", "KID", "KID of non-copies", "Fréchet", "FLD gap"]


def untold() -> list[Run]:
    """The bundled runs but those with captions, which have a page of their own (docs/text.md)."""
    return [run for run in list_runs(BUNDLED_RUNS) if not run.config.text]


def bundled() -> Iterator[tuple[str, Any]]:
    """Copies and quality of the bundled runs."""
    runs = [(run, report) for run in untold() if (report := run.report())]
    yield "samples", max(report.n_samples for _, report in runs)
    yield "ends", [HEAD, *(judged(run, report) for run, report in runs)]
    known = [(run, r.quality) for run, r in runs if r.quality and r.quality.features == QUALITY]
    yield (
        "yardsticks",
        [
            ["run", "KID of unseen images", "KID of training images"],
            *([run.name, f"{q.kid_heldout:.3f}", f"{q.kid_train:.3f}"] for run, q in known),
        ],
    )


def swept() -> Iterator[dict[str, Any]]:
    """The sweeps of several arms whose quality was measured."""
    for path in sorted(ASSETS.glob("sweeps/*/table.json")):
        sweep = Sweep(path)
        if len(sweep.arms) > 1 and sweep.measured:
            yield {"sweep": sweep, "table": by_quality(sweep), "paths": paths(sweep)}


def false_alarms() -> Table:
    rows = [["run", "ratio: unseen", "ratio: null", "similarity: unseen", "similarity: null"]]
    for run in untold():
        if report := run.report():
            cells = []
            for r in (report.copies.ratio, report.copies.similarity):
                assert r and r.null  # bundled reports have both
                cells.append(share(r.heldout_rate, r.heldout_ci95))
                cells.append(share(r.null.rate, r.null.ci95))
            rows.append([run.name, *cells])
    return rows


def along_the_curve() -> Iterator[list[str]]:
    """Copies of each bundled run at each share of false alarms, and by the strict rule."""
    for run in untold():
        report = run.report()
        if report and report.copies.operating and report.copies.strict:
            points, strict = report.copies.operating, report.copies.strict.rate or 0
            yield [run.name, *(f"{100 * (p.rate or 0):.0f}" for p in points), f"{100 * strict:.0f}"]


def missed_plants() -> Iterator[list[str]]:
    """What the headline's rule and the strict one miss, by kind, of all bundled runs together."""
    found = [m for r in untold() if (s := r.report()) for m in s.copies.missed]
    for kind in dict.fromkeys(m.kind for m in found):
        cells = []
        for point in (*OPERATING, None):
            some = [m for m in found if (m.kind, m.false_alarms) == (kind, point)]
            cells.append(f"{100 * fmean(m.rate for m in some):.0f}")
        yield [kind, *cells]


def encoder() -> Table:
    """What share of planted copies the encoder's rule finds, and of plain pixels' cosine."""
    found = load("encoder/report")["corpora"]
    each = [(c, rule, found[c]["mean_over_splits"][rule]) for c in found for rule in COSINES]
    changes = list(dict.fromkeys(change for *_, row in each for change in row["recall"]))
    rows = [["images", "cosine of", "false alarms", *changes]]
    for corpus, rule, row in each:
        cells = [f"{100 * row['recall'][k]:.0f}" if k in row["recall"] else "-" for k in changes]
        rows.append([corpus, COSINES[rule], f"{100 * row['false_alarms']:.1f}", *cells])
    return rows


def claims(sweep: Sweep, cuts: Sequence[dict[str, Any]]) -> Table:
    """The paper's claims, each beside what was found here."""
    half, sizes = max(h for c in cuts for h in c["half"]), " and ".join(str(c["n"]) for c in cuts)
    least = min(sweep.cutoffs, key=lambda a: mean(sweep.at_end(a, copies)))
    fall = sweep.difference(least, STANDARD, copies)
    fresh, light = (sweep.difference(AMBIENT, c, copies) for c in CONTROLS[1:])
    peaks = [s for s, _ in sweep.peak(STANDARD)]
    return [
        ["claim", "here", "scale"],
        [
            "Hiding clean images above a cutoff lowers copying",
            f"{verdict(fall, 'agrees', 'disagrees')}: {points(fall)} points at "
            f"cutoff {least.cutoff:g}",
            f"100 emoji, 32x32, {parameters() / 1e6:.1f} M parameters, {len(sweep.seeds)} seeds",
        ],
        [
            "at the same image quality",
            "open: the samples of this sweep were not kept",
            "`make sweep` measures it anew",
        ],
        [
            "because the noise is frozen",
            f"against redrawn noise {verdict(fresh, 'fewer copies', 'more copies')} "
            f"({points(fresh)}); against the weight alone "
            f"{verdict(light, 'fewer copies', 'more copies')} ({points(light)})",
            "the same",
        ],
        [
            "Copying is only necessary at low noise",
            f"surgery: half of the difference is decided below sigma {half:.2f}; the gap "
            f"peaks at {min(peaks):.2f} to {max(peaks):.2f}, an intermediate noise",
            f"n = {sizes}, one run each",
        ],
    ]


def figures() -> dict[str, Any]:
    sweep, found, suggestion = (
        Sweep(SWEEP),
        load("results/surgery"),
        load("results/suggestion")["rows"],
    )
    sizes = sorted({(r["corpus"], r["n_train"]) for r in suggestion})
    suggested = {
        size: Mean.of([r["cutoff"] for r in suggestion if (r["corpus"], r["n_train"]) == size])
        for size in sizes
    }
    sides = sorted({r["n_train"] for r in found["rows"]})
    cuts = [cut([r for r in found["rows"] if r["n_train"] == n], found["n_samples"]) for n in sides]
    best = min(sweep.cutoffs, key=lambda a: mean(sweep.at_end(a, copies)))
    return {
        "sweep": sweep,
        "parameters": parameters(),
        "at_the_end": at_the_end(sweep),
        "same_step": sweep.difference(AMBIENT, STANDARD, copies),
        "paths": paths(sweep),
        "by_cutoff": by_cutoff(sweep),
        "swept": list(swept()),
        "suggested": [
            ["corpus", "n", "suggested cutoff (three splits)"],
            *([c, str(n), number(m)] for (c, n), m in suggested.items()),
        ],
        "suggested_100": suggested["emoji", 100],
        "tried": [f"{a.cutoff:g}" for a in sweep.cutoffs],
        "best": f"{best.cutoff:g}",
        "by_level": by_level(sweep),
        "isolated": {
            name(c): {
                "copies": sweep.difference(AMBIENT, c, copies),
                "gap": sweep.gap_difference(AMBIENT, c, AMBIENT.cutoff),
            }
            for c in CONTROLS[1:]
        },
        "surgery": cuts,
        "cost": next(r for r in load("results/bench")["rows"] if r["name"] == STEP),
        **dict(bundled()),
        "false_alarms": false_alarms(),
        "curve": [["run", *POINTS, "strict"], *along_the_curve()],
        "missed": [["planted", *POINTS, "strict"], *missed_plants()],
        "eye": judged_pairs.agreements(),
        "encoder": encoder(),
        "along": along_training(),
        "claims": claims(sweep, cuts),
    }


def replaced(path: Path, block: str, text: str) -> str:
    """A page with a text in the place of what stands between two comments."""
    between = re.compile(rf"(?<=<!-- {block} -->\n).*?(?=<!-- end of {block} -->)", re.DOTALL)
    return between.sub(lambda _: f"\n{text}\n", path.read_text(encoding="utf-8"))


def pages() -> dict[Path, str]:
    """The texts of the three files."""
    filters = {"verdict": verdict, "percent": "{:.1%}".format}
    found = figures()
    sweep = found["sweep"]
    found |= {
        "short": short(sweep),
        "pairs": in_short(),
        "heldout_100": mean(sweep.at_end(STANDARD, lambda r: r["heldout"])),
        "half": max(h for c in found["surgery"] for h in c["half"]),
    }
    audits = render("audit", filters, audit_trials.figures())
    asked = render("text", filters, prompt_tables.figures())
    return {
        DOCS / "results.md": render("results", filters, found),
        README: replaced(README, "results", render("readme", filters, found)),
        DOCS / "audit.md": replaced(DOCS / "audit.md", "trials", audits),
        DOCS / "text.md": replaced(DOCS / "text.md", "verdicts", asked),
    }


def main() -> None:
    for path, text in pages().items():
        write_atomically(path, text)
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
