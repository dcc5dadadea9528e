"""Make the demo corpora: what is left to do, in parallel, each song under a temporary name first."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zlib import crc32

from mixlab.errors import ConfigError
from mixlab.synthesis import tagged_layout
from mixlab.synthesis.instruments import FAMILIES, INSTRUMENTS
from mixlab.synthesis.medley_layout import broken_medleydb_file, write_coefficients, write_medleydb_song
from mixlab.synthesis.plan import SHARES, SongPlan, plan_songs
from mixlab.synthesis.secrets_layout import broken_secrets_file, write_secrets_song
from mixlab.synthesis.slakh_layout import broken_slakh_file, write_slakh_song
from mixlab.synthesis.soundfonts import SharedSamples, compare_soundfonts, overlap_lines
from mixlab.synthesis.synth import default_soundfont, require_synthesizer
from mixlab.synthesis.tagged import Clip, plan_tagged
from mixlab.synthesis.tasks import Task, hold_demo, remove, remove_partial, run_tasks
from mixlab.utils.files import told_as_output_error, write_atomic
from mixlab.utils.hashing import file_digest
from mixlab.utils.locks import LOCK
from mixlab.utils.parallel import Engine

__all__ = ["CORPORA", "DEFAULT_SECONDS", "DEFAULT_SONGS", "DemoCorpora", "make_demo_corpora"]

DEFAULT_SONGS = 48
"""Multitrack songs of the demo corpora, over all their trees."""
DEFAULT_SECONDS = 14.0
"""Length of a song, in seconds."""
# Folder of each corpus below the output folder, by the name that mixlab's commands use for it.
CORPORA = {
    "medleydb": "medleydb",
    "mixing_secrets": "mixing_secrets",
    "slakh": "slakh2100_flac_redux",
    "mtg_jamendo": "mtg-jamendo",
    "irmas": "irmas",
    "openmic2018": "openmic-2018",
}
_RECORD = "demo.json"
_README = "README.txt"
_SPLITS = "splits.csv"
_LAYOUT_VERSION = 3


@dataclass(frozen=True)
class DemoCorpora:
    """What was made.

    Attributes:
        path: The output folder.
        roots: Root folder of each corpus by the name to index it under.
        made: Songs and tracks rendered in this call.
        kept: Songs and tracks found finished.
        megabytes: Size of everything in the folder.
        shared: What the SoundFonts of validation and test have in common with the others.
    """

    path: Path
    roots: dict[str, Path]
    made: int
    kept: int
    megabytes: float
    shared: tuple[SharedSamples, ...] = ()


def make_demo_corpora(
    out: Path,
    *,
    songs: int = DEFAULT_SONGS,
    seconds: float = DEFAULT_SECONDS,
    seed: int = 0,
    workers: int | None = None,
    engine: Engine = "local",
    soundfonts: Sequence[Path] = (),
    validation_soundfont: Path | None = None,
    test_soundfont: Path | None = None,
    tagged: bool = True,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> DemoCorpora:
    """Compose, render and lay out the demo corpora below ``out``.

    The same seed, settings and library versions give the same bytes, whatever ``workers`` is. A call
    that was interrupted is finished by the next one with the same settings.

    Args:
        out: Folder to write; made if it does not exist.
        songs: Multitrack songs in all, over the MedleyDB, Mixing Secrets and Slakh trees; the tagged
            corpora grow with it.
        seconds: Length of a song.
        seed: Seed of everything.
        workers: Processes; None means one per processor, or as many as the cluster has.
        engine: ``local``, or ``ray`` for a running ray cluster, whose machines must share ``out``.
        soundfonts: SoundFont files (.sf2) to render with instead of pretty_midi's TimGM6mb; of several,
            each artist (in the Slakh tree each song) gets one.
        validation_soundfont: Another one for the songs of validation: whole artists, and in the Slakh tree
            the corpus's own split with what belongs to it. Epochs and thresholds are then chosen on a sound
            that was not trained on, as that of the test is not. MTG-Jamendo's validation tracks, too.
        test_soundfont: Another one for the songs that ``demo.json`` lists as ``test_songs``, and the test
            tracks of the tagged corpora. ``splits.csv`` names the songs of test, and of validation where it
            has a SoundFont of its own, for ``mixlab index --splits``: a catalog then validates and tests on
            them and on nothing else.
        tagged: Also make the tagged corpora (MTG-Jamendo, IRMAS, OpenMIC), not only the multitracks.
        force: Replace demo corpora in ``out`` that were made with other settings.
        progress: Called with (done, total) whenever an item is finished.

    Raises:
        ConfigError: A setting is out of range, a SoundFont is missing, or ``out`` holds something else, or is
            written by another process.
        MissingDependencyError: midirenderer or pretty_midi is not installed.
        MixlabError: Some items could not be rendered.
        OutputError: There is no space left for more; what was made is kept.
    """
    if songs < 3:
        raise ConfigError(
            f"Expected at least 3 songs (one for each multitrack corpus), found songs={songs}.",
            code="invalid-setting",
        )
    if not 4.0 <= seconds <= 600.0:
        raise ConfigError(
            f"Expected 4 to 600 seconds a song, found seconds={seconds}.", code="invalid-setting"
        )
    require_synthesizer()
    plans = plan_songs(songs, seed)
    fonts = _find_fonts(soundfonts, {"validation": validation_soundfont, "test": test_soundfont}, plans)
    shared = compare_soundfonts(list(fonts.held.values()), fonts.train) if fonts.held else []
    settings = _settings(songs, seconds, seed, tagged, fonts)
    if out.exists() and not out.is_dir():
        raise ConfigError(
            f"Expected a folder to write demo corpora to, found a file at {out}.", code="not-a-folder"
        )
    clips = plan_tagged(songs, seconds, seed) if tagged else []
    with hold_demo(out), told_as_output_error(out):
        _claim(out, settings, force)
        made, kept = _make(out, plans, clips, fonts, settings, workers, engine, progress)
        if tagged:
            tagged_layout.write_tables(out, clips, seed)
        (out / _README).write_text(_readme(settings, shared), encoding="utf-8")
        _write_splits(out / _SPLITS, plans, {"test", *fonts.held})
        _write_record(out, settings, plans, fonts, shared)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    roots = {name: out / folder for name, folder in CORPORA.items() if tagged or folder in SHARES}
    return DemoCorpora(out, roots, made, kept, size / 1e6, tuple(shared))


def _make(
    out: Path,
    plans: list[SongPlan],
    clips: list[Clip],
    fonts: "_Fonts",
    settings: Mapping[str, Any],
    workers: int | None,
    engine: Engine,
    progress: Callable[[int, int], None] | None,
) -> tuple[int, int]:
    """Render what is not there yet; return how many items were made, and how many were there."""
    tasks = _song_tasks(out, plans, settings["seconds"], fonts) + _clip_tasks(out, clips, fonts)
    left = [task for task in tasks if not task.target.exists()]
    needs = [out, *fonts.train, *fonts.held.values()]
    run_tasks(left, len(tasks), workers, progress, engine=engine, needs=needs)
    medleydb = [plan for plan in plans if plan.corpus == "medleydb"]
    write_coefficients(out / "medleydb" / "resources" / "mixing_coefficients_version2.yaml", medleydb)
    return len(left), len(tasks) - len(left)


@dataclass(frozen=True)
class _Fonts:
    """What songs are played with: one of ``train`` each, those of a split in ``held`` with what it names."""

    train: tuple[Path, ...]
    held: dict[str, Path] = field(default_factory=dict)

    def of(self, name: str, split: str) -> Path:
        """Return the SoundFont of whatever ``name`` holds together: an artist, a song, a clip."""
        if split in self.held:
            return self.held[split]
        return self.train[crc32(name.encode()) % len(self.train)]

    def of_song(self, plan: SongPlan) -> Path:
        """Return the SoundFont of a song."""
        return self.of(f"{plan.corpus}/{plan.artist or plan.id}", plan.held_in)

    def describe(self) -> dict[str, Any]:
        """Return names and hashes for the record; a single file as such, several as a list."""
        train = [_describe_font(path) for path in self.train]
        one = train[0] if len(train) == 1 else train
        return {"train": one, "test": one} | {k: _describe_font(path) for k, path in self.held.items()}


def _describe_font(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": file_digest(path)}


def _find_fonts(train: Sequence[Path], held: Mapping[str, Path | None], plans: Sequence[SongPlan]) -> _Fonts:
    """Return the SoundFonts that were asked for, or the one that is there.

    Raises:
        ConfigError: a file is missing, or no song is in a split that is to have a SoundFont of its own.
    """
    own = {split: _font(path, f"{split}_soundfont") for split, path in held.items() if path is not None}
    for split in own:
        if all(plan.held_in != split for plan in plans):
            raise ConfigError(
                f"--{split}_soundfont is for the songs of {split}, and of {len(plans)} songs none is; "
                f"ask for more, such as --songs {DEFAULT_SONGS}.",
                code="conflicting-settings",
            )
    return _Fonts(tuple(_font(path, "soundfont") for path in train) or (default_soundfont(),), own)


def _font(path: Path, option: str) -> Path:
    if not path.is_file():
        raise ConfigError(
            f"Expected a SoundFont file (.sf2) at {path}, found none. Check --{option}.",
            code="soundfont-not-found",
        )
    return path.resolve()


def _settings(songs: int, seconds: float, seed: int, tagged: bool, fonts: _Fonts) -> dict[str, Any]:
    """Return what decides the bytes, for the record and for telling settings apart."""
    return {
        "layout_version": _LAYOUT_VERSION,
        "songs": songs,
        "seconds": float(seconds),
        "seed": seed,
        "tagged": tagged,
        "soundfonts": fonts.describe(),
    }


def _claim(out: Path, settings: dict[str, Any], force: bool) -> None:
    """Make sure that ``out``, which is held, is ours to write, and record the settings before the first song.

    Raises:
        ConfigError: it holds other files, or demo corpora of other settings without ``force``.
    """
    record = out / _RECORD
    if not record.is_file():
        if any(path.name != LOCK for path in out.iterdir()):
            raise ConfigError(
                f"{out} is not empty and holds no demo corpora (no {_RECORD}). Choose another folder.",
                code="folder-not-empty",
            )
    else:
        found = _read_record(record)
        if found != settings:
            if not force:
                raise ConfigError(
                    f"{out} holds demo corpora with other settings ({_difference(found, settings)}). "
                    "Choose another folder, or replace them with --force true.",
                    code="settings-changed",
                )
            for folder in CORPORA.values():
                remove(out / folder)
    remove_partial(out)
    _write_json(record, {"settings": settings, "complete": False})


def _read_record(record: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content.get("settings") if isinstance(content, dict) else None


def _difference(found: Any, wanted: dict[str, Any]) -> str:  # noqa: ANN401
    if not isinstance(found, dict):
        return f"{_RECORD} is unreadable"
    keys = [key for key in wanted if found.get(key) != wanted[key]]
    shown = [f"{key}: there {found.get(key)}, asked {wanted[key]}" for key in keys if key != "soundfonts"]
    return "; ".join([*shown, *(["another SoundFont"] if "soundfonts" in keys else [])])


def _song_tasks(out: Path, plans: list[SongPlan], seconds: float, fonts: _Fonts) -> list[Task]:
    writers = {
        "medleydb": write_medleydb_song,
        "mixing_secrets": write_secrets_song,
        "slakh2100_flac_redux": write_slakh_song,
    }
    tasks = []
    for plan in plans:
        write = partial(_write_song, writers[plan.corpus], plan, seconds, fonts.of_song(plan))
        tasks.append(Task(out / _song_folder(plan), write))
    return tasks


def _write_song(
    writer: Callable[..., None], plan: SongPlan, seconds: float, font: Path, folder: Path
) -> None:
    folder.mkdir()
    writer(plan, folder, seconds, font)


def _song_folder(plan: SongPlan) -> str:
    inner = {"medleydb": "Audio/", "mixing_secrets": ""}.get(plan.corpus, f"{plan.split}/")
    return f"{plan.corpus}/{inner}{plan.id}"


def _clip_tasks(out: Path, clips: list[Clip], fonts: _Fonts) -> list[Task]:
    return [
        Task(out / clip.target, partial(tagged_layout.write_clip, clip, fonts.of(clip.target, clip.split)))
        for clip in clips
    ]


def _broken(plans: list[SongPlan]) -> list[dict[str, str]]:
    find = {
        "medleydb": broken_medleydb_file,
        "mixing_secrets": broken_secrets_file,
        "slakh2100_flac_redux": broken_slakh_file,
    }
    return [
        {"path": f"{plan.corpus}/{find[plan.corpus](plan)}", "damage": plan.broken}
        for plan in plans
        if plan.broken
    ]


def _statistics(plans: list[SongPlan]) -> dict[str, dict[str, int]]:
    """Count songs, artists and parts of each family over the multitrack corpora."""
    table = {}
    for family in FAMILIES:
        held = {
            plan: sum(INSTRUMENTS[part.instrument].family == family for part in plan.ensemble.parts)
            for plan in plans
        }
        having = [plan for plan, parts in held.items() if parts]
        artists = {(plan.corpus, plan.artist or plan.seed) for plan in having}
        table[family] = {"songs": len(having), "artists": len(artists), "parts": sum(held.values())}
    return table


def _catalog_key(plan: SongPlan) -> str:
    """Return the song's key in a catalog that names the corpora as mixlab's commands do."""
    name = next(name for name, folder in CORPORA.items() if folder == plan.corpus)
    return f"{name}/{plan.id}"


def _write_splits(path: Path, plans: list[SongPlan], splits: set[str]) -> None:
    """List the songs of these splits, and no others, as ``mixlab index --splits`` reads it."""
    rows = [f"{_catalog_key(plan)},{plan.held_in}" for plan in plans if plan.held_in in splits]
    _write_text(path, "\n".join(["song,split", *rows]) + "\n")


def _write_record(
    out: Path,
    settings: dict[str, Any],
    plans: list[SongPlan],
    fonts: _Fonts,
    shared: Sequence[SharedSamples],
) -> None:
    songs = [
        {
            "corpus": plan.corpus,
            "song": plan.id,
            "artist": plan.artist,
            "style": plan.ensemble.style,
            "split": plan.split,
            "soundfont": fonts.of_song(plan).name,
            "parts": [asdict(part) for part in plan.ensemble.parts],
        }
        for plan in plans
    ]
    record = {
        "settings": settings,
        "complete": True,
        "versions": {name: version(name) for name in ("midirenderer", "numpy", "scipy", "soundfile")},
        "roots": CORPORA,
        "shared_samples": [asdict(each) for each in shared],
        "broken_files": _broken(plans),
        "test_songs": [f"{plan.corpus}/{plan.id}" for plan in plans if plan.split == "test"],
        "families": _statistics(plans),
        "songs": songs,
    }
    _write_json(out / _RECORD, record)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write_text(path, json.dumps(content, indent=1) + "\n")


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, text, sync=False)


def _font_names(fonts: Any) -> str:  # noqa: ANN401 - one description or a list of them
    return " or ".join(font["file"] for font in (fonts if isinstance(fonts, list) else [fonts]))


def _readme(settings: dict[str, Any], shared: Sequence[SharedSamples]) -> str:
    shown = {split: _font_names(fonts) for split, fonts in settings["soundfonts"].items()}
    validation = f"{shown['validation']} for those of validation,\n" if "validation" in shown else ""
    common = "".join(f"{line}\n" for line in overlap_lines(shared))
    return f"""Demo corpora made by mixlab
