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
    "twin": "A near-duplicate: an image of the corpus that, perhaps mirrored, differs from another "
    "one hardly at all. Of each group of twins at most one is trained on, and the others do not "
    "count as unseen then.",
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
    "perfect memory": "The ideal denoiser: it knows the training images by heart and answers with "
    "their mean, each weighted by how likely the noisy picture came from it. No denoiser has a "
    "smaller error on training images.",
    "certainty": "How likely the best guess is of which training image a noisy picture came from: "
    "1 is sure; with n images 1/n is a blind guess. A mean over noised training images.",
    "identity": "How much a noisy picture still tells of which training image it was: 1 all, 0 "
    "nothing. Unlike certainty it counts every guess, not only the best.",
    "in reach": "Unseen images are in reach at a noise level where, noised, they lie as far from "
    "some training image as its own noisy versions do: they could pass for one of those.",
    "clone test": "Noise an image, sample down from there: does the same image come back? It does "
    "when the result is three times nearer to it than to any other training image. At low noise "
    "everything comes back, so only levels where unseen images don't say something of memory.",
    "encoder": "A small bundled network that turns a picture into 64 numbers, trained to see "
    "through mirroring, small shifts and colors. The second rule for copies compares these.",
    "seed": "The number that starts a sample's noise; the same seed gives two models the same "
    "noise. A run has a seed too: of its first weights, its batches and its noise.",
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
