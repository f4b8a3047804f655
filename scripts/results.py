"""docs/results.md and the results in README.md, from stored tables: `make results`.

Reads assets/sweeps/*/table.json, assets/results/*.json and the bundled runs' reports; computes
nothing that needs a model. The words are in pages/results.md.j2, the figures in those files.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from safetensors import safe_open

from ambient.copies.records import Report
from ambient.copies.rules import OPERATING
from ambient.copies.spaces import QUALITY
from ambient.files import ASSETS, write_atomically
from ambient.reports.comparison import Mean
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs, open_run
from scripts import judged_pairs
from scripts.page import Table, render

PAGE = ASSETS.parent / "docs" / "results.md"
README = ASSETS.parent / "README.md"
BLOCK = re.compile(r"(?<=<!-- results -->\n).*?(?=<!-- end of results -->)", re.DOTALL)
SWEEP = ASSETS / "sweeps" / "emoji-100" / "table.json"
Row = dict[str, Any]
Arm = tuple[str, float]  # name and cutoff
AMBIENT: Arm = ("ambient", 1.0)
CONTROLS: tuple[Arm, ...] = (("standard", 0.0), ("fresh", 1.0), ("reweight", 1.0))
POINTS = [f"{100 * share:g} %" for share in OPERATING]
PLANTED = (
    "exact",
    "mirrored",
    "shifted 1 px",
    "shifted 2 px",
    "recolored",
    "noisy",
    "resaved as JPEG",
)


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ASSETS / "results" / f"{name}.json").read_text("utf-8"))
    return loaded


# How figures are written


def points(m: Mean | None) -> str:
    """A difference of shares, in points."""
    return "-" if m is None else written(m, lambda v: f"{100 * v:+.1f}")


def percent(m: Mean | None) -> str:
    """A share; an interval of shares ends at 0 and at 100 %."""
    return "-" if m is None else written(m, lambda v: f"{100 * min(max(v, 0), 1):.1f}")


def times(m: Mean | None) -> str:
    """A mean of logarithms, as a factor."""
    return "-" if m is None else written(m, lambda v: f"{math.exp(v):.2f}")


def number(m: Mean | None) -> str:
    return "-" if m is None else written(m, lambda v: f"{v:.3f}")


def written(m: Mean, form: Callable[[float], str]) -> str:
    inside = "one run" if m.count == 1 else f"{form(m.low)} to {form(m.high)}"
    return f"{form(m.value)} ({inside})"


def verdict(m: Mean | None, less: str, more: str) -> str:
    """What an interval of a difference shows, in words."""
    if m is None or m.low <= 0 <= m.high:
        return "no difference is shown"
    return less if m.high < 0 else more


def name(arm: Arm) -> str:
    return arm[0] if not arm[1] else f"{arm[0]} {arm[1]:g}"


# The sweep


class Sweep:
    """The rows and curves of a table, by arm and seed."""

    def __init__(self, path: Path):
        found = json.loads(path.read_text(encoding="utf-8"))
        self.missing: list[str] = found["missing"]
        self.paths: dict[Arm, dict[int, list[Row]]] = {}
        for row in found["rows"]:
            seeds = self.paths.setdefault((row["arm"], row["cutoff"]), {})
            seeds.setdefault(row["seed"], []).append(row)
        self.curves: dict[Arm, dict[int, list[Row]]] = {}
        for c in found["curves"]:
            self.curves.setdefault((c["arm"], c["cutoff"]), {})[c["seed"]] = c["levels"]
        self.last_step = max(r["step"] for r in found["rows"])
        self.n_samples = found["rows"][0]["n_samples"]

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for path in self.paths.values() for seed in path})

    @property
    def arms(self) -> list[Arm]:
        order = ("standard", "ambient", "fresh", "reweight", "noisy-only")
        return sorted(self.paths, key=lambda arm: (order.index(arm[0]), arm[1]))

    @property
    def cutoffs(self) -> list[Arm]:
        """The ambient arms."""
        return [arm for arm in self.arms if arm[0] == "ambient"]

    def ends(self, arm: Arm) -> dict[int, Row]:
        """The last stage of each seed."""
        return {s: p[-1] for s, p in self.paths[arm].items() if p[-1]["step"] == self.last_step}

    def at_end(self, arm: Arm, value: Callable[[Row], float]) -> Mean | None:
        return Mean.of([value(row) for row in self.ends(arm).values()])

    def difference(self, a: Arm, b: Arm, value: Callable[[Row], float]) -> Mean | None:
        """Value of a minus that of b at the last step, paired by seed."""
        x, y = self.ends(a), self.ends(b)
        return Mean.of([value(x[s]) - value(y[s]) for s in sorted(set(x) & set(y))])

    def gap_above(self, arm: Arm, cutoff: float) -> dict[int, float]:
        """Mean ln(held-out error / train error) over the levels above a cutoff, by seed."""
        found = {}
        for seed, levels in self.curves.get(arm, {}).items():
            logs = [math.log(x["gap_ratio"]) for x in levels if x["sigma"] > cutoff]
            found[seed] = math.fsum(logs) / len(logs)
        return found

    def gap_difference(self, a: Arm, b: Arm, cutoff: float) -> Mean | None:
        x, y = self.gap_above(a, cutoff), self.gap_above(b, cutoff)
        return Mean.of([x[s] - y[s] for s in sorted(set(x) & set(y))])

    def peak(self, arm: Arm) -> list[tuple[float, float]]:
        """(sigma, ratio) where held-out error is largest against train error, a seed each."""
        tops = [
            max(levels, key=lambda x: x["gap_ratio"])
            for levels in self.curves.get(arm, {}).values()
        ]
        return [(x["sigma"], x["gap_ratio"]) for x in tops]


def copies(row: Row) -> float:
    return float(row["copies"])


def mean(m: Mean | None) -> float:
    return m.value if m else math.inf


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


def share(row: Row, interval: str = "ci95") -> str:
    """Percent of copies, and the interval."""
    low, high = row[interval]
    return f"{100 * row['copies']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def parameters() -> int:
    """Of the bundled emoji network, which is the sweep's."""
    with safe_open(open_run("emoji-100-standard").checkpoint(), "numpy") as weights:
        return sum(math.prod(weights.get_slice(k).get_shape()) for k in weights.keys())  # noqa: SIM118


