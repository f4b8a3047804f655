"""Many runs from one spec: train, judge along the way, and one table out. Resumable."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ambient.config import FIELDS, Config
from ambient.copies.records import Report
from ambient.diffusion.records import Curves
from ambient.files import InputError, Record, read_record, write_atomically
from ambient.reports.records import Signals
from ambient.runs.folder import SIGNALS_FILE, Run, open_run, step_name
from ambient.sweeps.spec import Sweep


@dataclass
class Here:
    """Does jobs on this machine, so many at once."""

    workers: int = 1

    def do(self, spec: Sweep, out: Path, name: str) -> None:
        """Do the job of that name, into its folder in `out`.

        Raises:
            ChildProcessError: it failed.
        """
        do_job(out / name, spec.jobs[name], spec)

    def end(self) -> None:
        """Called when no job is waited for any more. Those at work here go on to their ends."""


def carry_out(spec: Sweep, out: Path, where: Here | None = None) -> Iterator[tuple[int, int, str]]:
    """Do every job that is not done yet, and keep the table up to date.

    Closed early, it begins no other job.

    Yields:
        (jobs done, jobs in all, what was last done): the first at once, with jobs of before.

    Raises:
        InputError: a folder in `out` holds another run than the spec asks for.
        ChildProcessError: jobs failed; the others are done, and the table holds them.
    """
    for name, config in spec.jobs.items():
        _check_same(out / name, config)
    left = [n for n in spec.jobs if not _is_done(out / n, spec)]
    done, failed = len(spec.jobs) - len(left), []
    write_table(spec, out)
    yield done, len(spec.jobs), f"{done} done before"
    where = where or Here()
    with ThreadPoolExecutor(where.workers) as pool:
        jobs = {pool.submit(where.do, spec, out, name): name for name in left}
        try:
            for job in as_completed(jobs):
                if error := job.exception():
                    failed.append(f"{jobs[job]} ({error})")
                    continue
                done += 1
                write_table(spec, out)
                yield done, len(spec.jobs), jobs[job]
        finally:
            for job in jobs:
                job.cancel()
            where.end()
    if failed:
        raise ChildProcessError(
            f"{len(failed)} of {len(spec.jobs)} runs failed: {'; '.join(failed)}. "
            f"See '{out / 'log.txt'}', then run the same command again."
        )


def _check_same(folder: Path, config: Config) -> None:
    if not (folder / "config.json").exists():
        return
    found, wanted = open_run(folder).config, config
    for name in set(FIELDS) - {"version"}:
        there, asked = getattr(found, name), getattr(wanted, name)
        if there != asked:
            raise InputError(
                f"'{folder}' was trained with {name} {there} and the spec asks for "
                f"{asked}; choose another --out or delete that folder."
            )


def _is_done(folder: Path, spec: Sweep) -> bool:
    if not (folder / "config.json").exists():
        return False
    run = open_run(folder)
    return not _unjudged(run, spec) and not _unmeasured(run)


def _unjudged(run: Run, spec: Sweep) -> list[int]:
    """The stages without a verdict on as many samples as the spec asks for."""
    reports = {step: run.report(step) for step in spec.stages_of(run.config)}
    return [s for s, found in reports.items() if not found or found.n_samples != spec.samples]


def _unmeasured(run: Run) -> list[str]:
    """The commands that are still to be given at a run's end."""
    stored: dict[str, Curves | Signals | None] = {"curves": run.curves()}
    if run.config.text:
        stored["prompts"] = _signals(run)
    return [name for name, found in stored.items() if not found or found.step != run.config.steps]


def _signals(run: Run) -> Signals | None:
    return read_record(run.path / SIGNALS_FILE, Signals)


def do_job(folder: Path, config: Config, spec: Sweep) -> None:
    """Train one run, judge its stages, and measure curves and prompts, each where not done yet.

    Raises:
        ChildProcessError: one of these failed; what was done before stays in the folder.
    """
    log = folder.parent / "log.txt"
    train_run(folder, config, log)
    run = open_run(folder)
    for step in _unjudged(run, spec):
        (folder / "reports" / f"{step_name(step)}.json").unlink(missing_ok=True)
        command(log, "evaluate", folder, "--step", step, "--n", spec.samples, "--store")
    for name in _unmeasured(run):
        command(log, name, folder, "--store")


def train_run(folder: Path, config: Config, log: Path) -> None:
    """Train a run in a process of its own, or go on where it stands."""
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "config.json", config.to_json())
    command(log, "train", "--resume", folder)


