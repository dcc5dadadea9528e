"""Walk a corpus tree that nobody checked: contained paths, survivable metadata, stable order.

Every adapter reads the disk through :class:`TreeScan`. It guarantees what the catalog relies on:
files are reported only if they exist below the root, metadata is never trusted to name a path,
what is wrong becomes a :class:`~mixlab.corpora.base.Problem` instead of an exception, and the result
does not depend on the order in which the file system lists things. A file that was converted without
loss, or whose name came back in another case or Unicode form, is still the one that metadata names.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixlab.audio.file_kinds import (
    LOSSLESS_SUFFIXES,
    READ_SUFFIXES,
    form,
    is_litter,
    is_lossless,
    why_not_read,
)
from mixlab.corpora._fields import parse_json, parse_yaml, text
from mixlab.corpora._paths import (
    Entry,
    broken_link,
    in_ascii,
    is_dir,
    is_file,
    is_harmless,
    is_printable,
    leaves,
    look,
    resolve,
)
from mixlab.corpora._skipped import what_is_there
from mixlab.corpora.base import Problem, Scan, StemEntry
from mixlab.errors import CorpusError
from mixlab.utils.csv import CsvError, read_csv

__all__ = [
    "TreeScan",
    "check_root",
    "nothing_found",
]

# The largest genuine metadata file (a Mixing Secrets song with 90 stems) has 40 kB.
_MAX_METADATA_BYTES = 16 * 2**20


def check_root(root: Path, corpus: str, layout: str) -> Path:
    """Return ``root`` resolved, or say what should have been there.

    Raises:
        CorpusError: ``root`` does not exist or is no folder.
    """
    if is_dir(root):
        return root.resolve()
    found = "a file" if is_file(root) else "nothing"
    raise CorpusError(
        f"Corpus {corpus!r}: expected a folder at {root}, found {found} there. "
        f"Expected layout: {layout}. Check the path given as root.",
        code="root-not-found",
    )


def nothing_found(root: Path, corpus: str, layout: str, hint: str = "") -> CorpusError:
    """Return the error for a root that holds nothing of the corpus's layout, saying what it does hold."""
    message = f"Corpus {corpus!r}: found no song below {root}. Expected layout: {layout}."
    there = what_is_there(TreeScan(corpus, root))
    hint = hint or "Check that the root is the folder named in that layout."
    return CorpusError(" ".join(part for part in (message, there, hint) if part), code="layout-not-found")


