"""The commands that list, hand on and repeat: corpora, runs, export, push, pull, sweep, bench."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ambient.cli.opening import opened, run_of
from ambient.cli.options import Count, File, Flag, JsonFile, Model
from ambient.cli.output import last, put_json, say
from ambient.files import InputError, read_json, write_atomically
from ambient.images.corpus import BUNDLED, TORCHVISION, load_corpus
from ambient.runs.folder import BUNDLED_RUNS, list_runs


def corpora(*, json: JsonFile = None) -> None:
    """List what can be loaded."""
    rows = []
    for name in BUNDLED:
        corpus = load_corpus(name)
        n, h, w, c = corpus.images.shape
        distinct = len(set(corpus.groups.tolist()))
        rows.append(
            {"name": name, "images": n, "distinct": distinct, "shape": [h, w, c],
             "license": corpus.license, "sha256": corpus.sha256}
        )  # fmt: skip
        print(f"{name:14} {n:6} images, {distinct} distinct, {h}x{w}x{c}   {corpus.license}")
    for name in TORCHVISION:
        print(f"{name:14} downloaded by torchvision on first use")
    print("a folder or .zip of pictures, or an .npz with 'images' uint8 (n, h, w, c)")
    put_json(json, {"corpora": rows})


def runs() -> None:
    """List the bundled runs and those in ./runs."""
    from ambient.runs.queue import RUNS

    for folder in (BUNDLED_RUNS, RUNS):
        for run in list_runs(folder):
            c = run.config
            what = f"n={c.n_train:<5} {c.arm:10} cutoff {c.cutoff:<5g} step {run.last_step}"
            print(f"{run.name:28} {what}")


def export(
    run: Model,
    /,
    *,
    out: Annotated[File, Parameter(help="a zip")],
    images: Annotated[Flag, Parameter(help="with its images, to open it elsewhere")] = False,
) -> None:
    """Zip a run: config, weights, report, curves, contact sheet, model card."""
    from ambient.runs.archive import export_run

    data = export_run(run_of(opened(run)), images)
    write_atomically(Path(str(out)), data)
    say(f"{out}: {len(data) / 1e6:.1f} MB")


def push(
    run: Model,
    repo: Annotated[str, Parameter("OWNER/NAME", help="made if it is not there")],
    /,
    *,
    images: Annotated[Flag, Parameter(help="with its images, if you may share them")] = False,
    public: Annotated[Flag, Parameter(help="a new repository is public")] = False,
) -> None:
    """Put a run on the Hub with a model card; private, unless you say otherwise."""
    from ambient.models import hub

    commit = hub.push(run_of(opened(run)), repo, images, public)
    say(f"{hub.PREFIX}{repo.removeprefix(hub.PREFIX)}@{commit}")


def pull(
    repo: Annotated[str, Parameter("OWNER/NAME@REVISION", help="a run goes to ./runs")], /
) -> None:
    """Fetch a run or a diffusers pipeline from the Hub, at a revision."""
    from ambient.models.hub import PREFIX

    opened(PREFIX + repo.removeprefix(PREFIX))


def sweep(
    *,
    spec: Annotated[str, Parameter(help="arms, seeds, stages (JSON)")],
    out: Annotated[str, Parameter(help="run folders and table.json")],
    workers: Annotated[
        Count | None, Parameter(help="runs at once, one thread each [default: 1]")
    ] = None,
    ray: Annotated[
        str | None, Parameter(help="address of a Ray cluster, to train there (docs/scale.md)")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Train and judge every run of a spec, here or on a Ray cluster; finished runs are kept."""
    from ambient.sweeps.cluster import cluster
    from ambient.sweeps.spec import read_sweep
    from ambient.sweeps.sweep import Here, carry_out

    if ray and workers is not None:
        raise InputError("--workers counts runs at once on this machine; leave it out with --ray.")
    asked, folder = read_sweep(Path(spec)), Path(out)
    with cluster(ray) if ray else nullcontext(Here(workers or 1)) as where:
        folder.mkdir(parents=True, exist_ok=True)
        for done, total, what in carry_out(asked, folder, where):
            say(f"{done} of {total} runs: {what}")
    put_json(json, read_json(folder / "table.json"))
    say(f"{folder / 'table.json'}: a row a judged stage; {folder / 'records.npz'}: a row a sample.")


def bench(
    *,
    json: JsonFile,
    quick: Annotated[Flag, Parameter(help="tiny: only shows that everything runs")] = False,
    only: Annotated[
        list[str] | None,
        Parameter(help="these sections; others stay as in FILE", consume_multiple=True),
    ] = None,
) -> None:
    """Time training, sampling and copying side by side with other libraries (minutes to an hour).

    FILE is written after each section. Those that are not measured are kept as they are in it.
    """
    from ambient.bench.suite import QUICK, Size, rows

    target = str(json)
    known = (None if target == "-" else read_json(Path(target))) or {}
    work = rows(QUICK if quick else Size(), only or [], known.get("rows", []))
    record = last(_stored(work, target), "section")[2]
    for row in record["rows"]:
        say(_bench_line(row))


def _stored(work: Iterator[tuple[int, int, Any]], target: str) -> Iterator[tuple[int, int, Any]]:
    """The same records, each written as it comes; to standard output only the last."""
    for done, total, record in work:
        if done == total or (done and target != "-"):
            put_json(target, record)
        yield done, total, record


def _bench_line(row: dict[str, Any]) -> str:
    if row["ours"] is None:
        return f"{row['name']}: not measured, {row['note']}"
    line = f"{row['name']}: {row['ours']:.4g} {row['unit']}"
    if row["ratio"] is None:
        return line
    interval = " to ".join(f"{x:.3g}" for x in row.get("ratio_ci95", []))
    of = f" ({interval})" if interval else ""
    return f"{line} to {row['peer']:.4g}, ratio {row['ratio']:.3g}{of}"
