"""Runs and published weights on sound that mixlab did not mix: the reports of ``mixlab evaluate-on``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import texts as words
from app.components import run_tables
from app.components.theme import palette
from app.data import runs as runs_data
from app.views.runs_classes import behind, show_scores
from mixlab.evaluation import SplitScores
from mixlab.evaluation.charts import UNIT, dots

if TYPE_CHECKING:
    from mixlab.inference.benchmark import ExternalReport
    from mixlab.studies.locations import FoundReports

__all__ = ["external", "published"]

ALL = "all"
AP = "average_precision"


def published(found: "FoundReports") -> None:
    """Show what published weights score on external test sets, as their reports say.

    Args:
        found: The reports.
    """
    reports = runs_data.read_reports(found.files)
    models = [report.model for report in reports.values() if not isinstance(report, str) and report.model]
    scored_by = f"Scored by {words.escape(models[0])}. " if models else ""
    st.caption(f"{scored_by}Reports of `mixlab evaluate-on` in {words.escape(str(found.path))}")
    external(reports)


def external(reports: "Mapping[str, ExternalReport | str]") -> None:
    """Show scores on external test sets.

    Args:
        reports: The reports by name; of one that cannot be read, why.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = row.selectbox("Test set", list(reports), key="external", bind="query-params", width=330)
    report = reports.get(str(name))
    if report is None:
        st.error("This report is not there any more. Choose another one.")
        return
    if isinstance(report, str):
        st.error(words.escape(report))
        return
    parts = {ALL: report.tables, **{part.name: part.tables for part in report.apart}}
    chosen = ALL
    if report.apart:
        chosen = str(
            row.segmented_control(
                "Clips", list(parts), default=ALL, key="part", bind="query-params", required=True,
                width="content", help="Solos: one family sounds. Mixes: several do.",
            )
        )  # fmt: skip
    tables = parts.get(chosen, report.tables)
    first = next(iter(tables.values()), None)
    counted = f"{first.n_items:,} clips of {first.n_groups:,} groups · " if first else ""
    st.caption(f"{counted}{words.escape(report.source)}")
    if report.note:
        st.caption(f"**{words.escape(report.note)}**")
    for title, scores in tables.items():
        _table(title, scores)
    _remarks(report)


def _table(title: str, scores: SplitScores) -> None:
    from mixlab.inference.benchmark import TABLES

    st.subheader(title.replace("_", " "), divider="gray")
    mean = scores.scores[AP]
    show_scores([("macro AP", mean)])
    table = run_tables.external_table(scores)
    st.altair_chart(
        dots(
            run_tables.external_dots(scores), [k.name for k in scores.classes], "AP", scale=UNIT,
            more={"positive": "positive:d"}, undefined="undefined: no clip is known to hold it",
            colours=palette(),
        ),
        alt=f"Average precision of {title} with 95 % intervals; the table below holds the numbers.",
    )  # fmt: skip
    st.caption(
        f"{TABLES[title].capitalize()}. Dot: AP; line: its 95 % interval over {scores.units.groups}; grey "
        "tick: the prevalence, which is the AP of the same score for every clip (macro "
        f"{run_tables.figure(mean.chance)})."
    )
    behind(table, title.replace("_", " "))


def _remarks(report: "ExternalReport") -> None:
    from mixlab.inference.benchmark_text import say_missing
    from mixlab.inference.scorer import said_of_thresholds

    said = list(report.notes)
    if report.thresholds_from:  # earlier versions did not say it
        said.append(
            f"What needs thresholds was decided at thresholds {said_of_thresholds(report.thresholds_from)}."
        )
    if report.not_evaluable:
        said.append(f"No output says anything of {', '.join(report.not_evaluable)}.")
    if report.missing:
        said.append(f"{say_missing(report)}.")
    for text in said:
        st.caption(words.escape(text))
    if report.problems:
        clips = "1 clip" if len(report.problems) == 1 else f"{len(report.problems):,} clips"
        st.warning(f"{clips} could not be read.")
        behind(pd.DataFrame({"clip": report.problems}), "clips that could not be read")
