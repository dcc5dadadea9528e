"""What does preprocessing of the spectrogram do? Choi's thesis (2018), chapter 5."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mixlab.errors import MixlabError
from mixlab.studies.base import Data, Report, Study, StudyRequest, can_draw, draw, figure_note
from mixlab.studies.findings import MULTIPLE_COMPARISONS
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition
from mixlab.studies.preprocessing.claims import (
    histogram_lines,
    log_lines,
    scale_lines,
    size_lines,
    weighting_lines,
)
from mixlab.studies.preprocessing.excerpts import Excerpts, measure_excerpts
from mixlab.studies.preprocessing.first_bias import bias_lines, bias_table, first_biases
from mixlab.studies.preprocessing.grid import (
    METRIC,
    TASK,
    PreprocessingSettings,
    name_of,
    preprocessing_conditions,
)
from mixlab.studies.preprocessing.tables import grid_table, size_table
from mixlab.studies.results import StudyResults
from mixlab.studies.tables import differences_table, summary_table

__all__ = ["STUDY", "Preprocessing"]

METRICS = (METRIC, "average_precision")


class Preprocessing(Study):
    """Magnitude x weighting of frequencies x scale, and decibels against power with less data.

    Every excerpt is standardised in all conditions, as in the thesis. A smaller training set is trained on
    for as many steps as the whole: on clips for more epochs, on mixes because epochs keep their size.
    """

    name = "preprocessing"
    title = "What does preprocessing of the spectrogram do?"
    about = "decibels or power, three weightings of frequencies, x1 or x10; decibels and power with less data"
    paper = "Choi 2018, Deep Neural Networks for Music Tagging, chapter 5 (also EUSIPCO 2018)"
    data: tuple[Data, ...] = ("clips", "mixes")
    task_names = (TASK,)
    Settings: ClassVar[type[Any]] = PreprocessingSettings

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the grid, then the smaller training sets."""
        settings: PreprocessingSettings = self.settings_of(request)
        return preprocessing_conditions(request, settings)

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        findings = [*weighting_lines(results), *scale_lines(results), *log_lines(results)]
        findings += [*size_lines(results), MULTIPLE_COMPARISONS]
        biases = first_biases(results)
        findings += bias_lines(biases)
        excerpts = None
        try:
            excerpts = measure_excerpts(folder)
            findings += histogram_lines(excerpts)
        except MixlabError as error:
            findings.append(f"magnitudes of training excerpts are not shown: {error}")
        base = results.condition(name_of("decibel", "bypass"))
        tables = [size_table(results), summary_table(results, METRICS)]
        if biases:
            tables.insert(1, bias_table(biases))
        if base is not None:
            tables.append(differences_table(results, base, METRICS))
        return Report(
            lead=grid_table(results),
            findings=tuple(findings),
            tables=tuple(tables),
            references=() if base is None else (base,),
            figures=_figures(results, excerpts),
        )


STUDY = Preprocessing()


def _figures(results: StudyResults, excerpts: Excerpts | None) -> dict[str, Mapping[str, bytes]]:
    """Draw the thesis's Figs. 5.5, 5.6 and 5.4; {} where nothing can be drawn."""
    if not can_draw():
        return {}
    from mixlab.studies.preprocessing import figures as own

    note = figure_note(results)
    drawn = draw(
        figure=lambda _: own.grid_bars(results, note=note),
        sizes=lambda _: own.size_curves(results, note=note),
    )
    if excerpts is not None:
        drawn |= draw(
            histograms=lambda _: own.histograms(excerpts, note=results.note),
            spectra=lambda _: own.spectra(excerpts, note=results.note),
        )
    return drawn
