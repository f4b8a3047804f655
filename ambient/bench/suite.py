"""How fast this is here, side by side with what it is compared to.

Every ratio is of runs that take turns in one process, or of processes that take turns, in an
order that reverses from block to block: whatever else the machine does hits both. A row holds the
median over blocks and, of more than three, a 95 % bootstrap interval of the ratio.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ambient.bench import audits as audit_bench
from ambient.bench import search as search_bench
from ambient.bench.peers import PEERS, Adapted, Peer
from ambient.config import Config, configure
from ambient.copies.judge import judge_images
from ambient.diffusion.denoiser import EDM
from ambient.diffusion.hardware import choose_device, faster_dtype
from ambient.diffusion.loss import denoising_loss
from ambient.diffusion.noise import lognormal_sigmas
from ambient.diffusion.samplers import sample, sampler_of
from ambient.diffusion.training import Trainer, build_denoiser
from ambient.errors import InputError
from ambient.images.corpus import load_corpus, split_corpus, to_bytes, to_unit
from ambient.presets import PRESETS
from ambient.reports.evaluation import draw, sets_of
from ambient.runs.folder import Run, open_run

Row = dict[str, Any]
Calls = dict[str, Callable[[], object]]
ROOT = Path(__file__).parent.parent.parent
BEFORE = ":before"  # ends the names of rows that compare with another checkout
SHARE = "share_of_a_step"
OPERATORS = {  # by what is in the names of torch's operators
    "convolutions, forward": ("mkldnn_convolution", "conv2d"),
    "convolutions, backward": ("convolution_backward",),
    "norms": ("norm",),
    "SiLU": ("silu",),
    "optimizer and average": ("adamw", "lerp", "_foreach"),
    "noise": ("normal_", "randn", "randint"),
}
HALF_COPIES, FROM_START = "seconds_to_half_copies", "s from the start of the command"
PEER_RATE = 2e-3  # best of 1, 2 and 4 thousandths after 200 steps of smalldiffusion's network
WAYS: dict[str, dict[str, str]] = {  # to train, each of which changes the order of sums
    "concat": {"network": "concat"},
    "bands": {"network": "bands"},
    "bands-bfloat16": {"network": "bands", "dtype": "bfloat16"},
    "bands-compiled": {"network": "bands", "mode": "compiled"},
}
IMAGES = 1000  # that the networks to be timed train on; the others are held out

# A process of its own, in this or another checkout: every line asks for so many seconds of work.
WORKER = """
import sys, time, torch
torch.set_num_threads(int(sys.argv[3]))
from ambient.config import configure
from ambient.images.corpus import load_corpus, split_corpus, to_unit
from ambient.diffusion.training import Trainer
corpus = load_corpus(sys.argv[2])
config = configure(corpus, n_train=1000, batch=int(sys.argv[1]))
taken = split_corpus(corpus, 1000, 0).train
trainer = Trainer(config, torch.from_numpy(to_unit(corpus.images[taken])), taken)
trainer.train_step()
print("ready", flush=True)
for line in sys.stdin:
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < float(line):
        trainer.train_step()
        steps += 1
    print(steps * config.batch / (time.perf_counter() - start), flush=True)
