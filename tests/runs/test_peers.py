"""Networks of other libraries: as large as ours, and trained where ours is."""

from __future__ import annotations

import pytest
import torch

from ambient.bench.peers import PEERS, Peer
from ambient.config import configure
from ambient.diffusion.training import build_denoiser
from ambient.images.corpus import Corpus


def library(name: str) -> Peer:
    pytest.importorskip(PEERS[name].module)
    return PEERS[name]


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("patch", [1, 2])
def test_a_peer_has_as_many_parameters_as_ours(name: str, patch: int, emoji: Corpus) -> None:
    peer, ours = library(name), configure(emoji, network="bands")
    network = peer.network(ours.channels * patch**2, ours.side // patch)
    theirs = sum(p.numel() for p in network.parameters())
    mine = sum(p.numel() for p in build_denoiser(ours).parameters())
    assert abs(theirs / mine - 1) <= 0.1


def test_the_loop_of_smalldiffusion_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = library("smalldiffusion")
    import accelerate

    asked: list[bool] = []
    body = accelerate.Accelerator.__init__

    def begin(self: object, *args: object, **choices: object) -> None:
        asked.append(choices.get("cpu") is True)
        body(self, *args, **choices)  # type: ignore[arg-type]

    monkeypatch.setattr(accelerate.Accelerator, "__init__", begin)
    network = peer.network(3, 8)
    peer.train(network, torch.zeros(4, 3, 8, 8), 2)()
    assert asked == [True]
    assert {p.device.type for p in network.parameters()} == {"cpu"}
