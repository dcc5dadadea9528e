"""What a mouth does: vowels as formants, consonants as places, noises and times.

Vowels are the means of Peterson and Barney, *Control methods used in a study of the vowels*, JASA 24
(1952), of men, women and children. Places of consonants follow Klatt, *Software for a cascade/parallel
formant synthesizer*, JASA 67 (1980), for a man.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONSONANTS",
    "FORMANTS",
    "NASAL_HZ",
    "RATE",
    "VOWELS",
    "Consonant",
    "consonant_formants",
    "vowel_formants",
]

NASAL_HZ = 270.0
"""The nasal pole; a zero at the same place undoes it where nothing is nasal (Klatt)."""

RATE = 22050
"""Samples per second of the model: a voice has little above 11 kHz, and half of them cost half the time."""

FORMANTS = 10
"""Formants that are computed, up to half of ``RATE``: the first five carry vowel and voice, the others its
brightness; without them, everything above the fifth would be missing."""

# First three formants in Hz of men, women and children.
VOWELS: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    "i": ((270, 2290, 3010), (310, 2790, 3310), (370, 3200, 3730)),
    "I": ((390, 1990, 2550), (430, 2480, 3070), (530, 2730, 3600)),
    "E": ((530, 1840, 2480), (610, 2330, 2990), (690, 2610, 3570)),
    "ae": ((660, 1720, 2410), (860, 2050, 2850), (1010, 2320, 3320)),
    "a": ((730, 1090, 2440), (850, 1220, 2810), (1030, 1370, 3170)),
    "O": ((570, 840, 2410), (590, 920, 2710), (680, 1060, 3180)),
    "U": ((440, 1020, 2240), (470, 1160, 2680), (560, 1410, 3310)),
    "u": ((300, 870, 2240), (370, 950, 2670), (430, 1170, 3260)),
    "V": ((640, 1190, 2390), (760, 1400, 2780), (850, 1590, 3360)),
    "R": ((490, 1350, 1690), (500, 1640, 1960), (560, 1820, 2160)),
}

_FOURTH_HZ = (3400.0, 3950.0, 4600.0)
_HIGHEST_HZ = 10600.0

Kind = Literal["nasal", "approximant", "plosive", "fricative"]


@dataclass(frozen=True)
class Consonant:
    """One consonant, of a man.

    Attributes:
        kind: How it is made.
        length_s: Of the closure or narrowing.
        formants: First three in Hz, at the place where it is made.
        voice: Level of the voice meanwhile, 1 is a vowel's.
        hiss_db: Level of the noise of a narrowing or of a burst against a vowel; -99 for none.
        hiss_hz: Middle of that noise.
        width_hz: Its width.
        breath_s: How long breath follows.
        zero_hz: The nasal zero.
    """

    kind: Kind
    length_s: float
    formants: tuple[float, float, float]
    voice: float
    hiss_db: float = -99.0
    hiss_hz: float = 5000.0
    width_hz: float = 2000.0
    breath_s: float = 0.0
    zero_hz: float = NASAL_HZ


CONSONANTS: Mapping[str, Consonant] = {
    "m": Consonant("nasal", 0.07, (480, 1270, 2130), 0.5, zero_hz=450),
    "n": Consonant("nasal", 0.06, (480, 1340, 2470), 0.5, zero_hz=450),
    "ng": Consonant("nasal", 0.07, (480, 2000, 2900), 0.45, zero_hz=450),
    "l": Consonant("approximant", 0.06, (310, 1050, 2880), 0.6),
    "r": Consonant("approximant", 0.06, (310, 1060, 1380), 0.6),
    "w": Consonant("approximant", 0.06, (290, 610, 2150), 0.55),
    "y": Consonant("approximant", 0.05, (260, 2070, 3020), 0.6),
    "b": Consonant("plosive", 0.055, (200, 1100, 2150), 0.12, -16, 900, 900),
    "d": Consonant("plosive", 0.05, (200, 1600, 2600), 0.12, -13, 3800, 2500),
    "g": Consonant("plosive", 0.055, (200, 1990, 2850), 0.12, -13, 2000, 900),
    "p": Consonant("plosive", 0.07, (400, 1100, 2150), 0.0, -13, 1000, 1200, 0.035),
    "t": Consonant("plosive", 0.06, (400, 1600, 2600), 0.0, -8, 4500, 3000, 0.04),
    "k": Consonant("plosive", 0.07, (300, 1990, 2850), 0.0, -10, 2100, 900, 0.045),
    "f": Consonant("fricative", 0.08, (340, 1100, 2080), 0.0, -20, 7000, 9000),
    "s": Consonant("fricative", 0.1, (320, 1390, 2530), 0.0, -9, 7000, 4500),
    "sh": Consonant("fricative", 0.1, (300, 1840, 2750), 0.0, -9, 3600, 2600),
    "h": Consonant("fricative", 0.06, (0, 0, 0), 0.0, breath_s=0.03),
    "v": Consonant("fricative", 0.06, (220, 1100, 2080), 0.35, -28, 6000, 5000),
    "z": Consonant("fricative", 0.08, (240, 1390, 2530), 0.3, -15, 7000, 4500),
}


def vowel_formants(vowel: str, size: float) -> NDArray[np.float64]:
    """Return ``FORMANTS`` formants of a vowel in Hz.

    Args:
        vowel: Key of ``VOWELS``.
        size: 0 a man, 1 a woman, 2 a child, and what lies between.
    """
    sizes = np.arange(3.0)
    lowest = [float(np.interp(size, sizes, [row[k] for row in VOWELS[vowel]])) for k in range(3)]
    fourth = float(np.interp(size, sizes, _FOURTH_HZ))
    if size < 0:
        # Larger than a man: everything in proportion.
        lowest = [hz * (1 + 0.15 * size) for hz in lowest]
        fourth *= 1 + 0.15 * size
    return np.array([*lowest, *np.linspace(fourth, _HIGHEST_HZ, FORMANTS - 3)])


def consonant_formants(consonant: Consonant, vowel: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    """Return the formants of a consonant beside a vowel: its place, and some of the vowel's."""
    if not consonant.formants[0]:
        return vowel
    longer = 1.0 + 0.17 * size
    found = vowel.copy()
    found[0] = 0.85 * consonant.formants[0] * longer + 0.15 * vowel[0]
    found[1:3] = 0.7 * np.array(consonant.formants[1:]) * longer + 0.3 * vowel[1:3]
    return np.maximum.accumulate(found)
