"""An electric guitar through a driven amplifier and its loudspeaker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.filters import pass_sections, section
from mixlab.audio.io import amplitude
from mixlab.synthesis.events import Note
from mixlab.synthesis.filtering import filter_part
from mixlab.synthesis.levels import is_silent, peak_of
from mixlab.synthesis.players import SAMPLE_RATE, Player

__all__ = ["AmplifiedPlayer"]

_BIAS = np.float32(0.1)
"""Added before the curve: even overtones, too."""

_KAISER = 7.9


@dataclass(frozen=True)
class AmplifiedPlayer:
    """A player whose sound drives an amplifier.

    Attributes:
        player: Who plays.
        drive_db: How far the loudest sample is above where the amplifier bends.
    """

    player: Player
    drive_db: float

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the loudspeaker's sound, its peak below full scale."""
        played = self.player.play(notes, seconds, rng)
        if is_silent(played):
            return played
        tight = [
            *pass_sections("high_pass", 100.0, 2, SAMPLE_RATE),
            section("peak", 800.0, 6.0, 0.6, SAMPLE_RATE),
        ]
        driven = _driven(filter_part(played, tight), self.drive_db)
        loudspeaker = [
            *pass_sections("high_pass", 85.0, 2, SAMPLE_RATE),
            section("peak", 2600.0, 5.0, 0.9, SAMPLE_RATE),
            section("peak", 400.0, -3.0, 0.8, SAMPLE_RATE),
            *pass_sections("low_pass", 4800.0, 4, SAMPLE_RATE),
        ]
        out = filter_part(driven, loudspeaker)
        out *= np.float32(0.9 / peak_of(out))
        return out


def _driven(audio: NDArray[np.float32], drive_db: float) -> NDArray[np.float32]:
    """Return a sound bent as by a valve, at four times its rate, so that overtones do not fold back."""
    from mixlab.synthesis._kernels.amplifier import drive

    out = np.empty(len(audio), np.float32)
    drive(audio, *_filters(), np.float32(amplitude(drive_db) / peak_of(audio)), _BIAS, out)
    return out


@lru_cache(maxsize=1)
def _filters() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return filters to four times the rate and back: flat to 17 kHz, and 80 dB down from 27 kHz on.

    What is between is folded, or lost; the loudspeaker lets nothing of it through.
    """
    from mixlab.synthesis._kernels.amplifier import TAPS, TIMES

    reach = TIMES * TAPS // 2
    place = np.arange(-reach, reach + 1)
    sincs = np.sinc(place / TIMES) * np.kaiser(len(place), _KAISER)
    k, tap = np.arange(TIMES)[:, None], np.arange(TAPS)
    up = sincs[reach + k - TIMES * (tap - TAPS // 2 + 1)]
    down = sincs[reach + k + TIMES * (tap - TAPS // 2)]
    return (up / up.sum(axis=1, keepdims=True)).astype(np.float32), (down / down.sum()).astype(np.float32)
