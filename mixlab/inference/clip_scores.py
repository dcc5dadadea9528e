"""What a scorer says of clips: their windows, scored and put together."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from mixlab.audio.io import fit_length, probe
from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.corpora.clips.mtg_jamendo import read_track_excerpt
from mixlab.errors import AudioError
from mixlab.inference.blocks import peak_gain
from mixlab.inference.scorer import Compute, Scorer, window_starts
from mixlab.training.baselines.clip_features import read_rows, row_name, write_rows
from mixlab.training.clips import WindowConfig, load_windows, read_clip
from mixlab.training.clips.reading import LONGEST_S, fill, no_samples
from mixlab.utils.files import make_folder
from mixlab.utils.hashing import digest

__all__ = ["kept_scores", "score_clips"]

Floats = NDArray[np.float64]

_BATCH = 32


class _Windows(Dataset[dict[str, Any]]):
    """Clips cut into windows: ``audio`` ``(K, C, T)``, ``index``, and ``problem`` ('' where all is well).

    A run on clips has windows of its own, to which its thresholds belong.
    """

    def __init__(self, clips: ClipSet, scorer: Scorer, own: WindowConfig | None) -> None:
        self.clips, self.own, self.channels = clips.clips, own, scorer.channels
        self.count, self.sample_rate = clips.windows, scorer.sample_rate
        self.window, self.shortest = scorer.window, scorer.min_samples
        self.peak, self.of_clip = scorer.level == "peak", scorer.of_clip is not None

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        try:
            audio = self._cut(self.clips[index])
            # A run on clips has its windows at its own level already.
            level = peak_gain([audio]) if self.peak and self.own is None else 1.0
            given = torch.from_numpy(audio * np.float32(level))
            return {"audio": given, "index": index, "problem": ""}
        except AudioError as error:
            return {"audio": torch.zeros(0), "index": index, "problem": str(error)}

    def _cut(self, clip: Clip) -> NDArray[np.float32]:
        if self.own is not None:
            if not self.of_clip:
                return load_windows(clip, self.sample_rate, self.channels, self.own, self.window)
            # Whole clips keep their own length, as when the features of the run were computed.
            found = load_windows(clip, self.sample_rate, self.channels, self.own)
            length = max(found.shape[2], self.shortest)
            return np.stack([fill(window, length, self.own.padding) for window in found])
        info = probe(clip.path)
        seconds = clip.seconds(info.frames / info.sample_rate)
        samples = round(seconds * self.sample_rate)
        if samples == 0:
            raise no_samples(clip, info.frames / info.sample_rate)
        if not self.count and seconds > LONGEST_S:
            raise AudioError(
                f"Expected a clip of up to {LONGEST_S} s at {clip.path}, found a header of {seconds:.0f} s: "
                "it is damaged, or the file is no clip. Restore it.",
                code="audio-too-long",
            )
        # A clip shorter than a window is scored as it is: silence behind it would be scored as well.
        length = min(max(samples, self.shortest), self.window)
        starts = window_starts(samples, length, self.count)
        if self.channels != 1:
            whole = fit_length(read_clip(clip, self.sample_rate, self.channels), max(samples, length))
            return np.stack([whole[:, start : start + length] for start in starts])
        if self.count:
            return np.stack([self._read(clip, start / self.sample_rate, length) for start in starts])
        whole = self._read(clip, 0.0, max(samples, length))
        return np.stack([whole[:, start : start + length] for start in starts])

    def _read(self, clip: Clip, start_s: float, samples: int) -> NDArray[np.float32]:
        return read_track_excerpt(clip.path, clip.start_s + start_s, samples, self.sample_rate)


def score_clips(
    clips: ClipSet,
    scorer: Scorer,
    *,
    windows: WindowConfig | None = None,
    num_workers: int = 0,
    progress: Callable[[int], object] | None = None,
) -> tuple[Floats, dict[int, str]]:
    """Return each clip's scores ``(N, O)``: the mean over its windows of hierarchy-consistent scores.

    Args:
        clips: What to score.
        scorer: What scores them.
        windows: How a run on clips cuts them, and puts the scores of windows together; None cuts windows
            that overlap by half, or as many as ``clips.windows`` says.
        num_workers: Processes that decode.
        progress: Called with the number of clips that are done.

    Returns:
        The scores, NaN for clips that cannot be read, and what went wrong by the clip's place.
    """
    loader: DataLoader[Any] = DataLoader(
        _Windows(clips, scorer, windows),
        batch_size=None,
        num_workers=num_workers,
        generator=torch.Generator(),
    )
    problems: dict[int, str] = {}
    if windows is not None and scorer.of_clip is not None:
        return _clip_by_clip(clips, scorer, scorer.of_clip, loader, problems, progress), problems
    sums = np.zeros((len(clips), len(scorer.labels)))
    counts = np.zeros(len(clips))
    for batch, owners in _batches(loader, problems, progress):
        scores = scorer.consistent(scorer.score(batch.numpy()))
        for index in {owners[row] for row in np.flatnonzero(~np.isfinite(scores).all(axis=1))}:
            problems[index] = f"{clips.clips[index].path}: the model gives no number for it"
        np.add.at(sums, owners, scores)
        np.add.at(counts, owners, 1)
    divisor = sums.max(axis=1) if windows is not None and windows.aggregation == "s2" else counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / divisor[:, None], problems


def _clip_by_clip(
    clips: ClipSet,
    scorer: Scorer,
    of_clip: Compute,
    loader: DataLoader[Any],
    problems: dict[int, str],
    progress: Callable[[int], object] | None,
) -> Floats:
    """Return the scores of clips whose windows are put together before they are scored."""
    found = np.full((len(clips), len(scorer.labels)), np.nan)
    for clip in loader:
        index = int(clip["index"])
        if progress is not None:
            progress(1)
        if clip["problem"]:
            problems[index] = clip["problem"]
            continue
        found[index] = scorer.consistent(of_clip(clip["audio"].numpy()))[0]
        if not np.isfinite(found[index]).all():
            problems[index] = f"{clips.clips[index].path}: the model gives no number for it"
    return found


def _batches(
    loader: DataLoader[Any], problems: dict[int, str], progress: Callable[[int], object] | None
) -> Iterator[tuple[torch.Tensor, list[int]]]:
    """Gather windows of one length across clips; the model takes many short clips at once."""
    waiting: list[torch.Tensor] = []
    owners: list[int] = []
    for clip in loader:
        if progress is not None:
            progress(1)
        if clip["problem"]:
            problems[int(clip["index"])] = clip["problem"]
            continue
        audio = clip["audio"]
        if waiting and (audio.shape[-1] != waiting[0].shape[-1] or len(owners) >= _BATCH):
            yield torch.cat(waiting), owners
            waiting, owners = [], []
        waiting.append(audio)
        owners = [*owners, *([int(clip["index"])] * len(audio))]
    if waiting:
        yield torch.cat(waiting), owners


def kept_scores(
    clips: ClipSet,
    scorer: Scorer,
    cache: Path,
    *,
    progress: Callable[[int], object] | None = None,
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Return what ``score_clips`` does, from a folder as far as it was scored before.

    Args:
        clips: What to score.
        scorer: What scores them.
        cache: Folder for this scorer's scores alone. A row belongs to a file, a part of it, and the windows;
            what a stop may cost is the scores of a few clips.
        progress: Called with the number of clips that are done.

    Returns:
        ``(N, O)`` float32, NaN for clips that cannot be read, and what went wrong by the clip's place.
    """
    names = [digest([row_name(clip, clips.corpus), clips.windows]) for clip in clips.clips]
    found = read_rows(make_folder(cache), set(names))
    missing = [row for row, name in enumerate(names) if name not in found]
    if progress is not None:
        progress(len(clips) - len(missing))
    problems: dict[int, str] = {}
    for first in range(0, len(missing), _BATCH):
        rows = missing[first : first + _BATCH]
        values, unread = score_clips(clips.take(rows), scorer, progress=progress)
        problems |= {rows[place]: problem for place, problem in unread.items()}
        own = {
            names[row]: values[place].astype(np.float32)
            for place, row in enumerate(rows)
            if place not in unread
        }
        write_rows(cache / f"{digest([*own])}.npz", own)
        found |= own
    blank = np.full(len(scorer.labels), np.nan, np.float32)
    scores = np.array([found.get(name, blank) for name in names], np.float32)
    return scores.reshape(len(names), len(blank)), problems
