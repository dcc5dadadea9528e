"""What is known of the songs of a catalog: tempo, beats and key, in a file beside the table of stems.

The file is ``songs.parquet``, with a hash of its own: the catalog's hash does not change with it, nor do
recipes sampled without it. ``mixlab analyse`` writes it.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from mixlab.audio.tempo_key import Beats, Key
from mixlab.catalog.catalog import Catalog
from mixlab.errors import CatalogError
from mixlab.utils.files import write_atomic
from mixlab.utils.hashing import digest

__all__ = ["SONG_FILE", "Origin", "SongFacts", "SongTable", "load_song_table"]

SONG_FILE = "songs.parquet"
_VERSION = 1

Origin = Literal["given", "midi", "estimated"]
"""Where a value is from: the user's own table, the song's MIDI file or its audio."""


@dataclass(frozen=True)
class SongFacts:
    """Tempo, beats and key of one song.

    Attributes:
        beats: In seconds of the song, as its stems' ``offset_s`` is.
        key: Its key.
        beats_origin: Where the beats are from.
        key_origin: Where the key is from.
        fingerprint: Of the stems that it was found for; another one means that they have changed.
        problem: What went wrong, or ''.
    """

    beats: Beats = field(default_factory=Beats)
    key: Key = field(default_factory=Key)
    beats_origin: Origin = "estimated"
    key_origin: Origin = "estimated"
    fingerprint: str = ""
    problem: str = ""


_COLUMNS = pa.schema(
    [
        ("corpus", pa.string()),
        ("song", pa.string()),
        ("tempo_bpm", pa.float64()),
        ("tempo_confidence", pa.float64()),
        ("beats_s", pa.list_(pa.float64())),
        ("tonic", pa.int8()),
        ("mode", pa.string()),
        ("key_confidence", pa.float64()),
        ("tuning", pa.float64()),
        ("beats_origin", pa.string()),
        ("key_origin", pa.string()),
        ("fingerprint", pa.string()),
        ("problem", pa.string()),
    ]
)


@dataclass(frozen=True)
class SongTable:
    """Facts of songs by corpus and song.

    Attributes:
        songs: The facts.
        base_hash: Of the catalog (``Catalog.base_hash``) whose songs these all are; '' while some lack.
    """

    songs: Mapping[tuple[str, str], SongFacts]
    base_hash: str = ""

    @cached_property
    def content_hash(self) -> str:
        """16 hex digits that change with any tempo, beat or key."""
        left_out = ("fingerprint", "problem", "beats_origin", "key_origin")
        return digest([{k: v for k, v in row.items() if k not in left_out} for row in self._rows()])

    def save(self, folder: Path) -> None:
        """Write the table to a catalog's folder; readers see the old one or the new one.

        Raises:
            OutputError: it cannot be written.
        """
        about = {b"mixlab": json.dumps({"version": _VERSION, "base_hash": self.base_hash}).encode()}
        rows = self._rows()
        columns = {f.name: pa.array([row[f.name] for row in rows], f.type) for f in _COLUMNS}
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns, schema=_COLUMNS.with_metadata(about)), buffer, compression="zstd")
        write_atomic(folder / SONG_FILE, buffer.getvalue())

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "corpus": corpus,
                "song": song,
                "tempo_bpm": facts.beats.tempo_bpm,
                "tempo_confidence": facts.beats.confidence,
                "beats_s": list(facts.beats.times_s),
                "tonic": facts.key.tonic,
                "mode": facts.key.mode,
                "key_confidence": facts.key.confidence,
                "tuning": facts.key.tuning,
                "beats_origin": facts.beats_origin,
                "key_origin": facts.key_origin,
                "fingerprint": facts.fingerprint,
                "problem": facts.problem,
            }
            for (corpus, song), facts in sorted(self.songs.items())
        ]

    @classmethod
    def read(cls, folder: Path) -> "SongTable":
        """Return the table in a catalog's folder; an empty one where there is none of this version.

        Raises:
            CatalogError: the file is damaged.
        """
        path = folder / SONG_FILE
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                table = file.read(use_threads=False)
            about = json.loads((table.schema.metadata or {})[b"mixlab"])
            if about["version"] != _VERSION:
                return cls({})
            base_hash = str(about["base_hash"])
            songs = {(row["corpus"], row["song"]): _facts(row) for row in table.to_pylist()}
        except FileNotFoundError:
            return cls({})
        except (pa.ArrowException, OSError, LookupError, ValueError, TypeError, RecursionError) as error:
            raise CatalogError(
                f"{path} is damaged: {error!r}. Delete it and run: mixlab analyse {folder}",
                code="catalog-damaged",
            ) from error
        return cls(songs, base_hash)


def _facts(row: Mapping[str, Any]) -> SongFacts:
    return SongFacts(
        Beats(tuple(row["beats_s"]), row["tempo_bpm"], row["tempo_confidence"]),
        Key(row["tonic"], row["mode"], row["key_confidence"], row["tuning"]),
        row["beats_origin"],
        row["key_origin"],
        row["fingerprint"],
        row["problem"],
    )


def load_song_table(catalog: Catalog) -> SongTable:
    """Return what is known of a catalog's songs; read once, and kept with the catalog.

    Raises:
        CatalogError: there is nothing, or it is of other songs than the catalog now holds.
    """
    table: SongTable | None = catalog.derived.get("song table")
    if table is None:
        table = SongTable.read(catalog.path)
        if table.base_hash != catalog.base_hash:
            found = (
                "has changed since its songs were analysed"
                if table.base_hash
                else ("is analysed in part only" if table.songs else "knows no tempo and key of its songs")
            )
            raise CatalogError(
                f"Matched mixes need tempo, beats and key of every song, and the catalog {catalog.path} "
                f"{found}. Run: mixlab analyse {catalog.path}",
                code="songs-not-analysed",
            )
        catalog.derived["song table"] = table
    return table
