"""Numbers and provenance in words, and the line that stands under every figure."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NoReturn

import streamlit as st

from ambient.config import Config
from ambient.copies.records import Judged, JudgedImage, Report, Verdicts
from ambient.copies.rules import LEFT_OUT, halves
from ambient.files import InputError
from ambient.runs import folder as store
from ambient.runs.folder import Run
from ambient.runs.limits import is_public
from ui import data
from ui.teacher import hidden

Tone = Literal["orange", "blue", "gray"]
Mark = Literal["copy", "resembles", "new", ""]  # of a picture; none is drawn for ""
TONES: dict[str, Tone] = {"standard": "orange", "ambient": "blue"}
FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s'\"`/]+/)+")  # those of an absolute path


def percent(share: float) -> str:
    """58.6 % as 59 %, 4.53 % as 4.5 %: no more digits than 1000 samples carry."""
    value = 100 * share
    return f"{value:.0f}\u00a0%" if value >= 10 or value == 0 else f"{value:.1f}\u00a0%"


def interval(ci95: Sequence[float]) -> str:
    low, high = (100 * x for x in ci95)
    digits = 1 if high < 10 else 0
    return f"95\u00a0% interval: {low:.{digits}f} to {high:.{digits}f}\u00a0%"


def copies_of(copies: Sequence[bool]) -> str:
    """How many of the pictures on view are copies."""
    count = sum(copies)
    if len(copies) == 1:
        return "this one is a copy" if count else "this one is not a copy"
    return f"{count} of these {len(copies)} {'is a copy' if count == 1 else 'are copies'}"


def arm_name(config: Config) -> str:
    return "standard" if config.arm == "standard" else f"{config.arm}, cutoff {config.cutoff:g}"


def family(run: Run) -> str:
    """The images that a run learned from, in a word or two."""
    return f"{run.config.n_train:,} {unmarked(Path(run.config.corpus).name)}"


def run_name(run: Run) -> str:
    c = run.config
    told = ", with captions" if c.text else ""
    return f"{Path(c.corpus).name}, n = {c.n_train}, {arm_name(c)}{told}"


def prominent() -> Literal["primary", "secondary"]:
    """The type of a page's main button.

    On a dark page, the primary color is light, for it is the color of chosen words; Streamlit would
    write white on it.
    """
    return "secondary" if st.context.theme.type == "dark" else "primary"


def unmarked(name: str) -> str:
    """A file's name as text that markdown leaves alone: no picture, no link, no color."""
    return re.sub(r"[!-,:-@\[-`{-~]", r"\\\g<0>", name)


def tone(arm: str) -> Tone:
    """The color of an arm, as markdown and films call it."""
    return TONES.get(arm, "gray")


def mark(row: JudgedImage) -> Mark:
    """Which of the three marks a judged picture gets."""
    return "copy" if row.copy else "resembles" if row.resembles else "new"


def judged(mark: str, original: str, arm: str) -> str:
    """What a mark says of a sample, given the name of its nearest training image."""
    named = f"*{unmarked(original)}*"
    if mark == "copy":
        return f"{tinted('**= copy**', arm)} of {named}"
    return f"**resembles** {named}" if mark == "resembles" else f"**new**, nearest is {named}"


def tinted(text: str, arm: str) -> str:
    """Text in the color of its arm."""
    return f":{tone(arm)}[{text}]"


def address(run: Run) -> str:
    """How a command names a run: a bundled run by its name, any other by its folder.

    Strangers are told the name alone.
    """
    named = is_public() or run.path.parent == store.BUNDLED_RUNS
    return run.name if named else str(run.path)


def unplaced(text: str) -> str:
    """A text without the folders of this machine that it names, where strangers read it."""
    if not is_public():
        return text
    for folder in (data.runs_folder().absolute(), data.runs_folder().resolve()):
        text = text.replace(f"{folder}/", "").replace(str(folder), "the runs folder")
    return FOLDERS.sub("", text)


