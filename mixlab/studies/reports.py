"""The report of a study: tables, figures and words, each study's from the same parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mixlab.catalog.splits import find_leaks
from mixlab.evaluation.metrics import METRICS
from mixlab.evaluation.report import Table
from mixlab.studies.curves import P_MUSICAL, Axis, numeric_axis
from mixlab.studies.findings import (
    above_chance_lines,
    effect_lines,
    leakage_lines,
    optimum_lines,
    rare_columns,
    rare_lines,
    split_lines,
    transfer_lines,
)
from mixlab.studies.folder import StudyFolder
from mixlab.studies.paper_results import FIG_2, FIG_3, SECTION_2_2, TABLE_1
from mixlab.studies.results import ConditionResult, StudyResults, load_results
from mixlab.studies.statistics import ConditionScores, RunScores, score_run
from mixlab.studies.tables import (
    above_chance_table,
    class_table,
    differences_csv,
    differences_table,
    estimates_csv,
    runs_csv,
    score_text,
    summary_table,
)
from mixlab.training import open_catalog
from mixlab.training.run import Run
from mixlab.utils.files import write_atomic

if TYPE_CHECKING:
    from altair import VConcatChart

__all__ = ["REPORTERS", "Report", "build_report", "can_draw", "write_study_report"]

_MAIN = ("roc_auc", "average_precision", "loss", "f1")


@dataclass(frozen=True)
class Report:
    """What a study has to say.

    Attributes:
        lead: The table that answers the study's question.
        findings: Sentences.
        paper: What the paper says of it.
        tables: Further tables.
        references: Conditions that the others are compared with.
        figures: Files by name without ending, then by ending.
    """

    lead: Table
    findings: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    references: tuple[ConditionResult, ...] = ()
    figures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)


Draw: TypeAlias = Callable[[ModuleType], "VConcatChart"]


def can_draw() -> bool:
    """Whether what figures are drawn with is installed."""
    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


def _drawn(**draw: Draw) -> dict[str, Mapping[str, bytes]]:
    """Draw figures by name, each a function of the module of figures; none where they cannot be drawn."""
    if not can_draw():
        return {}
    from mixlab.evaluation.charts import files
    from mixlab.studies import figures

    return {name: files(make(figures)) for name, make in draw.items()}


def _note(results: StudyResults, more: str = "") -> str:
    """Return the line below a figure."""
    what = results.note or "catalog " + results.catalog_hash
    songs = "Bands and bars: 95 % over songs; small" if results.n_resamples else "Small"
    return f"{what}. {songs} marks: seeds. {more}".strip()


def _sweep(folder: StudyFolder, results: StudyResults) -> Report:
    axis, first = numeric_axis(results), results.done[0]
    note = _note(results)
    findings: list[str] = []
    if axis is not None:
        name = axis.name
        ordered = sorted(results.done, key=lambda c: float(c.condition.values[name]))
        drawn = _drawn(
            figure=lambda f: f.curves(results, axis, metrics=_MAIN, note=note),
            classes=lambda f: f.class_curves(results, axis, "average_precision", note=note),
        )
        if len(results.vary) == 1:
            findings = optimum_lines(ordered, name)
    else:
        drawn = _drawn(figure=lambda f: f.score_dots(results, note=note))
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


def _p_musical(folder: StudyFolder, results: StudyResults) -> Report:
    axis = Axis(P_MUSICAL, "p_musical", numeric=True)
    own = [c for c in results.done if P_MUSICAL in c.condition.values]
    ordered = sorted(own, key=lambda c: float(c.condition.values[P_MUSICAL]))
    note = _note(results, "Dotted line: the optimum in the paper's Fig. 2, 0.4.")
    return Report(
        lead=summary_table(results, _MAIN),
        findings=tuple(optimum_lines(ordered, P_MUSICAL)),
        paper=(FIG_2,),
        tables=(
            differences_table(results, results.done[0], _MAIN),
            class_table(results, results.done, "average_precision"),
        ),
        references=(results.done[0],),
        figures=_drawn(
            figure=lambda f: f.curves(results, axis, mark=0.4, note=note),
            classes=lambda f: f.class_curves(results, axis, "average_precision", note=_note(results)),
        ),
    )


def _transfer(folder: StudyFolder, results: StudyResults) -> Report:
    scratch = results.condition("scratch")
    beside = Table(
        "the paper's Table 1, beside (its corpora, not ours)",
        ("mode", "ROC-AUC", "PR-AUC", "test loss"),
        tuple(
            (row.label, f"{row.roc_auc:.4f}", f"{row.average_precision:.4f}", f"{row.loss:.4f}")
            for row in TABLE_1.values()
        ),
        0,
    )
    lead, tables = summary_table(results, _MAIN), [beside]
    if scratch is not None:
        tables.insert(0, differences_table(results, scratch, _MAIN))
    note = _note(results, "Diamonds: the paper's Table 1 (its corpora).")
    return Report(
        lead=lead,
        findings=tuple(transfer_lines(results)),
        paper=("Its order is scratch, frozen, fine-tuned, from worst to best in all three figures.",),
        tables=(*tables, class_table(results, results.done, "f1")),
        references=() if scratch is None else (scratch,),
        figures=_drawn(figure=lambda f: f.score_dots(results, paper=dict(TABLE_1), note=note)),
    )


def _per_class(folder: StudyFolder, results: StudyResults) -> Report:
    first, note = results.done[0], _note(results)
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
        figures=_drawn(figure=lambda f: f.class_bars(results, results.done, note=note)),
    )


def _rare_classes(folder: StudyFolder, results: StudyResults) -> Report:
    base, first, note = results.condition("base"), results.done[0], _note(results)
    columns = rare_columns(results, base or first)
    findings = ["the base is not done, so factors have nothing to be compared with yet"]
    tables = [summary_table(results, ("f1", "average_precision", "micro_f1", "loss"))]
    if base is not None:
        findings = rare_lines(results, base, columns)
        tables.append(differences_table(results, base, ("f1", "average_precision", "micro_f1")))
    random = results.condition("random")
    if base is not None and random is not None:
        findings += split_lines(base, random)
    return Report(
        lead=class_table(results, results.done, "f1", columns),
        findings=tuple(findings),
        paper=(FIG_3,),
        tables=(*tables, class_table(results, results.done, "average_precision", columns)),
        references=() if base is None else (base,),
        figures=_drawn(
            figure=lambda f: f.class_dots(results, results.done, columns, note=note),
            classes=lambda f: f.class_bars(results, results.done, note=note),
        ),
    )


def _effects(folder: StudyFolder, results: StudyResults) -> Report:
    base, note = results.condition("none"), _note(results)
    findings, tables = (
        ["the runs without effects are not done, so nothing can be compared yet"],
        list[Table](),
    )
    if base is not None:
        findings = effect_lines(results, base)
        tables.append(differences_table(results, base))
    return Report(
        lead=summary_table(results),
        findings=tuple(findings),
        tables=(*tables, class_table(results, results.done, "average_precision")),
        references=() if base is None else (base,),
        figures=_drawn(
            figure=lambda f: f.score_dots(results, note=note),
            classes=lambda f: f.class_bars(results, results.done, "average_precision", note=note),
        ),
    )


def _leakage(folder: StudyFolder, results: StudyResults) -> Report:
    safe, leaky = results.condition("artist"), results.condition("random")
    findings, tables = ["one of the two ways of splitting is not done yet"], list[Table]()
    if safe is not None and leaky is not None:
        findings = leakage_lines(safe, leaky)
        tables.append(differences_table(results, safe))
        tables.append(_relatives_table(leaky, results.n_resamples))
    note = _note(results)
    return Report(
        lead=summary_table(results, ("f1", "average_precision", "roc_auc", "micro_f1", "loss")),
        findings=tuple(findings),
        paper=(SECTION_2_2,),
        tables=(*tables, class_table(results, results.done, "f1")),
        references=() if safe is None else (safe,),
        figures=_drawn(figure=lambda f: f.class_bars(results, results.done, note=note)),
    )


def _relatives_table(leaky: ConditionResult, n_resamples: int) -> Table:
    """Score the runs on random splits apart: test songs with a relative elsewhere, and those without."""
    parts: dict[str, dict[int, RunScores]] = {"related": {}, "unrelated": {}}
    counts = {"related": 0, "unrelated": 0}
    for seed, path in leaky.runs.items():
        run = Run.open(path)
        catalog = open_catalog(run)
        leaks = find_leaks(catalog.songs(), catalog.split_songs()).leaks
        related = {song for leak in leaks for song in leak.songs.get("test", ())}
        predictions = run.predictions()
        known = np.array([str(g) in related for g in predictions.only("test").group], np.bool_)
        for name, rows in (("related", known), ("unrelated", ~known)):
            if rows.any():
                parts[name][seed] = score_run(predictions, only=rows, n_resamples=n_resamples)
                counts[name] += len({str(g) for g in predictions.only("test").group[rows]})
    lines, metrics = [], ("f1", "average_precision", "roc_auc")
    for name, label in (
        ("related", "test songs whose artist or group is elsewhere too"),
        ("unrelated", "test songs without a relative elsewhere"),
    ):
        scores = ConditionScores(parts[name], leaky.test.wanted)
        conditions = (score_text(scores.of(metric)) for metric in metrics)
        lines.append((label, str(counts[name]), *conditions))
    title = "random splits, taken apart: what a relative in training is worth (other songs, so not paired)"
    header = ("scored on", "songs", *(METRICS[metric].mean_title for metric in metrics))
    return Table(title, header, tuple(lines), 0)


REPORTERS: dict[str, Callable[[StudyFolder, StudyResults], Report]] = {
    "sweep": _sweep,
    "p_musical": _p_musical,
    "transfer": _transfer,
    "per_class": _per_class,
    "rare_classes": _rare_classes,
    "effects": _effects,
    "leakage": _leakage,
}
"""How each kind of study is reported."""


def build_report(folder: StudyFolder, results: StudyResults) -> tuple[Report, str]:
    """Return a study's report, and its Markdown."""
    report = REPORTERS[results.kind](folder, results)
    lines = [f"# {results.title}", ""]
    if results.note:
        lines += [f"**{results.note[0].upper()}{results.note[1:]}.**", ""]
    lines += [f"- {line}" for line in _facts(results)]
    lines += ["", report.lead.markdown(), ""]
    if report.findings:
        lines += [f"- {line}" for line in report.findings] + [""]
    if report.paper:
        lines += [*report.paper, ""]
    for name in report.figures:
        lines += [f"![{results.title}]({name}.png)", ""]
    for table in report.tables:
        lines += [table.markdown(), ""]
    lines += _missing_lines(results)
    return report, "\n".join(lines).rstrip() + "\n"


