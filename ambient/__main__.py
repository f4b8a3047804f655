"""The command line: `python -m ambient COMMAND --help`.

Progress goes to stderr, results to `--json FILE` (`-` is standard output). Exit status 0: done,
1: the work failed, 2: unusable input, said in one line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from ambient import __version__
from ambient import cli as commands
from ambient.cli import check_target, say
from ambient.config import ARMS, NETWORKS, PEAK_RATES, PRESETS, check
from ambient.errors import InputError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {message}; see --help")
        self.exit(2)


def parser() -> argparse.ArgumentParser:
    top = _Parser(prog="ambient", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    choices = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_Parser
    )

    def command(name: str, body: Any) -> argparse.ArgumentParser:
        sub = choices.add_parser(name, help=body.__doc__, description=body.__doc__)
        sub.set_defaults(body=body)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return sub

    c = command("corpora", commands.corpora)
    c.add_argument("--json", metavar="FILE")

    c = command("train", commands.train)
    c.add_argument("--out", metavar="RUN", help="a new folder")
    c.add_argument("--resume", metavar="RUN", help="go on with a run folder")
    c.add_argument("--from", metavar="RUN", help="start with its weights and settings")
    c.add_argument("--from-step", type=int, metavar="K", help="its stored step (default: the last)")
    c.add_argument("--preset", help="; ".join(f"{k}: {v.title}" for k, v in PRESETS.items()))
    c.add_argument("--corpus", help="see `corpora` (default: emoji)")
    c.add_argument("--side", type=int, help="resize pictures to this many pixels")
    c.add_argument("--n-train", type=int, help="training images (default: 100)")
    c.add_argument("--split-seed", type=int, help="which ones (default: 0)")
    c.add_argument("--arm", help="; ".join(f"{k}: {v}" for k, v in ARMS.items()))
    c.add_argument("--cutoff", type=float, help="noise level sigma_n of the frozen copies")
    c.add_argument("--steps", type=int, help="default: 3000; with --resume: train to this many")
    c.add_argument("--batch", type=int, help="default: 32")
    rates = ", ".join(f"{rate:g} for {name}" for name, rate in PEAK_RATES.items())
    c.add_argument("--lr", type=float, help=f"default: {rates}")
    c.add_argument("--width", type=int, help="default: 48 (1.1 to 1.3 million parameters)")
    c.add_argument("--network", help="; ".join(f"{k}: {v}" for k, v in NETWORKS.items()))
    moves = "mirrored, shifted and recolored images too; the network is told, so samples are not"
    c.add_argument("--augment", action="store_true", default=None, help=moves)
    c.add_argument("--seed", type=int, help="default: 0")
    c.add_argument("--threads", type=int, help="default: 1, or 2 for images of 32 pixels or more")
    c.add_argument("--dtype", help="default: auto (the faster one here), or float32, bfloat16")
    c.add_argument("--device", default="auto", help="auto, cpu, cuda, mps")
    c.add_argument("--evaluate", type=int, metavar="N", help="then judge N samples, and keep that")
    c.add_argument("--checkpoint-every", type=int, help="steps (default: a tenth of the run)")

    features = "space of the similarity rule and of quality (default: encoder-64)"
    model = (
        "a run folder, the name of a bundled run, the folder of a diffusers pipeline, a zip of "
        "either, or hub:owner/name@revision (docs/models.md)"
    )
    c = command("sample", commands.sample)
    c.add_argument("run", metavar="RUN", help=model)
    c.add_argument("--n", type=int, default=64)
    c.add_argument("--out", required=True, metavar="FILE", help="x.npz or x.png")
    c.add_argument("--above", metavar="RUN_B", help="this run's denoiser where sigma > --switch")
    c.add_argument("--switch", type=float, metavar="SIGMA", help="RUN below, RUN_B above")
    _sampling(c)

    c = command("evaluate", commands.evaluate)
    c.add_argument("run", metavar="RUN", help=model)
    _images(c)
    c.add_argument("--n", type=int, default=1000)
    c.add_argument("--json", metavar="FILE")
    c.add_argument("--store", action="store_true", help="keep report and samples in the run folder")
    c.add_argument("--features", default="encoder-64", help=features)
    _sampling(c)

    c = command("audit", commands.audit)
    what = "a folder, zip or npz of images, or the name of a corpus"
    c.add_argument("--generated", metavar="A", help=what)
    c.add_argument("--model", metavar="MODEL", help=f"sample this instead: {model}")
    c.add_argument("--n", type=int, default=256, help="samples of the model (default: 256)")
    c.add_argument("--train", required=True, metavar="B", help=what)
    c.add_argument("--heldout", metavar="C", help="real images the generator never saw")
    c.add_argument("--side", type=int, help="read all images at this size in pixels")
    c.add_argument("--features", default="encoder-64", help=features)
    c.add_argument("--seed", type=int, default=0, help="of what quality measures draw")
    c.add_argument("--json", metavar="FILE")
    c.add_argument("--html", metavar="FILE", help="one self-contained page to hand on")
    c.add_argument("--skip-quality", action="store_true", help="copies alone, in half the time")
    c.add_argument("--progress", metavar="FILE", help="rewritten as the work goes on (JSON)")

    c = command("compare", commands.compare)
    side = "a run that was evaluated, its zip, a bundled one, or an audit's JSON"
    c.add_argument("first", metavar="A", help=side)
    c.add_argument("second", metavar="B")
    c.add_argument("--json", metavar="FILE")

    c = command("sweep", commands.sweep)
    c.add_argument("--spec", required=True, metavar="FILE", help="arms, seeds, stages (JSON)")
    c.add_argument("--out", required=True, metavar="DIR", help="run folders and table.json")
    c.add_argument("--workers", type=int, help="runs at once, one thread each (default: 1)")
    c.add_argument("--ray", metavar="ADDRESS", help="on this Ray cluster instead (docs/scale.md)")
    c.add_argument("--json", metavar="FILE", help="the table again")

    c = command("curves", commands.curves)
    c.add_argument("run", metavar="RUN", help=model)
    _images(c)
    c.add_argument("--step", type=int)
    c.add_argument("--seed", type=int, default=0)
    c.add_argument("--json", metavar="FILE")
    c.add_argument("--store", action="store_true", help="keep the curves in the run folder")

    c = command("suggest-cutoff", commands.suggest_cutoff)
    c.add_argument("--corpus", default="emoji", help="see `corpora` (default: emoji)")
    c.add_argument("--side", type=int, help="resize pictures to this many pixels")
    c.add_argument("--n-train", type=int, default=100, help="training images (default: 100)")
    c.add_argument("--split-seed", type=int, default=0, help="which ones (default: 0)")
    c.add_argument("--seed", type=int, default=0, help="of the images and noises measured")
    c.add_argument("--json", metavar="FILE")

    c = command("advise", commands.advise)
    c.add_argument("--corpus", required=True, help="a folder, zip or npz of your images")
    c.add_argument("--side", type=int, help="resize pictures to this many pixels")
    c.add_argument("--n-train", type=int, help="training images (default: three of four)")
    c.add_argument("--batch", type=int, default=32, help="images a step (default: 32)")
    c.add_argument("--seed", type=int, default=0, help="of the split and the noises")
    c.add_argument("--json", metavar="FILE")

    c = command("bench", commands.bench)
    c.add_argument("--json", metavar="FILE", required=True)
    c.add_argument("--quick", action="store_true", help="tiny: only shows that everything runs")
    c.add_argument("--only", nargs="+", metavar="SECTION", help="these; others stay as in FILE")

    c = command("export", commands.export)
    c.add_argument("run", metavar="RUN")
    c.add_argument("--out", required=True, metavar="FILE.zip")
    c.add_argument("--images", action="store_true", help="with its images, to open it elsewhere")

    c = command("push", commands.push)
    c.add_argument("run", metavar="RUN")
    c.add_argument("repo", metavar="OWNER/NAME", help="made if it is not there")
    c.add_argument("--images", action="store_true", help="with its images, if you may share them")
    c.add_argument("--public", action="store_true", help="a new repository is public")

    c = command("pull", commands.pull)
    c.add_argument("repo", metavar="OWNER/NAME@REVISION", help="a run goes to ./runs")

    command("runs", commands.runs)
    return top


def _images(c: argparse.ArgumentParser) -> None:
    what = "of a model that is no run: the images it was trained on (see `audit`)"
    c.add_argument("--train", metavar="IMAGES", help=what)
    c.add_argument("--heldout", metavar="IMAGES", help="real images that it never saw")


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
    if args.command == "train":  # its threads sleep while they wait, so that beside others two are
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # hardly slower than one
    try:
        for name in ("json", "html", "progress"):
            if target := getattr(args, name, None):
                check_target(f"--{name}", target)
        check("seed", getattr(args, "seed", None) or 0, "--seed")
        args.body(args)
    except KeyboardInterrupt:
        say("stopped.")
        return 1
    except (InputError, FloatingPointError, MemoryError, OSError) as e:
        if args.debug:
            raise
        say(f"ambient {args.command}: {e}")
        return 2 if isinstance(e, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
