"""VCTK: sentences read by about 110 speakers of English.

Source: Yamagishi, Veaux and MacDonald 2019, "CSTR VCTK Corpus" (version 0.92; 0.80 before it); CC BY 4.0.
Layout: ``VCTK-Corpus-0.92/wav48_silence_trimmed/p225/p225_001_mic1.flac`` (0.92, two microphones, FLAC) or
``VCTK-Corpus/wav48/p225/p225_001.wav`` (0.80, one microphone, WAV); the root is the folder itself or the one
above.

Traps, and what is done:

* Two microphones record the same sentence: microphone 1 is taken, and 2 only where there is no 1; a sentence
  is one clip.
* Speakers are the classes, so a group is no speaker: it is a sentence. Sentences 1 to 24 are the same text by
  every speaker, and each is one group over all of them, so that no text is on two sides.
* Some files of p280, p315 and p362 are not there, and p315 has no texts: what there is of audio is taken.
* In 0.92 the silence at both ends is cut off, in 0.80 it is not.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mixlab.audio.file_kinds import is_litter
from mixlab.corpora.clips._sets import home_of, one_class_each
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "read_vctk"]

SHARED_TEXTS = 24
"""The first sentences, which every speaker reads."""

_NAME = re.compile(r"(?P<speaker>[a-z]\w*?)_(?P<number>\d+)(?:_(?P<mic>mic[12]))?$")
_FOLDERS = ("wav48_silence_trimmed", "wav48")


def read_vctk(root: Path, task: str) -> ClipSet:
    """Read a sentence of each speaker once, whatever was recorded by two microphones.

    Raises:
        CorpusError: there is no folder of audio, or no sentence in it.
    """
    inner = ("VCTK-Corpus-0.92", "VCTK-Corpus")
    where = "wav48_silence_trimmed/<speaker>/<speaker>_NNN_mic1.flac, or wav48/<speaker>/<speaker>_NNN.wav"
    home = home_of(root, "VCTK", inner, ["|".join(_FOLDERS)], where)
    base = next(home / name for name in _FOLDERS if (home / name).is_dir())
    rows = [(clip, speaker) for folder in sorted(base.iterdir()) for clip, speaker in _sentences(folder)]
    if not rows:
        raise CorpusError(f"Expected {where} below {home}, found no sentence.", code="audio-not-found")
    version = "0.92" if base.name == _FOLDERS[0] else "0.80"
    second = sum(clip.path.stem.endswith("mic2") for clip, _ in rows)
    return one_class_each(
        "vctk",
        task,
        rows,
        source="read by mixlab: torchaudio's loader reads 0.92 only, and leaves p315 out",
        notes=(
            f"version {version}; a group is a sentence, the first {SHARED_TEXTS} over all speakers: their "
            "text is the same",
            f"{second} sentences of which microphone 1 has no file are those of microphone 2"
            if second
            else "",
        ),
    )


def _sentences(folder: Path) -> Iterator[tuple[Clip, str]]:
    """Yield the sentences of a speaker's folder, each once."""
    if is_litter(folder.name) or not folder.is_dir():
        return
    audio = AudioFiles()
    chosen: dict[str, tuple[str, Path]] = {}
    for name in audio.names(folder):
        match = _NAME.fullmatch(name)
        file = audio.find(folder / f"{name}.flac")
        if match is None or file is None or match["speaker"] != folder.name:
            continue
        chosen.setdefault(match["number"], (f"{match['speaker']}_{match['number']}", file))
    for number, (key, file) in sorted(chosen.items()):
        shared = int(number) <= SHARED_TEXTS
        yield Clip(key, file, f"text {int(number):03d}" if shared else key), folder.name


CORPUS = ClipCorpus("vctk", ("speaker",), read_vctk)
