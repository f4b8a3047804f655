"""What this machine does best, measured."""

import pytest
import torch

from ambient.diffusion import hardware


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


def test_a_gpu_that_emulates_bfloat16_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for own, dtype in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True, own=own:
            including_emulation or own,
        )  # fmt: skip
        assert hardware.faster_dtype(torch.device("cuda")) == dtype
