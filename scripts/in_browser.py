"""The networks of all bundled runs in Chromium beside torch: how far apart, and how fast.

Prints a line a run, writes assets/results/browser.json, which scripts/performance.py puts into
docs/performance.md, and ends with an error where a network differs by more than `FAR`. The browser
has no graphics card here: it computes on one core, as does torch beside it. Times are the
fastest of `TIMES` calls, for others use this machine too.
"""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

import torch
from playwright.sync_api import Page

from ambient.diffusion.closed_forms import noise_levels
from ambient.diffusion.denoiser import EDM
from ambient.diffusion.noise import SeededNoise, expand
from ambient.files import ASSETS, write_atomically
from ambient.images.corpus import to_unit
from ambient.runs.folder import BUNDLED_RUNS, Run, list_runs
from scripts.screenshots import browsing, opened
from ui import network

TARGET = ASSETS / "results" / "browser.json"
FAR = 1e-3  # of pixels in [-1, 1]
TIMES = 15
ASK = f"""async ([offered, images, sigmas, times]) => {{
  {network.SCRIPT}
  const began = performance.now(), remote = new Remote(offered)
  await remote.ready
  const load = performance.now() - began
  const found = await remote.denoise(Float32Array.from(images), sigmas)
  const one = Float32Array.from(images.slice(0, images.length / sigmas.length))
  const low = [...await remote.descend(one, sigmas[0], () => {{}}, () => false)]
  const seconds = {{}}
  for (const count of times ? [1, 12] : []) {{
    const x = Float32Array.from(images.slice(0, count * one.length))
    seconds[count] = []
    for (let i = 0; i < times; i++) {{
      const start = performance.now()
      await remote.denoise(x, sigmas.slice(0, count))
      seconds[count].push((performance.now() - start) / 1000)
    }}
  }}
  remote.worker.terminate()
  return {{ found: [...found], low, load: load / 1000, seconds }}
}}"""


def exact(run: Run) -> EDM:
    """A run's network in float32, whatever this machine would sample it in."""
    denoiser = run.denoiser()
    denoiser.dtype = torch.float32
    return denoiser


def asked(page: Page, run: Run, times: int = 0) -> dict[str, Any]:
    """One training image at 24 noise levels, as the browser denoises it and as torch does.

    Returns:
        `found` and `expected`, (24, c, h, w); `low`, what Heun makes of the first of them in the
        browser; `noisy`; `load`, seconds; `seconds` of `times` calls with 1 and with 12 images.
    """
    sigmas = torch.tensor(noise_levels()[::-1])
    corpus = run.corpus()
    clean = torch.from_numpy(to_unit(corpus.images[run.split(corpus).train[:1]]))
    noisy = clean + expand(sigmas) * SeededNoise(range(len(sigmas))).draw(run.shape)
    data = base64.b64encode(run.checkpoint().read_bytes()).decode()
    offered = {"weights": f"data:application/octet-stream;base64,{data}", **network.about(run)}
    told = page.evaluate(ASK, [offered, noisy.flatten().tolist(), sigmas.tolist(), times])
    with torch.inference_mode():
        expected = exact(run)(noisy, sigmas)
    found = torch.tensor(told.pop("found")).reshape(expected.shape)
    return {"noisy": noisy, "expected": expected, "found": found, **told}


def timed(denoiser: EDM, x: torch.Tensor) -> float:
    """Seconds of a call of torch, the fastest of `TIMES`."""
    sigma, taken = torch.ones(len(x)), []
    with torch.inference_mode():
        for _ in range(TIMES):
            start = time.perf_counter()
            denoiser(x, sigma)
            taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    torch.set_num_threads(1)
    rows, load = [], os.getloadavg()[0]
    with browsing() as (browser, address), opened(browser, f"{address}/paper") as page:
        for run in list_runs(BUNDLED_RUNS):
            got = asked(page, run, TIMES)
            far = float((got["found"] - got["expected"]).abs().max())
            row: dict[str, Any] = {"run": run.name, "difference": far, "start": got["load"]}
            for count, taken in got["seconds"].items():
                row[f"browser_{count}"] = min(taken)
                row[f"torch_{count}"] = timed(exact(run), got["noisy"][: int(count)])
            row = {k: v if k == "run" else float(f"{v:.3g}") for k, v in row.items()}
            rows.append(row)
            print(row, flush=True)
    write_atomically(TARGET, json.dumps({"load": load, "rows": rows}, indent=1) + "\n")
    if any(not row["difference"] <= FAR for row in rows):
        raise SystemExit(f"a network differs by more than {FAR}.")


if __name__ == "__main__":
    main()