# The tables


def at_the_end(sweep: Sweep) -> Table:
    measures: dict[str, Callable[[Row], float]] = {
        "copies %": copies,
        "similar %": lambda r: float(r["similar"]),
        "unseen called copies %": lambda r: float(r["heldout"]),
        "null %": lambda r: float(r["null"]),
    }
    rows = [["arm", *measures, "points more than standard"]]
    for arm in sweep.arms:
        more = "-" if arm == CONTROLS[0] else points(sweep.difference(arm, CONTROLS[0], copies))
        rows.append([name(arm), *(percent(sweep.at_end(arm, m)) for m in measures.values()), more])
    return rows


def paths(sweep: Sweep) -> Table:
    steps = sorted({r["step"] for p in sweep.paths.values() for rows in p.values() for r in rows})
    rows = [["step", *map(name, sweep.arms)]]
    for step in steps:
        cells = []
        for arm in sweep.arms:
            stages = [r for p in sweep.paths[arm].values() for r in p if r["step"] == step]
            fewer = "" if len(stages) == len(sweep.paths[arm]) else f" ({len(stages)} runs)"
            cells.append(f"{fmean(map(copies, stages)):.1%}{fewer}")
        rows.append([str(step), *cells])
    return rows


def by_cutoff(sweep: Sweep) -> Table:
    rows = [["cutoff (n = 100)", "copies %", "more than at cutoff 1, points"]]
    for arm in (CONTROLS[0], *sweep.cutoffs):
        more = "-" if arm == AMBIENT else points(sweep.difference(arm, AMBIENT, copies))
        rows.append([f"{arm[1]:g}", percent(sweep.at_end(arm, copies)), more])
    return rows


def by_level(sweep: Sweep) -> Table:
    head = ["arm", "gap peaks at sigma", "held-out : train there", "gap above sigma 1"]
    rows = [[*head, "times that of ambient 1"]]
    for arm in sweep.arms:
        peaks = sweep.peak(arm)
        above = Mean.of(list(sweep.gap_above(arm, AMBIENT[1]).values()))
        against = "-" if arm == AMBIENT else times(sweep.gap_difference(arm, AMBIENT, AMBIENT[1]))
        where, high = (
            ", ".join(x) for x in zip(*((f"{s:.2f}", f"{r:.1f}") for s, r in peaks), strict=True)
        )
        rows.append([name(arm), where, high, times(above), against])
    return rows


def cut(rows: list[Row], samples: int) -> dict[str, Any]:
    """What surgery on one pair of runs found."""
    whole = {r["above"]: r for r in rows if r["switch"] is None}
    standard = next(k for k in whole if k.endswith("standard"))
    ambient = next(k for k in whole if k != standard)
    head = f"switch (n = {rows[0]['n_train']})"
    cells = [[head, "standard below, ambient above", "ambient below, standard above"]]
    for switch in sorted({r["switch"] for r in rows} - {None}):
        pair = {r["below"]: r for r in rows if r["switch"] == switch}
        cells.append([f"{switch:g}", *(share(pair[k]) for k in (standard, ambient))])
    half = halfway(rows)
    return {
        "table": cells,
        "samples": samples,
        "standard": share(whole[standard]),
        "ambient": share(whole[ambient]),
        "half": half,
        "below": max(half) < AMBIENT[1],
    }


