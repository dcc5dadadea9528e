"""Export a stream, or a file of recipes, in one call: what ``mixlab export`` does."""

from pathlib import Path
from typing import get_args

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.mixing.config import Kind, MixConfig
from mixlab.sharing.encoding import AudioFormat
from mixlab.sharing.exporting import ExportReport, ExportSettings, export_items, items_per_shard
from mixlab.sharing.formats import ExportFormat
from mixlab.sharing.item_sources import ItemSource, ReplayedItems, StreamItems
from mixlab.sharing.recipe_files import read_recipes
from mixlab.utils.parallel import Engine
from mixlab.utils.values import refuse

__all__ = ["export_mixes"]

_SHARD_MB = 100.0


def export_mixes(
    catalog: Catalog | str | Path,
    out: str | Path,
    config: MixConfig = MixConfig(),
    *,
    items: int | None = None,
    format: ExportFormat = "webdataset",
    seed: int = 0,
    epoch: int = 0,
    split: str = "train",
    kind: Kind | None = None,
    evaluation: bool | None = None,
    recipes: str | Path | None = None,
    audio: AudioFormat = "flac",
    sources: bool = False,
    shard_mb: float | None = None,
    shard_items: int | None = None,
    pack: str | Path = "auto",
    workers: int | None = None,
    engine: Engine = "local",
) -> ExportReport:
    """Write the first items of the stream as a dataset: webdataset, Hugging Face or a folder of files.

    Item i is the item i that ``MixDataset`` has with the same settings, in 16 bits. An export that was
    stopped goes on and ends with the same bytes. Items whose files cannot be read are left out and reported.

    Args:
        catalog: The catalog, or its folder.
        out: Folder for the dataset: new, empty, or of the same export, which may have had fewer items.
        config: How mixes are sampled and rendered; with ``recipes`` their own settings are taken.
        items: How many; of ``recipes`` all by default.
        format: ``webdataset`` (tar files), ``huggingface`` (Parquet) or ``folder`` (of files).
        seed: Seed of the stream.
        epoch: Epoch of the stream.
        split: ``train``, ``validation`` or ``test``.
        kind: Forces one kind of mix, whatever ``config`` says.
        evaluation: Mix as for evaluation: musical, without effects. None: so for validation and test.
        recipes: A file of recipes to render instead of sampling, as ``mixlab recipes`` writes it.
        audio: ``flac`` or ``wav``; both hold the same samples.
        sources: Also write every source as it stands in the mixture.
        shard_mb: Most megabytes of audio per shard, before compression; 100 by default.
        shard_items: Items per shard, instead of ``shard_mb``.
        pack: Folder of a pack to read from, ``auto`` for the catalog's own where it has one that fits, or
            ``files`` for the corpora's files.
        workers: Processes; by default one per processor.
        engine: ``local``, or ``ray`` for a running ray cluster whose machines share ``out``.

    Returns:
        How many items and shards were written, and what was left out and why.

    Raises:
        ConfigError: a setting has none of its values, a number is not above 0, ``items`` is missing or more
            than ``recipes`` has, both ``shard_mb`` and ``shard_items`` are given, or ``out`` holds something
            else.
        RecipeError: ``recipes`` is no file of recipes, or does not fit the catalog.
        CatalogError: a corpus is not where the catalog says.
        OutputError: nothing can be written at ``out``.

    Example:
        >>> from mixlab import Catalog, MixConfig, export_mixes
        >>> config = MixConfig(duration_s=1.0)
        >>> report = export_mixes(Catalog.open("my-catalog"), "shards", config, items=4, workers=1)
        >>> report.written, report.shards, report.left_out
        (4, 1, ())
    """
    chosen = {"format": (format, ExportFormat), "audio": (audio, AudioFormat), "kind": (kind, Kind)}
    for name, (value, choices) in chosen.items():
        if value not in get_args(choices) and not (name == "kind" and value is None):
            raise refuse(name, f"one of {', '.join(get_args(choices))}", value)
    if not isinstance(catalog, Catalog):
        catalog = Catalog.open(catalog)
    read_from = None if pack == "files" else pack
    source: ItemSource
    if recipes is not None:
        file = read_recipes(Path(recipes))
        source = ReplayedItems.open(catalog, file, read_from)
        items = len(file) if items is None else items
        if items > len(file):
            raise ConfigError(f"items {items}: {recipes} has {len(file)} recipes.", code="invalid-setting")
    else:
        mixing = (
            config.for_evaluation() if (split != "train" if evaluation is None else evaluation) else config
        )
        source = StreamItems(catalog, read_from, mixing, split, seed, epoch, kind)
    if items is None:
        raise ConfigError(
            "Say how many items of the stream: --items 1000, in Python items=1000.", code="missing-setting"
        )
    for name, number in {"items": items, "shard_mb": shard_mb, "shard_items": shard_items}.items():
        if number is not None and not number > 0:
            raise refuse(name, "more than 0", number)
        if name != "shard_mb" and number != (None if number is None else int(number)):
            raise refuse(name, "a whole number", number)
    if shard_mb is not None and shard_items is not None:
        raise ConfigError("Give one of shard_mb and shard_items.", code="conflicting-settings")
    size = shard_items or items_per_shard(
        source, ExportSettings(format, audio, sources), shard_mb or _SHARD_MB
    )
    settings = ExportSettings(format, audio, sources, size)
    return export_items(source, Path(out), settings, items, workers=workers, engine=engine)
