"""A sweep's table as figures and Markdown: means over seeds, differences paired by seed."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from ambient.reports.comparison import Mean
from scripts.page import Table

Row = dict[str, Any]


class Arm(NamedTuple):
    kind: str
    cutoff: float = 0.0
    augment: bool = False

    @classmethod
    def of(cls, row: Row) -> "Arm":
        return cls(row["arm"], row["cutoff"], row.get("augment", False))


STANDARD, AMBIENT = Arm("standard"), Arm("ambient", 1.0)
CONTROLS = (STANDARD, Arm("fresh", 1.0), Arm("reweight", 1.0))


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
    cutoff = f" {arm.cutoff:g}" if arm.cutoff else ""
    return f"{arm.kind}{cutoff}{' + augment' if arm.augment else ''}"


class Sweep:
    """The rows and curves of a table, by arm and seed."""

    def __init__(self, path: Path):
        found = json.loads(path.read_text(encoding="utf-8"))
        self.missing: list[str] = found["missing"]
        self.paths: dict[Arm, dict[int, list[Row]]] = {}
        for row in found["rows"]:
            seeds = self.paths.setdefault(Arm.of(row), {})
            seeds.setdefault(row["seed"], []).append(row)
        self.curves: dict[Arm, dict[int, list[Row]]] = {}
        for c in found["curves"]:
            self.curves.setdefault(Arm.of(c), {})[c["seed"]] = c["levels"]
        self.last = {
            a: max(r["step"] for p in self.paths[a].values() for r in p) for a in self.paths
        }
        self.last_step = self.last[STANDARD]
        first = found["rows"][0]
        self.corpus, self.n_train = first["corpus"], first["n_train"]
        self.n_samples, self.measured = first["n_samples"], "kid" in first

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for path in self.paths.values() for seed in path})

    @property
    def arms(self) -> list[Arm]:
        order = ("standard", "ambient", "fresh", "reweight", "noisy-only")
        return sorted(self.paths, key=lambda a: (a.augment, order.index(a.kind), a.cutoff))

    @property
    def cutoffs(self) -> list[Arm]:
        """The ambient arms."""
        return [arm for arm in self.arms if arm.kind == "ambient" and not arm.augment]

    def ends(self, arm: Arm) -> dict[int, Row]:
        """The last stage of each seed."""
        return {s: p[-1] for s, p in self.paths[arm].items() if p[-1]["step"] == self.last[arm]}

    def at_end(self, arm: Arm, value: Callable[[Row], float]) -> Mean | None:
        return Mean.of([value(row) for row in self.ends(arm).values()])

    def difference(self, a: Arm, b: Arm, value: Callable[[Row], float]) -> Mean | None:
        """Value of a minus that of b at the last step, paired by seed."""
        x, y = self.ends(a), self.ends(b)
        return Mean.of([value(x[s]) - value(y[s]) for s in sorted(set(x) & set(y))])

    def stopped(self, arm: Arm) -> Mean | None:
        """Copies of an arm minus those of the standard run of its seed where both have one KID.

        The mean along the paths of both, on straight lines between their stages and over ln KID
        from the worst to the best that both reach, paired by seed.
        """
        x, y = self.paths[arm], self.paths[STANDARD]
        found = (between(x[s], y[s]) for s in sorted(set(x) & set(y)))
        return Mean.of([d for d in found if d is not None])

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


def between(a: list[Row], b: list[Row], points: int = 200) -> float | None:
    """Mean copies of path a minus those of b at equal KID; None where no KID is in both."""
    paths = [sorted((math.log(r["kid"]), copies(r)) for r in p if r["kid"] > 0) for p in (a, b)]
    if not all(paths):
        return None
    low, high = max(p[0][0] for p in paths), min(p[-1][0] for p in paths)
    if low >= high:
        return None
    grid = np.linspace(low, high, points)
    of_a, of_b = (np.interp(grid, *np.array(p).T) for p in paths)
    return float((of_a - of_b).mean())


def mean(m: Mean | None) -> float:
    return m.value if m else math.inf


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
        more = "-" if arm == STANDARD else points(sweep.difference(arm, STANDARD, copies))
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


def by_quality(sweep: Sweep) -> Table:
    """The ends, and whole paths against the standard run stopped at the same KID."""
    measures = {"KID": "kid", "KID of non-copies": "kid_noncopies"}
    rows = [["arm", "steps", "copies %", *measures, "points more than standard at equal KID"]]
    for arm in sweep.arms:
        ends = sweep.ends(arm).values()
        kids = [Mean.of([r[m] for r in ends if r.get(m) is not None]) for m in measures.values()]
        more = "-" if arm == STANDARD else points(sweep.stopped(arm))
        copied = percent(sweep.at_end(arm, copies))
        rows.append([name(arm), f"{sweep.last[arm]:,}", copied, *map(number, kids), more])
    return rows


def by_cutoff(sweep: Sweep) -> Table:
    rows = [["cutoff (n = 100)", "copies %", "more than at cutoff 1, points"]]
    for arm in (STANDARD, *sweep.cutoffs):
        more = "-" if arm == AMBIENT else points(sweep.difference(arm, AMBIENT, copies))
        rows.append([f"{arm.cutoff:g}", percent(sweep.at_end(arm, copies)), more])
    return rows


def by_level(sweep: Sweep) -> Table:
    head = ["arm", "gap peaks at sigma", "held-out : train there", "gap above sigma 1"]
    rows = [[*head, "times that of ambient 1"]]
    for arm in sweep.arms:
        peaks = sweep.peak(arm)
        above = Mean.of(list(sweep.gap_above(arm, AMBIENT.cutoff).values()))
        against = (
            "-" if arm == AMBIENT else times(sweep.gap_difference(arm, AMBIENT, AMBIENT.cutoff))
        )
        where, high = (
            ", ".join(x) for x in zip(*((f"{s:.2f}", f"{r:.1f}") for s, r in peaks), strict=True)
        )
        rows.append([name(arm), where, high, times(above), against])
    return rows


def short(sweep: Sweep) -> Table:
    """What README says of the sweep."""
    rows = [["arm and cutoff", "copies %", "points fewer than standard"]]
    for arm in sweep.arms:
        fewer = "-" if arm == STANDARD else points(sweep.difference(STANDARD, arm, copies))
        rows.append([name(arm), percent(sweep.at_end(arm, copies)), fewer])
    return rows
