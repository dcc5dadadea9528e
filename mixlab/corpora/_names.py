"""Instrument labels out of file names such as ``08_ElecGtr3Mic.wav`` or ``PianoSynth30.mp3``.

A name is split into words (camel case, punctuation, digits); the longest runs of words that the
label map ``folder`` knows become labels, longest first. What is known to say nothing about the
instrument (take numbers, microphones) is dropped, and so are unknown words beside a known one. A
name without any known word becomes one label as a whole, which the catalog then reports.

Three things make a known word less than a label:

* A name that says what is *missing* (``no_vocals``, ``Instrumental``) or that is a bounce of more than
  one instrument (``Piano Man Mix``) gets the label of a row that ignores it for that reason.
* An unknown word in front of a word that often belongs to another instrument's name (``Zork Harp``:
  a harp, or a mouth harp?) gives the label ``harp? zork harp``: rows of the map leave open what it is.
* A label with other meanings counts only where nothing else is named (``Acoustic``, ``RT``).

:mod:`mixlab.corpora._song_names` takes the title of the song off before the names are read.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from mixlab.corpora._name_words import (
    BETWEEN,
    CRITICAL,
    JOINING,
    LATE_BOUNCE_WORDS,
    NEGATORS,
    NOT_NEGATED,
    SYNTHESIZERS,
    TAKE_WORDS,
    WEAK_ADJECTIVES,
    WEAK_SHORT,
    harmless,
)
from mixlab.taxonomy import LabelMap, Taxonomy, load_label_map, load_taxonomy, normalise_label

__all__ = ["NameParser", "Span", "Word", "folder_parser", "split_words", "words_of"]

# Numbers that belong to an instrument: "12 String", "808 Kick".
_OWN_NUMBER = re.compile(
    r"^(?:808|909|707|606|303)(?!\d)|^(?:[4-9]|1[0-2])[\s_.-]*str(?:ing|\b)", re.IGNORECASE
)
_LEADING_NUMBER = re.compile(r"^\d+[\s_.-]+(?=\D)")
_RUN = re.compile(r"[^\W\d_]+|\d+|[&+\u2212]")
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# " - ", brackets and commas: the words on both sides are no phrase.
_APART = re.compile(r"\s[-\u2013\u2014]+\s|[()\[\]{},;:/|\u2013\u2014]|__")
_WITHOUT = re.compile(r"(?<![^\W_])w[/\u2215\u2044:]\s*o(?![^\W_])[.]?", re.IGNORECASE)
# "(-drums)" and "Song -drums" take something away; "Song - drums" does not.
_MINUS = re.compile(r"(?:^|(?<=[\s(\[]))[-\u2212](?=[^\W\d_])")

_JOINED_NEGATION = re.compile(r"(?:no|minus|without|ohne)(\w{3,})")
_SIGN = "\u2212"
_WHOLE = "the whole song, not a stem"
_ALL_BUT = "everything but an instrument or the voice, not a stem"
_NO_INSTRUMENT = "no instrument given"


class Word(NamedTuple):
    """A word of a name in lower case, and whether punctuation sets it apart from the one before."""

    text: str
    apart: bool = False


class Span(NamedTuple):
    """Words ``start`` to ``end`` (exclusive) of a name and the labels that they are."""

    start: int
    end: int
    labels: tuple[str, ...]


def words_of(name: str) -> list[Word]:
    """Return the words and numbers of a file name without suffix.

    A track number in front (``08_``) is dropped: it never belongs to the name. A minus that takes
    something away and ``w/o`` become words.
    """
    text = unicodedata.normalize("NFC", name)
    text = _MINUS.sub(f" {_SIGN} ", _WITHOUT.sub(" without ", text.strip()))
    if not _OWN_NUMBER.match(text):
        text = _LEADING_NUMBER.sub("", text)
    words: list[Word] = []
    end = 0
    for run in _RUN.finditer(text):
        apart = bool(_APART.search(text[end : run.start()]))
        parts = [part.casefold() for part in _CAMEL.split(run[0]) if part]
        words += [Word(part, apart and i == 0) for i, part in enumerate(parts)]
        end = run.end()
    return words


def split_words(name: str) -> list[str]:
    """Return the lower-case words and numbers of a file name without suffix; see :func:`words_of`."""
    return [word.text for word in words_of(name)]


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

    def labels(self, name: str) -> tuple[str, ...]:
        """Return the labels of a file name without suffix; empty for a name without letters."""
        return self.read(words_of(name))

    def read(self, words: Sequence[Word]) -> tuple[str, ...]:
        """Return the labels that the words of a name give; see the module's docstring."""
        missing, words = self._without_missing(_one_name(words))
        if missing:
            return (missing,)
        spans = self.find(words)
        if whole := self._bounce(words, spans):
            return (whole,)
        labels = [label for i in range(len(spans)) for label in self._with_doubt(words, spans, i)]
        if self.unknown(words, spans):  # "Zurna Final" is a zurna, not the final mix
            labels = [label for label in labels if label not in LATE_BOUNCE_WORDS]
        joined = not JOINING.isdisjoint(word.text for word in words)
        if found := self._select(list(dict.fromkeys(labels)), joined=joined):
            return found
        rest = [word.text for word in words if word.text.isalpha() and word.text not in JOINING]
        useful = [word for word in rest if word not in TAKE_WORDS]
        return (" ".join(useful) or "unnamed",) if rest else ()

    def names_instrument(self, name: str) -> bool:
        """Return whether any word of the name is a label that stands for an instrument."""
        return any(
            self.nodes(label) for span in self.find(_one_name(words_of(name))) for label in span.labels
        )

    def is_instrument(self, name: str) -> bool:
        """Return whether the name is that of an instrument or a section and nothing else.

        ``Drums`` and ``Backing Vox 2`` are; ``Piano Man``, ``Room`` and ``No Drums`` are not.
        """
        missing, words = self._without_missing(_one_name(words_of(name)))
        spans = self.find(words)
        if missing or self.unknown(words, spans) or self._bounce(words, spans):
            return False
        return any(self._sounding(span) for span in spans)

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
        return any("part of the song" not in self.ignored(label) for label in self._look_up(run))

    def _says_nothing(self, run: Sequence[str]) -> bool:
        return len(run) == 1 and (run[0].isdecimal() or run[0] in TAKE_WORDS or run[0] in JOINING)

    def says_instrument(self, words: Sequence[Word]) -> bool:
        """Return whether the words hold a label with nodes, or one that settles that there are none."""
        labels = [label for span in self.find(_one_name(words)) for label in span.labels]
        return any(self.nodes(label) or self._settles(label) for label in labels)

    def unknown(self, words: Sequence[Word], spans: Sequence[Span]) -> list[str]:
        """Return the words that neither name an instrument nor a take, a place, a player or a sound."""
        known = {i for span in spans for i in range(span.start, span.end)}
        return [
            word.text
            for i, word in enumerate(words)
            if i not in known and word.text.isalpha() and word.text not in JOINING and not harmless(word.text)
        ]

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

    def _settles(self, label: str) -> bool:
        """Return whether an ignored label settles the matter: "room" does, "lead" says nothing."""
        return bool(self.ignored(label)) and _NO_INSTRUMENT not in self.ignored(label)

    def families(self, labels: Iterable[str]) -> set[str]:
        """Return the families of the nodes that the labels may be."""
        return {self.taxonomy.family(node) for label in labels for node in self.nodes(label)}

    # What is no stem -----------------------------------------------------------------------------

    def _bounce(self, words: Sequence[Word], spans: Sequence[Span]) -> str:
        """Return the label of a bounce: of the song, or under a name that need not be an instrument's.

        ``Drum Mix`` is the stem of the drums. ``Piano Man Mix`` and ``Piano Man Final`` are the song.
        """
        labels = [label for span in spans for label in span.labels]
        said = [label for label in labels if self.is_mix(label)]
        if preview := next((label for label in said if "preview" in label), ""):
            return preview
        named = any(self.nodes(label) for label in labels)
        strange = bool(self.unknown(words, spans)) or (named and "song" in said)
        if said and not named and not strange:
            return said[0]
        last = next((word.text for word in reversed(words) if word.text.isalpha()), "")
        bounced = not LATE_BOUNCE_WORDS.issuperset(said)
        if strange and (bounced or (named and last in LATE_BOUNCE_WORDS)):
            return "mix? " + " ".join(word.text for word in words if word.text.isalpha())
        return ""

    def _without_missing(self, words: Sequence[Word]) -> tuple[str, list[Word]]:
        """Return ("everything but ...", []) for a song without something, else ('', words).

        ``Drums (no kick)`` are drums and ``Vocals without harmonies`` a voice: what is missing is of
        the same family, and the words returned are those before it.
        """
        words = list(words)
        spans = self.find(words)
        labels = [label for span in spans for label in span.labels]
        if said := next((label for label in labels if self.ignored(label) == _ALL_BUT), ""):
            return said, []
        at, taken = next(
            ((i, found) for i in range(len(words)) if (found := self._taken(words, i, spans)) is not None),
            (len(words), ()),
        )
        if at == len(words):
            return "", words
        sign = words[at].text == _SIGN
        others = [span for span in spans if span.end <= at and span.labels != taken]
        kept = self.families(label for span in others for label in span.labels)
        if taken and len(kept) == 1 and self.families(taken) <= kept:
            # "Drums -Kick" is a kick: a dash with one blank is more often a dash than a minus.
            return "", self._without_missing([*words[:at], *words[at + 1 :]])[1] if sign else words[:at]
        return "everything but " + (
            " ".join(taken) or " ".join(w.text for w in words[at + 1 :]) or "something"
        ), []

    def negates(self, words: Sequence[Word], at: int) -> bool:
        """Return whether the word at ``at`` takes something away: "no" in "no vocals"."""
        return self._taken(words, at, self.find(words)) is not None

    def _taken(self, words: Sequence[Word], at: int, spans: Sequence[Span]) -> tuple[str, ...] | None:
        """Return the labels that the word at ``at`` takes away, or None where it takes nothing away."""
        word = words[at].text
        if word.endswith("less") and word not in self._known:
            if word == "less" and (at + 1 == len(words) or words[at + 1].apart):
                return next((s.labels for s in spans if s.end == at and self._sounding(s)), None)
            if len(word) > 6:
                return self._if_sounding(self._look_up([word.removesuffix("less")]))
        if word not in self._known and (joined := _JOINED_NEGATION.fullmatch(word)):  # "novocals"
            return self._if_sounding(self._look_up([joined[1]]))
        if word not in NEGATORS["strong"] | NEGATORS["weak"]:
            return None
        return self._after(words, at, spans, strong=word in NEGATORS["strong"])

    def _after(
        self, words: Sequence[Word], at: int, spans: Sequence[Span], *, strong: bool
    ) -> tuple[str, ...] | None:
        """Return the labels behind a negating word; () for something unknown behind a strong one."""
        starts = {span.start: span for span in spans if self._sounding(span)}
        after = at + 1
        while after < len(words) and after not in starts and words[after].text in BETWEEN:
            after += 1
        if after < len(words) and words[at + 1].apart and not strong:
            return None
        if after in starts:
            return starts[after].labels
        if not strong or (after < len(words) and words[after].text in NOT_NEGATED):
            return None
        return ()

    def _if_sounding(self, labels: Sequence[str]) -> tuple[str, ...] | None:
        return tuple(labels) if any(self.nodes(label) for label in labels) else None

    def _sounding(self, span: Span) -> bool:
        return any(self.nodes(label) for label in span.labels)

    # What may be another instrument --------------------------------------------------------------

    def _with_doubt(self, words: Sequence[Word], spans: Sequence[Span], index: int) -> tuple[str, ...]:
        """Return the labels of a span; with doubt where an unknown word stands right before it."""
        span = spans[index]
        word = words[span.start]
        kind = CRITICAL.get(word.text) if span.end - span.start == 1 else None
        if kind is None or word.apart or span.start == 0 or (index and spans[index - 1].end == span.start):
            return span.labels
        before = words[span.start - 1].text
        if not before.isalpha() or before in JOINING or harmless(before):
            return span.labels
        return (f"{kind}? {before} {word.text}",)

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
                found = self._look_up(texts[start : start + length])
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

    def _look_up(self, run: Sequence[str]) -> list[str]:
        spellings = [" ".join(run), "".join(run)]
        if len(run) == 2 and self._reversible(*run):
            spellings.append(f"{run[1]} {run[0]}")
        for spelling in (*spellings, *map(_plain, spellings)):
            if spelling in self._known:
                return [self._known[spelling]]
        if len(run) > 1:
            return []
        singular = self._known.get(run[0].removesuffix("s")) if len(run[0]) > 2 else None
        # Pieces first: "bassdrums" is bass and drums, not a bass drum.
        return self._segment(run[0]) or ([singular] if singular else [])

    def _reversible(self, first: str, second: str) -> bool:
        """Return whether the second word may describe the first: "SaxTenor", not "GuitarBass"."""
        if not (first.isalpha() and second.isalpha()):
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
        return bool(self.nodes(label)) or (self._settles(label) and not self.is_mix(label))

    # Choosing ------------------------------------------------------------------------------------

    def _select(self, labels: Sequence[str], *, joined: bool) -> tuple[str, ...]:
        """Drop labels without an instrument, and a heading in front of its own kind.

        ``Strings_Violin`` is a violin. ``DrumsPerc`` and, because of its "and", ``PercAndDrums``
        are both: where such a file sounds it need not be the drum set.
        """
        nodes = {label: self.nodes(label) for label in labels}
        sounding = self._strongest([label for label in labels if nodes[label]])
        if not sounding:
            return tuple(label for label in labels if self._settles(label))[:1]
        closures = {label: self._common_closure(nodes[label]) for label in sounding}
        return tuple(
            label
            for i, label in enumerate(sounding)
            if joined or _apart(nodes[label], [closures[other] for other in sounding[i + 1 :]])
        )

    def _strongest(self, labels: Sequence[str]) -> list[str]:
        """Return the labels without those that count only where nothing else is named."""
        kept = [label for label in labels if label not in WEAK_ADJECTIVES] or list(labels)
        strong = [label for label in kept if label not in WEAK_SHORT]
        there = self.families(strong)
        if not strong:
            return kept
        return [label for label in kept if label in strong or self.families([label]) & there]

    def _common_closure(self, nodes: Sequence[str]) -> frozenset[str]:
        """Return what is certain where one of the nodes sounds: the closure they share."""
        return frozenset.intersection(*(self.taxonomy.closure([node]) for node in nodes))


