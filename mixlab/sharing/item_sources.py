"""Where the items of an export come from: a stream, or recipes that were written before.

Both are plain values that travel to other processes; the catalog's files are opened where they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader, open_reader
from mixlab.catalog.readers import Reader
from mixlab.catalog.song_table import load_song_table
from mixlab.mixing.config import Kind, MixConfig, RenderSettings, label_hash
from mixlab.mixing.recipe import RECIPE_VERSION, MixRecipe
from mixlab.mixing.rendering import Mix, render_mix
from mixlab.mixing.replaying import with_digests
from mixlab.mixing.sampler import RecipeSampler
from mixlab.sharing.recipe_files import RecipeFile
from mixlab.taxonomy import LabelSet, load_label_set
from mixlab.utils.remote import Place

__all__ = ["ItemSource", "ReplayedItems", "StreamItems"]


@dataclass(frozen=True)
class ItemSource:
    """Items by number, each with its recipe and its mix.

    Attributes:
        catalog: The catalog.
        pack: ``auto``, the folder of a pack, or None for the corpora's files; see ``open_reader``.
    """

    catalog: Catalog
    pack: str | Path | None

    @cached_property
    def settings(self) -> RenderSettings:
        """How the first item is rendered; the others have its rate, channels and label set."""
        return self.recipe(0).render

    @property
    def labels(self) -> LabelSet:
        """The label set of the targets."""
        return load_label_set(self.settings.label_set)

    def class_names(self, position: int) -> tuple[str, ...]:
        """Return the names of the classes, by the recipe of an item that is there."""
        return load_label_set(self.recipe(position).render.label_set).names

    @property
    def most_sources(self) -> int:
        """The most sources that an item is expected to have, for the sizes of shards."""
        raise NotImplementedError

    @property
    def about(self) -> Mapping[str, Any]:
        """What the items are, as plain data without paths: two sources of which it is equal are the same."""
        raise NotImplementedError

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration that the items were sampled by, as plain data."""
        raise NotImplementedError

    def recipe(self, position: int) -> MixRecipe:
        """Return the recipe of an item."""
        raise NotImplementedError

    def select(self, first: int, last: int) -> "ItemSource":
        """Return the source with the items ``first`` to ``last - 1`` alone, under their numbers."""
        raise NotImplementedError

    def mix(self, position: int) -> Mix:
        """Return the mix of an item; its recipe carries the digests of its stems.

        Raises:
            AudioError: a file that it needs cannot be read.
            CatalogMismatchError: the catalog does not hold what it needs.
        """
        mix = render_mix(self.recipe(position), self.catalog, self._reader)
        return replace(mix, recipe=with_digests(mix.recipe, self.catalog))

    @cached_property
    def _reader(self) -> Reader:
        settings = self._rate_and_channels()
        return open_reader(self.catalog, *settings, self.pack)

    @property
    def needs(self) -> tuple[Place, ...]:
        """The folders that its items are read from."""
        pack = (self._reader.folder,) if isinstance(self._reader, PackReader) else ()
        return (self.catalog.origin or self.catalog.path, *pack, *self.catalog.roots.values())

    @property
    def _read_from(self) -> str:
        return "pack" if isinstance(self._reader, PackReader) else "files"

    def _rate_and_channels(self) -> tuple[int, int]:
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is quicker built anew."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_reader", "_sampler")}


@dataclass(frozen=True)
class StreamItems(ItemSource):
    """Items of an epoch of a stream: number i is the item i that ``MixDataset`` and ``mixlab mix`` have.

    Attributes:
        mixing: The configuration.
        split: train, validation or test.
        seed: Seed of the stream.
        epoch: Epoch of the stream.
        kind: Forces one kind of mix; None samples it.
    """

    mixing: MixConfig
    split: str
    seed: int
    epoch: int
    kind: Kind | None = None

    @cached_property
    def _sampler(self) -> RecipeSampler:
        return RecipeSampler(self.catalog, self.mixing, self.split)

    @property
    def most_sources(self) -> int:
        """See ``ItemSource``."""
        return max(self.mixing.max_sources, len(self.labels) if self.mixing.one_of_each else 0)

    @property
    def about(self) -> Mapping[str, Any]:
        """See ``ItemSource``."""
        songs = {"songs": load_song_table(self.catalog).content_hash} if self.mixing.shares["matched"] else {}
        return {
            "recipe_version": RECIPE_VERSION,
            "catalog": self.catalog.content_hash,
            "configuration": self.mixing.content_hash,
            "labels": label_hash(self.mixing.label_set),
            "split": self.split,
            "seed": self.seed,
            "epoch": self.epoch,
            "kind": self.kind,
            "read_from": self._read_from,
            **songs,
        }

    @property
    def config(self) -> Mapping[str, Any]:
        """See ``ItemSource``."""
        return self.mixing.to_dict()

    def recipe(self, position: int) -> MixRecipe:
        """See ``ItemSource``."""
        return self._sampler.sample(self.seed, self.epoch, position, self.kind)

    def select(self, first: int, last: int) -> "StreamItems":
        """See ``ItemSource``; a stream needs no items to be left out."""
        return self

    def _rate_and_channels(self) -> tuple[int, int]:
        return self.mixing.sample_rate, self.mixing.channels


@dataclass(frozen=True)
class ReplayedItems(ItemSource):
    """Items of a file of recipes, by their position in it.

    Attributes:
        file: The file.
        most_sources: Most sources of an item.
    """

    file: RecipeFile
    most_sources: int = 1

    @classmethod
    def open(cls, catalog: Catalog, file: RecipeFile, pack: str | Path | None = None) -> "ReplayedItems":
        """Check the catalog and every recipe, and return the items.

        Raises:
            CatalogMismatchError: the catalog lacks a stem, or has another one under its name.
            RecipeError: a recipe is damaged or of another version.
        """
        file.check(catalog)
        most = max(len(file.recipe(position).sources) for position in range(len(file)))
        return cls(catalog, pack, file, max(1, most))

    @property
    def about(self) -> Mapping[str, Any]:
        """See ``ItemSource``."""
        first = self.file.recipe(min(self.file.lines))
        return {
            "recipe_version": RECIPE_VERSION,
            "recipes": self.file.digest,
            "split": first.split,
            "seed": first.seed,
            "epoch": first.epoch,
            "read_from": self._read_from,
        }

    @property
    def config(self) -> Mapping[str, Any]:
        """See ``ItemSource``."""
        return self.file.config

    def recipe(self, position: int) -> MixRecipe:
        """See ``ItemSource``."""
        return self.file.recipe(position)

    def select(self, first: int, last: int) -> "ReplayedItems":
        """See ``ItemSource``."""
        return replace(self, file=self.file.select(range(first, last)))

    def _rate_and_channels(self) -> tuple[int, int]:
        settings = self.file.recipe(min(self.file.lines)).render
        return settings.sample_rate, settings.channels
