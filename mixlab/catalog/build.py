"""Build a catalog: scan the roots, resolve the labels, measure every file once, write.

Finished measurements go to a journal in the catalog folder at once, so a build that was killed goes
on where it stopped; files whose size and time of change are the same are not measured again. One bad file
never stops a build: it becomes a line of ``problems.csv``.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from mixlab.audio.faults import NEVER_SAMPLED
from mixlab.audio.io import HOP_S
from mixlab.audio.loudness import MEASURE_VERSION, Measurement, unmeasured
from mixlab.catalog.catalog import Catalog, songs_from_columns
from mixlab.catalog.journal import FileKey, Journal
from mixlab.catalog.relations import place_by_stamps, tie_by_audio
from mixlab.catalog.remote_trees import ask_files, check_apart, measure_place
from mixlab.catalog.roots import check_files, check_roots, refuse_lost_root
from mixlab.catalog.scan import Row, open_roots, scan_all
from mixlab.catalog.splits import LeakReport, assign_splits, find_leaks, read_splits
from mixlab.catalog.storage import (
    ACTIVITY_DB,
    PROBLEMS,
    SCHEMA,
    WRITTEN_COLUMNS,
    hold_catalog,
    write_catalog,
)
from mixlab.corpora.base import Problem
from mixlab.errors import CatalogError, ConfigError, CorpusError, RemoteError
from mixlab.taxonomy import load_taxonomy
from mixlab.utils.files import check_writable
from mixlab.utils.parallel import Engine, default_workers, map_items
from mixlab.utils.progress import tell_progress
from mixlab.utils.remote import Place, RemotePath

__all__ = ["BuildReport", "build_catalog", "write_entries"]

_SMALL_BYTES = 200_000_000  # below this, starting processes takes longer than it saves
_SHORT_S, _SHORT_SHARE = 1.0, 0.01
_RETRIED = {"unreadable", "crashed"}  # the cause may be gone although the file has not changed

_SONG_LEVEL = {"silent", "short"}  # found anew on every build from the measurements

_MEASURED_COLUMNS = (
    "sample_rate",
    "frames",
    "channels",
    "loudness_lufs",
    "peak_db",
    "audio_hash",
    "time_reference",
)


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    Attributes:
        path: The catalog folder.
        content_hash: The catalog's content hash.
        corpora: Number of stems by corpus.
        songs: Number of songs.
        stems: Number of rows.
        drawable: Number of rows that mixes can use.
        hours: Length of all stems.
        active_hours: Time at or above the activity threshold.
        measured: Files measured by this run.
        reused: Files whose measurement was already there.
        measured_hours: Audio measured by this run.
        seconds: Time taken by this run.
        problems: Number of problems by kind.
        empty: Pairs (family, split) without any song.
        notes: Remarks on how the trees were read, and on the split.
        leaks: What crosses splits.
    """

    path: Path
    content_hash: str
    corpora: Mapping[str, int]
    songs: int
    stems: int
    drawable: int
    hours: float
    active_hours: float
    measured: int
    reused: int
    measured_hours: float
    seconds: float
    problems: Mapping[str, int] = field(default_factory=dict)
    empty: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    leaks: LeakReport = field(default_factory=LeakReport)


