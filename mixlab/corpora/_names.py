"""Instrument labels out of file names such as ``08_ElecGtr3Mic.wav`` or ``PianoSynth30.mp3``.

A name is split into words (camel case, punctuation, digits); the longest runs of words that the
label map ``folder`` knows become labels, longest first. What is known to say nothing about the
instrument (take numbers, microphones) is dropped, and so are unknown words beside a known one. A
name without any known word becomes one label as a whole, which the catalog then reports.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from mixlab.taxonomy import LabelMap, Taxonomy, load_label_map, load_taxonomy, normalise_label

__all__ = ["NameParser", "folder_parser", "is_mixture", "split_words"]

_LEADING_NUMBER = re.compile(r"^\d+[\s_.-]+(?=\D)")
_RUN = re.compile(r"[^\W\d_]+|\d+|[&+]")
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Words about the take, the microphone or the processing; they never name an instrument.
_TAKE_WORDS = frozenset(
    _RUN.findall(
        """
        a alt alternate amp array back beater bottom bounce bus center centre clean close closemic
        comp copy di direct double doubled dry dt edit export far farmic final fix front full in
        inside isobooth l layer left line live lo lofi low main mel mic micpair mics mid mix mono
        new octave od old out outside pair part peer phrase print r raw rec recording ref rendered
        rev reverse reversed riff right room sample samples section shot side solo spot squash stem
        stereo studio sub take takes tight top track trigger triggers tuned up var vers verse
        version wav wet wide xy
        """
    )
)
_JOINING = frozenset({"and", "plus", "&", "+"})
_MIX_WORDS = frozenset({"mix", "mixture", "mixdown", "fullmix", "master", "mastered", "premaster", "preview"})


def split_words(name: str) -> list[str]:
    """Return the lower-case words and numbers of a file name without suffix.

    A track number in front (``08_``) is dropped: it never belongs to the name.
    """
    words: list[str] = []
    for run in _RUN.findall(_LEADING_NUMBER.sub("", name)):
        words += [part.casefold() for part in _CAMEL.split(run) if part]
    return words


@dataclass(frozen=True)
class NameParser:
    """Finds the labels of a map in file names.

    Attributes:
        label_map: The map whose labels are looked for.
        taxonomy: The tree, to drop a label that a more specific one makes redundant.
    """

    label_map: LabelMap
    taxonomy: Taxonomy
    _known: dict[str, str] = field(init=False, repr=False)
    _longest: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        known: dict[str, str] = {}
        for label in self.label_map.rows:
            if not label.endswith("*"):
                key = normalise_label(label)
                known.setdefault(key, key)
                for spelling in (key.replace("-", " "), re.sub(r"[\W_]+", "", key)):
                    known.setdefault(spelling, key)
        object.__setattr__(self, "_known", known)
        longest = max((len(split_words(spelling)) for spelling in known), default=1)
        object.__setattr__(self, "_longest", longest)

    def labels(self, name: str, skip: int = 0) -> tuple[str, ...]:
        """Return the labels of a file name without suffix; empty for a name without letters.

        Args:
            name: File name without suffix.
            skip: Number of leading words to leave out (see :meth:`shared_words`).
        """
        words = split_words(name)[skip:]
        found = self._select(self._find(words), joined=not _JOINING.isdisjoint(words))
        if found:
            return found
        rest = [word for word in words if word.isalpha() and word not in _JOINING]
        useful = [word for word in rest if word not in _TAKE_WORDS] or rest
        return (" ".join(useful),) if useful else ()

    def names_instrument(self, name: str, skip: int = 0) -> bool:
        """Return whether any word of the name is a label that stands for an instrument."""
        return any(self._nodes(label) for label in self._find(split_words(name)[skip:]))

    def is_known(self, name: str) -> bool:
        """Return whether every word of a name is a label of the map or says nothing.

        ``01_Drums``, ``Lead Vox 2`` and ``FX`` are known, ``Piano Man`` and ``12`` are not. So a folder
        of stems is told from the title of a song.
        """
        words = split_words(name)
        reached = [True, *[False] * len(words)]
        for end in range(1, len(words) + 1):
            for start in range(max(0, end - self._longest), end):
                run = words[start:end]
                if reached[start] and (self._says_nothing(run) or self._look_up(run)):
                    reached[end] = True
        return reached[-1] and any(word.isalpha() for word in words)

    def _says_nothing(self, run: Sequence[str]) -> bool:
        return len(run) == 1 and (run[0].isdecimal() or run[0] in _TAKE_WORDS or run[0] in _JOINING)

    def shared_words(self, names: Sequence[str]) -> int:
        """Return how many leading words all names share that belong to the song, not the stems.

        ``PianoMan - Bass`` and ``PianoMan - Drums`` share two. Nothing is shared when a name would be
        left without a known word (``Gtr_1``, ``Gtr_2``) or a label would be cut in two (``Bass Drum``,
        ``Bass Clarinet``).
        """
        lists = [split_words(name) for name in names]
        if len(lists) < 2:
            return 0
        columns = zip(*lists, strict=False)
        shared = next((i for i, column in enumerate(columns) if len(set(column)) > 1), min(map(len, lists)))
        return shared if shared and all(self._separable(words, shared) for words in lists) else 0

    def _separable(self, words: Sequence[str], at: int) -> bool:
        rest = self._find(words[at:])
        says_something = any(self._nodes(label) or self._settles(label) for label in rest)
        return says_something and set(self._find(words)) == {*self._find(words[:at]), *rest}

    def _nodes(self, label: str) -> tuple[str, ...]:
        resolution = self.label_map.resolve(label)
        return resolution.nodes if resolution is not None else ()

    def _settles(self, label: str) -> bool:
        """Return whether an ignored label settles the matter: "room" does, "lead" says nothing."""
        resolution = self.label_map.resolve(label)
        return resolution is not None and "no instrument given" not in (resolution.ignored or "")

    def _find(self, words: Sequence[str]) -> list[str]:
        """Return the known labels in the order of the words, longer runs of words taken first."""
        taken: dict[int, list[str]] = {}
        free = [True] * len(words)
        for length in range(min(self._longest, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                span = range(start, start + length)
                if all(free[i] for i in span) and (found := self._look_up(words[start : start + length])):
                    taken[start] = found
                    for i in span:
                        free[i] = False
        return list(dict.fromkeys(label for start in sorted(taken) for label in taken[start]))

    def _look_up(self, run: Sequence[str]) -> list[str]:
        spellings = [" ".join(run), "".join(run)]
        if len(run) == 2:
            spellings.append(f"{run[1]} {run[0]}")  # SaxTenor
        for spelling in spellings:
            if spelling in self._known:
                return [self._known[spelling]]
        if len(run) > 1:
            return []
        singular = self._known.get(run[0].removesuffix("s"))
        # Pieces first: "bassdrums" is bass and drums, not a bass drum.
        return self._segment(run[0]) or ([singular] if singular else [])

    def _segment(self, word: str) -> list[str]:
        """Return the labels in a word written without capitals (``bassdrums``), or []."""
        best: list[list[str] | None] = [[], *[None] * len(word)]
        for end in range(3, len(word) + 1):
            for start in range(end - 2):
                piece, before = word[start:end], best[start]
                if before is None or (end - start < 3):
                    continue
                option = self._piece(piece, before)
                current = best[end]
                if option is not None and (current is None or len(option) < len(current)):
                    best[end] = option
        return [label for label in best[-1] or [] if label]

    def _piece(self, piece: str, before: list[str]) -> list[str] | None:
        if piece in self._known:
            return [*before, self._known[piece]]
        return [*before, ""] if piece in _TAKE_WORDS and before else None

    def _select(self, labels: Sequence[str], *, joined: bool) -> tuple[str, ...]:
        """Drop labels without an instrument, and a heading in front of its own kind.

        ``Strings_Violin`` is a violin. ``DrumsPerc`` and, because of its "and", ``PercAndDrums``
        are both: where such a file sounds it need not be the drum set.
        """
        nodes = {label: self._nodes(label) for label in labels}
        sounding = [label for label in labels if nodes[label]]
        if not sounding:
            return tuple(label for label in labels if self._settles(label))[:1]
        closures = {label: self._common_closure(nodes[label]) for label in sounding}
        return tuple(
            label
            for i, label in enumerate(sounding)
            if joined or _apart(nodes[label], [closures[other] for other in sounding[i + 1 :]])
        )

    def _common_closure(self, nodes: Sequence[str]) -> frozenset[str]:
        """Return what is certain where one of the nodes sounds: the closure they share."""
        return frozenset.intersection(*(self.taxonomy.closure([node]) for node in nodes))


def _apart(nodes: Sequence[str], closures: Iterable[frozenset[str]]) -> bool:
    """Return whether none of ``nodes`` is in one of ``closures``."""
    return all(closure.isdisjoint(nodes) for closure in closures)


@lru_cache(maxsize=1)
def folder_parser() -> NameParser:
    """Return the parser over the shipped label map ``folder``."""
    return NameParser(load_label_map("folder"), load_taxonomy())


def is_mixture(name: str, song: str, parser: NameParser, skip: int = 0) -> bool:
    """Return whether a file is a mix of its song rather than a stem.

    ``mix``, ``Mixture``, ``<song>_MIX`` and ``<song>_Full_Preview`` are; ``StringsMix`` is not.
    """
    words = [word for word in split_words(name) if not word.isdecimal()]
    if not words:
        return False
    if "preview" in words:
        return True
    if _MIX_WORDS.isdisjoint((words[0], words[-1])):
        return False
    return name.startswith(song) or not parser.names_instrument(name, skip)
