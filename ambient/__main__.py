"""The command line: `python -m ambient COMMAND --help`.

Progress goes to stderr, results to `--json FILE` (`-` is standard output). Exit status 0: done,
1: the work failed, 2: unusable input, said in one line.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ambient import __version__
from ambient.config import ARMS, configure
from ambient.corpus import BUNDLED, TORCHVISION, load_corpus
from ambient.errors import InputError
from ambient.presets import PRESETS, preset
from ambient.run import (
    BUNDLED_RUNS,
    STOP_FILE,
    list_runs,
    open_run,
    start_run,
    step_name,
    write_atomically,
)


def say(text: str) -> None:
    print(text, file=sys.stderr)


def put_json(target: str, value: dict[str, Any]) -> None:
    """Write a result to a file in one move, or to standard output for `-`."""
    text = json.dumps(value, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        write_atomically(Path(target), text)


def check_json_target(target: str) -> None:
    """Refuse a place where a result could not go, before the work is done."""
    if target != "-" and not Path(target).parent.is_dir():
        raise InputError(
            f"--json is '{target}', but '{Path(target).parent}' is no folder; create it first."
        )


def corpora(args: argparse.Namespace) -> None:
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
    if args.json:
        put_json(args.json, {"corpora": rows})


def train(args: argparse.Namespace) -> None:
    """Train into a run folder, or go on with one."""
    import torch

    from ambient import hardware
    from ambient.recorder import mark_failed, record

    if args.resume:
        run = open_run(args.resume)
        if run.config.steps <= run.last_step:
            say(f"'{run.path}' is done: {run.last_step} of {run.config.steps} steps.")
            return
        if run.state["status"] != "running":  # the queue starts a run as running: its stop counts
            (run.path / STOP_FILE).unlink(missing_ok=True)
    else:
        if not args.out:
            raise InputError("train needs --out RUN (a new folder) or --resume RUN.")
        device = hardware.choose_device(args.device)
        torch.set_num_threads(args.threads)
        dtype = hardware.faster_dtype(device) if args.dtype == "auto" else args.dtype
        start = preset(args.preset) if args.preset else None
        corpus = load_corpus(args.corpus or (start.corpus if start else "emoji"), side=args.side)
        for note in corpus.notes:
            say(note)
        given = {k: getattr(args, k) for k in CONFIG_CHOICES if getattr(args, k) is not None}
        choices = {**(start.choices if start else {}), **given}
        run = start_run(Path(args.out), configure(corpus, dtype=dtype, **choices))
    device = hardware.choose_device(args.device)
    try:
        corpus = run.corpus()
        steps = record(run, corpus, device)
        with _StopRequest() as stop, _progress(run.config.steps, "step") as bar:
            for done in steps:
                bar.update(done.step - bar.n)
                if done.step % 10 == 0:
                    bar.set_postfix(loss=f"{done.loss:.4f}", refresh=False)
                if stop.asked:
                    break
            steps.close()
    except (InputError, FloatingPointError) as e:
        mark_failed(run, str(e))
        raise
    step = run.last_step
    if step >= run.config.steps:
        say(f"done, step {step}. Next: python -m ambient evaluate {run.path}")
    else:
        say(
            f"stopped as asked, saved at step {step}. "
            f"Go on with: python -m ambient train --resume {run.path}"
        )


def sample(args: argparse.Namespace) -> None:
    """Draw images; image i depends on seed + i alone."""
    import numpy as np

    from ambient.archive import check_samples_path, write_samples
    from ambient.evaluation import draw
    from ambient.recorder import sampler_of

    run = open_run(args.run)
    out = check_samples_path(Path(args.out))
    how = sampler_of(run.config, sampler=args.sampler, steps=args.steps)
    seeds = range(args.seed, args.seed + _positive("n", args.n))
    batches = []
    with _progress(args.n, "image") as bar:
        for batch in draw(run, seeds, how, args.step):
            batches.append(batch)
            bar.update(len(batch))
    write_samples(out, np.concatenate(batches), np.array(seeds))
    say(f"{args.n} images in {out}")


def evaluate(args: argparse.Namespace) -> None:
    """Sample, judge every sample, and say how far the verdict can be trusted."""
    from ambient.archive import write_samples
    from ambient.evaluation import evaluate as run_evaluation
    from ambient.recorder import sampler_of

    run = open_run(args.run)
    how = sampler_of(run.config, sampler=args.sampler, steps=args.steps)
    n = _positive("n", args.n)
    *_, images, report = _last(run_evaluation(run, n, args.seed, args.step, how), "image")
    if args.store and args.step is None:
        write_samples(run.path / "samples.npz", images, _seeds(report))
        put_json(str(run.path / "report.json"), report)
    elif args.store:
        (run.path / "reports").mkdir(exist_ok=True)
        put_json(str(run.path / "reports" / f"{step_name(args.step)}.json"), report)
    if args.json:
        put_json(args.json, report)
    say(_summary(report))


def _seeds(report: dict[str, Any]) -> Any:
    import numpy as np

    return np.array([s["seed"] for s in report["samples"]])


def _summary(report: dict[str, Any]) -> str:
    rule = report["copies"]["ratio"]
    if rule["rate"] is None:
        return "no verdict: " + " ".join(report["warnings"])
    low, high = rule["ci95"]
    return (
        f"{report['run']}, step {report['step']}: {rule['rate']:.1%} copies (95 % {low:.1%} to "
        f"{high:.1%}) by d1/d2 < {rule['threshold']:.3f}, which flags {rule['heldout_rate']:.1%} "
        f"of unseen images; Frechet {report['quality']['frechet']:.2f}."
    )


def curves(args: argparse.Namespace) -> None:
    """Train and held-out error, and the closed forms, at every noise level."""
    from ambient.curves import noise_level_curves

    run = open_run(args.run)
    *_, pack = _last(noise_level_curves(run, args.step, seed=args.seed), "level")
    if args.store:
        put_json(str(run.path / "curves.json"), pack)
    if args.json:
        put_json(args.json, pack)
    peak = max(pack["levels"], key=lambda level: level["gap_ratio"])
    say(
        f"{run.name}: held-out error is largest against train error at sigma {peak['sigma']:.3g} "
        f"({peak['gap_ratio']:.1f} times)."
    )


def export(args: argparse.Namespace) -> None:
    """Zip a run: config, weights, report, curves, contact sheet, model card."""
    from ambient.archive import export_run

    run = open_run(args.run)
    out = Path(args.out)
    if not out.parent.is_dir():
        raise InputError(f"'{out.parent}' is no folder; create it or choose another --out.")
    data = export_run(run)
    scratch = out.with_name(f".{out.name}.part")
    scratch.write_bytes(data)
    scratch.replace(out)
    say(f"{out}: {len(data) / 1e6:.1f} MB")


def runs(args: argparse.Namespace) -> None:
    """List the bundled runs and those in ./runs."""
    from ambient.worker import RUNS

    for folder in (BUNDLED_RUNS, RUNS):
        for run in list_runs(folder):
            c = run.config
            what = f"n={c.n_train:<5} {c.arm:10} cutoff {c.cutoff:<5g} step {run.last_step}"
            print(f"{run.name:28} {what}")


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"--{name} is {value}; expected 1 or more.")
    return value


def _last(records: Iterator[tuple[Any, ...]], unit: str) -> tuple[Any, ...]:
    """Drive a generator of (done, total, ...) behind a progress bar; its last record."""
    last = next(records)
    with _progress(last[1], unit) as bar:
        bar.update(last[0])
        for record in records:
            bar.update(record[0] - bar.n)
            last = record
    return last


def _progress(total: int, unit: str) -> Any:
    from tqdm import tqdm

    pause = 0.1 if sys.stderr.isatty() else 10.0  # seconds between lines in a log file
    return tqdm(total=total, unit=unit, file=sys.stderr, delay=2, leave=False, mininterval=pause)


class _StopRequest:
    """Ctrl-C and SIGTERM ask for a stop between two steps, where all state is whole.

    A second Ctrl-C does not wait.
    """

    asked = False

    def __enter__(self) -> _StopRequest:
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, number: int, frame: object) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)


CONFIG_CHOICES = [
    "n_train",
    "split_seed",
    "arm",
    "cutoff",
    "steps",
    "batch",
    "lr",
    "width",
    "seed",
    "threads",
    "checkpoint_every",
]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def parser() -> argparse.ArgumentParser:
    top = _Parser(prog="ambient", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )

    def command(name: str, body: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=body.__doc__, description=body.__doc__)
        sub.set_defaults(body=body)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub

    c = command("corpora", corpora)
    c.add_argument("--json", metavar="FILE")

    c = command("train", train)
    c.add_argument("--out", metavar="RUN", help="a new folder")
    c.add_argument("--resume", metavar="RUN", help="go on with a run folder")
    c.add_argument("--preset", help="; ".join(f"{k}: {v.title}" for k, v in PRESETS.items()))
    c.add_argument("--corpus", help="see `corpora` (default: emoji)")
    c.add_argument("--side", type=int, help="resize pictures to this many pixels")
    c.add_argument("--n-train", type=int, help="training images (default: 100)")
    c.add_argument("--split-seed", type=int, help="which ones (default: 0)")
    c.add_argument("--arm", help="; ".join(f"{k}: {v}" for k, v in ARMS.items()))
    c.add_argument("--cutoff", type=float, help="noise level sigma_n of the frozen copies")
    c.add_argument("--steps", type=int, help="default: 3000")
    c.add_argument("--batch", type=int, help="default: 32")
    c.add_argument("--lr", type=float, help="default: 0.001")
    c.add_argument("--width", type=int, help="default: 48 (1.3 million parameters)")
    c.add_argument("--seed", type=int, help="default: 0")
    c.add_argument("--threads", type=int, default=1, help="default: 1; more pay on a quiet machine")
    c.add_argument("--dtype", default="auto", help="auto (the faster one here), float32, bfloat16")
    c.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    c.add_argument("--checkpoint-every", type=int, help="steps (default: a tenth of the run)")

    c = command("sample", sample)
    c.add_argument("run", metavar="RUN", help="a run folder, or the name of a bundled run")
    c.add_argument("--n", type=int, default=64)
    c.add_argument("--out", required=True, metavar="FILE", help="x.npz or x.png")
    _sampling(c)

    c = command("evaluate", evaluate)
    c.add_argument("run", metavar="RUN")
    c.add_argument("--n", type=int, default=1000)
    c.add_argument("--json", metavar="FILE")
    c.add_argument("--store", action="store_true", help="keep report and samples in the run folder")
    _sampling(c)

    c = command("curves", curves)
    c.add_argument("run", metavar="RUN")
    c.add_argument("--step", type=int)
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("--json", metavar="FILE")
    c.add_argument("--store", action="store_true", help="keep the curves in the run folder")

    c = command("export", export)
    c.add_argument("run", metavar="RUN")
    c.add_argument("--out", required=True, metavar="FILE.zip")

    command("runs", runs)
    return top


def _sampling(c: argparse.ArgumentParser) -> None:
    c.add_argument("--seed", type=int, default=0, help="of the first image; image i has seed + i")
    c.add_argument("--step", type=int, help="a stored step (default: the last)")
    c.add_argument("--sampler", default="heun", help="heun, euler, dpmpp-2m, ancestral")
    c.add_argument("--steps", type=int, default=18, help="sampling steps (default: 18)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # Two threads on small networks spend their time waiting for each other once anything else
    # runs beside them (measured: 100 times slower); ask for more with OMP_NUM_THREADS.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    args = parser().parse_args(argv)
    try:
        check_json_target(getattr(args, "json", None) or "-")
        args.body(args)
    except KeyboardInterrupt:
        say("stopped.")
        return 1
    except (InputError, FloatingPointError, OSError) as e:
        if args.debug:
            raise
        say(f"ambient {args.command}: {e}")
        return 2 if isinstance(e, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
