"""Training and scoring of networks on labelled clips: what ``mixlab train-clips`` does.

Clips come from ``mixlab.corpora.clips`` with their labels, groups and splits. Here they are cut into windows,
trained on by the loop that ``mixlab train`` uses, and scored as whole clips.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.training.clips.config import WindowConfig
    from mixlab.training.clips.experiment import train_on_clips
    from mixlab.training.clips.reading import load_windows, read_clip
    from mixlab.training.clips.scoring import evaluate_clip_run

__all__ = ["WindowConfig", "evaluate_clip_run", "load_windows", "read_clip", "train_on_clips"]

_HOMES = {
    "config": ("WindowConfig",),
    "experiment": ("train_on_clips",),
    "reading": ("load_windows", "read_clip"),
    "scoring": ("evaluate_clip_run",),
}

__getattr__ = lazy_names(__name__, _HOMES)
