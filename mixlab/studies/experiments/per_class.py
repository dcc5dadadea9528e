"""Which classes are detected: the paper's Fig. 3."""

import math
from collections.abc import Sequence

from mixlab.studies.base import Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.findings import MULTIPLE_COMPARISONS
from mixlab.studies.folder import StudyFolder
from mixlab.studies.paper_results import FIG_3
from mixlab.studies.plan import Condition
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.statistics import F1_ABOVE_CHANCE
from mixlab.studies.tables import above_chance_table, class_table, differences_table, summary_table

__all__ = ["STUDY", "PerClass", "above_chance_lines"]


class PerClass(Study):
    """F1 of every class beside its support and the chance level."""

    name = "per_class"
    title = "Which classes are detected? (the paper's Fig. 3)"
    about = "F1 of every class (Fig. 3)"
    only_also = True

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions."""
        return (Condition(name="model", label="the configuration"),)

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        first, note = results.done[0], figure_note(results)
        return Report(
            lead=class_table(results, results.done, "f1"),
            findings=tuple(above_chance_lines(results, first)),
            paper=(FIG_3,),
            tables=(
                above_chance_table(results, results.done),
                class_table(results, results.done, "average_precision"),
                summary_table(results),
                *([differences_table(results, first)] if len(results.done) > 1 else []),
            ),
            references=(first,),
            figures=draw(figure=lambda f: f.class_bars(results, results.done, note=note)),
        )


STUDY = PerClass()


def above_chance_lines(results: StudyResults, condition: ConditionResult) -> list[str]:
    """Say which classes have an F1 above that of always saying yes: on average, in each run, over songs."""
    gains = {name: condition.test.of(F1_ABOVE_CHANCE.name, c) for c, name in enumerate(results.labels)}
    defined = {name: e for name, e in gains.items() if math.isfinite(e.value)}
    judged = {name: e for name, e in defined.items() if e.songs is not None}
    runs = len(condition.test.runs)
    tests = [("on average", defined, [name for name, e in defined.items() if e.value > 0])]
    if runs > 1:
        above = [name for name, e in defined.items() if e.low > 0 and e.n_seeds == runs]
        tests.append((f"in each of {runs} runs", defined, above))
    if judged:
        where = "in the whole 95 % interval over songs, both on the same songs in each resample"
        above = [name for name, e in judged.items() if e.value > 0 and e.significant_over_songs]
        tests.append((where, judged, above))
    lines = []
    for where, of, above in tests:
        line = f"'{condition.condition.label}', F1 above that of always saying yes {where}: "
        line += f"{len(above)} of {len(of)} classes"
        missed = [name for name in of if name not in above]
        lines.append(line + (f"; not so: {', '.join(missed)}" if missed else ""))
    if judged:
        lines.append(MULTIPLE_COMPARISONS)
    if few := [name for name in defined if name not in judged]:
        lines.append(
            f"no interval over songs (too few songs hold them, or there are no resamples): {', '.join(few)}"
        )
    if undefined := [name for name in gains if name not in defined]:
        lines.append(f"undefined, as the test mixes hold none: {', '.join(undefined)}")
    return lines
