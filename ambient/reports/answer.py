"""The answer of an audit in plain words, for pages, commands and the report to hand on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ambient.copies.records import RatedRule
from ambient.copies.rules import FALSE_ALARMS, UNLIKE
from ambient.reports.records import Audit, AuditedImage

TITLES = {"ratio": "By pixels", "similarity": "By features"}
ANSWERS = {
    "copies": "Yes: some are copies",
    "none": "No sign of copying",
    "unclear": "Perhaps a few: look at them",
    "unknown": "Too few images to say",
}


def rules(audit: Audit) -> dict[str, RatedRule]:
    """The rules that reached a rate, by name."""
    found = {"ratio": audit.copies.ratio, "similarity": audit.copies.similarity}
    return {name: rule.rated for name, rule in found.items() if rule and rule.rate is not None}


def others(audit: Audit) -> list[RatedRule]:
    """The similarity rule in further features, where it reached a rate."""
    return [rule.rated for rule in audit.copies.others if rule.rate is not None]


def answer(audit: Audit) -> str:
    """A key of `ANSWERS`.

    *copies*: a rule shows some, or an image is identical to a training image, which no chance
    explains. *none*: the copied share of every rule, at the lower end of its interval, is no more
    than its false alarms, and no image is a training image mirrored, shifted or so. *unclear*:
    neither.
    """
    judged = [*rules(audit).values(), *others(audit)]
    same = likenesses(audit)
    if "identical" in same or any(rule.shows_copies for rule in judged):
        return "copies"
    if not judged:
        return "unknown"
    expected = promised(audit)
    quiet = all(rule.ci95[0] <= max(expected, rule.heldout_rate) for rule in judged)
    return "none" if quiet and not set(same) - {UNLIKE} else "unclear"


def promised(audit: Audit) -> float:
    """The share of false alarms that calibration on so many images can promise: 1 % at best."""
    return max(FALSE_ALARMS, 1 / (len(audit.heldout_ratios) // 2 + 1))


def leading(audit: Audit) -> str | None:
    """The rule to be named first: the one that shows copies, of two that of pixels."""
    judged = rules(audit)
    return next(iter([*(name for name, r in judged.items() if r.shows_copies), *judged]), None)


def sentences(audit: Audit) -> list[str]:
    """The answer for somebody who was not there, in a few sentences."""
    n, name, kinds = audit.n_samples, leading(audit), likenesses(audit)
    named = sum(sample.named for sample in audit.samples)
    parts = [f"{count:,} {word}" for word, count in kinds.items()]
    said = [
        f"Of {n:,} generated images, {named:,} are named as copies of one of "
        f"{audit.corpus.n_train:,} training images{': ' if parts else ''}{', '.join(parts)}."
    ]
    if kinds.get("identical") == n:
        said.append("All of them: was one set given twice?")
    if name is None:
        return [*said, *(f"{w[:1].upper()}{w[1:]}" for w in audit.warnings if "too few" in w)]
    rule = rules(audit)[name]
    said.append(
        f"{TITLES[name]} {span(rule.rate, rule.ci95)} are copies. Images that are no copies are "
        f"called so too, {span(rule.heldout_rate, rule.heldout_ci95)} of them: these are false "
        "alarms."
    )
    said.append(_weighed(audit, rule))
    if (agreement := audit.copies.agreement) and named:
        said.append(
            f"Both rules name {agreement.both:,}, pixels alone {agreement.ratio_only:,}, features "
            f"alone {agreement.similarity_only:,}."
        )
    return said


def _weighed(audit: Audit, rule: RatedRule) -> str:
    """What the copied share means beside the false alarms."""
    if rule.shows_copies:
        return "So many copies are more than false alarms explain."
    if further := [other.features for other in others(audit) if other.shows_copies]:
        return f"Cosine similarity of {', '.join(further)} shows more than false alarms explain."
    if same := likenesses(audit).get("identical"):
        return f"But {same:,} are identical to a training image, which no false alarm explains."
    if set(likenesses(audit)) - {UNLIKE}:
        return "That alone is near what false alarms explain; look at the images that are named."
    if answer(audit) == "none":
        return (
            "That is no more than false alarms explain; so many images cannot exclude that up to "
            f"{100 * rule.ci95[1]:.1f} % are copies."
        )
    return "That is near what false alarms explain; look at the images below."


def likenesses(audit: Audit) -> dict[str, int]:
    """How many copies are identical, mirrored and so on, most frequent first."""
    return dict(Counter(s.likeness for s in audit.samples if s.likeness).most_common())


def span(share: float, ci95: Sequence[float]) -> str:
    """A share with its interval, in percent."""
    low, high = (100 * x for x in ci95)
    return f"{100 * share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"


def elsewhere(sample: AuditedImage, rule: str) -> str:
    """What an image is that this rule does not name: the other one may."""
    if rule == "ratio":
        return "a copy by features, not by pixels" if sample.copy_by_similarity else "not a copy"
    return "a copy by pixels, not by features" if sample.copy else "not a copy"


def paired(audit: Audit) -> str:
    """What the pictures of copies beside their originals show."""
    shown, found = len(audit.originals), sum(sample.named for sample in audit.samples)
    some = f"The first {shown:,} of {found:,}" if shown < found else f"All {found:,}"
    return f"{some} that either rule names, the surest by pixels first, with their originals."
