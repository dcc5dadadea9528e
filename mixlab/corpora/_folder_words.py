"""What the name of a folder says by itself: a split, a wrapper, artist and title, or nothing.

No file system and no audio here: only words.
"""

import re
import unicodedata

from mixlab.corpora._names import split_words

__all__ = [
    "FINISHED",
    "UNPROCESSED",
    "is_development",
    "is_generic",
    "is_version",
    "is_wrapper",
    "may_be_artist",
    "plain_title",
    "split_artist",
    "split_of",
    "version_of",
    "without_number",
    "words_set",
]


def words_set(words: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(words.split())


_SPLITS = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "valid": "validation",
    "validation": "validation",
    "validate": "validation",
    "val": "validation",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "testset": "test",
    "eval": "test",
    "evaluation": "test",
}
_BESIDE_SPLITS = words_set("data dataset set songs split subset tracks multitracks stems audio")

UNPROCESSED, FINISHED = "raw", "stems"
_VERSIONS = {
    **dict.fromkeys(words_set("raw raws dry unprocessed unedited original originals"), UNPROCESSED),
    **dict.fromkeys(words_set("stem stems wet processed edited mixed"), FINISHED),
}
# Between a song and its files such words say nothing.
_FORMAT_WORDS = words_set("aac aif aiff alac flac flacs mpeg ogg opus wav wave waves wavs")
_WRAPPER_WORDS = _FORMAT_WORDS | words_set(
    """
    audio audios bounces consolidate consolidated data dataset datasets export exported exports file files
    imported individual media multis multitrack multitracks recorded recordings render rendered renders
    samples separated sessions songs sources sounds stem stems tracks
    """
)
# These too, but they are also names that songs have: only where nothing but wrappers lies beside.
_UNITS = words_set("bit bits hz khz kbps")
_LOOSE_WORDS = frozenset(_VERSIONS) | _UNITS | words_set("k mono stereo all full")
_RATES = words_set("16 24 32 44 48 88 96 176 192 16000 22050 24000 32000 44100 48000 88200 96000 192000")

# Words of folders that sort songs without naming whose they are.
_GENERIC_WORDS = (
    _WRAPPER_WORDS
    | _LOOSE_WORDS
    | words_set(
        """
        a album albums and anonymous batch bpm box cd chunk chunks collection collections compilation
        compilations corpus demo demos disc disk dl download downloads ep fold folder folders group groups
        incoming jam jams library live lp misc miscellaneous mix mixes multi new no nr number old other
        others part parts piece pieces pack package project projects recording rehearsal rehearsals release
        releases session set sets shard shards single singles song sound soundtrack soundtracks source take
        takes temp the title tmp track tune tunes unknown unsorted untitled va various version versions vol
        volume year years
        """
    )
)
_NO_ARTIST = words_set(
    """
    anonym anonymous artist artista artistas artiste artistes artists desconocido diverse inconnu interpret
    interpreten künstler sconosciuto unbekannt unbekannte unbekannter unknown va vari variados various
    verschiedene
    """
)
# Of what else people make folders: keys, months, days, licences.
_OTHER_SORTS = words_set(
    """
    major minor dur moll sharp flat january february march april may june july august september october
    november december monday tuesday wednesday thursday friday saturday sunday spring summer autumn fall
    winter cc by sa nc nd public domain
    """
)
_VERSION_WORDS = words_set(
    """
    alt alternate alternative copia copie copy demo draft duplicate edit extended final kopia kopie live
    mono original remaster remastered remix rough stereo
    studio take takes unplugged v ver version versions
    """
)
_BEHIND = "|".join(sorted(_VERSION_WORDS))
_VERSION_BEHIND = re.compile(rf"(?:[\s_-]+(?:{_BEHIND})\.?\s*\d*)+$", re.IGNORECASE)
_GENRES = words_set("""
    acoustic alternative ambient baroque beats bebop bluegrass blues bossa celtic chamber children
    cinematic classic classical country dance disco dnb drumnbass dub dubstep edm electro electronic
    electronica experimental flamenco folk fusion funk funky garage gospel grime grunge hardcore hiphop
    hip hop house idm indie industrial instrumental jazz jungle klezmer latin lofi mariachi metal
    musical musicals noise afrobeat afrobeats bhangra breakbeat chanson chill chillout cumbia downtempo emo
    fado kpop jpop k j merengue psytrance qawwali reggaeton rocksteady schlager shoegaze tejano volksmusik
    zouk opera orchestral pop popular progressive psychedelic punk r rnb b rap reggae
    religious rhythm rock rocknroll roll romantic salsa samba singer songwriter ska soul spoken swing
    symphonic synthpop tango techno traditional trance trap trip urban vocal world western heavy hard soft
    n and
    """)

# Every dash that Unicode has for this, and what a keyboard has.
_DASH = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d"
_LONG_DASH = "\u2014\u2015\u2e3a\u2e3b"
_SPACED_DASH = re.compile(rf"[\s_]+[{_DASH}]+[\s_]+|\s*[{_LONG_DASH}]\s*")
_NUMBER_IN_FRONT = re.compile(r"^[\W_]*\d[\d\W_]*(?=[^\W\d_])")
_TAKE_NUMBER = re.compile(r"(?:\d[\d\s._-]*)(?=[^\W\d])")


