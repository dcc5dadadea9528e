"""``mixlab index``: make or update a catalog of corpora on disk."""

from pathlib import Path
from typing import Literal

from mixlab.catalog.build import BuildReport, build_catalog
from mixlab.catalog.splits import SplitMethod
from mixlab.cli.commands.catalog import wrap
from mixlab.cli.commands.options import parse_pairs
from mixlab.errors import ConfigError
from mixlab.utils.parallel import Engine

__all__ = ["index"]


def index(
    out: Path,
    root: list[str] | None = None,
    split: SplitMethod = "artist",
    seed: int = 0,
    splits: Path | None = None,
    raws: bool = False,
    follow_links: bool = False,
    metadata: list[str] | None = None,
    labels_extra: list[str] | None = None,
    unmapped: Literal["error", "ignore"] = "error",
    workers: int | None = None,
    engine: Engine = "local",
) -> int:
    """Read every stem of the given corpora once and write a catalog of them; audio is not copied.

    Songs that share audio, also under other names, in other formats and in other corpora, stay in one split.
    Roots that overlap are refused. Where a corpus does not say when a stem starts, the time stamp in its file
    does (Broadcast WAV), relative to the earliest of its song.

    Run it again to update: files whose size and time of change are the same are not read again. A
    run that was stopped goes on where it was.

    Args:
        out: Folder of the catalog; made if missing.
        root: A corpus as NAME=FOLDER, such as medleydb=/data/MedleyDB, or as NAME=URL (docs/remote.md); one
            --root for each corpus. NAME@OTHER is a second folder of the same kind. An adapter of your own is
            named package.module:Class.
        split: How songs are split 65/17.5/17.5: 'artist' (no artist in two splits), 'random' (by song)
            or 'corpus' (the corpus's own).
        seed: Seed of the split.
        splits: CSV file with the columns song (corpus/song) and split for songs whose split you decide;
            the rest is split by '--split' between the splits that the file leaves without a song.
        raws: Use the raw recordings instead of the stems (MedleyDB layouts).
        follow_links: Read what links lead to outside their root, too: for corpora that are kept as links, as
            by DataLad, git-annex or the cache of Hugging Face.
        metadata: Folder with a corpus's metadata as NAME=FOLDER, if it is not beside the audio.
        labels_extra: CSV with label rows of your own (label,nodes,ignored,note) as NAME=FILE.
        unmapped: What a label that no map knows is: an 'error', or a reason to 'ignore' its stem.
        workers: Processes; by default as many as there are processors, or one for little work.
        engine: 'local', or 'ray' for a running ray cluster (docs/cluster.md).
    """
    roots = parse_pairs(root, "--root")
    if not roots:
        raise ConfigError("Name at least one corpus: --root medleydb=/data/MedleyDB", code="missing-setting")
    report = build_catalog(
        out,
        roots,
        raws=raws,
        follow_links=follow_links,
        metadata=parse_pairs(metadata, "--metadata"),
        labels_extra=parse_pairs(labels_extra, "--labels_extra"),
        on_unmapped=unmapped,
        split=split,
        seed=seed,
        splits=splits,
        workers=workers,
        engine=engine,
    )
    print(summary(report, out))
    return 0


def summary(report: BuildReport, out: Path) -> str:
    """Return what a build found and did, as aligned text."""
    corpora = ", ".join(f"{name} {count}" for name, count in sorted(report.corpora.items()))
    rate = report.measured_hours * 3600 / max(report.seconds, 1e-9)
    lines = [
        f"catalog   {out}  (content {report.content_hash})",
        f"stems     {report.stems} in {report.songs} songs: {corpora}",
        f"usable    {report.drawable} stems",
        f"audio     {report.hours:.2f} h, active {report.active_hours:.2f} h",
        f"measured  {report.measured} files, {report.measured_hours:.2f} h of audio, "
        f"in {report.seconds:.1f} s ({rate:.0f} x real time); {report.reused} known already",
    ]
    if report.problems:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(report.problems.items()))
        lines.append(f"problems  {kinds}  (all in {out / 'problems.csv'})")
    else:
        lines.append("problems  none")
    remarks = [f"note      {note}" for note in report.notes]
    if report.empty:
        cells = ", ".join(f"{family} in {split}" for family, split in report.empty)
        remarks.insert(0, f"empty     no {cells}")
    remarks.append(f"splits    {report.leaks.verdict}")
    lines += [wrap(line, 10) for line in remarks]
    lines += ["", f"next: mixlab catalog {out}", f"      mixlab mix {out} --out mixes"]
    return "\n".join(lines)
