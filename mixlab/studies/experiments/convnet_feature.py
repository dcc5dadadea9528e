"""The convnet feature: activations of every block of a trained network, for other tasks.

Choi's thesis (2018), chapter 6; Choi, Fazekas, Sandler and Cho, "Transfer learning for music classification
and regression tasks" (ISMIR 2017).

Where this departs from them, or they leave something open:

- Their source is tagging of the Million Song Dataset by a network of five blocks; its audio cannot be had.
  Here the source network is trained in the study, on clips of a task ``source`` or on mixes, or is given.
- Their six target tasks are Extended Ballroom, GTZAN genre, GTZAN speech and music, EmoMusic (arousal and
  valence), Jamendo singing voice, and UrbanSound8K. Any labelled clips are a target here, by their classes or
  by a number (``tasks.NAME.value``), which support vector regression predicts and R2 judges, as theirs.
- Support vector machines are chosen on validation clips of other groups; theirs by ten-fold cross-validation
  over clips, whose best score is also what they report, which flatters. Features are always standardised;
  they choose whether. Their linear kernel is left out: a wide radial one comes to it.
- Their figures print scores as bars; the text of the thesis that is at hand states none, so no numbers stand
  beside ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mixlab.evaluation.regression import NUMBER_METRICS
from mixlab.models import ModelConfig, block_names, build_model
from mixlab.models.pretrained import find_weights, identify
from mixlab.studies.base import Data, Report, Study, StudyRequest, can_draw, figure_note
from mixlab.studies.convnet_feature.claims import claim_lines
from mixlab.studies.convnet_feature.conditions import ConvnetFeatureSettings, all_conditions, name_of
from mixlab.studies.convnet_feature.tables import layer_table, lead_table, results_by_task
from mixlab.studies.findings import MULTIPLE_COMPARISONS
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition
from mixlab.studies.results import StudyResults
from mixlab.studies.tables import differences_table, summary_table
from mixlab.training.baselines.config import RANDOM
from mixlab.training.run import Run
from mixlab.training.transfer import settings_of_model
from mixlab.utils.plain import plain

__all__ = ["STUDY", "ConvnetFeature"]


class ConvnetFeature(Study):
    """Every combination of a network's blocks, MFCC, and a random network, on several tasks."""

    name = "convnet_feature"
    title = "Which blocks of a trained network make a feature for other tasks?"
    about = "all combinations of a source network's blocks, MFCC and a random network, on several tasks"
    paper = "Choi 2018, Deep Neural Networks for Music Tagging, chapter 6 (also ISMIR 2017)"
    data: tuple[Data, ...] = ("clips",)
    numbers = True
    Settings: ClassVar[type[Any]] = ConvnetFeatureSettings

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the source network, and the classifiers of every target task."""
        settings: ConvnetFeatureSettings = self.settings_of(request)
        model = _model(settings.weights, request)
        n_blocks = len(block_names(build_model(model, 2)))
        return all_conditions(request.tasks, settings, plain(model), n_blocks)

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, the figure and findings."""
        by_task = results_by_task(results)
        mfcc = {task: own.condition(name_of(task, "mfcc")) for task, own in by_task.items()}
        metrics = ("accuracy", "average_precision", "f1", *NUMBER_METRICS)
        tables = [layer_table(results)]
        for task, own in by_task.items():
            measured = [name for name in metrics if name in {metric.name for metric in own.metrics}]
            reference = mfcc[task]
            tables.append(summary_table(own, measured, title=f"{_about(task, results)}, test scores"))
            if reference is not None:
                tables.append(differences_table(own, reference, measured))
        return Report(
            lead=lead_table(results),
            findings=(*claim_lines(results), MULTIPLE_COMPARISONS),
            tables=tuple(tables),
            references=tuple(c for c in mfcc.values() if c is not None),
            figures=_figures(results),
        )


STUDY = ConvnetFeature()


def _model(weights: str, request: StudyRequest) -> ModelConfig:
    """Return the settings of the source network: those of given weights, else of the training."""
    if weights in ("", RANDOM):
        return request.train.model
    path = find_weights(weights)
    if path.is_dir():
        return settings_of_model(Run.open(path))
    known = identify(path)
    return request.train.model if known is None or known.picture_size else known.model


def _about(task: str, results: StudyResults) -> str:
    """Return a task's name, and where it is one of numbers, what they are."""
    value = next((one.value for one in results.data.tasks if one.name == task), "")
    return f"{task}: {value}" if value else task


def _figures(results: StudyResults) -> dict[str, Mapping[str, bytes]]:
    """Return the figure; {} where it cannot be drawn."""
    if not can_draw() or not results_by_task(results):
        return {}
    from mixlab.evaluation.charts import files
    from mixlab.studies.convnet_feature.figures import feature_dots

    return {"figure": files(feature_dots(results, note=figure_note(results)))}
