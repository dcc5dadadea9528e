"""From predictions to a run's report: what runs on mixes, on tracks and of baselines have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mixlab.evaluation import METRICS, Metric, score_splits
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.report import format_markdown
from mixlab.evaluation.results import Provenance, Report
from mixlab.training.run import Run

__all__ = ["SPLITS", "headings_of_mixes", "report_text", "score_predictions"]

SPLITS = ("validation", "test")


def score_predictions(
    run: Run,
    predictions: Predictions,
    *,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    n_resamples: int,
    seed: int,
    unreadable_tracks: Mapping[str, int] | None = None,
    single_label: bool | None = None,
) -> Report:
    """Score a run's predictions, and keep the fitted thresholds in its model's card, if it has a model.

    Args:
        run: The run.
        predictions: Of validation and test.
        metrics: What to compute.
        n_resamples: Bootstrap resamples.
        seed: Of the bootstrap.
        unreadable_tracks: Tracks of each split that are not among the predictions.
        single_label: Whether exactly one class is right for each item, so that the highest score decides;
            None for what ``run.json`` says.

    Raises:
        ConfigError: the targets are not single-label although that is said, or scores are not finite.
    """
    info = run.info
    single = run.single_label if single_label is None else single_label
    predictions = replace(predictions, single_label=single, units=run.units)
    scored = score_splits(
        predictions,
        info["labels"]["parents"],
        splits=SPLITS,
        metrics=metrics,
        n_resamples=n_resamples,
        seed=seed,
    )
    fitted = scored.card()
    if run.has_model:
        run.update_card(**fitted, **({"single_label": True} if single else {}))
    return Report(
        splits=scored.splits,
        note=str(info.get("note", "")),
        replaced={split: predictions.count_replaced(split) for split in SPLITS},
        thresholds=fitted["thresholds"],
        consistent_thresholds=fitted["consistent_thresholds"],
        provenance=_provenance(run),
        unreadable_tracks=dict(unreadable_tracks or {}),
    )


def _provenance(run: Run) -> Provenance:
    info = run.info
    return Provenance(
        command=info.get("command", "train"),
        seed=info["seed"],
        eval_seed=info["eval_seed"],
        catalog_hash=info["catalog"]["content_hash"],
        label_set=info["labels"]["name"],
        label_hash=info["labels"]["content_hash"],
        versions=info["versions"],
    )


def headings_of_mixes(report: Report) -> dict[str, str]:
    """Return what stands above the scores of each split: how many mixes or clips of how many songs."""
    return {
        split: f"{s.n_items} {s.units.items} from {s.n_groups} {s.units.groups}"
        for split, s in report.splits.items()
    }


def report_text(name: str, report: Report, facts: Sequence[str], headings: Mapping[str, str]) -> str:
    """Return a report as Markdown.

    Args:
        name: Of the run.
        report: Its scores.
        facts: What stands above them, a line each.
        headings: What stands above each split.
    """
    lines = [f"# {name}", ""]
    if report.note:
        lines += [f"**{report.note[0].upper()}{report.note[1:]}.**", ""]
    lines += [f"- {fact}" for fact in facts]
    for split in reversed(SPLITS):
        lines += ["", f"## {split}: {headings[split]}", ""]
        if report.replaced[split]:
            lines += [f"**{report.replaced_note(split)}.**", ""]
        lines.append(format_markdown(report.splits[split]))
    return "\n".join(lines) + "\n"
