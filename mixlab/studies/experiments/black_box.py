"""What a frozen network for pictures tells of music, and what loudness has to do with it.

Shtern, Ejaz and Tzerpos, "Transfer Learning in Neural Networks: An Experience Report" (CASCON 2017).

Where the paper leaves something open:

- It does not say how its clips are divided. TensorFlow's ``retrain``, which it used, divides files at random,
  10 % each for validation and test; here parts of one recording, artist or speaker stay together, so that
  accuracies are lower and honest.
- Its baseline is Marsyas with a random forest at settings it does not state; here it is librosa's features of
  the same kinds, and scikit-learn's forest.
- Its spectrograms have 12 bands per octave; their range is not stated. The configurations take what the
  network's front end has, and whole clips as one picture each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from mixlab.corpora.clips import ClipsConfig, open_clips
from mixlab.errors import MixlabError
from mixlab.studies.base import Data, Report, Study, StudyRequest, can_draw, figure_note
from mixlab.studies.black_box.claims import claim_lines
from mixlab.studies.black_box.conditions import (
    BlackBoxSettings,
    all_conditions,
    all_tasks,
    made_tasks,
    name_of,
)
from mixlab.studies.black_box.tables import (
    METRIC,
    ClassLoudness,
    class_loudness,
    follow_up_table,
    loudness_table,
    main_table,
    own_tasks,
)
from mixlab.studies.folder import StudyFolder
from mixlab.studies.loudness import measure_loudness
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.results import StudyResults
from mixlab.studies.tables import summary_table
from mixlab.studies.weights import check_weights
from mixlab.training.config import from_plain
from mixlab.utils.plain import plain

__all__ = ["STUDY", "BlackBox"]


class BlackBox(Study):
    """A network for pictures with a new last layer, beside a forest; clips as recorded and at full scale."""

    name = "black_box"
    title = "What does a network for pictures tell of music, as a black box?"
    about = (
        "frozen network for pictures and forest, as recorded and at 0 dBFS; by size and loudness of classes"
    )
    paper = "Shtern, Ejaz and Tzerpos 2017, Transfer Learning in Neural Networks: An Experience Report"
    data: tuple[Data, ...] = ("clips",)
    Settings: ClassVar[type[Any]] = BlackBoxSettings

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return two levels by two classifiers per task, the controls, and the experiments of section 6."""
        settings: BlackBoxSettings = self.settings_of(request)
        own = [task for task in request.tasks if task not in made_tasks(settings)]
        return all_conditions(own, settings, plain(request.train.model))

    def plan(self, request: StudyRequest) -> Plan:
        """Return the conditions on the tasks of the request and those that are made of one of them."""
        return super().plan(replace(request, tasks=all_tasks(request.tasks, self.settings_of(request))))

    def check(self, plan: Plan) -> None:
        """Refuse weights that are not here, before anything is trained."""
        check_weights(plan)

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        loudness, problems = _loudness(folder, results)
        tables = [follow_up_table(results), loudness_table(loudness) if loudness else None]
        references = (results.condition(name_of(t, "network", "normalised")) for t in own_tasks(results))
        return Report(
            lead=main_table(results),
            findings=(*claim_lines(results, loudness), *problems),
            tables=(*(table for table in tables if table), summary_table(results, (METRIC, "f1"))),
            references=tuple(c for c in references if c is not None),
            figures=_figures(results, loudness),
        )


STUDY = BlackBox()


def _loudness(
    folder: StudyFolder, results: StudyResults
) -> tuple[dict[str, tuple[ClassLoudness, ...]], list[str]]:
    """Return the loudness of each task's classes, and what was in the way."""
    stored, found, problems = folder.read_state().base.get("tasks", {}), {}, list[str]()
    for task in own_tasks(results):
        try:
            clips = open_clips(from_plain(ClipsConfig, dict(stored[task])))
            levels = measure_loudness(clips, folder.path / "features")
        except MixlabError as error:
            problems.append(f"{task}: its loudness is not shown: {error}")
            continue
        found[task] = class_loudness(clips, levels)
        if levels.unreadable:
            problems.append(f"{task}: {len(levels.unreadable)} clips are not in the table of loudness")
    return found, problems


def _figures(
    results: StudyResults, loudness: Mapping[str, Sequence[ClassLoudness]]
) -> dict[str, Mapping[str, bytes]]:
    """Return the paper's Figures 4 and 5, and loudness as bars; {} where they cannot be drawn."""
    if not can_draw():
        return {}
    from mixlab.evaluation.charts import files
    from mixlab.studies.black_box.figures import accuracy_bars, loudness_bars

    note = figure_note(results)
    drawn = {
        "network": accuracy_bars(
            results, "network", "Network for pictures (as the paper's Fig. 4)", note=note
        ),
        "forest": accuracy_bars(results, "forest", "Features and forest (as the paper's Fig. 5)", note=note),
    }
    if loudness:
        drawn["loudness"] = loudness_bars(loudness, note=results.note)
    return {name: files(chart) for name, chart in drawn.items()}
