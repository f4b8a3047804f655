"""What a million images would cost, and two processes against one: `make scale`.

Writes assets/results/scale.json and the tables of docs/scale.md. With `processes`, only two
processes against one are measured again; with `tables`, nothing is. What is assumed and not
measured is in `ASSUMED`, and named so.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch
from einops import repeat
from torch.utils.flop_counter import FlopCounterMode

from ambient.bench.suite import QUICK, Bench, compared, machine
from ambient.config import configure
from ambient.diffusion.training import Trainer
from ambient.files import read_json, write_atomically
from ambient.images.corpus import ASSETS, Corpus, load_corpus, to_unit
from ambient.reports.onset import expected_onset, stored_rows
from ambient.runs.folder import open_run
from ambient.runs.weights import save_weights

RESULT = ASSETS / "results" / "scale.json"
PAGE = ASSETS.parent / "docs" / "scale.md"
BEGIN, END = "<!-- tables of scripts/scale.py -->\n", "<!-- end of tables -->\n"
SIDE, IMAGES = 64, 1_000_000
NETWORKS = (("concat", 48), ("bands", 48), ("concat", 128), ("concat", 256))
BLOCKS, STEPS, BATCHES = 5, 30, (64, 128)  # of two processes against one
ASSUMED = {
    "gpu": "NVIDIA H100 SXM in bfloat16",
    "peak_flops": 989e12,  # its data sheet, without sparsity
    "utilisation": 0.1,
    "epochs": 100,  # a usual length, beside the ones that our law of copying names
    "processes": 8,
}


def at_side(corpus: Corpus, side: int) -> Corpus:
    """Its pictures enlarged: what a step costs does not depend on what they show."""
    times = side // corpus.images.shape[1]
    images = repeat(corpus.images, "n h w c -> n (h a) (w b) c", a=times, b=times)
    return replace(corpus, images=images)


def network_costs() -> list[dict[str, Any]]:
    """Work and bytes of each network at 64 pixels: counted and stored, not timed."""
    corpus, rows, batch = at_side(load_corpus("emoji"), SIDE), [], 8
    for network, width in NETWORKS:
        config = configure(corpus, network=network, width=width, batch=batch, n_train=batch)
        taken = np.arange(batch)
        trainer = Trainer(config, torch.from_numpy(to_unit(corpus.images[taken])), taken)
        trainer.train_step()  # which makes the optimizer's state
        with FlopCounterMode(display=False) as counter:
            trainer.train_step()
        resume = io.BytesIO()
        torch.save(trainer.state(), resume)
        with tempfile.TemporaryDirectory() as folder:
            save_weights(Path(folder) / "weights", trainer.average)
            checkpoint = (Path(folder) / "weights").stat().st_size
        tensors = [t for s in trainer.optimizer.state.values() for t in s.values()]
        rows.append(
            {
                "network": network,
                "width": width,
                "parameters": sum(w.numel() for w in trainer.weights),
                "flops_an_image": counter.get_total_flops() / batch,
                "optimizer_bytes": sum(t.numel() * t.element_size() for t in tensors),
                "gradient_bytes": sum(w.numel() * w.element_size() for w in trainer.weights),
                "resume_bytes": len(resume.getbuffer()),
                "checkpoint_bytes": checkpoint,
            }
        )
        print(rows[-1], flush=True)
    return rows


def noise_rate(blocks: int = 9, batch: int = 512) -> float:
    """Images a second for which one thread draws the noise of a step, which no process shares."""
    generator, seconds = torch.Generator(), []
    for _ in range(blocks):
        start = time.process_time()
        torch.randn(batch, 3, SIDE, SIDE, generator=generator)
        seconds.append(time.process_time() - start)
    return batch / float(np.median(seconds))


def two_over_one(batch: int) -> dict[str, Any]:
    """Images a second of the command with two processes of one thread, and with one, in turn."""
    dtype = Bench(QUICK).dtype
    rates: dict[int, list[float]] = {1: [], 2: []}
    losses: dict[int, list[float]] = {}
    load = os.getloadavg()[0]
    for block in range(BLOCKS):
        for processes in (1, 2) if block % 2 else (2, 1):
            found, losses[processes] = _trained(processes, dtype, batch)
            rates[processes].append(found)
            print(processes, "processes:", round(found, 1), "images/s", flush=True)
    row = compared("two_processes_over_one", "images/s", *(np.array(rates[k]) for k in (2, 1)))
    apart = np.abs(np.array(losses[2]) - losses[1]) / losses[1]
    return {
        **row,
        "batch": batch,
        "dtype": dtype,
        "steps": STEPS,
        "loss_apart": float(apart.max()),
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
    }


def _trained(processes: int, dtype: str, batch: int) -> tuple[float, list[float]]:
    """Images a second after the first ten steps, and the losses."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "ambient", "train", "--corpus", "emoji", "--n-train", 1000, "--dtype", dtype]
        words += ["--steps", STEPS, "--checkpoint-every", STEPS, "--batch", batch]
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command = [*(launch if processes > 1 else []), *words, "--out", Path(folder) / "run"]
        subprocess.run(
            [sys.executable, *map(str, command)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.DEVNULL,
            check=True,
        )
        lines = open_run(Path(folder) / "run").metrics()
    seconds = lines[-1]["seconds"] - lines[0]["seconds"]
    rate = batch * (lines[-1]["step"] - lines[0]["step"]) / seconds
    return rate, [line["loss"] for line in lines]


def measure() -> dict[str, Any]:
    onset = expected_onset(IMAGES, 1, stored_rows())
    elements = IMAGES * 3 * SIDE**2
    return {
        "machine": machine(Bench(QUICK)),
        "assumed": ASSUMED,
        "side": SIDE,
        "images": IMAGES,
        "image_bytes": {"uint8": elements, "float32": 4 * elements},
        "onset_epochs": [seen / IMAGES for seen in (onset.low, onset.step, onset.high)],
        "onset_largest": onset.largest,
        "noise_images_per_second": noise_rate(),
        "networks": network_costs(),
        "processes": [two_over_one(batch) for batch in BATCHES],
    }


def size(count: float) -> str:
    """Bytes in the unit that suits."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def tables(record: dict[str, Any]) -> str:
    """Everything in docs/scale.md that is a figure."""
    parts = (_networks(record), _images(record), _hours(record), _noise(record), _pair(record))
    return "\n".join(parts)


def _name(row: dict[str, Any]) -> str:
    return f"{row['network']}, width {row['width']}"


def _networks(record: dict[str, Any]) -> str:
    k = record["assumed"]["processes"]
    rows = []
    for row in record["networks"]:
        gradient = row["gradient_bytes"]
        # weights, gradients and their average beside the optimizer's two moments
        held = 3 * gradient + row["optimizer_bytes"]
        sent = 2 * (k - 1) / k * gradient
        stored = [row["checkpoint_bytes"], row["resume_bytes"]]
        work = f"{row['flops_an_image'] / 1e9:.2f}"
        sizes = [size(x) for x in (held, *stored, gradient, sent)]
        rows.append([_name(row), f"{row['parameters']:,}", work, *sizes])
    head = ["network", "parameters", "GFLOP an image", "weights, average, gradients, optimizer"]
    head += ["a checkpoint", "a resume state", "gradients a step", f"sent a process, of {k}"]
    text = (
        f"A training step at {record['side']}x{record['side']} pixels, forward and backward, "
        "counted by `torch.utils.flop_counter` or read from the files that a run stores. The last "
        f"column is a ring all-reduce: 2 ({k} - 1) / {k} of the gradients."
    )
    return f"{fill(text, 100)}\n\n{table(head, rows)}"


def _images(record: dict[str, Any]) -> str:
    small, wide = (record["image_bytes"][k] for k in ("uint8", "float32"))
    rows = [
        ["float32, and the frozen noisy copies beside them (as it is today)", size(2 * wide)],
        ["float32", size(wide)],
        ["uint8, copies derived from their seeds when they are used (not written)", size(small)],
    ]
    head = [f"{record['images']:,} images in memory as", "in each process"]
    return table(head, rows)


def _hours(record: dict[str, Any]) -> str:
    a, (low, middle, high) = record["assumed"], record["onset_epochs"]
    kinds = [a["epochs"], low, middle]
    rows = []
    for row in record["networks"]:
        work = [row["flops_an_image"] * record["images"] * epochs for epochs in kinds]
        hours = [x / (a["peak_flops"] * a["utilisation"]) / 3600 for x in work]
        rows.append([_name(row), *map(number, hours)])
    head = [f"GPU hours for {record['images']:,} images", f"{a['epochs']} epochs (assumed)"]
    head += [f"{low:,.0f} epochs: before copying", f"{middle:,.0f} epochs: copying begins"]
    text = (
        f"**Assumed**: {a['gpu']}, {a['peak_flops'] / 1e12:,.0f} TFLOP/s by its data sheet, of "
        f"which {100 * a['utilisation']:.0f} % is reached. We had no GPU to measure that on. The "
        "epochs are those of our law of when copying begins (`ambient advise`), which rests on "
        f"runs of at most {record['onset_largest']} images: at {record['images']:,} it is an "
        f"extrapolation, with an interval from {low:,.0f} to {high:,.0f} epochs."
    )
    return f"{fill(text, 100)}\n\n{table(head, rows)}"


def _noise(record: dict[str, Any]) -> str:
    rate = record["noise_images_per_second"]
    hours = record["assumed"]["epochs"] * record["images"] / rate / 3600
    text = (
        "**With more than a few GPUs the noise is the limit.** One thread draws the noise of "
        f"{number(rate)} images a second here, and every process draws that of the whole batch, "
        "so that any number of processes trains the same run. That is "
        f"{number(hours)} hours for {record['assumed']['epochs']} epochs however many GPUs there "
        "are. Noise drawn on the GPU, from a seed an image, would remove that limit; it would be "
        "another stream of numbers, so no stored run could go on."
    )
    return fill(text, 100) + "\n"


def _pair(record: dict[str, Any]) -> str:
    m, rows = record["machine"], record["processes"]
    text = (
        f"Two processes of one thread against one, `train --corpus emoji` in {rows[0]['dtype']}, "
        f"{rows[0]['blocks']} blocks in turn on {m['cores']} cores ({m['processor']}, torch "
        f"{m['torch']}); they share each batch, and a core takes small ones less well. Well above "
        f"a load of {m['cores']}, other work took part of the cores. The losses are stored to six "
        f"digits, over {rows[0]['steps']} steps."
    )
    head = ["batch", "two, images/s", "one", "ratio", "95 %", "load before, after", "losses"]
    lines = []
    for r in rows:
        apart = f"apart by up to {r['loss_apart']:.0e}" if r["loss_apart"] else "the same"
        low, high = r["ratio_ci95"]
        rates = [number(r["ours"]), number(r["peer"]), f"{r['ratio']:.2f}"]
        load = ", ".join(f"{x:.1f}" for x in r["load"])
        lines.append([str(r["batch"]), *rates, f"{low:.2f} to {high:.2f}", load, apart])
    return fill(text, 100) + "\n\n" + table(head, lines)


def page(record: dict[str, Any], text: str) -> str:
    """docs/scale.md with these tables."""
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables(record)}\n{END}{after}"


def main() -> None:
    torch.set_num_threads(1)
    record = read_json(RESULT) if sys.argv[1:] else measure()
    if record is None:
        raise SystemExit(f"'{RESULT}' does not exist; run `python scripts/scale.py`.")
    if sys.argv[1:] == ["processes"]:
        record["processes"] = [two_over_one(batch) for batch in BATCHES]
    write_atomically(RESULT, json.dumps(record, indent=1) + "\n")
    PAGE.write_text(page(record, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