def copied_metric(label: str, judged: Judged, arm: str) -> None:
    """The share of copies as a large number, its interval and of how many samples under it."""
    rule = judged.copies.ratio.rated
    st.metric(
        label,
        tinted(percent(rule.rate), arm),
        f"{interval(rule.ci95)} of {judged.n_samples:,}",
        delta_color="off",
        delta_arrow="off",
    )


def innocent(judged: Judged | Verdicts) -> str:
    """The images that are no copies, among which false alarms are counted."""
    return "training images" if judged.calibrated_on == LEFT_OUT else "unseen real images"


def checked_on(judged: Judged | Verdicts) -> int:
    """How many images that are no copies a rule's false alarms are counted among.

    The half that did not set the rule.
    """
    return len(halves(len(judged.heldout_ratios))[1])


def _step(run: Run, judged: Judged | Verdicts | None) -> int:
    known = judged.step if isinstance(judged, Report) else None
    return known or run.last_step or max(run.sheet_steps, default=0)


def provenance(
    run: Run, judged: Report | Verdicts | None, live: bool = False, step: int | None = None
) -> str:
    """Which run, samples and rule a number comes from."""
    step = step or _step(run, judged)
    parts = [run_name(run).replace(", ", " · "), f"step {step:,}"]
    if isinstance(judged, Report):
        seeds = [row.seed for row in judged.samples]
        parts += [f"seeds {min(seeds)} to {max(seeds)}"] if seeds else []
    if judged and judged.copies.ratio.threshold:
        parts.append(f"copy: aligned d1/d2 < {judged.copies.ratio.threshold:.3f}")
    if isinstance(judged, Report) and judged.checkpoint_sha256:
        parts.append(f"weights {judged.checkpoint_sha256[:8]}")
    return " · ".join([*parts, "live" if live else "stored"])


def under(
    name: str, caption: str, sources: Sequence[str], rows: Callable[[], data.Rows], command: str
) -> None:
    """Under every figure: what to see, and one quiet mark that opens the rest.

    The rest: where the figure comes from, its data, made once asked for, and the command that
    redraws it.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(caption, width="content")
        if hidden("data"):
            return
        with st.popover("Source", icon=":material/info:", type="tertiary"):
            st.caption("  \n".join(sources))
            about = "The data of this figure"
            download("CSV", lambda: data.csv_bytes(rows()), f"{name}.csv", "text/csv", about)
            st.code(unplaced(command), language=None, wrap_lines=True)


def download(
    label: str,
    make: Callable[[], bytes | str],
    file: str,
    mime: str,
    about: str | None = None,
    icon: str = "download",
    key: str | None = None,
) -> None:
    """A quiet button that saves what is made once somebody asks for it."""
    st.download_button(
        label,
        make,
        file,
        mime,
        key=key or f"save-{file}",
        icon=f":material/{icon}:",
        type="tertiary",
        on_click="ignore",
        help=about,
    )


def evaluates(run: Run, how: str = "--json -") -> str:
    """The command that judges a run."""
    return f"python -m ambient evaluate {address(run)} {how}"


def measures(run: Run, how: str = "--json -") -> str:
    """The command that measures a run by noise level."""
    return f"python -m ambient curves {address(run)} {how}"


def no_verdict(run: Run) -> NoReturn:
    """End the page of a run that was never judged."""
    command = evaluates(run, "--store")
    missing(f"Run {run.name} has no stored verdict yet; on Evidence, a button makes one.", command)
    st.stop()


def duration(seconds: float) -> str:
    """95 s as 2 min, 7000 s as 1.9 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def refuse(what: InputError | str) -> None:
    """One line on what a visitor can mend. Strangers are not told where this machine keeps runs."""
    text = unplaced(str(what))
    text = text.replace("](", r"]\(")  # a file's name in it makes no picture and no link
    st.error(text, icon=":material/error:")


def missing(what: str, command: str) -> None:
    """An honest empty state: what is not there, and the command that makes it."""
    what = f"{unplaced(what)} This command makes it:"
    st.info(what, icon=":material/hourglass_empty:", width=760)
    st.code(unplaced(command), language=None, width=760)
