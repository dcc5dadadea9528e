"""Voices for the demo tree of VCTK: recorded ones where they are installed, else a synthesizer.

The recordings are telephone prompts that Debian packages for Asterisk. They were made by seven people in five
languages; English and Mexican Spanish are spoken by the same one. All are sampled at 8 kHz; two of the seven
are only there in the telephone's codec (GSM 6.10), so that everyone is sent through it: the codec would tell
them apart.

A synthetic voice is a pulse train through formant filters, with a pitch, a size and a breath of its own.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

__all__ = [
    "RECORDED",
    "SOUNDS",
    "SYNTHETIC",
    "VOICE_RATE",
    "Prompt",
    "RecordedVoice",
    "find_prompts",
    "speak",
    "synthetic_speech",
]

SOUNDS = Path("/usr/share/asterisk/sounds")
"""Where Debian's packages put the prompts."""

VOICE_RATE = 8000
SYNTHETIC = 8
"""How many synthetic voices there are."""

LEAST_S, MOST_S = 1.5, 12.0
_GSM_BYTES, _GSM_SAMPLES = 33, 160
_NO_SPEECH = ("beep", "beeperr", "ascending-2tone", "descending-2tone", "tt-monkeys")
_PEAK = 0.7


@dataclass(frozen=True)
class RecordedVoice:
    """One person, and the folders of prompts that hold the voice.

    Attributes:
        id: Speaker id in the tree; no number of VCTK's own.
        name: Who it is, as the package's copyright file says.
        sex: F or M, as VCTK writes it.
        languages: Folder below ``SOUNDS`` by the language that is spoken there.
        package: The Debian packages.
        licence: Of the recordings.
    """

    id: str
    name: str
    sex: str
    languages: Mapping[str, str]
    package: str
    licence: str


RECORDED = (
    RecordedVoice(
        "p901",
        "Allison Smith",
        "F",
        {"English": "en_US_f_Allison", "Spanish": "es_MX_f_Allison"},
        "asterisk-core-sounds-en-wav, asterisk-core-sounds-es-wav",
        "CC BY-SA 3.0",
    ),
    RecordedVoice(
        "p902",
        "June Wallack",
        "F",
        {"French": "fr_CA_f_June"},
        "asterisk-core-sounds-fr-wav",
        "CC BY-SA 3.0",
    ),
    RecordedVoice(
        "p903", "Carlo", "M", {"Italian": "it_IT_m_Carlo"}, "asterisk-core-sounds-it-wav", "CC BY-SA 3.0"
    ),
    RecordedVoice(
        "p904",
        "ivrvoice.ru",
        "F",
        {"Russian": "ru_RU_f_IvrvoiceRU"},
        "asterisk-core-sounds-ru-wav",
        "CC BY 3.0",
    ),
    RecordedVoice(
        "p905",
        "Paola Dal Zot",
        "F",
        {"Italian": "it_IT_f_Menardi"},
        "asterisk-prompt-it-menardi-wav",
        "CC BY-SA 3.0, recordings by Marco Menardi and Paola Dal Zot, http://www.voip.ammdomus.it",
    ),
    RecordedVoice(
        "p906",
        "Armelle Desjardins",
        "F",
        {"French": "fr"},
        "asterisk-prompt-fr-armelle",
        "BSD, copyright (C) 2006 Michel Gutierrez",
    ),
    RecordedVoice(
        "p907", "July E. Jimenez", "F", {"Spanish": "es"}, "asterisk-prompt-es-co", "GPL-2, Avatar Ltda."
    ),
)


@dataclass(frozen=True)
class Prompt:
    """One recording.

    Attributes:
        name: What is said, as the file is named: the same in every language.
        language: In which.
        path: The file: WAV, or raw GSM 6.10.
    """

    name: str
    language: str
    path: Path


def find_prompts(voice: RecordedVoice, sounds: Path = SOUNDS) -> list[Prompt]:
    """Return the prompts of a voice that are sentences of 1.5 to 12 s; none where it is not installed."""
    found = []
    for language, folder in voice.languages.items():
        # Debian may link a folder of one language to another's.
        if (sounds / folder).is_symlink() or not (sounds / folder).is_dir():
            continue
        for path in sorted((sounds / folder).iterdir()):
            if _is_sentence(path):
                found.append(Prompt(path.stem, language, path))
    return found


