"""Write docs/performance.md from bench.json, click.json and samplers.json in assets/results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ambient.diffusion.samplers import SamplerConfig
from ambient.files import read_json
from ambient.images.corpus import ASSETS

RESULTS = ASSETS / "results"
TARGET = Path("docs/performance.md")
HEAD = """# How fast it is

Written by `python scripts/performance.py` from `bench.json`, `click.json` and `samplers.json` in
`assets/results`; `make performance` measures them again. Ratios are of runs that take
turns block by block, so that whatever else the machine does hits both sides; each is a median with
a 95 % bootstrap interval over blocks. Within one process of one thread, time is the processor's.
Rates and ratios between processes hold for the load of the moment only: the last column, processes
that wanted to run on {cores} cores as the section began. Well above {cores}, read the ratios within
one process alone.

Machine: {processor}, {cores} cores, torch {torch}, networks in {dtype} (what was measured to be
faster here), {threads} thread a process unless said.

*ours* is the network `bands` (docs/method.md). Two processes are compared training `concat`.
*seconds to half copies*: from the start of the command `train --preset ...` until half of the
samples are copies, on as many threads as the command takes: one for digits, two for emoji.
*heldout error*: the loss on images that neither network saw, after equal steps on equal batches,
seed by seed.

*as it is*: the library's own network, within 10 % of our parameters, trained as its users do
(`ambient/bench/peers.py` says what is of its own examples). *given ours*: the same behind our 2x2
pixel-unshuffle, with our type of number, memory layout and training step. *before*: commit
{before}, in a checkout beside this one. *copied share*: that of digits-copy by each way to train
it. *search*: among features made from those of the bundled pictures
(`ambient/bench/search.py`), each time measured once, so without an interval.
"""
BEFORE = "e7889f8, the last before anything was done for speed"
SAMPLERS = """## Samplers

Network calls against what they buy, on bundled runs ({samples} samples, seeds from 0). In each
cell: Frechet distance ({features}) to one half of the held-out images, lower is better, with its
95 % interval; the copied share by pixels; and, where the sampler solves the same equation, the
share of samples whose verdict differs from that of the same seed by Heun at the most calls.
"""


CLICK = """## From the click

`python scripts/after_click.py`: a visitor presses *Train* as the page opens (50 digits, two cores)
while another opens page after page. Seconds from the click until half of the samples are copies
({samples} a stage; on a line between two stages), and the median time of the other's pages.

| seed | seconds | pages | median seconds a page |
|---|---|---|---|
"""
KNEES = """Settled, with no more calls changing distance or copied share by much (5 % of the
distance; the interval of the share; 5 % of verdicts), after:
"""
NEAR = 0.05
DEFAULT = """
By Frechet distance alone few calls would do, and they hide copies: on {run} Heun finds {hidden}
with {few} calls and {shown} with {most}. So the default counts steps until verdicts stand still:
Heun with {steps} steps makes {calls} calls, and {settled} of its verdicts differ from those of
{most} calls, after {before} with fewer. {faster}
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
        cells = [sampler_cell(found.get((run, sampler, c))) for c in calls]
        lines.append(f"| {run} | {sampler} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def sampler_cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    low, high = row["ci95"]
    cell = f"{row['frechet']:.3f} ({low:.3f} to {high:.3f}); {100 * row['copies']:.1f} % copies"
    if row["sampler"] == "ancestral":  # noise on the way: the same seed is another picture
        return cell
    return f"{cell}, {100 * row['other_verdict']:.1f} % differ"


def knee(rows: list[dict[str, Any]]) -> int:
    """The fewest calls from which on one sampler's figures stay near those at the most calls.

    Near: the Frechet distance within 5 % of it, the copied share inside of its interval, and where
    the same seed is the same picture, no more than 5 % of verdicts others than Heun's.
    """
    rows = sorted(rows, key=lambda r: -r["calls"])
    last, fewest = rows[0], rows[0]["calls"]
    low, high = last["copies_ci95"]
    for row in rows:
        same = row["sampler"] == "ancestral" or row["other_verdict"] <= NEAR
        close = abs(row["frechet"] / last["frechet"] - 1) <= NEAR
        if not (same and close and low <= row["copies"] <= high):
            break
        fewest = row["calls"]
    return fewest


def knees(rows: list[dict[str, Any]]) -> str:
    """From how many calls on more of them change nothing, and where the default stands."""
    each: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        each.setdefault((row["run"], row["sampler"]), []).append(row)
    lines = []
    for (run, sampler), mine in each.items():
        at, most = knee(mine), max(r["calls"] for r in mine)
        reached = f"{at} calls" if at < most else f"not before its {most} calls"
        lines.append(f"- {run}, {sampler}: {reached}")
    lines.insert(0, KNEES)
    return "\n".join(lines) + "\n" + about_default(each)


def about_default(each: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    usual = SamplerConfig()
    run = next(iter(each))[0]
    mine = {r["calls"]: r for r in each[run, usual.sampler]}
    few, most = min(mine), max(mine)
    here = next(r for r in mine.values() if r["steps"] == usual.steps)
    differ = [
        f"{100 * r['other_verdict']:.1f} %" for k, r in mine.items() if few < k <= here["calls"]
    ]
    faster = [
        f"{sampler} from {knee(rows)} calls"
        for (name, sampler), rows in each.items()
        if name == run and knee(rows) < here["calls"] and sampler != usual.sampler
    ]
    return DEFAULT.format(
        few=few,
        most=most,
        hidden=f"{100 * mine[few]['copies']:.1f} %",
        shown=f"{100 * mine[most]['copies']:.1f} %",
        run=run,
        steps=usual.steps,
        calls=here["calls"],
        settled=differ[-1],
        before=" and ".join(differ[:-1]),
        faster=f"Others settle sooner: {', '.join(faster)}." if faster else "",
    )


def click_table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        seconds = f"{row['seconds']:.1f}" if row["reached"] else f"not within {row['seconds']:.0f}"
        lines.append(f"| {row['seed']} | {seconds} | {row['pages']} | {row['median_load']:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    names = ("bench", "click", "samplers")
    bench, click, samplers = (read_json(RESULTS / f"{name}.json") for name in names)
    parts = []
    if bench:
        parts += [HEAD.format(**bench["machine"], before=BEFORE), bench_table(bench["rows"])]
    if click:
        parts.append(CLICK.format(**click) + click_table(click["rows"]))
    if samplers:
        parts += [
            SAMPLERS.format(**samplers),
            sampler_table(samplers["rows"]),
            knees(samplers["rows"]),
        ]
    TARGET.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
