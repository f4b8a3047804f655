"""An audit on paper: its answer in plain words, and one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import datetime
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambient.copies.rules import FALSE_ALARMS, UNLIKE
from ambient.reports.records import Audit

Report = Audit

RULES = {
    "ratio": (
        "By pixels",
        "A generated image is called a copy when its nearest training image is much nearer than "
        "the second nearest one: d1/d2 below {threshold:.3f}, d1 and d2 being root-sum-square "
        "differences of pixels. Finds copies that are pixel for pixel, or nearly.",
    ),
    "similarity": (
        "By features",
        "A generated image is called a copy when the cosine similarity of its features "
        "({features}) to those of some training image is above {threshold:.3f}. Finds mirrored, "
        "slightly shifted and recolored copies too, and may take two different images for alike.",
    ),
}
ORDERS = {
    "worst": "The most suspicious",
    "median": "The most ordinary",
    "random": "Drawn at random",
}
ANSWERS = {
    "copies": "Yes: some are copies",
    "none": "No sign of copying",
    "unclear": "Perhaps a few: look at them",
    "unknown": "Too few images to say",
}
LISTED = 300  # copies in the table of the HTML file


def rules(report: Report) -> dict[str, Mapping[str, Any]]:
    """The rules that reached a rate."""
    found = {name: report["copies"].get(name) for name in RULES}
    return {name: rule for name, rule in found.items() if rule and rule["rate"] is not None}


def others(report: Report) -> list[Mapping[str, Any]]:
    """The similarity rule in further features, where it reached a rate."""
    return [rule for rule in report["copies"].get("others") or () if rule["rate"] is not None]


def answer(report: Report) -> str:
    """A key of `ANSWERS`.

    *copies*: a rule shows some, or an image is identical to a training image, which no chance
    explains. *none*: the copied share of every rule, at the lower end of its interval, is no more
    than its false alarms, and no image is a training image mirrored, shifted or so. *unclear*:
    neither.
    """
    judged = [*rules(report).values(), *others(report)]
    same = likenesses(report)
    if "identical" in same or any(map(shows_copies, judged)):
        return "copies"
    if not judged:
        return "unknown"
    expected = promised(report)
    quiet = all(r["ci95"][0] <= max(expected, r["heldout_rate"]) for r in judged)
    return "none" if quiet and not set(same) - {UNLIKE} else "unclear"


def shows_copies(rule: Mapping[str, Any]) -> bool:
    """Whether the interval of the copied share lies above that of false alarms."""
    return bool(rule["ci95"][0] > rule["heldout_ci95"][1])


def promised(report: Report) -> float:
    """The share of false alarms that calibration on so many images can promise: 1 % at best."""
    return max(FALSE_ALARMS, 1 / (len(report["heldout_ratios"]) // 2 + 1))


def leading(report: Report) -> str | None:
    """The rule to be named first: the one that shows copies, of two that of pixels."""
    judged = rules(report)
    return next(iter([*(k for k, rule in judged.items() if shows_copies(rule)), *judged]), None)


def sentences(report: Report) -> list[str]:
    """The answer for somebody who was not there, in a few sentences."""
    n, name, kinds = report["n_samples"], leading(report), likenesses(report)
    n_train = report["corpus"]["n_train"]
    named = sum(bool(r["copy"] or r["copy_by_similarity"]) for r in report["samples"])
    parts = [f"{count:,} {word}" for word, count in kinds.items()]
    said = [
        f"Of {n:,} generated images, {named:,} are named as copies of one of {n_train:,} training "
        f"images{': ' if parts else ''}{', '.join(parts)}."
    ]
    if kinds.get("identical") == n:
        said.append("All of them: was one set given twice?")
    if name is None:
        return [*said, *(f"{w[:1].upper()}{w[1:]}" for w in report["warnings"] if "too few" in w)]
    rule = report["copies"][name]
    said.append(
        f"{RULES[name][0]} {_span(rule['rate'], rule['ci95'])} are copies. Images that are no "
        f"copies are called so too, {_span(rule['heldout_rate'], rule['heldout_ci95'])} of them: "
        "these are false alarms."
    )
    said.append(_weighed(report, rule))
    if (agreement := report["copies"].get("agreement")) and named:
        said.append(
            f"Both rules name {agreement['both']:,}, pixels alone {agreement['ratio_only']:,}, "
            f"features alone {agreement['similarity_only']:,}."
        )
    return said


def _weighed(report: Report, rule: Mapping[str, Any]) -> str:
    """What the copied share means beside the false alarms."""
    if shows_copies(rule):
        return "So many copies are more than false alarms explain."
    further = [r["features"] for r in others(report) if shows_copies(r)]
    if further:
        return f"Cosine similarity of {', '.join(further)} shows more than false alarms explain."
    if same := likenesses(report).get("identical"):
        return f"But {same:,} are identical to a training image, which no false alarm explains."
    if set(likenesses(report)) - {UNLIKE}:
        return "That alone is near what false alarms explain; look at the images that are named."
    if answer(report) == "none":
        return (
            "That is no more than false alarms explain; so many images cannot exclude that up to "
            f"{100 * rule['ci95'][1]:.1f} % are copies."
        )
    return "That is near what false alarms explain; look at the images below."


def likenesses(report: Report) -> dict[str, int]:
    """How many copies are identical, mirrored and so on, most frequent first."""
    return dict(
        Counter(r["likeness"] for r in report["samples"] if r.get("likeness")).most_common()
    )


def _span(share: float, ci95: Sequence[float]) -> str:
    low, high = (100 * x for x in ci95)
    return f"{100 * share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"


def unstrip(text: str, count: int) -> list[NDArray[np.uint8]]:
    """The pictures of a row of evidence, uint8 (h, w, c) each."""
    with Image.open(io.BytesIO(base64.b64decode(text)), formats=["PNG"]) as picture:
        wide = np.atleast_3d(np.asarray(picture))
    return np.split(wide, count, axis=1)


def page(report: Report) -> str:
    """The report as one self-contained HTML file: no script, nothing from the network."""
    title = "Are these generated images training images?"
    body = "\n".join(
        (
            f"<h1>{title}</h1>",
            f'<p class="sets">{_sets(report)}</p>',
            f'<p class="answer {answer(report)}">{ANSWERS[answer(report)]}</p>',
            *(f"<p>{escape(s)}</p>" for s in sentences(report)),
            *_rates(report),
            *_evidence(report),
            *_copies(report),
            *_caveats(report),
            *_method(report),
            *_versions(report),
        )
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n"
        f'<body class="{answer(report)}">\n{body}\n</body>\n</html>\n'
    )


def _sets(report: Report) -> str:
    h, w, c = report["shape"]
    corpus = report["corpus"]
    held = f", {corpus['n_heldout']:,} held-out images" if corpus["n_heldout"] else ""
    color = "color" if c == 3 else "gray"
    return escape(
        f"{report['n_samples']:,} generated images ({report['generated']['name']}), "
        f"{corpus['n_train']:,} training images ({corpus['name']}){held}, compared at {w}x{h} "
        f"pixels, {color}."
    )


def _rates(report: Report) -> Iterator[str]:
    judged = rules(report)
    if not judged:
        return
    yield '<div class="rates">'
    for name, rule in judged.items():
        yield (
            f"<div><h3>{RULES[name][0]}</h3><p class=big>{100 * rule['rate']:.1f} %</p>"
            f"<p>of generated images are called copies<br>95 % interval "
            f"{_ends(rule['ci95'])}</p><p class=alarms>{100 * rule['heldout_rate']:.1f} % false "
            f"alarms, {_ends(rule['heldout_ci95'])}</p>{_bar(rule)}</div>"
        )
    yield "</div>"
    if more := others(report):
        yield "<h3>By other features</h3><table><tr><th>features<th>called copies<th>false alarms"
        for rule in more:
            shares = (
                f"{100 * rule[k]:.1f} %, {_ends(rule[ends])}"
                for k, ends in (("rate", "ci95"), ("heldout_rate", "heldout_ci95"))
            )
            cells = "".join(f"<td>{cell}" for cell in (escape(rule["features"]), *shares))
            yield f"</tr><tr>{cells}"
        yield "</tr></table>"


def _ends(ci95: Sequence[float]) -> str:
    return f"{100 * ci95[0]:.1f} to {100 * ci95[1]:.1f} %"


def _bar(rule: Mapping[str, Any]) -> str:
    """The two shares and their intervals on one line from 0 to 100 %."""
    shapes = []
    for y, share, ends, color in (
        (8, rule["rate"], rule["ci95"], "var(--warm)"),
        (24, rule["heldout_rate"], rule["heldout_ci95"], "var(--quiet)"),
    ):
        low, high = (3 * 100 * x for x in ends)
        shapes.append(
            f'<rect x="0" y="{y - 5}" width="{300 * share:.1f}" height="10" fill="{color}"/>'
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="var(--ink)" '
            'stroke-width="2"/>'
        )
    return (
        '<svg viewBox="-1 0 302 32" role="img" aria-label="Copied share above, false alarms '
        f'below">{"".join(shapes)}</svg>'
    )


def _evidence(report: Report) -> Iterator[str]:
    for name, (title, _) in RULES.items():
        rows = [row for row in report["evidence"] if row["rule"] == name]
        if not rows:
            continue
        yield f"<h2>Look for yourself: {title[0].lower()}{title[1:]}</h2>"
        yield f"<p>From left to right: {', '.join(rows[0]['roles'])}.</p>"
        for order, heading in ORDERS.items():
            some = [row for row in rows if row["order"] == order]
            yield f'<h3>{heading}</h3><div class="strips">'
            yield from (_strip(report, row) for row in some)
            yield "</div>"


def _strip(report: Report, row: Mapping[str, Any]) -> str:
    record = report["samples"][row["sample"]]
    copied = record["copy" if row["rule"] == "ratio" else "copy_by_similarity"]
    score = f"{'d1/d2' if row['rule'] == 'ratio' else 'similarity'} {record[row['rule']]:.4g}"
    word = f"= copy ({record['likeness']})" if record.get("likeness") else "= copy"
    if not copied:
        word = elsewhere(record, row["rule"])
    alt = "; ".join(f"{a}: {b}" for a, b in zip(row["roles"], row["files"], strict=True))
    return (
        f'<figure class="{"copy" if copied else ""}"><img alt="{escape(alt)}" '
        f'src="data:image/png;base64,{row["strip"]}"><figcaption>'
        f"<b>{word}</b> · {score}<br>{escape(row['files'][0])} → "
        f"{escape(row['files'][1])}</figcaption></figure>"
    )


def elsewhere(record: Mapping[str, Any], rule: str) -> str:
    """What an image is that this rule does not name: the other one may."""
    if rule == "ratio":
        return "a copy by features, not by pixels" if record["copy_by_similarity"] else "not a copy"
    return "a copy by pixels, not by features" if record["copy"] else "not a copy"


def paired(report: Report) -> str:
    """What the pictures of copies beside their originals show."""
    shown = len(report["originals"])
    found = sum(bool(r["copy"] or r["copy_by_similarity"]) for r in report["samples"])
    some = f"The first {shown:,} of {found:,}" if shown < found else f"All {found:,}"
    return f"{some} that either rule names, the surest by pixels first, with their originals."


def _copies(report: Report) -> Iterator[str]:
    """Every copy with the file it is of, the surest first."""
    found = [r for r in report["samples"] if r["copy"] or r["copy_by_similarity"]]
    if not found:
        return
    found.sort(key=lambda r: r["ratio"])
    yield "<h2>Copies beside their originals</h2>"
    yield f"<p>{paired(report)}</p>" + '<div class="strips pairs">'
    for row in report["originals"]:
        a, b = map(escape, row["files"])
        yield (
            f'<figure><img alt="{a} beside {b}" src="data:image/png;base64,{row["strip"]}">'
            f"<figcaption>{a} → {b}</figcaption></figure>"
        )
    yield "</div>"
    more = f", the first {LISTED} of {len(found):,}" if len(found) > LISTED else ""
    yield f"<h3>All by name{more}</h3>"
    yield "<details open><summary>The list</summary><table><tr><th>generated<th>nearest in pixels"
    yield "<th>most similar<th>d1/d2<th>similarity<th>what it is</tr>"
    for r in found[:LISTED]:
        similar = "" if r["similarity"] is None else f"{r['similarity']:.3f}"
        cells = (
            r["file"],
            r["nearest_file"],
            r["most_similar_file"] or "",
            f"{r['ratio']:.3f}",
            similar,
            r["likeness"] or "",
        )
        yield f"<tr>{''.join(f'<td>{escape(cell)}' for cell in cells)}</tr>"
    yield "</table></details>"


def _caveats(report: Report) -> Iterator[str]:
    yield "<h2>What to keep in mind</h2><ul>"
    yield from (f"<li>{escape(w[:1].upper() + w[1:])}</li>" for w in report["warnings"])
    yield (
        "<li>This says what these images show. It is no proof of privacy: a generator may have "
        "learned images that it did not show here.</li></ul>"
    )


def _method(report: Report) -> Iterator[str]:
    yield "<h2>How this was measured</h2>"
    for name, (title, text) in RULES.items():
        rule = report["copies"].get(name)
        if rule and rule["threshold"] is not None:
            yield f"<p><b>{title}.</b> {escape(text.format(**{'features': '', **rule}))}</p>"
    yield (
        f"<p>Each threshold comes from one half of {report['calibrated_on'] or 'no images'}, so "
        "that at most 1 % of images that are no copies fall on the wrong side; the other half, "
        "never used for it, gives the false alarms above. Near-duplicates among training images "
        "count as one image, and so do those among images to calibrate on. Intervals are "
        "Clopper-Pearson, 95 %.</p>"
    )
    nulls = [rule["null"] for rule in rules(report).values() if rule.get("null")]
    for null in nulls[:1]:
        yield (
            f"<p>A check: of the generated images, {_span(null['rate'], null['ci95'])} count as "
            f"copies of {null['n_train']:,} images that the generator never saw, by pixels.</p>"
        )


def _versions(report: Report) -> Iterator[str]:
    parts = [f"{name} {version(name)}" for name in ("numpy", "torch", "pillow")]
    today = datetime.date.today().isoformat()
    yield (
        f"<footer>Ambient Explorer {escape(report['version'])}, {', '.join(parts)}, {today}. Seed "
        f"{report['seed']}. Training images sha256 {report['corpus']['sha256'][:16]}, generated "
        f"{report['generated']['sha256'][:16]}.</footer>"
    )


STYLE = """
:root{color-scheme:light dark;--paper:#FBF8F2;--ink:#14181B;--quiet:#6F6A62;--line:#DDD6C8;
--warm:#D55E00;--cool:#0072B2;--panel:#F1ECE2}
@media(prefers-color-scheme:dark){:root{--paper:#16181A;--ink:#ECE8E1;--quiet:#B1ACA3;
--line:#3A3E42;--warm:#F58B3D;--cool:#58AFE6;--panel:#212427}}
body{background:var(--paper);color:var(--ink);font:17px/1.5 "Atkinson Hyperlegible Next",
system-ui,sans-serif;max-width:1060px;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:2.2rem;line-height:1.15;margin:0}h2{margin:2.6rem 0 .4rem}h3{margin:1.2rem 0 .4rem}
p{max-width:46rem;margin:.5rem 0}.sets,footer,.alarms,figcaption{color:var(--quiet)}
footer{margin-top:3rem;font-size:.85rem}
.answer{font-size:1.6rem;font-weight:650;border-left:8px solid var(--quiet);padding:.3rem 1rem;
margin:1.4rem 0 .8rem}.answer.copies{border-color:var(--warm)}.answer.none{border-color:var(--cool)}
.rates{display:flex;flex-wrap:wrap;gap:1.2rem;margin:1.4rem 0}
.rates>div{background:var(--panel);padding:.4rem 1.4rem 1rem;border-radius:6px;flex:1 1 18rem}
.big{font-size:3.2rem;font-weight:650;line-height:1;margin:.2rem 0}.copies .big{color:var(--warm)}
.strips{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:1rem}
.strips.pairs{grid-template-columns:repeat(auto-fill,minmax(9rem,1fr))}
figure{margin:0;border:3px solid transparent;border-radius:6px;padding:.3rem}
figure.copy{border-color:var(--warm)}
img{width:100%;image-rendering:pixelated;display:block}
figcaption{font-size:.85rem;overflow-wrap:anywhere}figcaption b{color:var(--ink)}
table{border-collapse:collapse;font-size:.85rem;width:100%}
th,td{text-align:left;padding:.2rem .6rem .2rem 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}
details{overflow-x:auto}
@media print{.strips:not(.pairs){grid-template-columns:repeat(3,1fr)}figure{break-inside:avoid}}
"""
