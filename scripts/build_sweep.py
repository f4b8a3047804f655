"""Make the table of a bundled sweep: `make sweep SPEC=assets/sweeps/emoji-100/spec.json`.

With `RAY=host:port` the runs are trained on that Ray cluster, else two at once on this machine.
Runs are trained and kept in runs/sweeps/NAME (resumable); table and records are copied beside the
spec as runs are done.
"""

from __future__ import annotations

import argparse
import shutil
from contextlib import nullcontext
from pathlib import Path

from ambient.sweeps.cluster import cluster
from ambient.sweeps.spec import read_sweep
from ambient.sweeps.sweep import Here, carry_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--ray", metavar="ADDRESS")
    args = parser.parse_args()
    path: Path = args.spec
    spec, out = read_sweep(path), Path("runs/sweeps") / path.parent.name
    with cluster(args.ray) if args.ray else nullcontext(Here(2)) as where:
        out.mkdir(parents=True, exist_ok=True)
        for done, total, what in carry_out(spec, out, where):
            for name in ("table.json", "records.npz"):
                shutil.copy(out / name, path.parent / name)
            print(f"{done} of {total} runs: {what}", flush=True)


if __name__ == "__main__":
    main()
