"""What the study says of the paper's claims, by intervals."""

from mixlab.studies.claims import claim_line, untold
from mixlab.studies.findings import difference_line
from mixlab.studies.predominant.aggregation import divided_result
from mixlab.studies.predominant.grid import ORACLE, name_of, title_of
from mixlab.studies.predominant.tables import own_conditions, trained
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference

__all__ = ["aggregation_lines", "conversion_lines", "start_lines", "threshold_lines"]

F1 = "micro_f1"
"""The paper's score."""

BOTH = {F1: "micro F1", "average_precision": "macro AP"}
"""The paper's, and one that needs no threshold."""


def _minus(results: StudyResults, a: str, b: str, claim: str) -> list[str]:
    """Say of a claim that a is better than b, by both scores."""
    better, worse = results.condition(a), results.condition(b)
    if better is None or worse is None:
        return [untold(claim, "Not both are trained.")]
    what = f"'{better.condition.label}' minus '{worse.condition.label}'"
    return [
        claim_line(f"{claim}, {title}", what, condition_difference(worse, better, metric))
        for metric, title in BOTH.items()
    ]


def start_lines(results: StudyResults) -> list[str]:
    """Say of each network whether ImageNet's weights are worth something."""
    networks = dict.fromkeys(c.condition.values["network"] for c in own_conditions(results))
    lines = [
        line
        for network in networks
        for line in _minus(
            results,
            name_of(network, "pretrained"),
            name_of(network, "random"),
            f"{title_of(network)} gains from ImageNet's weights",
        )
    ]
    why = (
        "The network of its reference [2] is not trained here; the study architectures has others that were "
        "made for music."
    )
    return [*lines, untold("networks for pictures beat the baseline of Han et al.", why)]


def conversion_lines(results: StudyResults) -> list[str]:
    """Say whether duplication is the best conversion."""
    lines = []
    for one in own_conditions(results):
        values = one.condition.values
        if values["conversion"] == "duplicate":
            continue
        other = values["conversion"].replace("_", " ")
        same = name_of(values["network"], values["start"])
        lines += _minus(results, same, one.condition.name, f"duplication is better than {other}")
    return lines


def aggregation_lines(results: StudyResults) -> list[str]:
    """Say how s1 and s2 differ, at honest thresholds."""
    own = trained(results, conversions=True)
    return [
        claim_line(
            f"s1 is slightly better than s2, {one.condition.label}",
            "s1 minus s2, micro F1",
            condition_difference(divided_result(results, one), one, F1),
        )
        for one in own
    ]


def threshold_lines(results: StudyResults) -> list[str]:
    """Say what choosing the threshold on test adds."""
    lines = []
    for one in trained(results):
        oracle: ConditionResult | None = results.condition(one.condition.name + ORACLE)
        if oracle is not None:
            e = condition_difference(one, oracle, F1)
            what = f"what a threshold chosen on test adds to micro F1, {one.condition.label}"
            lines.append(difference_line(what, e))
    return lines