class TreeScan:
    """Collects the stems and problems of one corpus tree.

    Args:
        corpus: Corpus name written into problems.
        root: Corpus root, resolved (see :func:`check_root`).
        trusted: Further folders from which metadata may be read (a user's ``--metadata``).
        follow_links: Read what links below the root lead to, also when they leave it. Metadata
            can still name nothing outside.
    """

    def __init__(
        self, corpus: str, root: Path, trusted: Iterable[Path] = (), *, follow_links: bool = False
    ) -> None:
        self.corpus = corpus
        self.root = root
        self._trusted = (root, *(folder.resolve() for folder in trusted))
        self._stems: dict[tuple[str, str], StemEntry] = {}
        self._by_path: dict[str, tuple[str, str]] = {}
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._songs: dict[str, Path] = {}
        self._passed_over: set[Path] = set()
        self._follow_links = follow_links
        self._listings: dict[Path, tuple[Entry, ...]] = {}

    # Reporting -------------------------------------------------------------------------------

    def problem(
        self, kind: str, message: str, *, song: str = "", stem: str = "", path: Path | str = ""
    ) -> None:
        """Record something that is wrong; ``path`` is shown relative to the root where possible."""
        shown = path if isinstance(path, str) else self.relative(path)
        self._problems.append(Problem(self.corpus, song, stem, in_ascii(shown)[:400], kind, message))

    def note(self, sentence: str) -> None:
        """Say how the tree was read, where that was a choice; the index prints it."""
        self._notes.append(sentence)

    def relative(self, path: Path) -> str:
        """Return ``path`` below the root with POSIX separators, or as it is when outside."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    def claim_song(self, song: str, folder: Path) -> bool:
        """Return whether ``song`` is new; a second folder with the same id is a problem."""
        first = self._songs.setdefault(song, folder)
        if first == folder:
            return True
        self._passed_over.add(folder)
        self.problem(
            "duplicate-song",
            f"Song {song!r} was already read from {self.relative(first)!r}; this copy is left out. "
            "Remove one of the two folders or index them as two roots.",
            song=song,
            path=folder,
        )
        return False

    def add(self, entry: StemEntry) -> None:
        """Keep a stem; a second one with the same song and stem id, or the same file, is a problem."""
        key = (entry.song, entry.stem)
        if key in self._stems and self._stems[key].path != entry.path:
            self.problem(
                "duplicate-stem",
                f"Stem {entry.stem!r} of song {entry.song!r} is listed twice "
                f"({self._stems[key].path!r} and {entry.path!r}); the first is used. Remove or rename one.",
                song=entry.song,
                stem=entry.stem,
                path=entry.path,
            )
            return
        first = self._by_path.setdefault(entry.path, key)
        if first in self._stems:
            self._stems[first] = self._merged(self._stems[first], entry)
        else:
            self._stems[key] = entry

    def _merged(self, first: StemEntry, second: StemEntry) -> StemEntry:
        """Return one entry for a file that metadata lists twice; what the two disagree on stays open."""
        labels = tuple(dict.fromkeys((*first.labels, *second.labels)))
        known = bool(first.labels and second.labels)
        said = f"as {', '.join(labels)}: one of them is taken to sound" if len(labels) > 1 else "alike"
        self.problem(
            "duplicate-file",
            f"{first.path!r} is listed twice, as stem {first.stem!r} of {first.song!r} and as stem "
            f"{second.stem!r} of {second.song!r}, {said}; it is used once. Correct the metadata.",
            song=second.song,
            stem=second.stem,
            path=second.path,
        )
        return replace(
            first,
            labels=labels if known else (),
            groups=tuple(sorted({*first.groups, *second.groups})),
            bleed=first.bleed or second.bleed,
            bleed_labels=_merged_bleed(first, second),
        )

    def __len__(self) -> int:
        """Return the number of stems so far."""
        return len(self._stems)

    @property
    def stems(self) -> tuple[StemEntry, ...]:
        """The stems so far."""
        return tuple(self._stems.values())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems so far, each once."""
        return tuple(dict.fromkeys(self._problems))

    def is_second_copy(self, folder: Path) -> bool:
        """Return whether a folder was passed over as a second copy of a song, which is a problem already."""
        return folder in self._passed_over

    def songs_without_metadata(self) -> set[Path]:
        """Return the folders of songs that gave no stem for a reason that is among the problems."""
        read = {stem.song for stem in self._stems.values()}
        blamed = {problem.song for problem in self._problems if not problem.stem} - read
        return {folder for song, folder in self._songs.items() if song in blamed}

    @property
    def found_nothing(self) -> bool:
        """Whether neither a stem nor a problem was found: not this corpus's tree at all."""
        return not self._stems and not self._problems

    def finish(self) -> Scan:
        """Return stems sorted by song and stem, and problems in a stable order."""
        problems = sorted(set(self._problems), key=lambda p: (p.song, p.stem, p.path, p.kind, p.message))
        return Scan([self._stems[key] for key in sorted(self._stems)], problems, list(self._notes))

    # Listing ---------------------------------------------------------------------------------

    def folders(self, folder: Path) -> list[Path]:
        """Return the visible sub-folders of ``folder`` by name; links that are not followed are problems."""
        paths = [folder / entry.name for entry in self.listing(folder) if entry.is_dir]
        return [path for path in paths if self.follows(path)]

    def files(self, folder: Path, suffixes: tuple[str, ...] = READ_SUFFIXES) -> list[Path]:
        """Return the visible files with one of ``suffixes`` (any case) in ``folder`` by name."""
        paths = [folder / entry.name for entry in self.listing(folder) if entry.is_file]
        return [path for path in paths if path.suffix.lower() in suffixes and self.follows(path)]

    def listing(self, folder: Path) -> tuple[Entry, ...]:
        """Return what is visible in ``folder`` by name, read once; litter of systems is left out."""
        if folder not in self._listings:
            self._listings[folder] = self._list(folder)
        return self._listings[folder]

    def _list(self, folder: Path) -> tuple[Entry, ...]:
        try:
            with os.scandir(folder) as entries:
                found = [look(entry) for entry in entries if not is_litter(entry.name)]
        except OSError as error:
            self.problem("unreadable", f"Folder cannot be listed: {error.strerror}.", path=folder)
            return ()
        for entry in found:
            if not is_printable(entry.name):
                message = "File name is not valid UTF-8; rename it."
                self.problem("bad-name", message, path=folder / entry.name)
        return tuple(sorted(entry for entry in found if is_printable(entry.name)))

    def follows(self, path: Path) -> bool:
        """Return whether ``path`` may be entered or read: what is no link, or one that is followed."""
        if not path.is_symlink():
            return True
        if self._loops(path):
            message = f"Link {self.relative(path)!r} leads to a folder that it lies in; not followed."
            self.problem("link-loop", message, path=path)
            return False
        if self._follow_links or resolve(path, self._trusted) is not None:
            return True
        self.problem("path-outside-root", leaves(self.relative(path)), path=path)
        return False

    def _loops(self, link: Path) -> bool:
        """Return whether a link leads to one of the folders on the way to it, or above them."""
        target = resolve(link, (Path(link.anchor),))
        if target is None or not is_dir(target):
            return False
        above = [link.parent, *link.parent.parents]
        return any(
            folder.resolve().is_relative_to(target) for folder in above if folder.is_relative_to(self.root)
        )

    # Locating and reading --------------------------------------------------------------------

    def locate(self, base: Path, *parts: str, song: str, stem: str) -> str | None:
        """Return the path of an existing file below the root, relative to it, or None.

        ``parts`` come from metadata: an absolute path, a step upwards that leaves the root or a
        link that does is a ``path-outside-root`` problem, and the file is not touched. Where the
        file was converted, or copied through a system that spells names otherwise, the file of the
        same name with another lossless ending, case or Unicode form is the one meant.
        """
        path = self._below(base, parts)
        if path is None:
            shown = "/".join(parts)
            self.problem(
                "path-outside-root",
                f"Metadata names the file {in_ascii(shown)[:200]!r}, which leaves the corpus root; not read.",
                song=song,
                stem=stem,
                path=shown,
            )
            return None
        found = self._at(path) if self._may_read(path) else None
        if found is not None:
            return self.relative(found)
        kind, place, reason = self._missing(path)
        self.problem(kind, reason, song=song, stem=stem, path=place)
        return None

    def _below(self, base: Path, parts: Iterable[str]) -> Path | None:
        """Return where metadata points to, if that lies below the root; links are not looked at."""
        if not is_harmless(parts):
            return None
        path = Path(os.path.normpath(base.joinpath(*parts)))
        return path if self.root in path.parents else None

    def _may_read(self, path: Path) -> bool:
        return self._follow_links or resolve(path, (self.root,)) is not None

    def find(self, base: Path, *parts: str) -> Path | None:
        """Return the existing file that ``locate`` would, without a problem where there is none."""
        path = self._below(base, parts)
        return self._at(path) if path is not None and self._may_read(path) else None

    def _at(self, path: Path) -> Path | None:
        """Return the file at ``path``, or the one that stands for it under another lossless ending.

        The name as given comes first, then the same ending in another case, then the endings in
        the order of ``LOSSLESS_SUFFIXES``. Links that are not followed are passed over.
        """
        if is_file(path):
            return path if self._may_read(path) else None
        folder = self.folder(path.parent)
        if folder is None:
            return None
        order = (path.suffix.lower(), *LOSSLESS_SUFFIXES)
        matches = [
            (order.index(ending), entry.name)
            for entry in self.listing(folder)
            if entry.is_file and (ending := Path(entry.name).suffix.lower()) in order
            if form(Path(entry.name).stem) == form(path.stem)
        ]
        return next((folder / name for _, name in sorted(matches) if self._may_read(folder / name)), None)

    def folder(self, path: Path) -> Path | None:
        """Return the folder at ``path``, below the root and in whatever case and Unicode form."""
        if path == self.root or is_dir(path):
            return path if path == self.root or self.follows(path) else None
        parent = self.folder(path.parent) if self.root in path.parents else None
        if parent is None:
            return None
        found = self.child(parent, path.name)
        return found if found is not None and is_dir(found) and self.follows(found) else None

    def child(self, folder: Path, name: str) -> Path | None:
        """Return what is called ``name`` in ``folder``, in whatever case and Unicode form; or None."""
        names = [entry.name for entry in self.listing(folder) if form(entry.name) == form(name)]
        return folder / (name if name in names else names[0]) if names else None

    def _missing(self, path: Path) -> tuple[str, Path, str]:
        """Return kind, path and message for a file that metadata names and that cannot be had."""
        folder = self.folder(path.parent)
        entries = self.listing(folder) if folder else ()
        same = [e for e in entries if not e.is_dir and form(Path(e.name).stem) == form(path.stem)]
        for entry in same:
            there = (folder or path.parent) / entry.name
            if not entry.is_file:
                return "broken-link", there, broken_link(self.relative(there), there)
            if is_lossless(entry.name):
                return "path-outside-root", there, leaves(self.relative(there))
        if not self._may_read(path):
            return "path-outside-root", path, leaves(self.relative(path))
        hint = "Unpack the corpus again or remove the stem from its metadata."
        if same:
            why = why_not_read(same[0].name) or (
                "only copies without loss stand for a corpus's own files (the adapter 'folder' reads any)"
            )
            hint = f"There is {same[0].name!r}, but {why}."
        return "missing-file", path, f"Expected audio file {self.relative(path)!r}; there is none. {hint}"

    def load_mapping(self, path: Path, *, song: str = "") -> dict[Any, Any] | None:
        """Read a YAML or JSON file that holds a mapping; anything else is a problem and None."""
        content = self._read_text(path, song)
        if content is None:
            return None
        try:
            data = parse_json(content) if path.suffix.lower() == ".json" else parse_yaml(content)
        except ValueError as error:
            self._bad_metadata(path, song, str(error))
            return None
        if not isinstance(data, dict):
            self._bad_metadata(path, song, f"expected a mapping, found {type(data).__name__}")
            return None
        return data

    def load_rows(self, path: Path, columns: Collection[str]) -> list[dict[str, str]]:
        """Read a CSV file with a header; without the required ``columns`` it is a problem and []."""
        content = self._read_text(path, "")
        if content is None:
            return []
        try:
            table = read_csv(content.encode(), columns)
        except CsvError as error:
            self._bad_metadata(path, "", str(error))
            return []
        missing = [name for name in columns if name not in table.header]
        if missing:
            self._bad_metadata(
                path, "", f"expected the columns {', '.join(columns)}; {missing[0]!r} is missing"
            )
            return []
        return [dict(zip(table.header, map(text, row.cells), strict=True)) for row in table.rows]

    def read_bytes(self, path: Path) -> bytes:
        """Return the bytes of a metadata file that cannot be done without.

        Raises:
            CorpusError: it is a link that leaves the root, too large for metadata, or cannot be read.
        """
        resolved = resolve(path, (Path(path.anchor),) if self._follow_links else self._trusted)
        if resolved is None:
            raise CorpusError(
                "it is a link that leaves the corpus root; put the file itself there",
                code="path-outside-root",
            )
        try:
            size = resolved.stat().st_size
            if size > _MAX_METADATA_BYTES:
                raise CorpusError(f"expected a small table, found {size} bytes", code="file-too-large")
            return resolved.read_bytes()
        except OSError as error:
            raise CorpusError(f"it cannot be read: {error.strerror}", code="unreadable-file") from error

    def _read_text(self, path: Path, song: str) -> str | None:
        resolved = resolve(path, (Path(path.anchor),) if self._follow_links else self._trusted)
        if resolved is None:
            message = (
                "Metadata file is a link that leaves the corpus root; not read. Put the file itself there, "
                "or use --follow_links."
            )
            self.problem("path-outside-root", message, song=song, path=path)
            return None
        try:
            size = resolved.stat().st_size
            if size > _MAX_METADATA_BYTES or not resolved.is_file():
                self._bad_metadata(path, song, f"expected a small text file, found {size} bytes")
                return None
            return resolved.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            self._bad_metadata(path, song, "expected here, but there is none")
            return None
        except (OSError, UnicodeDecodeError) as error:
            self._bad_metadata(path, song, f"cannot be read as UTF-8 text: {error}")
            return None

    def _bad_metadata(self, path: Path, song: str, reason: str) -> None:
        self.problem(
            "bad-metadata",
            f"Metadata file {self.relative(path)!r}: {in_ascii(reason)}. Restore the file from the corpus.",
            song=song,
            path=path,
        )


def _merged_bleed(first: StemEntry, second: StemEntry) -> tuple[str, ...]:
    """Return the labels that may bleed into a file listed twice; none where one side says: anything."""
    sides = [entry for entry in (first, second) if entry.bleed]
    if not all(entry.bleed_labels for entry in sides):
        return ()
    return tuple(sorted({label for entry in sides for label in entry.bleed_labels}))