def judged(run: Run, report: Report) -> list[str]:
    """A row of the table of bundled runs."""
    rule, quality = report.copies.ratio.rated, report.quality
    cells = [run.name, f"{report.step:,}", share({"copies": rule.rate, "ci95": rule.ci95})]
    if quality is None or quality.features != QUALITY:
        return [*cells, *["-"] * 4]
    return [
        *cells,
        with_interval(quality.kid, quality.kid_ci95),
        with_interval(quality.kid_noncopies, quality.kid_noncopies_ci95),
        "-" if quality.frechet is None else f"{quality.frechet:.0f}",
        "-" if quality.fld_gap is None else f"{quality.fld_gap:.2f}",
    ]


def with_interval(value: float | None, ci95: Sequence[float] | None) -> str:
    if value is None or ci95 is None:
        return "-"
    return f"{value:.3f} ({ci95[0]:.3f} to {ci95[1]:.3f})"


HEAD = ["run", "step", "copies %", "KID", "KID of non-copies", "Fréchet", "FLD gap"]


def bundled() -> Iterator[tuple[str, Any]]:
    """Copies and quality of the bundled runs, and of their stages whose weights are stored."""
    runs = [(run, report) for run in list_runs(BUNDLED_RUNS) if (report := run.report())]
    yield "ends", [HEAD, *(judged(run, report) for run, report in runs)]
    staged = [
        [judged(run, report) for step in run.steps if (report := run.report(step))]
        for run, _ in runs
    ]
    yield "stages", [HEAD, *(row for rows in staged if len(rows) > 1 for row in rows)]
    known = [(run, r.quality) for run, r in runs if r.quality and r.quality.features == QUALITY]
    yield (
        "yardsticks",
        [
            ["run", "KID of unseen images", "KID of training images"],
            *([run.name, f"{q.kid_heldout:.3f}", f"{q.kid_train:.3f}"] for run, q in known),
        ],
    )


def false_alarms() -> Table:
    rows = [["run", "ratio: unseen", "ratio: null", "similarity: unseen", "similarity: null"]]
    for run in list_runs(BUNDLED_RUNS):
        if report := run.report():
            cells = []
            for r in (report.copies.ratio, report.copies.similarity):
                assert r and r.null  # bundled reports have both
                cells.append(share({"copies": r.heldout_rate, "ci95": r.heldout_ci95}))
                cells.append(share({"copies": r.null.rate, "ci95": r.null.ci95}))
            rows.append([run.name, *cells])
    return rows


def along_the_curve() -> Iterator[list[str]]:
    """Copies of each bundled run at each share of false alarms, and by the strict rule."""
    for run in list_runs(BUNDLED_RUNS):
        report = run.report()
        if report and report.copies.operating and report.copies.strict:
            points, strict = report.copies.operating, report.copies.strict.rate or 0
            yield [run.name, *(f"{100 * (p.rate or 0):.0f}" for p in points), f"{100 * strict:.0f}"]


def missed_plants() -> Iterator[list[str]]:
    """What the headline's rule and the strict one miss, by kind, of all bundled runs together."""
    found = [m for r in list_runs(BUNDLED_RUNS) if (s := r.report()) for m in s.copies.missed]
    for kind in dict.fromkeys(m.kind for m in found):
        cells = []
        for point in (*OPERATING, None):
            some = [m for m in found if (m.kind, m.false_alarms) == (kind, point)]
            cells.append(f"{100 * fmean(m.rate for m in some):.0f}")
        yield [kind, *cells]


