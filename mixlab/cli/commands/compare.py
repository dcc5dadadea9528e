"""``mixlab compare``: two runs on the same mixes, class by class."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mixlab.evaluation import Comparison
    from mixlab.training.run import Run

__all__ = ["compare"]


def compare(
    run_a: Path,
    run_b: Path,
    split: Literal["test", "validation"] = "test",
    resamples: int = 1000,
    seed: int = 0,
    out: Path | None = None,
    metrics: list[str] | None = None,
) -> int:
    """Compare two scored runs class by class: differences with paired bootstrap intervals over songs.

    The same songs (of clips: recordings) are sampled for both runs in each resample. Runs that were scored on
    different mixes or clips are refused: their difference would be that of the mixes as well. A run of
    'mixlab train-clips' is compared with one of 'mixlab baseline-clips' on the same clips.

    Args:
        run_a: Folder of the first run.
        run_b: Folder of the second; differences are its scores minus those of the first.
        split: Which mixes or clips to compare on. Choose between runs on validation, report on test.
        resamples: Bootstrap resamples of songs; 0 leaves the intervals out.
        seed: Seed of the resamples.
        out: Also write comparison.json and comparison.md into this folder.
        metrics: Metrics of one's own beside mixlab's, as package.module:name or names of entry points; by
            default those of the settings of both runs.

    Returns:
        Exit code: 0 when the runs were compared.
    """
    from mixlab.evaluation import compare as compare_predictions
    from mixlab.evaluation import find_metrics
    from mixlab.evaluation.report import format_comparison
    from mixlab.training.run import Run
    from mixlab.utils.files import check_writable

    if out is not None:
        check_writable(out)
    runs = Run.open(run_a), Run.open(run_b)
    comparison = compare_predictions(
        runs[0].predictions(),
        runs[1].predictions(),
        split=split,
        parents=_parents(runs[0]),
        metrics=find_metrics([*runs[0].own_metrics, *runs[1].own_metrics] if metrics is None else metrics),
        n_resamples=resamples,
        seed=seed,
    )
    print(f"\nA = {run_a}\nB = {run_b}")
    print(_heading(comparison))
    for note in sorted({str(run.info["note"]) for run in runs if run.info.get("note")}):
        print(f"({note})")
    print(f"\n{format_comparison(comparison)}")
    if out is not None:
        _write(out, runs, comparison)
        print(f"\nWritten:  {out}/comparison.md   (all values: comparison.json)")
    return 0


def _parents(run: "Run") -> Any:  # noqa: ANN401 - a list as JSON gives it
    return run.info.get("labels", {}).get("parents")


def _heading(comparison: "Comparison") -> str:
    n, groups, units = comparison.n_items, comparison.n_groups, comparison.units
    return f"{comparison.split}: the same {n} {units.items} from {groups} {units.groups}"


def _write(out: Path, runs: tuple["Run", "Run"], comparison: "Comparison") -> None:
    import json
    from dataclasses import replace

    from mixlab.evaluation.report import format_comparison_markdown
    from mixlab.utils.files import make_folder, write_atomic
    from mixlab.utils.plain import plain

    make_folder(out)
    named = replace(comparison, a=str(runs[0].path.absolute()), b=str(runs[1].path.absolute()))
    data = plain(named.to_dict())
    write_atomic(out / "comparison.json", json.dumps(data, indent=2, allow_nan=False) + "\n")
    head = f"# {runs[0].path.name} (A) and {runs[1].path.name} (B)\n\n{_heading(comparison)}\n\n"
    text = head + format_comparison_markdown(comparison) + "\n"
    write_atomic(out / "comparison.md", text)
