"""Rows of evidence: a sample beside everything it might be a copy of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from ambient.copies import clopper_pearson, halves
from ambient.run import Run
from ui import data, words
from ui.pictures import Images, difference, row

ORDERS = ("Worst", "Median", "Random")


@dataclass(frozen=True)
class Exhibit:
    """Samples and their verdicts, stored or drawn just now."""

    images: Images
    verdicts: Mapping[str, Any]
    live: bool

    @property
    def ratios(self) -> list[float]:
        return [r["ratio"] for r in self.verdicts["samples"]]


def stored(run: Run) -> Exhibit | None:
    """The run's stored samples and report, those that have both."""
    found = data.report(run)
    if found is None:
        return None
    images, seeds = data.samples(run)
    at = {int(s): i for i, s in enumerate(seeds)}
    rows = [r for r in found["samples"] if r["seed"] in at]
    return Exhibit(images[[at[r["seed"]] for r in rows]], {**found, "samples": rows}, False)


def choose(ratios: Sequence[float], order: str, count: int, deal: int) -> list[int]:
    """Positions: the smallest ratios, those around the median, or random ones."""
    ranked = np.argsort(ratios, kind="stable")
    count = min(count, len(ranked))
    if order == "Worst":
        return ranked[:count].tolist()
    if order == "Median":
        start = max(0, len(ranked) // 2 - count // 2)
        return ranked[start : start + count].tolist()
    return np.random.default_rng([deal, 3]).choice(len(ranked), count, replace=False).tolist()


def rates_at(
    threshold: float, verdicts: Mapping[str, Any]
) -> tuple[float, tuple[float, float], float, tuple[float, float]]:
    """Copied share and false alarms, with intervals, at another threshold.

    False alarms are counted on the half of unseen images that no threshold was chosen on.
    """
    ratios = np.array([r["ratio"] for r in verdicts["samples"]])
    unseen = np.array(verdicts["heldout_ratios"])
    unseen = unseen[halves(len(unseen))[1]]
    hits, alarms = int((ratios < threshold).sum()), int((unseen < threshold).sum())
    return (
        hits / len(ratios),
        clopper_pearson(hits, len(ratios)),
        alarms / max(len(unseen), 1),
        clopper_pearson(alarms, len(unseen)),
    )


def show_row(run: Run, exhibit: Exhibit, position: int, threshold: float) -> None:
    """One sample: five pictures and the numbers behind the verdict."""
    verdict, image = exhibit.verdicts["samples"][position], exhibit.images[position]
    both = data.sets(run)
    nearest = both.train[verdict["nearest"]]
    copy = verdict["ratio"] < threshold
    unseen = np.array(exhibit.verdicts["heldout_ratios"])
    below = float((unseen < verdict["ratio"]).mean()) if len(unseen) else 0.0
    pictures, numbers = st.columns([3, 2], gap="large", vertical_alignment="center")
    second, seen_by_none = verdict["second"], verdict["nearest_heldout"]
    names = (both.train_names[verdict["nearest"]], both.train_names[second])
    five = [image, nearest, both.train[second]]
    reach = "no image is unseen"
    if seen_by_none is not None:
        names += (both.heldout_names[seen_by_none],)
        five.append(both.heldout[seen_by_none])
        reach = f"to the nearest unseen image {verdict['d_heldout']:.2f}"
    five.append(difference(image, nearest))
    pictures.image(
        row(five),
        width="stretch",
        alt=f"Generated image of seed {verdict.get('seed')}; nearest training image, second nearest"
        f" and nearest unseen image: {', '.join(names)}; difference to the nearest.",
    )
    with numbers:
        mark = (
            f"{words.tinted('**= copy**', run.config.arm)} of *{names[0]}*"
            if copy
            else f"**not a copy**, nearest is *{names[0]}*"
        )
        st.markdown(f"{mark} · ratio **{verdict['ratio']:.2f}**")
        st.caption(
            f"Seed {verdict.get('seed')} · d1 = {verdict['d1']:.2f}, d2 = {verdict['d2']:.2f}, "
            f"{reach} · {words.percent(below)} of unseen images have a smaller ratio"
        )