def planted() -> dict[str, Any]:
    """What share of hidden copies each rule finds, by what was done to them."""
    found = load("planted")
    corpora = found["corpora"].values()
    splits = [s for c in corpora for s in c["splits"]]
    rows = [["images", "rule", "false alarms", *PLANTED]]
    for corpus, c in found["corpora"].items():
        for rule in found["rules"]:
            each = [s["rules"][rule] for s in c["splits"]]
            recall = {k: fmean(s["recall"][k] for s in each) for k in each[0]["recall"]}
            cells = [f"{100 * recall[k]:.0f}" if k in recall else "-" for k in PLANTED]
            rows.append(
                [corpus, rule, f"{100 * fmean(s['false_alarms'] for s in each):.1f}", *cells]
            )
    exact = [e for s in splits for e in s["rules"]["pixel ratio"]["exact"] if e["planted"]]
    covered = [e["ci95"][0] <= e["planted"] <= e["ci95"][1] for e in exact]
    alone = [s["without_heldout"] for s in splits]
    cost = [
        f"{rule} {100 * fmean(s[rule]['false_alarms'] for s in alone):.1f} % (at most "
        f"{100 * max(s[rule]['false_alarms'] for s in alone):.1f})"
        for rule in found["rules"]
    ]
    most = max(s["rules"]["pixel ratio"]["false_alarms"] for s in splits)
    missed = min(s["pixel ratio"]["recall"]["exact"] for s in alone)
    return {
        "table": rows,
        "n_train": max(c["n_train"] for c in corpora),
        "innocent": found["innocent"],
        "splits": max(len(c["splits"]) for c in corpora),
        "how": "; ".join(f"{k}: {v}" for k, v in found["planted"].items()),
        "covered": f"{sum(covered)} of {len(covered)}",
        "most": f"{100 * most:.1f}",
        "alone": "; ".join(cost),
        "missed": f"{100 * missed:.0f}",
    }


def claims(sweep: Sweep, half: list[float]) -> Table:
    """The paper's claims, each beside what was found here."""
    least = min(sweep.cutoffs, key=lambda a: mean(sweep.at_end(a, copies)))
    fall = sweep.difference(least, CONTROLS[0], copies)
    fresh, light = (sweep.difference(AMBIENT, c, copies) for c in CONTROLS[1:])
    peaks = [s for s, _ in sweep.peak(CONTROLS[0])]
    return [
        ["claim", "here", "scale"],
        [
            "Hiding clean images above a cutoff lowers copying",
            f"{verdict(fall, 'agrees', 'disagrees')}: {points(fall)} points at cutoff {least[1]:g}",
            f"100 emoji, 32x32, {parameters() / 1e6:.1f} M parameters, 3 seeds",
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
            f"surgery: half of the difference is decided below sigma {max(half):.2f}; the gap "
            f"peaks at {min(peaks):.2f} to {max(peaks):.2f}, an intermediate noise",
            "n = 100 and 300, one run each",
        ],
    ]


def figures() -> dict[str, Any]:
    """Everything that the template names."""
    sweep, found, suggestion = Sweep(SWEEP), load("surgery"), load("suggestion")["rows"]
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
        "same_step": sweep.difference(AMBIENT, CONTROLS[0], copies),
        "paths": paths(sweep),
        "by_cutoff": by_cutoff(sweep),
        "suggested": [
            ["corpus", "n", "suggested cutoff (three splits)"],
            *([c, str(n), number(m)] for (c, n), m in suggested.items()),
        ],
        "suggested_100": suggested["emoji", 100],
        "tried": [f"{a[1]:g}" for a in sweep.cutoffs],
        "best": f"{best[1]:g}",
        "by_level": by_level(sweep),
        "isolated": {
            name(c): {
                "copies": sweep.difference(AMBIENT, c, copies),
                "gap": sweep.gap_difference(AMBIENT, c, AMBIENT[1]),
            }
            for c in CONTROLS[1:]
        },
        "surgery": cuts,
        "cost": next(r for r in load("bench")["rows"] if r["name"] == "ambient_step_over_standard"),
        **dict(bundled()),
        "false_alarms": false_alarms(),
        "curve": [["run", *POINTS, "strict"], *along_the_curve()],
        "missed": [["planted", *POINTS, "strict"], *missed_plants()],
        "eye": judged_pairs.agreements(),
        "planted": planted(),
        "claims": claims(sweep, [h for c in cuts for h in c["half"]]),
    }


def short(sweep: Sweep) -> Table:
    """What README says of the sweep."""
    rows = [["arm and cutoff", "copies %", "points fewer than standard"]]
    for arm in sweep.arms:
        fewer = "-" if arm == CONTROLS[0] else points(sweep.difference(CONTROLS[0], arm, copies))
        rows.append([name(arm), percent(sweep.at_end(arm, copies)), fewer])
    return rows


def pages() -> dict[Path, str]:
    """The texts of the two files."""
    filters = {"verdict": verdict}
    found = figures()
    sweep = found["sweep"]
    found |= {
        "short": short(sweep),
        "heldout_100": mean(sweep.at_end(CONTROLS[0], lambda r: r["heldout"])),
        "half": max(h for c in found["surgery"] for h in c["half"]),
    }
    block = "\n" + render("readme", filters, found) + "\n"
    readme = BLOCK.sub(lambda _: block, README.read_text(encoding="utf-8"))
    return {PAGE: render("results", filters, found), README: readme}


def main() -> None:
    for path, text in pages().items():
        write_atomically(path, text)
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
