"""Whether folders named after instruments are buses of a song, folders of an instrument, or songs.

``Song/Drums/kick.wav``, ``drums/Piano Man.wav`` and ``Bells/drums.wav`` look alike until the names
of the files are compared with each other and with the folder's.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from mixlab.corpora._folder_tree import File, Node, Parts
from mixlab.corpora._folder_words import is_generic, words_set
from mixlab.corpora._keys import normalise
from mixlab.corpora._names import NameParser, split_words

__all__ = ["Meaning", "Names", "SongFile", "says_mix"]

_SECTIONS = words_set("intro verse chorus bridge outro hook refrain pre post break drop build section")
_MIXES = words_set(
    """
    mix mixes mixdown mixdowns mixture mixtures fullmix master masters mastered premaster premasters
    preview previews
    """
)
_SONG_WORDS = words_set("song songs tune tunes title")
_RANGES = words_set("soprano alto tenor baritone")
_NOT_ALONE = words_set("bass tom")
_MAIN = words_set("main mains l r left right")
_MANY_NUMBERS = 5
_SHORT = 2  # letters of an abbreviation that means many things
_MOST = 0.5
_MIX_LABEL = ("mix",)


class Meaning(Enum):
    """What several folders that are named after instruments are."""

    BUSES = "the buses of one song"
    INSTRUMENTS = "one folder per instrument, a file per song"
    SONGS = "songs with such titles"


@dataclass(frozen=True)
class SongFile:
    """A file in a folder of an instrument, and the song that it belongs to.

    Attributes:
        file: The file.
        instrument: The folder of its instrument.
        below: Folders below that, which are part of the song's name.
        title: The song's name; '' where the last of ``below`` is.
        own: The file's own name says the instrument (``drums/Piano Man/kick.wav``).
    """

    file: File
    instrument: Node
    below: Parts
    title: str
    own: bool


_SONG, _NOTHING, _INSTRUMENT = "a song", "nothing", "an instrument"


@dataclass(frozen=True)
class _Judged:
    """What a file's name says, and the names that its song may have in other folders too.

    ``Piano Man - bass`` in ``bass`` may be a song of this name, or "Piano Man".
    """

    file: File
    folder: Node
    below: Parts
    says: str
    titles: Parts
    consistent: bool

    def forms(self) -> list[str]:
        return ["/".join(map(_key, (*self.below, title))) for title in self.titles]


def says_mix(name: str) -> bool:
    """Return whether a folder's name says that mixes are in it: ``Mix``, ``02_Masters``, ``Rough Mixes``."""
    words = [word for word in split_words(name) if word.isalpha()]
    return bool(words) and words[-1] in _MIXES