def build_catalog(
    out: str | Path,
    roots: Mapping[str, str | Path],
    *,
    raws: bool = False,
    metadata: Mapping[str, str | Path] | None = None,
    labels_extra: Mapping[str, str | Path] | None = None,
    on_unmapped: Literal["error", "ignore"] = "error",
    split: str = "artist",
    seed: int = 0,
    splits: str | Path | None = None,
    follow_links: bool = False,
    workers: int | None = None,
    engine: Engine = "local",
    progress: bool = True,
) -> BuildReport:
    """Build or update the catalog at ``out``.

    Args:
        out: The catalog folder; made if missing. The audio is never copied.
        roots: Folder or URL of each corpus by its name: one of ``mixlab.corpora.CORPORA``, ``mirdata:NAME``,
            or one's own as ``package.module:Class``, which the catalog calls as its adapter does.
            ``name@mine`` is a second root of the same kind, with ``name@mine`` as the name of its corpus.
        raws: Use raw recordings instead of stems, where the corpus has both.
        metadata: Folder with the metadata by corpus, where it does not lie beside the audio.
        labels_extra: CSV with label rows of your own, by corpus.
        on_unmapped: Whether a label that no row maps is an error, found before anything is measured,
            or a problem that leaves its stem out.
        split: ``artist``, ``random`` or ``corpus``.
        seed: Seed of the split.
        splits: CSV file with the splits of some songs (see ``read_splits``); the rest by ``split``.
        follow_links: Read what links below a root lead to, also outside it, for corpora that are kept as
            links (DataLad, git-annex, the cache of Hugging Face). Metadata can still name no file outside.
        workers: Processes; None decides by the amount of work.
        engine: ``local`` or ``ray``.
        progress: Show a progress bar on a terminal.

    Raises:
        ConfigError: the file of splits is none, or names no song of these corpora.
        CorpusError: a root is missing or not laid out as its corpus, roots overlap, no stem can be used,
            or nothing at all can be mixed; then the catalog is written all the same, with the problems.
        UnknownLabelError: labels are in no map; the message holds the rows to add.
        CatalogError: another run is writing this catalog, or a root went away; what was measured is kept.
        RemoteError: a root at a URL cannot be listed or read; what was measured is kept.
        OutputError: nothing can be written at ``out``.
        KeyboardInterrupt: Ctrl-C; what was measured is kept and the next run goes on from there.

    Example:
        >>> from mixlab import Catalog, build_catalog
        >>> report = build_catalog("new-catalog", {"folder": "songs"}, workers=1, progress=False)
        >>> len(Catalog.open("new-catalog"))
        20
    """
    check_writable(Path(out).expanduser())
    corpora = open_roots(roots, metadata or {}, labels_extra or {})
    places = {name: root.folder for name, root in corpora.items()}
    check_roots({name: root for name, root in places.items() if isinstance(root, Path)})
    check_apart(places)
    given = None if splits is None else read_splits(Path(splits).expanduser())
    rows, problems, notes = scan_all(corpora, raws, on_unmapped, follow_links, progress)
    if len(places) > 1:
        files = ((row.corpus, places[row.corpus] / row.entry.path) for row in rows)
        check_files((corpus, path) for corpus, path in files if isinstance(path, Path))
    if given is not None:
        _refuse_foreign(given, rows, splits)
    report = write_entries(
        out,
        rows,
        roots=places,
        problems=problems,
        notes=notes,
        split=split,
        seed=seed,
        given=given,
        follow_links=follow_links,
        workers=workers,
        engine=engine,
        progress=progress,
    )
    _refuse_undrawable(report, rows)
    return report


def _refuse_foreign(given: Mapping[str, str], rows: Sequence[Row], splits: str | Path | None) -> None:
    """Refuse a list of splits that names no song of these corpora."""
    if given.keys().isdisjoint(f"{row.corpus}/{row.entry.song}" for row in rows):
        there = f"{rows[0].corpus}/{rows[0].entry.song}" if rows else "none"
        raise ConfigError(
            f"{splits} names no song of these corpora; expected songs such as {there!r}.", code="unknown-song"
        )


def _refuse_undrawable(report: BuildReport, rows: Sequence[Row]) -> None:
    if report.drawable:
        return
    reasons = Counter(row.ignored for row in rows if row.ignored) + Counter(report.problems)
    most = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(5))
    raise CorpusError(
        f"None of the {report.stems} stems can be mixed: {most or 'none of them sounds'}. All problems are "
        f"in {report.path / PROBLEMS}; labels can be given by a map of your own (--labels_extra).",
        code="no-usable-stem",
    )


def _known_measurements(folder: Path) -> dict[FileKey, Measurement]:
    """Take over what the present catalog holds; nothing when there is none that can be used."""
    try:
        catalog = Catalog.open(folder)
        messages = {(p.corpus, p.path, p.kind): p.message for p in catalog.problems()}
    except CatalogError:
        return {}
    if catalog.measure_version != MEASURE_VERSION:
        return {}
    known = {}
    names = ("corpus", "path", "size", "mtime_ns", "problems", *_MEASURED_COLUMNS)
    columns = (catalog.column(name).tolist() for name in names)
    for i, (corpus, path, size, mtime_ns, kinds, *numbers) in enumerate(zip(*columns, strict=True)):
        own = [kind for kind in kinds if kind not in _SONG_LEVEL]
        if _RETRIED.isdisjoint(own):
            problems = tuple((kind, messages.get((corpus, path, kind), kind)) for kind in own)
            known[corpus, path, size, mtime_ns] = Measurement(
                envelope=np.array(catalog.envelope(i)),
                problems=problems,
                **dict(zip(_MEASURED_COLUMNS, numbers, strict=True)),
            )
    return known


