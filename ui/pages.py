"""The pages in their order: file, title, icon, and what is on it. The frame shows what is here."""

PAGES = (
    ("home", "Copy or new?", "compare", "Step by step, new pictures become copies."),
    ("noise", "Noise", "grain", "What comes back out of noise."),
    ("cutoff", "Cutoff", "tune", "What the cutoff costs and what it buys."),
    ("evidence", "Evidence", "frame_inspect", "Every sample beside its nearest images."),
    ("compare", "Compare", "balance", "Any two runs, from the same noise."),
    ("audit", "Audit", "fact_check", "Are my samples just my training images?"),
    ("train", "Train", "model_training", "Train a model here and watch it."),
    ("reproduce", "Reproduce", "deployed_code", "Every figure, its data and its command."),
)
HOME = PAGES[0][0]
STAGE = "lesson"  # nothing stands around it
HIDDEN = {  # reached from other pages
    STAGE: "Lesson",
    "lesson_sheet": "The lesson as a sheet",
    "room": "A room",
}
MOVED = {  # old addresses: the page they lead to, and what their parameters are called there
    "spot_the_copy": ("home", {}),
    "watch_it_memorize": ("home", {}),
    "noise_microscope": ("noise", {}),
    "move_the_cutoff": ("cutoff", {}),
    "evidence_room": ("evidence", {}),
    "train_your_own": ("train", {}),
}
