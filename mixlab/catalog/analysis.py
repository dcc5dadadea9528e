"""Find tempo, beats and key of every song of a catalog: the step behind ``mixlab analyse``.

What a user's own table says is taken first, then what the song's MIDI file says where its corpus has one,
and the rest is estimated from the audio. Finished songs are saved as the work goes on, so that a run that
was stopped goes on where it was; one bad file never stops it.
"""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mixlab.audio.io import FloatArray
from mixlab.audio.tempo_key import (
    ANALYSIS_RATE,
    Beats,
    find_beats,
    find_key,
    key_of_profile,
    onset_confidence,
    regular_beats,
)
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.given_songs import GivenSong, read_given_songs
from mixlab.catalog.readers import CatalogReader
from mixlab.catalog.song_table import SongFacts, SongTable
from mixlab.catalog.storage import hold_catalog
from mixlab.corpora import CORPORA
from mixlab.errors import AudioError, CatalogError, ConfigError, MissingDependencyError, MixlabError
from mixlab.taxonomy.pitched import is_unpitched
from mixlab.utils.hashing import digest
from mixlab.utils.parallel import Engine, map_items
from mixlab.utils.remote import RemotePath

__all__ = ["AnalysisReport", "analyse_songs"]

_ANALYSIS_VERSION = 1
"""Grows with every change of what is found in the same audio."""

_TRUSTED = 0.5
"""A MIDI file whose notes keep to its beats less than this was played freely: the audio is asked, too."""

_SAVE_S = 2.0
_SAVE_SHARE = 0.05
"""What was found is saved so often, but for very large catalogs, where saving would take more of the time."""


@dataclass(frozen=True)
class AnalysisReport:
    """What an analysis did.

    Attributes:
        table: What is known now.
        analysed: Songs of this run.
        reused: Songs that were known already.
        problems: What went wrong, by ``corpus/song``.
        seconds: Time taken.
    """

    table: SongTable
    analysed: int
    reused: int
    problems: Mapping[str, str]
    seconds: float

    @property
    def origins(self) -> Mapping[str, int]:
        """How many songs have beats, by where these are from."""
        return Counter(f.beats_origin for f in self.table.songs.values() if f.beats.times_s)


@dataclass(frozen=True)
class _Task:
    corpus: str
    song: str
    rows: tuple[int, ...]
    fingerprint: str
    given: GivenSong


def analyse_songs(
    catalog: Catalog,
    *,
    songs: Path | None = None,
    workers: int | None = None,
    engine: Engine = "local",
    progress: bool = True,
) -> AnalysisReport:
    """Analyse the songs of a catalog that are not known yet, and write the table beside it.

    Args:
        catalog: The catalog.
        songs: CSV with tempo, first beat and key of some songs; see ``read_given_songs``.
        workers: Processes; by default one per processor.
        engine: ``local`` or ``ray``.
        progress: Show a progress bar on a terminal.

    Raises:
        ConfigError: the CSV cannot be read, or names a song that the catalog does not hold.
        MissingDependencyError: librosa is not installed.
        CatalogError: the table that is there is damaged; another process writes to the catalog; or a corpus
            is not where the catalog says, or went away: then what was found is kept.
        ConfigError: the catalog or a corpus lies at a URL.
        OutputError: nothing can be written to the catalog's folder; what was saved before is kept.
        KeyboardInterrupt: Ctrl-C; what was found is kept.
    """
    _refuse_remote(catalog)
    with hold_catalog(catalog.path):
        return _analyse_songs(catalog, songs, workers, engine, progress=progress)


