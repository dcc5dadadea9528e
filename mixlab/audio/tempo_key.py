"""Beats, tempo and key of a recording, each with a confidence from 0 to 1.

Beats: Ellis 2007, "Beat tracking by dynamic programming" (Journal of New Music Research 36(1)), by librosa,
over the onset strength of a mel spectrogram. Key: the mean pitch class profile of spectral peaks (Gómez 2006,
"Tonal description of polyphonic audio", INFORMS Journal on Computing 18(3)), compared with the profiles of
Krumhansl and Kessler (Krumhansl 1990, "Cognitive foundations of musical pitch"). Both can be wrong, which is
why they say how certain they are.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.errors import MissingDependencyError

__all__ = [
    "ANALYSIS_RATE",
    "Beats",
    "Key",
    "Mode",
    "find_beats",
    "find_key",
    "key_of_profile",
    "onset_confidence",
    "regular_beats",
]

Floats = NDArray[np.float64]

ANALYSIS_RATE = 22050
"""Sample rate in Hz at which recordings are analysed."""

_HOP = 256

_LATE_S = 0.036
"""By how much librosa's beats lie behind the notes: measured on demo corpora, whose notes are known."""

_FEWEST_BEATS = 4

_REGULAR = 0.08
"""An interval between two beats is regular when it lies within this share of the median."""

_PEAK_WINDOW, _PEAK_HOP = 8192, 4096
_PEAK_HZ = (80.0, 2000.0)
_PEAK_FLOOR = 0.01
_HARMONICS, _DECAY = 4, 0.6

_CLEAR_MARGIN = 0.15
"""By how far the best key must lead for a confidence of 1 - 1/e."""

Mode = Literal["major", "minor"]

_PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


@dataclass(frozen=True)
class Beats:
    """The beats of a recording.

    Attributes:
        times_s: In seconds, rising; empty where there are none.
        tempo_bpm: Beats per minute, by the median of their intervals; 0 without beats.
        confidence: 0 to 1.
    """

    times_s: tuple[float, ...] = ()
    tempo_bpm: float = 0.0
    confidence: float = 0.0


@dataclass(frozen=True)
class Key:
    """The key of a recording.

    Attributes:
        tonic: Pitch class of the tonic, 0 for C to 11 for B; -1 where none was found.
        mode: ``major`` or ``minor``.
        confidence: 0 to 1: by how far the key and its relative lead before all others.
        tuning: How far the recording lies from a' = 440 Hz, in semitones, -0.5 to 0.5.
    """

    tonic: int = -1
    mode: Mode = "major"
    confidence: float = 0.0
    tuning: float = 0.0

    @property
    def scale(self) -> int:
        """Pitch class of the major key with the same notes: that of a minor key lies 3 semitones above it."""
        return (self.tonic + (3 if self.mode == "minor" else 0)) % 12


def regular_beats(tempo_bpm: float, first_s: float, duration_s: float, confidence: float = 1.0) -> Beats:
    """Return beats of one tempo that fall together with ``first_s``, from 0 s to the end of a recording."""
    period_s = 60.0 / tempo_bpm
    times = np.arange(first_s % period_s, max(duration_s, period_s), period_s)
    return Beats(tuple(np.round(times, 4).tolist()), tempo_bpm, confidence)


def find_beats(audio: FloatArray, tempo_bpm: float | None = None) -> Beats:
    """Return the beats of a recording; none where it is silent or too short for four.

    The confidence is the share of regular intervals, times how far onsets at beats stand out.

    Args:
        audio: float32 ``(samples,)`` at ``ANALYSIS_RATE``.
        tempo_bpm: Its tempo, where that is known.

    Raises:
        MissingDependencyError: librosa is not installed.
    """
    librosa = _librosa()
    if len(audio) < ANALYSIS_RATE or not np.abs(audio).max() > 1e-5:
        return Beats()
    strength = librosa.onset.onset_strength(y=audio, sr=ANALYSIS_RATE, hop_length=_HOP)
    _, frames = librosa.beat.beat_track(
        onset_envelope=strength, sr=ANALYSIS_RATE, hop_length=_HOP, trim=False, bpm=tempo_bpm
    )
    if len(frames) < _FEWEST_BEATS:
        return Beats()
    times_s = np.asarray(frames) * (_HOP / ANALYSIS_RATE) - _LATE_S
    times_s = times_s[times_s >= 0.0]
    intervals = np.diff(times_s)
    regular = np.abs(intervals / np.median(intervals) - 1.0) < _REGULAR
    if not regular.any():
        return Beats()
    # The mean of the regular ones: the median alone is a whole number of hops.
    tempo = tempo_bpm or 60.0 / float(intervals[regular].mean())
    stands_out = 1.0 - float(strength.mean()) / max(float(strength[frames].mean()), 1e-9)
    confidence = float(regular.mean()) * max(stands_out, 0.0)
    return Beats(tuple(np.round(times_s, 4).tolist()), round(tempo, 3), round(confidence, 4))