def _facts(results: StudyResults) -> list[str]:
    numbers = ", ".join(map(str, results.seeds))
    sets = {m for c in results.done for m in c.mixes}
    items = {(r.n_items, r.n_songs) for c in results.done for r in c.test.runs.values()}
    sizes = " or ".join(f"{n} mixes from {songs} songs" for n, songs in sorted(items))
    facts = [
        f"catalog `{results.catalog_hash}`; seeds {numbers}, the same for every condition, "
        "as are all settings that the condition does not name",
        f"scored on {sizes}"
        + (", the same for all" if len(sets) == 1 else f"; {len(sets)} test sets, paired where they agree"),
        f"in brackets: 95 % over songs ({results.n_resamples} resamples of whole songs, the seeds averaged "
        "in each); ±: standard deviation over seeds. One says what other songs would change, the other what "
        "other seeds would; table.csv has Student's interval of the mean over seeds too",
    ]
    for names in sorted({_undefined(results, c) for c in results.done} - {""}):
        facts.append(f"undefined (-), as no test mix holds them, and left out of means: {names}")
    return facts


def _undefined(results: StudyResults, condition: ConditionResult) -> str:
    """List the classes of which a condition's test mixes hold none."""
    values = [condition.test.of("f1", c).value for c in range(len(results.labels))]
    return ", ".join(name for name, v in zip(results.labels, values, strict=True) if not np.isfinite(v))


