"""What is scored, and what is sampled for intervals: mixes and songs, or clips and recordings."""

from dataclasses import dataclass

__all__ = ["CLIPS", "MIXES", "TRACKS", "Quantity", "Units"]


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


@dataclass(frozen=True)
class Quantity:
    """A number that a model predicts of each item, instead of classes.

    Attributes:
        name: What it is called: ``tempo``.
        unit: ``BPM``; '' where there is none, or none is known.
        mean: Of the training items, in the unit: what the reference predicts for every item.
        deviation: Standard deviation of the training items, above 0, by which targets were scaled.
    """

    name: str
    unit: str
    mean: float
    deviation: float

    @property
    def title(self) -> str:
        """The name with its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


MIXES = Units("mix", "mixes", "song", "songs")
"""Mixes, of which intervals resample whole songs."""
CLIPS = Units("clip", "clips", "recording", "recordings")
"""Labelled clips, of which intervals resample whole recordings."""
TRACKS = Units("track", "tracks", "artist", "artists")
"""Whole tracks, of which intervals resample artists with all of theirs."""
