"""Write the tagged corpora: MTG-Jamendo's TSVs and MP3s, IRMAS's excerpts, OpenMIC's clips and tables."""

import csv
import io
import json
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.stems import compose_plan, to_pcm, write_audio, write_sound
from mixlab.synthesis.synth import SAMPLE_RATE, render_part
from mixlab.synthesis.tagged import IRMAS_SECONDS, OPENMIC_CLASSES, Clip, openmic_artist

__all__ = ["write_clip", "write_tables"]

_TAIL_S = 0.3
_OPENMIC_COLUMNS = (
    "track_id", "album_id", "album_title", "album_url", "artist_id", "artist_name", "artist_url",
    "artist_website",
    "license_image_file", "license_image_file_large", "license_parent_id", "license_title", "license_url",
    "tags",
    "track_bit_rate", "track_comments", "track_composer", "track_copyright_c", "track_copyright_p",
    "track_date_created", "track_date_recorded", "track_disc_number", "track_duration", "track_explicit",
    "track_explicit_notes", "track_favorites", "track_file", "track_genres", "track_image_file",
    "track_information", "track_instrumental", "track_interest", "track_language_code", "track_listens",
    "track_lyricist", "track_number", "track_publisher", "track_title", "track_url", "sample_key",
    "start_time",
)  # fmt: skip


def write_clip(clip: Clip, soundfont: Path, path: Path) -> None:
    """Render a clip to ``path``, as WAV, MP3 or OGG by its suffix.

    A test excerpt of IRMAS gets its text file too.
    """
    channels = 2 if path.suffix == ".wav" else 1
    composition = compose_plan(clip, clip.seconds - _TAIL_S)
    parts, seconds = composition.parts, clip.seconds
    if clip.excerpt:
        start_s = _excerpt_start(parts[0], clip.excerpt, clip.seconds)
        parts, seconds = tuple(_cut(notes, start_s, IRMAS_SECONDS) for notes in parts), IRMAS_SECONDS
    audio = np.sum(
        [
            render_part(notes, sound, clip.room, seconds, soundfont, channels)
            for notes, sound in zip(parts, clip.sounds, strict=True)
        ],
        axis=0,
    )
    audio = (audio * np.float32(0.8 / max(float(np.abs(audio).max()), 1e-9))).astype(np.float32)
    if path.suffix == ".wav":
        write_audio(path, to_pcm(audio))
    elif path.suffix == ".mp3":
        write_sound(path, audio.T, SAMPLE_RATE, "MP3")
    else:
        path.write_bytes(_ogg(audio))
    if clip.corpus == "irmas" and clip.split == "test":
        # The real annotations end every line with a tab.
        text = "".join(f"{code}\t\n" for code in clip.labels)
        (path.parent / f"{clip.key}.txt").write_text(text, encoding="utf-8")


def _cut(notes: Sequence[Note], start_s: float, seconds: float) -> tuple[Note, ...]:
    """Return the notes that sound within the window, in its own time."""
    held = []
    for note in notes:
        begin, end = max(note.start_s, start_s), min(note.start_s + note.duration_s, start_s + seconds)
        if end - begin >= 0.05:
            held.append(note._replace(start_s=round(begin - start_s, 4), duration_s=round(end - begin, 4)))
    return tuple(held)


def _excerpt_start(lead: Sequence[Note], excerpt: int, seconds: float) -> float:
    """Return where the excerpt starts, in seconds: windows of three seconds by how much the lead sounds."""
    starts = np.arange(0.0, max(0.1, seconds - IRMAS_SECONDS), 0.5)

    def sounding(start: float) -> float:
        end = start + IRMAS_SECONDS
        return sum(max(0.0, min(end, n.start_s + n.duration_s) - max(start, n.start_s)) for n in lead)

    order = sorted(starts, key=lambda start: (-round(sounding(float(start)), 2), float(start)))
    best = order[0]
    apart = [start for start in order if abs(start - best) >= 1.5]
    chosen = best if excerpt == 1 or not apart else apart[0]
    return float(chosen)


