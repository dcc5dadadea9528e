"""``mixlab export``: write mixes as a dataset that other programs read."""

from pathlib import Path

from mixlab.catalog.catalog import Catalog
from mixlab.cli.commands.options import parse_pairs
from mixlab.mixing.config import Kind, MixConfig
from mixlab.sharing.encoding import AudioFormat
from mixlab.sharing.exporting import ExportReport, verify_export
from mixlab.sharing.exporting_mixes import export_mixes
from mixlab.sharing.formats import ExportFormat
from mixlab.utils.parallel import Engine

__all__ = ["export"]

_TOLD = 20


def export(
    catalog: Path,
    out: Path,
    format: ExportFormat = "webdataset",
    items: int | None = None,
    seed: int = 0,
    epoch: int = 0,
    split: str = "train",
    kind: Kind | None = None,
    evaluation: bool | None = None,
    recipes: Path | None = None,
    audio: AudioFormat = "flac",
    sources: bool = False,
    shard_mb: float | None = None,
    shard_items: int | None = None,
    pack: str = "auto",
    workers: int | None = None,
    engine: Engine = "local",
    verify: bool = False,
    root: list[str] | None = None,
    mix: MixConfig = MixConfig(),
) -> int:
    """Write the first items of the stream as a dataset: webdataset, Hugging Face or a folder of files.

    Item i is the stream's item i, in 16 bits. An export that was stopped goes on with the shard it was in and
    ends with the same bytes; more --items continue one. Items whose files cannot be read are left out and
    listed. The dataset has a card (README.md) and a list of its files with their SHA-256 (export.json).

    Args:
        catalog: Catalog folder, as 'mixlab index' makes it, or its URL (docs/remote.md).
        out: Folder for the dataset.
        format: webdataset (tar files), huggingface (Parquet, for 'datasets.load_dataset') or folder (audio
            files, labels.csv and JSON lines).
        items: How many items; of --recipes all by default.
        seed: Seed of the stream.
        epoch: Epoch of the stream.
        split: train, validation or test.
        kind: Force musical, non_musical or matched mixes, whatever mix.p_musical or mix.strategies say.
        evaluation: Mix as validation and test do: musical, without effects. By default so for these splits,
            so that the items are those that models are scored on.
        recipes: Write the mixes of this file, as 'mixlab recipes' writes it, instead of sampling; the
            settings of the mixing are its own.
        audio: flac or wav; both hold the same 16-bit samples.
        sources: Also write every source as it stands in the mixture.
        shard_mb: Most megabytes of audio per shard, before compression; 100 by default.
        shard_items: Items per shard, instead of --shard_mb.
        pack: Folder of a pack to read from, 'auto' for the catalog's own where it has one that fits, or
            'files' for the corpora's files.
        workers: Processes, each of which writes a shard at a time; by default as many as there are
            processors.
        engine: 'local', or 'ray' for a running ray cluster whose machines share OUT (docs/cluster.md).
        verify: Only compare the files of a finished export with their SHA-256; exit code 1 if one is wrong.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        mix: How mixes are sampled and rendered.
    """
    if verify:
        wrong = verify_export(out)
        print("\n".join(wrong) or f"All files of {out} are as they were written.")
        return 1 if wrong else 0
    report = export_mixes(
        Catalog.open(catalog, roots=parse_pairs(root, "--root")),
        out,
        mix,
        items=items,
        format=format,
        seed=seed,
        epoch=epoch,
        split=split,
        kind=kind,
        evaluation=evaluation,
        recipes=recipes,
        audio=audio,
        sources=sources,
        shard_mb=shard_mb,
        shard_items=shard_items,
        pack=pack,
        workers=workers,
        engine=engine,
    )
    print(summary(report, out))
    return 1 if report.left_out else 0


def summary(report: ExportReport, out: Path) -> str:
    """Return what an export wrote, as text."""
    kept = f", {report.kept} of them there already" if report.kept else ""
    lines = [
        f"{report.written} of {report.items} items in {report.shards} shards{kept}, "
        f"{report.size / 1e6:.1f} MB, in {out}",
        f"{report.scaled} items lay beyond full scale and were scaled down (file_scale_db)",
    ]
    if report.left_out:
        lines += ["", f"{len(report.left_out)} items could not be rendered and are left out:"]
        lines += [f"  item {item}: {why}" for item, why in report.left_out[:_TOLD]]
        if len(report.left_out) > _TOLD:
            lines.append(f"  and {len(report.left_out) - _TOLD} more, see {out / '.export'}")
        lines.append("The same command tries them again.")
    return "\n".join(lines)