_WITH_DIGIT = re.compile(r"mp3s?|m4a", re.IGNORECASE)


def _words(name: str) -> list[str]:
    spelled = _WITH_DIGIT.sub("mpeg", unicodedata.normalize("NFC", name))
    return split_words(spelled)


def split_of(name: str) -> str:
    """Return the split that a folder's name says, or ''.

    ``train``, ``Training set``, ``valid``, ``dev``, ``02_test`` do; ``Test Drive`` does not.
    """
    words = [word for word in _words(name) if word not in _BESIDE_SPLITS]
    return _SPLITS.get(words[0], "") if len(words) == 1 else ""


def is_development(name: str) -> bool:
    """Return whether a folder's name says ``dev``, which is for validation only beside a ``train``."""
    return not {"dev", "devel", "development"}.isdisjoint(_words(name))


def is_wrapper(name: str, parent: str = "", *, loose: bool = False) -> bool:
    """Return whether a folder says nothing of what is in it: ``stems``, ``Audio Files``, ``wav_24bit``.

    ``<parent>_STEMS`` does neither (MedleyDB), nor does ``<parent>`` (unpacked archives).

    Args:
        name: The folder's name.
        parent: Name of the folder that it is in.
        loose: Count words too that are also the names of songs (``Raw``, ``Stereo``, ``<parent>``).
    """
    words, above = _words(name), _words(parent)
    inherits = bool(above) and words[: len(above)] == above
    rest = words[len(above) :] if inherits else words
    if inherits and not rest:
        return loose and name.casefold() == parent.casefold()
    of_sound = not _FORMAT_WORDS.isdisjoint(rest) or not _UNITS.isdisjoint(rest)
    allowed = _WRAPPER_WORDS | _LOOSE_WORDS if inherits or loose or of_sound else _WRAPPER_WORDS
    spoken = [word for word in rest if not (of_sound and word in _RATES)]
    if loose and rest and all(word in _RATES for word in rest):
        return True
    return bool(spoken) and all(word in allowed for word in spoken)


def version_of(name: str, parent: str = "") -> str:
    """Return whether a wrapper holds ``raw`` files or finished ``stems``, or '' where it says neither."""
    words, above = _words(name), _words(parent)
    rest = words[len(above) :] if above and words[: len(above)] == above else words
    found = {_VERSIONS[word] for word in rest if word in _VERSIONS}
    return found.pop() if len(found) == 1 else ""


def is_generic(name: str) -> bool:
    """Return whether a name has no word of its own: ``Song 01``, ``CD 2``, ``2019``, ``x``."""
    return all(
        word in _GENERIC_WORDS or not word.isalpha() or (len(word) < 2 and word.isascii())
        for word in _words(name)
    )


def is_version(name: str) -> bool:
    """Return whether a name says no more than which version of a song it is: ``Take 2``, ``Live``."""
    words = [word for word in _words(name) if word.isalpha()]
    return bool(words) and _VERSION_WORDS.issuperset(words)


def plain_title(title: str) -> str:
    """Return a title without brackets, a number in front, and words for a version behind."""
    bare = re.sub(r"\s*[(\[].*?[)\]]", "", title)
    bare = re.sub(r"^\d+[\s._-]+", "", bare)
    bare = _VERSION_BEHIND.sub("", bare)
    return bare if bare.strip(" _-.") else title


def may_be_artist(name: str) -> bool:
    """Return whether a folder of songs may be named after who plays them; genres and numbers are not."""
    words = [word for word in _words(name) if word.isalpha()]
    alone = len(words) == 1 and words[0].startswith("artist")  # "Artist 3" stands for somebody
    if words and not alone and all(word in _NO_ARTIST for word in words):  # "Various Artists"
        return False
    sorts = _GENRES | _GENERIC_WORDS | _OTHER_SORTS
    return not is_generic(name) and (words == ["cc"] or not sorts.issuperset(words))  # "10cc"


def without_number(artist: str) -> str:
    """Return an artist without what may be a track number in front: ``1-04 Ann``, ``(03) Ann``, ``9 Ann``."""
    return _NUMBER_IN_FRONT.sub("", artist) or artist


def split_artist(name: str) -> tuple[str, str]:
    """Return artist and title of ``Artist - Title`` with any dash; ('', title) where there is no artist.

    A track number in front is neither: ``03 - Artist - Title``, ``03 Artist - Title``. Nor is a part
    without a word of its own, or before a version: ``Song 01 - Day``, ``2019-05-03 - Jam``, ``Day - Take 2``.
    """
    parts = [" ".join(part.replace("_", " ").split()) if "_" in part and " " not in part else part.strip()
             for part in _SPACED_DASH.split(name)]  # fmt: skip
    parts = [part for part in parts if part]
    while len(parts) > 1 and not any(character.isalpha() for character in parts[0]):
        parts = parts[1:]
    if len(parts) < 2:
        return "", parts[0] if parts else name
    numbered = _TAKE_NUMBER.match(parts[0])
    artist = parts[0][numbered.end() :] if numbered and re.match(r"0\d", parts[0]) else parts[0]
    title = " - ".join(parts[1:])
    open_bracket = artist.count("(") > artist.count(")") or artist.count("[") > artist.count("]")
    if open_bracket or not may_be_artist(artist) or is_version(title):
        return "", " - ".join(parts)
    return artist, title
