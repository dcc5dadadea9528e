"""Runs that predict a number of each clip: its scores, the predictions beside the truth, and another run."""

import altair as alt
import pandas as pd
import streamlit as st

from app import texts as words
from app.components import run_tables
from app.data import runs as runs_data
from app.links import RunLocation
from app.views.runs_classes import behind, show_scores

__all__ = ["show_numbers"]


def show_numbers(run: RunLocation, other: RunLocation | None, split: str) -> None:
    """Show the scores of a regression beside saying the mean of training, and what it says of every clip.

    Args:
        run: A run that predicts a number.
        other: Another run on the same clips, or None.
        split: ``test`` or ``validation``.
    """
    scores = runs_data.get_numbers(run, split)
    if scores is None or scores.quantity is None:
        return
    quantity, units, info = scores.quantity, scores.units, runs_data.get_info(run)
    said = [
        f"{scores.n_items:,} {split} {units.items} of {scores.n_groups:,} {units.groups}",
        f"predicts {words.escape(quantity.title)}, a number: no classes, no thresholds",
        f"seed {info.get('seed', 'unknown')}",
    ]
    if info.get("note"):
        said.append(f"**{words.escape(str(info['note']))}**")
    st.caption(" · ".join(said))
    show_scores([(metric.title, scores.scores[metric.name]) for metric in scores.metrics])
    error = scores.scores["mean_absolute_error"].chance
    st.caption(
        f"Saying the mean of training, {quantity.mean:.4g}, of every {units.item} has an R2 of "
        f"{run_tables.figure(scores.scores['r2'].chance)} and a mean absolute error of "
        f"{run_tables.figure(error)}."
    )
    table = _predicted(run, split)
    line = alt.Chart(pd.DataFrame({"truth": [table["in truth"].min(), table["in truth"].max()]}))
    dots = alt.Chart(table).mark_circle(size=50).encode(
        alt.X("in truth:Q", title=f"in truth: {quantity.title}").scale(zero=False),
        alt.Y("predicted:Q", title=f"predicted: {quantity.title}").scale(zero=False),
        tooltip=["clip", "group", "in truth", "predicted"],
    )  # fmt: skip
    st.altair_chart(
        (line.mark_line(strokeDash=[4, 4]).encode(x="truth:Q", y="truth:Q") + dots).properties(height=360),
        alt=f"Predicted and true {quantity.name}; the table below holds the numbers.",
    )
    st.caption("Dashed: where predictions are right.")
    behind(table, f"predictions of {quantity.name}")
    if other is not None:
        _differences(run, other, split)


def _predicted(run: RunLocation, split: str) -> pd.DataFrame:
    part = runs_data.get_predictions(run).only(split)
    return pd.DataFrame(
        {
            "clip": runs_data.clip_names(run, split),
            "group": part.group.astype(str),
            "in truth": part.targets[:, 0].astype(float),
            "predicted": part.scores[:, 0].astype(float),
        }
    )


def _differences(run: RunLocation, other: RunLocation, split: str) -> None:
    compared = runs_data.get_comparison(run, other, split)
    rows = [
        {
            "score": metric.title,
            "A": row.a,
            "B": row.b,
            "B - A": row.difference,
            "95 %": run_tables.say_interval(row.interval),
        }
        for metric in compared.metrics
        for row in compared.rows[metric.name]
    ]
    st.subheader("Differences")
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        f"A: {words.escape(run.name)}; B: {words.escape(other.name)}. In each resample the same "
        f"{compared.units.groups} are sampled for both. Of the mean absolute error less is better."
    )
