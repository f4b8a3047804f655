"""Every sample beside its nearest images, and where the line between copy and new is drawn."""

import streamlit as st

from ui import charts, evidence, words
from ui.charts.verdicts import ratio_histogram
from ui.frame import enter, errors_in_words
from ui.open_run import pick
from ui.sampling import draw_now

ROWS = 6

enter(
    "Evidence room",
    "Judge for yourself. Each row shows a generated image, the two training images nearest to it, "
    "the nearest image the model never saw, and the difference to the nearest.",
)
run = pick()
with errors_in_words():
    stored = evidence.stored(run)
    exhibit = draw_now(run, expanded=stored is None) or stored
if exhibit is None:
    words.no_verdict(run)

rule = exhibit.verdicts["copies"]["ratio"]
threshold = st.slider(
    "Call it a copy when d1/d2 is below",
    0.05,
    0.95,
    round(rule["threshold"], 3),
    0.001,
    format="%.3f",
    key=f"threshold-{run.name}",
    width=520,
    help="The stored rule: at most 1/3, and at most 1 % of unseen images below it.",
)
moved = abs(threshold - rule["threshold"]) > 0.0006
enough = rule["rate"] is not None
if enough:
    if moved:
        rate, ci95, alarm, alarm_ci95 = evidence.rates_at(threshold, exhibit.verdicts)
    else:
        rate, ci95 = rule["rate"], rule["ci95"]
        alarm, alarm_ci95 = rule["heldout_rate"], rule["heldout_ci95"]
    left, right = st.columns(2, gap="medium")
    with left:
        arm = run.config.arm
        words.rate_metric(f"Copied, of {len(exhibit.images):,} samples", rate, ci95, arm)
    with right:
        words.rate_metric("Unseen real images: called copies", alarm, alarm_ci95, "unseen")
else:
    st.caption(" ".join(exhibit.verdicts["warnings"]), width=760)

charts.show(
    ratio_histogram(exhibit.ratios, exhibit.verdicts["heldout_ratios"], threshold, run.config.arm),
    f"histogram-{run.name}",
    f"Histogram of d1/d2 of {len(exhibit.images)} samples and of unseen images, threshold "
    f"{threshold:.3f}.",
)
command = f"python -m ambient evaluate {words.address(run)} --json -"
words.under(
    "evidence",
    "d1/d2 is the distance to the nearest training image over that to the second nearest. Left of "
    "the dashed line a sample is called a copy. A good line has many samples and hardly "
    "any unseen image left of it.",
    [words.provenance(run, exhibit.verdicts, exhibit.live)],
    lambda: exhibit.verdicts["samples"],
    command,
)

st.space("small")
with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
    order = st.segmented_control(
        "Rows", evidence.ORDERS, default="Worst", key="rows", required=True, bind="query-params"
    )
    deal = st.session_state.setdefault("rows-deal", 0)
    if order == "Random":
        st.button(
            "Draw others",
            icon=":material/shuffle:",
            on_click=lambda: st.session_state.update({"rows-deal": deal + 1}),
        )
st.caption(
    "From left to right: generated · nearest training image · second nearest · nearest unseen "
    "image · difference to the nearest (three times as bright; black where equal).",
)
with errors_in_words():
    for position in evidence.choose(exhibit.ratios, order, ROWS, deal):
        evidence.show_row(run, exhibit, position, threshold)