def find_key(audio: FloatArray) -> Key:
    """Return the key of a recording; none where it is silent.

    Args:
        audio: float32 ``(samples,)`` at ``ANALYSIS_RATE``, best without percussion.
    """
    pitches, weights, frames = _peaks(audio)
    if not len(pitches):
        return Key()
    tuning = _tuning(pitches, weights)
    profiles = np.zeros((int(frames.max()) + 1, 12))
    for harmonic in range(1, _HARMONICS + 1):
        # Any peak may be a harmonic of a lower note: it counts for that note too, the less the higher it is.
        notes = pitches - 12.0 * np.log2(harmonic) - tuning
        nearest = np.rint(notes)
        part = weights * _DECAY ** (harmonic - 1) * np.cos(np.pi * (notes - nearest)) ** 2
        np.add.at(profiles, (frames, nearest.astype(np.int64) % 12), part)
    loudness = profiles.sum(axis=1)
    kept = profiles[loudness > 0.02 * loudness.max()]
    return key_of_profile((kept / kept.sum(axis=1, keepdims=True)).mean(axis=0), tuning)


def key_of_profile(profile: Floats, tuning: float = 0.0) -> Key:
    """Return the key whose profile correlates best with one of pitch classes ``(12,)``, C first.

    The confidence says how far it leads before the best key that is not its relative: those have the same
    notes, and sources in them fit.
    """
    if not np.ptp(profile) > 0:
        return Key()
    found = sorted(
        (
            (float(np.corrcoef(profile, np.roll(expected, tonic))[0, 1]), tonic, mode)
            for mode, expected in _PROFILES.items()
            for tonic in range(12)
        ),
        reverse=True,
    )
    best, tonic, mode = found[0]
    scale = Key(tonic, mode).scale
    other = next(correlation for correlation, t, m in found if Key(t, m).scale != scale)
    confidence = (1.0 - float(np.exp(-(best - other) / _CLEAR_MARGIN))) * max(best, 0.0)
    return Key(tonic, mode, round(confidence, 4), tuning)


def onset_confidence(beats: Floats) -> float:
    """Return how well notes that start at ``beats``, counted in beats, keep to quarters or thirds of them.

    1 when all do, about 0 when they fall anywhere.
    """
    if len(beats) < _FEWEST_BEATS:
        return 0.0
    return float(max(abs(np.exp(2j * np.pi * parts * beats).mean()) for parts in (3, 4)))


def _peaks(audio: FloatArray) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return pitch in semitones (69 is 440 Hz), amplitude and frame of the peaks of a spectrogram."""
    padded = np.pad(audio, (0, max(_PEAK_WINDOW - len(audio), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _PEAK_WINDOW)[::_PEAK_HOP]
    low, high = (round(hertz * _PEAK_WINDOW / ANALYSIS_RATE) for hertz in _PEAK_HZ)
    window = np.hanning(_PEAK_WINDOW).astype(np.float32)
    kept = slice(low - 1, high + 1)
    spectrum = np.stack([np.abs(np.fft.rfft(frame * window))[kept] for frame in frames])
    level = np.log(np.maximum(spectrum, 1e-9))
    inner = spectrum[:, 1:-1]
    floor = np.maximum(spectrum.max(axis=1, keepdims=True) * _PEAK_FLOOR, 1e-3)
    place, k = np.nonzero((inner > spectrum[:, :-2]) & (inner >= spectrum[:, 2:]) & (inner > floor))
    left, top, right = level[place, k], level[place, k + 1], level[place, k + 2]
    offset = 0.5 * (left - right) / (left - 2.0 * top + right - 1e-12)
    hertz = (k + low + offset) * ANALYSIS_RATE / _PEAK_WINDOW
    return 69.0 + 12.0 * np.log2(hertz / 440.0), inner[place, k].astype(np.float64), place


def _tuning(pitches: Floats, weights: Floats) -> float:
    """Return how far peaks lie from whole semitones: their circular mean."""
    mean = np.sum(weights * np.exp(2j * np.pi * pitches))
    return round(float(np.angle(mean)) / (2.0 * np.pi), 3)


def _librosa() -> Any:  # noqa: ANN401 - a package without types
    from mixlab.utils.jit import import_alone

    try:
        import_alone("librosa.beat", "librosa.onset")
        import librosa
    except ImportError as error:
        raise MissingDependencyError(
            "Beats are found by the package librosa, which is not installed: pip install 'mixlab[matched]'."
        ) from error
    return librosa
