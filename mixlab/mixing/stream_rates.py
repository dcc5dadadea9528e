"""What a stream is made of at given settings: kinds, classes, classes together and numbers of sources.

Nothing is rendered: labels come from the levels over time that the catalog has of each recording.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S, FloatArray
from mixlab.catalog.catalog import Catalog
from mixlab.mixing.candidates import nodes_of
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effect_plan import total_rate
from mixlab.mixing.effects import Gain
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.mixing.rendering import _judge, _never_known, _votes
from mixlab.mixing.sampler import sample_recipe
from mixlab.taxonomy import load_label_set

__all__ = ["StreamRates", "estimate_labels", "stream_rates"]

_SILENCE_DB = -200.0


@dataclass(frozen=True, eq=False)
class StreamRates:
    """Counts over some items of a stream, for C classes.

    Attributes:
        names: The classes, in the order of targets.
        items: Items that were counted.
        kinds: Items of each kind, ``noise`` for those without instruments.
        present: int64 ``(C,)`` items in which each class is present.
        unknown: int64 ``(C,)`` items in which it is unknown.
        together: int64 ``(C, C)`` items in which both are present; ``present`` on the diagonal.
        sources: Items by their number of sources.
        classes: Items by the number of classes that are present.
    """

    names: tuple[str, ...]
    items: int
    kinds: dict[str, int]
    present: NDArray[np.int64]
    unknown: NDArray[np.int64]
    together: NDArray[np.int64]
    sources: dict[int, int]
    classes: dict[int, int]

    @classmethod
    def of(cls, catalog: Catalog, names: tuple[str, ...], recipes: Iterable[MixRecipe]) -> "StreamRates":
        """Count recipes of one label set."""
        kinds, sources = Counter[str](), Counter[int]()
        targets, masks = [], []
        for recipe in recipes:
            kinds["noise" if recipe.noise is not None else recipe.kind] += 1
            sources[len(recipe.sources)] += 1
            target, mask = estimate_labels(catalog, recipe)
            targets.append(target > 0)
            masks.append(mask)
        present = np.array(targets, dtype=np.int64).reshape(-1, len(names))
        return cls(
            names,
            len(targets),
            dict(kinds),
            present.sum(axis=0),
            (~np.array(masks, dtype=np.bool_).reshape(-1, len(names))).sum(axis=0),
            present.T @ present,
            dict(sorted(sources.items())),
            dict(sorted(Counter(present.sum(axis=1).tolist()).items())),
        )

    @property
    def mean_sources(self) -> float:
        """Sources of an item, on average."""
        return _mean(self.sources)

    @property
    def mean_classes(self) -> float:
        """Classes that are present in an item, on average."""
        return _mean(self.classes)


def _mean(counts: dict[int, int]) -> float:
    return sum(number * count for number, count in counts.items()) / max(sum(counts.values()), 1)


def stream_rates(catalog: Catalog, config: MixConfig, *, seed: int, split: str, items: int) -> StreamRates:
    """Count the first items of a stream's epoch 0, without reading any audio.

    Args:
        catalog: Where stems come from.
        config: How mixes are sampled; for validation and test what ``for_evaluation`` returns.
        seed: Seed of the stream.
        split: Split of the stream.
        items: How many items.

    Raises:
        RecipeError: the split holds nothing that the configuration allows.
    """
    names = load_label_set(config.label_set).names
    recipes = (sample_recipe(catalog, config, seed, 0, index, split=split) for index in range(items))
    return StreamRates.of(catalog, names, recipes)


def estimate_labels(catalog: Catalog, recipe: MixRecipe) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return what target and mask ``(C,)`` of a recipe will most likely be, without reading audio.

    Each source is judged by the label rule as in a rendered mix, with the levels per 100 ms that the catalog
    has of its recording, to the nearest hop. What only rendering tells is left out: sources that cancel each
    other, and what filters and effects of one's own do to levels.
    """
    settings = recipe.render
    unknown = _never_known(settings.label_set, settings.label_hash)
    present = np.zeros(len(unknown), dtype=np.bool_)
    stems = [catalog.find(source.stem) for source in recipe.sources]
    levels = [
        _levels(catalog, stem, source, recipe) for stem, source in zip(stems, recipe.sources, strict=True)
    ]
    labels, bleed = load_label_set(settings.label_set), catalog.column("bleed_nodes")
    for stem, own_db, relative_db in zip(stems, levels, _relative(recipe, levels), strict=True):
        sounds, silent = own_db >= settings.activity_db, own_db < settings.silence_db
        state = _judge(sounds, silent, relative_db, settings)
        doubted = state == "uncertain"
        if state == "silent" or (doubted and settings.uncertain == "absent"):
            continue
        nodes = nodes_of(catalog, stem, labels)
        votes = _votes(settings.label_set, settings.label_hash, nodes, bleed[stem], doubted)
        present, unknown = present | votes[0], unknown | votes[1]
    return present.astype(np.float32), present | ~unknown


def _levels(catalog: Catalog, stem: int, source: SourceRecipe, recipe: MixRecipe) -> FloatArray:
    """Return the level of a source's recording per hop of the mix, in dBFS; silence outside of its file."""
    envelope = catalog.envelope(stem)
    hops = max(round(recipe.render.duration_s / HOP_S), 1)
    places = source.start_s / HOP_S + np.arange(hops) * total_rate(source.effects)
    nearest = np.rint(places).astype(np.int64)
    inside = (nearest >= 0) & (nearest < len(envelope))
    found = np.full(hops, _SILENCE_DB, dtype=np.float32)
    found[inside] = envelope[nearest[inside]]
    return found


def _relative(recipe: MixRecipe, levels: list[FloatArray]) -> list[float]:
    """Return by how many dB each source lies above the mixture, as if all were of other sounds."""
    if recipe.render.label_rule != "audible":
        return [0.0] * len(levels)
    own_db = [
        10.0 * np.log10(np.mean(10.0 ** (found.astype(np.float64) / 10.0)))
        + source.level_db
        + sum(effect.gain_db for effect in source.effects if isinstance(effect, Gain))
        for source, found in zip(recipe.sources, levels, strict=True)
    ]
    own_db = [
        own if source.snr_db is None else own_db[0] - source.snr_db
        for source, own in zip(recipe.sources, own_db, strict=True)
    ]
    whole_db = 10.0 * np.log10(sum(10.0 ** (own / 10.0) for own in own_db)) if own_db else 0.0
    return [float(own - whole_db) for own in own_db]
