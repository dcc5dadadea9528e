"""``mixlab subset``: make a smaller catalog of some songs of another one."""

from pathlib import Path

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.subset import Keep, SubsetReport, subset_catalog
from mixlab.cli.commands.options import parse_pairs

__all__ = ["subset"]


def subset(
    catalog: Path,
    out: Path,
    corpora: list[str] | None = None,
    artists: list[str] | None = None,
    genres: list[str] | None = None,
    min_duration_s: float = 0.0,
    classes: list[str] | None = None,
    labels: str = "mixtures15",
    keep: Keep = "songs",
    root: list[str] | None = None,
) -> int:
    """Make a catalog of those songs of another one that fit all filters, without reading any audio.

    Songs keep their splits. The new catalog records what it was made of, and reads from that one's packs.
    Run it again after 'mixlab index' to bring it up to date.

    Args:
        catalog: Catalog folder, as 'mixlab index' makes it.
        out: Folder of the new one; a subset that lies there is written anew.
        corpora: Names of corpora; one --corpora for each, as with all filters by name.
        artists: Artists, whatever their case, spaces and punctuation.
        genres: Genres as the corpora state them, whatever their case.
        min_duration_s: Least length of a song in seconds.
        classes: Classes of which one is certain to sound in the song.
        labels: Label set of the classes: mixtures15, irmas11, openmic20, jamendo50, mtat50, musdb4
            or a YAML file.
        keep: 'songs' keeps all stems of these songs, 'stems' only those with one of the classes.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
    """
    opened = Catalog.open(catalog, roots=parse_pairs(root, "--root"))
    report = subset_catalog(
        opened,
        out,
        corpora=corpora or (),
        artists=artists or (),
        genres=genres or (),
        min_duration_s=min_duration_s,
        classes=classes or (),
        label_set=labels,
        keep=keep,
    )
    print(_summary(report, opened))
    return 0


def _summary(report: SubsetReport, made_of: Catalog) -> str:
    lines = [
        f"catalog   {report.path}  (content {report.content_hash})",
        f"made of   {made_of.path}  (content {made_of.content_hash})",
    ]
    for name, count in report.left_out.items():
        unstated = report.unstated[name]
        unknown = f", {unstated} of them as the catalog does not know theirs" if unstated else ""
        lines.append(f"left out  {count} songs by {name}{unknown}")
    by_split = ", ".join(f"{split} {count}" for split, count in report.splits.items())
    (songs, of_songs), (stems, of_stems), (usable, of_usable) = report.songs, report.stems, report.usable
    lines += [
        f"songs     {songs} of {of_songs}: {by_split}",
        f"stems     {stems} of {of_stems}, usable {usable} of {of_usable}",
    ]
    empty = [split for split, count in report.splits.items() if not count]
    if empty:
        lines.append(f"empty     no song in {', '.join(empty)}: nothing can be mixed there")
    return "\n".join([*lines, "", f"next: mixlab catalog {report.path}"])
