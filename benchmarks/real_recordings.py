"""Real recordings to choose models by, of what anybody can get, for ``mixlab evaluate-on folder``.

    apt-get download gcompris-qt-data fretsonfire-songs-sectoid fretsonfire-songs-muldjord
    for file in *.deb; do dpkg-deb -x "$file" packages; done
    python -m benchmarks.real_recordings recordings --packages packages --songs songs
    mixlab evaluate-on folder --run RUN --root recordings

It is for choosing, not for reporting: it is small, its voices are one singer, its songs are few, and who
chooses by it fits it. Nothing of it belongs into this repository.

Sources:

* Songs with stems, as ``songs/waveform-playlist`` (naomiaro/waveform-playlist on GitHub, 30 s) and
  ``songs/trackswitch`` (audiolabs/trackswitch.js, 167 s): MIT, of the repositories; what the recordings are
  licensed under is not stated.
* Debian's ``gcompris-qt-data``: phrases of 25 instruments, GPL-3+. Its drum kit is left out, as its licence
  is unclear.
* Debian's ``fretsonfire-songs-sectoid`` (MIT) and ``fretsonfire-songs-muldjord`` (CC BY-SA 3.0): eight songs
  of an electric guitar against the rest of a band.

Songs are cut into windows of ten seconds, each labelled by the stems that sound in it. Windows of the mix
are clips where several stems sound, and so are windows of one stem by itself. What a stem holds besides is
unknown where its source does not say: of the band against the guitar nothing is known.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile

from benchmarks.qt_resources import read_resources
from mixlab.audio.file_kinds import is_read
from mixlab.audio.io import FloatArray, fit_length, probe, read_span, resample, to_channels
from mixlab.audio.levels import envelope_db
from mixlab.corpora.clips import ClipSet
from mixlab.corpora.clips.recordings import read_recordings
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_taxonomy

__all__ = ["make_recordings", "make_song"]

WINDOW_S = 10.0
SOUNDS_DB, SILENT_DB = -45.0, -60.0
"""A stem sounds in a window where enough of it reaches the first level, and is silent where nearly nothing
reaches the second; between, it is not known."""

N_FAMILIES = len(load_taxonomy().families)
SOUNDS_SHARE, SILENT_SHARE = 0.2, 0.01
MOST_WINDOWS, OF_BANDS = 6, 2
"""Windows that are taken of a song's mix and of each of its stems, and of songs of which only a guitar is
known: else long songs, or guitars, would be all there is."""

HEADER = ("file", "present", "unknown", "group", "kind")

PHRASES = {
    "accordion": "accordion", "banjo": "banjo", "bongo": "bongo", "castanets": "castanets", "cello": "cello",
    "clarinet": "clarinet", "cymbal": "cymbal", "electric_guitar": "electric guitar",
    "flute_traversiere": "flute", "guitar": "guitar", "harmonica": "harmonica", "harp": "harp",
    "horn": "french horn", "maracas": "maracas", "organ": "organ", "piano": "piano", "saxophone": "saxophone",
    "snare_drum": "snare drum", "tambourine": "tambourine", "timpani": "timpani", "triangle": "triangle",
    "trombone": "trombone", "trumpet": "trumpet", "tuba": "tuba", "violin": "violin",
}  # fmt: skip
"""Files of GCompris that are used, and what sounds in each."""


@dataclass(frozen=True)
class Stem:
    """A file of a song.

    Attributes:
        file: Its name, without the ending.
        present: What sounds where the stem does.
        unknown: What may sound besides.
    """

    file: str
    present: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


SONGS: dict[str, tuple[Stem, ...]] = {
    "waveform-playlist": (
        Stem("Vocals30", ("singer",)),
        # Which of them plays when is not said.
        Stem("PianoSynth30", (), ("piano", "synth")),
        Stem("Guitar30", ("guitar",)),
        Stem("BassDrums30", ("electric bass", "drums")),
    ),
    "trackswitch": (
        Stem("violins", ("violin",)),
        Stem("synth", ("synthesizer",)),
        Stem("drums", ("drums",)),
        Stem("bass", ("bass",)),
    ),
}
ALL = "*"
GUITAR_AND_BAND = (Stem("guitar", ("electric guitar",)), Stem("song", (), (ALL,)))

Row = tuple[str, str, str, str, str]
T = TypeVar("T")


def make_recordings(out: Path, packages: Path | None = None, songs: Path | None = None) -> ClipSet:
    """Write windows and phrases with their table.

    Args:
        out: Folder that is made.
        packages: Folder with unpacked Debian packages; those that are not there are left out.
        songs: Folder with the songs of ``SONGS``.

    Returns:
        What was written, as ``mixlab evaluate-on folder`` reads it.

    Raises:
        CorpusError: nothing is there.
    """
    rows = [*_songs(out, songs), *_bands(out, packages), *_phrases(out, packages)]
    if not rows:
        raise CorpusError(
            f"Expected unpacked packages below {packages} or songs below {songs}, found neither. The first "
            "lines of benchmarks/real_recordings.py say how to get them.",
            code="layout-not-found",
        )
    with (out / "clips.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    return read_recordings(out)


def _songs(out: Path, songs: Path | None) -> Iterator[Row]:
    for name, stems in SONGS.items():
        if songs is not None and (folder := songs / name).is_dir():
            yield from make_song(out, folder, name, stems, MOST_WINDOWS)


def _bands(out: Path, packages: Path | None) -> Iterator[Row]:
    found = () if packages is None else packages.rglob("songs/*/*/guitar.ogg")
    for guitar in sorted(found):
        name = f"{guitar.parent.parent.name} {guitar.parent.name}".lower().replace(" ", "-")
        yield from make_song(out, guitar.parent, name.replace("_", "-"), GUITAR_AND_BAND, OF_BANDS)


def _phrases(out: Path, packages: Path | None) -> Iterator[Row]:
    for resource in () if packages is None else sorted(packages.rglob("rcc/instruments.rcc")):
        files = {Path(path).stem: data for path, data in read_resources(resource.read_bytes()).items()
                 if path.endswith(".ogg")}  # fmt: skip
        for name, instrument in PHRASES.items():
            if name in files:
                place = out / "gcompris" / f"{name}.ogg"
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(files[name])
                yield f"gcompris/{name}.ogg", instrument, "", f"gcompris {name}", "solo"


def make_song(out: Path, folder: Path, name: str, stems: Sequence[Stem], most: int) -> Iterator[Row]:
    """Cut a song into windows of its mix and of its stems, and say what sounds in each.

    Args:
        out: Folder of the set; files go below ``out/name``.
        folder: Folder of the song.
        name: The song, which is the group of its windows.
        stems: Its files.
        most: Windows that are taken of the mix, and of each stem, evenly spread.

    Yields:
        Rows of the table.
    """
    audio, rate = _read(folder, stems)
    length = round(WINDOW_S * rate)
    starts = range(0, audio.shape[-1] - length + 1, length)
    states = [[_state(stem[:, at : at + length], rate) for stem in audio] for at in starts]
    mixed = [
        (at, _said(stems, state))
        for at, state in zip(starts, states, strict=True)
        if len(state) - state.count("absent") > 1
    ]
    told = [(at, said) for at, said in mixed if said[0] or ALL not in said[1]]
    for at, said in _spread(told, most):
        yield (
            _write(out, name, "mix", audio[:, :, at : at + length].sum(axis=0), rate, at),
            *said,
            name,
            "mix",
        )
    for k, stem in enumerate(stems):
        alone = [at for at, state in zip(starts, states, strict=True) if state[k] == "present"]
        for at in _spread(alone, most) if stem.unknown != (ALL,) else ():
            path = _write(out, name, stem.file, audio[k, :, at : at + length], rate, at)
            yield path, *_said((stem,), ("present",)), name, ""


def _read(folder: Path, stems: Sequence[Stem]) -> tuple[FloatArray, int]:
    """Return all stems at the rate of the first ``(stems, 2, samples)``, and that rate."""
    rate = probe(_file(folder, stems[0])).sample_rate
    read = []
    for stem in stems:
        info = probe(_file(folder, stem))
        audio = read_span(_file(folder, stem), 0, info.frames)
        read.append(to_channels(resample(audio, info.sample_rate, rate), 2))
    longest = max(audio.shape[-1] for audio in read)
    return np.stack([fit_length(audio, longest) for audio in read]), rate


def _file(folder: Path, stem: Stem) -> Path:
    found = sorted(path for path in folder.glob(f"{stem.file}.*") if is_read(path.name))
    if not found:
        raise CorpusError(f"Expected the stem {stem.file} in {folder}, found none.", code="audio-not-found")
    return found[0]


def _state(audio: FloatArray, rate: int) -> str:
    """Return whether a stem sounds in a window: ``present``, ``absent`` or ``unknown``."""
    levels = envelope_db(audio, rate)
    if (levels >= SOUNDS_DB).mean() >= SOUNDS_SHARE:
        return "present"
    return "absent" if (levels >= SILENT_DB).mean() <= SILENT_SHARE else "unknown"


def _said(stems: Sequence[Stem], states: Sequence[str]) -> tuple[str, str]:
    """Return the cells ``present`` and ``unknown`` of a window."""
    found = list(zip(stems, states, strict=True))
    present = {label for stem, state in found if state == "present" for label in stem.present}
    unknown = {x for stem, state in found if state != "absent" for x in (*stem.unknown, *stem.present)}
    return "|".join(sorted(present)), "|".join(sorted(unknown - present))


def _spread(found: Sequence[T], most: int) -> list[T]:
    if len(found) <= most:
        return list(found)
    return [found[round(k)] for k in np.linspace(0, len(found) - 1, most)]


def _write(out: Path, name: str, part: str, audio: FloatArray, rate: int, at: int) -> str:
    """Write a window, and return its path in the table; only what would clip is made quieter."""
    path = out / name / f"{part.lower()}-{round(at / rate):04d}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    peak = float(np.abs(audio).max())
    soundfile.write(path, (audio / max(peak, 1.0)).T, rate, subtype="PCM_16")
    return path.relative_to(out).as_posix()


def say_counts(clips: ClipSet) -> str:
    """Return how many clips and groups hold each class that rows name, and each family, as lines."""
    kinds = Counter(clips.kinds)
    groups = {clip.group for clip in clips.clips}
    lines = [f"{len(clips)} clips of {len(groups)} groups: {kinds['solo']} solos, {kinds['mix']} mixes"]
    shown = (*clips.classes[:N_FAMILIES], *clips.named)
    for c, name in ((clips.classes.index(name), name) for name in dict.fromkeys(shown)):
        rows = np.flatnonzero((clips.targets[:, c] > 0.5) & clips.mask[:, c])
        held = {clips.clips[row].group for row in rows}
        known = int(clips.mask[:, c].sum())
        lines.append(f"{name:24} {len(rows):4} present of {known:4} known, in {len(held)} groups")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the set from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder that is made")
    parser.add_argument("--packages", type=Path, help="folder with unpacked Debian packages")
    parser.add_argument("--songs", type=Path, help="folder with waveform-playlist/ and trackswitch/")
    given = parser.parse_args(arguments)
    print(say_counts(make_recordings(given.out, given.packages, given.songs)))


if __name__ == "__main__":
    main()
