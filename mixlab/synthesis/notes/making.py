"""Make composed multitracks: what is left to do, in parallel, each song under a temporary name first."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import ConfigError
from mixlab.synthesis.made_here import NOT_KNOWN
from mixlab.synthesis.names import artist_name, song_title
from mixlab.synthesis.notes.casting import MORE_INSTRUMENTS, Seat, cast, family_of, node_of
from mixlab.synthesis.notes.library import NoteLibrary
from mixlab.synthesis.notes.line_ups import LINE_UPS, LineUps, choose_ensembles
from mixlab.synthesis.notes.reading import find_libraries
from mixlab.synthesis.notes.song import ComposedSong, Orchestra, write_composed
from mixlab.synthesis.plan import SPLITS
from mixlab.synthesis.players import PlayerFinder
from mixlab.synthesis.synth import require_synthesizer
from mixlab.synthesis.tasks import Task, remove, remove_partial, run_tasks
from mixlab.utils.csv import csv_text
from mixlab.utils.files import make_folder, write_atomic
from mixlab.utils.hashing import file_digest, ordered_digest
from mixlab.utils.parallel import Engine

__all__ = ["DEFAULT_COMPOSED", "Composed", "make_composed", "make_orchestra", "plan_composed"]

DEFAULT_COMPOSED = 24
_RECORD, _SONGS = "composed.json", "songs"
_VERSION = 10
_SONGS_OF_ARTIST = 2


@dataclass(frozen=True)
class Composed:
    """What was made.

    Attributes:
        path: The output folder.
        root: Root of the songs, for the adapter ``folder``.
        made: Songs rendered in this call.
        kept: Songs found finished.
        stems: Number of stems by family, over all songs.
        problems: What of the libraries cannot be used: a file, a folder or a name, and a message; first
            of libraries that are not used at all.
    """

    path: Path
    root: Path
    made: int
    kept: int
    stems: Mapping[str, int]
    problems: tuple[tuple[str, str], ...]


def make_composed(
    out: Path,
    *,
    notes: Sequence[Path],
    songs: int = DEFAULT_COMPOSED,
    seconds: float = 30.0,
    seed: int = 0,
    workers: int | None = None,
    engine: Engine = "local",
    soundfonts: Sequence[Path] = (),
    finders: Sequence[PlayerFinder] = (),
    bleed: float = 0.0,
    line_ups: LineUps = "records",
    tone: bool = True,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Composed:
    """Compose songs and have them played by recorded notes, below ``out``.

    The same seed, settings, libraries and versions give the same bytes, whatever ``workers`` is. A call that
    was interrupted is finished by the next one with the same settings.

    Args:
        out: Folder to write; made if it does not exist.
        notes: Folders of libraries of recorded notes, or that have some below them; may be empty where
            others play.
        songs: How many.
        seconds: Length of a song.
        seed: Seed of everything.
        workers: Processes; None means one per processor, or as many as the cluster has.
        engine: ``local``, or ``ray`` for a running ray cluster, whose machines must share all folders.
        soundfonts: SoundFonts (.sf2) for instruments that nobody else plays.
        finders: Others who know players, of voices and synthesizers say.
        bleed: Part of the songs in whose stems the others are detected, 18 to 26 dB down.
        line_ups: As frequent as on records (``records``), or so that families are (``balanced``).
        tone: Bring stems and mixes near the brightness and the balance that they have on records.
        force: Replace songs in ``out`` that were made with other settings.
        progress: Called with (done, total) whenever a song is finished.

    Raises:
        ConfigError: A setting is out of range, a SoundFont is missing, nothing can be played together, or
            ``out`` holds something else.
        CorpusError: A folder of notes is missing, or none holds a library.
        MixlabError: Some songs could not be rendered.
    """
    _check(songs, seconds, bleed, line_ups)
    libraries = find_libraries(notes)
    if soundfonts or any(each.soundfont for held in libraries for each in held.instruments):
        require_synthesizer()
    orchestra = make_orchestra(libraries, finders, soundfonts)
    plans = plan_composed(orchestra.seats, songs, seed, bleed, line_ups, tone)
    settings = {
        "version": _VERSION,
        "songs": songs,
        "seconds": float(seconds),
        "seed": seed,
        "bleed": float(bleed),
        "line_ups": line_ups,
        "tone": tone,
        "libraries": [_described(each) for each in libraries],
        "soundfonts": [{"file": each.name, "sha256": file_digest(each)} for each in soundfonts],
        "others": [type(each).__name__ for each in finders],
    }
    _claim(out, settings, force)
    tasks = [
        Task(out / _SONGS / plan.id, partial(write_composed, plan, float(seconds), orchestra))
        for plan in plans
    ]
    left = [task for task in tasks if not task.target.exists()]
    run_tasks(left, len(tasks), workers, progress, engine=engine, needs=[out, *notes, *soundfonts])
    stems = _count(plans, orchestra.seats)
    _write_text(out / "README.txt", _readme(settings, libraries, stems, len(plans)))
    _write_text(
        out / "splits.csv", csv_text([("song", "split"), *((f"folder/{p.id}", p.split) for p in plans)])
    )
    _write_record(out, settings, plans, complete=True)
    unused_first = sorted(libraries, key=lambda each: bool(each.instruments))
    problems = tuple(each for library in unused_first for each in library.problems)
    return Composed(out, out / _SONGS, len(left), len(tasks) - len(left), stems, problems)


def _check(songs: int, seconds: float, bleed: float, line_ups: str) -> None:
    checks = (
        (songs >= 1, f"at least 1 song, found songs={songs}"),
        (4.0 <= seconds <= 600.0, f"4 to 600 seconds a song, found seconds={seconds}"),
        (0.0 <= bleed <= 1.0, f"a part of the songs from 0 to 1, found bleed={bleed}"),
        (line_ups in LINE_UPS, f"one of {', '.join(LINE_UPS)}, found line_ups={line_ups}"),
    )
    for holds, expected in checks:
        if not holds:
            raise ConfigError(f"Expected {expected}.", code="invalid-setting")


def make_orchestra(
    libraries: Sequence[NoteLibrary], finders: Sequence[PlayerFinder], soundfonts: Sequence[Path]
) -> Orchestra:
    """Return who can play what.

    Args:
        libraries: Of recorded notes; they come first.
        finders: Others who know players.
        soundfonts: For what nobody else plays.

    Raises:
        ConfigError: a SoundFont is missing.
    """
    for path in soundfonts:
        if not path.is_file():
            raise ConfigError(
                f"Expected a SoundFont file (.sf2) at {path}, found none. Check --soundfont.",
                code="soundfont-not-found",
            )
    seats = dict(cast(libraries))
    for name, instrument in MORE_INSTRUMENTS.items():
        if name in seats or not node_of(name):
            continue
        known = any(each.find(name, np.random.default_rng(0)) is not None for each in finders)
        if known or soundfonts:
            seats[name] = Seat(instrument, node_of(name), family_of(node_of(name)))
    return Orchestra(seats, tuple(finders), tuple(path.resolve() for path in soundfonts))


def plan_composed(
    seats: Mapping[str, Seat],
    songs: int,
    seed: int,
    bleed: float,
    line_ups: LineUps = "records",
    tone: bool = True,
) -> list[ComposedSong]:
    """Return the plans of all songs: two in a row are by one artist, and an artist is in one split.

    Raises:
        ConfigError: the instruments do not make a single line-up.
    """
    chosen = choose_ensembles(seats, songs, seed, line_ups)
    if len(chosen) < songs:
        raise ConfigError(
            f"Expected instruments that play together, such as piano and flute, found "
            f"{', '.join(sorted(seats)) or 'none'}. Give more libraries (--notes), or a --soundfont.",
            code="missing-setting",
        )
    rng = np.random.default_rng([seed, 52])
    artists = -(-songs // _SONGS_OF_ARTIST)
    splits = _split_artists(artists, rng)
    plans = []
    for number, (ensemble, hall) in enumerate(chosen):
        artist = number // _SONGS_OF_ARTIST
        plans.append(
            ComposedSong(
                id=f"Composed{number + 1:05d}",
                number=number,
                split=splits[artist],
                artist=artist_name(seed, 7, artist),
                title=song_title(seed, 7, number),
                ensemble=ensemble,
                hall=hall,
                bleeds=float(rng.random()) < bleed,
                seed=(seed, 53, number),
                tone=tone,
            )
        )
    return plans


def _split_artists(artists: int, rng: np.random.Generator) -> list[str]:
    """Return each artist's split: all three where there are three artists or more."""
    if artists < 3:
        return ["train"] * artists
    held = {name: max(1, round(artists * SPLITS[name])) for name in ("validation", "test")}
    names = ["validation"] * held["validation"] + ["test"] * held["test"]
    names += ["train"] * (artists - len(names))
    return [names[int(k)] for k in rng.permutation(artists)]


