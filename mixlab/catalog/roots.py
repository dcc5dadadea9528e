"""Corpora that overlap on disk: one folder under two names, a root within another, files reached twice.

What is read twice counts twice, and lies in two splits without anybody noticing, so it is an error, found
before anything is measured. Equal copies are another matter: ``mixlab.catalog.copies`` ties them together. A
root that goes away while its files are read is told as that, not as a fault of each of them.
"""

import os
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

from mixlab.errors import CatalogError, CorpusError
from mixlab.utils.remote import Place

__all__ = ["check_files", "check_roots", "refuse_lost_root"]

_ADVICE = "Its songs would count twice and could be in two splits."


def check_roots(roots: Mapping[str, Path]) -> None:
    """Refuse roots that overlap, however they are spelt or linked; roots that do not exist are passed over.

    Raises:
        CorpusError: two roots are one folder, or one lies within the other.
    """
    there = {name: root for name, root in roots.items() if root.is_dir()}
    for (one, outer), (other, inner) in combinations(there.items(), 2):
        named = f"{one}={outer}", f"{other}={inner}"
        if _is_same(outer, inner):
            raise CorpusError(
                f"Expected a folder of its own for each corpus, found one folder twice: {named[0]} and "
                f"{named[1]}. {_ADVICE} Leave one of them out.",
                code="overlapping-roots",
            )
        for a, b in ((0, 1), (1, 0)):
            if _is_within((outer, inner)[a], (outer, inner)[b]):
                raise CorpusError(
                    f"Expected roots that do not overlap, found {named[a]} within {named[b]}. {_ADVICE} Give "
                    "the folder of each corpus alone, or leave one out.",
                    code="overlapping-roots",
                )


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or os.path.samestat(one.stat(), other.stat())


def _is_within(inner: Path, outer: Path) -> bool:
    return any(_is_same(parent, outer) for parent in inner.resolve().parents)


def check_files(files: Iterable[tuple[str, Path]]) -> None:
    """Refuse files that two corpora reach, over links within their trees.

    Args:
        files: Name of the corpus and path of each file; files that do not exist are passed over.

    Raises:
        CorpusError: a file belongs to two corpora; the message names both paths.
    """
    first: dict[tuple[int, ...], tuple[str, Path]] = {}
    shared: dict[tuple[str, str], list[tuple[Path, Path]]] = {}
    for corpus, path in files:
        try:
            found = path.stat()
        except OSError:
            continue
        if not found.st_ino:  # some file systems number nothing
            continue
        # Size and time too: where a file system makes numbers up, they may meet.
        mark = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        other, there = first.setdefault(mark, (corpus, path))
        if other != corpus:
            shared.setdefault((other, corpus), []).append((there, path))
    for (one, other), pairs in sorted(shared.items()):
        raise CorpusError(
            f"Expected corpora that share no file, found {len(pairs)} in {one} as well as in {other}, over "
            f"links: {pairs[0][0]} is {pairs[0][1]}. {_ADVICE} Leave one corpus out, or remove the links.",
            code="overlapping-roots",
        )


def refuse_lost_root(corpus: str, root: Place) -> None:
    """See to it that the root of a corpus is still there; asked where one of its files cannot be read.

    Of a root at a URL nothing can be told: a server that does not answer is an error of its own.

    Raises:
        CatalogError: it is gone, or empty, as the place of a disk is that was unmounted.
    """
    if not isinstance(root, Path):
        return
    try:
        with os.scandir(root) as entries:
            found = "an empty folder" if next(entries, None) is None else ""
    except PermissionError:  # to list is not to read
        return
    except OSError as error:
        found = error.strerror or str(error)
    if found:
        raise CatalogError(
            f"The root of {corpus}, {root}, is not there any more ({found}): was its disk unmounted? Bring "
            "it back and start again; finished work is kept. If the audio has moved, say where: "
            f"--root {corpus}=/new/place.",
            code="root-not-found",
        )
