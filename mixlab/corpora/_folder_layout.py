"""What the folders of an unknown tree mean: splits, artists, songs, buses of a song, instruments.

Everything is told from the paths of the audio files; nothing is opened. Folders are read from the
root down:

* Wrappers (``stems``, ``Audio Files``, ``wav_24bit``, ``<song>_STEMS``) count for nothing.
* **Splits** (``train``, ``valid``, ``dev``, ``test``, ...) hold folders of songs, or are all that
  lies in their folder. A song that is called "Test" is none.
* **Buses** (``Drums``, ``01_Vox``, ``FX``) are folders whose names say only what sounds, in a folder
  with fewer songs beside them than buses, or with stems beside them. All that is below that folder
  is one song; only a further version of the same stems is a song of its own, tied to it.
* **Folders of an instrument** are such folders with a file per song: ``drums/Piano Man.wav`` and
  ``bass/Piano Man.wav`` are two stems of "Piano Man". At least half of the names recur in a second
  folder (two names or more, below a folder that may itself be a song), or, at the top of the tree, no
  name says an instrument and at least half say something else. Numbers are taken for songs where
  five or more are the same in all folders, at the top.
* Folders whose names say what sounds but whose files mostly are of other families
  (``Bells/drums.wav``) are songs with such titles, and those that hold such songs
  (``Voices/Ice/drums.wav``) are artists or albums.
* Folders that recur in the folders beside (``One/Anna``, ``One/Ben``, ``Two/Anna``) and never hold the
  same instrument as another are parts of one song.
* Any other folder with audio in it is a song, at any depth.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from mixlab.corpora._folder_buses import Meaning, Names, says_mix
from mixlab.corpora._folder_tree import File, Node, Parts, make_tree, unwrap
from mixlab.corpora._folder_words import is_development, is_generic, is_version, split_of
from mixlab.corpora._names import NameParser

__all__ = ["Layout", "Placed", "read_layout"]

_SHOWN = 4


@dataclass(frozen=True)
class Placed:
    """One audio file and what the folders around it say.

    Attributes:
        path: Below the root, as it is on disk.
        song: Folders that identify its song, without wrappers; () for the root itself.
        stem: What identifies it within the song: buses, then its name without suffix.
        title: Name of the song.
        above: Folders above the song that might be its artist, from the root down; each as its path.
        folders: Names that may say the instrument where the file's own does not, nearest first.
        by_folder: The file's own name is that of a song; the folder alone says the instrument.
        split: Split that a folder says, or ''.
        ties: Keys of what may be another form of the same song.
    """

    path: str
    song: Parts
    stem: Parts
    title: str
    above: tuple[Parts, ...] = ()
    folders: Parts = ()
    by_folder: bool = False
    split: str = ""
    ties: Parts = ()


@dataclass(frozen=True)
class Layout:
    """How a tree was read.

    Attributes:
        files: Every file that is read, by path.
        skipped: Paths of files that are not, each with the reason.
        notes: What was taken for what, and for how many songs.
    """

    files: tuple[Placed, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def read_layout(
    paths: Iterable[str], root_name: str, parser: NameParser, told: Collection[str] = ()
) -> Layout:
    """Say for every audio file which song, bus, instrument and split its folders give it.

    Args:
        paths: Files below the root, POSIX separators.
        root_name: Name of the root: the title of a song that lies in it directly.
        parser: Knows which names say what sounds.
        told: Folders in which the user says of each file what it is: none of them is of an instrument
            with a file per song.
    """
    files, skipped = unwrap(sorted(paths))
    reader = _Reader(root_name, Names(parser), told)
    reader.visit(make_tree(files), _Place())
    placed = tuple(sorted(reader.placed, key=lambda file: file.path))
    return Layout(placed, tuple(sorted(skipped)), tuple(reader.notes()))


def count_songs(count: int) -> str:
    """Return ``1 song`` or ``7 songs``."""
    return f"{count} song{'s' if count != 1 else ''}"


@dataclass(frozen=True)
class _Place:
    """What the folders above have said so far; ``within`` is the song that this is another form of."""

    top: bool = True
    split: str = ""
    above: tuple[Parts, ...] = ()
    ties: Parts = ()
    within: str = ""


class _Reader:
    """Places the files of a tree, from the root down."""

    def __init__(self, root_name: str, names: Names, told: Collection[str]) -> None:
        self.placed: list[Placed] = []
        self._root_name = root_name
        self._names = names
        self._told = told
        self._with_buses: set[Parts] = set()
        self._instruments: set[str] = set()
        self._by_file: set[Parts] = set()
        self._beside_splits: set[Parts] = set()
        self._loose = 0

    # Reading down ---------------------------------------------------------------------------------

    def visit(self, node: Node, place: _Place, beside: Sequence[Node] = ()) -> None:
        """Place all files of a folder and of those below it; ``beside`` are the folders beside it."""
        buses = self._buses(node)
        meaning = self._meaning(node, buses, place.top)
        if meaning is Meaning.BUSES or self._are_sections(node, beside):
            self._add_song(node, place)
            return
        # There may be folders of an instrument among songs, and the other way round.
        buses = self._of_instruments(node, buses, place.top)
        rest = node.children
        if buses:
            self._add_instruments(node, buses, place)
            rest = [child for child in rest if child not in buses]
        if node.files:
            self._loose += 0 if node.parts else len(node.files)
            place = self._tied(node, place) if node.parts else place
            self._add_files(node, node.files, place)
        splits = self._splits(node, rest)
        for child in rest:
            if splits and child.name not in splits and self._holds_songs(child):
                self._beside_splits.add(child.parts)
            self.visit(child, self._below(node, child, splits, place), node.children)

    def _buses(self, node: Node) -> list[Node]:
        named = [child for child in node.children if self._names.is_bus(child.name)]
        return [child for child in named if not self._names.holds_songs(child, named)]

    def _meaning(self, node: Node, buses: Sequence[Node], top: bool) -> Meaning:
        sounding = [bus for bus in buses if self._names.sounds(bus.name)]
        has_stems = bool(node.parts) and any(self._is_stem(file) for file in node.files)
        if not sounding:
            return Meaning.BUSES if has_stems or not node.children else Meaning.SONGS
        songs = [child for child in node.children if child not in buses and self._looks_like_song(child)]
        if len(songs) >= len(buses) and not has_stems:
            return Meaning.SONGS
        title = node.name or self._root_name
        meaning = self._names.judge(buses, title=title, top=top)
        return Meaning.BUSES if has_stems else meaning

    def _are_sections(self, node: Node, beside: Sequence[Node]) -> bool:
        """Return whether the folders below are parts of a song: ``Song/Anna``, ``Song/Ben``.

        No two of them hold the same instrument, and folders beside have folders of the same names.
        """
        parts = [child for child in node.children if not says_mix(child.name)]
        names = {child.name for child in parts if not is_generic(child.name)}
        again = {name for other in beside if other is not node for name in other.below}
        if node.files or len(names) < 2 or 2 * len(names & again) < len(parts):
            return False
        if any(self._names.sounds(child.name) for child in parts):
            return False
        held = [self._names.instruments(child) for child in parts]
        several = any(len(labels) > 1 for labels in held)  # else they may be songs with a stem each
        return several and all(held) and len(frozenset().union(*held)) == sum(map(len, held)) > 2

    def _of_instruments(self, node: Node, buses: Sequence[Node], top: bool) -> list[Node]:
        """Return the folders of an instrument: those whose files are named after songs, as others' are."""
        title = node.name or self._root_name
        untold = [bus for bus in buses if not any(file.folder in self._told for file in bus.files)]
        found = self._names.of_instruments(untold, title=title)
        sounding = [bus for bus in found if self._names.sounds(bus.name)]
        if not sounding or self._names.judge(sounding, title=title, top=top) is not Meaning.INSTRUMENTS:
            return []
        return [*found, *self._names.with_the_same_songs(node.children, found)]

    def _is_stem(self, file: File) -> bool:
        return self._names.sounds(file.name) or says_mix(file.name)

    def _looks_like_song(self, node: Node) -> bool:
        return sum(self._names.sounds(file.name) for file in node.all_files()) >= 2

    def _splits(self, node: Node, children: Sequence[Node]) -> dict[str, str]:
        """Return the folders that are splits, and which."""
        named = {child.name: split for child in children if (split := split_of(child.name))}
        loose = any(c.files or not all(map(split_of, c.below)) for c in children if c.name not in named)
        if "train" not in named.values() and not loose:  # a "development set" is what one trains on
            named = {name: "train" if is_development(name) else split for name, split in named.items()}
        if len(set(named.values())) > 1 and len(named) == len(node.children):
            return named
        return {
            child.name: named[child.name]
            for child in children
            if child.name in named and self._holds_songs(child)
        }

    def _holds_songs(self, node: Node) -> bool:
        if node.files or not node.children:
            return False
        return self._meaning(node, self._buses(node), top=True) is not Meaning.BUSES

    def _below(self, node: Node, child: Node, splits: dict[str, str], place: _Place) -> _Place:
        split = splits.get(child.name, "")
        if split and child.files:  # parts of one song, or of what lies in the root
            place = replace(self._tied(node, place), within=node.name or self._root_name)
        if node.parts and is_version(child.name) and not is_generic(node.name):
            place = replace(self._tied(node, place), within=node.name)
        if split:
            return replace(place, split=split)
        return replace(place, top=False, above=(*place.above, child.parts))

    def _tied(self, node: Node, place: _Place) -> _Place:
        return replace(place, ties=(*place.ties, "folder:" + "/".join(node.parts)))

    # Placing --------------------------------------------------------------------------------------

    def _add_song(self, node: Node, place: _Place) -> None:
        """Place a folder with everything below it as one song, but for other versions of its stems."""
        files, versions = list(node.files), []
        for child in node.children:
            below = list(child.all_files())
            if not self._names.sounds(child.name) and self._is_version(node, child):
                versions.append(child)
            else:
                files += below
        if any(len(file.parts) > len(node.parts) for file in files):
            self._with_buses.add(node.parts)
        place = self._tied(node, place) if versions else place
        self._add_files(node, files, place)
        for child in versions:
            self.visit(child, replace(place, top=False, within=node.name or self._root_name))

    def _is_version(self, node: Node, child: Node) -> bool:
        """Return whether the song has at least half of a folder's instruments elsewhere too."""
        inside = [file.name.casefold() for file in child.all_files() if self._names.sounds(file.name)]
        elsewhere = {
            file.name.casefold() for file in node.all_files() if file.parts[: len(child.parts)] != child.parts
        }
        return 2 * sum(name in elsewhere for name in inside) >= len(inside) > 0

    def _add_files(self, node: Node, files: Iterable[File], place: _Place) -> None:
        title = f"{place.within} ({node.name})" if place.within else node.name or self._root_name
        above = tuple(parts for parts in place.above if parts != node.parts)
        for file in files:
            below = file.parts[len(node.parts) :]
            placed = Placed(
                file.path,
                node.parts,
                (*below, file.name),
                title,
                above=above,
                folders=self._around(below),
                split=place.split,
                ties=place.ties,
            )
            self.placed.append(placed)

    def _around(self, below: Parts) -> Parts:
        return tuple(name for name in reversed(below) if self._names.is_bus(name))

    def _add_instruments(self, node: Node, folders: Sequence[Node], place: _Place) -> None:
        """Place the files of folders that are an instrument each."""
        self._instruments |= {folder.name for folder in folders if not says_mix(folder.name)}
        for found in self._names.songs(folders, title=node.name or self._root_name):
            song = (*node.parts, *found.below, *((found.title,) if found.title else ()))
            self._by_file.add(song)
            own = (found.file.name,) if found.own or not found.title else ()
            above = [*place.above, *(song[:i] for i in range(len(node.parts) + 1, len(song)))]
            self.placed.append(
                Placed(
                    found.file.path,
                    song,
                    (found.instrument.name, *own),
                    song[-1],
                    above=tuple(above),
                    folders=self._around(found.file.parts[len(node.parts) :]) or (found.instrument.name,),
                    by_folder=not found.own,
                    split=place.split,
                    ties=place.ties,
                )
            )

    # Saying ---------------------------------------------------------------------------------------

    def _beside(self) -> str:
        without = [file.song for file in self.placed if not file.split]
        found = {parts[-1] for parts in self._beside_splits if any(s[: len(parts)] == parts for s in without)}
        names = ", ".join(sorted(found)[:_SHOWN])
        return f"; the songs in {names} beside them have no split" if names else ""

    def notes(self) -> list[str]:
        """Return what was taken for what, a sentence each."""
        found = []
        by_split: dict[str, set[Parts]] = defaultdict(set)
        for file in self.placed:
            by_split[file.split].add(file.song)
        counts = Counter({split: len(songs) for split, songs in by_split.items() if split})
        if counts:
            listed = ", ".join(f"{split} {count}" for split, count in counts.items())
            found.append(
                f"took folders with the names of splits as splits of the corpus ({listed} songs), which "
                f"--split corpus keeps{self._beside()}."
            )
        if self._with_buses:
            found.append(
                f"took folders within a song as its buses, in {count_songs(len(self._with_buses))}: "
                "all that is below is one song."
            )
        if self._instruments:
            shown = ", ".join(sorted(self._instruments)[:_SHOWN])
            more = f" and {len(self._instruments) - _SHOWN} more" if len(self._instruments) > _SHOWN else ""
            found.append(
                f"took {shown}{more} as a folder per instrument with a file per song: labels from the "
                f"folders, {count_songs(len(self._by_file))} from the names of the files."
            )
        if self._loose and len({file.song for file in self.placed}) > 1:
            found.append(f"took the {self._loose} files that lie directly in the root as one song.")
        return found