def _described(library: NoteLibrary) -> dict[str, Any]:
    files = sorted(
        (str(note.path.relative_to(library.root)), note.path.stat().st_size)
        for each in library.instruments
        for note in each.notes
    )
    fonts = sorted({each.soundfont[0] for each in library.instruments if each.soundfont})
    # Of several in a folder, their own names are kept in the order of reading.
    parts = list(dict.fromkeys(each.library for each in library.instruments if each.within))
    return {
        "name": library.name,
        **({"parts": parts} if parts else {}),
        "layout": library.layout,
        "licence": library.licence,
        "instruments": [each.name for each in library.instruments],
        "digest": ordered_digest([files, [file_digest(each) for each in fonts]]),
    }


def _claim(out: Path, settings: dict[str, Any], force: bool) -> None:
    """Make sure that ``out`` is ours to write, and record the settings before the first song.

    Raises:
        ConfigError: it holds other files, or songs of other settings without ``force``.
    """
    record = out / _RECORD
    if out.exists() and not out.is_dir():
        raise ConfigError(f"Expected a folder to write songs to, found a file at {out}.", code="not-a-folder")
    if record.is_file():
        found = _read_settings(record)
        old, new = _what_sounds(found), _what_sounds(settings)
        if old != new:
            if not force:
                differing = [key for key in new if not isinstance(old, dict) or old.get(key) != new[key]]
                raise ConfigError(
                    f"{out} holds songs composed with other settings ({', '.join(differing)}). Choose "
                    "another folder, or replace them with --force true.",
                    code="settings-changed",
                )
            remove(out / _SONGS)
    elif out.is_dir() and any(out.iterdir()):
        raise ConfigError(
            f"{out} is not empty and holds no composed songs (no {_RECORD}). Choose another folder.",
            code="folder-not-empty",
        )
    make_folder(out / _SONGS)
    remove_partial(out)
    _write_record(out, settings, [], complete=False)


