"""One run trained by several processes, as `torchrun` starts them, with torch.distributed alone.

The first process leads: it alone reads, decides and writes. The others hear from it what to train
and, before each step, whether there is one. A process on its own meets none of this.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ambient.files import InputError

FAILED, DONE, GO_ON = -1, 0, 1  # what the first process says to the others
PATIENCE = timedelta(days=1)  # that they wait for it: it may fetch images, write slowly, judge
LOST = (
    "another process of this training is gone: its machine, its memory or the network failed; "
    "go on from the last saved step with --resume."
)
_control: Any = None  # for what it says: gloo, whatever the device
_whole = True  # False inside a step: whoever leaves there is not waited for


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process leads; true of one on its own."""
    return size() == 1 or dist.get_rank() == 0


def rows(batch: int) -> slice:
    """The part of each batch that is this process's: all parts differ by one image at most.

    Raises:
        InputError: more processes than images.
    """
    if size() > batch:
        raise InputError(
            f"batch is {batch} and {size()} processes are to share it; start fewer with "
            "--nproc_per_node, or give a larger --batch."
        )
    rank = 0 if is_first() else dist.get_rank()
    return slice(batch * rank // size(), batch * (rank + 1) // size())


@contextmanager
def group(device: torch.device) -> Iterator[torch.device]:
    """Join the processes of a launch; how the first one ends, it tells the others.

    Yields:
        The device of this process: on GPUs, one of its own.

    Raises:
        InputError: a machine has fewer GPUs than processes.
        ConnectionError: another process is gone.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield device
        return
    global _control
    device = _own(device)
    with together():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        _control = dist.new_group(backend="gloo", timeout=PATIENCE)
    outcome = FAILED
    try:
        yield device
        outcome = DONE
    finally:
        if is_first() and _whole:
            with suppress(ConnectionError):
                _tell(outcome)
        if _whole or device.type == "cpu":  # NCCL would wait for who is gone
            dist.destroy_process_group()


def _own(device: torch.device) -> torch.device:
    here, number = (int(os.environ.get(k, 0)) for k in ("LOCAL_WORLD_SIZE", "LOCAL_RANK"))
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise InputError(f"device is '{device.type}'; several processes train on cpu or cuda.")
    if max(here, number + 1) > torch.cuda.device_count():
        raise InputError(
            f"{max(here, number + 1)} processes are to share {torch.cuda.device_count()} GPUs; "
            "start as many as there are GPUs with --nproc_per_node, or give --device cpu."
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


@contextmanager
def together() -> Iterator[None]:
    """Around work in which processes wait for each other.

    Raises:
        ConnectionError: one of them is gone.
    """
    global _whole
    _whole = False
    try:
        yield
    except RuntimeError as e:
        if isinstance(e, dist.DistError) or "gloo" in str(e):
            raise ConnectionError(LOST) from e
        raise
    _whole = True


def begin(task: Any) -> None:
    """Say what is to be trained; the others `hear` it."""
    buffer = io.BytesIO()
    torch.save(task, buffer)
    data = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
    _tell(len(data))
    with together():
        dist.broadcast(data, 0, group=_control)


def hear() -> Any:
    """What the first process wants trained, its tensors on the CPU; None: nothing."""
    length = _heard()
    if length == DONE:
        return None
    data = torch.empty(length, dtype=torch.uint8)
    with together():
        dist.broadcast(data, 0, group=_control)
    return torch.load(io.BytesIO(data.numpy().tobytes()), map_location="cpu", weights_only=False)


def go_on() -> None:
    """Tell the others that there is one more step."""
    if size() > 1:
        _tell(GO_ON)


def is_going_on() -> bool:
    """Whether the first process goes on; asked by the others before each step.

    Raises:
        SystemExit: it has failed, and says why.
    """
    return _heard() == GO_ON


def _heard() -> int:
    word = torch.zeros((), dtype=torch.int64)
    with together():
        dist.broadcast(word, 0, group=_control)
    if word == FAILED:
        raise SystemExit(1)
    return int(word)


def _tell(word: int) -> None:
    with together():
        dist.broadcast(torch.tensor(word), 0, group=_control)


def average(value: Tensor) -> Callable[[], float]:
    """Begin to average a number over the processes; the answer waits for the mean."""
    if size() == 1:
        return lambda: float(value)
    total = value.clone()
    work: Any = dist.all_reduce(total, async_op=True)

    def answer() -> float:
        work.wait()
        return float(total) / size()

    return answer
