"""The pages in their order: file, title, icon, and what is on it. The frame shows what is here."""

from typing import NamedTuple

PAGES = (
    ("home", "Copy or new?", "compare", "Step by step, new pictures become copies."),
    ("noise", "Noise", "grain", "What comes back out of noise."),
    ("cutoff", "Cutoff", "tune", "What the cutoff costs and what it buys."),
    ("words", "Words", "chat", "Words in, pictures out: who answers with a copy?"),
    ("evidence", "Evidence", "frame_inspect", "Every sample beside its nearest images."),
    ("audit", "Audit", "fact_check", "Are my samples just my training images?"),
    ("train", "Train", "model_training", "Train a model here and watch it."),
)
HOME = PAGES[0][0]
STAGE = "lesson"  # nothing stands around it
PAPER = "paper"  # what agrees with it
HIDDEN = {  # reached from other pages
    STAGE: "Lesson",
    "lesson_sheet": "The lesson as a sheet",
    "room": "A room",
    PAPER: "What agrees with the paper",
}


class Moved(NamedTuple):
    """Where an old address leads: a page, what its parameters are called there, and others.

    Each has a file in `pages/`: Streamlit looks for one before it has run app.py.
    """

    to: str
    names: dict[str, str] = {}
    also: dict[str, str] = {}


MOVED = {
    "spot_the_copy": Moved("home"),
    "watch_it_memorize": Moved("home"),
    "noise_microscope": Moved("noise"),
    "move_the_cutoff": Moved("cutoff"),
    "evidence_room": Moved("evidence"),
    "compare": Moved("evidence", {"first": "run", "second": "beside"}, {"view": "Another run"}),
    "reproduce": Moved("paper"),
    "train_your_own": Moved("train"),
}


def beside(first: str, second: str) -> dict[str, str]:
    """Parameters of Evidence that put one run beside another."""
    return {"run": first, "beside": second, "view": "Another run"}
