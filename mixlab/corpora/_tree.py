"""Walk a corpus tree that nobody checked: contained paths, survivable metadata, stable order.

Every adapter reads the disk through :class:`TreeScan`. It guarantees what the catalog relies on:
files are reported only if they exist below the root, metadata is never trusted to name a path,
what is wrong becomes a :class:`~mixlab.entries.Problem` instead of an exception, and the result
does not depend on the order in which the file system lists things.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from mixlab.entries import Problem, Scan, StemEntry
from mixlab.errors import CorpusError
from mixlab.yaml_text import load_json, load_yaml

__all__ = [
    "AUDIO_SUFFIXES",
    "HasName",
    "TreeScan",
    "check_root",
    "nothing_found",
    "parse_yaml",
    "text",
    "truthy",
]

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".aiff", ".aif")

# The largest genuine metadata file (a Mixing Secrets song with 90 stems) has 40 kB.
_MAX_METADATA_BYTES = 16 * 2**20


class HasName(Protocol):
    """Whatever carries a corpus name: an adapter."""

    name: str


def check_root(root: Path, corpus: str, layout: str) -> Path:
    """Return ``root`` resolved, or say what should have been there.

    Raises:
        CorpusError: ``root`` does not exist or is no folder.
    """
    if root.is_dir():
        return root.resolve()
    found = "a file" if root.exists() else "nothing"
    raise CorpusError(
        f"Corpus {corpus!r}: expected a folder at {root}, found {found} there. "
        f"Expected layout: {layout}. Check the path given as root."
    )


def nothing_found(root: Path, corpus: str, layout: str, hint: str = "") -> CorpusError:
    """Return the error for a root that holds nothing of the corpus's layout."""
    message = f"Corpus {corpus!r}: found no song below {root}. Expected layout: {layout}."
    return CorpusError(f"{message} {hint or 'Check that the root is the folder named in that layout.'}")


def text(value: object) -> str:
    """Return a metadata value as one line of text: scalars, or lists of them joined with commas.

    None and mappings give ''; so do lists within lists, which YAML may make endless.
    """
    if isinstance(value, list | tuple):
        return ", ".join(part for part in (_scalar(item) for item in value) if part)
    return _scalar(value)


def _scalar(value: object) -> str:
    return (
        "" if value is None or isinstance(value, list | tuple | dict | set) else " ".join(str(value).split())
    )


def truthy(value: object) -> bool:
    """Return whether a metadata flag is set: MedleyDB writes the strings 'yes' and 'no'."""
    return value is True or text(value).casefold() in {"yes", "true", "1"}


def parse_yaml(content: str) -> Any:  # noqa: ANN401 - the document is whatever the file holds
    """Parse YAML text into plain data (no object construction).

    Raises:
        ValueError: the text is not YAML, or nested beyond reason.
    """
    try:
        return load_yaml(content)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())[:200]}") from error


def _parse_json(content: str) -> Any:  # noqa: ANN401
    try:
        return load_json(content)
    except ValueError as error:
        raise ValueError(f"not valid JSON: {error}") from error


