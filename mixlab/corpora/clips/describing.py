"""Say what a set of labelled clips holds: classes, parts, groups, and what must be known."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.faults import OFFSET_DB, cancels
from mixlab.audio.io import AudioFile, amplitude, check_peak, open_audio, read_frames
from mixlab.audio.levels import decibels
from mixlab.corpora.clips.base import SPLITS, Clip, ClipSet
from mixlab.errors import AudioError
from mixlab.utils.hashing import file_digest
from mixlab.utils.parallel import map_items
from mixlab.utils.tables import align

__all__ = ["END_MARGIN_S", "SILENT_DB", "check_audio", "describe_clips", "identical"]

SILENT_DB = -90.0
"""Peak below which a clip holds no sound, in dBFS: less than the last bit of 16."""

END_MARGIN_S = 0.1
"""How far the end of a clip may lie behind the end of its file, in seconds: tables round, encoders pad."""

_SHOWN = 10
_BLOCK = 1 << 21  # samples that are decoded at once


def describe_clips(clips: ClipSet) -> str:
    """Return a table of clips and groups by class and part, and below it the notes and what is missing."""
    parts = [part for part in (*SPLITS, "") if part in clips.splits]
    header = ("class", *(f"{part or 'no split'}" for part in parts), "clips", "groups")
    rows = [_row(clips, column, parts) for column in range(len(clips.classes))]
    total = [str(sum(clip.split == part for clip in clips.clips)) for part in parts]
    groups = len({clip.group for clip in clips.clips})
    rows.append(("all", *total, str(len(clips)), str(groups)))
    kind = "one class per clip" if clips.single_label else "several classes per clip, or none"
    if not clips.mask.all():
        kind += "; labels are partial"
    what = f"{len(clips.classes)} classes ({kind})"
    if clips.value:
        what = f"to predict: {clips.value_title}; {len(clips.classes)} classes"
    head = f"{clips.corpus}, task {clips.task}: {len(clips)} clips, {what}"
    body = "\n".join(align([header, *rows], right=range(1, len(header))))
    numbers = ["\n".join(_numbers(clips, parts))] if clips.value else []
    return "\n\n".join([head, *numbers, body, "\n".join(_lines(clips))])


def _numbers(clips: ClipSet, parts: Sequence[str]) -> list[str]:
    """Return a table of the numbers to be predicted, a row per part."""
    rows = []
    for part in parts:
        found = clips.numbers[[clip.split == part for clip in clips.clips]]
        figures = (found.mean(), found.std(), found.min(), found.max())
        rows.append((part or "no split", str(len(found)), *(f"{figure:.4g}" for figure in figures)))
    header = (clips.value_title, "clips", "mean", "SD", "lowest", "highest")
    return align([header, *rows], right=range(1, len(header)))


def _row(clips: ClipSet, column: int, parts: Sequence[str]) -> tuple[str, ...]:
    held = [clip for clip, present in zip(clips.clips, clips.targets[:, column], strict=True) if present]
    counts = Counter(clip.split for clip in held)
    groups = len({clip.group for clip in held})
    return clips.classes[column], *(str(counts[part]) for part in parts), str(len(held)), str(groups)


def _lines(clips: ClipSet) -> Iterator[str]:
    yield f"- {clips.source}"
    yield from (f"- {note}" for note in clips.notes)
    if clips.values and not clips.value:
        yield f"- numbers that clips.value can take instead of the classes: {', '.join(clips.values)}"
    if clips.missing:
        yield f"- {len(clips.missing)} clips have no file and are left out: {_listed(clips.missing)}"
    yield f"- content {clips.content_hash}"


def check_audio(clips: ClipSet, workers: int | None = None) -> tuple[list[str], list[str]]:
    """Decode every clip, and return what cannot be used and what is doubtful, one line each.

    What cannot be used is what a training on one channel leaves out: files that are missing, damaged or of
    absurd samples, clips that start behind their file's end, channels that cancel each other. Doubtful are
    clips without sound, and ends that lie ``END_MARGIN_S`` or more behind the end of the file.

    Args:
        clips: The clips.
        workers: Processes; None takes one per processor.
    """
    outcomes = sorted(map_items(_findings, clips.clips, workers=workers), key=lambda outcome: outcome.index)
    found = [(clips.clips[one.index].key, one.value or (one.error or "", "")) for one in outcomes]
    unusable, doubtful = ([f"{key}: {both[k]}" for key, both in found if both[k]] for k in (0, 1))
    return unusable, doubtful


def identical(clips: ClipSet, workers: int | None = None) -> list[str]:
    """Read every file, and return which hold the same bytes as another one in another class, group or split.

    The same recording under two names is a wrong label or a leak that no table says.

    Args:
        clips: The clips; parts of one file are not compared with each other.
        workers: Processes; None takes one per processor.
    """
    paths = sorted({clip.path for clip in clips.clips})
    contents: dict[str, list[Path]] = {}
    for outcome in sorted(map_items(file_digest, paths, workers=workers), key=lambda outcome: outcome.index):
        if outcome.value:
            contents.setdefault(outcome.value, []).append(paths[outcome.index])
    about = {clip.path: _about(clips, row) for row, clip in enumerate(clips.clips)}
    return [
        " = ".join(f"{path.name} ({', '.join(about[path])})" for path in same)
        for same in contents.values()
        if len({about[path] for path in same}) > 1
    ]


def _about(clips: ClipSet, row: int) -> tuple[str, ...]:
    held = [clips.classes[column] for column in np.flatnonzero(clips.targets[row])]
    clip = clips.clips[row]
    return "+".join(held) or "no class", f"group {clip.group}", clip.split or "no split"


def _findings(clip: Clip) -> tuple[str, str]:
    """Return why a clip cannot be used, and what is doubtful about it; '' where nothing is."""
    try:
        with open_audio(clip.path) as file:
            length_s = file.frames / file.samplerate
            if clip.seconds(length_s) <= 0:
                start = f"the clip is to start at {clip.start_s:g} s"
                return f"{clip.path} lasts {length_s:g} s, and {start}: it holds nothing", ""
            peak, levels = _measure(clip, file)
        check_peak(str(clip.path), peak)
    except AudioError as error:
        return str(error), ""
    sides_db, mono_db = levels
    if sides_db >= OFFSET_DB and cancels(mono_db, sides_db):
        return (
            f"the channels of {clip.path} cancel each other in mono: {sides_db.item():.0f} dBFS become "
            f"{mono_db.item():.0f}",
            "",
        )
    if peak < amplitude(SILENT_DB):
        return "", f"no sample of {clip.path} reaches {SILENT_DB:g} dBFS: its labels stand beside silence"
    if clip.end_s is not None and clip.end_s >= length_s + END_MARGIN_S:
        return "", f"{clip.path} lasts {length_s:g} s, and the clip is to end at {clip.end_s:g} s"
    return "", ""


def _measure(clip: Clip, file: AudioFile) -> tuple[float, NDArray[np.float64]]:
    """Return a clip's highest sample, and the levels of its channels and of their mean in dBFS."""
    first = round(clip.start_s * file.samplerate)
    frames = round(clip.seconds(file.frames / file.samplerate) * file.samplerate)
    peak, energies = 0.0, np.zeros(2)
    for start in range(first, first + frames, _BLOCK):
        block = read_frames(file, start, min(_BLOCK, first + frames - start)).astype(np.float64)
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        energies += np.square(block).mean(axis=1).sum(), np.square(block.mean(axis=1)).sum()
    return peak, decibels(energies / max(frames, 1))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
