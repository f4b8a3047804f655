"""The warm process (see `ambient.runs.launch`): `python -m ambient.cli.warm`, for the app alone.

Each line of its input is a job to fork, as JSON; each line of its output answers one with the
process's number. The first line says the faster arithmetic of this machine, which a fork measured.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ambient.cli import main

NEEDED = (  # by trainings and audits, beside what they share with the command
    "faiss",
    "tqdm",
    "torch._dynamo",  # by the first optimizer
    "ambient.reports.audit",
    "ambient.reports.keeping",
    "ambient.reports.prompted",
    "ambient.runs.queue",
    "ambient.runs.train",
)


def serve() -> None:
    """Import, then fork until the input ends."""
    os.environ["OMP_WAIT_POLICY"] = "passive"  # as `ambient train`; it is read with torch
    for name in NEEDED:
        import_module(name)
    if len([*Path("/proc/self/task").iterdir()]) > 1:
        return  # a fork would lose the others
    gc.freeze()  # what is never collected stays shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead need no burial
    if not os.fork():
        _measure()
        return
    for line in sys.stdin:
        if not os.fork():
            sys.exit(_work(json.loads(line)))


def _measure() -> None:
    from ambient.diffusion.hardware import choose_device, faster_dtype

    print(faster_dtype(choose_device("auto")), flush=True)


def _work(order: dict[str, Any]) -> int:
    """Be the process of a job; returns its exit status."""
    import torch
    from threadpoolctl import threadpool_limits

    from ambient.runs.upkeep import locked

    os.setsid()
    print(os.getpid(), flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder = Path(order["folder"])
    with (folder / "log.txt").open("ab") as log, Path(os.devnull).open("rb") as nothing:
        for target, source in enumerate((nothing, log, log)):
            os.dup2(source.fileno(), target)
    os.environ.clear()
    os.environ.update(order["environment"])
    torch.set_num_threads(order["threads"])
    threadpool_limits(order["threads"])  # of numpy and faiss, which read the environment once
    with locked(folder.parent):
        pass  # by now the job's state says that it is this process's
    return main(order["command"])


if __name__ == "__main__":
    serve()
