"""Write docs/performance.md from assets/results/bench.json and samplers.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ambient.corpus import ASSETS
from ambient.run import read_json

RESULTS = ASSETS / "results"
TARGET = Path("docs/performance.md")
HEAD = """# How fast it is

Written by `python scripts/performance.py` from `assets/results/bench.json` and
`assets/results/samplers.json`; `make performance` measures both again. Ratios are of runs that take
turns block by block, so that whatever else the machine does hits both sides; each is a median with
a 95 % bootstrap interval over blocks. Within one process of one thread, time is the processor's.
Rates and ratios between processes hold for the load of the moment only: the last column, processes
that wanted to run on {cores} cores as the section began. Well above {cores}, read the ratios within
one process alone.

Machine: {processor}, {cores} cores, torch {torch}, networks in {dtype} (what was measured to be
faster here), {threads} thread a process.

*ours* is the network `bands` (docs/method.md); two processes are compared training `concat`, and
so was the compiled step.

*as it is*: the library's own network, within 10 % of our parameters, trained by the loop of its own
examples. *given ours*: the same behind our 2x2 pixel-unshuffle, with our type of number, memory
layout and training step. *before*: the commit before this page, in a checkout beside this one.
*search*: among features made from those of the bundled pictures (`ambient/search_bench.py`), each
time measured once, so without an interval.
"""
SAMPLERS = """## Samplers

Frechet distance (encoder-64, {samples} samples, seeds from 0) to one half of the held-out images,
against network calls, on bundled runs; lower is better, 95 % intervals in brackets. Not every
sampler is measured at every number of calls yet: `python scripts/samplers.py` goes on where it
stands.
"""


DEFAULT = """
The default is Heun with 18 steps, 35 calls. Fewer would do by this measure; stored reports, pages
and seeds are of that default, so it stays until they are all made again.
"""


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def bench_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| what | unit | ours | other | ratio | 95 % | load |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = row["name"].replace("+ours", ", given ours").replace("_", " ").replace(":", ": ")
        interval = "to".join(f" {x:.3g} " for x in row.get("ratio_ci95", [])).strip() or "-"
        cells = [number(row[k]) for k in ("ours", "peer", "ratio")]
        note = f" ({row['note']})" if row.get("note") else ""
        line = [name + note, row["unit"], *cells, interval, f"{row['load']:.1f}"]
        lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines) + "\n"


def sampler_table(rows: list[dict[str, Any]]) -> str:
    calls = sorted({row["calls"] for row in rows})
    lines = [f"| run | sampler | {' | '.join(f'{c} calls' for c in calls)} |"]
    lines.append("|---|---|" + "---|" * len(calls))
    found = {(r["run"], r["sampler"], r["calls"]): r for r in rows}
    for run, sampler in dict.fromkeys((r["run"], r["sampler"]) for r in rows):
        cells = []
        for c in calls:
            row = found.get((run, sampler, c))
            low, high = row["ci95"] if row else (0, 0)
            cells.append(f"{row['frechet']:.3f} ({low:.3f} to {high:.3f})" if row else "-")
        lines.append(f"| {run} | {sampler} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def knees(rows: list[dict[str, Any]]) -> str:
    """From how many calls on each sampler stays within 5 % of its own longest."""
    lines = []
    for run, sampler in dict.fromkeys((r["run"], r["sampler"]) for r in rows):
        mine = sorted(
            (r for r in rows if (r["run"], r["sampler"]) == (run, sampler)),
            key=lambda r: -r["calls"],
        )
        end = mine[0]["frechet"]
        near = [abs(r["frechet"] - end) <= 0.05 * end for r in mine]
        last = near.index(False) if False in near else len(mine)
        knee, longest = mine[last - 1]["calls"], mine[0]["calls"]
        lines.append(f"- {run}, {sampler}: from {knee} calls on within 5 % of its {longest} calls.")
    return "\n".join(lines) + "\n" + DEFAULT


def main() -> None:
    bench, samplers = (read_json(RESULTS / f"{n}.json") for n in ("bench", "samplers"))
    parts = []
    if bench:
        parts += [HEAD.format(**bench["machine"]), bench_table(bench["rows"])]
    if samplers:
        parts += [
            SAMPLERS.format(**samplers),
            sampler_table(samplers["rows"]),
            knees(samplers["rows"]),
        ]
    TARGET.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
