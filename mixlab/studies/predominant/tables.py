"""The tables of the study, in the form of the paper's."""

from collections.abc import Sequence

from mixlab.evaluation.report import Table
from mixlab.studies.paper_tables import Beside, Entry, paper_table
from mixlab.studies.predominant.aggregation import chosen_thresholds, divided_result
from mixlab.studies.predominant.grid import ORACLE, title_of
from mixlab.studies.predominant.paper import BASELINE, TABLE_1, TABLE_2, PaperScores
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.tables import score_text

__all__ = ["aggregation_table", "conversion_table", "network_table", "own_conditions", "trained"]

_METRICS = ("micro_precision", "micro_recall", "micro_f1")
_HEADER = ("threshold chosen on", "precision", "recall", "F1")
_UNKNOWN = PaperScores(float("nan"), float("nan"), float("nan"))
_THRESHOLDS = {"": "validation", ORACLE: "test (flatters)"}


def own_conditions(results: StudyResults) -> list[ConditionResult]:
    """Return the conditions that the study trains, done or not: none of runs that were made elsewhere."""
    return [c for c in results.conditions if c.condition.trains]


def trained(results: StudyResults, *, conversions: bool = False) -> list[ConditionResult]:
    """Return the conditions that were trained and have a run: networks, or conversions of one."""
    own = [c for c in own_conditions(results) if c.test.runs]
    return own if conversions else [c for c in own if c.condition.values["conversion"] == "duplicate"]


def network_table(results: StudyResults) -> Table:
    """Return the paper's Table 2: networks from random and from ImageNet's weights."""
    rows: list[Sequence[Entry]] = [
        ("baseline [2] of the paper", "-", "not stated", *_scores("baseline", BASELINE))
    ]
    for one in own_conditions(results):
        values = one.condition.values
        if values["conversion"] != "duplicate":
            continue
        paper = TABLE_2.get((values["network"], values["start"]), _UNKNOWN)
        lead = (title_of(values["network"]), "Y" if values["start"] == "pretrained" else "N")
        rows += _both(lead, one.condition.name, paper)
    return paper_table(
        results,
        "networks, pre-trained with ImageNet (P) or not, over all classes (micro)",
        ("model", "P", *_HEADER),
        rows,
        source="Table 2 (IRMAS)",
    )


def conversion_table(results: StudyResults) -> Table | None:
    """Return the paper's Table 1: channel conversions of one network; None where only one was trained."""
    own = own_conditions(results)
    others = [c for c in own if c.condition.values["conversion"] != "duplicate"]
    if not others:
        return None
    of = others[0].condition.values
    same = [c for c in own if all(c.condition.values[key] == of[key] for key in ("network", "start"))]
    rows: list[Sequence[Entry]] = []
    for one in same:
        conversion = one.condition.values["conversion"]
        rows += _both((conversion.replace("_", " "),), one.condition.name, TABLE_1[conversion])
    return paper_table(
        results,
        f"channel conversions of {title_of(of['network'])}, {of['start']} weights, over all classes (micro)",
        ("conversion", *_HEADER),
        rows,
        source="Table 1 (ResNet50 with ImageNet's weights, IRMAS)",
    )


def _both(lead: Sequence[str], name: str, paper: PaperScores) -> list[Sequence[Entry]]:
    """Return a row for the threshold of validation, and one for that of test, with the paper's beside it."""
    return [
        (*lead, title, *_scores(name + ending, paper if ending else _UNKNOWN))
        for ending, title in _THRESHOLDS.items()
    ]


def _scores(name: str, paper: PaperScores) -> list[Beside]:
    return [Beside(name, metric, value) for metric, value in zip(_METRICS, paper, strict=True)]


def aggregation_table(results: StudyResults) -> Table:
    """Return micro F1 by s1 and by s2, at the thresholds of validation and of test."""
    rows = []
    for one in trained(results, conversions=True):
        oracle = results.condition(one.condition.name + ORACLE)
        both = [one, *([oracle] if oracle is not None else [])]
        scores = [score_text(c.test.of("micro_f1")) for c in both]
        scores += [score_text(divided_result(results, c).test.of("micro_f1")) for c in both]
        chosen = " / ".join(f"{chosen_thresholds(one, split):.2f}" for split in ("validation", "test"))
        rows.append((one.condition.label, chosen, *scores))
    header = (
        "condition",
        "threshold, s1: validation / test",
        "s1",
        "s1, threshold of test",
        "s2",
        "s2, threshold of test",
    )
    title = (
        "micro F1 by the mean over a clip's windows (s1) and by their sum over its largest class (s2; Han et "
        "al.): mean over seeds (95 % over groups) ±SD over seeds"
    )
    return Table(title, header, tuple(rows), 0)
