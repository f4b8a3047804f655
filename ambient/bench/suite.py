"""How fast this is here, side by side with what it is compared to (`ambient bench`)."""

import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ambient.bench import audits, copying
from ambient.bench.peers import PEERS, Adapted, Peer
from ambient.bench.rows import Calls, Row, absent, compared, in_turn
from ambient.config import Config, configure
from ambient.diffusion.denoiser import EDM
from ambient.diffusion.hardware import choose_device, faster_dtype
from ambient.diffusion.loss import denoising_loss
from ambient.diffusion.noise import lognormal_sigmas, seeded_weights
from ambient.diffusion.training import Trainer, build_denoiser
from ambient.files import InputError
from ambient.images.corpus import load_corpus, split_corpus, to_unit

PEER_RATE = 2e-3  # best of 1, 2 and 4 thousandths after 200 steps of smalldiffusion's network
IMAGES = 1000  # that the networks to be timed train on; the others are held out


@dataclass(frozen=True)
class Size:
    """How much is measured; `QUICK` only shows that everything runs."""

    blocks: int = 9
    batch: int = 64
    steps: int = 200  # of training before held-out errors are compared
    seeds: int = 3  # whose times to copies are taken
    error_seeds: int = 6  # whose held-out errors are compared
    heldout: int = 256  # images that these errors are on, four noises each
    copy_steps: int = 1500
    samples: int = 400  # that copies are counted on
    audit: tuple[int, int, int] = (10_000, 50_000, 64)  # generated, training images, and their side


QUICK = Size(
    blocks=2, batch=2, steps=2, seeds=1, error_seeds=1, heldout=2, copy_steps=2, samples=100,
    audit=(120, 300, 16),
)  # fmt: skip


class Bench:
    """The emoji that networks are timed on, and what they are timed at."""

    def __init__(self, size: Size) -> None:
        self.size = size
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
            if peer is None:
                return build_denoiser(c)
            with seeded_weights(c.seed):
                network = Adapted(peer, c.channels, c.side, patch)
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


SECTIONS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "arms": Bench.arms,
    "matmul": Bench.matmul,
    "speed": Bench.speed,
    "copies-digits": lambda bench: copying.measure(
        bench.size.seeds, bench.size.copy_steps, bench.size.samples
    ),
    "errors": Bench.errors,
    "audit": lambda bench: audits.measure(*bench.size.audit),
}


def machine(bench: Bench) -> dict[str, Any]:
    """What the numbers are of."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "dtype": bench.dtype,
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(": ", 1)[1] for x in lines if x.startswith("model name")), "unknown")


def rows(size: Size, only: list[str], known: Sequence[Row] = ()) -> Iterator[tuple[int, int, Any]]:
    """(sections done, all sections, the record so far) after each section.

    Args:
        known: rows of earlier, which stay until their section is measured.

    Raises:
        InputError: an unknown section.
    """
    names = only or list(SECTIONS)
    for name in names:
        if name not in SECTIONS:
            raise InputError(f"--only is '{name}'; expected one of {', '.join(SECTIONS)}.")
    bench = Bench(size)
    about, found = machine(bench), list[Row]()
    yield 0, len(names), {"machine": about, "rows": [*known]}
    for done, name in enumerate(names, 1):
        load = round(os.getloadavg()[0], 2)
        found += [{**row, "section": name, "load": load} for row in measured(bench, name)]
        kept = [row for row in known if row["section"] not in names[:done]]
        yield done, len(names), {"machine": about, "rows": found + kept}


def measured(bench: Bench, section: str) -> Iterator[Row]:
    """The rows of a section; where it fails, the last one says why, and the others go on."""
    try:
        yield from SECTIONS[section](bench)
    except subprocess.CalledProcessError as e:  # its own words are the whole program
        yield absent(section, "", f"a process of its own ended with {e.returncode}")
    except Exception as e:  # each library has errors of its own
        yield absent(section, "", (str(e).strip() or type(e).__name__).splitlines()[0])
