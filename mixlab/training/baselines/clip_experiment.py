"""From labelled clips to a scored baseline: what ``mixlab baseline-clips`` does."""

from pathlib import Path
from typing import TYPE_CHECKING

from mixlab.evaluation.results import Report
from mixlab.training.baselines.clip_config import ClipBaselineConfig
from mixlab.training.provenance import Progress
from mixlab.training.run import Run

if TYPE_CHECKING:
    from mixlab.corpora.clips.config import ClipsConfig
    from mixlab.training.clips.config import WindowConfig

__all__ = ["run_clip_baseline"]


def run_clip_baseline(
    clips: "ClipsConfig",
    out: str | Path,
    windows: "WindowConfig",
    config: ClipBaselineConfig,
    *,
    cache: str | Path | None = None,
    report: Progress | None = None,
) -> tuple[Run, Report]:
    """Fit a classical baseline on the training clips of a corpus, and score it on its test clips.

    Args:
        clips: Which clips, and their splits.
        out: Folder of the run; new or empty.
        windows: Windows of a clip, its level; features are the mean over them.
        config: Features and classifier.
        cache: Folder where features are kept; None takes ``features`` beside ``out``.
        report: Called with lines of progress; None says nothing.

    Returns:
        The run, with predictions and report, and its scores.
    """
    raise NotImplementedError
