"""Extended Ballroom: excerpts of 30 s of 13 ballroom dances, without a split of its own.

Source: Marchand and Peeters 2016, "The Extended Ballroom Dataset" (ISMIR late-breaking); the audio is fetched
by its authors' script from a shop's previews.
Layout: ``extendedballroom_v1.1.xml`` and ``<Dance>/<id>.mp3`` (in some copies ``<Dance>/<Dance>.<id>.mp3``).
The XML has a node per dance with a ``song`` per track: id, artist, title, album, bpm, hash, and its
repetitions.

Traps, and what is done:

* Repetitions: ``exact`` (the same file), ``time`` (another tempo of the same) and ``karaoke`` (with and
  without the voice) are one recording, and one group. ``version`` names another performance of the same song,
  often by somebody else: the song may be on both sides.
* One orchestra plays many dances: tracks of one artist are one group. Where no artist is named, or "Various",
  a track is a group of its own.
* Four dances have 23 to 65 tracks, nine have 252 and more: ``largest: 9`` takes these.
* ``bpm`` is the number ``tempo``; a track without one has none.
"""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mixlab.corpora._keys import known_artist
from mixlab.corpora.clips._sets import home_of, number_of, one_class_each
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError
from mixlab.utils.disjoint_sets import DisjointSets

__all__ = ["CORPUS", "DANCES", "read_extended_ballroom"]

DANCES = (
    "Chacha", "Foxtrot", "Jive", "Pasodoble", "Quickstep", "Rumba", "Salsa", "Samba", "Slowwaltz", "Tango",
    "Viennesewaltz", "Waltz", "Wcswing",
)  # fmt: skip

_TABLE = "extendedballroom_v1.1.xml"
_SAME = ("exact", "time", "karaoke")


class _Song(NamedTuple):
    id: str
    dance: str
    artist: str
    tempo: float
    same: tuple[str, ...]


def read_extended_ballroom(root: Path, task: str) -> ClipSet:
    """Read the tracks that are there, grouped by artist and by repetition.

    Raises:
        CorpusError: the XML is not there or cannot be read, or no track is.
    """
    inner = ("extendedballroom_v1.1", "ballroom_extended_2016")
    home = home_of(root, "Extended Ballroom", inner, [_TABLE], f"{_TABLE} and <Dance>/<id>.mp3")
    songs = _songs(home / _TABLE)
    groups, repeated = _groups(songs)
    audio = AudioFiles()
    rows, tempos, missing = [], [], []
    for song in songs:
        key = f"{song.dance}/{song.id}"
        names = (f"{song.id}.mp3", f"{song.dance}.{song.id}.mp3")
        found = next(filter(None, (audio.find(home / song.dance / name) for name in names)), None)
        if found is None:
            missing.append(key)
        else:
            rows.append((Clip(key, found, groups[song.id]), song.dance))
            tempos.append(song.tempo)
    if not rows:
        raise CorpusError(
            f"None of the {len(songs)} tracks of {home / _TABLE} is there, such as "
            f"{songs[0].dance}/{songs[0].id}.mp3. Its authors' script fetches them.",
            code="audio-not-found",
        )
    return one_class_each(
        "extended_ballroom",
        task,
        rows,
        classes=DANCES,
        source="read by mixlab: mirdata has the older Ballroom only",
        notes=(
            "grouped by artist",
            f"{repeated} tracks repeat another one (exact, time or karaoke) and are in its group"
            if repeated
            else "",
        ),
        missing=missing,
        values={"tempo": tempos},
    )


def _songs(table: Path) -> list[_Song]:
    try:
        tree = ElementTree.parse(table).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise CorpusError(f"{table}: cannot be read as XML ({error}).", code="unreadable-file") from error
    songs = [song for dance in tree for song in _of_dance(table, dance)]
    if not songs:
        raise CorpusError(
            f"{table}: expected a node per dance with its songs, found none.", code="empty-table"
        )
    twice = [id_ for id_, count in Counter(song.id for song in songs).items() if count > 1]
    if twice:
        raise CorpusError(f"{table}: the song {twice[0]!r} is listed twice.", code="repeated-entry")
    return songs


def _of_dance(table: Path, dance: ElementTree.Element) -> Iterator[_Song]:
    for node in dance:
        id_, artist = "".join(_values(node, "id")), "".join(_values(node, "artist"))
        if dance.tag not in DANCES or not id_:
            raise CorpusError(
                f"{table}: expected songs with an id below a dance of {', '.join(DANCES)}, found one below "
                f"{dance.tag!r} with the id {id_!r}.",
                code="unknown-label" if id_ else "invalid-table",
            )
        same = tuple(other for kind in _SAME for other in _values(node, kind))
        tempo = number_of("".join(_values(node, "bpm")), f"{table}, the song {id_}", "bpm")
        yield _Song(id_, dance.tag, known_artist(artist), tempo, same)


def _values(node: ElementTree.Element, name: str) -> list[str]:
    """Return what a node says under a name: as an attribute, or as nodes below it with an id or a text."""
    below = [child.get("id") or (child.text or "") for child in node.findall(name)]
    return [text.strip() for text in (node.get(name, ""), *below) if text.strip()]


def _groups(songs: list[_Song]) -> tuple[dict[str, str], int]:
    """Return each song's group, named after an artist or its first song, and how many repeat another."""
    place = {song.id: k for k, song in enumerate(songs)}
    sets, artists, repeated = DisjointSets(len(songs)), dict[str, int](), 0
    for k, song in enumerate(songs):
        if song.artist:
            sets.join(k, artists.setdefault(song.artist.casefold(), k))
        for other in song.same:
            if other in place:
                sets.join(k, place[other])
        repeated += any(other in place for other in song.same)
    named = {sets.root(k): song.artist for k, song in reversed(list(enumerate(songs))) if song.artist}
    groups = {}
    for k, song in enumerate(songs):
        first = sets.root(k)
        groups[song.id] = f"artist {named[first]}" if first in named else f"song {songs[first].id}"
    return groups, repeated


CORPUS = ClipCorpus("extended_ballroom", ("dance",), read_extended_ballroom, values={"tempo": "BPM"})
