"""GTZAN: tracks of 30 s in ten genres, mono at 22,050 Hz.

Each track is by an artist of its own: the real set says nothing of artists, and repeats some. Numbers are
taken from the parts of the fault-filtered split in turn, so that each part has some.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mixlab.corpora.clips.gtzan import filtered_splits
from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions
from mixlab.synthesis.genres import GTZAN_LINE_UPS, GenreTrack, plan_track, render_track
from mixlab.synthesis.stems import to_pcm, write_sound
from mixlab.synthesis.synth import SAMPLE_RATE

__all__ = ["TREE"]

RATE = 22_050
_STREAM = 31
_TURNS = ("train", "test", "train", "validation", "train")


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    assert options.soundfont is not None
    items = []
    for g, (genre, line_ups) in enumerate(GTZAN_LINE_UPS.items()):
        for k, name in enumerate(_names(genre, options.recordings)):
            track = plan_track(line_ups, (options.seed, _STREAM, g, k), 0)
            target = f"genres/{genre}/{name}.wav"
            items.append(TreeItem(target, partial(_write, track, options.soundfont, options.track_s)))
    return items


def _names(genre: str, count: int) -> list[str]:
    """Return names of tracks, of the parts of the split in turn while they last."""
    left = {
        part: [n for n, p in filtered_splits().items() if p == part and n.startswith(f"{genre}.")]
        for part in dict.fromkeys(_TURNS)
    }
    names: list[str] = []
    while len(names) < count and any(left.values()):
        part = _TURNS[len(names) % len(_TURNS)]
        held = left[part] or next(each for each in left.values() if each)
        names.append(held.pop(0))
    return names


def _write(track: GenreTrack, soundfont: Path, seconds: float, path: Path) -> None:
    from scipy.signal import resample_poly

    audio = resample_poly(render_track(track, soundfont, 1, seconds), 1, SAMPLE_RATE // RATE, axis=1)
    pcm = to_pcm(audio.astype(np.float32)).astype(np.int16)
    write_sound(path, pcm[0], RATE, "WAV", "PCM_16")


TREE = ClipTree(
    "gtzan",
    "gtzan",
    "composed music in ten imitated genres, played by one SoundFont: a genre is a few line-ups and "
    "patterns, far easier than recordings",
    _plan,
)
