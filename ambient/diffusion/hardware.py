"""What this machine does best: device and arithmetic, measured rather than assumed."""

import time
from copy import deepcopy
from functools import cache

import torch

from ambient.files import InputError


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `mps` as a device.

    Raises:
        InputError: unknown, or not on this machine.
    """
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "cpu")
    if not present.get(name, False):
        here = ", ".join(k for k, v in present.items() if v)
        raise InputError(f"device is '{name}'; expected auto or one of {here} on this machine.")
    return torch.device(name)


def faster_dtype(device: torch.device) -> str:
    """`bfloat16` where a convolution of our size really runs faster in it, else `float32`."""
    if device.type == "cuda":
        own = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bfloat16" if own else "float32"
    # 10 % better at least: below that, full precision is worth more than the difference.
    return "bfloat16" if _bfloat16_cost() < 0.9 else "float32"


def inference_dtype(trained_in: str) -> str:
    """What a network answers in: what it was trained in, but never an emulated bfloat16.

    A processor without bfloat16 of its own takes five to a hundred times as long for it as for
    float32; one that has it takes less. Twice as long tells them apart on a busy machine too.
    """
    return "float32" if trained_in == "bfloat16" and _bfloat16_cost() > 2 else trained_in


@cache
@torch.inference_mode(mode=False)
@torch.enable_grad()  # for its backward, wherever it is asked first
def _bfloat16_cost() -> float:
    """How long a convolution of our size takes in bfloat16 on this processor, in float32 = 1.

    Forward and backward, by turns, on one thread and by its own clock: what else the machine does
    lengthens neither.
    """
    x = torch.randn(4, 96, 8, 8).contiguous(memory_format=torch.channels_last)
    conv = torch.nn.Conv2d(96, 96, 3, padding=1).to(memory_format=torch.channels_last)
    seconds: dict[torch.dtype, list[float]] = {torch.bfloat16: [], torch.float32: []}
    inputs = {dtype: x.to(dtype).requires_grad_() for dtype in seconds}
    convs = {dtype: deepcopy(conv).to(dtype) for dtype in seconds}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(8):
            for dtype, times in seconds.items():
                start = time.thread_time()
                convs[dtype](inputs[dtype]).sum().backward()
                times.append(time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return min(seconds[torch.bfloat16]) / min(seconds[torch.float32])
