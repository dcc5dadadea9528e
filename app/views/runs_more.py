"""Runs: how training went, and what another run does better."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app import texts as words
from app.components import run_tables
from app.components.theme import palette
from app.data import runs as runs_data
from app.links import RunLocation
from app.views.runs_choice import RunSelection
from app.views.runs_classes import behind
from mixlab.evaluation import METRICS
from mixlab.evaluation.charts import dots, history

__all__ = ["differences", "learning"]

SCORES = {m.title: m.name for m in METRICS.values() if not m.detail and (m.over == "class" or m.single_label)}


def learning(runs: Mapping[str, RunLocation]) -> None:
    """Show losses and validation scores by epoch."""
    metrics = {name: runs_data.get_metrics(run) for name, run in runs.items()}
    if not any(metrics.values()):
        st.info(
            "No epoch is recorded: the run has not finished its first one, or it is a classical baseline."
        )
        return
    best = pd.DataFrame(
        [
            {"run": name, "epoch": int(max(kept))}
            for name, rows in metrics.items()
            if (kept := [row["epoch"] for row in rows if row.get("best") == 1.0])
        ],
        columns=["run", "epoch"],
    )
    left, right = st.columns(2, gap="large")
    for location, kind, title in ((left, "loss", "loss"), (right, "score", "validation score")):
        table = run_tables.history_table(metrics, kind)
        with location:
            st.altair_chart(
                history(table, best, list(metrics), title, colours=palette()),
                alt=f"{title} by epoch; the table below holds the numbers.",
            )
    for name, rows in metrics.items():
        behind(pd.DataFrame(rows), f"epochs of {name}", epoch=st.column_config.NumberColumn(format="%d"))
    if len(best):
        epochs = ", ".join(map(str, best["epoch"]))
        st.caption(f"Upright line: the epoch whose weights were kept ({epochs}).")


def _scores(selection: "RunSelection") -> list[str]:
    """Return by what two runs are compared: accuracy only where both decide for their highest score."""
    return [
        title for title, name in SCORES.items() if selection.single_label or not METRICS[name].single_label
    ]


def _by_chance(table: pd.DataFrame) -> str:
    """Say how many intervals are shown, since some exclude 0 though nothing differs."""
    n = int(table["verdict"].isin(["excludes 0", "holds 0"]).sum())
    return f"One interval in twenty excludes 0 by chance; {n} are shown." if n else ""


def differences(selection: "RunSelection") -> None:
    """Show what the second run does better, with paired intervals."""
    if selection.other is None:
        return
    score = st.segmented_control(
        "Score", _scores(selection), default="F1", key="score", bind="query-params", required=True
    )
    if score == "F1":
        found = runs_data.get_differences(selection.run, selection.other, selection.split, selection.at)
    else:
        compared = runs_data.get_comparison(selection.run, selection.other, selection.split)
        found = compared.rows[SCORES[str(score)]]
        if not compared.n_resamples:
            st.info(
                f"With so many {selection.units.items} the intervals of this score take minutes, so there "
                "are none here. "
                f"`mixlab compare {selection.run.path} {selection.other.path}` computes them."
            )
    table = run_tables.difference_table(found, selection.units.groups)
    st.altair_chart(
        dots(
            run_tables.difference_dots(table),
            list(table["class"]),
            f"{score} of B minus A",
            zero=True,
            number="+.3f",
            more={"verdict": "verdict:N"},
            colours=palette(),
        ),
        alt=f"Differences of {score} with paired 95 % intervals; the table below holds the numbers.",
    )
    st.caption(
        f"A: {words.escape(selection.run.name)}; B: {words.escape(selection.other.name)}. In each resample "
        f"the same {selection.units.groups} are sampled for both. Filled: the 95 % interval excludes 0; "
        f"hollow: not. {_by_chance(table)} Choose between runs on validation, not on test."
    )
    behind(table, f"differences of {score}")
