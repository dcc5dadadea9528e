"""``mixlab baseline-clips``: a classical classifier on features of labelled clips."""

from datetime import datetime
from pathlib import Path

from mixlab.corpora.clips.config import ClipsConfig
from mixlab.training.baselines.clip_config import ClipBaselineConfig
from mixlab.training.clips.config import WindowConfig

__all__ = ["baseline_clips"]

_CLIPS, _WINDOWS, _BASELINE = ClipsConfig(), WindowConfig(), ClipBaselineConfig()


def baseline_clips(
    out: Path | None = None,
    clips: ClipsConfig = _CLIPS,
    windows: WindowConfig = _WINDOWS,
    baseline: ClipBaselineConfig = _BASELINE,
    cache: Path | None = None,
) -> int:
    """Fit a classical baseline on labelled clips, then score it on the clips of validation and test.

    Features are computed once per clip and kept, also for other classes and classifiers; stopped work goes
    on when the same command is typed again. The result is a run folder that 'mixlab compare' takes.

    Args:
        out: Folder of the run; by default runs/ and the time.
        clips: Which clips, and how they are divided.
        windows: Windows of a clip, over which its features are averaged, and its level.
        baseline: Features and classifier.
        cache: Folder where features are kept; by default 'features' beside the run.

    Returns:
        Exit code: 0 when the baseline is scored.
    """
    from mixlab.cli.commands.evaluate import print_evaluation
    from mixlab.training.baselines.clip_experiment import run_clip_baseline

    folder = out or Path("runs") / datetime.now().strftime("baseline-clips-%Y%m%d-%H%M%S")
    run, evaluation = run_clip_baseline(
        clips, folder, windows, baseline, cache=cache, report=lambda line: print(line, flush=True)
    )
    print_evaluation(run, evaluation, "test")
    return 0