"""


@dataclass(frozen=True)
class Size:
    """How much is measured; `QUICK` only shows that everything runs."""

    blocks: int = 9
    batch: int = 64
    seconds: float = 4.0  # a turn of a worker process
    steps: int = 200  # of training before held-out errors are compared
    seeds: int = 3  # whose times to copies are taken
    error_seeds: int = 6  # whose held-out errors are compared
    heldout: int = 256  # images that these errors are on, four noises each
    copy_steps: tuple[int, ...] = (1500, 3500)  # digits, emoji
    samples: int = 400  # that copies are counted on
    search: tuple[int, int] = (1_000_000, 10_000)  # keys and queries
    audit: tuple[int, int, int] = (10_000, 50_000, 64)  # generated, training images, and their side


QUICK = Size(
    blocks=2, batch=2, seconds=0.05, steps=2, seeds=1, error_seeds=1, heldout=2,
    copy_steps=(2, 2), samples=100, search=(20_000, 500), audit=(120, 300, 16),
)  # fmt: skip


def in_turn(calls: Calls, blocks: int) -> dict[str, np.ndarray]:
    """Seconds of each call in each block; a block before the first warms up.

    With one thread they are the processor's, which other processes on the machine do not lengthen.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for block in range(blocks + 1):
        for name in list(calls)[:: 1 if block % 2 else -1]:
            start = clock()
            calls[name]()
            if block:
                seconds[name].append(clock() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def compared(name: str, unit: str, ours: np.ndarray, peer: np.ndarray) -> Row:
    """One row: medians of both, and of their ratio block by block.

    It has an interval where there are more than three blocks: fewer bound nothing.
    """
    ratios = ours / peer
    row: Row = {
        "name": name,
        "ours": float(np.median(ours)),
        "peer": float(np.median(peer)),
        "ratio": float(np.median(ratios)),
        "blocks": len(ratios),
        "unit": unit,
    }
    if len(ratios) > 3:
        draws = np.random.default_rng(0).integers(len(ratios), size=(4000, len(ratios)))
        medians = np.median(ratios[draws], axis=1)
        row["ratio_ci95"] = np.quantile(medians, [0.025, 0.975]).tolist()
    return row


def absent(name: str, unit: str, why: str) -> Row:
    """A row that could not be measured here, and the reason."""
    return {"name": name, "ours": None, "peer": None, "ratio": None, "unit": unit, "note": why}


def censored(name: str, unit: str, found: Sequence[tuple[float, bool]]) -> Row:
    """A row of times, some of which only say how long something did not happen.

    Args:
        found: (seconds, whether it happened then) of each seed.
    """
    median = float(np.median([t if happened else np.inf for t, happened in found]))
    never = [f"{t:.0f}" for t, happened in found if not happened]
    note = f"{len(never)} of {len(found)} seeds not within {', '.join(never)} s" if never else ""
    each = [t if happened else None for t, happened in found]
    row = {**absent(name, unit, note), "ours": median, "each": each}
    return row if np.isfinite(median) else {**row, "ours": None}


class Bench:
    """The emoji that networks are timed on, and what they are timed at."""

    def __init__(self, size: Size, before: Path | None = None) -> None:
        self.size, self.before = size, before
        self.corpus = load_corpus("emoji")
        split = split_corpus(self.corpus, IMAGES, 0)
        self.taken = split.train
        self.images = torch.from_numpy(to_unit(self.corpus.images[split.train]))
        self.heldout = torch.from_numpy(to_unit(self.corpus.images[split.heldout]))
        self.dtype = faster_dtype(choose_device("cpu"))

    def config(self, **choices: Any) -> Config:
        usual = {"n_train": IMAGES, "batch": self.size.batch, "dtype": self.dtype}
        settings = {**usual, "network": "bands", **choices}
        return configure(self.corpus, **settings)

    def trainer(self, peer: Peer | None = None, patch: int = 1, **choices: Any) -> Trainer:
        """Our training step, of our network or of a peer's."""

        def build(c: Config) -> EDM:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(c.seed)
                network = Adapted(peer, c.channels, c.side, patch) if peer else None
            if network is None:
                return build_denoiser(c)
            network = network.to(memory_format=torch.channels_last)
            return EDM(network, c.sigma_data, getattr(torch, c.dtype))

        return Trainer(self.config(**choices), self.images, self.taken, build=build)

    def peers(self) -> Iterator[tuple[Peer, str | None]]:
        """Each peer, and why it can't be measured."""
        for peer in PEERS.values():
            try:
                peer.require()
                yield peer, None
            except InputError as e:
                yield peer, str(e)

    def speed(self) -> Iterator[Row]:
        """Training and forward images a second against every peer, as it is and given ours."""
        train: Calls = {"ours": self.trainer().train_step}
        forward: Calls = {"ours": self._forward(self.trainer().average)}
        missing = {}
        for peer, why in self.peers():
            if why:
                missing[peer.name] = why
                continue
            c = self.config()
            network = peer.network(c.channels, c.side)
            train[peer.name] = peer.train(network, self.images, c.batch)
            forward[peer.name] = self._forward(Adapted(peer, c.channels, c.side, 1).eval())
            given = self.trainer(peer, patch=2)
            train[f"{peer.name}+ours"] = given.train_step
            forward[f"{peer.name}+ours"] = self._forward(given.average)
        for what, calls in (("train", train), ("forward", forward)):
            seconds = in_turn(calls, self.size.blocks)
            unit = f"images/s, batch {self.size.batch}"
            rates = {name: self.size.batch / values for name, values in seconds.items()}
            for name in calls:
                if name != "ours":
                    row = f"{what}_images_per_second:{name}"
                    yield compared(row, unit, rates["ours"], rates[name])
            for name, why in missing.items():
                yield absent(f"{what}_images_per_second:{name}", unit, why)

    def _forward(self, network: torch.nn.Module) -> Callable[[], object]:
        x = torch.randn(self.size.batch, *self.images.shape[1:])
        sigma = torch.rand(self.size.batch) + 0.1

        def call() -> None:
            with torch.inference_mode():
                network(x, sigma)

        return call

    def arms(self) -> Iterator[Row]:
        """The ambient step against the ordinary one: a lower ratio is better."""
        trainers = {
            arm: self.trainer(arm=arm, cutoff=cutoff, batch=min(32, self.size.batch))
            for arm, cutoff in (("ambient", 1.0), ("standard", 0.0))
        }
        calls: Calls = {arm: trainer.train_step for arm, trainer in trainers.items()}
        seconds = in_turn(calls, 10 * self.size.blocks)
        yield compared(
            "ambient_step_over_standard", "s/step", seconds["ambient"], seconds["standard"]
        )

    def compiled(self) -> Iterator[Row]:
        """The compiled step against the eager one."""
        faster, plain = self.trainer(mode="compiled"), self.trainer()
        if faster.forward is faster.denoiser:
            yield absent("compiled_over_eager", "images/s", "no working compiler here")
            return
        calls: Calls = {"compiled": faster.train_step, "eager": plain.train_step}
        rates = {k: self.size.batch / v for k, v in in_turn(calls, self.size.blocks).items()}
        yield compared("compiled_over_eager", "images/s", rates["compiled"], rates["eager"])

    def matmul(self) -> Iterator[Row]:
        """The share of this processor's own matrix-multiply rate that a training step reaches."""
        trainer, dtype = self.trainer(), getattr(torch, self.dtype)
        with FlopCounterMode(display=False) as counter:
            trainer.train_step()
        a = torch.randn(1024, 1024, dtype=dtype)
        calls: Calls = {"step": trainer.train_step, "matmul": lambda: [a @ a for _ in range(8)]}
        seconds = in_turn(calls, self.size.blocks)
        step = counter.get_total_flops() / seconds["step"] / 1e9
        yield compared(
            "matmul_fraction", "GFLOP/s", step, 8 * 2 * 1024**3 / seconds["matmul"] / 1e9
        )

    def profile(self) -> Iterator[Row]:
        """What a training step spends its time on, by kinds of operators."""
        trainer = self.trainer()
        trainer.train_step()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
            for _ in range(self.size.blocks):
                trainer.train_step()
        shares = dict.fromkeys([*OPERATORS, "all else"], 0.0)
        events = seen.key_averages()
        total = sum(e.self_cpu_time_total for e in events)
        for e in events:
            kinds = (k for k, parts in OPERATORS.items() if any(p in e.key for p in parts))
            shares[next(kinds, "all else")] += e.self_cpu_time_total / total
        for kind, share in shares.items():
            yield {**absent(f"{SHARE}:{kind}", "of a training step's time", ""), "ours": share}

    def processes(self) -> Iterator[Row]:
        """Two processes of one thread against one; and this checkout against another."""
        places = [ROOT, ROOT, *([self.before] if self.before else [])]
        workers = [_Worker(place, self.size.batch) for place in places]
        try:
            alone, both, ours, older = [], [], [], []
            for _ in range(self.size.blocks):
                alone.append(_ask(workers[:1], self.size.seconds))
                both.append(_ask(workers[:2], self.size.seconds))
                if self.before:
                    ours.append(_ask(workers[:1], self.size.seconds))
                    older.append(_ask(workers[2:], self.size.seconds))
        finally:
            for worker in workers:
                worker.end()
        yield compared("two_processes_over_one", "images/s", np.array(both), np.array(alone))
        if self.before:
            row = f"train_images_per_second{BEFORE}"
            yield compared(row, "images/s, one thread", np.array(ours), np.array(older))

    def threads(self) -> Iterator[Row]:
        """One process with two threads against one with one, on large images and on small ones."""
        batch = min(32, self.size.batch)
        for corpus in ("emoji", "digits"):
            workers = [_Worker(ROOT, batch, corpus, n) for n in (2, 1)]
            try:
                found = [
                    [_ask([worker], self.size.seconds) for worker in workers]
                    for _ in range(self.size.blocks)
                ]
            finally:
                for worker in workers:
                    worker.end()
            two, one = np.array(found).T
            yield compared(f"two_threads_over_one:{corpus}", f"images/s, batch {batch}", two, one)

    def memory(self) -> Iterator[Row]:
        """Peak resident memory of processes that train three steps."""
        ours = _peak("", self.size.batch)
        for peer, why in self.peers():
            name = f"peak_megabytes:{peer.name}"
            if why:
                yield absent(name, "MB", why)
                continue
            yield compared(
                name, "MB", np.array([ours]), np.array([_peak(peer.name, self.size.batch)])
            )

    def errors(self) -> Iterator[Row]:
        """Held-out denoising errors after equal steps, ours against those of the fastest peer here.

        Both take our training step and equal batches: of 32 images, half an hour for all seeds.
        """
        batch = min(32, self.size.batch)
        unit = f"EDM loss after {self.size.steps} steps of {batch}"
        there = [peer for peer, why in self.peers() if why is None]
        if not there:
            for peer, why in self.peers():
                yield absent(f"heldout_error:{peer.name}", unit, str(why))
            return
        peer, found = self.fastest(there), list[tuple[float, float]]()
        for seed in range(self.size.error_seeds):
            ours = self.trainer(seed=seed, batch=batch)
            theirs = self.trainer(peer, seed=seed, batch=batch, lr=PEER_RATE)
            for _ in range(self.size.steps):
                ours.train_step()
                theirs.train_step()
            found.append((self.error(ours.average), self.error(theirs.average)))
        yield compared(f"heldout_error:{peer.name}", unit, *np.array(found).T)

    def fastest(self, peers: Sequence[Peer]) -> Peer:
        """The peer that takes the shortest step here, as its users train it."""
        c = self.config(batch=min(16, self.size.batch))
        calls: Calls = {
            p.name: p.train(p.network(c.channels, c.side), self.images, c.batch) for p in peers
        }
        seconds = in_turn(calls, 2)
        return min(peers, key=lambda p: float(np.median(seconds[p.name])))

    def error(self, denoiser: EDM) -> float:
        """Mean EDM loss on held-out images, the same noises for every network."""
        c, generator, losses = self.config(), torch.Generator().manual_seed(7), []
        with torch.inference_mode():
            for images in self.heldout[: self.size.heldout].repeat(4, 1, 1, 1).split(64):
                sigma = lognormal_sigmas(len(images), c.p_mean, c.p_std, generator)
                args = (images, images, sigma, 0.0, c.sigma_data, generator)
                losses.append(denoising_loss(denoiser, "standard", *args))
        return float(torch.cat(losses).mean())

    def verdicts(self) -> Iterator[Row]:
        """The copied share of the same samples by each way to train: none may change it."""
        corpus, usual = load_corpus("digits"), PRESETS["digits-copy"].choices
        for name, way in WAYS.items():
            settings = {**usual, "steps": self.size.copy_steps[0], **way}
            config = configure(corpus, **settings)
            split = split_corpus(corpus, config.n_train, config.split_seed)
            images = torch.from_numpy(to_unit(corpus.images[split.train]))
            trainer = Trainer(config, images, split.train)
            row, unit = f"copied_share:{name}", f"share, {config.steps} steps, {config.dtype}"
            if config.mode == "compiled" and trainer.forward is trainer.denoiser:
                yield absent(row, unit, "no working compiler here")
                continue
            for _ in range(config.steps):
                trainer.train_step()
            shape = (config.channels, config.side, config.side)
            drawn = sample(trainer.average, range(self.size.samples), shape, sampler_of(config))
            made = to_bytes(torch.cat(list(drawn)).numpy())
            rule = judge_images(sets_of(corpus, split, made))["copies"]["ratio"]
            low, high = rule["ci95"]
            said = absent(row, unit, f"95 % {low:.3f} to {high:.3f}")
            yield {**said, "ours": rule["rate"], "ci95": rule["ci95"]}

    def copies_of_digits(self) -> Iterator[Row]:
        """Time to copies, 50 digits, several seeds."""
        yield from self._copies("digits-50", self.size.copy_steps[0], self.size.seeds)

    def copies_of_emoji(self) -> Iterator[Row]:
        """Time to copies, 100 emoji, one seed."""
        yield from self._copies("emoji-100", self.size.copy_steps[1], 1)

    def _copies(self, name: str, steps: int, seeds: int) -> Iterator[Row]:
        """Seconds from the start of `train` until half of the samples are copies."""
        unit, preset, row = FROM_START, f"{name.split('-')[0]}-copy", f"{HALF_COPIES}:{name}"
        places = [ROOT, *([self.before] if self.before else [])]
        found: dict[Path, list[tuple[float, bool]]] = {place: [] for place in places}
        for seed in range(seeds):
            for place in places[:: -1 if seed % 2 else 1]:
                found[place].append(self._seconds_to_half(place, preset, steps, seed))
        yield censored(row, unit, found[ROOT])
        if self.before:
            both = zip(found[ROOT], found[self.before], strict=True)
            pairs = [(a, b) for (a, in_time), (b, too) in both if in_time and too]
            if not pairs:
                yield absent(row + BEFORE, unit, "no seed got to half of the samples in both")
                return
            ours, older = np.array(pairs).T
            few = f"of {seeds} seeds, those that got to half of the samples in both"
            note = {"note": few} if len(pairs) < seeds else {}
            yield {**compared(row + BEFORE, unit, ours, older), **note}

    def _seconds_to_half(
        self, place: Path, preset: str, steps: int, seed: int
    ) -> tuple[float, bool]:
        """Train by the command; then judge what it stored, stage by stage.

        Returns:
            When half of the samples were copies, or how long it trained without that; and which.
        """
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            words = ["train", "--preset", preset, "--steps", steps, "--seed", seed, "--out", out]
            every = ["--checkpoint-every", max(1, steps // 20)]
            start = time.time()
            done = subprocess.run(
                [sys.executable, "-m", "ambient", *map(str, words + every)], cwd=place,
                env=_environment(place), stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise ChildProcessError((done.stderr.strip().splitlines() or ["no output"])[-1])
            return half_copies(open_run(out), start, self.size.samples)


def half_copies(run: Run, start: float, samples: int) -> tuple[float, bool]:
    """Seconds from `start` until half of a run's samples were copies, between two stages a line.

    Only a few stages are judged: copies become more as training goes on, so the first stage with
    half of them is found by halving.

    Returns:
        When that was, or how long it trained without that; and which.
    """
    corpus, steps = run.corpus(), run.steps
    split = run.split(corpus)
    rates: dict[int, float] = {-1: 0.0}

    def seconds(stage: int) -> float:
        return run.checkpoint(steps[stage]).stat().st_mtime - start if stage >= 0 else 0.0

    below, reached = -1, len(steps)
    while reached - below > 1:
        stage = (below + reached) // 2
        images = np.concatenate(list(draw(run, range(samples), step=steps[stage])))
        judged = judge_images(sets_of(corpus, split, images))
        rates[stage] = float(judged["copies"]["ratio"]["rate"])
        below, reached = (below, stage) if rates[stage] >= 0.5 else (stage, reached)
    if reached == len(steps):
        return seconds(below), False
    share = (0.5 - rates[below]) / (rates[reached] - rates[below])
    return seconds(below) + share * (seconds(reached) - seconds(below)), True


class _Worker:
    """A process that trains our network when asked to."""

    def __init__(self, place: Path, batch: int, corpus: str = "emoji", threads: int = 1) -> None:
        choices = [str(batch), corpus, str(threads)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *choices], cwd=place, env=_environment(place),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.answer()

    @property
    def pipes(self) -> tuple[IO[str], IO[str]]:
        assert self.process.stdin and self.process.stdout
        return self.process.stdin, self.process.stdout

    def ask(self, seconds: float) -> None:
        self.pipes[0].write(f"{seconds}\n")
        self.pipes[0].flush()

    def answer(self) -> str:
        line = self.pipes[1].readline().strip()
        if not line:
            raise ChildProcessError("a process that trains ended early")
        return line

    def end(self) -> None:
        self.process.communicate()  # closes its input, at which it ends


def _ask(workers: list[_Worker], seconds: float) -> float:
    """Images a second of processes that work at the same time, together."""
    for worker in workers:
        worker.ask(seconds)
    return sum(float(worker.answer()) for worker in workers)


def _environment(place: Path) -> dict[str, str]:
    """That of a process which trains; its threads sleep while they wait, as the command's do."""
    threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    return {**os.environ, "PYTHONPATH": str(place), **threads}


def _peak(peer: str, batch: int) -> float:
    """Peak resident megabytes of a process that trains three steps of a network."""
    code = f"from ambient.bench.suite import train_once; train_once({peer!r}, {batch})"
    child = subprocess.Popen([sys.executable, "-c", code], env=_environment(ROOT))
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise ChildProcessError(f"training {peer or 'our network'} ended with {status}")
    return usage.ru_maxrss / 1000


def train_once(peer: str, batch: int) -> None:
    """Three steps of our network, or of a peer's as its users train it."""
    bench = Bench(replace(QUICK, batch=batch))
    c = bench.config()
    step: Callable[[], object] = bench.trainer().train_step
    if peer:
        step = PEERS[peer].train(PEERS[peer].network(c.channels, c.side), bench.images, batch)
    for _ in range(3):
        step()


SECTIONS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "arms": Bench.arms,
    "matmul": Bench.matmul,
    "profile": Bench.profile,
    "compiled": Bench.compiled,
    "processes": Bench.processes,
    "threads": Bench.threads,
    "memory": Bench.memory,
    "speed": Bench.speed,
    "copies-digits": Bench.copies_of_digits,
    "copies-emoji": Bench.copies_of_emoji,
    "errors": Bench.errors,
    "verdicts": Bench.verdicts,
    "audit": lambda bench: audit_bench.measure(*bench.size.audit),
    "search": lambda bench: search_bench.measure(*bench.size.search),
}


def machine(bench: Bench) -> dict[str, Any]:
    """What the numbers are of."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "dtype": bench.dtype,
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(": ", 1)[1] for x in lines if x.startswith("model name")), "unknown")


def rows(
    size: Size, only: list[str], before: Path | None, known: Sequence[Row] = ()
) -> Iterator[tuple[int, int, Any]]:
    """(sections done, all sections, the record so far) after each section.

    Args:
        known: rows of earlier. They stay until their section is measured, those of another
            checkout until there is one to measure.

    Raises:
        InputError: an unknown section.
    """
    names = only or list(SECTIONS)
    for name in names:
        if name not in SECTIONS:
            raise InputError(f"--only is '{name}'; expected one of {', '.join(SECTIONS)}.")
    bench = Bench(size, before)
    about, found = machine(bench), list[Row]()
    yield 0, len(names), {"machine": about, "rows": [*known]}
    for done, name in enumerate(names, 1):
        load = round(os.getloadavg()[0], 2)
        found += [{**row, "section": name, "load": load} for row in measured(bench, name)]
        old = names[:done]
        kept = [
            row
            for row in known
            if row["section"] not in old or (before is None and row["name"].endswith(BEFORE))
        ]
        yield done, len(names), {"machine": about, "rows": found + kept}


def measured(bench: Bench, section: str) -> Iterator[Row]:
    """The rows of a section; where it fails, the last one says why, and the others go on."""
    try:
        yield from SECTIONS[section](bench)
    except subprocess.CalledProcessError as e:  # its own words are the whole program
        yield absent(section, "", f"a process of its own ended with {e.returncode}")
    except Exception as e:  # each library has errors of its own
        yield absent(section, "", (str(e).strip() or type(e).__name__).splitlines()[0])