_REGISTERS = frozenset({"soprano", "alto", "tenor", "baritone", "bari"})
_SHORT_PIECES = frozenset(
    {"gtr", "vox", "sax", "kit", "tom", "hat", "sfx", "voc", "pno", "amb", "kik", "snr"}
)
_SYNTH = Word("synth")


def _plain(text: str) -> str:
    """Return text without accents: ``djemb\u00e9`` is ``djembe``."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _one_name(words: Sequence[Word]) -> list[Word]:
    """Return the words with one name for what has many: models of synthesizers become "synth"."""
    result = list(words)
    start = 0
    while start < len(result):
        texts = tuple(word.text for word in result[start : start + 3])
        model = next((m for m in _SYNTHESIZERS if texts[: len(m)] == m), None)
        if model is not None:
            result[start : start + len(model)] = [_SYNTH._replace(apart=result[start].apart)]
        start += 1
    return result


_SYNTHESIZERS = sorted(SYNTHESIZERS, key=len, reverse=True)


def _apart(nodes: Sequence[str], closures: Iterable[frozenset[str]]) -> bool:
    """Return whether none of ``nodes`` is in one of ``closures``."""
    return all(closure.isdisjoint(nodes) for closure in closures)


@lru_cache(maxsize=1)
def folder_parser() -> NameParser:
    """Return the parser over the shipped label map ``folder``."""
    return NameParser(load_label_map("folder"), load_taxonomy())
