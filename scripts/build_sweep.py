"""Make the table of a bundled sweep: `make sweep SPEC=assets/sweeps/emoji-100/spec.json`.

Runs are trained and kept in runs/sweeps/NAME (resumable); table and records are copied beside the
spec as runs are done.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ambient.sweep import carry_out, read_sweep


def main() -> None:
    path = Path(sys.argv[1])
    spec, out = read_sweep(path), Path("runs/sweeps") / path.parent.name
    out.mkdir(parents=True, exist_ok=True)
    for done, total, what in carry_out(spec, out, workers=2):
        for name in ("table.json", "records.npz"):
            shutil.copy(out / name, path.parent / name)
        print(f"{done} of {total} runs: {what}", flush=True)


if __name__ == "__main__":
    main()
