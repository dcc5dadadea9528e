"""The songs that the model that comes with mixlab is trained on, and those it is compared with, as catalogs.

Called by ``python -m benchmarks.shipped_model data``.
"""

import csv
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixlab.utils.csv import csv_text

if TYPE_CHECKING:
    from mixlab.synthesis.notes.line_ups import LineUps

__all__ = ["KITS", "libraries", "make_data"]

KITS = ("Audiophob", "BJA_Pacific", "circAfrique v4", "rumpf_kit_z01_h2")
"""Kits of Debian's hydrogen-drumkits under CC0, CC BY or CC BY-SA; the others are under the GPL."""


def libraries(notes: Path) -> list[Path]:
    """Return the libraries below a folder made by ``make notes`` whose licences allow it."""
    kits = notes / "hydrogen-drumkits"
    plain = [path for path in sorted(notes.iterdir()) if path.is_dir() and path != kits]
    return plain + [kits / name for name in KITS if (kits / name).is_dir()]


@dataclass(frozen=True)
class Part:
    """A part of the composed songs.

    Attributes:
        songs: How many, as a share of ``--songs``.
        notes: Whether recorded notes play it, or the SoundFont all that is not computed.
    """

    seed: int
    line_ups: "LineUps"
    songs: float = 1.0
    notes: bool = True


PARTS = {
    "recorded": Part(101, "balanced"),
    "soundfont": Part(102, "balanced", notes=False),
    "later": Part(103, "balanced", songs=0.8),
    "records": Part(104, "records", songs=1.6),
}
CATALOGS = {
    "both": ["recorded", "soundfont"],
    "all": ["recorded", "soundfont", "later"],
    "notes": ["recorded", "later", "records"],
}
"""Which parts each catalog of several holds; every part is one alone, too."""
DEMO = "demo"
MATCHED = "both"
"""The catalog whose songs are analysed, so that songs that fit in tempo and key can be mixed."""


def make_data(
    work: Path,
    notes: Path,
    soundfont: Path,
    songs: int,
    seconds: float,
    workers: int,
    only: Sequence[str] = (),
) -> None:
    """Compose the parts, or some of them, and make a packed catalog of each and of those that go together.

    Twice ``songs`` demo songs, as many as the baseline has, are a part of their own, ``demo``.
    """
    from mixlab.synthesis.modelled import ModelledPlayers
    from mixlab.synthesis.notes.making import make_composed

    held = libraries(notes)
    for name in only or [*PARTS, DEMO]:
        if name == DEMO:
            make_demo(work, 2 * songs, seconds, workers)
            continue
        part, begin = PARTS[name], time.time()
        made = make_composed(
            work / "composed" / name,
            notes=held if part.notes else [],
            songs=round(part.songs * songs),
            seconds=seconds,
            seed=part.seed,
            line_ups=part.line_ups,
            workers=workers,
            soundfonts=[soundfont],
            finders=[ModelledPlayers()],
        )
        print(f"{name}: {made.made} songs in {time.time() - begin:.0f} s; {dict(made.stems)}", flush=True)
        make_catalog(work, name, [name])
    for name, parts in CATALOGS.items():
        if all((work / "composed" / part / "splits.csv").is_file() for part in parts):
            make_catalog(work, name, parts)


def make_demo(work: Path, songs: int, seconds: float, workers: int) -> None:
    """Make demo corpora, and a packed catalog of them."""
    from mixlab.synthesis.build import make_demo_corpora

    place = work / "catalogs" / DEMO
    if (place / "finished").is_file():
        return
    made = make_demo_corpora(
        work / "composed" / DEMO, songs=songs, seconds=seconds, workers=workers, tagged=False
    )
    place.mkdir(parents=True, exist_ok=True)
    catalog = str(place / "catalog")
    roots = [text for name, root in made.roots.items() for text in ("--root", f"{name}={root}")]
    _run(["index", catalog, *roots], ["pack", catalog])
    (place / "finished").touch()


def make_catalog(work: Path, name: str, parts: Sequence[str]) -> None:
    """Put the songs of some parts into one tree, index it, and pack it at 16 kHz."""
    place = work / "catalogs" / name
    if (place / "finished").is_file():
        return
    songs, rows = place / "songs", ["song,split"]
    shutil.rmtree(place, ignore_errors=True)
    songs.mkdir(parents=True)
    for part in parts:
        source = work / "composed" / part
        for line in (source / "splits.csv").read_text(encoding="utf-8").splitlines()[1:]:
            song, split = line.removeprefix("folder/").split(",")
            _put(source / "songs" / song, songs / f"{part}-{song}", part)
            rows.append(f"folder/{part}-{song},{split}")
    (place / "splits.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    catalog, splits = str(place / "catalog"), str(place / "splits.csv")
    _run(["index", catalog, "--splits", splits, "--root", f"folder={songs}"], ["pack", catalog])
    if name == MATCHED:
        _run(["analyse", catalog])
    (place / "finished").touch()


def _run(*commands: list[str]) -> None:
    from mixlab.cli.main import main

    for command in commands:
        if main(command):
            raise SystemExit(f"mixlab {' '.join(command)} failed")


def _put(song: Path, place: Path, part: str) -> None:
    """Put a song into a tree under another name, without a copy of its sound."""
    place.mkdir()
    for file in sorted(song.iterdir()):
        if file.name == "stems.csv":
            rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
            # Both halves take the names of their artists from one list, and are not by the same ones.
            own = [{**row, "song": place.name, "artist": f"{row['artist']} ({part})"} for row in rows]
            content = csv_text([list(rows[0]), *(list(row.values()) for row in own)])
            (place / file.name).write_text(content, encoding="utf-8")
        else:
            (place / file.name.replace(song.name, place.name)).hardlink_to(file)
