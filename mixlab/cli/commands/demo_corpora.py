"""``mixlab demo-corpora``: make small corpora in the layouts of the real ones."""

import time
from pathlib import Path

from mixlab.cli.commands.item_bar import ItemBar
from mixlab.errors import ConfigError
from mixlab.synthesis import DEFAULT_SECONDS, DEFAULT_SONGS, make_demo_corpora
from mixlab.synthesis.clip_trees.base import DEFAULT_RECORDINGS, TreeOptions
from mixlab.synthesis.clip_trees.making import make_clip_trees
from mixlab.synthesis.soundfonts import overlap_lines
from mixlab.utils.parallel import Engine

__all__ = ["demo_corpora"]


def demo_corpora(
    out: Path,
    songs: int = DEFAULT_SONGS,
    seconds: float = DEFAULT_SECONDS,
    seed: int = 0,
    workers: int | None = None,
    engine: Engine = "local",
    soundfont: list[Path] | None = None,
    validation_soundfont: Path | None = None,
    test_soundfont: Path | None = None,
    tagged: bool = True,
    clips: str = "",
    recordings: int = DEFAULT_RECORDINGS,
    track_seconds: float = 30.0,
    force: bool = False,
) -> None:
    """Make demo corpora: generated songs laid out exactly as the real corpora are, without any download.

    A small composer writes the songs and a synthesizer plays them, stem by stem. Everything else of
    mixlab then runs on them as it would on MedleyDB, Mixing Secrets, Slakh2100, MTG-Jamendo, IRMAS and
    OpenMIC. Scores on them are demo numbers: they show that the steps work, and nothing about real music.

    Args:
        out: folder to write
        songs: multitrack songs in all; the tagged corpora grow with it
        seconds: length of a song
        seed: another seed gives other songs; the same one gives the same files, byte for byte
        workers: processes; by default one per processor, or as many as the cluster has
        engine: 'local', or 'ray' for a running ray cluster whose machines share OUT (docs/cluster.md)
        soundfont: SoundFont (.sf2) to play with instead of TimGM6mb, which comes with pretty_midi; given
            several times, each artist gets one of them
        validation_soundfont: another SoundFont for the songs of validation, so that epochs and thresholds
            are chosen on a sound that was not trained on
        test_soundfont: another SoundFont for the songs of test; OUT/splits.csv names all songs with one of
            their own, and a catalog made with '--splits OUT/splits.csv' has exactly these in that split
        tagged: also make the tagged corpora (MTG-Jamendo, IRMAS, OpenMIC), not only the multitracks
        clips: instead of all that, make trees of labelled clips, each in a folder of its own below OUT: names
            with commas between, or all
        recordings: of a tree of clips, the recordings (artists, speakers, instruments) of each class
        track_seconds: of a tree of clips, the length of tracks that last 30 s in the real one (GTZAN, FMA,
            Extended Ballroom)
        force: replace demo corpora in OUT that were made with other settings
    """
    if clips:
        options = TreeOptions(recordings, seed, _one(soundfont), track_seconds)
        _clip_trees(out, clips.split(","), options, workers, engine, force)
        return
    started = time.monotonic()
    with ItemBar("demo corpora") as bar:
        made = make_demo_corpora(
            out,
            songs=songs,
            seconds=seconds,
            seed=seed,
            workers=workers,
            engine=engine,
            soundfonts=soundfont or (),
            validation_soundfont=validation_soundfont,
            test_soundfont=test_soundfont,
            tagged=tagged,
            force=force,
            progress=bar,
        )
    took = time.monotonic() - started
    kept = f", {made.kept} were there already" if made.kept else ""
    print(
        f"Demo corpora in {made.path}: {made.made} items in {took:.0f} s{kept}, "
        f"{made.megabytes:.0f} MB in all."
    )
    width = max(len(name) for name in made.roots)
    for name, root in made.roots.items():
        print(f"  {name:<{width}}  {root}")
    print("".join(f"{line}\n" for line in overlap_lines(made.shared)), end="")
    print("Damaged files are there on purpose; demo.json lists them. Licences: README.txt.")
    multitrack = ("medleydb", "mixing_secrets", "slakh")
    roots = " ".join(f"--root {name}={made.roots[name]}" for name in multitrack)
    splits = f"--splits {out}/splits.csv " if validation_soundfont or test_soundfont else ""
    print(f"\nNext: mixlab index {out}/catalog {splits}{roots}")


def _one(soundfonts: list[Path] | None) -> Path | None:
    if soundfonts and len(soundfonts) > 1:
        raise ConfigError(
            f"Trees of clips are played with one SoundFont, found {len(soundfonts)}.", code="repeated-option"
        )
    return soundfonts[0] if soundfonts else None


def _clip_trees(
    out: Path, names: list[str], options: TreeOptions, workers: int | None, engine: Engine, force: bool
) -> None:
    with ItemBar("demo corpora") as bar:
        trees = make_clip_trees(
            out, names, options, workers=workers, engine=engine, force=force, progress=bar
        )
    for tree in trees:
        kept = f", {tree.kept} were there already" if tree.kept else ""
        print(f"{tree.name}: {tree.root} ({tree.made} files made{kept})\n  demo: {tree.about}")
    print(f"\nNext: mixlab clips {trees[0].name} {trees[0].root}")