def _file_keys(rows: Sequence[Row], roots: Mapping[str, Place]) -> list[FileKey]:
    """Return what names the files of rows and changes with them; of URLs, the server is asked."""
    paths = [roots[row.corpus] / row.entry.path for row in rows]
    asked = ask_files(path for path in paths if isinstance(path, RemotePath))
    marks = (asked.get(str(path), (0, 0)) if isinstance(path, RemotePath) else _mark(path) for path in paths)
    return [(row.corpus, row.entry.path, *mark) for row, mark in zip(rows, marks, strict=True)]


def _mark(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _measure_all(
    keys: Sequence[FileKey],
    roots: Mapping[str, Place],
    known: dict[FileKey, Measurement],
    journal: Journal,
    *,
    workers: int | None,
    engine: Engine,
    progress: bool,
) -> float:
    """Measure the files that ``known`` lacks and add them to it; return the seconds of audio.

    Raises:
        RemoteError: one of them could not be fetched.
    """
    todo = [key for key in dict.fromkeys(keys) if key not in known]
    if workers is None and engine == "local":
        small = sum(key[2] for key in todo) < _SMALL_BYTES
        workers = 1 if small else default_workers()
    total = sum(key[2] for key in todo)
    audio_s = 0.0
    begin = time.monotonic()
    outcomes = map_items(
        measure_place,
        [roots[k[0]] / k[1] for k in todo],
        engine=engine,
        workers=workers,
        needs=list(dict.fromkeys(roots[k[0]] for k in todo)),
    )
    with tqdm(
        total=total, unit="B", unit_scale=True, desc="measuring", disable=None if progress else True
    ) as bar:
        for count, outcome in enumerate(outcomes, start=1):
            key = todo[outcome.index]
            if isinstance(outcome.value, RemoteError):
                raise outcome.value
            if outcome.value is None:
                known[key] = unmeasured(f"Measuring {key[1]} failed: {outcome.error}.", "crashed")
            else:
                known[key] = outcome.value
                if _RETRIED.isdisjoint(kind for kind, _ in outcome.value.problems):
                    journal.add(key, outcome.value)
                audio_s += outcome.value.frames / max(1, outcome.value.sample_rate)
            rate = audio_s / max(1e-9, time.monotonic() - begin)
            bar.set_postfix_str(f"{audio_s / 3600:.1f} h of audio, {rate:.0f} x real time", refresh=False)
            bar.update(key[2])
            tell_progress("measuring files", count, len(todo))
    return audio_s


def write_entries(
    out: str | Path,
    rows: Sequence[Row],
    *,
    roots: Mapping[str, Place],
    problems: Sequence[Problem] = (),
    notes: Sequence[str] = (),
    split: str = "artist",
    seed: int = 0,
    given: Mapping[str, str] | None = None,
    follow_links: bool = False,
    workers: int | None = None,
    engine: Engine = "local",
    progress: bool = True,
) -> BuildReport:
    """Measure labelled rows and write them as a catalog: the second half of ``build_catalog``."""
    folder = Path(out).expanduser().absolute()
    begin = time.monotonic()
    rows = sorted(rows, key=lambda row: (row.corpus, row.entry.song, row.entry.stem))
    with hold_catalog(folder), Journal(folder) as journal:
        known = _known_measurements(folder) | journal.found
        keys = _file_keys(rows, roots)
        reused = sum(key in known for key in keys)
        try:
            audio_s = _measure_all(
                keys, roots, known, journal, workers=workers, engine=engine, progress=progress
            )
        except (KeyboardInterrupt, RemoteError):
            journal.sync()
            raise
        measurements = [known[key] for key in keys]
        _refuse_lost_roots(keys, measurements, roots)
        rows, doubtful, placed = place_by_stamps(rows, measurements)
        rows, shared = tie_by_audio(rows, measurements)
        columns, found = _columns(rows, keys, measurements)
        result = assign_splits(songs_from_columns(columns), split, seed, given)
        columns["split"] = [result.assignment[f"{row.corpus}/{row.entry.song}"] for row in rows]
        everything = sorted(
            [*problems, *found, *doubtful, *shared],
            key=lambda p: (p.corpus, p.song, p.stem, p.path, p.kind, p.message),
        )
        content_hash = write_catalog(
            folder,
            columns,
            [m.envelope for m in measurements],
            everything,
            roots=roots,
            split=(split if given is None else f"a list, then {split}", seed),
            measure_version=MEASURE_VERSION,
            follow_links=follow_links,
        )
        journal.finish()
    songs = songs_from_columns(columns)
    return BuildReport(
        path=folder,
        content_hash=content_hash,
        corpora=Counter(columns["corpus"]),
        songs=len(songs),
        stems=len(rows),
        drawable=sum(columns["drawable"]),
        hours=sum(columns["duration_s"]) / 3600,
        active_hours=sum(columns["active_s"]) / 3600,
        measured=len(rows) - reused,
        reused=reused,
        measured_hours=audio_s / 3600,
        seconds=time.monotonic() - begin,
        problems=Counter(p.kind for p in everything),
        empty=result.empty,
        notes=(*notes, *placed, *result.notes),
        leaks=find_leaks(songs, result.assignment),
    )


def _refuse_lost_roots(
    keys: Sequence[FileKey], measurements: Sequence[Measurement], roots: Mapping[str, Place]
) -> None:
    """Write no catalog of files that went away with their disk: it would take the place of a good one."""
    for corpus in {key[0] for key, m in zip(keys, measurements, strict=True) if not m.frames}:
        refuse_lost_root(corpus, roots[corpus])


def _song_lengths(rows: Sequence[Row], measurements: Sequence[Measurement]) -> dict[tuple[str, str], float]:
    lengths: dict[tuple[str, str], float] = defaultdict(float)
    for row, m in zip(rows, measurements, strict=True):
        song = row.corpus, row.entry.song
        lengths[song] = max(lengths[song], _end_s(row, m))
    return lengths


def _end_s(row: Row, measurement: Measurement) -> float:
    return (row.entry.offset_s or 0.0) + measurement.frames / max(1, measurement.sample_rate)


def _row_problems(row: Row, measurement: Measurement, song_s: float) -> list[tuple[str, str]]:
    problems = list(measurement.problems)
    if not measurement.frames:
        return problems
    if not (measurement.envelope >= ACTIVITY_DB).any():
        message = (
            f"No 100 ms of it reach {ACTIVITY_DB:g} dBFS in mono, without offset (peak "
            f"{measurement.peak_db:.1f} dBFS)."
        )
        problems.append(("silent", message))
    short_s = song_s - _end_s(row, measurement)
    if short_s > max(_SHORT_S, _SHORT_SHARE * song_s):
        message = (
            f"Ends {short_s:.1f} s before the longest stem of its song ({song_s:.1f} s); "
            "it counts as silent from there on."
        )
        problems.append(("short", message))
    return problems


def _columns(
    rows: Sequence[Row], keys: Sequence[FileKey], measurements: Sequence[Measurement]
) -> tuple[dict[str, list[Any]], list[Problem]]:
    """Make all columns but the split and the offsets, and list the problems of the files."""
    taxonomy = load_taxonomy()
    song_s = _song_lengths(rows, measurements)
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names if name not in WRITTEN_COLUMNS}
    problems: list[Problem] = []
    for row, key, m in zip(rows, keys, measurements, strict=True):
        entry = row.entry
        found = _row_problems(row, m, song_s[row.corpus, entry.song])
        problems += [Problem(row.corpus, entry.song, entry.stem, entry.path, k, text) for k, text in found]
        families = {taxonomy.family(node) for node in row.nodes}
        active_s = float(np.count_nonzero(m.envelope >= ACTIVITY_DB)) * HOP_S
        values = {
            "key": f"{row.corpus}/{entry.song}/{entry.stem}",
            "corpus": row.corpus,
            "part": "|".join(sorted(row.nodes)),
            "nodes": row.nodes,
            "ignored": row.ignored,
            "family": families.pop() if len(families) == 1 else "",
            "bleed_nodes": row.bleed_nodes,
            "offset_s": entry.offset_s or 0.0,
            "duration_s": m.frames / max(1, m.sample_rate),
            "active_s": active_s,
            "problems": tuple(dict.fromkeys(kind for kind, _ in found)),
            "size": key[2],
            "mtime_ns": key[3],
            "drawable": bool(row.nodes)
            and active_s > 0
            and NEVER_SAMPLED.isdisjoint(kind for kind, _ in found),
        }
        for name in _MEASURED_COLUMNS:
            values[name] = getattr(m, name)
        for name in _ENTRY_COLUMNS:
            values[name] = getattr(entry, name)
        for name, value in values.items():
            columns[name].append(value)
    return columns, problems


_ENTRY_COLUMNS = (
    "song",
    "stem",
    "path",
    "labels",
    "artist",
    "title",
    "album",
    "genre",
    "corpus_split",
    "groups",
    "bleed",
    "gain",
    "licence",
)