def _is_sentence(path: Path) -> bool:
    spoken = path.suffix in (".wav", ".gsm") and path.stem not in _NO_SPEECH
    return spoken and LEAST_S <= _seconds(path) <= MOST_S


def _seconds(path: Path) -> float:
    if path.suffix == ".gsm":
        return path.stat().st_size / _GSM_BYTES * _GSM_SAMPLES / VOICE_RATE
    return float(soundfile.info(path).duration)


def speak(prompt: Prompt) -> NDArray[np.float32]:
    """Return a prompt's speech, mono at ``VOICE_RATE``, as the telephone's codec leaves it, at one peak."""
    if prompt.path.suffix == ".gsm":
        audio, _ = soundfile.read(
            prompt.path, samplerate=VOICE_RATE, channels=1, format="RAW", subtype="GSM610", dtype="float32"
        )
    else:
        audio, _ = soundfile.read(prompt.path, dtype="float32")
        audio = _through_gsm(audio)
    return _levelled(audio)


def _through_gsm(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, VOICE_RATE, format="WAV", subtype="GSM610")
    buffer.seek(0)
    decoded, _ = soundfile.read(buffer, dtype="float32")
    result: NDArray[np.float32] = decoded[: len(audio)]
    return result


def _levelled(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = audio * np.float32(_PEAK / max(float(np.abs(audio).max()), 1e-9))
    return scaled


# First and second formants of five vowels, in Hz, for an average voice (Peterson and Barney 1952, men).
_VOWELS = ((730, 1090), (530, 1840), (270, 2290), (570, 840), (300, 870))
_HIGHER = (2440, 3400)
_BANDWIDTHS = (80, 110, 160, 220)


def synthetic_speech(voice: int, sentence: int, seed: int) -> NDArray[np.float32]:
    """Return a sentence of a synthetic voice: 2 to 4 s of vowels and hisses, mono at ``VOICE_RATE``.

    Args:
        voice: Which, from 0: decides pitch, size of the mouth, and breath.
        sentence: Which sentence: another one has other vowels.
        seed: Another seed gives other voices.
    """
    own = np.random.default_rng([seed, 41, voice])
    # Spread over the range of voices, so that no two are alike.
    pitch_hz = 90 * 2 ** ((voice + float(own.uniform(0, 0.5))) / SYNTHETIC * 1.5)
    size, breath = float(own.uniform(0.85, 1.2)), float(own.uniform(0.01, 0.1))
    rng = np.random.default_rng([seed, 42, voice, sentence])
    parts = [_syllable(rng, pitch_hz, size, breath) for _ in range(int(rng.integers(8, 14)))]
    return _levelled(np.concatenate(parts).astype(np.float32))


def _syllable(rng: np.random.Generator, pitch_hz: float, size: float, breath: float) -> NDArray[np.float64]:
    length = round(float(rng.uniform(0.15, 0.35)) * VOICE_RATE)
    glide = np.linspace(1.05, float(rng.uniform(0.85, 1.1)), length)
    phase = np.cumsum(pitch_hz * float(rng.uniform(0.9, 1.15)) * glide / VOICE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0) + breath * rng.standard_normal(length)
    formants = [size * hz for hz in (*_VOWELS[int(rng.integers(len(_VOWELS)))], *_HIGHER)]
    voiced = _resonate(pulses, formants) * np.hanning(length) ** 0.3
    hiss = rng.standard_normal(round(float(rng.uniform(0.02, 0.08)) * VOICE_RATE))
    return np.concatenate([voiced / max(np.abs(voiced).max(), 1e-9), 0.1 * hiss])


def _resonate(source: NDArray[np.float64], formants_hz: Sequence[float]) -> NDArray[np.float64]:
    from scipy.signal import lfilter

    result = source
    for hz, width in zip(formants_hz, _BANDWIDTHS, strict=True):
        if hz < 0.45 * VOICE_RATE:
            radius = np.exp(-np.pi * width / VOICE_RATE)
            poles = [1.0, -2 * radius * np.cos(2 * np.pi * hz / VOICE_RATE), radius**2]
            result = lfilter([1.0], poles, result)
    return np.asarray(result)
