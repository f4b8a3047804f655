"""What this machine does best, measured."""

from __future__ import annotations

import os

import pytest
import torch

from ambient.config import usual_threads
from ambient.diffusion import hardware
from ambient.files import InputError


@pytest.mark.parametrize(
    ("cost", "trained", "answers"),
    [(0.4, "bfloat16", "bfloat16"), (9.0, "bfloat16", "float32"), (0.4, "float32", "float32")],
)
def test_an_emulated_bfloat16_is_never_sampled_in(
    cost: float, trained: str, answers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_bfloat16_cost", lambda: cost)
    assert hardware.inference_dtype(trained) == answers


def test_training_takes_bfloat16_only_where_it_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for cost, dtype in ((0.5, "bfloat16"), (0.95, "float32"), (80.0, "float32")):
        monkeypatch.setattr(hardware, "_bfloat16_cost", lambda cost=cost: cost)
        assert hardware.faster_dtype(hardware.choose_device("cpu")) == dtype


def test_both_types_are_timed_by_turns_forward_and_backward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On one thread, whose own clock other work on the machine does not lengthen.

    Sampling asks first, where gradients are turned off.
    """
    seen: list[tuple[torch.dtype, int]] = []
    backward = torch.Tensor.backward

    def watched(self: torch.Tensor) -> None:
        seen.append((self.dtype, torch.get_num_threads()))
        backward(self)

    monkeypatch.setattr(torch.Tensor, "backward", watched)
    monkeypatch.setattr(hardware.time, "perf_counter", None)
    threads = torch.get_num_threads()
    with torch.inference_mode():
        assert hardware._bfloat16_cost.__wrapped__() > 0
    assert seen == [(torch.bfloat16, 1), (torch.float32, 1)] * 8
    assert torch.get_num_threads() == threads


def test_a_gpu_that_emulates_bfloat16_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for own, dtype in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True, own=own:
            including_emulation or own,
        )  # fmt: skip
        assert hardware.faster_dtype(torch.device("cuda")) == dtype


@pytest.mark.parametrize(
    ("side", "cores", "threads"), [(8, 2, 1), (16, 8, 1), (32, 1, 1), (32, 2, 2), (64, 8, 2)]
)
def test_large_images_are_trained_on_two_threads_of_two_cores(
    monkeypatch: pytest.MonkeyPatch, side: int, cores: int, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert usual_threads(side) == threads


def test_an_unknown_device_is_one_line() -> None:
    with pytest.raises(InputError, match="device is 'tpu'; expected auto or one of cpu"):
        hardware.choose_device("tpu")
