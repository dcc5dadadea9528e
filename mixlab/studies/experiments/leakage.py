"""What do random splits flatter?"""

from collections.abc import Sequence

import numpy as np

from mixlab.catalog.splits import find_leaks
from mixlab.evaluation.metrics import METRICS
from mixlab.evaluation.report import Table
from mixlab.studies.base import Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.findings import difference_line
from mixlab.studies.folder import StudyFolder
from mixlab.studies.paper_results import SECTION_2_2
from mixlab.studies.plan import Condition
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference
from mixlab.studies.statistics import ConditionScores, RunScores, score_run
from mixlab.studies.tables import class_table, differences_table, score_text, summary_table
from mixlab.training import open_catalog
from mixlab.training.run import Run

__all__ = ["STUDY", "Leakage", "leakage_lines", "relatives_table"]


class Leakage(Study):
    """Artist-safe and random splits, divided anew for every seed."""

    name = "leakage"
    title = "What do random splits flatter?"
    about = "what random splits flatter"

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions."""
        return (
            Condition(name="artist", label="artist-safe splits", splits="artist"),
            Condition(name="random", label="random splits", splits="random"),
        )

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        safe, leaky = results.condition("artist"), results.condition("random")
        findings, tables = ["one of the two ways of splitting is not done yet"], list[Table]()
        if safe is not None and leaky is not None:
            findings = leakage_lines(safe, leaky)
            tables.append(differences_table(results, safe))
            tables.append(relatives_table(leaky, results.n_resamples))
        note = figure_note(results)
        return Report(
            lead=summary_table(results, ("f1", "average_precision", "roc_auc", "micro_f1", "loss")),
            findings=tuple(findings),
            paper=(SECTION_2_2,),
            tables=(*tables, class_table(results, results.done, "f1")),
            references=() if safe is None else (safe,),
            figures=draw(figure=lambda f: f.class_bars(results, results.done, note=note)),
        )


STUDY = Leakage()


def leakage_lines(
    safe: ConditionResult, leaky: ConditionResult, name: str = "random minus artist-safe splits"
) -> list[str]:
    """Say how much higher random splits score."""
    lines = []
    for metric in ("average_precision", "f1", "roc_auc"):
        e = condition_difference(safe, leaky, metric)
        lines.append(difference_line(f"{name}, {METRICS[metric].mean_title}", e))
    lines.append(
        "the two are scored on different songs, so the difference holds the songs' difficulty as well; every "
        "seed divides the songs anew, which evens that out only in the mean"
    )
    return lines


def relatives_table(leaky: ConditionResult, n_resamples: int) -> Table:
    """Score the runs on random splits apart: test songs with a relative elsewhere, and those without."""
    parts: dict[str, dict[int, RunScores]] = {"related": {}, "unrelated": {}}
    counts = {"related": 0, "unrelated": 0}
    for seed, path in leaky.runs.items():
        run = Run.open(path)
        catalog = open_catalog(run)
        leaks = find_leaks(catalog.songs(), catalog.split_songs()).leaks
        related = {song for leak in leaks for song in leak.songs.get("test", ())}
        predictions = run.predictions()
        known = np.array([str(g) in related for g in predictions.only("test").group], np.bool_)
        for name, rows in (("related", known), ("unrelated", ~known)):
            if rows.any():
                parts[name][seed] = score_run(predictions, only=rows, n_resamples=n_resamples)
                counts[name] += len({str(g) for g in predictions.only("test").group[rows]})
    lines, metrics = [], ("f1", "average_precision", "roc_auc")
    for name, label in (
        ("related", "test songs whose artist or group is elsewhere too"),
        ("unrelated", "test songs without a relative elsewhere"),
    ):
        scores = ConditionScores(parts[name], leaky.test.wanted)
        conditions = (score_text(scores.of(metric)) for metric in metrics)
        lines.append((label, str(counts[name]), *conditions))
    title = "random splits, taken apart: what a relative in training is worth (other songs, so not paired)"
    header = ("scored on", "songs", *(METRICS[metric].mean_title for metric in metrics))
    return Table(title, header, tuple(lines), 0)
