"""docs/performance.md from bench.json, click.json, browser.json and samplers.json."""

from collections.abc import Iterator
from typing import Any

from ambient.diffusion.schedule import SamplerConfig
from ambient.files import ASSETS, read_json, write_atomically
from scripts.page import Table, measured, render
from scripts.samplers import CALLS

TARGET = ASSETS.parent / "docs" / "performance.md"
NEAR = 0.05
Row = dict[str, Any]


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def bench_table(rows: list[Row]) -> Table:
    found = [["what", "unit", "ours", "other", "ratio", "95 %", "load"]]
    for row in rows:
        name = row["name"].replace("+ours", ", given ours").replace("_", " ").replace(":", ": ")
        interval = "to".join(f" {x:.3g} " for x in row.get("ratio_ci95", [])).strip() or "-"
        cells = [number(row[k]) for k in ("ours", "peer", "ratio")]
        note = f" ({row['note']})" if row.get("note") else ""
        found.append([name + note, row["unit"], *cells, interval, f"{row['load']:.1f}"])
    return found


def begun_table(rows: list[Row]) -> Table:
    heads = ["seed", "first step, s", "an audit's progress, s", "warm, MB", "training, MB", "load"]
    keys = ("seed", "train", "audit", "warm_mb", "job_mb", "load")
    return [heads, *([str(r[k]) for k in keys] for r in rows)]


def click_table(rows: list[Row]) -> Table:
    found = [["seed", "seconds", "pages", "median seconds a page"]]
    for row in rows:
        seconds = f"{row['seconds']:.1f}" if row["reached"] else f"not within {row['seconds']:.0f}"
        found.append([str(row["seed"]), seconds, str(row["pages"]), f"{row['median_load']:.2f}"])
    return found


def browser_row(found: Row) -> Row:
    """What holds for the least exact of the bundled runs, and for the slowest at each count."""
    kept = {"difference": max(row["difference"] for row in found["rows"])}
    for count in (1, 12):
        slowest = max(found["rows"], key=lambda row: row[f"browser_{count}"])
        kept |= {f"{where}_{count}": slowest[f"{where}_{count}"] for where in ("browser", "torch")}
    return kept


def by_sampler(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["run"], row["sampler"]), []).append(row)
    return found


def sampler_table(rows: list[Row]) -> Table:
    calls = sorted({row["calls"] for row in rows})
    found = [["run", "sampler", *(f"{c} calls" for c in calls)]]
    for key, mine in by_sampler(rows).items():
        at = {row["calls"]: sampler_cell(row) for row in mine}
        found.append([*key, *(at.get(c, "-") for c in calls)])
    return found


def sampler_cell(row: Row) -> str:
    copied, other = share(row["copies"]), share(row["other_verdict"])
    return f"{measured(row['kid'], row['kid_ci95'])}; {copied} copies, {other} differ"


def knee(rows: list[Row]) -> int:
    """The fewest calls from which on one sampler's figures stay near those at the most calls.

    Near: KID and copied share inside of their intervals there, and no more than 5 % of verdicts
    others than Heun's.
    """
    rows = sorted(rows, key=lambda r: -r["calls"])
    last, fewest = rows[0], rows[0]["calls"]
    for row in rows:
        close = all(
            low <= row[k] <= high for k in ("kid", "copies") for low, high in [last[f"{k}_ci95"]]
        )
        if not close or row["other_verdict"] > NEAR:
            break
        fewest = row["calls"]
    return fewest


def halved(rows: list[Row]) -> Iterator[Row]:
    """What the second-order sampler finds with half the calls, beside Heun's at the most."""
    most = {r["run"]: r for r in rows if r["sampler"] == "heun" and r["calls"] == CALLS[-1]}
    for r in rows:
        if r["sampler"] == "dpmpp-2m" and r["calls"] == CALLS[-2] and r["run"] in most:
            yield {**r, "most": CALLS[-1], "reference": most[r["run"]]["copies"]}


def figures() -> dict[str, Any]:
    names = "bench", "click", "browser", "samplers"
    found = [read_json(ASSETS / "results" / f"{name}.json") for name in names]
    assert all(found)  # bundled
    bench, click, browser, samplers = (dict(each or {}) for each in found)
    each, usual = by_sampler(samplers["rows"]), SamplerConfig()
    return {
        "machine": bench["machine"],
        "bench": bench_table(bench["rows"]),
        "click": click,
        "begun": begun_table(click["begun"]),
        "clicks": click_table(click["rows"]),
        "browser": browser_row(browser) | {"load": browser["load"]},
        "samplers": samplers,
        "by_sampler": sampler_table(samplers["rows"]),
        "knees": [
            (*key, knee(rows), CALLS[-1])
            for key, rows in each.items()
            if {r["calls"] for r in rows} == set(CALLS)
        ],
        "usual": usual,
        "halved": list(halved(samplers["rows"])),
    }


def page() -> str:
    return render("performance", {"share": share}, figures())


if __name__ == "__main__":
    write_atomically(TARGET, page())
