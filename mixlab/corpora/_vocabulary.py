"""Which words of a name are labels of a map: the longest runs first, in many spellings."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from mixlab.corpora._name_parts import Word, one_name, split_words, words_of
from mixlab.corpora._name_words import JOINING, TAKE_WORDS, WEAK_ADJECTIVES, harmless
from mixlab.taxonomy import LabelMap, Taxonomy, normalise_label

__all__ = ["Span", "Vocabulary"]

_WHOLE = "the whole song, not a stem"
_ALL_BUT = "everything but an instrument or the voice, not a stem"
_COMPANY = ("a whole ensemble", "everything else")
_NO_INSTRUMENT = "no instrument given"
_PART_OF_SONG = "a part of the song"

_CACHED = 100_000  # runs of words: files of one song share most of theirs
_SIDES = frozenset({"l", "r"})
_REGISTERS = frozenset({"soprano", "alto", "tenor", "baritone", "bari"})
_SHORT_PIECES = frozenset(
    {"gtr", "vox", "sax", "kit", "tom", "hat", "sfx", "voc", "pno", "amb", "kik", "snr"}
)


class Span(NamedTuple):
    """Words ``start`` to ``end`` (exclusive) of a name and the labels that they are."""

    start: int
    end: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The labels of a map as words, and what they mean.

    Attributes:
        label_map: The map whose labels are looked for.
        taxonomy: The tree that their nodes are in.
    """

    label_map: LabelMap
    taxonomy: Taxonomy
    _known: dict[str, str] = field(init=False, repr=False)
    _longest: int = field(init=False, repr=False)
    _looked_up: Callable[[tuple[str, ...]], list[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        keys = [normalise_label(label) for label in self.label_map.rows if not label.endswith("*")]
        known = {key: key for key in keys}
        for key in keys:
            for spelling in (key.replace("-", " "), re.sub(r"[\W_]+", "", key)):
                known.setdefault(spelling, key)
        object.__setattr__(self, "_known", known)
        longest = max((len(split_words(spelling)) for spelling in known), default=1)
        object.__setattr__(self, "_longest", longest)
        object.__setattr__(self, "_looked_up", lru_cache(maxsize=_CACHED)(self._look_up))

    # What labels mean ----------------------------------------------------------------------------

    def nodes(self, label: str) -> tuple[str, ...]:
        """Return the nodes of a label; none for one that is ignored or unknown."""
        resolution = self.label_map.resolve(label)
        return resolution.nodes if resolution is not None else ()

    def ignored(self, label: str) -> str:
        """Return the reason for which the map ignores a label, or ''."""
        resolution = self.label_map.resolve(label)
        return (resolution.ignored or "") if resolution is not None else ""

    def is_mix(self, label: str) -> bool:
        """Return whether a label stands for the whole song."""
        return self.ignored(label) == _WHOLE

    def is_all_but(self, label: str) -> bool:
        """Return whether a label stands for the song without something: an instrumental, a backing track."""
        return self.ignored(label) == _ALL_BUT

    def is_company(self, label: str) -> bool:
        """Return whether a label stands for players that are not named: a band, an orchestra, others."""
        return self.ignored(label).startswith(_COMPANY)

    def settles(self, label: str) -> bool:
        """Return whether an ignored label settles the matter: "room" does, "lead" says nothing."""
        return bool(self.ignored(label)) and _NO_INSTRUMENT not in self.ignored(label)

    def families(self, labels: Iterable[str]) -> set[str]:
        """Return the families of the nodes that the labels may be."""
        return {self.taxonomy.family(node) for label in labels for node in self.nodes(label)}

    def is_known(self, name: str) -> bool:
        """Return whether every word of a name is a label of the map or says nothing.

        ``01_Drums``, ``Lead Vox 2`` and ``FX`` are known, ``Piano Man``, ``Intro`` and ``12`` are not. So a
        folder of stems is told from the title of a song.
        """
        words = [word.text for word in words_of(name)]
        reached = [True, *[False] * len(words)]
        for end in range(1, len(words) + 1):
            for start in range(max(0, end - self._longest), end):
                run = words[start:end]
                if reached[start] and (self._says_nothing(run) or self._is_label(run)):
                    reached[end] = True
        return reached[-1] and any(word.isalpha() for word in words)

    def _is_label(self, run: Sequence[str]) -> bool:
        return any(_PART_OF_SONG not in self.ignored(label) for label in self.look_up(run))

    def _says_nothing(self, run: Sequence[str]) -> bool:
        return len(run) == 1 and (run[0].isdecimal() or run[0] in TAKE_WORDS or run[0] in JOINING)

    def says_instrument(self, words: Sequence[Word]) -> bool:
        """Return whether the words hold a label with nodes, or one that settles that there are none."""
        labels = [label for span in self.find(one_name(words)) for label in span.labels]
        return any(self.nodes(label) or self.settles(label) for label in labels)

    def unknown(self, words: Sequence[Word], spans: Sequence[Span]) -> list[str]:
        """Return the words that neither name an instrument nor a take, a place, a player or a sound."""
        known = {i for span in spans for i in range(span.start, span.end)}
        return [
            word.text
            for i, word in enumerate(words)
            if i not in known and word.text.isalpha() and word.text not in JOINING and not harmless(word.text)
        ]

    def sounds(self, span: Span) -> bool:
        """Return whether a span stands for an instrument."""
        return any(self.nodes(label) for label in span.labels)

    # Finding -------------------------------------------------------------------------------------

    def find(self, words: Sequence[Word]) -> list[Span]:
        """Return the known labels in the order of the words, longer runs of words taken first."""
        texts = [word.text for word in words]
        taken: dict[int, Span] = {}
        free = [True] * len(texts)
        for length in range(min(self._longest, len(texts)), 0, -1):
            for start in range(len(texts) - length + 1):
                span = range(start, start + length)
                if not all(free[i] for i in span):
                    continue
                found = self.look_up(texts[start : start + length])
                if found and not self._two_names(words[start : start + length], found):
                    taken[start] = Span(start, start + length, tuple(found))
                    for i in span:
                        free[i] = False
        return [taken[start] for start in sorted(taken)]

    def _two_names(self, run: Sequence[Word], found: Sequence[str]) -> bool:
        """Return whether punctuation parts two instruments: "Bass - Drum", not "Guitar (acoustic)"."""
        if not any(word.apart for word in run[1:]):
            return False
        known = [self._known.get(word.text, "") for word in run]
        if any(not self.nodes(label) or label in WEAK_ADJECTIVES for label in known):
            return False
        return any(self.families([label]) != self.families(found) for label in known)

    def look_up(self, run: Sequence[str]) -> list[str]:
        """Return the labels that a run of words is, in any of its spellings; [] for none."""
        return self._looked_up(tuple(run))

    def _look_up(self, run: tuple[str, ...]) -> list[str]:
        spellings = [" ".join(run)]
        if run[-1] not in _SIDES or run[0] not in self._known:  # "Vc L" is no "vcl"
            spellings.append("".join(run))
        if len(run) == 2 and self._reversible(*run):
            spellings.append(f"{run[1]} {run[0]}")
        for spelling in (*spellings, *map(_plain, spellings)):
            if spelling in self._known:
                return [self._known[spelling]]
        if len(run) > 1:
            return []
        singular = self._known.get(_singular(run[0]))
        # Pieces first: "bassdrums" is bass and drums, not a bass drum.
        return self._segment(run[0]) or ([singular] if singular else [])

    def _reversible(self, first: str, second: str) -> bool:
        """Return whether the second word may describe the first: "SaxTenor", not "GuitarBass"."""
        if min(len(first), len(second)) < 2 or not (first.isalpha() and second.isalpha()):
            return False
        known = [self._known.get(word, "") for word in (first, second)]
        two = all(self.nodes(label) and label not in WEAK_ADJECTIVES for label in known)
        return not two or second in _REGISTERS

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
        label = self._known.get(piece, "")
        if label and (len(piece) > 3 or piece in _SHORT_PIECES) and self._may_be_joined(label):
            return [*before, label]
        return [*before, ""] if piece in TAKE_WORDS and before else None

    def _may_be_joined(self, label: str) -> bool:
        return bool(self.nodes(label)) or (self.settles(label) and not self.is_mix(label))


def _singular(word: str) -> str:
    """Return a word without its "s"; short words only where they are abbreviations (vlns, not Mars)."""
    stem = word.removesuffix("s")
    return stem if len(stem) > 3 or (len(stem) > 1 and not set("aeiouy") & set(stem)) else word


def _plain(text: str) -> str:
    """Return text without accents: ``djemb\u00e9`` is ``djembe``."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))
