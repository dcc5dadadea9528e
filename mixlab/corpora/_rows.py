"""The rows of an adapter, checked once after its scan: what no catalog can hold is refused by name.

mixlab's own adapters pass; one of somebody else's may hand over a NaN for a gain, or a path out of the root.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from numbers import Real
from pathlib import Path, PurePosixPath

from mixlab.corpora._paths import in_ascii, is_printable, leaves, resolve
from mixlab.corpora.base import Adapter, Problem, Scan, StemEntry
from mixlab.errors import CorpusError

__all__ = ["check_scan"]

_SHOWN = 5
_LARGEST_GAIN = 3.4e38  # the catalog keeps it as a 32-bit float
_SPLITS = ("train", "validation", "test")


def check_scan(corpus: str, adapter: Adapter, root: Path, found: object, follow_links: bool) -> Scan:
    """Return what a scan found, without the rows that cannot be used, each of which is a problem.

    Args:
        corpus: Its name in the catalog.
        adapter: Whose scan it is.
        root: Folder of the corpus.
        found: What ``scan`` returned.
        follow_links: Whether links below the root may lead out of it.

    Raises:
        CorpusError: it is no ``Scan``, or rows hold values that no catalog can; the message counts them.
    """
    scan = _scan(corpus, adapter, found)
    faults = [fault for entry in scan.stems for fault in _faults(corpus, entry)]
    if faults:
        shown = "\n  ".join(faults[:_SHOWN])
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise _unfit(
            corpus,
            adapter,
            f"{len(faults)} values of its stems cannot be used:\n  {shown}{more}\nCorrect what scan() puts "
            "into StemEntry; docs/corpora.md lists its fields.",
        )
    problems = list(scan.problems)
    stems = _first_of_each(corpus, _within(corpus, root, scan.stems, follow_links, problems), problems)
    _say_unlabelled(corpus, stems, problems)
    return Scan([_plain(entry) for entry in stems], problems, list(scan.notes))


def _unfit(corpus: str, adapter: Adapter, fault: str) -> CorpusError:
    kind = type(adapter)
    return CorpusError(
        f"Corpus {corpus!r}, adapter {kind.__module__}:{kind.__qualname__}: {fault}", code="unfit-plugin"
    )


def _scan(corpus: str, adapter: Adapter, found: object) -> Scan:
    """Return a scan whose lists hold what they should."""
    if not isinstance(found, Scan):
        raise _unfit(corpus, adapter, f"scan() must return a Scan (mixlab.corpora), found {_short(found)}.")
    for name, kind in (("stems", StemEntry), ("problems", Problem), ("notes", str)):
        entries = getattr(found, name)
        if not isinstance(entries, list | tuple):
            raise _unfit(
                corpus, adapter, f"{name} of its Scan: expected a list of {kind.__name__}, "
                f"found {_short(entries)}."
            )  # fmt: skip
        odd = [entry for entry in entries if not isinstance(entry, kind)]
        if odd:
            raise _unfit(
                corpus, adapter, f"{name} of its Scan: expected only {kind.__name__}, found {_short(odd[0])}."
            )
    return found


def _short(value: object) -> str:
    shown = in_ascii(repr(value))
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


# Values ----------------------------------------------------------------------------------------


def _is_text(value: object) -> bool:
    return isinstance(value, str) and is_printable(value)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.strip() != "" and "/" not in value and is_printable(value)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value and is_printable(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_text, value))


def _is_gain(value: object) -> bool:
    return _is_number(value, _LARGEST_GAIN)


def _is_offset(value: object) -> bool:
    return value is None or _is_number(value)


def _is_number(value: object, largest: float = sys.float_info.max) -> bool:
    # Comparisons with NaN are false.
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) <= largest


_FIELDS: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("song", _is_id, "a text that is not empty, without '/'"),
    ("stem", _is_id, "a text that is not empty, without '/'"),
    ("path", _is_path, "a text: the file's path relative to the root, with '/'"),
    ("labels", _are_texts, "a tuple of texts, such as ('violin',)"),
    ("artist", _is_text, "a text, '' where it is not known"),
    ("title", _is_text, "a text"),
    ("album", _is_text, "a text"),
    ("genre", _is_text, "a text"),
    (
        "corpus_split",
        lambda value: isinstance(value, str) and value in ("", *_SPLITS),
        f"{', '.join(_SPLITS)}, or '' for none",
    ),
    ("groups", _are_texts, "a tuple of texts"),
    ("bleed", lambda value: isinstance(value, bool), "True or False"),
    ("bleed_labels", _are_texts, "a tuple of texts"),
    ("gain", _is_gain, "a finite factor of 0 or more"),
    ("licence", _is_text, "a text"),
    ("offset_s", _is_offset, "finite seconds of 0 or more, or None"),
)


def _faults(corpus: str, entry: StemEntry) -> Iterator[str]:
    for name, is_good, expected in _FIELDS:
        value = getattr(entry, name)
        if not is_good(value):
            where = in_ascii(f"{corpus}/{entry.song}/{entry.stem}")
            yield f"{where}, {name}: expected {expected}; found {_short(value)}."


def _plain(entry: StemEntry) -> StemEntry:
    """Return a row whose numbers are Python's own."""
    if type(entry.gain) is float and (entry.offset_s is None or type(entry.offset_s) is float):
        return entry
    return replace(
        entry, gain=float(entry.gain), offset_s=None if entry.offset_s is None else float(entry.offset_s)
    )


# Rows ------------------------------------------------------------------------------------------


def _within(
    corpus: str, root: Path, entries: list[StemEntry], follow_links: bool, problems: list[Problem]
) -> list[StemEntry]:
    """Return the rows whose files lie below the root; the others become problems."""
    top = (root.resolve(),)

    @cache
    def stays(folder: Path) -> bool:
        return resolve(folder, top) is not None

    kept = []
    for entry in entries:
        relative = PurePosixPath(entry.path)
        path = root / relative
        if relative.is_absolute() or ".." in relative.parts:
            message = (
                f"The adapter names the file {_short(entry.path)}, which leaves the corpus root; not read."
            )
        elif not follow_links and not (stays(path.parent) and (not path.is_symlink() or stays(path))):
            message = leaves(entry.path)
        else:
            kept.append(entry)
            continue
        problems.append(Problem(corpus, entry.song, entry.stem, entry.path, "path-outside-root", message))
    return kept


def _first_of_each(corpus: str, entries: list[StemEntry], problems: list[Problem]) -> list[StemEntry]:
    """Return one row for each stem of a song, the first by path; the others become problems."""
    kept: dict[tuple[str, str], StemEntry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.song, entry.stem, entry.path)):
        key = entry.song, entry.stem
        if key not in kept:
            kept[key] = entry
            continue
        message = (
            f"Stem {entry.stem!r} of song {entry.song!r} is listed twice ({kept[key].path!r} and "
            f"{entry.path!r}); the first is used. Remove or rename one."
        )
        problems.append(Problem(corpus, entry.song, entry.stem, entry.path, "duplicate-stem", message))
    return list(kept.values())


def _say_unlabelled(corpus: str, entries: list[StemEntry], problems: list[Problem]) -> None:
    """List the stems without a label of which nothing else is said."""
    said = {problem.path for problem in problems} | {(problem.song, problem.stem) for problem in problems}
    for entry in entries:
        if not any(map(str.strip, entry.labels)) and said.isdisjoint((entry.path, (entry.song, entry.stem))):
            message = "Nothing says which instrument it is, so it is never sampled. Give it a label."
            problems.append(Problem(corpus, entry.song, entry.stem, entry.path, "no-label", message))
