"""Keys under which the same artist or song is recognised in different corpora.

MUSDB18 is made of Mixing Secrets and MedleyDB songs and spells them its own way
(``The Doppler Shift - Atrophy``, ``DopplerShift_Atrophy``). A key keeps the letters and digits of
a name, case-folded, without accents and without the words "the" and "and". Stems with an equal
key must not cross splits; merging two namesakes costs nothing, missing a pair leaks.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from mixlab.corpora.base import NOBODY
from mixlab.utils.disjoint_sets import DisjointSets

__all__ = ["artist_keys", "common_artists", "known_artist", "normalise", "song_keys", "spaced"]

# "AClassicEducation" -> A Classic Education; "AMContra" -> AM Contra; "80sRock" -> 80s Rock.
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=\d)")
_WORD = re.compile(r"[^\W_]+")
_GUESTS = re.compile(r"\s*(?:\(|\[|\bfeat\b|\bfeaturing\b|\bft\b|&|;|\bvs\b).*$", re.IGNORECASE | re.DOTALL)
_DROPPED = frozenset({"the", "and"})


def spaced(name: str) -> str:
    """Return a camel-case id in words: ``AngelaThomasWade`` -> ``Angela Thomas Wade``."""
    return " ".join(_CAMEL.sub(" ", name.replace("_", " ")).split())


def normalise(name: str) -> str:
    """Return the comparison form of a name: letters and digits without case, accents, the, and."""
    decomposed = unicodedata.normalize("NFKD", spaced(name).replace("&", " and "))
    plain = "".join(c for c in decomposed if not unicodedata.combining(c) and c not in "'\u2019.")
    words = [word.casefold() for word in _WORD.findall(plain)]
    return "".join(word for word in words if word not in _DROPPED) or "".join(words)


def _bare(name: str) -> str:
    """Return a name without guests and bracketed additions, or the name if nothing else is left."""
    return _GUESTS.sub("", name).strip() or name


def known_artist(name: str) -> str:
    """Return the name of an artist, or '' where a corpus's field holds a word for nobody in particular."""
    return "" if normalise(name) in NOBODY else name


def artist_keys(*names: str) -> tuple[str, ...]:
    """Return the sorted ``artist:`` keys of several spellings of one artist.

    A name with guests gives two keys: ``Triviul feat. The Fiend`` is also ``Triviul``.
    """
    forms = {normalise(form) for name in names for form in (name, _bare(name))}
    return tuple(f"artist:{form}" for form in sorted(forms - {""}))


def song_keys(artist: str, title: str) -> tuple[str, ...]:
    """Return the sorted ``song:`` keys of a recording, none if artist or title is unknown."""
    artists = {normalise(artist), normalise(_bare(artist))} - {""}
    titles = {normalise(title), normalise(_bare(title))} - {""}
    return tuple(sorted(f"song:{a}/{t}" for a in artists for t in titles))


def common_artists(songs: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return one artist name per song such that songs sharing any spelling share the name.

    Args:
        songs: Song id -> spellings of its artist, the one to show first.
    """
    keys = {song: artist_keys(*names) or (f"song {song}",) for song, names in songs.items()}
    place = {key: i for i, key in enumerate(dict.fromkeys(key for group in keys.values() for key in group))}
    artists = DisjointSets(len(place))
    for group in keys.values():
        for other in group[1:]:
            artists.join(place[group[0]], place[other])
    artist = {song: artists.root(place[group[0]]) for song, group in keys.items()}
    shown: dict[int, Counter[str]] = defaultdict(Counter)
    for song, names in songs.items():
        shown[artist[song]][names[0] if names and names[0] else song] += 1
    best = {group: min(names, key=lambda name: (-names[name], name)) for group, names in shown.items()}
    return {song: best[artist[song]] for song in songs}
