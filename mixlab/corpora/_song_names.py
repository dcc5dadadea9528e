"""Labels of the files of one song: the title that they share is taken off before names are read.

``Piano Man - Bass.wav`` is a bass. The title is known from outside (the folder's name, the metadata), or
because several files begin or end with it (``Bass_PianoMan_120bpm``, ``Drums_PianoMan_120bpm``).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mixlab.corpora._name_parts import Word, words_of
from mixlab.corpora._name_words import NEGATORS, WEAK_ADJECTIVES
from mixlab.corpora._names import NameParser, folder_parser

__all__ = ["ONLY_TITLE", "doubt", "left_out", "song_labels"]

ONLY_TITLE = "only a title"
"""Label of a file that is named after its song and nothing else."""

_PARTS = re.compile(r"\s+[-\u2013\u2014]+\s+|_|[()\[\]\u2013\u2014]")


def song_labels(
    names: Sequence[str], titles: Sequence[str] = (), parser: NameParser | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the labels of each file of one song by its name.

    Args:
        names: File names of the song without suffixes.
        titles: What the song may be called in them: the name of its folder, its title, its artist.
            A title that is an instrument's name is one only where the files tell it apart.
        parser: Finds labels; by default in the map ``folder``.

    Returns:
        Labels of the map ``folder`` for every name, in the order of ``names``. Mixes, and files that
        hold everything but something, have a label that the map ignores with its reason. An instrument
        of which it is not sure has a label with a question mark; :func:`doubt` says why.
    """
    parser = parser or folder_parser()
    unique = list(dict.fromkeys(names))
    words = {name: words_of(name) for name in unique}
    numbered = sum(bool(re.match(r"\d{1,3}[\s_.-]", name)) for name in unique)
    for title in _given_titles(titles, parser):
        words = {name: _cut(found, title) for name, found in words.items()}
    for heading in titles:
        words = _cut_heading(words, [word.text for word in words_of(heading)], parser)
    for end in (False, True):
        shared = _shared(words, parser, end=end)
        words = {name: _cut_end(found, shared, end=end) for name, found in words.items()}
    labels: dict[str, tuple[str, ...]] = {}
    for name in unique:
        if not words[name] and words_of(name):
            labels[name] = (ONLY_TITLE,)
        else:
            labels[name] = _with_number(name, words[name], numbered, parser)
    return _voices_of_a_choir(labels)


def doubt(labels: Sequence[str]) -> str:
    """Return what to tell the user of labels that leave open which instrument sounds, or ''."""
    unsure = [label for label in labels if "? " in label and not label.startswith("mix?")]
    if not unsure:
        return ""
    return (
        f"Label {', '.join(map(repr, unsure))}: an unknown word stands before an instrument and may make "
        "another one of it, so that its classes are masked. "
        "Say what it is in stems.csv, or in a row of your own: "
        f"{unsure[0]},NODE-ID,,"
    )


def left_out(labels: Iterable[Sequence[str]], parser: NameParser | None = None) -> str:
    """Return a note on the stems whose labels say that they are mixes or lack something; '' without any."""
    parser = parser or folder_parser()
    reasons = Counter(
        parser.ignored(label)
        for found in labels
        for label in found
        if parser.is_mix(label) or parser.is_all_but(label) or label.startswith(("mix? ", "with others: "))
    )
    if not reasons:
        return ""
    said = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    return f"{reasons.total()} files are kept but ignored, for what their names say: {said}"


# Titles that are given ------------------------------------------------------------------------------


def _given_titles(titles: Sequence[str], parser: NameParser) -> list[list[str]]:
    """Return the titles as words, the longest first: whole, and each part that is no instrument."""
    found: list[list[str]] = []
    for title in titles:
        for part in (title, *_PARTS.split(title)):
            texts = [word.text for word in words_of(part)]
            if texts and texts not in found and _is_title(texts, parser):
                found.append(texts)
    return sorted(found, key=len, reverse=True)


