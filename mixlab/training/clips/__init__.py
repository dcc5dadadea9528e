"""Training and scoring of networks on labelled clips: what ``mixlab train-clips`` does.

Clips come from ``mixlab.corpora.clips`` with their labels, groups and splits. Here they are cut into windows,
trained on by the loop that ``mixlab train`` uses, and scored as whole clips.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.training.clips.config import WindowConfig

__all__ = ["WindowConfig"]

_HOMES = {"config": ("WindowConfig",)}

__getattr__ = lazy_names(__name__, _HOMES)
