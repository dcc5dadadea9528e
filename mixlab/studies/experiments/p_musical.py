"""The share of musical mixes: the paper's Fig. 2."""

from collections.abc import Sequence
from dataclasses import replace

from mixlab.studies.base import MAIN_METRICS, Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.curves import P_MUSICAL, Axis
from mixlab.studies.findings import optimum_lines
from mixlab.studies.folder import StudyFolder
from mixlab.studies.grids import grid_conditions
from mixlab.studies.paper_results import FIG_2
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.results import StudyResults
from mixlab.studies.tables import class_table, differences_table, summary_table

__all__ = ["STUDY", "PMusical"]


class PMusical(Study):
    """Scores against the share of musical mixes."""

    name = "p_musical"
    title = "How many mixes should be musical? (the paper's Fig. 2)"
    about = "score against the share of musical mixes (Fig. 2)"
    options = ("grid",)

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions."""
        return [
            replace(condition, name=f"p{condition.values[P_MUSICAL]:g}")
            for condition in grid_conditions(_vary(request))
        ]

    def plan(self, request: StudyRequest) -> Plan:
        """Return the conditions as a grid."""
        return replace(super().plan(request), vary=_vary(request))

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        axis = Axis(P_MUSICAL, "p_musical", numeric=True)
        own = [c for c in results.done if P_MUSICAL in c.condition.values]
        ordered = sorted(own, key=lambda c: float(c.condition.values[P_MUSICAL]))
        note = figure_note(results, "Dotted line: the optimum in the paper's Fig. 2, 0.4.")
        return Report(
            lead=summary_table(results, MAIN_METRICS),
            findings=tuple(optimum_lines(ordered, P_MUSICAL)),
            paper=(FIG_2,),
            tables=(
                differences_table(results, results.done[0], MAIN_METRICS),
                class_table(results, results.done, "average_precision"),
            ),
            references=(results.done[0],),
            figures=draw(
                figure=lambda f: f.curves(results, axis, mark=0.4, note=note),
                classes=lambda f: f.class_curves(
                    results, axis, "average_precision", note=figure_note(results)
                ),
            ),
        )


def _vary(request: StudyRequest) -> dict[str, tuple[float, ...]]:
    return {P_MUSICAL: tuple(float(p) for p in request.grid)}


STUDY = PMusical()
