"""What the black-box transfer paper states about its own experiments, to stand beside ours.

Shtern, Ejaz and Tzerpos, "Transfer Learning in Neural Networks: An Experience Report" (CASCON 2017). Its
numbers are accuracies in per cent, means over five runs, without intervals; differences below two points it
does not call significant. Five of its data sets it made itself and did not publish.
"""

from typing import NamedTuple

__all__ = [
    "AUGMENTED",
    "EXTREMES_ACCURACY",
    "FIVE_ACCURACY",
    "SOURCE",
    "TABLE_2",
    "TABLE_3",
    "TABLE_4",
    "PaperTask",
]

SOURCE = "Shtern et al. 2017"


class PaperTask(NamedTuple):
    """A row of Table 2: accuracy in per cent."""

    title: str
    classes: int
    network_unprocessed: float
    network_normalised: float
    forest_unprocessed: float
    forest_normalised: float


TABLE_2 = {
    "genre": PaperTask("Genre", 3, 87.2, 85.8, 97.1, 97.0),
    "short_genre": PaperTask("Short Genre", 3, 86.8, 87.4, 85.8, 85.6),
    "instrument": PaperTask("Instrument", 2, 96.3, 89.4, 97.3, 97.4),
    "vocalist": PaperTask("Vocalist", 2, 78.2, 77.6, 96.9, 96.7),
    "composer": PaperTask("Composer", 2, 64.5, 73.9, 80.9, 81.9),
    "ballroom": PaperTask("Ballroom", 13, 54.8, 62.3, 54.8, 54.7),
    "nsynth_family": PaperTask("NSynth Family", 3, 96.6, 100.0, 100.0, 99.6),
    "nsynth_instrument": PaperTask("NSynth Instrument", 8, 97.3, 97.1, 99.7, 100.0),
    "nsynth_organ": PaperTask("NSynth Organ", 2, 100.0, 100.0, 100.0, 100.0),
}
"""Table 2 by the names that tasks have in ``configs/studies/black_box_paper.yaml``."""

TABLE_3 = {9: 63.5, 8: 64.8, 7: 72.7, 2: 96.0}
"""Table 3: accuracy on the largest classes of the normalised Extended Ballroom, by their number."""

TABLE_4 = {
    ("genre", "classical"): (0.06, 0.03),
    ("genre", "metal"): (0.21, 0.08),
    ("genre", "rock"): (0.16, 0.06),
    ("short_genre", "classical"): (0.06, 0.03),
    ("short_genre", "metal"): (0.20, 0.09),
    ("short_genre", "rock"): (0.15, 0.07),
    ("instrument", "acoustic"): (0.09, 0.06),
    ("instrument", "spanish"): (0.02, 0.01),
    ("composer", "beethoven"): (0.06, 0.03),
    ("composer", "mozart"): (0.06, 0.03),
    ("vocalist", "female"): (0.14, 0.07),
    ("vocalist", "male"): (0.18, 0.10),
    ("ballroom", "chacha"): (0.21, 0.04),
    ("ballroom", "foxtrot"): (0.17, 0.05),
    ("ballroom", "jive"): (0.22, 0.05),
    ("ballroom", "quickstep"): (0.19, 0.05),
    ("ballroom", "rumba"): (0.19, 0.05),
    ("ballroom", "samba"): (0.21, 0.05),
    ("ballroom", "tango"): (0.18, 0.06),
    ("ballroom", "viennesewaltz"): (0.19, 0.06),
    ("ballroom", "waltz"): (0.15, 0.05),
}
"""Table 4: mean and standard deviation of RMS, as a fraction of full scale, by task and class."""

FIVE_ACCURACY, EXTREMES_ACCURACY = 35.2, 79.5
"""Section 6: accuracy on five classes by loudness, and on the quietest and the loudest alone."""

AUGMENTED = 68.1
"""Section 6: accuracy on the nine largest dances with every clip repeated at eight levels."""
