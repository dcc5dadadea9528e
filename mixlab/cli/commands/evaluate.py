"""``mixlab evaluate``: score a run's model and print the table."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mixlab.evaluation.results import Report
    from mixlab.training.run import Run

__all__ = ["evaluate", "print_evaluation"]


def evaluate(
    run: Path,
    split: Literal["test", "validation"] = "test",
    catalog: Path | None = None,
    root: list[str] | None = None,
    num_workers: int | None = None,
    metrics: list[str] | None = None,
) -> int:
    """Score a run on its fixed mixes or tracks again; thresholds are fitted on validation only.

    A run of 'mixlab train' is scored on its fixed musical mixes, one of 'mixlab pretrain' on the tracks of
    the official splits, one of 'mixlab train-clips' on the clips of its validation and test parts. A
    baseline is scored by the predictions that it holds; one on mixes mixes and scores them anew where
    --catalog, --root or --num_workers is given.

    Args:
        run: Folder of the run, made by 'mixlab train', 'train-clips', 'pretrain', 'baseline' or
            'ensemble'.
        split: Whose table to print; both splits are scored and stored.
        catalog: Where the run's catalog lies now, if it has moved.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing; for a pretrained run
            mtg_jamendo=FOLDER, for a run on clips the name of their corpus.
        num_workers: Processes that mix or decode; by default the run's own setting.
        metrics: Metrics of one's own beside mixlab's, as package.module:name or names of entry points; by
            default those of the run's settings.

    Returns:
        Exit code: 0 when the run is scored, 130 when it was interrupted.
    """
    from mixlab.cli.commands.options import parse_pairs
    from mixlab.training.run import Run

    opened, roots = Run.open(run), parse_pairs(root, "--root")
    try:
        evaluation = _evaluate(opened, catalog, roots, num_workers, metrics)
    except KeyboardInterrupt:
        print("\nInterrupted; the run is as it was before.")
        print(f"Score it:  mixlab evaluate {opened.path}")
        return 130
    print_evaluation(opened, evaluation, split)
    return 0


def _evaluate(
    run: "Run",
    catalog: Path | None,
    roots: "Mapping[str, str | Path]",
    num_workers: int | None,
    metrics: list[str] | None,
) -> "Report":
    """Score a run in the way of the command that made it."""
    from mixlab.errors import ConfigError
    from mixlab.training import evaluate_run

    made_by = run.info.get("command", "train")
    if made_by == "train":
        return evaluate_run(run, catalog=catalog, roots=roots, num_workers=num_workers, metrics=metrics)
    if made_by == "baseline":
        from mixlab.training.baselines import evaluate_baseline

        return evaluate_baseline(run, catalog=catalog, roots=roots, num_workers=num_workers, metrics=metrics)
    if made_by == "ensemble":
        from mixlab.inference.ensemble import evaluate_ensemble

        if catalog is not None or roots or num_workers is not None:
            raise ConfigError(
                f"{run.path} is an ensemble, scored by the predictions that it holds: leave --catalog, "
                "--root and --num_workers out.",
                code="conflicting-settings",
            )
        return evaluate_ensemble(run, metrics=metrics)
    if made_by == "baseline-clips":
        from mixlab.training.baselines import evaluate_clip_baseline

        if catalog is not None or roots or num_workers is not None:
            raise ConfigError(
                f"{run.path} is a baseline on clips, scored by the predictions that it holds: leave "
                "--catalog, --root and --num_workers out.",
                code="conflicting-settings",
            )
        return evaluate_clip_baseline(run, metrics=metrics)
    from mixlab.training.clips import evaluate_clip_run
    from mixlab.training.pretraining import evaluate_pretrained

    corpus = "mtg_jamendo" if made_by == "pretrain" else str(run.info["clips"]["corpus"])
    if catalog is not None or set(roots) - {corpus}:
        raise ConfigError(
            f"{run.path} is a run of 'mixlab {made_by}', scored on {run.units.items}: instead of --catalog "
            f"and other roots give --root {corpus}=FOLDER, if these have moved.",
            code="conflicting-settings",
        )
    again = evaluate_pretrained if made_by == "pretrain" else evaluate_clip_run
    say = partial(print, flush=True)
    return again(run, root=roots.get(corpus), num_workers=num_workers, report=say, metrics=metrics)


def print_evaluation(run: "Run", evaluation: "Report", split: str) -> None:
    """Print the table of one split, where the results lie, and what to type next."""
    from mixlab.evaluation.report import format_text

    scores = evaluation.splits[split]
    other = "validation" if split == "test" else "test"
    made_by = run.info.get("command", "train")
    units = scores.units
    print(f"\n{split}: {scores.n_items} {units.items} from {scores.n_groups} {units.groups}")
    if evaluation.note:
        print(f"({evaluation.note})")
    for name in evaluation.splits:
        if evaluation.replaced[name]:
            print(f"({evaluation.replaced_note(name)})")
    print(f"\n{format_text(scores)}\n")
    print(f"Report:  {run.path}/report.md   (scores: report.json, per item: predictions.parquet)")
    if made_by in ("baseline", "baseline-clips", "ensemble"):
        print(f"Next:    mixlab compare {run.path} RUN")
        if run.has_model:
            print(f"         mixlab tag FILE --run {run.path}")
        return
    print(f"Model:   {run.path}/model.safetensors   (card: model.json)")
    print(f"Next:    mixlab evaluate {run.path} --split {other}")
    if made_by in ("pretrain", "train-clips"):
        print(f"         mixlab train --train.transfer finetune --train.pretrained {run.path} ...")
    print(f"         mixlab tag FILE --run {run.path}")
