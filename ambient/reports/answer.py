"""The answer of an audit in plain words, for pages, commands and the report to hand on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ambient.copies.intervals import Interval, clopper_pearson, newcombe
from ambient.copies.rules import FALSE_ALARMS, UNLIKE
from ambient.reports.records import COMMON, Answer, Audit, AuditedImage, Recall, Tally

ANSWERS = {
    "copies": "Yes: some are copies",
    "none": "No sign of copying",
    "unclear": "Perhaps a few: look at them",
    "unknown": "Nothing can be said yet",
}
CHANCE = 0.002  # that images that are no copies are named so often
# That real images are others, turned or changed in a known way, so often. They match in pairs,
# which come in twos: with nothing held out 5 of 100 against none are chance in 0.9 % of sets at
# most, whatever share of nature matches.
CHANCE_OF_NATURE = 0.005
FOUND = 0.5  # of planted copies: a change of which fewer are found is out of reach


def conclude(
    samples: Sequence[AuditedImage],
    tally: Tally,
    distinct: Tally,
    unseen: Tally,
    nature: Callable[[], Tally],
    recall: Sequence[Recall],
    pairs: int = 0,
    obstacle: str = "",
    remark: str = "",
) -> Answer:
    """The answer, and its one sentence.

    *copies*: an image is a training image, unchanged, which no chance explains, unless as many
    held-out images are; or more are turned ones, or changed in a known way, or named at all, than
    of images that are no copies.

    Args:
        tally, distinct: of the generated images, and of one of each that are near-duplicates.
        unseen: of images that are no copies.
        nature: of these, and of more real ones beside others (`naming.Look.by_nature`).
        pairs: held-out images beside these that are like one training image each, as nature or a
            split that leaked makes them.
        obstacle: why nothing can be said, unless images are named.
        remark: what the generated images are, beside copies or none.
    """
    named = tally.named
    kinds = likenesses(samples)
    same, real = kinds.get("identical", 0), unseen.of + pairs
    shown = (
        (same > 0 and (not pairs or beyond(same, tally.of, pairs, real)))
        or (tally.exact > 0 and not unseen.of)
        or beyond(tally.explained, tally.of, unseen.explained + pairs, real)
        or beyond(distinct.named, distinct.of, unseen.named + pairs, real)
        or (tally.explained > 0 and unseen.of > 0 and is_unnatural(tally, nature()))
    )
    of = f"{tally.of:,} generated image{'s' * (tally.of != 1)}"
    if named and shown:
        said = ", ".join(f"{count:,} {in_words(word)}" for word, count in kinds.items())
        are = "is a copy" if named == 1 else "are copies"
        return Answer(
            key="copies",
            named=named,
            sentence=f"{named:,} of {of} {are} of training images: {said}.",
        )
    if obstacle:
        return Answer(key="unknown", named=named, sentence=obstacle)
    if named and is_odd(tally, unseen):
        sentence = f"{named:,} of {of} may be copies of training images: look at them."
        return Answer(key="unclear", named=named, sentence=sentence)
    most = f"up to {100 * limit(tally, recall):.1f} % of such images may still be copies"
    if remark:
        sentence = f"No sign of copying: {remark}"
    elif named:
        sentence = (
            f"No sign of copying: {named:,} of {of} are named, as {unseen.named:,} of "
            f"{unseen.of:,} are that are no copies; {most}."
        )
    else:
        sentence = f"No sign of copying among {of}; {most}."
    return Answer(key="none", named=named, sentence=sentence)


def beyond(some: int, of: int, others: int, of_others: int, chance: float = CHANCE) -> bool:
    """Whether the first share is larger than the second by more than chance (Fisher's test)."""
    if not some or not of_others:
        return False
    from scipy.stats import fisher_exact  # it takes a second, and most audits need none

    table = [[some, of - some], [others, of_others - others]]
    return float(fisher_exact(table, alternative="greater").pvalue) < chance


def is_unnatural(tally: Tally, nature: Tally) -> bool:
    """Whether images are training images, turned or changed in a known way, more often than real
    images are others."""
    some, others = (tally.exact, tally.explained), (nature.exact, nature.explained)
    return any(
        beyond(a, tally.of, b, nature.of, CHANCE_OF_NATURE)
        for a, b in zip(some, others, strict=True)
    )


def is_odd(tally: Tally, unseen: Tally) -> bool:
    """Whether false alarms do not easily explain what is named."""
    alarms = max(FALSE_ALARMS, unseen.named / max(unseen.of, 1))
    more_exact = tally.exact * max(unseen.of, 1) > unseen.exact * tally.of
    return more_exact or clopper_pearson(tally.named, tally.of)[0] > alarms


def limit(tally: Tally, recall: Sequence[Recall]) -> float:
    """The share of copies that so many images cannot exclude, at the worst recall within reach."""
    shares = [r.found / r.planted for r in recall if r.planted and r.found >= FOUND * r.planted]
    return min(1.0, clopper_pearson(tally.named, tally.of)[1] / min(shares, default=1.0))


def copied(tally: Tally, unseen: Tally) -> Interval:
    """95 % interval of the share of copies: what is named beyond what is named of no copies.

    A share p of copies, all of them found, names p + (1 - p) f where f of no copies are named.
    """
    if not unseen.named:
        return clopper_pearson(tally.named, tally.of)
    low, high = newcombe((unseen.named, tally.named), (unseen.of, tally.of))
    innocent = max(1 - unseen.named / unseen.of, 1e-9)
    return max(0.0, low / innocent), min(1.0, high / innocent)


def likenesses(samples: Sequence[AuditedImage]) -> dict[str, int]:
    """How many copies are identical, mirrored and so on, most frequent first."""
    return dict(Counter(s.likeness for s in samples if s.likeness and s.named).most_common())


def in_words(likeness: str) -> str:
    """What a copy is; "resembles" is said of what is none."""
    return "changed otherwise" if likeness == UNLIKE else likeness


def sentences(audit: Audit) -> list[str]:
    """What stands behind the answer, for somebody who was not there."""
    tally, unseen = audit.tally, audit.unseen
    said = []
    if tally.named:
        share = span(tally.named / tally.of, clopper_pearson(tally.named, tally.of))
        said.append(f"Named: {share} of the generated images.")
    if unseen.of:
        rate = span(unseen.named / unseen.of, clopper_pearson(unseen.named, unseen.of))
        said.append(f"Of {unseen.of:,} images that are no copies, {rate} are named too.")
    if tally.named and unseen.named:
        low, high = (100 * x for x in copied(tally, unseen))
        said.append(f"So {low:.1f} to {high:.1f} % of the generated images are copies.")
    if common := sum(sample.likeness == COMMON for sample in audit.samples):
        said.append(
            f"{common:,} show what real images repeat as often, and are not named: blanks, or the "
            "like."
        )
    said.append(f"{_read(audit)} {found(audit.recall)}")
    return said


def _read(audit: Audit) -> str:
    if audit.readings == 1:
        return "Training images were read in one way; no other is possible for these files."
    others = audit.readings - 1
    return (
        f"Training images were read with {audit.reading}, which the generated ones speak for more "
        f"than for {others} other way{'s' * (others > 1)}."
    )


def found(recall: Sequence[Recall]) -> str:
    """What was found of the copies that were planted."""
    if not recall:
        return ""
    sure = [f"{r.change} {r.found}" for r in recall if r.found >= FOUND * r.planted]
    said = f"Of {recall[0].planted} planted copies of each kind it finds: {', '.join(sure)}."
    if missed := [f"{r.change} ({r.found})" for r in out_of_reach(recall)]:
        said += f" Out of reach: {', '.join(missed)}."
    return said


def out_of_reach(recall: Sequence[Recall]) -> list[Recall]:
    """The changes of which most planted copies were missed."""
    return [r for r in recall if r.found < FOUND * r.planted]


def span(share: float, ci95: Sequence[float]) -> str:
    """A share with its interval, in percent."""
    low, high = (100 * x for x in ci95)
    return f"{100 * share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"