def _missing_lines(results: StudyResults) -> list[str]:
    lines = []
    if results.unfinished:
        lines += [
            f"{len(results.unfinished)} of {len(results.states)} runs are missing; what fills them:",
            "",
        ]
        lines += [f"    {state.command}    # {state.name}: {state.status}" for state in results.unfinished]
        lines.append("")
    lines += [f"- {state.name}: {state.error}" for state in results.unfinished if state.error]
    return lines + [f"- problem: {problem}" for problem in results.problems]


def write_study_report(
    folder: StudyFolder, *, n_resamples: int = 1000, seed: int = 0
) -> tuple[Report, StudyResults]:
    """Write report.md, table.csv, differences.csv, runs.csv and the figures into the study's folder.

    Args:
        folder: The study; what is not done yet is left out and listed.
        n_resamples: Bootstrap resamples of songs.
        seed: Of the bootstrap.

    Raises:
        RunError: there is no study, or none of its runs is done.
    """
    results = load_results(folder, n_resamples=n_resamples, seed=seed)
    report, markdown = build_report(folder, results)
    files: dict[str, bytes] = {
        "report.md": markdown.encode(),
        "table.csv": estimates_csv(results).encode(),
        "differences.csv": differences_csv(results, report.references).encode(),
        "runs.csv": runs_csv(results).encode(),
    }
    for name, formats in report.figures.items():
        files |= {f"{name}.{kind}": data for kind, data in formats.items()}
    for name, data in files.items():
        write_atomic(folder.path / name, data, sync=False)
    return report, results
