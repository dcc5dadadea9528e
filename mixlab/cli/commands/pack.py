"""``mixlab pack``: make reading free, at the cost of disk space."""

import re
from pathlib import Path

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import default_pack_folder, find_pack
from mixlab.catalog.pack_index import verify_pack
from mixlab.catalog.packing import pack_catalog
from mixlab.cli.commands.options import parse_pairs
from mixlab.errors import ConfigError
from mixlab.utils.parallel import Engine
from mixlab.utils.remote import RemotePath, as_place

__all__ = ["pack"]

_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def pack(
    catalog: Path,
    out: str | None = None,
    sample_rate: int = 16000,
    channels: int = 1,
    budget: str | None = None,
    verify: bool = False,
    workers: int | None = None,
    engine: Engine = "local",
    root: list[str] | None = None,
) -> int:
    """Resample every usable stem once into memory-mapped 16-bit shards, from which mixing is much faster.

    Training uses the pack by itself where its rate and channels are the mixes'. A run that was stopped goes
    on with the shards it lacks; stems whose audio has changed are packed anew after 'mixlab index', and until
    then are read from their files, with a warning. Sources without pitch and time effects are the same to
    within half a step of 16 bits.

    Args:
        catalog: Catalog folder, as 'mixlab index' makes it, or its URL.
        out: Folder of the pack; by default within the catalog, where it is found by itself. With '--verify'
            it may be a URL.
        sample_rate: The mixes' rate in Hz.
        channels: The mixes' channels.
        budget: Most disk space, such as 20GB; stems that are sampled most often per byte come first, the
            others are read from their files.
        verify: Only compare the index, the shards and their checksums of an existing pack with one another;
            exit code 1 if something is wrong.
        workers: Processes; by default one per processor.
        engine: 'local', or 'ray' for a running ray cluster (docs/cluster.md).
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
    """
    opened = Catalog.open(catalog, roots=parse_pairs(root, "--root"))
    place = as_place(out) if out else None
    if verify:
        own = find_pack(opened, sample_rate, channels) or default_pack_folder(opened, sample_rate, channels)
        folder = place or own
        wrong = verify_pack(folder)
        print("\n".join(wrong) or f"All shards of {folder} are as they were written.")
        return 1 if wrong else 0
    if isinstance(place, RemotePath):
        raise ConfigError(
            f"A pack is written to a folder on this machine, found --out {place}. Copy it there when it is "
            "done; mixlab reads it from there.",
            code="remote-not-supported",
        )
    report = pack_catalog(
        opened,
        place,
        sample_rate=sample_rate,
        channels=channels,
        budget_bytes=None if budget is None else _parse_bytes(budget),
        workers=workers,
        engine=engine,
    )
    print(f"pack      {report.folder}")
    print(f"stems     {report.stems}, {report.bytes / 1e9:.2f} GB; {report.left_out} left out by the budget")
    print(f"shards    {report.written} written, {report.kept} there already")
    if report.problems:
        print(f"problems  {len(report.problems)} stems are read from their files instead:")
        print("\n".join(f"  {problem}" for problem in report.problems))
    if out is None:
        print("\nTraining on mixes of this rate and these channels now reads from it; nothing more to do.")
    else:
        print(f"\nMixDataset(..., pack={str(report.folder)!r}) reads from it.")
    print("'mixlab mix' reads the corpora's files as before, so that replays stay the same bytes.")
    return 1 if report.problems else 0


def _parse_bytes(text: str) -> int:
    match = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?)B?\s*", text, flags=re.IGNORECASE)
    if match is None:
        raise ConfigError(
            f"--budget takes a size such as 20GB or 500MB, found {text!r}.", code="malformed-option"
        )
    return int(float(match[1]) * _UNITS[match[2].upper()])
