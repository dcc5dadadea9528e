"""A small catalog in which everything is unusual: problems, leaks, open instruments, a long stem."""

from pathlib import Path

import numpy as np

from mixlab.catalog.catalog import Catalog
from tests.toy import RATE, make_corpus, make_own_catalog, steady

LONG = "acoustic guitar"
"""Label of the stem of 65 seconds, which sounds from 20 to 55 s."""


def make_odd_catalog(folder: Path) -> Catalog:
    """Index one corpus of odd stems, whose artist Ann is in train and in test, and one of tones."""
    tone, silence = steady(440.0, 3.0), np.zeros(3 * RATE)
    clipped = np.clip(steady(200.0, 3.0, 12.0), -1.0, 1.0)
    long = np.concatenate([np.zeros(20 * RATE), steady(300.0, 35.0), np.zeros(10 * RATE)])
    song = {"song": "first", "artist": "Ann"}
    other = {"song": "second", "artist": "ann", "split": "test", "audio": tone}
    make_corpus(folder / "tones", 2, seed=3)
    return make_own_catalog(
        folder,
        [
            {**song, "label": "violin", "audio": tone},
            {**song, "label": "string section", "audio": tone},
            {**song, "label": "drum set", "audio": silence},
            {**song, "label": "piano", "audio": clipped, "bleed": "yes"},
            {**other, "label": "trumpet"},
            {**other, "label": "ambience"},  # no instrument
            {"song": "third", "label": LONG, "audio": long, "split": "validation"},
        ],
        **{"folder@tones": folder / "tones"},
    )
