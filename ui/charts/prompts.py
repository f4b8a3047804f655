"""What is paid for pictures that obey their words."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from ui.charts import drawn_once, finish, line, percents, rgba, whole, write
from ui.pictures import NEUTRAL, arm_color

DASHES = {"training": "solid", "held-out": "dash"}
NAMES = {"training": "learned", "held-out": "never seen"}


@drawn_once
def obedience(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """How often a probe finds what was asked for, by category, against copies; a line joins
    guidances.

    Args:
        rows: with run's `arm`, `kind`, `guidance`, `copies`, `category_rate`, `category_ci95`,
            `category_ceiling`.
    """
    figure = go.Figure()
    for arm in dict.fromkeys(row["arm"] for row in rows):
        for kind, dash in DASHES.items():
            path = [r for r in rows if (r["arm"], r["kind"]) == (arm, kind) and r["category_rate"]]
            if not path:
                continue
            color = arm_color(arm)
            line(
                figure,
                [100 * r["copies"] for r in path],
                [100 * r["category_rate"] for r in path],
                rgba(color, 0.75),
                dash=dash,
                marker={"size": [6 + 2.5 * r["guidance"] for r in path], "color": color},
                ends=[percents(r["category_ci95"]) for r in path],
                customdata=[f"{kind} captions, {arm}, loudness {r['guidance']:g}" for r in path],
                hover="%{customdata}: %{x:.0f} % copies, %{y:.0f} % show the words",
            )
            last = path[-1]
            place = {"x": 100 * last["copies"], "y": 100 * last["category_rate"]}
            write(figure, NAMES[kind], color, xanchor="left", xshift=12, size=12, **place)
    ceilings = [r["category_ceiling"] for r in rows if r["category_ceiling"]]
    if ceilings:
        top = 100 * max(ceilings)
        figure.add_hline(y=top, line={"color": NEUTRAL, "width": 1.5, "dash": "dot"})
        write(figure, "real pictures", NEUTRAL, x=0, xref="paper", y=top, xanchor="left", size=12)
    room = min(104, 130 * max(row["copies"] for row in rows) + 10)  # names stand right of last dots
    figure.update_xaxes(title_text="copies, %", rangemode="tozero", range=[0, room])
    figure.update_yaxes(title_text="show the right kind of thing, %", rangemode="tozero")
    return finish(whole(figure), 380)