def _ogg(audio: NDArray[np.float32]) -> bytes:
    """Encode Ogg Vorbis with stream number 1: the encoder samples one at random, and bytes must repeat."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    data = bytearray(buffer.getvalue())
    place = 0
    while place < len(data):
        segments = data[place + 26]
        end = place + 27 + segments + sum(data[place + 27 : place + 27 + segments])
        struct.pack_into("<II", data, place + 14, 1, struct.unpack_from("<I", data, place + 18)[0])
        struct.pack_into("<I", data, place + 22, 0)
        struct.pack_into("<I", data, place + 22, _ogg_checksum(data[place:end]))
        place = end
    return bytes(data)


@lru_cache(maxsize=1)
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return tuple(table)


def _ogg_checksum(page: Iterable[int]) -> int:
    table, value = _crc_table(), 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ table[(value >> 24) ^ byte]
    return value


def write_tables(out: Path, clips: Sequence[Clip], seed: int) -> None:
    """Write what belongs to no single clip: TSVs, partitions, labels, class map, arrays."""
    _jamendo_tables(out / "mtg-jamendo" / "data", [clip for clip in clips if clip.corpus == "mtg-jamendo"])
    _openmic_tables(out / "openmic-2018", [clip for clip in clips if clip.corpus == "openmic-2018"], seed)


def _jamendo_tables(data: Path, clips: Sequence[Clip]) -> None:
    (data / "splits" / "split-0").mkdir(parents=True, exist_ok=True)
    (data / "tags").mkdir(exist_ok=True)
    for name in ("raw_30s", "autotagging", "autotagging_top50tags"):
        _jamendo_table(data / f"{name}.tsv", clips)
    for split in ("train", "validation", "test"):
        held = [clip for clip in clips if clip.split == split]
        _jamendo_table(data / "splits" / "split-0" / f"autotagging_top50tags-{split}.tsv", held)


def _jamendo_table(path: Path, clips: Sequence[Clip]) -> None:
    """Write a table whose last column, TAGS, runs over as many columns as a track has tags."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"])
        for clip in clips:
            number = int(clip.key)
            place = f"{number % 100:02d}/{number}.mp3"
            ids = [f"track_{number:07d}", f"artist_{clip.group:06d}", f"album_{clip.group:06d}"]
            writer.writerow([*ids, place, f"{clip.seconds:.1f}", *clip.labels])


def _openmic_labels(clip: Clip) -> dict[str, float]:
    """Return the observed classes of a clip with their relevance: some that sound, some that do not.

    As in the real set labels are partial: what is not listed was never asked about.
    """
    rng = np.random.default_rng([*clip.seed, 3])
    present = [name for name in OPENMIC_CLASSES if name in clip.labels]
    absent = [name for name in OPENMIC_CLASSES if name not in clip.labels]
    asked = [*rng.permutation(present)[:3], *rng.permutation(absent)[:2]]
    relevance = {
        str(name): float(rng.uniform(0.7, 1.0) if name in present else rng.uniform(0.0, 0.2))
        for name in asked
    }
    return {name: round(value, 5) for name, value in sorted(relevance.items())}


def _openmic_tables(root: Path, clips: Sequence[Clip], seed: int) -> None:
    (root / "partitions").mkdir(parents=True, exist_ok=True)
    clips = sorted(clips, key=lambda clip: clip.key)
    labels = {clip.key: _openmic_labels(clip) for clip in clips}
    for split in ("train", "test"):
        keys = "".join(f"{clip.key}\n" for clip in clips if clip.split == split)
        (root / "partitions" / f"split01_{split}.csv").write_text(keys, encoding="utf-8")
    (root / "class-map.json").write_text(
        json.dumps({name: k for k, name in enumerate(OPENMIC_CLASSES)}, indent=4), encoding="utf-8"
    )
    rows = [(key, name, value, 3) for key, held in labels.items() for name, value in held.items()]
    _csv(
        root / "openmic-2018-aggregated-labels.csv",
        ("sample_key", "instrument", "relevance", "num_responses"),
        rows,
    )
    answers = [
        (key, f"demo{worker:04d}", 0.9, "demo", name, round(value))
        for key, held in labels.items()
        for name, value in held.items()
        for worker in range(3)
    ]
    columns = ("sample_key", "worker_id", "worker_trust", "channel", "instrument", "response")
    _csv(root / "openmic-2018-individual-responses.csv", columns, answers)
    _csv(root / "openmic-2018-metadata.csv", _OPENMIC_COLUMNS, [_openmic_row(seed, clip) for clip in clips])
    _openmic_arrays(root / "openmic-2018.npz", [clip.key for clip in clips], labels)


def _openmic_row(seed: int, clip: Clip) -> list[str]:
    track, start = clip.key.split("_")
    known = {
        "track_id": str(int(track)),
        "artist_id": str(clip.group),
        "artist_name": openmic_artist(seed, clip),
        "license_title": "Generated by mixlab demo-corpora",
        "tags": "[]",
        "track_title": f"Demo {int(track)}",
        "sample_key": clip.key,
        "start_time": f"{int(start) / 1000:.2f}",
    }
    return [known.get(column, "") for column in _OPENMIC_COLUMNS]


def _openmic_arrays(path: Path, keys: Sequence[str], labels: dict[str, dict[str, float]]) -> None:
    """Write the arrays; 0.5 stands where nothing was observed, as in the real file."""
    truth = np.full((len(keys), len(OPENMIC_CLASSES)), 0.5)
    mask = np.zeros(truth.shape, bool)
    for row, key in enumerate(keys):
        for name, value in labels[key].items():
            column = OPENMIC_CLASSES.index(name)
            truth[row, column], mask[row, column] = value, True
    features = np.zeros((len(keys), 10, 128), np.uint8)
    with path.open("wb") as file:
        np.savez(file, X=features, Y_true=truth, Y_mask=mask, sample_key=np.array(keys))


def _csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
