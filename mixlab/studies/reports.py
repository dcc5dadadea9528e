"""The report of a study as files: what it found, on what ground, and what is missing."""

import numpy as np

from mixlab.evaluation.thresholds import ORACLES
from mixlab.studies.base import Report
from mixlab.studies.folder import StudyFolder
from mixlab.studies.registry import find_study
from mixlab.studies.results import ConditionResult, StudyResults, load_results
from mixlab.studies.tables import (
    differences_csv,
    estimates_csv,
    own_tables,
    runs_csv,
)
from mixlab.utils.files import write_atomic

__all__ = ["build_report", "write_study_report"]


def build_report(folder: StudyFolder, results: StudyResults) -> tuple[Report, str]:
    """Return a study's report, and its Markdown."""
    report = find_study(results.kind).report(folder, results)
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
    for table in (*report.tables, *own_tables(results)):
        lines += [table.markdown(), ""]
    lines += _missing_lines(results)
    return report, "\n".join(lines).rstrip() + "\n"


def _facts(results: StudyResults) -> list[str]:
    numbers = ", ".join(map(str, results.seeds))
    sets = {m for c in results.done for m in c.mixes}
    items = {
        (r.n_items, c.words.items, r.n_songs, r.groups) for c in results.done for r in c.test.runs.values()
    }
    sizes = " or ".join(f"{n} {what} from {songs} {groups}" for n, what, songs, groups in sorted(items))
    groups = results.words.groups
    facts = [
        f"{_data(results)}; seeds {numbers}, the same for every condition, "
        "as are all settings that the condition does not name",
        f"scored on {sizes}"
        + (", the same for all" if len(sets) == 1 else f"; {len(sets)} test sets, paired where they agree"),
        f"in brackets: 95 % over {groups} ({results.n_resamples} resamples of whole {groups}, the seeds "
        f"averaged in each); ±: standard deviation over seeds. One says what other {groups} would change, "
        "the other what other seeds would; table.csv has Student's interval of the mean over seeds too",
    ]
    if flattered := [c.condition.label for c in results.done if c.condition.threshold in ORACLES]:
        facts.append(
            "thresholds chosen on test itself, so that precision, recall and F1 flatter: "
            f"{', '.join(flattered)}"
        )
    for names in sorted({_undefined(c) for c in results.done} - {""}):
        what = results.words.items.replace("mixes", "mix").replace("clips", "clip")
        facts.append(f"undefined (-), as no test {what} holds them, and left out of means: {names}")
    return facts


def _data(results: StudyResults) -> str:
    """Say what was trained on: the catalog, the clips, or both, by their hashes."""
    tasks = [
        f"task {task.name}: {task.clips} clips of {task.corpus} "
        f"{f'with their {task.value}' if task.value else f'in {task.classes} classes'} "
        f"`{task.content_hash}`"
        for task in results.data.tasks
    ]
    on_mixes = any(not c.condition.task for c in results.conditions)
    return "; ".join([*([f"catalog `{results.catalog_hash}`"] if on_mixes else []), *tasks])


def _undefined(condition: ConditionResult) -> str:
    """List the classes of which a condition's test items hold none."""
    if condition.of_numbers:
        return ""
    values = [condition.test.of("f1", c).value for c in range(len(condition.labels))]
    return ", ".join(name for name, v in zip(condition.labels, values, strict=True) if not np.isfinite(v))


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