def _analyse_songs(
    catalog: Catalog, songs: Path | None, workers: int | None, engine: Engine, *, progress: bool
) -> AnalysisReport:
    begin, known = time.monotonic(), SongTable.read(catalog.path).songs
    tasks = _tasks(catalog, read_given_songs(songs, catalog) if songs is not None else {})
    kept = {
        (task.corpus, task.song): known[task.corpus, task.song]
        for task in tasks
        if known.get((task.corpus, task.song), SongFacts()).fingerprint == task.fingerprint
    }
    left = [task for task in tasks if (task.corpus, task.song) not in kept]
    found = dict(kept)
    try:
        _analyse_all(catalog, left, found, workers, engine, progress)
    except (KeyboardInterrupt, CatalogError):
        SongTable(found).save(catalog.path)
        raise
    table = SongTable(found, catalog.base_hash)
    table.save(catalog.path)
    catalog.derived.pop("song table", None)
    problems = {f"{corpus}/{song}": f.problem for (corpus, song), f in sorted(found.items()) if f.problem}
    return AnalysisReport(table, len(left), len(kept), problems, time.monotonic() - begin)


def _refuse_remote(catalog: Catalog) -> None:
    """Refuse places that nothing can be written to, or in which no MIDI file is looked for."""
    places = [catalog.origin, *catalog.roots.values()]
    if there := [str(place) for place in places if isinstance(place, RemotePath)]:
        raise ConfigError(
            f"Songs are analysed where their catalog and their files are, found {there[0]}. Analyse there: "
            "the table songs.parquet goes with the catalog.",
            code="remote-not-supported",
        )


def _tasks(catalog: Catalog, given: Mapping[tuple[str, str], GivenSong]) -> list[_Task]:
    corpora, songs, frames = (catalog.column(name) for name in ("corpus", "song", "frames"))
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i in range(len(catalog)):
        rows[corpora[i], songs[i]] += [i] if frames[i] > 0 else []
    return [
        _Task(*key, tuple(own), _fingerprint(catalog, own, given.get(key)), given.get(key, GivenSong()))
        for key, own in sorted(rows.items())
    ]


def _fingerprint(catalog: Catalog, rows: Sequence[int], given: GivenSong | None) -> str:
    names = ("key", "audio_hash", "nodes", "ignored", "gain", "offset_s")
    columns = [catalog.column(name) for name in names]
    stems = [[str(column[i]) for column in columns] for i in rows]
    return digest([_ANALYSIS_VERSION, stems, None if given is None else str(given)])


def _analyse_all(
    catalog: Catalog,
    tasks: Sequence[_Task],
    found: dict[tuple[str, str], SongFacts],
    workers: int | None,
    engine: Engine,
    progress: bool,
) -> None:
    saved, cost_s = time.monotonic(), 0.0
    hidden = not progress or not sys.stderr.isatty()
    needs = [catalog.origin or catalog.path, *catalog.roots.values()]
    outcomes = map_items(partial(_analyse, catalog), tasks, workers=workers, engine=engine, needs=needs)
    for outcome in tqdm(outcomes, total=len(tasks), desc="analysing", unit="song", disable=hidden):
        task = tasks[outcome.index]
        if isinstance(outcome.value, CatalogError):
            raise outcome.value
        # What killed its process is tried again by the next run, as it has no fingerprint.
        found[task.corpus, task.song] = outcome.value or SongFacts(problem=outcome.error)
        begin = time.monotonic()
        if begin - saved > max(_SAVE_S, cost_s / _SAVE_SHARE):
            SongTable(found).save(catalog.path)
            saved = time.monotonic()
            cost_s = saved - begin


def _analyse(catalog: Catalog, task: _Task) -> SongFacts | CatalogError:
    """Return what is found of one song; what goes wrong is its ``problem``, a lost root what is returned."""
    facts = SongFacts(fingerprint=task.fingerprint)
    sources: tuple[Callable[[SongFacts, Catalog, _Task], SongFacts], ...] = (
        _from_midi,
        _from_audio,
        _as_given,
    )
    for source in sources:
        try:
            facts = source(facts, catalog, task)
        except MissingDependencyError:
            raise
        except CatalogError as error:
            return error
        except (MixlabError, OSError, ValueError, EOFError, KeyError, IndexError) as error:
            said = f"{facts.problem}; {error}" if facts.problem else str(error)
            facts = replace(facts, problem=said)
    return facts