def command(log: Path, *words: object) -> None:
    """One `python -m ambient` command in a process of its own, on one thread, niced.

    Raises:
        ChildProcessError: it failed; the reason is its last line.
    """
    line = [sys.executable, "-m", "ambient", *map(str, words)]
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["nice", "-n", "5", *line] if os.name == "posix" else line,
        env={"OMP_NUM_THREADS": "1", **os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    with log.open("a", encoding="utf-8") as f:
        f.write(f"{' '.join(line[1:])}\n{done.stdout}")
    if done.returncode:
        raise ChildProcessError((done.stdout.strip().splitlines() or ["no output"])[-1])


def write_table(spec: Sweep, out: Path) -> dict[str, Any]:
    """Write `table.json`, a row a judged stage, and `records.npz`, a row a sample.

    Runs of which anything is left to do are listed under `missing`.
    Both follow from the run folders alone: delete them, run the sweep again, and they are back.
    """
    table: dict[str, Any] = {"rows": [], "curves": [], "signals": [], "missing": []}
    records: dict[str, list[Any]] = {name: [] for name in ("row", *RECORDED)}
    for name, config in spec.jobs.items():
        if not _is_done(out / name, spec):
            table["missing"].append(name)
        if not (out / name / "config.json").exists():
            continue
        run = open_run(out / name)
        seconds = {m["step"]: m["seconds"] for m in run.metrics()}
        for step in spec.stages_of(run.config):
            report = run.report(step)
            if report is None:
                continue
            for sample in report.samples:
                records["row"].append(len(table["rows"]))
                for field in RECORDED:
                    records[field].append(getattr(sample, field))
            table["rows"].append(_row(name, config, step, report, seconds.get(step)))
        if pack := run.curves():
            table["curves"].append(_curves(name, run, pack))
        if found := _signals(run):
            table["signals"].append({"run": name, **_fields(found, "prompts")})
    write_atomically(out / "table.json", json.dumps(msgspec.to_builtins(table), indent=0) + "\n")
    _write_records(out / "records.npz", records)
    return table


RECORDED = ("seed", "nearest", "d1", "d2", "ratio", "similarity")


def _write_records(path: Path, records: dict[str, list[Any]]) -> None:
    whole = ("row", "seed", "nearest")
    kinds = {name: np.int32 if name in whole else np.float32 for name in records}
    scratch = path.with_name(f".{path.name}")
    with scratch.open("wb") as f:
        columns: dict[str, Any] = {k: np.array(v, kinds[k]) for k, v in records.items()}
        np.savez_compressed(f, **columns)
    scratch.replace(path)


def _row(
    name: str, config: Config, step: int, report: Report, seconds: float | None
) -> dict[str, Any]:
    ratio, similarity = report.copies.ratio, report.copies.similarity
    assert similarity is not None  # `evaluate` always takes features
    quality = msgspec.to_builtins(report.quality) if report.quality else {}
    quality["quality_features"] = quality.pop("features", None)
    return {
        "run": name,
        "corpus": config.corpus,
        "n_train": config.n_train,
        "arm": config.arm,
        "cutoff": config.cutoff,
        "augment": config.augment,
        "width": config.width,
        "seed": config.seed,
        "step": step,
        "seconds": seconds,
        "n_samples": report.n_samples,
        "checkpoint_sha256": report.checkpoint_sha256,
        "copies": ratio.rate,
        "copies_ci95": ratio.ci95,
        "threshold": ratio.threshold,
        "heldout": ratio.heldout_rate,
        "heldout_ci95": ratio.heldout_ci95,
        "null": ratio.null and ratio.null.rate,
        "similar": similarity.rate,
        "similar_threshold": similarity.threshold,
        "similar_heldout": similarity.heldout_rate,
        "similar_null": similarity.null and similarity.null.rate,
        "features": similarity.features,
        **quality,
        **({"captions": config.caption_control} if config.text else {}),
        **({"prompts": _fields(report.prompts)} if report.prompts else {}),
    }


def _fields(record: Record, without: str = "") -> dict[str, Any]:
    """A record as JSON, but for one field."""
    return {k: v for k, v in msgspec.to_builtins(record).items() if k != without}


def _curves(name: str, run: Run, pack: Curves) -> dict[str, Any]:
    kept = {k: getattr(pack, k) for k in ("step", "cutoff", "checkpoint_sha256", "levels")}
    config = run.config
    told = {"arm": config.arm, "augment": config.augment, "seed": config.seed}
    return {"run": name, **told, **kept}
