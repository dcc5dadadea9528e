"""A few short songs to look around with before there is time for the demo corpora."""

from mixlab.synthesis.plan import plan_songs
from mixlab.utils.csv import csv_text

__all__ = ["STARTER_SECONDS", "STARTER_SONGS", "starter_splits"]

STARTER_SONGS = 6
"""Four songs of one corpus, so that there are mixes of several, and one each for the other splits.

With three, one a split, no mix could be of two songs. Six take 10 processor seconds, four take 8.
"""

STARTER_SECONDS = 6.0

_CORPORA = {
    "slakh2100_flac_redux": ("slakh", "train"),
    "medleydb": ("medleydb", "validation"),
    "mixing_secrets": ("mixing_secrets", "test"),
}


def starter_splits(seed: int = 0) -> str:
    """Return the splits of the starter's songs as a table for ``mixlab index --splits``.

    So few songs would not be divided well by artist: a corpus of one song has but one split.
    """
    rows = []
    for plan in plan_songs(STARTER_SONGS, seed):
        corpus, split = _CORPORA[plan.corpus]
        rows.append([f"{corpus}/{plan.id}", split])
    return csv_text([["song", "split"], *rows])
