"""Corpora at URLs, as trees on disk for as long as they are scanned: with metadata, without audio.

An adapter looks at names and reads metadata, and never at audio. So it is given a folder in which each file
has its name, and small tables their content too; what it finds is then measured at the URL.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from mixlab.audio.loudness import Measurement, measure, unmeasured
from mixlab.corpora.base import Problem
from mixlab.errors import CorpusError, MixlabError, RemoteError
from mixlab.utils.remote import Place, RemotePath

__all__ = ["LocalTree", "ask_files", "check_apart", "local_tree", "measure_place"]

METADATA_SUFFIXES = frozenset({".yaml", ".yml", ".csv", ".tsv", ".json", ".txt"})
"""Endings of what adapters read; of all other files they see the names."""

MOST_METADATA_BYTES = 16 * 2**20
"""As much as adapters read of a file."""

_AT_ONCE = 16
_LONGEST_NAME = 255


class LocalTree:
    """A corpus as an adapter sees it.

    Attributes:
        folder: Where it is scanned.
        problems: Files that no folder on disk can have, so that the adapter does not see them.
    """

    def __init__(self, folder: Path, place: Place, problems: Iterable[tuple[str, str]] = ()) -> None:
        self.folder, self._place = folder, place
        self.problems: list[Problem] = []
        self.add_problems(problems)

    def add_problems(self, problems: Iterable[tuple[str, str]]) -> None:
        """Note what the adapter cannot see: paths and messages."""
        self.problems += [Problem("", "", "", path, "skipped", text) for path, text in problems]

    def at_home(self, text: str) -> str:
        """Return what an adapter says, with the corpus's own place in it."""
        if isinstance(self._place, Path):
            return text
        return text.replace(str(self.folder.resolve()), str(self._place)).replace(
            str(self.folder), str(self._place)
        )


@contextmanager
def local_tree(place: Place, *, progress: bool = False) -> Iterator[LocalTree]:
    """Give a corpus as a folder on this machine, for as long as the ``with`` block lasts.

    Args:
        place: Its root. A folder is what it is; of a URL the names are listed, and metadata is fetched.
        progress: Show a progress bar on a terminal.

    Raises:
        CorpusError: nothing is listed at the URL.
        RemoteError: it cannot be reached, or refuses.
    """
    if isinstance(place, Path):
        yield LocalTree(place, place)
        return
    faults = {name: _fault(name, listed) for listed in [set(_list(place))] for name in sorted(listed)}
    with tempfile.TemporaryDirectory(prefix="mixlab-") as folder:
        # Where stems lie in the root itself, its name is that of their song.
        own = Path(folder) / "tree" / ("root" if _fault(place.name, set()) else place.name)
        tree = LocalTree(own, place, ((name, text) for name, text in faults.items() if text))
        fit = [name for name, text in faults.items() if not text]
        tree.add_problems(_write(tree.folder, place, fit, progress and sys.stderr.isatty()))
        try:
            yield tree
        except MixlabError as error:
            if tree.at_home(str(error)) == str(error):
                raise
            raise type(error)(tree.at_home(str(error)), code=error.code) from error


def _list(place: RemotePath) -> list[str]:
    try:
        names = place.list_files()
    except FileNotFoundError:
        names = []
    if not names:
        raise CorpusError(
            f"Expected a corpus at {place}, found no list of files there: there is nothing, or the server "
            "does not list its folders. Check the URL; or index where the files are, and give the URL to "
            "whatever reads the catalog (docs/remote.md).",
            code="root-not-found",
        )
    return names


def _fault(name: str, listed: Set[str]) -> str:
    """Return why no file of that name can be made below a folder, or ''."""
    parts = name.split("/")
    fault = ""
    if "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in parts):
        fault = "which is no path below it"
    elif any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST_NAME for part in parts):
        fault = "which is too long"
    elif any("/".join(parts[:k]) in listed for k in range(1, len(parts))):
        fault = "of which a part is a file, too"
    if not fault:
        return ""
    return f"Expected a file below the corpus, found the name {name!a}, {fault}. Rename it there."


def _write(folder: Path, place: RemotePath, names: list[str], show: bool) -> list[tuple[str, str]]:
    """Make the files: tables with their content, all others with a byte; return tables that are not there."""
    lost = []
    tables = [name for name in names if PurePosixPath(name).suffix.lower() in METADATA_SUFFIXES]
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0")
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        fetched = threads.map(lambda name: _fetch(place / name), tables)
        for name, content in tqdm(
            zip(tables, fetched, strict=True),
            total=len(tables),
            desc="metadata",
            unit="file",
            disable=not show,
        ):
            if content is None:
                lost.append((name, f"Expected a table at {place / name}, which is listed, found none."))
                (folder / name).unlink()
            elif isinstance(content, int):
                with (folder / name).open("wb") as file:
                    file.truncate(content)  # the adapter says that it is too large
            else:
                (folder / name).write_bytes(content)
    return lost


def _fetch(path: RemotePath) -> bytes | int | None:
    """Return a table, or how large it is where nobody reads so much; None where it is not there."""
    try:
        size = path.info(fresh=True).size
        return size if size > MOST_METADATA_BYTES else path.read_bytes()
    except FileNotFoundError:
        return None


def check_apart(roots: Mapping[str, Place]) -> None:
    """Refuse URLs that are one, or lie within each other.

    Raises:
        CorpusError: two do; their songs would count twice.
    """
    at = [(name, root) for name, root in roots.items() if isinstance(root, RemotePath)]
    for k, (one, outer) in enumerate(at):
        for other, inner in at[k + 1 :]:
            if f"{inner.url}/".startswith(f"{outer.url}/") or f"{outer.url}/".startswith(f"{inner.url}/"):
                raise CorpusError(
                    f"Expected roots that do not overlap, found {one}={outer} and {other}={inner}. Songs "
                    "would count twice and could be in two splits. Give the URL of each corpus alone, or "
                    "leave one out.",
                    code="overlapping-roots",
                )


def ask_files(paths: Iterable[RemotePath]) -> dict[str, tuple[int, int]]:
    """Return size and version of files by their URL, several asked for at once; missing ones are left out.

    A version is never 0: that would say that the file is known not to have changed.

    Raises:
        RemoteError: the server cannot be reached, or refuses.
    """
    asked = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = threads.map(_ask, asked)
        return {path.url: said for path, said in zip(asked, found, strict=True) if said is not None}


def _ask(path: RemotePath) -> tuple[int, int] | None:
    try:
        info = path.info(fresh=True)
    except FileNotFoundError:
        return None
    return info.size, max(info.version, 1)


def measure_place(path: Place) -> Measurement | RemoteError:
    """Measure a file, which is fetched whole where it is at a URL; that it cannot be is returned.

    A fault of the network is none of the file: nothing is to be remembered of it.
    """
    if isinstance(path, Path):
        return measure(path)
    try:
        with path.downloaded() as copy:
            found = measure(copy)
            told = tuple((kind, text.replace(str(copy), str(path))) for kind, text in found.problems)
            return replace(found, problems=told)
    except FileNotFoundError:
        return unmeasured(f"Expected a file at {path}, found none. Bring it back, or index again.")
    except RemoteError as error:
        return error
