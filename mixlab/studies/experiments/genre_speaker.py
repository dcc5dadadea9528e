"""Genre and speaker, both ways: what a network trained on one task is worth for the other.

Huang, He and Xu, "Curious Case of Transfer Learning in Audio Domain" (University of Toronto).

Where the paper leaves something open, or its text and its code differ:

- Its text retrains only the last layer, of both networks; its code trains all weights of RawNet2. Here only
  the last layer is retrained, and every run's card says which weights moved.
- RawNet2 starts from its authors' weights of 6,112 speakers there. They are not at hand, and were trained
  with another version of the network; here it is trained on the speakers of the study.
- It pads sentences to 30 s and cuts 19 windows, most of which are silence then: scored window by window, even
  a perfect recogniser of a 4 s sentence would be right on few of them. Here the windows of a sentence lie
  within it, and what a window lacks is filled with the sentence once more (``windows.padding``).
- Both networks are scored alike: by the mean over the windows of whole clips.
- Its random tenth puts other tracks of the same artists on both sides; here groups are never divided.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mixlab.studies.base import Data, Report, Study, StudyRequest, can_draw, draw, figure_note
from mixlab.studies.findings import MULTIPLE_COMPARISONS
from mixlab.studies.folder import StudyFolder
from mixlab.studies.genre_speaker.claims import claim_lines
from mixlab.studies.genre_speaker.grid import METRIC, TASKS, GenreSpeakerSettings, genre_speaker_conditions
from mixlab.studies.genre_speaker.paper import FACTS
from mixlab.studies.genre_speaker.tables import (
    IN_TABLE_3,
    condition_in_table_3,
    confusion_table,
    methods_table,
    table_3,
)
from mixlab.studies.plan import Condition
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.tables import class_table, differences_table, summary_table

__all__ = ["STUDY", "GenreSpeaker"]


class GenreSpeaker(Study):
    """The STFT ConvNet and RawNet2, trained on one task, their last layer retrained on the other."""

    name = "genre_speaker"
    title = "Genre and speaker: is a network of one task worth something for the other?"
    about = (
        "ConvNet and RawNet2 trained on genres and on speakers; the last layer retrained on the other task"
    )
    paper = "Huang, He and Xu, Curious Case of Transfer Learning in Audio Domain"
    data: tuple[Data, ...] = ("clips",)
    task_names = TASKS
    Settings: ClassVar[type[Any]] = GenreSpeakerSettings

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions of both tasks."""
        settings: GenreSpeakerSettings = self.settings_of(request)
        return genre_speaker_conditions(settings)

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        shown = _in_table_3(results)
        firsts = [own.done[0] for own in results.by_task()]
        return Report(
            lead=table_3(results),
            findings=(*claim_lines(results), MULTIPLE_COMPARISONS),
            paper=FACTS,
            tables=(
                methods_table(results),
                *(class_table(own, own.done, "recall") for own in results.by_task()),
                *(confusion_table(c) for c in shown),
                *(differences_table(results, first, (METRIC, "recall")) for first in firsts),
                summary_table(results, (METRIC, "f1")),
            ),
            references=tuple(firsts),
            figures=_figures(results, shown),
        )


STUDY = GenreSpeaker()


def _in_table_3(results: StudyResults) -> list[ConditionResult]:
    """Return the conditions that stand for the entries of Table 3, as far as they are done."""
    found = [results.condition(condition_in_table_3(network, task)) for network, task in IN_TABLE_3]
    return [c for c in found if c is not None]


def _figures(results: StudyResults, shown: list[ConditionResult]) -> dict[str, Mapping[str, bytes]]:
    """Draw accuracies and confusion matrices; {} where nothing can be drawn."""
    if not can_draw():
        return {}
    from mixlab.studies.genre_speaker import figures as own

    note = figure_note(results)
    drawn = draw(figure=lambda _: own.accuracy_dots(results, note=note))
    if shown:
        drawn |= draw(confusion=lambda _: own.confusion_maps(results, shown, note=results.note))
    return drawn
