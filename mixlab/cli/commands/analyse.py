"""``mixlab analyse``: find tempo, beats and key of the songs of a catalog."""

from pathlib import Path

from mixlab.catalog.analysis import AnalysisReport, analyse_songs
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SONG_FILE
from mixlab.cli.commands.options import parse_pairs
from mixlab.utils.parallel import Engine

__all__ = ["analyse"]


def analyse(
    catalog: Path,
    songs: Path | None = None,
    workers: int | None = None,
    engine: Engine = "local",
    root: list[str] | None = None,
) -> int:
    """Find tempo, beats and key of every song, each with a confidence; matched mixes are sampled by them.

    What the table --songs says is taken first, then the song's MIDI file where its corpus has one (Slakh),
    and the rest is estimated from the audio. The table lies beside the catalog, whose hash stays, as do
    all mixes but matched ones. A run that was stopped goes on where it was; after 'mixlab index', only songs
    that have changed are analysed again.

    Args:
        catalog: Catalog folder, as 'mixlab index' makes it.
        songs: CSV with the column song (corpus/song) and any of tempo (beats per minute), first_beat
            (seconds) and key (such as 'F# minor') for songs that you know better.
        workers: Processes; by default one per processor.
        engine: 'local', or 'ray' for a running ray cluster (docs/cluster.md).
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
    """
    opened = Catalog.open(catalog, roots=parse_pairs(root, "--root"))
    report = analyse_songs(opened, songs=songs, workers=workers, engine=engine)
    print(summary(report, catalog))
    return 1 if report.problems else 0


def summary(report: AnalysisReport, catalog: Path) -> str:
    """Return what an analysis found, as aligned text."""
    facts = report.table.songs.values()
    origins = ", ".join(f"{name} {count}" for name, count in sorted(report.origins.items()))
    beats = sum(f.beats.confidence >= 0.5 for f in facts)
    keys = sum(f.key.confidence >= 0.5 for f in facts)
    lines = [
        f"songs     {len(facts)}: {report.analysed} analysed in {report.seconds:.1f} s, "
        f"{report.reused} known already",
        f"beats     {origins or 'none'}; {beats} with a confidence of 0.5 or more",
        f"keys      {keys} with a confidence of 0.5 or more",
        f"table     {catalog / SONG_FILE}  (content {report.table.content_hash})",
    ]
    if report.problems:
        lines.append(f"problems  {len(report.problems)} songs:")
        lines += [f"  {song}: {problem}" for song, problem in report.problems.items()]
    lines += ["", f"next: mixlab mix {catalog} --kind matched --out matched"]
    return "\n".join(lines)
