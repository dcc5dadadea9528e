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
from collections.abc import Iterable, Sequence
from functools import lru_cache

from mixlab.corpora._name_parts import MINUS, Word, one_name, split_words, words_of
from mixlab.corpora._name_words import (
    BETWEEN,
    CRITICAL,
    JOINING,
    LATE_BOUNCE_WORDS,
    LOOPS,
    MUTERS,
    NEGATORS,
    NOT_NEGATED,
    OFF_PLACES,
    SUFFIX_NEGATORS,
    TAKE_WORDS,
    WEAK_ADJECTIVES,
    WEAK_FAMILIES,
    WEAK_SHORT,
    harmless,
)
from mixlab.corpora._vocabulary import Span, Vocabulary
from mixlab.taxonomy import load_label_map, load_taxonomy

__all__ = ["NameParser", "folder_parser", "split_words"]

_JOINED_NEGATION = re.compile(r"(?:no|minus|without|ohne)(\w{3,})")


_MIX_WORDS = frozenset({"mix", "version", "track", "master", "take", "bounce"})
_BALANCES = frozenset({"up", "down", "louder", "quieter", "hot"})


class NameParser(Vocabulary):
    """Finds the labels of a map in file names; see the module's docstring."""

    def labels(self, name: str) -> tuple[str, ...]:
        """Return the labels of a file name without suffix; empty for a name without letters."""
        return self.read(words_of(name))

    def read(self, words: Sequence[Word]) -> tuple[str, ...]:
        """Return the labels that the words of a name give; see the module's docstring."""
        missing, words = self._without_missing(one_name(words))
        if missing:
            return (missing,)
        spans = self.find(words)
        if whole := self._bounce(words, spans) or self._company(words, spans):
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
        return any(self.nodes(label) for span in self.find(one_name(words_of(name))) for label in span.labels)

    def is_instrument(self, name: str) -> bool:
        """Return whether the name is that of an instrument or a section and nothing else.

        ``Drums`` and ``Backing Vox 2`` are; ``Piano Man``, ``Room`` and ``No Drums`` are not.
        """
        missing, words = self._without_missing(one_name(words_of(name)))
        spans = self.find(words)
        if missing or self.unknown(words, spans) or self._bounce(words, spans):
            return False
        return any(self.sounds(span) for span in spans)

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
        strange = bool(self.unknown(words, spans)) or (named and ("song" in said or _balanced(words, spans)))
        if said and not named and not strange:
            return said[0]
        last = next((word.text for word in reversed(words) if word.text.isalpha()), "")
        bounced = not LATE_BOUNCE_WORDS.issuperset(said)
        looped = any(word.text in LOOPS for word in words)  # "Zork Drum Loop Full" is a loop as a whole
        if strange and (bounced or (named and last in LATE_BOUNCE_WORDS and not looped)):
            return "mix? " + " ".join(word.text for word in words if word.text.isalpha())
        return ""

    def _company(self, words: Sequence[Word], spans: Sequence[Span]) -> str:
        """Return the label of an instrument together with what is not named: "Piano and Orchestra".

        ``Drums + Bass + Other`` is no stem of drums and bass alone, ``Guitar & Zork`` none of a guitar.
        """
        named = [span for span in spans if self.sounds(span)]
        others = [span for span in spans if any(self.is_company(label) for label in span.labels)]
        links = [i for i, word in enumerate(words) if word.text in JOINING]
        strangers = {i for i in range(len(words)) if self._is_stranger(words, spans, i)}
        beside = any(
            (span.end == link and link + 1 in strangers) or (span.start == link + 1 and link - 1 in strangers)
            for span in named
            for link in links
        )
        linked = bool(links) or any(word.text == "with" for word in words)
        if named and (beside or (others and (linked or len(named) > 1))):
            return "with others: " + " ".join(word.text for word in words)
        return ""

    def _is_stranger(self, words: Sequence[Word], spans: Sequence[Span], at: int) -> bool:
        text = words[at].text
        covered = any(span.start <= at < span.end for span in spans)
        known = covered or not text.isalpha() or harmless(text)
        return not known and text not in JOINING | NOT_NEGATED

    def _without_missing(self, words: Sequence[Word]) -> tuple[str, list[Word]]:
        """Return ("everything but ...", []) for a song without something, else ('', words).

        ``Drums (no kick)`` are drums and ``Vocals without harmonies`` a voice: what is missing is of
        the same family, and the words returned are those before it.
        """
        words = list(words)
        spans = self.find(words)
        labels = [label for span in spans for label in span.labels]
        if said := next((label for label in labels if self.is_all_but(label)), ""):
            return said, []
        at, taken = next(
            ((i, found) for i in range(len(words)) if (found := self._taken(words, i, spans)) is not None),
            (len(words), ()),
        )
        if at == len(words):
            return "", words
        sign = words[at].text == MINUS
        others = [span for span in spans if span.end <= at and span.labels != taken]
        kept = self.families(label for span in others for label in span.labels)
        related = self.families(taken) <= kept or self._within(taken, others)
        if taken and len(kept) == 1 and related:
            # "Drums -Kick" is a kick: a dash with one blank is more often a dash than a minus.
            return "", self._without_missing([*words[:at], *words[at + 1 :]])[1] if sign else words[:at]
        return "everything but " + (
            " ".join(taken) or " ".join(w.text for w in words[at + 1 :]) or "something"
        ), []

    def _within(self, taken: Iterable[str], spans: Iterable[Span]) -> bool:
        """Return whether what is taken may be part of what is kept: "Strings (no basses)"."""
        kept = {node for span in spans for label in span.labels for node in self.nodes(label)}
        return any(
            kept & self.taxonomy.closure([node])
            or any(node in self.taxonomy.closure([whole]) for whole in kept)
            for label in taken
            for node in self.nodes(label)
        )

    def negates(self, words: Sequence[Word], at: int) -> bool:
        """Return whether the word at ``at`` takes something away: "no" in "no vocals"."""
        return self._taken(words, at, self.find(words)) is not None

    def _taken(self, words: Sequence[Word], at: int, spans: Sequence[Span]) -> tuple[str, ...] | None:
        """Return the labels that the word at ``at`` takes away, or None where it takes nothing away."""
        word = words[at].text
        if word in SUFFIX_NEGATORS:
            return self._before(words, at, spans)
        if word in MUTERS:
            return self._muted(words, at, spans)
        if word == "no" and at + 1 == len(words):
            return self._before(words, at, spans)
        if word.endswith("less") and word not in self._known and len(word) > 6:
            return self._if_sounding(self.look_up([word.removesuffix("less")]))
        if word not in self._known and (joined := _JOINED_NEGATION.fullmatch(word)):  # "novocals"
            return self._if_sounding(self.look_up([joined[1]]))
        if word not in NEGATORS["strong"] | NEGATORS["weak"]:
            return None
        return self._after(words, at, spans, strong=word in NEGATORS["strong"])

    def _after(
        self, words: Sequence[Word], at: int, spans: Sequence[Span], *, strong: bool
    ) -> tuple[str, ...] | None:
        """Return the labels behind a negating word; () for something unknown behind a strong one."""
        starts = {span.start: span for span in spans if self.sounds(span)}
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

    def _before(self, words: Sequence[Word], at: int, spans: Sequence[Span]) -> tuple[str, ...] | None:
        """Return the labels right before a word such as "removed"; a snare drum may be played "off"."""
        span = next((s for s in spans if s.end == at and self.sounds(s)), None)
        after = words[at + 1] if at + 1 < len(words) else None
        if words[at].text == "less" and after and not (after.apart or after.text in _MIX_WORDS):
            return self._after(words, at, spans, strong=False)
        if span is None:
            return self._after(words, at, spans, strong=False) if words[at].text == "less" else None
        if (words[at].text, after.text if after else "") in OFF_PLACES:
            return None
        if words[at].text == "free" and (words[at].apart or any(word.text in LOOPS for word in words)):
            return None  # "Drum Loop (Free)" costs nothing
        return None if words[at].text == "off" and "snare-drum" in self.nodes(span.labels[0]) else span.labels

    def _muted(self, words: Sequence[Word], at: int, spans: Sequence[Span]) -> tuple[str, ...] | None:
        """Return the labels before "muted" where no player mutes: a voice or all drums, no trumpet."""
        span = next((s for s in spans if s.end == at), None)
        ahead = any(s.start in (at, at + 1) and self.sounds(s) and not words[s.start].apart for s in spans)
        if span is None or ahead:  # "Vox Muted Trumpet"
            return None
        silenced = "voice" in self.families(span.labels) or "drums" in self.nodes(span.labels[0])
        return span.labels if silenced else None

    def _if_sounding(self, labels: Sequence[str]) -> tuple[str, ...] | None:
        return tuple(labels) if any(self.nodes(label) for label in labels) else None

    # What may be another instrument --------------------------------------------------------------

    def _with_doubt(self, words: Sequence[Word], spans: Sequence[Span], index: int) -> tuple[str, ...]:
        """Return the labels of a span; with doubt where an unknown word stands right before it."""
        span = spans[index]
        word = words[span.start]
        kind = CRITICAL.get(word.text)
        if not all(harmless(other.text) for other in words[span.start + 1 : span.end]):  # "Guitar Synth"
            return span.labels
        if kind is None or word.apart or span.start == 0 or (index and spans[index - 1].end == span.start):
            return span.labels
        before = words[span.start - 1].text
        if not before.isalpha() or before in JOINING or harmless(before):
            return span.labels
        return (f"{kind}? {before} {word.text}",)

    # Choosing ------------------------------------------------------------------------------------

    def _select(self, labels: Sequence[str], *, joined: bool) -> tuple[str, ...]:
        """Drop labels without an instrument, and a heading in front of its own kind.

        ``Strings_Violin`` is a violin. ``DrumsPerc`` and, because of its "and", ``PercAndDrums``
        are both: where such a file sounds it need not be the drum set.
        """
        nodes = {label: self.nodes(label) for label in labels}
        sounding = [label for label in labels if nodes[label]]
        if not joined:  # "Piano & Hp" holds both
            sounding = self._strongest(sounding)
        if not sounding:
            return tuple(label for label in labels if self.settles(label))[:1]
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
        return [label for label in kept if label in strong or self._own_families(label) & there]

    def _own_families(self, label: str) -> set[str]:
        return {WEAK_FAMILIES[label]} if label in WEAK_FAMILIES else self.families([label])

    def _common_closure(self, nodes: Sequence[str]) -> frozenset[str]:
        """Return what is certain where one of the nodes sounds: the closure they share."""
        return frozenset.intersection(*(self.taxonomy.closure([node]) for node in nodes))


def _balanced(words: Sequence[Word], spans: Sequence[Span]) -> bool:
    """Return whether a name says that something is louder or softer than elsewhere: ``Mix (Drums Up)``."""
    covered = {i for span in spans for i in range(span.start, span.end)}
    return any(word.text in _BALANCES for i, word in enumerate(words) if i not in covered)


def _apart(nodes: Sequence[str], closures: Iterable[frozenset[str]]) -> bool:
    """Return whether none of ``nodes`` is in one of ``closures``."""
    return all(closure.isdisjoint(nodes) for closure in closures)


@lru_cache(maxsize=1)
def folder_parser() -> NameParser:
    """Return the parser over the shipped label map ``folder``."""
    return NameParser(load_label_map("folder"), load_taxonomy())
