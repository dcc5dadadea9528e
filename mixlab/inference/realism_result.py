"""What the measure of realism finds."""

from dataclasses import asdict, dataclass
from typing import Any

from mixlab.evaluation import Score, SplitScores

__all__ = ["AtPrevalence", "Realism", "TaggerAlone", "measure_of"]

SCHEMA = 1


@dataclass(frozen=True)
class AtPrevalence:
    """Average precision of mixes at the prevalence that each class has in recordings, beside that of these.

    Attributes:
        classes: Of the mixes by class; NaN where the class is always or never present in one of both.
        mixes: Mean over the families where there is one; NaN without any.
        recordings: Mean of the recordings' own over the same families.
    """

    classes: dict[str, float]
    mixes: float
    recordings: float


@dataclass(frozen=True)
class TaggerAlone:
    """What one of several taggers finds by itself, over the families that all of them can say.

    Attributes:
        weights: Its name.
        mixes: Its macro average precision on the mixes.
        full: The same on full mixes; None without any.
        recordings: The same on recordings; None without any.
    """

    weights: str
    mixes: float
    full: float | None = None
    recordings: float | None = None


@dataclass(frozen=True)
class Realism:
    """What published taggers make of mixes, beside what they make of recordings.

    Attributes:
        weights: Name of the tagger; of several the names with "and" between.
        label_set: Whose classes its tags are raised to.
        catalog: Content hash of the catalog.
        split: Which of its songs were mixed.
        seed: Of the mixes.
        mix_hash: Of the settings of the mixing.
        mixes: Scores on the mixes; intervals are over songs.
        unsaid: Classes that no tag speaks of; of several taggers, those that not all of them can say. They
            count in no mean.
        replaced: Mixes that are not those meant, as files could not be read.
        left_out: Settings that were asked for and are not those of the mixes.
        note: What must stand beside the numbers, or ''.
        full: Scores on full mixes, of all stems of a song; None without any.
        full_seconds: Their length.
        too_short: Whether there are none as no song is so long.
        recordings: The same on recordings; None without any.
        recordings_source: Where these are from, or ''.
        at_prevalence: The mixes as if each class were as frequent in them as in the recordings; None without
            any.
        alone: Of several taggers what each of them finds by itself.
    """

    weights: str
    label_set: str
    catalog: str
    split: str
    seed: int
    mix_hash: str
    mixes: SplitScores
    unsaid: tuple[str, ...]
    replaced: int
    left_out: tuple[str, ...]
    note: str
    full: SplitScores | None = None
    full_seconds: float = 10.0
    too_short: bool = False
    recordings: SplitScores | None = None
    recordings_source: str = ""
    at_prevalence: AtPrevalence | None = None
    alone: tuple[TaggerAlone, ...] = ()

    @property
    def measure(self) -> Score:
        """The measure: macro average precision over the families."""
        return measure_of(self.mixes)

    def to_dict(self) -> dict[str, Any]:
        """Return all as plain dicts and lists; NaN is NaN still."""
        return {"schema": SCHEMA, "measure": asdict(self.measure), **asdict(self)}


def measure_of(scores: SplitScores) -> Score:
    """Return the macro average precision over the families; over all classes where there is one level."""
    for level in scores.levels:
        if level.name == "families":
            return level.scores["average_precision"]
    return scores.scores["average_precision"]
