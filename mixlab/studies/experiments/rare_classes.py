"""What brings the rare classes up? One factor at a time."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mixlab.studies.base import Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.experiments.leakage import leakage_lines
from mixlab.studies.findings import MULTIPLE_COMPARISONS, significantly_better
from mixlab.studies.folder import StudyFolder
from mixlab.studies.paper_results import FIG_3, WEAK
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.results import ConditionResult, StudyResults, class_values, condition_difference
from mixlab.studies.statistics import Estimate
from mixlab.studies.tables import class_table, differences_table, summary_table

__all__ = ["STUDY", "RareClasses", "rare_columns", "split_lines"]

RARE_PREVALENCE = 0.15
"""A class present in fewer of the validation mixes than this counts as rare."""


MIN_RARE = 3


class RareClasses(Study):
    """Balance, masked labels, fitted thresholds and splits, each alone against the base."""

    name = "rare_classes"
    title = "What brings the rare classes up? One factor at a time"
    about = "what balance, masked labels, thresholds and artist-safe splits each bring the rare classes"
    options = ("balance",)

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions."""
        paper = {"mix.balance": 0.0, "mix.uncertain": "absent"}
        balanced = {"mix.balance": request.balance}
        return (
            Condition(name="base", label="base: as the paper trains", overrides=paper, threshold="half"),
            Condition(name="balance", label="+ balance", overrides={**paper, **balanced}, threshold="half"),
            Condition(
                name="masked",
                label="+ masked labels",
                overrides={**paper, "mix.uncertain": "mask"},
                threshold="half",
            ),
            Condition(name="thresholds", label="+ fitted thresholds", same_runs_as="base"),
            Condition(name="all", label="all three", overrides={**balanced, "mix.uncertain": "mask"}),
            Condition(
                name="random",
                label="base on random splits",
                overrides=paper,
                threshold="half",
                splits="random",
            ),
        )

    def plan(self, request: StudyRequest) -> Plan:
        """Return the conditions; for all of them what is uncertain does not count in the test's targets."""
        return replace(super().plan(request), mix=replace(request.mix, uncertain="mask", balance=0.0))

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        base, first, note = results.condition("base"), results.done[0], figure_note(results)
        columns = rare_columns(results, base or first)
        findings = ["the base is not done, so factors have nothing to be compared with yet"]
        tables = [summary_table(results, ("f1", "average_precision", "micro_f1", "loss"))]
        if base is not None:
            findings = rare_lines(results, base, columns)
            tables.append(differences_table(results, base, ("f1", "average_precision", "micro_f1")))
        random = results.condition("random")
        if base is not None and random is not None:
            findings += split_lines(base, random)
        return Report(
            lead=class_table(results, results.done, "f1", columns),
            findings=tuple(findings),
            paper=(FIG_3,),
            tables=(*tables, class_table(results, results.done, "average_precision", columns)),
            references=() if base is None else (base,),
            figures=draw(
                figure=lambda f: f.class_dots(results, results.done, columns, note=note),
                classes=lambda f: f.class_bars(results, results.done, note=note),
            ),
        )


STUDY = RareClasses()


def rare_columns(results: StudyResults, condition: ConditionResult) -> list[int]:
    """Return the classes to bring up, rarest first.

    Those with a prevalence below ``RARE_PREVALENCE``, the ``MIN_RARE`` rarest, and those that the paper
    recognises badly.
    """
    validation_prevalence = class_values(condition.test.runs, "validation_prevalence")
    order = [int(c) for c in np.argsort(validation_prevalence, kind="stable")]
    return [
        c
        for k, c in enumerate(order)
        if k < MIN_RARE or validation_prevalence[c] < RARE_PREVALENCE or results.labels[c] in WEAK
    ]


def rare_lines(results: StudyResults, reference: ConditionResult, columns: Sequence[int]) -> list[str]:
    """Say for every factor what it brings every rare class, in F1, where that is significant."""
    lines = []
    for c in results.done:
        if c is reference or not results.paired(reference, c):
            continue
        parts = []
        for column in columns:
            e = condition_difference(reference, c, "f1", column)
            if not math.isfinite(e.value):
                parts.append(f"{results.labels[column]} undefined")
                continue
            parts.append(f"{results.labels[column]} {e.value:+.3f}{_significance_mark(e)}")
        lines.append(f"{c.condition.label}, F1 against '{reference.condition.label}': {', '.join(parts)}")
    lines.append(
        "'*' stands where the difference is significant at 95 % over songs and over seeds, '(songs)' where "
        "it is over songs and one seed leaves no other interval; " + MULTIPLE_COMPARISONS
    )
    return lines


def _significance_mark(e: Estimate) -> str:
    if not e.significant:
        return ""
    return " (songs)" if e.seeds is None else "*"


def split_lines(base: ConditionResult, random: ConditionResult) -> list[str]:
    """Say what random splits promise, in a study of what brings classes up."""
    lines = leakage_lines(base, random, "base on random splits minus on the catalog's own")[:2]
    e = condition_difference(base, random, "average_precision")
    return [
        *lines,
        "artist-safe splits bring a score that holds for new artists, not a higher one: random splits, "
        "scored on songs of their own, "
        + ("promise more" if significantly_better(e) else "do not promise significantly more here")
        + ", by macro AP",
    ]