===========================

Everything here was composed and rendered on this machine (seed {settings["seed"]}). No file is from MedleyDB,
Mixing Secrets, Slakh2100, MTG-Jamendo, IRMAS or OpenMIC-2018; only their layouts are imitated, so that every
step of mixlab can be tried on them. Scores on this material are demo numbers: they say that the steps work,
and nothing about real music.

  medleydb                MedleyDB's layout: stereo 44.1 kHz WAV stems, mix, metadata, mixing coefficients
  mixing_secrets          Mixing Secrets' layout: mono and stereo, 16 and 24 bits, summed drums, raw file
                          names (no mix, as in the library's downloads)
  slakh2100_flac_redux    Slakh2100's layout (redux): mono FLAC, MIDI, metadata, train/validation/test
  mtg-jamendo             MTG-Jamendo's layout: tagged MP3s and the top-50 split
  irmas                   IRMAS' layout: 3 s training excerpts, annotated test excerpts
  openmic-2018            OpenMIC's layout: 10 s clips, partial labels (the npz's VGGish features are zeros)
  demo.json               settings, songs, damaged files, what each song is played with
  splits.csv              the test songs (and others of a sound of their own), for "mixlab index --splits"

Some files are damaged on purpose; demo.json lists them under "broken_files". Real corpora have them too.

Sound: {shown["test"]} for the test songs (whole artists) and the test tracks of the tagged corpora,
{validation}{shown["train"]} for everything else.
{common}
Where these differ, this, typed in this folder, makes a catalog whose splits keep the sounds apart:

  mixlab index CATALOG --splits splits.csv --root medleydb=medleydb \\
      --root mixing_secrets=mixing_secrets --root slakh=slakh2100_flac_redux

TimGM6mb.sf2 is by Tim Brechbill and distributed under the GNU General Public License, version 2; it comes
with the Python package pretty_midi. If you pass these recordings on, mention it. The compositions are
generated and free for any use.
"""
