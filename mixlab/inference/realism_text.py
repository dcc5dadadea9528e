"""The measure of realism as text, for the terminal and as Markdown."""

import math

from mixlab.evaluation import ClassScores, Score, SplitScores
from mixlab.evaluation.report import Table
from mixlab.inference.realism import Realism, TaggerAlone, measure_of

__all__ = ["format_markdown", "format_text"]

_NONE = "-"


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else _NONE


def _interval(score: Score) -> str:
    found = score.interval
    return _NONE if found is None else f"{found.low:.3f} to {found.high:.3f}"


def _cells(of: ClassScores | None, precision: Score, auc: float) -> list[str]:
    counts = _NONE if of is None else f"{of.support}/{of.known}"
    return [counts, _number(precision.value), _interval(precision), _number(precision.chance), _number(auc)]


def _class_cells(scores: SplitScores, name: str) -> list[str]:
    found = next(k for k in scores.classes if k.name == name)
    return _cells(found, found.scores["average_precision"], found.scores["roc_auc"].value)


def _mean_cells(scores: SplitScores, name: str) -> list[str]:
    level = next((level for level in scores.levels if level.name == name), None)
    of = scores.scores if level is None else level.scores
    return _cells(None, of["average_precision"], of["roc_auc"].value)


def _table(result: Realism) -> Table:
    both = [result.mixes] if result.recordings is None else [result.mixes, result.recordings]
    columns = ("present", "AP", "95 %", "prevalence", "ROC-AUC")
    titles = [columns] if len(both) == 1 else [
        tuple(f"{what}: {column}" for column in columns) for what in ("mixes", "recordings")
    ]  # fmt: skip
    rows = [
        (k.name, *(cell for scores in both for cell in _class_cells(scores, k.name)))
        for k in result.mixes.classes
    ]
    means = [level.name for level in result.mixes.levels] or ["classes"]
    rows += [
        (f"macro of {name}", *(cell for scores in both for cell in _mean_cells(scores, name)))
        for name in means
    ]
    header = ("class", *(title for of in titles for title in of))
    if result.at_prevalence is not None:
        # Last, after what both have: the mixes once more.
        header += ("mixes: AP at that prevalence",)
        found = result.at_prevalence.classes
        rows = [(*row, _number(found.get(row[0], math.nan))) for row in rows]
    title = "what the taggers find together" if result.alone else "what the tagger finds"
    return Table(f"{title}, class by class", header, tuple(rows), len(means))


def _head(result: Realism) -> str:
    measure = result.measure
    return (
        f"realism {_number(measure.value)} (95 % {_interval(measure)}, prevalence "
        f"{_number(measure.chance)}): macro average precision of {result.weights} on "
        f"{result.mixes.n_items} {result.split} mixes of {result.mixes.n_groups} songs"
    )


def _alone(found: TaggerAlone) -> str:
    beside = "" if found.recordings is None else f" (recordings {_number(found.recordings)})"
    return f"{found.weights} {_number(found.mixes)}{beside}"


def _lines(result: Realism) -> list[str]:
    lines = [
        f"catalog `{result.catalog}`, settings of the mixing `{result.mix_hash}`, seed {result.seed}, label "
        f"set {result.label_set}; intervals over songs",
        "prevalence is what saying the same of every mix gives: measures of two catalogs are compared with "
        "it beside them",
    ]
    if result.alone:
        lines.append(
            "the taggers' log odds are averaged, for the classes that all of them can say; each by itself, "
            "over the same families: " + "; ".join(_alone(each) for each in result.alone)
        )
    if result.unsaid:
        said = "not all taggers can say" if result.alone else "no tag speaks of"
        lines.append(f"{said} {', '.join(result.unsaid)}: they are in no mean")
    if result.replaced:
        lines.append(f"{result.replaced} mixes were replaced, as files could not be read")
    if result.recordings is not None:
        lines.append(
            f"recordings ({result.recordings_source}): {result.recordings.n_items} clips of "
            f"{result.recordings.n_groups} groups, macro {_number(measure_of(result.recordings).value)}"
        )
    if result.at_prevalence is not None:
        both = result.at_prevalence
        lines.append(
            "at the prevalence of the recordings, over the families known in both: mixes "
            f"{_number(both.mixes)}, recordings {_number(both.recordings)}"
        )
    return lines


def format_text(result: Realism) -> str:
    """Return the result as aligned plain text."""
    import textwrap

    notes = [textwrap.fill(f"- {line}", 100, subsequent_indent="  ") for line in _lines(result)]
    note = [f"({result.note})"] if result.note else []
    return "\n\n".join(["\n".join([_head(result), *note]), _table(result).text(), "\n".join(notes)])


def format_markdown(result: Realism) -> str:
    """Return the result as Markdown."""
    note = [f"**{result.note[0].upper()}{result.note[1:]}.**"] if result.note else []
    lines = "\n".join(f"- {line}" for line in _lines(result))
    head = f"# Realism: {_number(result.measure.value)}"
    return "\n\n".join([head, _head(result) + ".", *note, _table(result).markdown(), lines]) + "\n"
