"""IRMAS: training excerpts of one predominant instrument, test recordings of one or two.

As many recordings of each class as asked for, two excerpts of each; half as many test recordings a class.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions
from mixlab.synthesis.tagged import IRMAS_CODES, Clip, plan_irmas
from mixlab.synthesis.tagged_layout import write_clip

__all__ = ["TREE"]


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    assert options.soundfont is not None
    test = max(2, options.recordings // 2) * len(IRMAS_CODES)
    items = []
    for clip in plan_irmas(options.recordings, test, options.seed):
        target = clip.target.removeprefix("irmas/")
        items.append(TreeItem(target, partial(_write, clip, options.soundfont)))
    return items


def _write(clip: Clip, soundfont: Path, path: Path) -> None:
    write_clip(clip, soundfont, path)


TREE = ClipTree(
    "irmas",
    "irmas",
    "composed music played by one SoundFont: a class is one or a few patches, far easier than recordings",
    _plan,
)