def _is_title(texts: Sequence[str], parser: NameParser) -> bool:
    """Return whether words are a title rather than an instrument, a take or a place."""
    words = [Word(text) for text in texts]
    unknown = parser.unknown(words, parser.find(words))
    if any(len(word) > 1 and word not in NEGATORS["weak"] | NEGATORS["strong"] for word in unknown):
        return True
    # "Hello World" is unknown; "Green Light" holds colours and sounds only, but no instrument either.
    return len(texts) > 1 and not parser.says_instrument(words) and not any(t.isdecimal() for t in texts)


def _cut(words: list[Word], title: Sequence[str]) -> list[Word]:
    """Return the words without the title, wherever it stands in them."""
    texts = [word.text for word in words]
    for start in range(len(texts) - len(title) + 1):
        if texts[start : start + len(title)] == list(title):
            rest = words[start + len(title) :]
            return [*words[:start], *_set_apart(rest)]
    return words


def _cut_heading(words: dict[str, list[Word]], title: list[str], parser: NameParser) -> dict[str, list[Word]]:
    """Return the words without a title that may be an instrument's name: ``Guitar Song``, ``Bass``.

    It is a title where the song's files are of other families, and is cut where something is left
    that says what sounds: of ``Bass_MIX``, ``Bass`` and ``Bass DI`` the first is a mix, the others basses.
    ``Flute_acoustic`` alone is no guitar in a song called "Flute".
    """
    heading = parser.families(parser.read([Word(text) for text in title]))
    cut = {
        name: found if len(title) == 1 and _within_label(found, title, parser) else _cut(found, title)
        for name, found in words.items()
    }
    named = {name: parser.says_instrument(found) for name, found in cut.items()}
    telling = [found for name, found in cut.items() if named[name] and not _is_weak(found)]
    others = parser.families(label for found in telling for label in parser.read(found))
    if not title or others <= (heading or parser.families(title)):
        return words
    headed = [
        name
        for name in cut
        if _holds(words[name], title, end=False) and parser.families(parser.read(cut[name])) - heading
    ]
    is_title = (
        len(title) > 1 or len(headed) > 1
    )  # beside "Voices_Bass" and "Voices_Drums", "Voices" is the song
    return {name: cut[name] if named[name] or (is_title and not cut[name]) else words[name] for name in words}


def _is_weak(words: Sequence[Word]) -> bool:
    """Return whether words name an instrument only where no other does: "acoustic", "electric 02"."""
    adjectives = WEAK_ADJECTIVES | {"electronic", "synthetic"}
    return adjectives.issuperset(word.text for word in words if word.text.isalpha())


def _within_label(words: Sequence[Word], title: Sequence[str], parser: NameParser) -> bool:
    """Return whether the title ends within a label: "Acoustic" in ``Acoustic Guitar``."""
    texts = [word.text for word in words]
    starts = [i for i in range(len(texts)) if texts[i : i + len(title)] == list(title)]
    edges = {edge for i in starts[:1] for edge in (i, i + len(title))}
    return any(span.start < edge < span.end for span in parser.find(words) for edge in edges)


def _set_apart(words: Sequence[Word]) -> list[Word]:
    return [words[0]._replace(apart=True), *words[1:]] if words else []


# Titles that files share ------------------------------------------------------------------------------


def _shared(words: Mapping[str, Sequence[Word]], parser: NameParser, *, end: bool) -> tuple[str, ...]:
    """Return the longest title with which names begin, or end, as words; () without one.

    Nothing is shared when a label would be cut in two (``Bass Drum``, ``Bass Clarinet``) or when what
    is left names no instrument (``Gtr_1``, ``Gtr_2``).
    """
    counts: Counter[tuple[str, ...]] = Counter()
    for found in words.values():
        texts = [word.text for word in found]
        for length in range(1, len(texts)):
            counts[tuple(texts[-length:] if end else texts[:length])] += 1
    candidates = (run for run, count in counts.items() if count > 1)
    for run in sorted(candidates, key=len, reverse=True):
        if _is_shared_title(run, words, parser, end=end):
            return run
    return ()


