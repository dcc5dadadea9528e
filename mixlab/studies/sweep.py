"""What a grid over any settings has to say; ``mixlab sweep`` is its command."""

from mixlab.studies.base import MAIN_METRICS, Report, Study, draw, figure_note
from mixlab.studies.curves import numeric_axis
from mixlab.studies.findings import optimum_lines
from mixlab.studies.folder import StudyFolder
from mixlab.studies.results import StudyResults
from mixlab.studies.tables import class_table, differences_table, summary_table

__all__ = ["SWEEP", "Sweep"]

SWEEP = "sweep"


class Sweep(Study):
    """Every combination of values; ``mixlab.studies.plan.grid_conditions`` makes them."""

    name = SWEEP
    title = "Sweep"

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        axis, first = numeric_axis(results), results.done[0]
        note = figure_note(results)
        findings: list[str] = []
        if axis is not None:
            name = axis.name
            ordered = sorted(results.done, key=lambda c: float(c.condition.values[name]))
            drawn = draw(
                figure=lambda f: f.curves(results, axis, metrics=MAIN_METRICS, note=note),
                classes=lambda f: f.class_curves(results, axis, "average_precision", note=note),
            )
            if len(results.vary) == 1:
                findings = optimum_lines(ordered, name)
        else:
            drawn = draw(figure=lambda f: f.score_dots(results, note=note))
        return Report(
            lead=summary_table(results),
            findings=tuple(findings),
            tables=(
                differences_table(results, first),
                class_table(results, results.done, "average_precision"),
            ),
            references=(first,),
            figures=drawn,
        )
