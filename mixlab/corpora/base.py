"""What a corpus adapter hands to the catalog: plain rows, before any audio is read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mixlab.corpora.metadata import Labels, MetadataFile

__all__ = ["NOBODY", "Adapter", "Problem", "Scan", "ScanOptions", "StemEntry"]

NOBODY = frozenset(
    {
        "",
        "na",
        "nil",
        "none",
        "null",
        "nan",
        "noartist",
        "notavailable",
        "unknown",
        "unknownartist",
        "unknownartists",
        "untitled",
        "unspecified",
        "anonymous",
        "various",
        "variousartist",
        "variousartists",
        "va",
        "tba",
        "tbd",
    }
)
"""What fields for an artist hold where there is none, by letters: as one artist they would tie strangers."""


@dataclass(frozen=True)
class StemEntry:
    """One stem as the corpus describes it; nothing here needed the audio file to be opened.

    Attributes:
        song: Id of the song, unique within the corpus.
        stem: Id of the stem, unique within the song (``S01``; raws ``S01_R02``).
        path: File path relative to the corpus root, POSIX separators, never leaving the root.
        labels: Raw instrument labels exactly as in the metadata. Several labels mean that where
            the stem sounds at least one of them does. Empty means that the corpus gives none.
        artist: Artist group: songs with one artist group never cross splits. '' where nothing says who
            the artist is: such a song stands alone, and what is said of leakage counts it as unknown.
        title: Human-readable song title, or ''.
        album: Album name, or ''.
        genre: Genre as the corpus states it, or ''.
        corpus_split: The corpus's own split (``train``, ``validation``, ``test``), or ''.
        groups: Further keys that must not cross splits, such as ``midi:<md5>`` or
            ``msd:<track id>``; equal keys tie songs together across corpora too.
        bleed: The file may hold sound of other instruments of its song.
        bleed_labels: Raw labels known to bleed in; empty with ``bleed=True`` means any of the song's.
        gain: Linear factor at which the stem sums to the song's mix (MedleyDB's mixing
            coefficients); 1.0 where the corpus gives none.
        licence: Licence of the audio, as short text.
        offset_s: Time of the file's first sample within the song, in seconds (usually 0). None where the
            corpus does not say: then the files' own time stamps decide, or it is 0.
    """

    song: str
    stem: str
    path: str
    labels: tuple[str, ...]
    artist: str
    title: str = ""
    album: str = ""
    genre: str = ""
    corpus_split: str = ""
    groups: tuple[str, ...] = ()
    bleed: bool = False
    bleed_labels: tuple[str, ...] = ()
    gain: float = 1.0
    licence: str = ""
    offset_s: float | None = 0.0


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a corpus and was survived.

    ``kind`` is a short stable slug (``missing-file``, ``bad-metadata``, ``path-outside-root``,
    ``skipped``, ``unreadable``, ``silent``, ``clipped``, ``short``, ``nan``, ``empty``,
    ``unmapped-label``; ``PROBLEM_MEANINGS`` in ``mixlab/catalog/browse.py`` has them all); ``message``
    says what was expected, what was found and what to do.
    """

    corpus: str
    song: str
    stem: str
    path: str
    kind: str
    message: str


@dataclass
class Scan:
    """The result of walking one corpus tree.

    Attributes:
        stems: What was found.
        problems: What is wrong and was survived.
        notes: What a user should know of how the tree was read, one sentence each: a guess about
            the layout that was taken, and for how many songs.
    """

    stems: list[StemEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ScanOptions:
    """Settings of a scan that a user may change.

    Attributes:
        raws: Use the raw recordings instead of the stems (MedleyDB layouts only).
        metadata: Folder with the metadata files, where they do not lie beside the audio.
        follow_links: Read files and folders that links below the root lead to, also outside it.
    """

    raws: bool = False
    metadata: Path | None = None
    follow_links: bool = False


class Adapter(Protocol):
    """Turns a corpus tree into stem rows. One object per corpus.

    Attributes:
        name: Stable corpus key (``medleydb``); also the root's name in the catalog.
        label_map: Name of the label map in ``taxonomy/corpora`` (``medleydb`` also serves others), or the
            path of a CSV file of the same form.
        licence: Licence of the audio.
        citation: BibTeX, of one entry or several, or a one-line reference.
        description: One line for ``--help``.

    One of mixlab's own whose corpus has the score of each song also has ``find_midi(audio: Path) -> Path``:
    the MIDI file of the song that a stem's file belongs to, which need not exist, for ``mixlab analyse``.
    Any may have ``citing_note``, a sentence that ``mixlab cite`` prints beside reference and licence.
    """

    name: str
    label_map: str
    licence: str
    citation: str
    description: str

    def scan(self, root: Path, options: ScanOptions) -> Scan:
        """Walk ``root`` and return its stems and problems.

        Raises:
            CorpusError: ``root`` is missing or holds nothing of this corpus's layout.
        """
        ...

    def read_labels(self, file: MetadataFile) -> Labels | str | None:
        """Return the labels in a file of metadata, for ``mixlab taxonomy --check``.

        The file is told by what it holds, not by its place. None: it is no file of this corpus; a text: it
        is, but holds no labels for that reason.
        """
        ...
