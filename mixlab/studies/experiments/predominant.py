"""Are networks for pictures, and ImageNet's weights, good for predominant instruments? Zhong et al."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from mixlab.studies.base import Data, Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.findings import MULTIPLE_COMPARISONS
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.predominant.claims import (
    aggregation_lines,
    conversion_lines,
    start_lines,
    threshold_lines,
)
from mixlab.studies.predominant.grid import TASK, PredominantSettings, predominant_conditions
from mixlab.studies.predominant.paper import NOTES
from mixlab.studies.predominant.tables import aggregation_table, conversion_table, network_table
from mixlab.studies.results import StudyResults
from mixlab.studies.tables import class_table, summary_table
from mixlab.studies.weights import check_weights

__all__ = ["STUDY", "Predominant"]

METRICS = ("f1", "precision", "recall", "lrap", "average_precision", "roc_auc")
"""Of the table of means over classes; the paper has none of them, later ones on IRMAS do."""


class Predominant(Study):
    """ResNet18, ResNet50 and EfficientNet-Lite0 from random and from ImageNet's weights; channel conversions.

    Networks end in a sigmoid per class (``train.loss=bce``), and clips are put together by ``s1``, whatever
    the base settings say, as in the paper; ``s2`` is computed from the same predictions. All weights are
    trained at one rate: ``train.lr_backbone`` should be ``train.lr_head``, as the paper names one.
    """

    name = "predominant"
    title = "Predominant instruments with networks for pictures: what are ImageNet's weights worth?"
    about = "ResNets and EfficientNet-Lite0, pretrained or random; duplicate, zero padding and stereo"
    paper = "Zhong, Saito and Minematsu, Fine-tuning ImageNet pre-trained models for predominant instruments"
    data: tuple[Data, ...] = ("clips", "mixes")
    task_names = (TASK,)
    Settings: ClassVar[type[Any]] = PredominantSettings

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return networks by start, then conversions, then all by the threshold of test."""
        settings: PredominantSettings = self.settings_of(request)
        return predominant_conditions(request, settings)

    def plan(self, request: StudyRequest) -> Plan:
        """Return the conditions, with a sigmoid per class and clips as means over windows."""
        train = replace(request.train, loss="bce")
        windows = replace(request.windows, aggregation="s1")
        return super().plan(replace(request, train=train, windows=windows))

    def check(self, plan: Plan) -> None:
        """Refuse weights that are not here, before anything is trained."""
        check_weights(plan)

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return the paper's tables, what stands beside them, and what becomes of its claims."""
        on_clips = any(c.condition.task for c in results.conditions)
        findings = [*start_lines(results), *conversion_lines(results)]
        findings += aggregation_lines(results) if on_clips else []
        findings += [*threshold_lines(results), MULTIPLE_COMPARISONS]
        own = replace(results, conditions=tuple(c for c in results.done if not c.condition.same_runs_as))
        conversions = conversion_table(results)
        tables = [
            *([conversions] if conversions is not None else []),
            summary_table(own, METRICS, title="thresholds of validation, macro and by rank"),
            *([aggregation_table(results)] if on_clips else []),
            class_table(own, own.done, "f1"),
        ]
        note = figure_note(results, "Thresholds of validation.")
        metrics = ("micro_f1", "f1", "lrap", "average_precision")
        return Report(
            lead=network_table(results),
            findings=tuple(findings),
            paper=NOTES,
            tables=tuple(tables),
            references=own.done[:1],
            figures=draw(figure=lambda f: f.score_dots(own, metrics=metrics, note=note)),
        )


STUDY = Predominant()
