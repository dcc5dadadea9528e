"""``mixlab compose``: make multitracks of composed songs, played by recorded notes."""

import time
from pathlib import Path

from mixlab.cli.commands.item_bar import ItemBar
from mixlab.synthesis.modelled import ModelledPlayers
from mixlab.synthesis.notes.line_ups import LineUps
from mixlab.synthesis.notes.making import DEFAULT_COMPOSED, make_composed
from mixlab.utils.parallel import Engine

__all__ = ["compose"]

_SHOWN = 5


def compose(
    out: Path,
    notes: list[Path] | None = None,
    songs: int = DEFAULT_COMPOSED,
    seconds: float = 30.0,
    soundfont: list[Path] | None = None,
    seed: int = 0,
    workers: int | None = None,
    engine: Engine = "local",
    bleed: float = 0.0,
    line_ups: LineUps = "records",
    tone: bool = True,
    modelled: bool = True,
    force: bool = False,
) -> None:
    """Compose songs and have them played by libraries of recorded notes, as multitracks with exact labels.

    A library is a folder of files named by pitch, an SFZ instrument, a SoundFont, a drum kit of Hydrogen, or
    the notes of NSynth, TinySOL or the Philharmonia. Every stem gets an equaliser, a compressor, a level and
    a place in the song's room. docs/compose.md says where libraries come from, and what is done with them.

    Args:
        out: folder to write
        notes: folder of a library of recorded notes, or with some below it; may be given several times
        songs: number of songs
        seconds: length of a song
        soundfont: SoundFont (.sf2) for instruments that no library plays; may be given several times
        seed: another seed gives other songs; the same one gives the same files, byte for byte
        workers: processes; by default one per processor, or as many as the cluster has
        engine: 'local', or 'ray' for a running ray cluster whose machines share all folders (docs/cluster.md)
        bleed: part of the songs, from 0 to 1, with the others in each stem, as of a band in one room
        line_ups: 'records': styles as frequent as among records, with drums, guitars or voices in most songs;
            'balanced': so that the eight families are about equally frequent
        tone: bring stems and mixes near the brightness and the balance that they have on records
        modelled: let computed voices sing and computed synthesizers play, in place of what a SoundFont has
        force: replace songs in OUT that were made with other settings
    """
    started = time.monotonic()
    with ItemBar("compose", "song") as bar:
        made = make_composed(
            out,
            notes=notes or (),
            songs=songs,
            seconds=seconds,
            seed=seed,
            workers=workers,
            engine=engine,
            soundfonts=soundfont or (),
            finders=[ModelledPlayers()] if modelled else (),
            bleed=bleed,
            line_ups=line_ups,
            tone=tone,
            force=force,
            progress=bar,
        )
    kept = f", {made.kept} were there already" if made.kept else ""
    print(f"Composed songs in {made.path}: {made.made} in {time.monotonic() - started:.0f} s{kept}.")
    print("Stems: " + ", ".join(f"{family or 'other'} {count}" for family, count in made.stems.items()))
    if not notes and not soundfont:
        print(
            "  Without libraries (--notes) and SoundFonts (--soundfont) computed voices and synthesizers "
            "play alone. 'make notes' in a checkout fetches libraries (docs/compose.md)."
        )
    for path, message in made.problems[:_SHOWN]:
        print(f"  problem: {path}: {message}")
    if len(made.problems) > _SHOWN:
        print(
            f"  and {len(made.problems) - _SHOWN} more problems with files, pieces or names (docs/compose.md)"
        )
    print(f"Licences: {made.path / 'README.txt'}")
    print(f"\nNext: mixlab index {out}/catalog --splits {out}/splits.csv --root folder={made.root}")
