"""What is done to a stem on its way into a song: equaliser, compressor, level, distance and room.

Nothing of it changes which instrument sounds. Levels are those of mixes as they are usually balanced: what
leads and the drums in front, basses close behind, chords 5 to 9 dB below.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.filters import Section, pass_sections, section
from mixlab.audio.io import FloatArray, amplitude
from mixlab.audio.rooms import Point, Room, room_response
from mixlab.synthesis.filtering import filter_part
from mixlab.synthesis.levels import is_silent
from mixlab.synthesis.notes.tone import presence_db, shelf
from mixlab.synthesis.players import SAMPLE_RATE

__all__ = [
    "STEP",
    "SongSpace",
    "StemChain",
    "master_gains",
    "master_stem",
    "place_stem",
    "process_stem",
    "sample_chain",
    "sample_space",
    "shape_stem",
]

# RMS in dBFS where the part sounds, before the song is brought to its loudness.
_LEVELS = {
    "lead": -18.0, "solo": -19.5, "answer": -20.5, "counter": -22.5, "inner": -21.5, "bass": -20.0,
    "comp": -22.0, "arp": -22.5, "pad": -24.5, "stabs": -22.0, "drums": -18.5, "percussion": -23.5,
    "timpani": -22.0, "double": -23.0, "strum": -21.0, "pick": -20.5, "hands": -19.5, "tune": -18.0,
    "kit": -17.0, "sung": -16.5,
}  # fmt: skip
_LOWEST_HZ = {"bass": 30.0, "drums": 28.0, "kit": 28.0, "tune": 30.0, "hands": 35.0, "timpani": 35.0}
_RATIOS = {
    "lead": (2.0, 4.0),
    "sung": (3.0, 6.0),
    "bass": (2.5, 5.0),
    "drums": (1.5, 3.5),
    "kit": (1.5, 3.5),
    "percussion": (1.2, 2.5),
}
_HALL_RATIO, _USUAL_RATIO = (1.0, 1.3), (1.2, 2.8)


@dataclass(frozen=True)
class SongSpace:
    """The place of a song: size in metres, decay time, and whether it is a hall."""

    size_m: Point
    decay_s: float
    hall: bool


@dataclass(frozen=True)
class StemChain:
    """How one stem is made to sound.

    Attributes:
        highpass_hz: Where its lowest octaves end.
        curve: Corner in Hz and gain in dB of a low shelf, a peak and a high shelf.
        ratio: Of its compressor; 1 for none.
        attack_ms: Of its compressor.
        level_db: RMS in dBFS where it sounds.
        pan: -1 (left) to 1 (right).
        distance_m: Between the source and its microphone.
        room: The room, with both in it.
        role: What it plays.
        hall: In a hall.
    """

    highpass_hz: float
    curve: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    ratio: float
    attack_ms: float
    level_db: float
    pan: float
    distance_m: float
    room: Room
    role: str = ""
    hall: bool = False


def sample_space(hall: bool, rng: np.random.Generator) -> SongSpace:
    """Sample the room of a song: a studio's, or a hall."""
    if hall:
        size = (float(rng.uniform(10, 24)), float(rng.uniform(8, 18)), float(rng.uniform(5, 11)))
        return SongSpace(size, round(float(rng.uniform(0.9, 2.2)), 2), True)
    size = (float(rng.uniform(4, 9)), float(rng.uniform(3.5, 7)), float(rng.uniform(2.4, 4)))
    return SongSpace(size, round(float(rng.uniform(0.2, 0.8)), 2), False)


def sample_chain(role: str, space: SongSpace, rng: np.random.Generator, family: str = "") -> StemChain:
    """Sample how a part of a role sounds in a song's room; a voice that leads is in front of all others."""
    levelled = "sung" if (role, family) == ("lead", "voice") else role
    low = role in ("bass", "drums", "kit")
    near, far = (1.5, 5.0) if space.hall else (0.25, 0.7) if low or role == "lead" else (0.4, 2.2)
    ratios = _HALL_RATIO if space.hall else _RATIOS.get(levelled, _USUAL_RATIO)
    bottom = _LOWEST_HZ.get(role, float(rng.uniform(50.0, 130.0)))
    distance = float(rng.uniform(near, far))
    return StemChain(
        highpass_hz=bottom,
        curve=(
            (float(rng.uniform(90, 250)), float(np.clip(rng.normal(0, 2.0), -5, 5))),
            (
                float(np.exp(rng.uniform(math.log(350), math.log(4500)))),
                float(np.clip(rng.normal(0, 2.5), -6, 6)),
            ),
            (float(rng.uniform(4500, 10000)), float(np.clip(rng.normal(0.5, 2.5), -6, 6))),
        ),
        ratio=float(rng.uniform(*ratios)),
        attack_ms=float(rng.uniform(3, 30)),
        level_db=_LEVELS[levelled] + float(rng.normal(0.0, 1.5)),
        pan=0.0 if low or role == "lead" else float(rng.uniform(-0.75, 0.75)),
        distance_m=distance,
        room=_placed(space, distance, rng),
        role=role,
        hall=space.hall,
    )


