"""Notes to sound: SoundFont rendering in process, a small room, and a place in the stereo field."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.errors import AudioError, ConfigError, MissingDependencyError
from mixlab.synthesis.events import Note
from mixlab.synthesis.font_excerpts import font_excerpt
from mixlab.synthesis.midi import encode_midi, midi_part

__all__ = [
    "SAMPLE_RATE",
    "Room",
    "Sound",
    "default_soundfont",
    "play_dry",
    "render_part",
    "require_synthesizer",
]

SAMPLE_RATE = 44_100
_EXTRA = "pip install 'mixlab[demo]'"
# The synthesizer's own reverberation (91) and chorus (93) are left out: a song has a room of its own.
_DRY = {91: 0, 93: 0}
_VOLUME = 7
_VOLUMES = (127, 90, 64, 45, 32, 22)
"""Volumes of a part, each half as loud as the one before, until nothing of it clips."""
_TICKS_PER_S = 20_000
_RELEASE_S = 0.012


@dataclass(frozen=True)
class Room:
    """The room a song is played in: decay time to -60 dB in seconds, and a seed for its echoes."""

    decay_s: float
    seed: int


@dataclass(frozen=True)
class Sound:
    """How one stem sounds.

    Attributes:
        program: General MIDI program (0-based), or the kit number of a drum kit.
        drum_kit: Use the drum bank.
        level_db: Loudness of the sounding stem, RMS in dBFS.
        pan: -1 (left) to 1 (right).
        wet_db: Level of the room below the direct sound.
        tilt_db: Gain of the treble against the bass, around 1 kHz.
        drive: Soft saturation, 0 for none.
    """

    program: int
    drum_kit: bool = False
    level_db: float = -22.0
    pan: float = 0.0
    wet_db: float = -16.0
    tilt_db: float = 0.0
    drive: float = 0.0


def require_synthesizer() -> None:
    """Make sure that midirenderer and what else the rendering needs is installed.

    Raises:
        MissingDependencyError: something is not; the message names it and the extra.
    """
    missing = [
        name for name in ("midirenderer", "pretty_midi", "scipy", "pyloudnorm") if find_spec(name) is None
    ]
    if missing:
        raise MissingDependencyError(
            f"Demo corpora are rendered with {', '.join(missing)}, which is not installed: {_EXTRA}."
        )


def default_soundfont() -> Path:
    """Return the SoundFont that pretty_midi's package brings along (TimGM6mb, GPL-2.0).

    Raises:
        MissingDependencyError: pretty_midi is not installed or lacks the file.
    """
    spec = find_spec("pretty_midi")
    folder = Path(spec.origin).parent if spec and spec.origin else None
    path = folder / "TimGM6mb.sf2" if folder else None
    if path is None or not path.is_file():
        raise MissingDependencyError(
            f"Demo corpora need a SoundFont: install the one in pretty_midi ({_EXTRA}), "
            "or give --soundfont FILE."
        )
    return path


def render_part(
    notes: Sequence[Note], sound: Sound, room: Room, seconds: float, soundfont: Path, channels: int = 2
) -> NDArray[np.float32]:
    """Render one part as ``(channels, samples)`` float32 of exactly ``seconds``.

    A part without notes is silent. Stereo places the direct sound by constant-power panning.

    Raises:
        AudioError: the SoundFont has no sound for the program's notes.
        ConfigError: the SoundFont cannot be read.
    """
    frames = round(seconds * SAMPLE_RATE)
    if not any(note.start_s < seconds for note in notes):
        return np.zeros((channels, frames), np.float32)
    dry = play_dry(notes, sound, seconds, soundfont)
    dry = _tilt(dry, sound.tilt_db)
    dry *= np.float32(10 ** (sound.level_db / 20) / _sounding_rms(dry))
    if sound.drive > 0:
        dry = (np.tanh(dry * (1 + 8 * sound.drive)) / (1 + 8 * sound.drive)).astype(np.float32)
    wet = _reverberate(dry, room, channels) * np.float32(10 ** (sound.wet_db / 20))
    angle = (sound.pan + 1) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]]) * np.sqrt(2) if channels == 2 else np.ones((1, 1))
    mixed: NDArray[np.float32] = dry[None, :] * gains.astype(np.float32) + wet
    return mixed


def play_dry(notes: Sequence[Note], sound: Sound, seconds: float, soundfont: Path) -> NDArray[np.float32]:
    """Return the synthesizer's sound of a part ``(samples,)``, mono, without what ``sound`` does to it after.

    Raises:
        AudioError: the SoundFont has no sound for the program's notes.
        ConfigError: the SoundFont cannot be read.
    """
    out = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    audio = _synthesize(notes, sound, seconds, soundfont)[: len(out)]
    if not audio.any():
        kind = "Drum kit" if sound.drum_kit else "Program"
        raise AudioError(
            f"{kind} {sound.program} of {soundfont.name} is silent for note {notes[0].pitch} and others; "
            "use another SoundFont.",
            code="invalid-soundfont",
        )
    out[: len(audio)] = audio
    fade = min(len(out), round(_RELEASE_S * SAMPLE_RATE))
    out[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out


def _synthesize(notes: Sequence[Note], sound: Sound, seconds: float, soundfont: Path) -> NDArray[np.float32]:
    from scipy.signal import resample_poly

    font = _font_for(soundfont, soundfont.stat().st_mtime_ns, sound.program, sound.drum_kit)
    for volume in _VOLUMES:
        part = midi_part(notes, sound.program, sound.drum_kit, controls={**_DRY, _VOLUME: volume})
        audio, rate = _play(font, encode_midi([part], 120.0, _TICKS_PER_S // 2, seconds), soundfont)
        if np.abs(audio).max(initial=0.0) < 0.999:
            break
    divisor = gcd(SAMPLE_RATE, rate)
    resampled: NDArray[np.float32] = resample_poly(
        audio.mean(axis=1), SAMPLE_RATE // divisor, rate // divisor
    ).astype(np.float32)
    return resampled


def _play(font: bytes, midi: bytes, soundfont: Path) -> tuple[NDArray[np.float32], int]:
    """Return ``(samples, channels)`` and their rate."""
    import midirenderer

    try:
        wave = midirenderer.render_wave_from(font, midi)
    except RuntimeError as error:
        raise ConfigError(
            f"Expected a SoundFont (.sf2) at {soundfont}, but: {error}.", code="invalid-soundfont"
        ) from error
    audio, rate = soundfile.read(io.BytesIO(wave), dtype="float32", always_2d=True)
    return audio, rate


@lru_cache(maxsize=16)
def _font_for(path: Path, changed_ns: int, program: int, drum_kit: bool) -> bytes:
    return font_excerpt(path, program, drum_kit) or _soundfont_bytes(path, changed_ns)


@lru_cache(maxsize=4)
def _soundfont_bytes(path: Path, changed_ns: int) -> bytes:
    return path.read_bytes()


def _sounding_rms(audio: NDArray[np.float32]) -> float:
    """Return the RMS over the 100 ms blocks that sound (within 30 dB of the loudest)."""
    block = SAMPLE_RATE // 10
    power = (
        (audio[: len(audio) // block * block].reshape(-1, block) ** 2).mean(axis=1)
        if len(audio) >= block
        else None
    )
    if power is None or power.max() <= 0:
        return float(np.sqrt((audio**2).mean())) or 1.0
    return float(np.sqrt(power[power > power.max() * 1e-3].mean()))


def _tilt(audio: NDArray[np.float32], tilt_db: float) -> NDArray[np.float32]:
    """Turn treble up against bass (or down): one first-order shelf."""
    from scipy.signal import lfilter

    if abs(tilt_db) < 0.1:
        return audio
    # First-order low-pass at 1 kHz; what it leaves out is the treble.
    a = np.float32(np.exp(-2 * np.pi * 1000.0 / SAMPLE_RATE))
    low = lfilter(np.array([1 - a]), np.array([1, -a], np.float32), audio)
    tilted: NDArray[np.float32] = low + (audio - low) * np.float32(10 ** (tilt_db / 20))
    return tilted


@lru_cache(maxsize=4)
def _room_spectrum(room: Room, channels: int, size: int) -> NDArray[np.complex64]:
    from scipy import fft

    spectrum: NDArray[np.complex64] = fft.rfft(_impulse_response(room, channels), size, axis=1)
    return spectrum


def _impulse_response(room: Room, channels: int) -> NDArray[np.float32]:
    """Return the room's echoes ``(channels, samples)`` at half rate: noise that dies away, unit energy."""
    rng = np.random.default_rng([room.seed, 77])
    length = max(2, round(room.decay_s * SAMPLE_RATE / 2))
    decay = 10 ** (-3 * np.arange(length) / length)
    noise = rng.standard_normal((channels, length)) * decay
    noise[:, : round(0.008 * SAMPLE_RATE / 2)] = 0.0
    # A moving average takes the treble off, as air and walls do.
    noise = noise + np.roll(noise, 1, axis=1) + 0.5 * np.roll(noise, 2, axis=1)
    response: NDArray[np.float32] = (noise / np.sqrt((noise**2).sum(axis=1, keepdims=True))).astype(
        np.float32
    )
    return response


def _reverberate(audio: NDArray[np.float32], room: Room, channels: int) -> NDArray[np.float32]:
    """Return the room's answer ``(channels, samples)``; computed at half rate, a room has little treble."""
    from scipy import fft

    frames = len(audio)
    half = 0.5 * (audio[: frames // 2 * 2 : 2] + audio[1 : frames // 2 * 2 : 2])
    size = fft.next_fast_len(len(half) + round(room.decay_s * SAMPLE_RATE / 2), real=True)
    spectrum = fft.rfft(half, size)[None, :] * _room_spectrum(room, channels, size)
    slow = fft.irfft(spectrum, size, axis=1)[:, : len(half)]
    # The transform leaves noise at -140 dB where the room is already silent.
    slow[np.abs(slow) < 1e-6] = 0.0
    wet = np.zeros((channels, frames), np.float32)
    wet[:, : 2 * len(half) : 2] = slow
    wet[:, 1 : 2 * len(half) - 1 : 2] = 0.5 * (slow[:, :-1] + slow[:, 1:])
    return wet
