"""What was measured of prompts: verdicts kind by kind, and whether any number warns of copies."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ambient.reports.records import Signal
from ui import charts, words
from ui.charts.prompts import obedience
from ui.prompts.answers import signals
from ui.stages import Runs, prompt_rows


def show_kinds(runs: Runs) -> None:
    """Copies against obedience, kind by kind, and all numbers as a table."""
    table = prompt_rows(runs)
    if not table:
        words.missing("No verdict on prompts is stored.", "python -m ambient evaluate RUN --store")
        return
    st.subheader("What obedience costs", anchor=False)
    figure = obedience(table)
    charts.show(figure, "words-kinds", "Pictures that show their words, against copies, by kind.")
    words.under(
        "words-kinds",
        "Larger dots are louder words, of captions that were learned or never seen. A probe fitted "
        "to unseen pictures says what category a picture belongs to; the dotted line is how often "
        "it is right on real ones.",
        [words.provenance(run, None) for run in runs.values()],
        lambda: table,
        "python -m ambient evaluate RUN --store",
    )


def show_numbers(runs: Runs) -> None:
    """The verdicts as a table, and whether words warn of copies."""
    st.dataframe([_verdict(row) for row in prompt_rows(runs)], hide_index=True)
    _show_signals(runs)


def _show_signals(runs: Runs) -> None:
    """Whether words give a copy away before anyone looks at a training picture."""
    known = {run.name: found for run in runs.values() if (found := signals(run))}
    rated = [s for found in known.values() for s in found.signals]
    if not rated:
        return
    st.subheader("Do words give a copy away?", anchor=False)
    telling = sorted({s.name for s in rated if tells(s)})
    st.markdown(
        f"Told apart by: {', '.join(telling)}."
        if telling
        else "Not here. Four numbers are proposed that look at the sampling alone, at no training "
        "picture. None of them ranks the prompts that give copies above unseen ones that do not, "
        "more surely than chance and more than at an early stage that has learned nothing by heart."
    )
    st.dataframe(
        [{"run": name, **_row(s)} for name, found in known.items() for s in found.signals],
        hide_index=True,
    )


def tells(s: Signal) -> bool:
    """Whether a signal ranks better than chance, and better than before anything was copied."""
    early = s.early_auc_ci95[1] if s.early_auc_ci95 else 0.5
    return s.auc_ci95[0] > max(0.5, early)


def _verdict(row: Mapping[str, Any]) -> dict[str, object]:
    """A row of the table, its shares with their intervals."""
    names = {"copies": "copies", "own": "copies of its own picture"}
    names |= {"precision_rate": "finds the words", "category_rate": "right kind of thing"}
    kid = row["kid"]
    return {
        "run": row["run"],
        "captions": row["kind"],
        "loudness": row["guidance"],
        **{said: _share(row, name) for name, said in names.items()},
        "KID": None if kid is None else round(kid, 3),
    }


def _share(row: Mapping[str, Any], name: str) -> str:
    rate, ends = row[name], row[f"{name.removesuffix('_rate')}_ci95"]
    if rate is None or ends is None:
        return ""
    said = f"{words.percent(rate)} ({100 * ends[0]:.0f} to {100 * ends[1]:.0f})"
    for word, part in (("chance", "floor"), ("real", "ceiling")):
        known = row.get(name.replace("_rate", f"_{part}")) if "_rate" in name else None
        said += f", {word} {words.percent(known)}" if known is not None else ""
    return said


def _row(s: Signal) -> dict[str, object]:
    return {
        "signal": s.name,
        "AUC": round(s.auc, 3),
        "AUC, 95 %": "{:.2f} to {:.2f}".format(*s.auc_ci95),
        "found at 1 % false alarms": round(s.tpr, 3),
        "AUC at an early stage": None if s.early_auc is None else round(s.early_auc, 3),
    }
