"""What lies below a root and was not looked at: nothing that may be audio goes unmentioned.

After an adapter has read what it knows, the rest of the tree is walked once: audio that no stem uses,
audio that mixlab cannot read, archives, links that lead nowhere. One line of the problems speaks of one
file, or of all files with one ending in one place.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mixlab.audio.file_kinds import form, is_read, suffix, why_not_read

if TYPE_CHECKING:
    from mixlab.corpora._paths import Entry
    from mixlab.corpora._tree import TreeScan

__all__ = ["LeftOut", "list_skipped", "what_is_there"]

LeftOut = Callable[[Path], bool]
"""Says of a file or folder that it is known to be there and no stem, such as a song's mix."""

_SINGLY = 3
"""Up to so many files of one kind in one place get a line each."""

_UNKNOWN = "neither the layout nor the metadata of this corpus says what it is"
_COPY = "the same stem is there under another ending, and that file is used"
_LOSSY = "it is a copy with loss of a file that is missing, and only copies without loss stand for those"
_LINK = (
    "it leads nowhere: fetch the file (such as by 'git annex get', 'datalad get' or a new download), mount "
    "what it lies on, or remove the link"
)


@dataclass(frozen=True)
class _Rest:
    """One thing that nobody used: its path below the root, the kind of problem, and why."""

    path: str
    kind: str
    reason: str


def list_skipped(scan: "TreeScan", left_out: LeftOut = lambda _: False) -> None:
    """Add a problem for everything below the root that may be audio, is no stem and is in no problem yet.

    Args:
        scan: A scan that has read all that its adapter knows.
        left_out: What is known to be no stem; a folder is then not entered.
    """
    ours = {folder for stem in scan.stems for folder in PurePosixPath(stem.path).parents}
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for rest in _rest(scan, left_out):
        groups[_place(rest.path, ours), suffix(rest.path), rest.kind, rest.reason].append(rest.path)
    for (place, ending, kind, reason), paths in groups.items():
        if len(paths) <= _SINGLY:
            for path in paths:
                scan.problem(kind, f"{path!r} is not used: {reason}.", path=path)
        else:
            many = f"{len(paths)} {_things(kind, ending)} below {place!r}, such as {paths[0]!r}, are not used"
            scan.problem(kind, f"{many}: {reason}.", path=place)


def what_is_there(scan: "TreeScan") -> str:
    """Return sentences on what a tree holds that gave no stem; '' if there is nothing to speak of."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for rest in _rest(scan, lambda _: False):
        groups[suffix(rest.path), rest.kind, rest.reason].append(rest.path)
    found = []
    for (ending, kind, reason), paths in sorted(groups.items(), key=lambda item: -len(item[1])):
        said = "" if reason == _UNKNOWN else f": {reason}"
        many = (
            f"are {len(paths)} {_things(kind, ending)}"
            if len(paths) > 1
            else f"is 1 {_things(kind, ending)[:-1]}"
        )
        found.append(f"There {many} below it, such as {paths[0]!r}{said}.")
    counts: dict[str, list[str]] = defaultdict(list)
    for problem in scan.problems:
        counts[problem.kind].append(problem.message)
    found += [f"{len(messages)} x {kind}: {messages[0]}" for kind, messages in sorted(counts.items())]
    return " ".join(found)


def _things(kind: str, ending: str) -> str:
    return f"{ending} links" if kind == "broken-link" else f"{ending} files"


def _place(path: str, ours: set[PurePosixPath]) -> str:
    """Return the topmost folder on the way to a file that holds no stem, else the file's own folder."""
    folders = list(PurePosixPath(path).parents)[::-1]
    return str(next((folder for folder in folders[1:] if folder not in ours), folders[-1]))


def _rest(scan: "TreeScan", left_out: LeftOut) -> Iterator[_Rest]:
    """Yield what is left over, in the order of the names."""
    used = {stem.path for stem in scan.stems}
    copied = {_form(path) for path in used}
    named = {problem.path for problem in scan.problems}
    missing = {_form(problem.path) for problem in scan.problems if problem.kind == "missing-file"}
    broken = scan.songs_without_metadata()
    for folder, entries in _walk(scan, left_out):
        blamed = any(place in broken for place in (folder, *folder.parents))
        for entry in entries:
            path = folder / entry.name
            shown = scan.relative(path)
            if shown in used or shown in named or left_out(path):
                continue
            if not entry.is_file:
                yield _Rest(shown, "broken-link", _LINK)
            elif is_read(entry.name):
                if not blamed and scan.follows(path):
                    own = _form(shown)
                    reason = _COPY if own in copied else _LOSSY if own in missing else _UNKNOWN
                    yield _Rest(shown, "skipped", reason)
            elif reason := why_not_read(entry.name):
                yield _Rest(shown, "skipped", reason)


def _form(path: str) -> tuple[str, str]:
    """Return the folder and the name without its ending: what copies of one file have in common."""
    place = PurePosixPath(path)
    return form(str(place.parent)), form(place.stem)


def _walk(scan: "TreeScan", left_out: LeftOut) -> Iterator[tuple[Path, Sequence["Entry"]]]:
    """Yield every folder, once by whatever name, with its files and its links that lead nowhere."""
    waiting, links = [scan.root], list[Path]()
    known: set[tuple[int, int]] = set()
    while waiting or links:
        # What lies in a folder is called by the folder's own name, where it has one below the root.
        folder = waiting.pop() if waiting else links.pop(0)
        key = _identity(folder)
        if key is None or key in known:
            continue
        known.add(key)
        entries = scan.listing(folder)
        below = [folder / e.name for e in entries if e.is_dir and not scan.is_second_copy(folder / e.name)]
        below = [path for path in below if not left_out(path) and scan.follows(path)]
        links += [path for path in below if path.is_symlink()]
        waiting += [path for path in reversed(below) if not path.is_symlink()]
        yield folder, [e for e in entries if e.is_file or (e.is_link and not e.is_dir)]


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)  # noqa: PTH116 - as quick as it gets
    except OSError:
        return None
    return found.st_dev, found.st_ino