@dataclass(frozen=True)
class Names:
    """Reads names of files and folders with the label map of folders."""

    parser: NameParser

    def is_bus(self, name: str) -> bool:
        """Return whether a folder's name says only what sounds, what lacks, or that mixes are in it."""
        if not _SONG_WORDS.isdisjoint(split_words(name)):
            return False
        if self.parser.is_known(name) or says_mix(name):
            return True
        return any(map(self.parser.is_all_but, self.parser.labels(name)))

    def sounds(self, name: str) -> bool:
        """Return whether a name says only what sounds, and at least one instrument."""
        return self.parser.is_instrument(name)

    def families(self, name: str) -> frozenset[str]:
        """Return the families of the instruments in a name."""
        return frozenset(self.parser.families(self.parser.labels(name)))

    def instruments(self, folder: Node) -> frozenset[str]:
        """Return the labels of the files in and below a folder whose names say what sounds."""
        names = [file.name for file in folder.all_files() if self.sounds(file.name)]
        return frozenset(label for name in names for label in self.parser.labels(name))

    def of_folder(self, name: str) -> tuple[str, ...]:
        """Return the labels that a folder gives the files in it: an instrument, or mixes; else ()."""
        if says_mix(name):
            return _MIX_LABEL
        labels = self.parser.labels(name) if self.is_bus(name) else ()
        says = any(
            self.parser.nodes(label) or self.parser.is_mix(label) or self.parser.is_all_but(label)
            for label in labels
        )
        return labels if says else ()

    def speaks(self, name: str, labels: Sequence[str], folders: Sequence[str]) -> bool:
        """Return whether a file in buses says by itself what it is.

        ``kick`` and ``Room`` in ``Drums`` do, ``01`` and ``Anna`` do not; nor does ``Piano Man``, which is of
        another family and has a word that is none of an instrument, nor ``VL`` in ``Vocals``. In a folder
        of mixes, and of what lacks an instrument, only a name that is an instrument's and nothing else
        does. ``Alto`` in ``Sax`` is a saxophone, ``Bass`` in ``Drums`` none of the basses, ``Main`` in
        ``Vox`` a voice.

        Args:
            name: The file's name, '' where it is the song's.
            labels: What it gives without the song's title.
            folders: Names of the buses around it.
        """
        known = self.parser.is_known(name)
        around = self.parser.families(label for folder in folders for label in self.of_folder(folder))
        words = {word for word in split_words(name) if word.isalpha()}
        if around and words <= _RANGES | _MAIN:
            return False
        if any(map(self.parser.nodes, labels)):
            alike = not around.isdisjoint(self.parser.families(labels))
            vague = words <= _NOT_ALONE or all(len(word) <= _SHORT for word in words)
            return alike or (known and not (around and vague))
        return known and any(map(self.parser.settles, labels))

    def titles(self, names: Sequence[str]) -> list[str]:
        """Return the titles of several songs that lie in one folder, or [] where it may be one song.

        ``One_drums, One_bass, Two_drums, Two_bass`` are: at least two titles, each with two instruments or
        more of which it shares one with another title, hold three quarters of the files.
        """
        found: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for name in names:
            for title, instrument in self._parted(name)[:1]:
                found[title][name] = self.parser.labels(instrument)
        songs = {title: set(files.values()) for title, files in found.items() if len(set(files.values())) > 1}
        counts = Counter(labels for instruments in songs.values() for labels in instruments)
        alike = [title for title, labels in songs.items() if any(counts[label] > 1 for label in labels)]
        covered = sum(len(found[title]) for title in alike)
        return sorted(alike) if len(alike) > 1 and 4 * covered >= 3 * len(names) else []

    def _parted(self, name: str) -> list[tuple[str, str]]:
        """Return title and instrument of a name that ends or begins with one, the shortest title first."""
        words = list(_WORD.finditer(name))
        pairs = []
        for i in range(1, len(words)):
            front, back = name[: words[i].start()].strip(_EDGES), name[words[i].start() :].strip(_EDGES)
            pairs += [(front, back)] if self.sounds(back) else []
            pairs += [(back, front)] if self.sounds(front) else []
        return sorted((pair for pair in pairs if self._is_title(pair[0])), key=lambda pair: len(pair[0]))

    def _is_title(self, name: str) -> bool:
        words = split_words(name)
        if not _SONG_WORDS.isdisjoint(words):
            return True
        return not self.parser.is_known(name) and not all(w in _SECTIONS or not w.isalpha() for w in words)

    def holds_songs(self, folder: Node, beside: Sequence[Node]) -> bool:
        """Return whether a folder named after an instrument holds whole songs: ``Voices/Ice/drums.wav``.

        In at least half of the folders below it, half of the instruments or more are of other families than
        its name; of one other family only where no folder of an instrument beside it has that song too.
        Buses hold files of their own.
        """
        own = self.families(folder.name)
        songs = self._songs_below(folder)
        if not own or not songs or any(other.files for other in beside):
            return False
        others = {song for other in beside if other is not folder for song in self._songs_below(other)}
        whole = 0
        for song, families in songs.items():
            strange = [of for of in families if own.isdisjoint(of)]
            enough = len(set(strange)) > 1 or (strange and song not in others)
            whole += bool(enough) and 2 * len(strange) >= len(families)
        return 2 * whole >= len(songs)

    def _songs_below(self, folder: Node) -> dict[Parts, list[frozenset[str]]]:
        """Return the families of the instruments in the folders below that are no buses."""
        found: dict[Parts, list[frozenset[str]]] = defaultdict(list)
        for file in folder.all_files():
            inside = file.parts[len(folder.parts) :]
            below = tuple(_key(part) for part in inside if not self.is_bus(part))
            if below and self.sounds(file.name):
                found[below].append(self.families(file.name))
        return found

    def judge(self, folders: Sequence[Node], *, title: str, top: bool) -> Meaning:
        """Say what folders named after instruments are.

        Args:
            folders: The folders, all directly below one.
            title: Name of the folder that they are in.
            top: That folder is the root, or nothing but splits and wrappers are above it.
        """
        files = [
            file for folder in folders if not says_mix(folder.name) for file in self._judged(folder, title)
        ]
        songs = [file for file in files if file.says == _SONG]
        sounding = [file for file in files if file.says == _INSTRUMENT]
        holders = _holders(songs)
        recurring = [key for file in songs if len(holders[key := _best(file, holders)]) > 1]
        if files and 2 * len(recurring) >= len(files) and (top or len(set(recurring)) > 1):
            return Meaning.INSTRUMENTS
        if 2 * len(sounding) >= len(files) and _are_titles(sounding):
            return Meaning.SONGS
        unlike_a_song = not sounding and 2 * len(songs) >= len(files) > 0
        return Meaning.INSTRUMENTS if top and (unlike_a_song or _same_numbers(files)) else Meaning.BUSES

    def of_instruments(self, folders: Sequence[Node], *, title: str) -> list[Node]:
        """Return the folders that may be of an instrument with a file per song.

        At least half of the files are named after songs, or one has the name of a file in such a folder
        ("Strings" may be a title too). Where none is like that, those that hold nothing but numbers may be.
        """
        judged = {folder.parts: self._judged(folder, title) for folder in folders}
        certain = {parts for parts, files in judged.items() if _share(files, _SONG) >= _MOST}
        if not certain:
            return [folder for folder in folders if _share(judged[folder.parts], _NOTHING) == 1]
        named = {form for parts in certain for file in judged[parts] for form in file.forms()}
        return [
            folder
            for folder in folders
            if folder.parts in certain or any(named & set(file.forms()) for file in judged[folder.parts])
        ]

    def with_the_same_songs(self, folders: Sequence[Node], instruments: Sequence[Node]) -> list[Node]:
        """Return the folders of unknown names whose files are mostly called like those of instruments."""
        known = {_key(file.name) for folder in instruments for file in folder.files}
        others = [folder for folder in folders if not self.is_bus(folder.name) and not folder.children]
        return [
            folder
            for folder in others
            if 2 * sum(_key(file.name) in known for file in folder.files) > len(folder.files)
        ]

    def songs(self, folders: Sequence[Node], *, title: str) -> list[SongFile]:
        """Return the song of every file in folders of an instrument."""
        judged = [file for folder in folders for file in self._judged(folder, title)]
        holders = _holders(judged)
        shown: dict[str, str] = {}
        for file in judged:
            for key, name in zip(file.forms(), file.titles, strict=True):
                shown[key] = min(shown.get(key, name), name)
        return [
            SongFile(
                file.file,
                file.folder,
                file.below,
                shown[_best(file, holders)],
                own=file.titles == ("",) and self.parser.names_instrument(file.file.name),
            )
            for file in judged
        ]

    def _judged(self, folder: Node, title: str) -> list[_Judged]:
        files = list(folder.all_files())
        judged = [self._judge(file, folder, title) for file in files]
        says: dict[Parts, set[str]] = defaultdict(set)
        for file in judged:
            says[file.file.parts].add(_SONG if file.titles != ("",) else self._says(file.file.name))
        # Beside the song "Sun" in a folder of its artist, "Rain" is no sound effect but another song.
        return [
            replace(file, titles=(file.file.name,))
            if file.titles == ("",)
            and _SONG in (of := says[file.file.parts])
            and _INSTRUMENT not in of
            and any(map(str.isalpha, file.file.name))
            else file
            for file in judged
        ]

    def _says(self, name: str) -> str:
        return _INSTRUMENT if self.parser.names_instrument(name) else _NOTHING

    def _judge(self, file: File, folder: Node, title: str) -> _Judged:
        below = tuple(
            name for name in file.parts[len(folder.parts) :] if not self.is_bus(name) and not is_generic(name)
        )
        bare = _without(_without(file.name, title), folder.name)
        words = [
            word for word in split_words(bare) if word.isalpha() and (len(word) > 1 or not word.isascii())
        ]
        telling = " ".join(word for word in words if word not in _SECTIONS)
        says = _SONG
        if _SONG_WORDS.isdisjoint(words) and (not telling or self.parser.is_known(telling)):
            says = _INSTRUMENT if self.parser.names_instrument(telling) else _NOTHING
        own = self.families(telling) if says == _INSTRUMENT else frozenset()
        consistent = not own or not (of := self.families(folder.name)) or not of.isdisjoint(own)
        if below and says != _SONG:
            return _Judged(file, folder, below, _SONG, ("",), consistent)
        titles = (file.name, *self._without_instrument(file.name, folder))
        return _Judged(file, folder, below, says, titles, consistent)

    def _without_instrument(self, name: str, folder: Node) -> list[str]:
        """Return the name without the folder's instrument, where it begins or ends with that."""
        words = list(_WORD.finditer(name))
        forms = []
        for i in range(1, len(words)):
            front, back = name[: words[i].start()].strip(_EDGES), name[words[i].start() :].strip(_EDGES)
            if self._is_of(back, folder):
                forms.append(front)
            if self._is_of(front, folder):
                forms.append(back)
        return sorted(filter(None, forms), key=len, reverse=True)

    def _is_of(self, name: str, folder: Node) -> bool:
        if _key(name) == _key(folder.name):
            return True
        return self.sounds(name) and not self.families(name).isdisjoint(self.families(folder.name))