def _from_midi(facts: SongFacts, catalog: Catalog, task: _Task) -> SongFacts:
    path = _midi_path(catalog, task)
    if path is None:
        return facts
    from mixlab.catalog.midi import read_midi

    score = read_midi(path)
    confidence = onset_confidence(np.interp(score.onsets_s, score.beats_s, np.arange(len(score.beats_s))))
    intervals = np.diff(score.beats_s)
    tempo = 60.0 / float(np.median(intervals)) if len(intervals) else 0.0
    beats = Beats(tuple(np.round(score.beats_s, 4).tolist()), round(tempo, 3), round(confidence, 4))
    return replace(
        facts, beats=beats, beats_origin="midi", key=key_of_profile(score.pitch_classes), key_origin="midi"
    )


def _midi_path(catalog: Catalog, task: _Task) -> Path | None:
    """Return the MIDI file of a song, where its corpus keeps one beside the audio."""
    adapter = CORPORA.get(task.corpus.partition("@")[0])
    find = getattr(adapter, "find_midi", None)
    if find is None or not task.rows:
        return None
    audio = catalog.audio_path(task.rows[0])
    found: Path | None = find(audio) if isinstance(audio, Path) else None
    return found if found is not None and found.is_file() else None


def _from_audio(facts: SongFacts, catalog: Catalog, task: _Task) -> SongFacts:
    """Estimate what no score tells for certain."""
    need_beats = facts.beats.confidence < _TRUSTED and not (
        task.given.tempo_bpm and task.given.first_beat_s is not None
    )
    need_key = facts.key.tonic < 0 and task.given.key is None  # notes are certain, unlike beats
    if not need_beats and not need_key:
        return facts
    nodes = catalog.column("nodes")
    pitched = [i for i in task.rows if nodes[i] and not is_unpitched(nodes[i])]
    tonal, failed = _sum_of(catalog, pitched, _length_s(catalog, task))
    if need_key:
        facts = replace(facts, key=find_key(tonal), key_origin="estimated")
    if need_beats:
        rest, also_failed = _sum_of(
            catalog, [i for i in task.rows if i not in pitched], _length_s(catalog, task)
        )
        failed += also_failed
        beats = find_beats(tonal + rest, task.given.tempo_bpm)
        if beats.confidence > facts.beats.confidence or task.given.tempo_bpm:
            facts = replace(facts, beats=beats, beats_origin="estimated")
    return replace(facts, problem="; ".join([*([facts.problem] if facts.problem else []), *failed]))


def _length_s(catalog: Catalog, task: _Task) -> float:
    offsets, durations = catalog.column("offset_s"), catalog.column("duration_s")
    return max((float(offsets[i] + durations[i]) for i in task.rows), default=0.0)


def _sum_of(catalog: Catalog, rows: Sequence[int], seconds: float) -> tuple[FloatArray, list[str]]:
    """Return the sum of stems in mono from the song's start on, and what could not be read."""
    reader, failed = CatalogReader(catalog), []
    gains, offsets = catalog.column("gain"), catalog.column("offset_s")
    out = np.zeros(round(seconds * ANALYSIS_RATE), dtype=np.float32)
    for i in rows:
        try:
            stem = reader.read(i, -float(offsets[i]), len(out), ANALYSIS_RATE, 1)[0]
            out += stem * np.float32(gains[i])
        except AudioError as error:
            failed.append(str(error))
    return out, failed


def _as_given(facts: SongFacts, catalog: Catalog, task: _Task) -> SongFacts:
    """Let what the user says win."""
    given = task.given
    if given.tempo_bpm and given.first_beat_s is not None:
        beats = regular_beats(given.tempo_bpm, given.first_beat_s, _length_s(catalog, task))
        facts = replace(facts, beats=beats, beats_origin="given")
    elif given.tempo_bpm and facts.beats.times_s:
        facts = replace(facts, beats=replace(facts.beats, tempo_bpm=given.tempo_bpm), beats_origin="given")
    if given.key is not None:
        tuning = facts.key.tuning
        facts = replace(facts, key=replace(given.key, tuning=tuning), key_origin="given")
    return facts
