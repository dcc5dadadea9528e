"""The songs that the model that comes with mixlab is trained on, and those it is compared with, as catalogs.

Called by ``python -m benchmarks.shipped_model data``. What a seed gives changes with the version of the
composer, so each part is composed by the code of a commit that held the version by which the model was made.
"""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixlab.utils.csv import csv_text
from mixlab.utils.files import write_atomic

if TYPE_CHECKING:
    from mixlab.synthesis.notes.line_ups import LineUps

__all__ = ["KITS", "LICENCES", "libraries", "make_data"]

KITS = ("Audiophob", "BJA_Pacific", "circAfrique v4", "rumpf_kit_z01_h2")
"""Kits of Debian's hydrogen-drumkits under CC0, CC BY or CC BY-SA; the others are under the GPL."""


def libraries(notes: Path) -> list[Path]:
    """Return the libraries below a folder made by ``make notes`` whose licences allow it."""
    kits = notes / "hydrogen-drumkits"
    plain = [path for path in sorted(notes.iterdir()) if path.is_dir() and path != kits]
    return plain + [kits / name for name in KITS if (kits / name).is_dir()]


LICENCES = "licences.json"
"""The licences of the libraries by their names, beside the songs."""

REPOSITORY = Path(__file__).resolve().parents[1]
COMMITS = {
    1: "fd32c833b463c60636933d4aa58618e3d1c5d1b6",
    2: "02013becc5a8af3b5ceec930e7014a38834fe24e",
    4: "7fc5f16edc2746b2373ab2f264365930c5f15f68",
    8: "a91a2deff4c3a23e33dc5fadbea6570d21c1013c",
}
"""Commits by the version of the composer that they hold."""

TODAY = 0
"""Stands for the composer of the code as it is."""


@dataclass(frozen=True)
class Part:
    """A part of the composed songs.

    Attributes:
        version: Version of the composer that writes it; the first knew no line-ups but balanced ones.
        songs: How many, as a share of ``--songs``.
        notes: Whether recorded notes play it, or the SoundFont all that is not computed.
    """

    seed: int
    line_ups: "LineUps"
    version: int
    songs: float = 1.0
    notes: bool = True


PARTS = {
    "recorded": Part(101, "balanced", 1),
    "soundfont": Part(102, "balanced", 1, notes=False),
    "later": Part(103, "balanced", 2, songs=0.8),
    "records": Part(104, "records", 4, songs=1.6),
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
    version: int | None = None,
) -> None:
    """Compose the parts, or some of them, and make a packed catalog of each and of those that go together.

    Twice ``songs`` demo songs, as many as the baseline has, are a part of their own, ``demo``. A
    ``version`` of the composer, one of ``COMMITS`` or ``TODAY``, composes all parts in place of their own.
    """
    from mixlab.synthesis.notes.reading import find_libraries

    held = libraries(notes)
    licences = {library.name: library.licence for library in find_libraries(held)}
    work.mkdir(parents=True, exist_ok=True)
    write_atomic(work / LICENCES, json.dumps(licences, indent=1) + "\n")
    for name in only or [*PARTS, DEMO]:
        if name == DEMO:
            make_demo(work, 2 * songs, seconds, workers)
            continue
        begin, count = time.time(), round(PARTS[name].songs * songs)
        options = ["--songs", str(count), "--seconds", str(seconds), "--workers", str(workers)]
        options += ["--soundfont", str(soundfont.resolve())]
        compose(work, name, held, options, version)
        print(f"{name}: {count} songs in {time.time() - begin:.0f} s", flush=True)
        make_catalog(work, name, [name])
    for name, parts in CATALOGS.items():
        if all((work / "composed" / part / "splits.csv").is_file() for part in parts):
            make_catalog(work, name, parts)


def compose(
    work: Path, name: str, notes: Sequence[Path], options: Sequence[str], version: int | None
) -> None:
    """Compose a part by ``mixlab compose``, of the commit that holds the version of the composer."""
    part = PARTS[name]
    version = part.version if version is None else version
    code = REPOSITORY if version == TODAY else code_of(COMMITS[version], work)
    command = [sys.executable, "-m", "mixlab.cli", "compose", str((work / "composed" / name).resolve())]
    command += ["--seed", str(part.seed), *options]
    command += ["--notes", json.dumps([str(path.resolve()) for path in notes])] if part.notes else []
    command += ["--line_ups", part.line_ups] if version != 1 else []
    done = subprocess.run(command, cwd=code, env={**os.environ, "PYTHONPATH": str(code)}, check=False)
    if done.returncode:
        raise SystemExit(f"composing {name} failed, see above")


def code_of(commit: str, work: Path) -> Path:
    """Return a folder with the code of a commit, taken from this clone's history.

    Raises:
        SystemExit: the history does not hold it, as where only the newest commit was cloned.
    """
    place = (work / "code" / commit).resolve()
    if (place / "mixlab").is_dir():
        return place
    command = ["git", "archive", "--format=tar", commit, "mixlab", "taxonomy", "pyproject.toml"]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False)
    if found.returncode:
        raise SystemExit(
            f"The composer of commit {commit} is needed, and git does not give it "
            f"({found.stderr.decode(errors='replace').strip()}). Run this in a clone of mixlab with all its "
            "history ('git fetch --unshallow' gets it), or compose by the code as it is with --composer 0: "
            "other songs, and another model, come out."
        )
    part = place.with_suffix(".part")  # what is cut off is not taken for the whole
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(part, filter="data")
    return part.rename(place)


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