def _is_shared_title(
    run: tuple[str, ...], words: Mapping[str, Sequence[Word]], parser: NameParser, *, end: bool
) -> bool:
    holders = [list(found) for found in words.values() if _holds(found, run, end=end)]
    rests = [_cut_end(found, run, end=end) for found in holders]
    saying = [rest for rest in rests if parser.says_instrument(rest)]
    if len({parser.read(rest) for rest in saying}) < 2 or _cuts(holders, run, parser, end=end):
        return False
    if not _is_title(run, parser):
        if all(map(_is_weak, saying)):
            return False
        return not _settled(run, parser) and _heads_all(run, saying, words, parser)
    if len(run) == 1 and len(saying) < 3 and not all(_parted(found, end=end) for found in holders):
        return False  # "Thumb Piano" and "Thumb Bass" are no title's
    return 2 * len(holders) >= len(words)


def _heads_all(
    run: Sequence[str],
    saying: Sequence[Sequence[Word]],
    words: Mapping[str, Sequence[Word]],
    parser: NameParser,
) -> bool:
    """Return whether words that could be an instrument's are a title: what follows is of other families."""
    if len(saying) == len(words):
        return True
    heading = parser.families(parser.read(list(map(Word, run))))
    others = [parser.families(parser.read(rest)) - heading for rest in saying]
    return 2 * len(saying) >= len(words) and len({frozenset(found) for found in others if found}) > 1


def _settled(run: Sequence[str], parser: NameParser) -> bool:
    """Return whether the words say that something is missing or that it is a mix."""
    labels = [label for span in parser.find(list(map(Word, run))) for label in span.labels]
    return any(parser.ignored(label) for label in labels if label != "song")


def _holds(words: Sequence[Word], run: Sequence[str], *, end: bool) -> bool:
    part = words[-len(run) :] if end else words[: len(run)]
    return [word.text for word in part] == list(run)


def _cut_end(words: Sequence[Word], run: Sequence[str], *, end: bool) -> list[Word]:
    """Return the words without the title that they begin or end with."""
    if not run or not _holds(words, run, end=end):
        return list(words)
    return list(words[: -len(run)]) if end else _set_apart(words[len(run) :])


def _cuts(holders: Sequence[Sequence[Word]], run: Sequence[str], parser: NameParser, *, end: bool) -> bool:
    """Return whether the title would take a "no" away or, in most of few names, cut a label in two."""
    if any(_negates(found, run, parser, end=end) for found in holders):
        return True
    cut = sum(_breaks(found, run, parser, end=end) for found in holders)
    return 2 * cut > len(holders) if len(run) > 1 and len(holders) > 2 else cut > 0


def _breaks(words: Sequence[Word], run: Sequence[str], parser: NameParser, *, end: bool) -> bool:
    """Return whether the title's edge lies within a label."""
    edge = len(words) - len(run) if end else len(run)
    return any(span.start < edge < span.end for span in parser.find(words))


def _negates(words: Sequence[Word], run: Sequence[str], parser: NameParser, *, end: bool) -> bool:
    """Return whether the title holds a "no" with its instrument in it or behind it."""
    edge = len(words) - len(run) if end else len(run)
    return any(parser.negates(words, at) for at in (range(edge, len(words)) if end else range(edge)))


def _parted(words: Sequence[Word], *, end: bool) -> bool:
    """Return whether punctuation parts the first word, or the last, from the rest."""
    return len(words) > 1 and words[-1 if end else 1].apart


# Numbers and headings ---------------------------------------------------------------------------------


def _with_number(name: str, words: Sequence[Word], numbered: int, parser: NameParser) -> tuple[str, ...]:
    """Return the labels of a name that may begin with its track number: ``12_Strings``.

    ``12 String`` is a guitar; among numbered files it may be strings as well, which is left open.
    """
    if numbered < 3 or len(words) < 2 or not re.match(r"\d+[\s_.-]", name) or not words[0].text.isdecimal():
        return parser.read(words)
    if words[1].text == "strings":
        return parser.read(words[1:])
    if [word.text for word in words[1:] if word.text.isalpha()] == ["string"]:
        return (f"strings? {words[0].text} string",)
    return parser.read(words)


def _voices_of_a_choir(labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return "basses" for "bass" where the song has an alto and a tenor too: it may be a singer."""
    registers = {word.removesuffix("s") for found in labels.values() for word in found}
    if len(registers & {"soprano", "alto", "tenor"}) < 2:
        return labels
    return {name: ("basses",) if found == ("bass",) else found for name, found in labels.items()}
