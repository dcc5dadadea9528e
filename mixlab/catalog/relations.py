"""What measured files say of one another: where stems start in their song, and which songs share audio."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from mixlab.audio.faults import NEVER_SAMPLED
from mixlab.audio.loudness import Measurement
from mixlab.audio.time_stamps import Stamp, offsets_by_stamp
from mixlab.catalog.copies import Sound, audio_groups, describe_ties, find_ties
from mixlab.catalog.scan import Row
from mixlab.catalog.storage import ACTIVITY_DB
from mixlab.corpora.base import Problem

__all__ = ["place_by_stamps", "tie_by_audio"]


def _is_audible(row: Row, measurement: Measurement) -> bool:
    return bool(row.nodes) and bool((measurement.envelope >= ACTIVITY_DB).any())


def _corrupt(measurement: Measurement) -> bool:
    """Tell whether samples of no sound outshout a stem, so that its level says nothing of it."""
    return not NEVER_SAMPLED.isdisjoint(kind for kind, _ in measurement.problems)


def place_by_stamps(
    rows: Sequence[Row], measurements: Sequence[Measurement]
) -> tuple[list[Row], list[Problem], list[str]]:
    """Set the starts that the corpus does not give, by the time stamps of the files.

    Args:
        rows: All rows; those whose ``offset_s`` is a number keep it.
        measurements: One for each row.

    Returns:
        All rows, each with a number as ``offset_s``; what is doubtful; and what was done, for the report.
    """
    songs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, (row, measurement) in enumerate(zip(rows, measurements, strict=True)):
        if _is_audible(row, measurement):
            songs[row.corpus, row.entry.song].append(i)
    starts: dict[int, float] = {}
    problems = []
    for (corpus, song), members in songs.items():
        stamps = [_stamp(rows[i], measurements[i]) for i in members]
        found, doubt = offsets_by_stamp(stamps)
        if all(stamp.given for stamp in stamps):
            doubt = _contradicted(found, [rows[i].entry.offset_s for i in members])
        starts |= dict(zip(members, found, strict=True))
        if doubt:
            problems.append(Problem(corpus, song, "", "", "time-stamp", doubt))
    placed = [_at(row, starts.get(i, 0.0)) for i, row in enumerate(rows)]
    moved = [
        row for row, old in zip(placed, rows, strict=True) if row.entry.offset_s != (old.entry.offset_s or 0)
    ]
    count = len({(row.corpus, row.entry.song) for row in moved})
    notes = [
        f"Stems that start later than their song, by the time stamps in their files: {len(moved)}, "
        f"in {count} song{'s' if count > 1 else ''}."
    ]
    return placed, problems, notes if moved else []


def _contradicted(found: Sequence[float], given: Sequence[float | None]) -> str:
    """Say where a corpus has its stems start together and their time stamps disagree."""
    if any(given) or not any(found):
        return ""
    return (
        f"The time stamps of its files lie up to {max(found):.3f} s apart, but the corpus says that they "
        "start together, and that is what counts. If it is wrong, index the files as a folder corpus."
    )


def _stamp(row: Row, m: Measurement) -> Stamp:
    given = row.entry.offset_s is not None
    return Stamp(row.entry.stem, m.time_reference, m.sample_rate, m.frames, given)


def _at(row: Row, offset_s: float) -> Row:
    return (
        row if row.entry.offset_s is not None else replace(row, entry=replace(row.entry, offset_s=offset_s))
    )


def tie_by_audio(rows: Sequence[Row], measurements: Sequence[Measurement]) -> tuple[list[Row], list[Problem]]:
    """Add group keys ``audio:…`` to the rows of songs that share audio, and list what is there twice."""
    audible = [
        i for i, row in enumerate(rows) if _is_audible(row, measurements[i]) and not _corrupt(measurements[i])
    ]
    sounds = [_sound(rows[i], measurements[i]) for i in audible]
    ties = find_ties(sounds)
    groups = audio_groups(sounds, ties)
    tied = [
        replace(row, entry=replace(row.entry, groups=tuple(sorted({*row.entry.groups, *keys}))))
        if (keys := groups.get(f"{row.corpus}/{row.entry.song}"))
        else row
        for row in rows
    ]
    paths = {
        (f"{rows[i].corpus}/{rows[i].entry.song}", rows[i].entry.stem): rows[i].entry.path for i in audible
    }
    problems = []
    for finding in describe_ties(sounds, ties):
        corpus, _, song = finding.song.partition("/")
        path = paths.get((finding.song, finding.stem), "")
        problems.append(Problem(corpus, song, finding.stem, path, finding.kind, finding.message))
    return tied, problems


def _sound(row: Row, m: Measurement) -> Sound:
    return Sound(
        song=f"{row.corpus}/{row.entry.song}",
        stem=row.entry.stem,
        audio_hash=m.audio_hash,
        envelope=m.envelope,
        active_db=ACTIVITY_DB,
        loudness_lufs=m.loudness_lufs,
        peak_db=m.peak_db,
        channels=m.channels,
        label=" or ".join(sorted(row.nodes)),
    )
