"""VCTK 0.92: sentences of speakers, FLAC at 48 kHz from two microphones, with a text file each.

Recorded voices where they are installed (``mixlab.synthesis.voices``), else synthetic ones; a tree has only
one of the two kinds. ``recordings`` is the number of sentences of each speaker. Sentences of one number are
the same prompt in every language, as the first 24 of VCTK are the same text. The second microphone hears the
same duller.
"""

import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions
from mixlab.synthesis.stems import write_sound
from mixlab.synthesis.voices import (
    RECORDED,
    SOUNDS,
    SYNTHETIC,
    VOICE_RATE,
    Prompt,
    RecordedVoice,
    find_prompts,
    speak,
    synthetic_speech,
)

__all__ = ["TREE", "speakers_of"]

RATE = 48_000
ROOT = "VCTK-Corpus-0.92"
AUDIO, TEXT = f"{ROOT}/wav48_silence_trimmed", f"{ROOT}/txt"
MICROPHONES = ("mic1", "mic2")
_STREAM = 33
_DULL_HZ = 3000.0


class Sentence(NamedTuple):
    """One sentence of a speaker: a prompt of a recorded voice, or the number of a synthetic one."""

    speaker: str
    number: int
    voice: Prompt | int

    @property
    def stem(self) -> str:
        """Name of its files, as far as microphones share it."""
        return f"{self.speaker}_{self.number:03d}"

    @property
    def text(self) -> str:
        """What its text file says: the name of a prompt, in words."""
        said = "synthetic voice, no words" if isinstance(self.voice, int) else self.voice.name
        return said.replace("-", " ")


def _recorded(sounds: Path) -> list[tuple[RecordedVoice, list[Prompt]]]:
    """Return the recorded voices that are there, with their prompts; one alone is none to tell apart."""
    found = [(voice, find_prompts(voice, sounds)) for voice in RECORDED]
    held = [(voice, prompts) for voice, prompts in found if prompts]
    return held if len(held) > 1 else []


def sentences(options: TreeOptions, sounds: Path = SOUNDS) -> list[Sentence]:
    """Return what is said in a tree, by speaker."""
    recorded = _recorded(sounds)
    if not recorded:
        return [
            Sentence(f"p8{voice + 1:02d}", number + 1, voice)
            for voice in range(SYNTHETIC)
            for number in range(options.recordings)
        ]
    names = sorted({prompt.name for _, prompts in recorded for prompt in prompts})
    turns = np.random.default_rng([options.seed, _STREAM]).permutation(len(names)).tolist()
    turn, number = dict(zip(names, turns, strict=True)), {name: 1 + k for k, name in enumerate(names)}
    chosen = []
    for voice, prompts in recorded:
        said: set[str] = set()
        for prompt in sorted(prompts, key=lambda each: turn[each.name])[: options.recordings]:
            # A prompt that a voice says in two languages is two sentences; the second one comes behind all.
            behind = len(names) * (prompt.name in said)
            said.add(prompt.name)
            chosen.append(Sentence(voice.id, number[prompt.name] + behind, prompt))
    return chosen


def speakers_of(options: TreeOptions, sounds: Path = SOUNDS) -> list[str]:
    """Return the ids of a tree's speakers."""
    return sorted({sentence.speaker for sentence in sentences(options, sounds)})


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    return list(_items(options))


def _items(options: TreeOptions) -> Iterator[TreeItem]:
    for sentence in sentences(options):
        for microphone in MICROPHONES:
            target = f"{AUDIO}/{sentence.speaker}/{sentence.stem}_{microphone}.flac"
            yield TreeItem(target, partial(_write, sentence, microphone, options.seed))
        target = f"{TEXT}/{sentence.speaker}/{sentence.stem}.txt"
        yield TreeItem(target, partial(_write_text, sentence.text))


def _write(sentence: Sentence, microphone: str, seed: int, path: Path) -> None:
    from scipy.signal import resample_poly

    voice = sentence.voice
    audio = synthetic_speech(voice, sentence.number, seed) if isinstance(voice, int) else speak(voice)
    if microphone == MICROPHONES[1]:
        audio = _dull(audio)
    wide = resample_poly(audio, RATE // VOICE_RATE, 1)
    pcm = np.clip(np.rint(32767 * wide), -32767, 32767).astype(np.int16)
    write_sound(path, pcm, RATE, "FLAC", "PCM_16")


def _dull(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.signal import butter, sosfilt

    return np.asarray(sosfilt(butter(1, _DULL_HZ, fs=VOICE_RATE, output="sos"), audio), np.float32)


def _write_text(text: str, path: Path) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")


def _finish(root: Path, options: TreeOptions) -> None:
    """Write who speaks, and remove speakers that are no longer part of the tree."""
    speakers = speakers_of(options)
    for folder in (root / AUDIO, root / TEXT):
        for left in folder.iterdir():
            if left.name not in speakers:
                shutil.rmtree(left)
    voices = {voice.id: voice for voice in RECORDED}
    lines = ["ID  AGE  GENDER  ACCENTS  REGION COMMENTS"]
    for id in speakers:
        lines.append(
            _describe(id, voices[id]) if id in voices else f"{id}  -  -  Synthetic  (a formant synthesizer)"
        )
    (root / ROOT / "speaker-info.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _describe(id: str, voice: RecordedVoice) -> str:
    spoken = " and ".join(voice.languages)
    return f"{id}  -  {voice.sex}  {spoken}  ({voice.name}; Debian's {voice.package}; {voice.licence})"


TREE = ClipTree(
    "vctk",
    "vctk",
    "telephone prompts by up to seven people in five languages, as many as Debian packages with their voices "
    "are installed (else synthetic voices; speaker-info.txt says which): each has a studio and some a "
    "language of their own, so telling them apart need not be recognising voices",
    _plan,
    _finish,
    played=False,
)
