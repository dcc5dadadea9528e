"""What is scored, and what is sampled for intervals: mixes and songs, or clips and recordings."""

from dataclasses import dataclass

__all__ = ["CLIPS", "MIXES", "TRACKS", "Units"]


@dataclass(frozen=True)
class Units:
    """Words for what a report counts.

    Attributes:
        item: What one row of predictions is of.
        items: Several of them.
        group: What belongs together, never stands on two sides of a split, and is sampled for intervals.
        groups: Several of them.
    """

    item: str
    items: str
    group: str
    groups: str


MIXES = Units("mix", "mixes", "song", "songs")
CLIPS = Units("clip", "clips", "recording", "recordings")
TRACKS = Units("track", "tracks", "artist", "artists")
