"""From syllables to what the voice's model wants to know, every 1.5 ms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.singing.glottis import SHAPES
from mixlab.synthesis.singing.lyrics import Syllable
from mixlab.synthesis.singing.phonemes import (
    CONSONANTS,
    NASAL_HZ,
    RATE,
    Consonant,
    consonant_formants,
    vowel_formants,
)

__all__ = ["Tracks", "Voice", "make_tracks"]

FloatArray = NDArray[np.float64]

_WIDTHS_HZ = (70.0, 90.0, 130.0, 180.0, 240.0, 300.0, 350.0, 400.0, 450.0, 500.0)
_NASAL_WIDTH_HZ = 100.0
_VOWEL_RMS = 0.25
"""Of a vowel at full level, about."""
_BURST_S = 0.012
_RELEASE_S = 0.07
_NYQUIST_HZ = RATE / 2


@dataclass(frozen=True)
class Voice:
    """How somebody sings.

    Attributes:
        size: Of the vocal tract: 0 a man's, 1 a woman's, 2 a child's.
        rd: Shape of the glottal pulse at medium strength, .5 (pressed) to 2.3 (breathy).
        breath: Level of breath in the voice.
        jitter: Standard deviation of a period's length, as a part of it.
        shimmer: Standard deviation of a period's strength.
        vibrato_hz: Rate.
        vibrato_cents: Depth to either side, once it has grown.
        vibrato_delay_s: How long a note is held before vibrato begins.
        glide_s: How long the pitch takes from note to note.
        scoop: Semitones below the first note of a phrase where it begins.
        drift_cents: Slow wandering of the pitch.
        ring: 0..1: how near third to fifth formant are to each other (the singer's formant).
        hiss_db: Louder or softer consonants.
        squeeze: 0..1: how far levels are evened out, as a compressor does.
        presence_db: Gain of the treble, as records have it.
        articulation: Length of consonants against the usual.
    """

    size: float
    rd: float = 1.1
    breath: float = 0.015
    jitter: float = 0.004
    shimmer: float = 0.04
    vibrato_hz: float = 5.6
    vibrato_cents: float = 35.0
    vibrato_delay_s: float = 0.3
    glide_s: float = 0.08
    scoop: float = 1.0
    drift_cents: float = 6.0
    ring: float = 0.0
    hiss_db: float = 0.0
    squeeze: float = 0.5
    presence_db: float = 6.0
    articulation: float = 1.0


@dataclass(frozen=True)
class Tracks:
    """What ``_kernels.voice.sing`` takes: ``(8, frames)``, and twice ``(frames, n)``."""

    values: FloatArray
    formants: FloatArray
    widths: FloatArray


class _Sheet:
    """Tracks while they are written."""

    def __init__(self, frames: int, frame_s: float, rest: FloatArray) -> None:
        self.frames, self.frame_s = frames, frame_s
        self.formants = np.tile(rest, (frames, 1))
        self.voice, self.breath, self.hiss = (np.zeros(frames) for _ in range(3))
        self.hiss_hz, self.hiss_width_hz = np.full(frames, 5000.0), np.full(frames, 2000.0)
        self.zero_hz = np.full(frames, NASAL_HZ)
        self.strength = np.full(frames, 0.6)

    def span(self, start_s: float, end_s: float) -> slice:
        """Return the frames of a time, at least one."""
        first = min(max(round(start_s / self.frame_s), 0), self.frames)
        return slice(first, max(first, min(round(end_s / self.frame_s), self.frames)))


def make_tracks(
    syllables: Sequence[Syllable], voice: Voice, frames: int, frame_s: float, rng: np.random.Generator
) -> Tracks:
    """Return the tracks of a line of one voice."""
    sheet = _Sheet(frames, frame_s, vowel_formants("V", voice.size))
    for k, syllable in enumerate(syllables):
        before = syllables[k - 1] if k else None
        after = syllables[k + 1] if k + 1 < len(syllables) else None
        _write_syllable(sheet, syllable, before, after, voice, rng)
    pitch = _pitch_track(syllables, voice, frames, frame_s, rng)
    hertz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    formants = _smooth(sheet.formants, round(0.05 / frame_s))
    formants *= 1.0 + 0.012 * _wander(frames, frame_s, 0.15, rng)[:, None]
    formants = _ringing(formants, voice)
    # Who sings above the first formant opens the mouth further (Joliveau, Smith, Wolfe, JASA 116, 2004).
    formants[:, 0] = np.maximum(formants[:, 0], 1.03 * hertz)
    formants[:, 1] = np.maximum(formants[:, 1], 1.25 * formants[:, 0])
    formants = np.minimum(formants, 0.98 * _NYQUIST_HZ)
    widths = np.tile(np.array(_WIDTHS_HZ), (frames, 1))
    widths[:, 0] += 0.1 * np.maximum(hertz - 200.0, 0.0)
    widths[:, 2:5] *= 1.0 - 0.35 * voice.ring
    strength = _smooth(sheet.strength, round(0.06 / frame_s))
    effort = voice.rd * 2.0 ** (1.1 * (0.7 - strength))
    shape = np.interp(np.log(effort), np.log(SHAPES), np.arange(len(SHAPES)))
    level = _smooth_level(sheet.voice, round(0.022 / frame_s))
    breath = _smooth_level(sheet.breath, round(0.02 / frame_s)) + level * voice.breath
    level *= 1.0 + 0.06 * _wander(frames, frame_s, 0.12, rng)
    hiss = _smooth_level(sheet.hiss, round(0.009 / frame_s)) * 10 ** (voice.hiss_db / 20)
    values = np.array(
        [hertz, np.maximum(level, 0.0), breath, hiss, sheet.hiss_hz, sheet.hiss_width_hz, shape,
         _smooth(sheet.zero_hz, round(0.02 / frame_s))]
    )  # fmt: skip
    nasal = np.ones((frames, 1))
    return Tracks(
        np.ascontiguousarray(values),
        np.hstack([nasal * NASAL_HZ, formants]),
        np.hstack([nasal * _NASAL_WIDTH_HZ, widths]),
    )


def _ringing(formants: FloatArray, voice: Voice) -> FloatArray:
    """Bring the third to fifth formant together (Sundberg, *The Science of the Singing Voice*, 1987)."""
    longer = 1.0 + 0.12 * voice.size
    gathered = formants.copy()
    for k, hertz in ((2, 2550.0), (3, 2900.0), (4, 3300.0)):
        gathered[:, k] += voice.ring * (hertz * longer - gathered[:, k])
    gathered[:, 2] = np.maximum(gathered[:, 2], gathered[:, 1] + 150.0)
    return gathered


def _write_syllable(
    sheet: _Sheet,
    syllable: Syllable,
    before: Syllable | None,
    after: Syllable | None,
    voice: Voice,
    rng: np.random.Generator,
) -> None:
    start, end = syllable.start_s, syllable.end_s
    level = 10 ** (0.9 * (syllable.strength - 0.8))
    vowel = vowel_formants(syllable.vowel, voice.size)
    vowel[:2] *= rng.normal(1.0, 0.03, 2)
    room_s = start - before.start_s if before else 1.0
    lead_s = _onset_length(syllable.onset, voice, room_s)
    if syllable.first:
        _inhale(sheet, start - lead_s, before.end_s if before else start - 0.6, level, rng)
    # The vowel, less what the next consonant takes of it.
    if after is not None and not syllable.last:
        end = max(
            start + 0.02, min(end, after.start_s - _onset_length(after.onset, voice, after.start_s - start))
        )
    tail_s = 0.0
    if syllable.coda:
        coda = CONSONANTS[syllable.coda]
        tail_s = min(coda.length_s * voice.articulation, 0.3 * (end - start))
    held = sheet.span(start, end - tail_s)
    count = held.stop - held.start
    shape = np.ones(count)
    if count > 4:
        place = np.linspace(0.0, 1.0, count)
        # Notes swell a little, and fall away where a phrase ends.
        shape = 0.86 + 0.14 * np.sin(np.pi * np.minimum(place * 1.3, 1.0))
        if syllable.last:
            shape *= 1.0 - 0.45 * place**3
    sheet.voice[held] = level * shape
    sheet.strength[held] = syllable.strength * shape
    sheet.formants[held] = vowel
    if syllable.glide != syllable.vowel:
        gliding = sheet.span(end - tail_s - 0.35 * (end - start), end - tail_s)
        sheet.formants[gliding] = vowel_formants(syllable.glide, voice.size)
    if syllable.coda:
        near = sheet.formants[max(held.stop - 1, 0)] if held.stop else vowel
        _write_consonant(sheet, syllable.coda, end - tail_s, tail_s, near, level, voice)
    elif syllable.last:
        fading = sheet.span(end, end + _RELEASE_S)
        sheet.voice[fading] = level * 0.5 * np.linspace(1.0, 0.0, fading.stop - fading.start)
        sheet.breath[fading] += 0.02 * level
        sheet.formants[fading] = vowel
    if syllable.onset:
        _write_consonant(sheet, syllable.onset, start - lead_s, lead_s, vowel, level, voice)


def _onset_length(name: str, voice: Voice, room_s: float) -> float:
    """Return how long a consonant takes, of the time from the last vowel's start."""
    if not name:
        return 0.0
    consonant = CONSONANTS[name]
    full = consonant.length_s + consonant.breath_s + (_BURST_S if consonant.kind == "plosive" else 0.0)
    return float(min(full * voice.articulation, 0.45 * room_s))


def _write_consonant(
    sheet: _Sheet,
    name: str,
    start_s: float,
    length_s: float,
    vowel: FloatArray,
    level: float,
    voice: Voice,
) -> None:
    consonant = CONSONANTS[name]
    whole = sheet.span(start_s, start_s + length_s)
    sheet.formants[whole] = consonant_formants(consonant, vowel, voice.size)
    sheet.voice[whole] = level * consonant.voice
    sheet.zero_hz[whole] = consonant.zero_hz
    longer = 1.0 + 0.15 * voice.size
    sheet.hiss_hz[whole], sheet.hiss_width_hz[whole] = consonant.hiss_hz * longer, consonant.width_hz * longer
    if name == "h":
        sheet.breath[whole] += 0.09 * level
        return
    if consonant.kind == "fricative":
        sheet.hiss[whole] = _hiss_level(consonant) * (0.4 + 0.6 * level)
    if consonant.kind == "plosive":
        breath_s = min(consonant.breath_s, 0.5 * length_s)
        burst = sheet.span(start_s + length_s - breath_s - _BURST_S, start_s + length_s - breath_s)
        sheet.hiss[burst] = _hiss_level(consonant) * (0.4 + 0.6 * level)
        opened = sheet.span(start_s + length_s - breath_s, start_s + length_s)
        sheet.breath[opened] += 0.07 * level
        sheet.formants[opened] = 0.5 * (sheet.formants[opened] + vowel)


def _hiss_level(consonant: Consonant) -> float:
    """Return the level of white noise that gives a consonant's level after its band-pass."""
    passed = min(1.57 * consonant.width_hz / _NYQUIST_HZ, 1.0)
    return float(_VOWEL_RMS * 10 ** (consonant.hiss_db / 20) / np.sqrt(passed))


def _inhale(sheet: _Sheet, end_s: float, free_s: float, level: float, rng: np.random.Generator) -> None:
    """Write a breath before a phrase, where there is room for one."""
    length = min(float(rng.uniform(0.2, 0.45)), end_s - 0.04 - free_s)
    if length < 0.12 or float(rng.random()) < 0.25:
        return
    held = sheet.span(end_s - 0.04 - length, end_s - 0.04)
    rise = np.linspace(0.0, 1.0, held.stop - held.start)
    sheet.breath[held] += (
        0.035 * float(rng.uniform(0.4, 1.3)) * np.sin(np.pi * rise**1.5) * (0.5 + 0.5 * level)
    )


def _pitch_track(
    syllables: Sequence[Syllable], voice: Voice, frames: int, frame_s: float, rng: np.random.Generator
) -> FloatArray:
    """Return the pitch in semitones: notes, the way between them, vibrato, and what nobody can hold still."""
    pitch = np.full(frames, float(syllables[0].pitch) if syllables else 60.0)
    added = np.zeros(frames)
    depth = np.zeros(frames)
    for k, syllable in enumerate(syllables):
        first = min(max(round(syllable.start_s / frame_s), 0), frames)
        if syllable.first and k:
            # After a breath the pitch is already on its way.
            first = min(
                max(round((0.3 * syllables[k - 1].end_s + 0.7 * syllable.start_s) / frame_s), 0), frames
            )
        pitch[first:] = syllable.pitch
        begin, stop = (min(max(round(s / frame_s), 0), frames) for s in (syllable.start_s, syllable.end_s))
        count = stop - begin
        if count <= 0:
            continue
        time = np.arange(count) * frame_s
        if syllable.first or float(rng.random()) < 0.12:
            scoop = voice.scoop * float(rng.uniform(0.2, 1.3))
            added[begin:stop] -= scoop * np.exp(-time / float(rng.uniform(0.03, 0.06)))
        length = count * frame_s
        if length > voice.vibrato_delay_s + 0.15:
            grown = np.clip((time - voice.vibrato_delay_s * float(rng.uniform(0.7, 1.2))) / 0.35, 0.0, 1.0)
            depth[begin:stop] = grown * float(rng.uniform(0.7, 1.2))
    glide = max(3, round(voice.glide_s / frame_s))
    rate = voice.vibrato_hz * (1.0 + 0.06 * _wander(frames, frame_s, 0.4, rng))
    phase = np.cumsum(rate) * frame_s + float(rng.random())
    vibrato = voice.vibrato_cents / 100.0 * _smooth(depth, round(0.08 / frame_s)) * np.sin(2 * np.pi * phase)
    drift = (
        voice.drift_cents
        / 100.0
        * (_wander(frames, frame_s, 0.5, rng) + 0.5 * _wander(frames, frame_s, 0.08, rng))
    )
    return np.asarray(_smooth(pitch, glide) + added + vibrato + drift)


def _smooth(values: FloatArray, length: int) -> FloatArray:
    """Return values smoothed over about ``length`` frames, by a triangle."""
    from scipy.ndimage import uniform_filter1d

    half = max(1, length // 2)
    once = uniform_filter1d(np.asarray(values, np.float64), half, axis=0, mode="nearest")
    return np.asarray(uniform_filter1d(once, half, axis=0, mode="nearest", origin=-(1 - half % 2)))


def _smooth_level(values: FloatArray, length: int) -> FloatArray:
    """Return a smoothed level that is 0 where it should be: a sliding sum leaves crumbs."""
    smooth = _smooth(values, length)
    return np.where(smooth < 1e-9, 0.0, smooth)


def _wander(frames: int, frame_s: float, period_s: float, rng: np.random.Generator) -> FloatArray:
    """Return slow noise with standard deviation of about 1."""
    knots = int(frames * frame_s / period_s) + 4
    values = rng.standard_normal(knots)
    place = np.arange(frames) * frame_s / period_s + 1.0
    whole = place.astype(int)
    part = place - whole
    # A cubic through the knots (Catmull and Rom): no corners that would sound.
    a, b, c, d = (values[np.clip(whole + k, 0, knots - 1)] for k in (-1, 0, 1, 2))
    return np.asarray(
        b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)))
    )