def _what_sounds(settings: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    """Return settings without what makes no difference to the songs.

    What is known of a licence may change, libraries that have nothing to play may come and go, and records of
    before name a folder with several by the first of them.
    """
    held = settings.get("libraries") if isinstance(settings, dict) else None
    if not isinstance(held, list) or not all(isinstance(each, dict) for each in held):
        return settings
    libraries = [
        {key: value for key, value in each.items() if key not in ("licence", "parts")}
        | {"name": (each.get("parts") or [each.get("name")])[0]}
        for each in held
        if each.get("instruments")
    ]
    return {**settings, "libraries": libraries}


def _read_settings(record: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("settings") if isinstance(content, dict) else None


def _write_record(
    out: Path, settings: dict[str, Any], plans: Sequence[ComposedSong], *, complete: bool
) -> None:
    songs = [
        {
            "song": plan.id,
            "split": plan.split,
            "artist": plan.artist,
            "style": plan.ensemble.style,
            "parts": [asdict(part) for part in plan.ensemble.parts],
        }
        for plan in plans
    ]
    content = {"settings": settings, "complete": complete, "songs": songs}
    _write_text(out / _RECORD, json.dumps(content, indent=1) + "\n")


def _count(plans: Sequence[ComposedSong], seats: Mapping[str, Seat]) -> dict[str, int]:
    counts = Counter(seats[part.instrument].family for plan in plans for part in plan.ensemble.parts)
    return dict(sorted(counts.items()))


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, text, sync=False)


def _readme(
    settings: Mapping[str, Any], libraries: Sequence[NoteLibrary], stems: Mapping[str, int], songs: int
) -> str:
    used = "\n".join(
        f"  {each.name} ({each.layout}): {each.licence or f'{NOT_KNOWN}: see its source'}"
        for each in libraries
        if each.instruments
    )
    fonts = "".join(f"  {each['file']} (SoundFont): see its source\n" for each in settings["soundfonts"])
    counted = ", ".join(f"{family or 'other'} {count}" for family, count in stems.items())
    return f"""Songs composed by mixlab, played by recorded notes
==================================================

{songs} songs (seed {settings["seed"]}), stems by family: {counted}.

  songs/SONG/NN_instrument.flac   stems, stereo, 44.1 kHz, 16 bits; they sum to the mix
  songs/SONG/SONG_MIX.flac        the mix
  songs/SONG/stems.csv            instrument (a node of mixlab's tree), artist, split
  songs/SONG/song.json            tempo, key (0 is C), roles, and what each stem is played on: a library of
                                  those below, or "library / instrument" where a folder holds several
  splits.csv                      the split of each song; of an instrument with several libraries the test
                                  songs have one that no other song has

A catalog with these splits, typed in this folder:

  mixlab index CATALOG --splits splits.csv --root folder=songs

The compositions are generated and free for any use. The sound is that of these libraries, under their
licences, which hold for these recordings, too:

{used}
{fonts}"""