_WORD = re.compile(r"[^\W_]+")
_EDGES = " _-.()[]\u2010\u2011\u2012\u2013\u2014\u2212"


def _key(name: str) -> str:
    return normalise(name) or name


def _holders(files: Sequence[_Judged]) -> dict[str, set[Parts]]:
    """Return the folders that hold each name."""
    holders: dict[str, set[Parts]] = defaultdict(set)
    for file in files:
        for key in file.forms():
            holders[key].add(file.folder.parts)
    return holders


def _best(file: _Judged, holders: dict[str, set[Parts]]) -> str:
    """Return the name of the file's song that most folders hold; the whole name where none holds more."""
    return max(file.forms(), key=lambda key: len(holders[key]))


def _are_titles(sounding: Sequence[_Judged]) -> bool:
    """Return whether most files sound like anything but their folder, or like those of another folder."""
    holders = _holders(sounding)
    strange = {key for file in sounding if not file.consistent for key in file.forms()}
    odd = [file for file in sounding if not file.consistent]
    again = [
        file for file in sounding if any(key in strange and len(holders[key]) > 1 for key in file.forms())
    ]
    return 2 * len(odd) > len(sounding) or 2 * len(again) > len(sounding)


def _share(files: Sequence[_Judged], says: str) -> float:
    return sum(file.says == says for file in files) / max(1, len(files))


def _same_numbers(files: Sequence[_Judged]) -> bool:
    """Return whether all folders hold the same numbers, five or more, and nothing else."""
    if any(file.says != _NOTHING for file in files):
        return False
    names: dict[Parts, set[str]] = defaultdict(set)
    for file in files:
        names[file.folder.parts].add(_key(_without(file.file.name, file.folder.name)))
    first, *others = names.values() or [set()]
    return bool(others) and len(first) >= _MANY_NUMBERS and all(other == first for other in others)


def _without(name: str, words: str) -> str:
    """Return a name without certain words at its front or back, where they are there."""
    wanted = normalise(words)
    if not wanted:
        return name
    for match in _WORD.finditer(name):
        if normalise(name[: match.end()]) == wanted:
            return name[match.end() :].strip(_EDGES)
        if normalise(name[match.start() :]) == wanted:
            return name[: match.start()].strip(_EDGES)
    return name
