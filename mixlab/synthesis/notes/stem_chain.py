"""What is done to a stem on its way into a song: equaliser, compressor, level, distance and room.

Nothing of it changes which instrument sounds. Levels are those of mixes as they are usually balanced: what
leads and the drums in front, basses close behind, chords 5 to 9 dB below.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.dynamics import compress, limit
from mixlab.audio.filters import Section, cascade, pass_sections, section
from mixlab.audio.io import FloatArray, amplitude
from mixlab.audio.rooms import Point, Room, room_response
from mixlab.synthesis.notes.tone import presence_db, shelf
from mixlab.synthesis.players import SAMPLE_RATE

__all__ = [
    "SongSpace",
    "StemChain",
    "master_together",
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
    shaped = shape_stem(dry, chain, family)
    return place_stem(cascade(shaped[None], tone)[0] if tone else shaped, chain)


def shape_stem(dry: NDArray[np.float32], chain: StemChain, family: str = "") -> NDArray[np.float32]:
    """Return a dry part after its equaliser and compressor, at its level; see ``process_stem``."""
    if not dry.any():
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
    audio = cascade(dry[None], filters)
    audio *= np.float32(amplitude(-20.0) / _sounding_rms(audio[0]))
    if chain.ratio > 1.02:
        audio = compress(
            audio, SAMPLE_RATE, threshold_db=-22.0, ratio=chain.ratio, attack_ms=chain.attack_ms,
            release_ms=120.0,
        )  # fmt: skip
    shaped: NDArray[np.float32] = audio[0] * np.float32(amplitude(chain.level_db) / _sounding_rms(audio[0]))
    return shaped


def place_stem(audio: NDArray[np.float32], chain: StemChain) -> FloatArray:
    """Return a shaped part ``(samples,)`` in its place of the room, ``(2, samples)``."""
    return _in_room(audio, chain) if audio.any() else np.zeros((2, len(audio)), np.float32)


def _in_room(audio: NDArray[np.float32], chain: StemChain) -> FloatArray:
    """Place the direct sound by constant power, and add what the room answers to both microphones.

    The answer is computed at half the rate: walls and air leave little of the highest octave.
    """
    half_rate = SAMPLE_RATE // 2
    response = room_response(chain.room, 2, half_rate)
    # The direct sound, which the panorama places, is 1 / metres in the response's first millisecond.
    response[:, : round(0.001 * half_rate)] = 0.0
    response *= np.float32(chain.room.distance_m(chain.room.microphone_m))
    samples = len(audio)
    even = np.pad(audio, (0, samples % 2))
    answer = _convolved(0.5 * (even[::2] + even[1::2]), response[:, : round(_ANSWERED * response.shape[1])])
    angle = (chain.pan + 1.0) * math.pi / 4.0
    gains = math.sqrt(2.0) * np.array([[math.cos(angle)], [math.sin(angle)]], np.float32)
    stem: FloatArray = audio * gains.astype(np.float32)
    stem[:, ::2] += answer[:, : (samples + 1) // 2]
    between = 0.5 * (answer[:, :-1] + answer[:, 1:])
    stem[:, 1:-1:2] += between[:, : stem[:, 1:-1:2].shape[1]]
    return stem


def _convolved(audio: NDArray[np.float32], response: FloatArray) -> FloatArray:
    """Return a sound ``(samples,)`` in the room of responses ``(2, taps)``, as long as it is."""
    from scipy import fft

    size = 1 << (2 * response.shape[1]).bit_length()
    hop = size - response.shape[1] + 1
    spectrum = fft.rfft(response, size, axis=1)
    out = np.zeros((2, len(audio) + size), np.float32)
    for first in range(0, len(audio), hop):
        block = audio[first : first + hop]
        if block.any():
            answer = fft.irfft(fft.rfft(block, size)[None] * spectrum, size, axis=1)
            # Transforms leave noise where there is silence.
            answer[np.abs(answer) < 1e-7] = 0.0
            out[:, first : first + size] += answer
    return out[:, : len(audio)]


def _sounding_rms(audio: NDArray[np.float32]) -> float:
    """Return the RMS over the 100 ms that sound, within 30 dB of the loudest."""
    block = SAMPLE_RATE // 10
    power = (audio[: max(len(audio) // block, 1) * block].reshape(-1, min(block, len(audio))) ** 2).mean(
        axis=1
    )
    return max(float(np.sqrt(power[power >= power.max() * 1e-3].mean())), 1e-9)


_ANSWERED = 0.75
"""Part of the decay time that is computed: until 45 dB below the beginning."""

_MARK = 1e-5


def master_together(stems: list[FloatArray], hall: bool, rng: np.random.Generator) -> list[FloatArray]:
    """Return the stems of a song after what is done to their sum: glue, loudness and limiting.

    Both are gains over time, the same for every stem, so that the stems still sum to the mix.
    """
    mix = np.sum(stems, axis=0, dtype=np.float32)
    if not mix.any():
        return stems
    level_db = 20.0 * math.log10(_sounding_rms(mix.mean(axis=0)))
    ratio = float(rng.uniform(1.05, 1.2) if hall else rng.uniform(1.2, 2.0))
    loudness_db = float(rng.uniform(-23.0, -18.0) if hall else rng.uniform(-17.5, -12.0))
    marked = np.concatenate([mix, np.full((1, mix.shape[1]), _MARK, np.float32)])
    glued = compress(
        marked, SAMPLE_RATE, threshold_db=level_db, ratio=ratio, attack_ms=30.0, release_ms=200.0
    )
    glued *= np.float32(amplitude(loudness_db - level_db))
    limited, _ = limit(glued, SAMPLE_RATE, -1.0)
    gain = limited[2:] / np.float32(_MARK)
    return [stem * gain for stem in stems]
