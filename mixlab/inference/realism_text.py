"""The measure of realism as text, for the terminal and as Markdown."""

import math
from dataclasses import replace

from mixlab.evaluation import ClassScores, Score, SplitScores
from mixlab.evaluation.report import Table
from mixlab.inference.realism_result import Realism, TaggerAlone, measure_of

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


_COLUMNS = ("class", "present", "AP", "95 %", "prevalence", "ROC-AUC")


def _table(scores: SplitScores, title: str) -> Table:
    means = [level.name for level in scores.levels] or ["classes"]
    rows = [(k.name, *_class_cells(scores, k.name)) for k in scores.classes]
    rows += [(f"macro of {name}", *_mean_cells(scores, name)) for name in means]
    return Table(title, _COLUMNS, tuple(rows), len(means))


def _tables(result: Realism) -> list[Table]:
    title = "what the taggers find together" if result.alone else "what the tagger finds"
    tables = [_table(result.mixes, f"{title}, class by class")]
    if result.full is not None:
        tables.append(_table(result.full, "the same in full mixes"))
    if result.recordings is not None:
        table = _table(result.recordings, "the same in recordings")
        if result.at_prevalence is not None:
            # Last, after what recordings have: the mixes once more.
            found = result.at_prevalence.classes
            rows = tuple((*row, _number(found.get(row[0], math.nan))) for row in table.rows)
            table = replace(table, header=(*table.header, "AP of mixes at that prevalence"), rows=rows)
        tables.append(table)
    return tables


def _full(scores: SplitScores, seconds: float) -> str:
    found = measure_of(scores)
    return (
        f"full mixes {_number(found.value)} (95 % {_interval(found)}, prevalence {_number(found.chance)}): "
        f"all stems of a song over {seconds:g} s, {scores.n_items} mixes of {scores.n_groups} songs"
    )


def _head(result: Realism) -> list[str]:
    measure = result.measure
    head = (
        f"realism {_number(measure.value)} (95 % {_interval(measure)}, prevalence "
        f"{_number(measure.chance)}): macro average precision of {result.weights} on "
        f"{result.mixes.n_items} {result.split} mixes of {result.mixes.n_groups} songs"
    )
    return [head] if result.full is None else [head, _full(result.full, result.full_seconds)]


def _alone(found: TaggerAlone) -> str:
    others = {"full mixes": found.full, "recordings": found.recordings}
    beside = ", ".join(f"{name} {_number(value)}" for name, value in others.items() if value is not None)
    return f"{found.weights} {_number(found.mixes)}" + (f" ({beside})" if beside else "")


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
    if result.left_out:
        names = ", ".join(f"mix.{name}" for name in result.left_out)
        effects = " (--effects true takes effects)" if "effects" in result.left_out else ""
        lines.append(f"not as asked for, as these are mixes for evaluation: {names}{effects}")
    if result.too_short:
        lines.append(f"no full mixes: no song of the split is {result.full_seconds:g} s long")
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
    tables = [table.text() for table in _tables(result)]
    return "\n\n".join(["\n".join([*_head(result), *note]), *tables, "\n".join(notes)])


def format_markdown(result: Realism) -> str:
    """Return the result as Markdown."""
    note = [f"**{result.note[0].upper()}{result.note[1:]}.**"] if result.note else []
    lines = "\n".join(f"- {line}" for line in _lines(result))
    tables = [table.markdown() for table in _tables(result)]
    head = [f"# Realism: {_number(result.measure.value)}", *(f"{line}." for line in _head(result))]
    return "\n\n".join([*head, *note, *tables, lines]) + "\n"
