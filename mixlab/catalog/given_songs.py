"""A user's own table of songs: tempo, first beat and key, which win over what is estimated."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mixlab.audio.tempo_key import Key
from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.utils.csv import CsvError, read_csv

__all__ = ["GivenSong", "read_given_songs"]

_COLUMNS = ("song", "tempo", "first_beat", "key")
_TONICS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "H": 11}
_KEY = re.compile(r"([A-H])\s*(#|♯|b|♭|)[\s:]*(major|maj|minor|min|m|)", re.IGNORECASE)


@dataclass(frozen=True)
class GivenSong:
    """What a user knows of a song; None for what is to be estimated.

    Attributes:
        tempo_bpm: Beats per minute.
        first_beat_s: A beat, in seconds from the song's start: then all beats have one tempo.
        key: Its key.
    """

    tempo_bpm: float | None = None
    first_beat_s: float | None = None
    key: Key | None = None


def read_given_songs(path: Path, catalog: Catalog) -> dict[tuple[str, str], GivenSong]:
    """Read a CSV with the column ``song`` (``corpus/song``) and any of ``tempo``, ``first_beat``, ``key``.

    ``tempo`` is in beats per minute, ``first_beat`` in seconds, ``key`` as in ``F# minor``, ``Bb`` or ``Am``.
    Empty fields are estimated.

    Raises:
        ConfigError: the file is missing or no such table, or a row names an unknown song or a bad value.
    """
    try:
        table = read_csv(path.read_bytes(), _COLUMNS)
    except (OSError, CsvError) as error:
        raise ConfigError(f"Cannot read the songs of {path}: {error}.", code="unreadable-file") from error
    unknown = sorted(set(table.header) - set(_COLUMNS))
    if "song" not in table.header or unknown or len(table.header) < 2:
        raise ConfigError(
            f"{path} needs the column song and any of {', '.join(_COLUMNS[1:])} in its first line, found "
            f"{', '.join(table.header)}.",
            code="invalid-table",
        )
    known = {f"{c}/{s}": (c, s) for c, s in zip(*map(catalog.column, ("corpus", "song")), strict=True)}
    found: dict[tuple[str, str], GivenSong] = {}
    for row in table.rows:
        values, where = dict(zip(table.header, row.cells, strict=True)), f"{path}, line {row.number}"
        song = values["song"]
        if song not in known:
            raise ConfigError(
                f"{where}: the catalog holds no song {song!r}; songs read corpus/song.", code="unknown-song"
            )
        if known[song] in found:
            raise ConfigError(f"{where}: {song!r} stands there twice.", code="repeated-entry")
        found[known[song]] = _given(values, where)
    return found


def _given(values: Mapping[str, str], where: str) -> GivenSong:
    tempo = _number(values.get("tempo", ""), where, "tempo", 20.0, 400.0)
    first = _number(values.get("first_beat", ""), where, "first_beat", 0.0, 36000.0)
    if first is not None and tempo is None:
        raise ConfigError(f"{where}: a first_beat needs a tempo beside it.", code="invalid-table")
    return GivenSong(tempo, first, _key(values.get("key", ""), where))


def _number(text: str, where: str, name: str, low: float, high: float) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ConfigError(
            f"{where}: expected a {name} from {low:g} to {high:g}, found {text!r}.", code="invalid-table"
        )
    return value


def _key(text: str, where: str) -> Key | None:
    if not text:
        return None
    match = _KEY.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"{where}: expected a key such as 'F# minor', 'Bb' or 'Am', found {text!r}.", code="invalid-table"
        )
    letter, sign, mode = match[1].upper(), match[2], match[3]
    tonic = _TONICS[letter] + (1 if sign in ("#", "♯") else -1 if sign else 0)
    minor = mode == "m" or mode.casefold().startswith("min")
    return Key(tonic % 12, "minor" if minor else "major", 1.0)
