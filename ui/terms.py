"""The words of the field, in a sentence each, one click away on every page."""

from __future__ import annotations

import streamlit as st

TERMS = {
    "noise level σ": "How much noise lies on an image: the standard deviation of what is added to "
    "each pixel, where pixels go from -1 to 1. At 0.1 a picture is grainy, at 1 hard to make out, "
    "at 10 gone.",
    "denoiser": "The network: from a noisy image and its noise level it guesses the clean image.",
    "sampling": "Starting from pure noise and denoising in small steps until a picture stands.",
    "training and unseen images": "The network learned from the first and never met the second, "
    "which are real pictures of the same kind.",
    "copy": "A generated image much nearer to one training image than to the second nearest that "
    "is not its twin: d1/d2 below a threshold of at most 1/3.",
    "d1/d2": "Distance to the nearest training image over that to the second nearest. Near 0 for a "
    "copy, near 1 for a picture equally far from all.",
    "false alarms": "The share of unseen images that the same rule calls copies. No image of them "
    "can be one.",
    "95 % interval": "Where the true share lies in 95 of 100 such measurements.",
    "cutoff": "The noise level above which ambient training never shows a clean image.",
    "frozen noisy copy": "One noisy version of a training image, drawn once and kept: all the "
    "network sees of it above the cutoff.",
    "standard and ambient": "Ordinary training, and training with a cutoff.",
    "fresh, reweight": "Two controls: the noise drawn anew at each visit, and clean images with "
    "ambient training's smaller weight. They tell what of ambient training it is that helps.",
    "Fréchet distance": "How far the cloud of generated images lies from that of unseen ones, in "
    "the features of a small network; smaller is better. It forgives grain.",
    "ideal denoiser": "The best possible denoiser of the training images: a perfect memory.",
    "posterior": "Which training image a noisy picture came from, with how much certainty.",
    "return test": "Noise an image, denoise it again: does the same image come back?",
    "split": "Which images of the corpus were trained on; another split is another choice.",
}


def popover() -> None:
    """What it holds runs once it is opened; the field also lets the keyboard into it."""
    with st.popover(
        "Terms", icon=":material/dictionary:", type="tertiary", key="terms", on_change="rerun"
    ) as place:
        if not place.open:
            return
        asked = st.text_input("Find a word", key="term", type="search", live=True).strip().lower()
        for term, meaning in TERMS.items():
            if asked in f"{term} {meaning}".lower():
                st.markdown(f"**{term}**  \n{meaning}")
