"""Say what a set of labelled clips holds: classes, parts, groups, and what must be known."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mixlab.audio.io import probe
from mixlab.corpora.clips.base import SPLITS, Clip, ClipSet
from mixlab.errors import AudioError
from mixlab.utils.hashing import file_digest
from mixlab.utils.parallel import map_items
from mixlab.utils.tables import align

__all__ = ["describe_clips", "identical", "unreadable"]

_SHOWN = 10


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
    head = f"{clips.corpus}, task {clips.task}: {len(clips)} clips, {len(clips.classes)} classes ({kind})"
    body = "\n".join(align([header, *rows], right=range(1, len(header))))
    return "\n\n".join([head, body, "\n".join(_lines(clips))])


def _row(clips: ClipSet, column: int, parts: Sequence[str]) -> tuple[str, ...]:
    held = [clip for clip, present in zip(clips.clips, clips.targets[:, column], strict=True) if present]
    counts = Counter(clip.split for clip in held)
    groups = len({clip.group for clip in held})
    return clips.classes[column], *(str(counts[part]) for part in parts), str(len(held)), str(groups)


def _lines(clips: ClipSet) -> Iterator[str]:
    yield f"- {clips.source}"
    yield from (f"- {note}" for note in clips.notes)
    if clips.missing:
        yield f"- {len(clips.missing)} clips have no file and are left out: {_listed(clips.missing)}"
    yield f"- content {clips.content_hash}"


def unreadable(clips: ClipSet, workers: int | None = None) -> list[str]:
    """Open the header of every file, and return the problems, one line each.

    Args:
        clips: The clips.
        workers: Processes; None takes one per processor.
    """
    outcomes = map_items(_problem, clips.clips, workers=workers)
    found = {outcome.index: outcome.error or outcome.value for outcome in outcomes}
    return [f"{clips.clips[row].key}: {found[row]}" for row in sorted(found) if found[row]]


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


def _problem(clip: Clip) -> str:
    try:
        info = probe(clip.path)
    except AudioError as error:
        return str(error)
    if clip.seconds(info.frames / info.sample_rate) <= 0:
        length = f"{info.frames / info.sample_rate:g} s"
        return f"{clip.path} lasts {length}, and the clip is to start at {clip.start_s:g} s: it holds nothing"
    return ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
