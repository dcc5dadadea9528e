"""Singers: one voice, several takes of it, or a choir."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.filtering import filter_part, one_pole
from mixlab.synthesis.players import SAMPLE_RATE
from mixlab.synthesis.singing.glottis import highest_pitches, pulse_tables
from mixlab.synthesis.singing.lyrics import Syllable, lines_of, write_lyrics
from mixlab.synthesis.singing.phonemes import RATE
from mixlab.synthesis.singing.tracks import Voice, make_tracks

__all__ = ["Choir", "Singer", "sample_voice"]

_PEAK = 0.7
_WOBBLES = 1024
_FADE_S = 0.012
_PRESENCE_HZ = 2500.0


@dataclass(frozen=True)
class Singer:
    """One singer.

    Attributes:
        voice: How it sounds.
        takes: How often the part is sung, for a doubled voice.
        vocalise: On a few vowels rather than words.
    """

    voice: Voice
    takes: int = 1
    vocalise: bool = False

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Sing; see ``Player``. Of notes that sound together, each line is a voice."""
        voices = tuple(_another(self.voice, rng, 0.02) for _ in range(self.takes - 1))
        return _perform(notes, seconds, lambda pitch: (self.voice, *voices), self.vocalise, 0.012, rng)


@dataclass(frozen=True)
class Choir:
    """Several singers to a line: women above, men below.

    Attributes:
        women: How a woman sings, before she differs from her neighbours.
        men: How a man does.
        singers: To a line.
        vocalise: On a few vowels rather than words.
    """

    women: Voice
    men: Voice
    singers: int = 3
    vocalise: bool = True

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Sing; see ``Player``."""

        def section(pitch: float) -> tuple[Voice, ...]:
            base = self.women if pitch >= 59 else self.men
            return tuple(_another(base, rng, 0.08) for _ in range(self.singers))

        return _perform(notes, seconds, section, self.vocalise, 0.022, rng)


def _another(voice: Voice, rng: np.random.Generator, spread: float) -> Voice:
    """Return a voice like this one: another take, or a neighbour."""
    return replace(
        voice,
        size=voice.size + spread * float(rng.normal(0, 2)),
        rd=voice.rd * (1 + spread * float(rng.uniform(-2, 2))),
        vibrato_hz=voice.vibrato_hz * float(rng.uniform(0.94, 1.06)),
        vibrato_cents=voice.vibrato_cents * float(rng.uniform(0.8, 1.1)),
        drift_cents=voice.drift_cents + 3.0,
    )


def _perform(
    notes: Sequence[Note],
    seconds: float,
    section: Callable[[float], Sequence[Voice]],
    vocalise: bool,
    late_s: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Have every line of the notes sung by the voices that ``section`` names for its mean pitch."""
    samples = round(seconds * SAMPLE_RATE)
    sung = [note for note in notes if note.start_s < seconds and note.duration_s > 0]
    if not sung or not samples:
        return np.zeros(samples, np.float32)
    out = np.zeros(-(-samples // 2))  # RATE is half of SAMPLE_RATE
    lyrics_seed = int(rng.integers(2**62))
    for line in lines_of(sung):
        # The same words in every line; who has other notes gets others.
        words = write_lyrics(line, np.random.default_rng(lyrics_seed), vocalise)
        for voice in section(float(np.mean([note.pitch for note in line]))):
            late = float(rng.normal(0, late_s))
            take = [_late(syllable, late, float(rng.normal(0, 0.006))) for syllable in words]
            _sing_line(take, voice, out, rng)
    squeezed = _squeezed(out, voice.squeeze, voice.presence_db)
    return _finished(_doubled(squeezed)[:samples])


def _late(syllable: Syllable, late_s: float, jitter_s: float) -> Syllable:
    start = max(syllable.start_s + late_s + jitter_s, 0.0)
    return syllable._replace(start_s=start, end_s=max(syllable.end_s + late_s, start))


def _sing_line(
    words: Sequence[Syllable], voice: Voice, out: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Add one voice to ``out``, at ``RATE``."""
    from mixlab.synthesis._kernels.voice import HOP, sing

    frames = -(-len(out) // HOP) + 1
    tracks = make_tracks(words, voice, frames, HOP / RATE, rng)
    padded = np.zeros((frames - 1) * HOP)
    sing(
        float(RATE),
        tracks.values,
        tracks.formants,
        tracks.widths,
        pulse_tables(RATE),
        highest_pitches(),
        rng.standard_normal((2, _WOBBLES)),
        voice.jitter,
        voice.shimmer,
        np.uint64(rng.integers(1, 2**63)),
        padded,
    )
    out += padded[: len(out)]


def _squeezed(out: NDArray[np.float64], squeeze: float, presence_db: float) -> NDArray[np.float32]:
    """Do what a channel of a mixing desk does to a voice, at ``RATE``."""
    from scipy.ndimage import uniform_filter1d

    from mixlab.synthesis._kernels.stems import apply_gains

    audio = filter_part(out.astype(np.float32), [one_pole(_PRESENCE_HZ, RATE, 10 ** (presence_db / 20))])
    block = 128
    count = -(-len(audio) // block)
    blocks = np.pad(audio, (0, count * block - len(audio))).reshape(count, block)
    power = np.einsum("ij,ij->i", blocks, blocks) / np.float64(block)
    # A sliding sum can end a little below zero.
    envelope = np.sqrt(np.maximum(uniform_filter1d(uniform_filter1d(power, 7), 7), 0.0))
    loud = float(np.quantile(envelope[envelope > 1e-4], 0.9)) if (envelope > 1e-4).any() else 1.0
    gain = np.maximum(envelope / loud, 0.05) ** (-squeeze)
    ends = np.concatenate([gain[:1], 0.5 * (gain[1:] + gain[:-1]), gain[-1:]])
    apply_gains(audio, ends.astype(np.float32), block)
    return audio


def _doubled(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a sound of ``RATE`` at ``SAMPLE_RATE``, which is twice as high."""
    from mixlab.synthesis._kernels.voice import double_rate

    out = np.empty(2 * len(audio), np.float32)
    same, taps = _half_band()
    double_rate(audio, same, taps, out)
    return out


@lru_cache(maxsize=1)
def _half_band() -> tuple[np.float32, NDArray[np.float32]]:
    """Return the filter of ``scipy.signal.resample_poly``: its middle, and every other tap beside it."""
    from scipy.signal import firwin

    taps = 2.0 * firwin(41, 0.5, window=("kaiser", 5.0))
    return np.float32(taps[20]), taps[1::2][::-1].astype(np.float32)


def _finished(out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade what is cut, and bring the peak below 1."""
    audio = np.ascontiguousarray(out, np.float32)
    fade = min(len(audio), round(_FADE_S * SAMPLE_RATE))
    audio[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    peak = float(max(audio.max(), -audio.min()))
    if peak > 0:
        audio *= np.float32(_PEAK / peak)
    return audio


def sample_voice(sex: str, rng: np.random.Generator) -> Voice:
    """Sample how somebody sings.

    Args:
        sex: ``female`` or ``male``.
        rng: Decides style and body.
    """
    style = str(rng.choice(["pop", "soft", "power", "classical"], p=[0.45, 0.2, 0.2, 0.15]))
    low, high = (0.75, 1.25) if sex == "female" else (-0.25, 0.2)
    between = {  # rd, breath, vibrato cents, its delay, glide, ring
        "pop": ((0.42, 0.72), (0.009, 0.035), (15, 40), (0.25, 0.5), (0.05, 0.1), (0.0, 0.3)),
        "soft": ((0.68, 1.12), (0.03, 0.075), (5, 25), (0.35, 0.6), (0.06, 0.12), (0.0, 0.1)),
        "power": ((0.42, 0.5), (0.005, 0.018), (25, 60), (0.2, 0.4), (0.04, 0.09), (0.2, 0.5)),
        "classical": ((0.52, 0.82), (0.003, 0.012), (50, 90), (0.08, 0.25), (0.07, 0.14), (0.6, 1.0)),
    }[style]
    rd, breath, cents, delay, glide, ring = (float(rng.uniform(*pair)) for pair in between)
    return Voice(
        size=float(rng.uniform(low, high)),
        rd=rd,
        breath=breath,
        jitter=float(rng.uniform(0.003, 0.01)) * (2.0 if style == "power" else 1.0),
        shimmer=float(rng.uniform(0.03, 0.11)),
        vibrato_hz=float(rng.uniform(5.0, 6.5)),
        vibrato_cents=cents,
        vibrato_delay_s=delay,
        glide_s=glide,
        scoop=float(rng.uniform(0.3, 1.6)),
        drift_cents=float(rng.uniform(3, 9)),
        ring=ring,
        hiss_db=float(rng.uniform(-4, 3)),
        squeeze=float(rng.uniform(0.3, 0.6)),
        presence_db=float(rng.uniform(8, 17)),
        articulation=float(rng.uniform(0.85, 1.2)),
    )
