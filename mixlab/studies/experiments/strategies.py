"""Which sources should be mixed: those of one song, of any, or of songs that fit?

After Kratimenos et al. 2019, "Augmentation methods on monophonic audio for instrument classification in
polyphonic music" (arXiv 1911.12505): there, networks that were trained on different kinds of mixes were best
together.
"""

from collections.abc import Sequence

from mixlab.mixing.config import KINDS, Kind, MixConfig
from mixlab.studies.base import MAIN_METRICS, Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.findings import best_condition, difference_line, difference_lines
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition
from mixlab.studies.results import StudyResults, condition_difference
from mixlab.studies.tables import class_table, differences_table, summary_table

__all__ = ["STUDY", "Strategies"]

_METRICS = (*MAIN_METRICS, "lrap")
_ENSEMBLE = "ensemble"
_PAIRS: tuple[tuple[Kind, Kind], ...] = (
    ("musical", "non_musical"),
    ("musical", "matched"),
    ("non_musical", "matched"),
)


class Strategies(Study):
    """Training on each kind of mix, on pairs, on all three; and the mean of the networks of each kind."""

    name = "strategies"
    title = "Which sources should be mixed?"
    about = "musical, non-musical and matched mixes, in pairs, all three, and an ensemble of one network each"

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions; all train on as many mixes."""
        return [
            *(_condition(kind, (kind,)) for kind in KINDS),
            *(_condition("_and_".join(pair), pair) for pair in _PAIRS),
            _condition("all", KINDS),
            Condition(_ENSEMBLE, "ensemble: mean of the three", mean_of=KINDS),
        ]

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        first, note = results.done[0], figure_note(results)
        return Report(
            lead=summary_table(results, _METRICS),
            findings=(*difference_lines(results, first), *ensemble_lines(results)),
            tables=(
                differences_table(results, first, _METRICS),
                class_table(results, results.done, "average_precision"),
            ),
            references=(first,),
            figures=draw(
                figure=lambda f: f.score_dots(results, note=note),
                classes=lambda f: f.class_bars(results, results.done, "average_precision", note=note),
            ),
        )


STUDY = Strategies()


def _condition(name: str, kinds: Sequence[Kind]) -> Condition:
    shares = {kind: 1.0 / len(kinds) for kind in kinds}
    label = ", ".join(kind.replace("_", "-") for kind in kinds)
    return Condition(name, label, {"mix.strategies": shares, "mix.p_musical": MixConfig.p_musical})


def ensemble_lines(results: StudyResults) -> list[str]:
    """Compare the ensemble with its best member, chosen on validation, and with the network of all kinds."""
    ensemble = results.condition(_ENSEMBLE)
    members = [found for kind in KINDS if (found := results.condition(kind)) is not None]
    if ensemble is None or len(members) < len(KINDS):
        return ["the networks of the three kinds are not all done, so there is no ensemble yet"]
    best, together = best_condition(members, "average_precision"), results.condition("all")
    lines = []
    for other in (best, together):
        if other is not None:
            for metric in ("average_precision", "lrap"):
                about = f"the ensemble against '{other.condition.label}', {results.metric(metric).title}"
                lines.append(difference_line(about, condition_difference(other, ensemble, metric)))
    return [
        *lines,
        "the ensemble is three networks: three times the weights, and three times the mixes seen",
    ]
