"""``mixlab evaluate``: score a run's model and print the table."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mixlab.runs import Run
    from mixlab.training import Evaluation

__all__ = ["evaluate", "print_evaluation"]


def evaluate(
    run: Path,
    split: Literal["test", "validation"] = "test",
    catalog: Path | None = None,
    root: list[str] | None = None,
    num_workers: int | None = None,
) -> int:
    """Score a run on its fixed musical mixes; thresholds are fitted on validation only.

    Args:
        run: Folder of the run, made by 'mixlab train'.
        split: Whose table to print; both splits are scored and stored.
        catalog: Where the run's catalog lies now, if it has moved.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        num_workers: Processes that mix; by default the run's own setting.

    Returns:
        Exit code: 0 when the run is scored, 130 when it was interrupted.
    """
    from mixlab.commands.options import parse_pairs
    from mixlab.runs import Run
    from mixlab.training import evaluate_run

    opened, roots = Run.open(run), parse_pairs(root, "--root")
    try:
        evaluation = evaluate_run(opened, catalog=catalog, roots=roots, num_workers=num_workers)
    except KeyboardInterrupt:
        print("\nInterrupted; the run is as it was before.")
        print(f"Score it:  mixlab evaluate {opened.path}")
        return 130
    print_evaluation(opened, evaluation, split)
    return 0


def print_evaluation(run: "Run", evaluation: "Evaluation", split: str) -> None:
    """Print the table of one split, where the results lie, and what to type next."""
    from mixlab.reporting import format_text

    scores = evaluation.splits[split]
    other = "validation" if split == "test" else "test"
    print(f"\n{split}: {scores.n_items} mixes from {scores.n_groups} songs")
    if evaluation.note:
        print(f"({evaluation.note})")
    for name in evaluation.splits:
        if evaluation.redrawn[name]:
            print(f"({evaluation.redrawn_note(name)})")
    print(f"\n{format_text(scores)}\n")
    print(f"Report:  {run.path}/report.md   (scores: report.json, per mix: predictions.parquet)")
    print(f"Model:   {run.path}/model.safetensors   (card: model.json)")
    print(f"Next:    mixlab evaluate {run.path} --split {other}")
    print(f"         mixlab tag FILE --run {run.path}")