def _placed(space: SongSpace, distance_m: float, rng: np.random.Generator) -> Room:
    """Place microphone and source in the room, that far from each other."""
    x, y, z = space.size_m
    microphone = (x * float(rng.uniform(0.35, 0.65)), y * float(rng.uniform(0.35, 0.65)), min(1.5, 0.5 * z))
    angle = float(rng.uniform(0.0, 2.0 * math.pi))
    distance = min(distance_m, 0.3 * min(x, y))
    source = (microphone[0] + distance * math.cos(angle), microphone[1] + distance * math.sin(angle), 1.2)
    return Room(space.size_m, source, microphone, space.decay_s, int(rng.integers(2**31)))


def process_stem(
    dry: NDArray[np.float32], chain: StemChain, family: str = "", tone: Sequence[Section] = ()
) -> FloatArray:
    """Return the stem ``(2, samples)`` of a dry part ``(samples,)``; silence stays silence.

    Args:
        dry: As it was played.
        chain: What is done to it.
        family: Of the instrument: how bright it usually is; '' leaves that as it is.
        tone: An equaliser of the whole mix.
    """
    stem = np.empty((2, len(dry)), np.float32)
    place_stem(filter_part(shape_stem(dry, chain, family), tone), chain, stem)
    return stem


def shape_stem(dry: NDArray[np.float32], chain: StemChain, family: str = "") -> NDArray[np.float32]:
    """Return a dry part after its equaliser and compressor, at its level; see ``process_stem``."""
    from mixlab.synthesis._kernels import stems as kernels

    if is_silent(dry):
        return dry
    (low_hz, low_db), (peak_hz, peak_db), (high_hz, high_db) = chain.curve
    filters = [
        *pass_sections("high_pass", chain.highpass_hz, 2, SAMPLE_RATE),
        section("low_shelf", low_hz, low_db, 0.7, SAMPLE_RATE),
        section("peak", peak_hz, peak_db, 0.8, SAMPLE_RATE),
        section("high_shelf", high_hz, high_db, 0.7, SAMPLE_RATE),
    ]
    if family:
        filters.append(shelf(presence_db(dry, family, chain.role, chain.hall)))
    shaped = filter_part(dry, filters)
    powers = np.empty(-(-len(shaped) // STEP))
    kernels.powers_of(shaped, STEP, powers)
    gains = np.ones(len(powers) + 1)
    if chain.ratio > 1.02:
        # 2 dB below its level.
        kept = _kept(_RMS_S, chain.attack_ms * 1e-3, 0.12)
        kernels.compress_steps(powers, _sounding_db(powers) - 2.0, chain.ratio, _KNEE_DB, *kept, gains)
        powers *= 0.5 * (gains[:-1] ** 2 + gains[1:] ** 2)
    gains *= amplitude(chain.level_db - _sounding_db(powers))
    kernels.apply_gains(shaped, gains.astype(np.float32), STEP)
    return shaped


def place_stem(audio: NDArray[np.float32], chain: StemChain, stem: FloatArray) -> None:
    """Write a shaped part ``(samples,)`` in its place of the room to ``stem`` ``(2, samples)``.

    The direct sound is placed by constant power, and what the room answers to both microphones is added. The
    answer is computed at half the rate: walls and air leave little of the highest octave.
    """
    from mixlab.synthesis._kernels import stems as kernels

    if is_silent(audio):
        stem[:] = 0.0
        return
    half_rate = SAMPLE_RATE // 2
    response = room_response(chain.room, 2, half_rate)
    # The direct sound, which the panorama places, is 1 / metres in the response's first millisecond.
    response[:, : round(0.001 * half_rate)] = 0.0
    response *= np.float32(chain.room.distance_m(chain.room.microphone_m))
    answers = _answers(audio, response[:, : round(_ANSWERED * response.shape[1])])
    angle = (chain.pan + 1.0) * math.pi / 4.0
    gains = math.sqrt(2.0) * np.array([math.cos(angle), math.sin(angle)])
    kernels.place(np.ascontiguousarray(audio), answers, gains.astype(np.float32), stem)


def _answers(audio: NDArray[np.float32], response: FloatArray) -> FloatArray:
    """Return a sound ``(samples,)`` in a room at half the rate, which responses ``(2, taps)`` have, too."""
    from mixlab.synthesis._kernels.answers import add_answers, spectrum

    size = max(1 << (2 * response.shape[1]).bit_length(), 256)
    table = _turns(size)
    spectra = np.empty((2, 2 * size), np.float32)
    for channel, out in zip(response, spectra, strict=True):
        spectrum(np.ascontiguousarray(channel), table, out)
    answers = np.zeros((2, len(audio) // 2), np.float32)
    add_answers(np.ascontiguousarray(audio), size - response.shape[1] + 1, spectra, table, answers)
    return answers


@lru_cache(maxsize=8)
def _turns(size: int) -> NDArray[np.float32]:
    """Return the turns of a transform, which many rooms share."""
    from mixlab.synthesis._kernels.answers import turns

    return turns(size)


def _sounding_db(powers: NDArray[np.float64]) -> float:
    """Return the level of the 100 ms that sound, within 30 dB of the loudest, of mean powers of steps."""
    block = min(round(0.1 * SAMPLE_RATE / STEP), len(powers))
    power = powers[: len(powers) // block * block].reshape(-1, block).mean(axis=1)
    return 10.0 * math.log10(max(float(power[power >= power.max() * 1e-3].mean()), 1e-18))


def _kept(*times_s: float) -> tuple[float, ...]:
    """Return what remains of a past value after a step, for time constants."""
    return tuple(math.exp(-STEP / (SAMPLE_RATE * each)) for each in times_s)


_ANSWERED = 0.75
"""Part of the decay time that is computed: until 45 dB below the beginning."""

STEP = 32
"""Samples between two gains of a compressor, and of the gain that all stems of a song share."""

_RMS_S, _KNEE_DB = 0.01, 6.0
_CEILING_DB, _AHEAD, _RELEASE_S = -1.0, 2, 0.08


def master_gains(
    stems: FloatArray | Sequence[FloatArray], hall: bool, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return what is done to the sum of a song's stems ``(2, samples)``: glue, loudness and limiting.

    They are gains over time, the same for every stem, so that the stems still sum to the mix.

    Returns:
        float32 ``(steps + 1,)``: at the ends of steps of ``STEP`` samples, and led straight between.
    """
    from mixlab.synthesis._kernels import stems as kernels

    held = np.ascontiguousarray(stems, np.float32)
    ratio = float(rng.uniform(1.05, 1.2) if hall else rng.uniform(1.2, 2.0))
    loudness_db = float(rng.uniform(-23.0, -18.0) if hall else rng.uniform(-17.5, -12.0))
    powers, middles, peaks = np.empty((3, -(-held.shape[2] // STEP)))
    kernels.mix_levels(held, STEP, powers, middles, peaks)
    gains, limits = np.ones(len(powers) + 1), np.empty(len(powers) + 1)
    if not peaks.any():
        return gains.astype(np.float32)
    level_db = _sounding_db(middles)
    kernels.compress_steps(powers, level_db, ratio, _KNEE_DB, *_kept(_RMS_S, 0.03, 0.2), gains)
    gains *= amplitude(loudness_db - level_db)
    # A hair below the ceiling, so that rounding cannot lead over it.
    ceiling = amplitude(_CEILING_DB) * (1.0 - 1e-6)
    reached = np.maximum(peaks * np.maximum(gains[:-1], gains[1:]), 1e-12)
    release = 1.0 - _kept(_RELEASE_S)[0]
    kernels.limit_steps(np.minimum(ceiling / reached, 1.0), _AHEAD, release, limits)
    return (gains * limits).astype(np.float32)


def master_stem(stem: FloatArray, gains: NDArray[np.float32], total: NDArray[np.int32]) -> NDArray[np.int16]:
    """Return a stem ``(2, samples)`` after ``master_gains`` as 16 bits, and add it to ``total``."""
    from mixlab.synthesis._kernels import stems as kernels

    pcm = np.empty(stem.shape, np.int16)
    kernels.to_pcm(np.ascontiguousarray(stem), gains, STEP, pcm, total)
    return pcm
