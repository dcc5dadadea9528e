"""``mixlab baseline``: a classical classifier on hand-made features or frozen embeddings."""

from datetime import datetime
from pathlib import Path

from mixlab.baselines.config import BaselineConfig
from mixlab.recipes import MixConfig

__all__ = ["baseline"]

_MIX, _BASELINE = MixConfig(), BaselineConfig()


def baseline(
    catalog: Path = Path("catalog"),
    out: Path | None = None,
    root: list[str] | None = None,
    mix: MixConfig = _MIX,
    baseline: BaselineConfig = _BASELINE,
    cache: Path | None = None,
) -> int:
    """Fit a classical baseline on mixes, then score it on the same fixed musical mixes as runs.

    Features are computed once and kept; stopped work goes on when the same command is typed again. The
    result is a run folder that 'mixlab compare' takes.

    Args:
        catalog: Folder of the catalog.
        out: Folder of the run; by default runs/ and the time.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        mix: Settings of the mixing.
        baseline: Features, classifier and number of mixes.
        cache: Folder where features are kept; by default 'features' beside the run.

    Returns:
        Exit code: 0 when the baseline is scored.
    """
    from mixlab.baselines.experiment import run_baseline
    from mixlab.commands.options import parse_pairs
    from mixlab.reporting import format_text

    folder = out or Path("runs") / datetime.now().strftime("baseline-%Y%m%d-%H%M%S")
    run, evaluation = run_baseline(
        catalog,
        folder,
        mix,
        baseline,
        cache=cache,
        roots=parse_pairs(root, "--root"),
        report=lambda line: print(line, flush=True),
    )
    scores = evaluation.splits["test"]
    print(f"\ntest: {scores.n_items} mixes from {scores.n_groups} songs")
    if evaluation.note:
        print(f"({evaluation.note})")
    if evaluation.redrawn["test"]:
        print(f"({evaluation.redrawn_note('test')})")
    print(f"\n{format_text(scores)}\n")
    print(f"Report:  {run.path}/report.md   (scores: report.json, per mix: predictions.parquet)")
    print(f"Next:    mixlab compare {run.path} RUN")
    return 0
