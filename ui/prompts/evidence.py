"""What was measured of prompts: the score of one among many, and the verdicts kind by kind."""

from __future__ import annotations

import streamlit as st

from ambient.reports.records import Signal
from ui import charts, words
from ui.charts.prompts import needle, obedience
from ui.prompts.answers import drawn, pack, signals
from ui.stages import Runs, prompt_rows

SHOWN = "magnitude"  # the signal that the needle shows


def show_needle(runs: Runs, prompt: str) -> None:
    """Whether the words give a copy away before anyone looks at a training picture."""
    packs = {arm: found for arm, run in runs.items() if (found := pack(run))}
    if not packs:
        return
    st.subheader("Do the words give it away?", anchor=False)
    figure = needle(
        list(packs),
        [(found.learned, found.unseen) for found in packs.values()],
        [drawn(runs[arm], prompt).score for arm in packs],
    )
    alt = f"How far the words move the first steps: {words.unmarked(prompt)} among other captions."
    charts.show(figure, "words-needle", alt)
    words.under(
        "words-needle",
        "Full dots are captions it learned, hollow ones it never saw; the bar is your prompt. "
        f"{_said(runs)}",
        [words.provenance(run, None) for run in runs.values()],
        lambda: [
            {"run": runs[arm].name, "kind": kind, "score": score}
            for arm, found in packs.items()
            for kind, scores in (("training", found.learned), ("held-out", found.unseen))
            for score in scores.tolist()
        ],
        "python -m scripts.build_words",
    )


def _said(runs: Runs) -> str:
    """How well the score tells prompts apart that give copies, by the stored signals."""
    parts = []
    for arm, run in runs.items():
        found = signals(run)
        shown = [s for s in found.signals if s.name == SHOWN] if found else []
        parts += [f"{_rated(s)} ({arm})" for s in shown]
    if not parts:
        return ""
    return f"It ranks a prompt that gives copies above an unseen one in {' and '.join(parts)}."


def _rated(signal: Signal) -> str:
    low, high = (words.percent(x) for x in signal.auc_ci95)
    return f"{words.percent(signal.auc)} of pairs, {low} to {high}"


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
        "Larger dots are louder words. A probe that was fitted to unseen pictures looks for the "
        "prompt among the others of its kind; the dotted line is how often it finds it in real "
        "pictures.",
        [words.provenance(run, None) for run in runs.values()],
        lambda: table,
        "python -m ambient evaluate RUN --store",
    )
    st.dataframe(table, hide_index=True)
    for arm, run in runs.items():
        found = signals(run)
        if found:
            st.caption(f"Signals of prompts, {arm} (copies at one of {found.seeds} seeds)")
            st.dataframe([_row(s) for s in found.signals], hide_index=True)


def _row(s: Signal) -> dict[str, object]:
    return {
        "signal": s.name,
        "AUC": round(s.auc, 3),
        "AUC, 95 %": "{:.2f} to {:.2f}".format(*s.auc_ci95),
        "found at 1 % false alarms": round(s.tpr, 3),
        "AUC at an early stage": None if s.early_auc is None else round(s.early_auc, 3),
    }
