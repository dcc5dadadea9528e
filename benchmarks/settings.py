"""How much is measured: in full, or a quick pass through every part to see that it works."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What a run measures, and how long it takes over it.

    Attributes:
        work: Folder for what is made for this run only.
        catalog: A catalog to measure on; None makes a corpus.
        mixes: Mixes per round.
        rounds: Rounds, of which the median counts.
        shortest_s: Quick methods make the same mixes again and again until a round has lasted this long.
        songs: Songs of the corpus that is made.
        seconds: Their length.
        steady_mixes: Mixes that count per number of workers, after those that do not.
        steps: Pairs of training steps that count, one with the loader and one without.
        width: Channels of the network that is trained.
        big_stems: Stems of the big catalog.
        n_recipes: Recipes sampled to time sampling.
    """

    work: Path
    catalog: Path | None = None
    mixes: int = 12
    rounds: int = 5
    shortest_s: float = 0.4
    songs: int = 14
    seconds: float = 75.0
    steady_mixes: int = 800
    steps: int = 48
    width: int = 128
    big_stems: int = 25_000
    n_recipes: int = 2000

    @classmethod
    def quick(cls, work: Path) -> "Settings":
        """Return settings under which every part runs and no figure means anything."""
        return cls(
            work,
            mixes=2,
            rounds=1,
            shortest_s=0.0,
            songs=9,
            seconds=10.0,
            steady_mixes=16,
            steps=2,
            width=8,
            big_stems=300,
            n_recipes=50,
        )
