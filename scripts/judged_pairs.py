"""Does the line of copies agree with the eye? 40 pairs around it, judged by looking.

`python -m scripts.judged_pairs --sheet pairs.png` draws samples beside their nearest training
images, without their ratios and in random order: from bundled emoji runs, as many on either side of
each run's line. Who looks says copy or new of each; `--answers` (a word of c and n, with `--by`)
stores that as assets/results/judged_pairs.json. Without options it prints how many verdicts of the
line, and of the strict rule, agree with the eye.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ambient.copies.records import Report, Sample
from ambient.files import ASSETS, Record, encode_record, read_record, write_atomically
from ambient.runs.folder import Run, open_run

RESULT = ASSETS / "results" / "judged_pairs.json"
RUNS = (
    "emoji-100-standard",
    "emoji-100-ambient-1.0",
    "emoji-300-standard",
    "emoji-300-ambient-1.0",
)
EACH = 5  # pairs of a run on either side of its line
REACH = 0.25  # how far from the line an aligned ratio may be
SCALE, GAP, COLUMNS = 3, 16, 5


class Pair(Record, frozen=True, kw_only=True):
    """A sample and the training image nearest to it; `copy`: what the eye says."""

    run: str
    seed: int
    nearest: int
    copy: bool


class Judged(Record, frozen=True, kw_only=True):
    """Pairs that somebody looked at, without knowing their ratios."""

    by: str
    pairs: tuple[Pair, ...]


def of(name: str) -> tuple[Run, Report]:
    run = open_run(name)
    report = run.report()
    assert report is not None
    return run, report


def chosen() -> list[tuple[Run, Sample]]:
    """The pairs, in the order of the sheet."""
    rng, found = np.random.default_rng(0x3A1E), []
    for name in RUNS:
        run, report = of(name)
        line = report.copies.ratio.threshold
        for low, high in ((line - REACH, line), (line, line + REACH)):
            near = [s for s in report.samples if low <= s.ratio < high]
            taken = rng.choice(len(near), EACH, replace=False)
            found += [(run, near[i]) for i in taken]
    return [found[i] for i in rng.permutation(len(found))]


def sheet(pairs: Sequence[tuple[Run, Sample]]) -> Image.Image:
    """Each pair by its number: the sample at the left, the training image at the right."""
    side = 32 * SCALE
    width, height = 2 * side + GAP, side + 2 * GAP
    rows = -(-len(pairs) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (width + GAP), rows * height), "white")
    pen = ImageDraw.Draw(page)
    for i, (run, sample) in enumerate(pairs):
        stored, corpus = run.samples(), run.corpus()
        assert stored is not None
        images, seeds = stored
        known = corpus.images[run.split(corpus).train[sample.nearest]]
        x, y = i % COLUMNS * (width + GAP), i // COLUMNS * height
        pen.text((x, y), str(i + 1), "black")
        for k, picture in enumerate((images[np.flatnonzero(seeds == sample.seed)[0]], known)):
            big = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
            page.paste(big, (x + k * (side + 4), y + GAP))
    return page


def record(answers: str, by: str) -> Judged:
    """The answers, c or n for each pair of the sheet."""
    pairs = chosen()
    if len(answers) != len(pairs) or set(answers) - set("cn"):
        raise SystemExit(f"expected {len(pairs)} letters, c or n; got {len(answers)}")
    return Judged(
        by=by,
        pairs=tuple(
            Pair(run=run.name, seed=s.seed, nearest=s.nearest, copy=answer == "c")
            for (run, s), answer in zip(pairs, answers, strict=True)
        ),
    )


def agreements() -> dict[str, Any]:
    """How often the headline's line (`aligned`) and the strict rule say what the eye says.

    Returns:
        `by`: whose eye; of each rule, `n` pairs, `agree`, copies that it leaves `unframed`, and
        `framed` ones that are none.

    Raises:
        SystemExit: nobody has looked yet.
    """
    judged = read_record(RESULT, Judged)
    if judged is None:
        raise SystemExit(f"nobody has judged the pairs yet: {RESULT.name} is missing")
    samples = {run: {s.seed: s for s in of(run)[1].samples} for run in RUNS}
    found: dict[str, Any] = {"by": judged.by}
    for rule, field in (("aligned", "copy"), ("strict", "strict")):
        said = [(bool(getattr(samples[p.run][p.seed], field)), p.copy) for p in judged.pairs]
        unframed, framed = said.count((False, True)), said.count((True, False))
        agree = len(said) - unframed - framed
        found[rule] = {"n": len(said), "agree": agree, "unframed": unframed, "framed": framed}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", help="draw the pairs into this PNG")
    parser.add_argument("--answers", help="c or n for each pair, in one word")
    parser.add_argument("--by", default="", help="who looked")
    args = parser.parse_args()
    if args.sheet:
        sheet(chosen()).save(Path(args.sheet))
        return
    if args.answers:
        write_atomically(RESULT, encode_record(record(args.answers, args.by)))
    found = agreements()
    for rule in ("aligned", "strict"):
        print(f"{rule}: {found[rule]}")


if __name__ == "__main__":
    main()