def _printable(name: str) -> bool:
    """Return whether a file name is valid Unicode (Parquet and CSV files cannot hold others)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ascii(name: str) -> str:
    return name.encode("ascii", "backslashreplace").decode()


class TreeScan:
    """Collects the stems and problems of one corpus tree.

    Args:
        corpus: Corpus name written into problems.
        root: Corpus root, resolved (see :func:`check_root`).
        trusted: Further folders from which metadata may be read (a user's ``--metadata``).
    """

    def __init__(self, corpus: str, root: Path, trusted: Iterable[Path] = ()) -> None:
        self.corpus = corpus
        self.root = root
        self._trusted = (root, *(folder.resolve() for folder in trusted))
        self._stems: dict[tuple[str, str], StemEntry] = {}
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._songs: dict[str, Path] = {}

    # Reporting -------------------------------------------------------------------------------

    def problem(
        self, kind: str, message: str, *, song: str = "", stem: str = "", path: Path | str = ""
    ) -> None:
        """Record something that is wrong; ``path`` is shown relative to the root where possible."""
        shown = path if isinstance(path, str) else self.relative(path)
        self._problems.append(Problem(self.corpus, song, stem, _ascii(shown)[:400], kind, message))

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
        self.problem(
            "duplicate-song",
            f"Song {song!r} was already read from {self.relative(first)!r}; this copy is left out. "
            "Remove one of the two folders or index them as two roots.",
            song=song,
            path=folder,
        )
        return False

    def add(self, entry: StemEntry) -> None:
        """Keep a stem; a second one with the same song and stem id is a problem."""
        key = (entry.song, entry.stem)
        if key in self._stems:
            self.problem(
                "duplicate-stem",
                f"Stem {entry.stem!r} of song {entry.song!r} is listed twice "
                f"({self._stems[key].path!r} and {entry.path!r}); the first is used. Remove or rename one.",
                song=entry.song,
                stem=entry.stem,
                path=entry.path,
            )
            return
        self._stems[key] = entry

    def __len__(self) -> int:
        """Return the number of stems so far."""
        return len(self._stems)

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
        """Return the visible sub-folders of ``folder`` by name; links out of the root are problems."""
        return [path for path in self._children(folder, os.DirEntry.is_dir) if self._contained(path)]

    def files(self, folder: Path, suffixes: tuple[str, ...] = AUDIO_SUFFIXES) -> list[Path]:
        """Return the visible files with one of ``suffixes`` (any case) in ``folder`` by name."""
        paths = self._children(folder, os.DirEntry.is_file)
        return [path for path in paths if path.suffix.lower() in suffixes and self._contained(path)]

    def _children(self, folder: Path, kind: Callable[["os.DirEntry[str]"], bool]) -> list[Path]:
        try:
            with os.scandir(folder) as entries:
                names = sorted(e.name for e in entries if not e.name.startswith(".") and _is(e, kind))
        except OSError as error:
            self.problem("unreadable", f"Folder cannot be listed: {error.strerror}.", path=folder)
            return []
        bad = [name for name in names if not _printable(name)]
        for name in bad:
            self.problem("bad-name", "File name is not valid UTF-8; rename it.", path=folder / name)
        return [folder / name for name in names if name not in bad]

    def _contained(self, path: Path) -> bool:
        """Return whether ``path``, links followed, lies below the root."""
        if not path.is_symlink() or _resolve(path, self._trusted) is not None:
            return True
        self.problem(
            "path-outside-root",
            f"Link {self.relative(path)!r} leaves the corpus root and is not followed. "
            "Put the files below the root, or index their own folder.",
            path=path,
        )
        return False

    # Locating and reading --------------------------------------------------------------------

    def locate(self, base: Path, *parts: str, song: str, stem: str) -> str | None:
        """Return the path of an existing file below the root, relative to it, or None.

        ``parts`` come from metadata: an absolute path, a step upwards that leaves the root or a
        link that does is a ``path-outside-root`` problem, and the file is not touched.
        """
        shown = "/".join(parts)
        path = base.joinpath(*parts) if _harmless(parts) else None
        resolved = _resolve(path, (self.root,)) if path is not None else None
        if path is None or resolved is None:
            self.problem(
                "path-outside-root",
                f"Metadata names the file {_ascii(shown)[:200]!r}, which leaves the corpus root; not read.",
                song=song,
                stem=stem,
                path=shown,
            )
            return None
        if not _is_file(resolved):
            self.problem(
                "missing-file",
                f"Expected audio file {self.relative(path)!r}; there is none. "
                "Unpack the corpus again or remove the stem from its metadata.",
                song=song,
                stem=stem,
                path=path,
            )
            return None
        return self.relative(path)

    def load_mapping(self, path: Path, *, song: str = "") -> dict[Any, Any] | None:
        """Read a YAML or JSON file that holds a mapping; anything else is a problem and None."""
        content = self._read_text(path, song)
        if content is None:
            return None
        try:
            data = _parse_json(content) if path.suffix.lower() == ".json" else parse_yaml(content)
        except ValueError as error:
            self._bad_metadata(path, song, str(error))
            return None
        if not isinstance(data, dict):
            self._bad_metadata(path, song, f"expected a mapping, found {type(data).__name__}")
            return None
        return data

    def load_rows(self, path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
        """Read a CSV file with a header; without the required ``columns`` it is a problem and []."""
        content = self._read_text(path, "")
        if content is None:
            return []
        try:
            reader = csv.DictReader(io.StringIO(content.removeprefix("\ufeff"), newline=""))
            header = [text(name).casefold() for name in reader.fieldnames or ()]
            rows = [dict(zip(header, map(text, row.values()), strict=False)) for row in reader]
        except csv.Error as error:
            self._bad_metadata(path, "", f"not valid CSV: {error}")
            return []
        missing = [name for name in columns if name not in header]
        if missing:
            self._bad_metadata(
                path, "", f"expected the columns {', '.join(columns)}; {missing[0]!r} is missing"
            )
            return []
        return rows

    def _read_text(self, path: Path, song: str) -> str | None:
        resolved = _resolve(path, self._trusted)
        if resolved is None:
            message = "Metadata file is a link that leaves the corpus root; not read."
            self.problem("path-outside-root", message, song=song, path=path)
            return None
        try:
            size = resolved.stat().st_size
            if size > _MAX_METADATA_BYTES or not resolved.is_file():
                self._bad_metadata(path, song, f"expected a small text file, found {size} bytes")
                return None
            return resolved.read_text(encoding="utf-8")
        except FileNotFoundError:
            self._bad_metadata(path, song, "expected here, but there is none")
            return None
        except (OSError, UnicodeDecodeError) as error:
            self._bad_metadata(path, song, f"cannot be read as UTF-8 text: {error}")
            return None

    def _bad_metadata(self, path: Path, song: str, reason: str) -> None:
        self.problem(
            "bad-metadata",
            f"Metadata file {self.relative(path)!r}: {_ascii(reason)}. Restore the file from the corpus.",
            song=song,
            path=path,
        )


def _is(entry: "os.DirEntry[str]", kind: Callable[["os.DirEntry[str]"], bool]) -> bool:
    try:
        return kind(entry)
    except OSError:  # a link loop: neither a file nor a folder
        return False


def _harmless(parts: Iterable[str]) -> bool:
    """Return whether metadata-given path parts are relative and can be handed to the system."""
    return all(part and "\0" not in part and not part.startswith(("/", "\\", "~")) and _printable(part)
               for part in parts)  # fmt: skip


def _resolve(path: Path, roots: Iterable[Path]) -> Path | None:
    """Return ``path`` with links followed, if it lies below one of ``roots``."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a link loop, or a name no file can have
        return None
    return resolved if any(resolved.is_relative_to(root) for root in roots) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # for instance a name longer than the system allows
        return False


def labels_of(value: object) -> tuple[str, ...]:
    """Return the raw labels of a metadata field that holds a string, a list or nothing."""
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(dict.fromkeys(label for label in (text(item) for item in items) if label))


def mapping_of(value: object) -> Mapping[Any, Any]:
    """Return ``value`` if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}
