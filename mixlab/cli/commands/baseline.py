"""``mixlab baseline``: a classical classifier on hand-made features or frozen embeddings."""

from datetime import datetime
from pathlib import Path

from mixlab.mixing.config import MixConfig
from mixlab.training.baselines.config import BaselineConfig

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
    from mixlab.cli.commands.evaluate import print_evaluation
    from mixlab.cli.commands.options import parse_pairs
    from mixlab.training.baselines.experiment import run_baseline

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
    print_evaluation(run, evaluation, "test")
    return 0
