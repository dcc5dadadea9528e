"""Cached access to catalogs and mixes, by plain values only; pages get everything from here.

Objects that are shared between sessions (catalogs, mixes) are read-only by agreement.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import streamlit as st

from app.components.payload import Take, pack_mix
from app.data import runs as runs_data
from app.links import BY_P, Item
from mixlab import Catalog, Mix, MixConfig, MixlabError, MixRecipe, load_label_set, render_mix, sample_recipe
from mixlab.audio.io import FloatArray
from mixlab.catalog.song_table import SONG_FILE
from mixlab.mixing.config import Kind
from mixlab.mixing.effect_presets import Preset
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.preview import (
    find_class,
    holds_class,
    loudness_lufs,
    other_kinds,
    without_effects,
    zip_mix,
)
from mixlab.taxonomy import load_taxonomy

__all__ = [
    "NEIGHBOURS",
    "Location",
    "class_names",
    "default_catalog",
    "find_index",
    "find_location",
    "get_catalog",
    "get_lufs",
    "get_mix",
    "get_payload",
    "get_recipe",
    "get_rendered",
    "get_strip",
    "get_zip",
    "has_class",
    "mix_config",
    "source_names",
]

LOCATIONS = ("demo-output/catalog", "demo-output", "catalog")
NEIGHBOURS = 24


class Location(NamedTuple):
    """A catalog on disk; the time of its last change makes the caches forget what was there before."""

    path: str
    modified_ns: int


def default_catalog() -> str:
    """Return the catalog folder to start with: the environment's, else the demo's."""
    named = os.environ.get("MIXLAB_CATALOG")
    return named or next((location for location in LOCATIONS if find_location(location)), LOCATIONS[0])


def find_location(path: str) -> Location | None:
    """Return the catalog at a folder, or None when there is none."""
    try:
        marker = Path(path).expanduser() / "catalog.json"
        changed_ns = marker.stat().st_mtime_ns
    except (OSError, ValueError, RuntimeError):  # what cannot be a path, or the home of nobody
        return None
    songs = marker.with_name(SONG_FILE)
    return Location(
        str(marker.parent.resolve()), max(changed_ns, songs.stat().st_mtime_ns if songs.is_file() else 0)
    )


@st.cache_resource(max_entries=4, show_spinner=False)
def get_catalog(location: Location) -> Catalog:
    """Open a catalog."""
    return Catalog.open(location.path)


def mix_config(item: Item) -> MixConfig:
    """Return the configuration of an item, as ``MixDataset`` has it for its split."""
    if item.run is not None:
        own = runs_data.run_mix_config(item.run)
        if item.split != "train":
            return own.for_evaluation()
        return own if own.strategies else replace(own, p_musical=item.p)
    if item.split != "train":
        return MixConfig().for_evaluation()
    return MixConfig(p_musical=item.p, effects=EffectsConfig(preset=cast("Preset", item.preset)))


def _kind(item: Item) -> Kind | None:
    return None if item.mix_kind == BY_P else cast("Kind", item.mix_kind.replace("-", "_"))


def class_names() -> tuple[str, ...]:
    """Return the classes that mixes are labelled with."""
    return load_label_set(MixConfig().label_set).names


@st.cache_resource(max_entries=4096, show_spinner=False)
def _sampled(location: Location, item: Item) -> MixRecipe:
    """Return a recipe as sampled, bypass or not; that of a run's own mix as it was scored."""
    if item.run is not None and _kind(item) in (None, "musical"):
        stored = runs_data.stored_recipe(item.run, item.split, item.seed, item.index)
        if stored is not None:
            return stored
    return sample_recipe(
        get_catalog(location), mix_config(item), item.seed, 0, item.index, split=item.split, kind=_kind(item)
    )


def get_recipe(location: Location, item: Item) -> MixRecipe:
    """Return the recipe of an item, less the effects that it leaves out."""
    recipe = _sampled(location, replace(item, bypass=()))
    return without_effects(recipe, item.bypass) if item.bypass else recipe


@st.cache_resource(max_entries=64, show_spinner=False)
def _rendered(location: Location, recipe_hash: str, _recipe: MixRecipe) -> Mix:
    return render_mix(_recipe, get_catalog(location))


def get_rendered(location: Location, recipe: MixRecipe) -> Mix:
    """Return the mix of a recipe."""
    return _rendered(location, recipe.content_hash, recipe)


def get_mix(location: Location, item: Item) -> Mix:
    """Return the mix of an item."""
    recipe = get_recipe(location, item)
    return _rendered(location, recipe.content_hash, recipe)


def get_strip(location: Location, item: Item) -> list[dict[str, Any]]:
    """Return index, kind and sources of the block of neighbours that the item lies in."""
    # By blocks, so that stepping from index to index leaves the strip in its place.
    return _strip(location, replace(item, index=item.index - item.index % NEIGHBOURS, bypass=()))


@st.cache_data(max_entries=256, show_spinner=False)
def _strip(location: Location, item: Item) -> list[dict[str, Any]]:
    items = []
    for index in range(item.index, item.index + NEIGHBOURS):
        recipe = _sampled(location, replace(item, index=index, bypass=()))
        about = f"{len(recipe.sources)} of {recipe.corpus}"
        items.append({"index": index, "kind": recipe.kind, "about": about})
    return items


def has_class(location: Location, item: Item, name: str) -> bool:
    """Tell whether an item samples a source of a class."""
    return holds_class(get_recipe(location, item), get_catalog(location), name)


def find_index(location: Location, item: Item, name: str, step: int = 1) -> int | None:
    """Return the first index from the item's own on that samples a class, or None."""
    return find_class(
        get_catalog(location),
        mix_config(item),
        name,
        seed=item.seed,
        start=item.index,
        step=step,
        split=item.split,
        kind=_kind(item),
    )


def source_names(recipe: MixRecipe, catalog: Catalog) -> list[tuple[str, str]]:
    """Return the instrument and the origin of each source, for people."""
    names = []
    for source in recipe.sources:
        stem = catalog.stem(catalog.find(source.stem))
        instrument = " or ".join(load_taxonomy().nodes[node].name for node in stem.nodes)
        names.append((instrument or "unknown", f"from {source.start_s:.1f} s of {stem.song}, {stem.corpus}"))
    return names


_ABOUT: dict[Kind, str] = {
    "musical": "stems of one song at one moment",
    "non_musical": "each stem from another song",
    "matched": "each stem from another song, brought to one tempo, beat and key",
}


def _counterpart(location: Location, item: Item, other: Kind) -> Take:
    spelt = other.replace("_", "-")
    name = f"{spelt.capitalize()} counterpart"
    try:
        mix = get_mix(location, replace(item, mix_kind=spelt, bypass=()))
    except MixlabError as error:
        return Take(other, name, _ABOUT[other], missing=str(error))
    return Take(other, name, f"index {item.index} as a {spelt} mix: {_ABOUT[other]}", mix.mixture)


def _dry(location: Location, recipe: MixRecipe) -> Take:
    dry = without_effects(recipe)
    about = "the same sources without any effect"
    if dry == recipe:
        return Take("dry", "Dry", about, missing="No effect is on, so dry and wet are the same.")
    return Take("dry", "Dry", about, _rendered(location, dry.content_hash, dry).mixture)


def _with_mixture_effects(own: Take, mix: Mix) -> list[Take]:
    """Return the mix as its sources add up and, where effects on the mixture change that, as it is."""
    if mix.recipe.noise is not None:
        return [own, Take("mixture", "Noise", "what there is in place of sources", mix.mixture)]
    if not mix.recipe.effects:
        return [own]
    sources: FloatArray = np.sum([source.audio for source in mix.sources], axis=0, dtype=np.float32)
    about = "with the effects on the mixture: what models are given"
    return [
        replace(own, name="Sources", about=f"{own.about}, before those on the mixture", mixture=sources),
        Take("mixture", "Mixture", about, mix.mixture),
    ]


@st.cache_data(max_entries=16, show_spinner=False)
def get_payload(location: Location, item: Item) -> bytes:
    """Return the player's blob: this mix, its counterparts and its dry form."""
    mix = get_mix(location, item)
    kind = mix.recipe.kind
    count = "1 source" if len(mix.sources) == 1 else f"{len(mix.sources)} sources"
    own = Take("mix", "This mix", f"{kind.replace('_', '-')}, {count} with their effects", mix.mixture)
    others = [_counterpart(location, item, other) for other in other_kinds(kind)]
    takes = [*_with_mixture_effects(own, mix), *others, _dry(location, mix.recipe)]
    name = f"{location.path} {replace(item, bypass=())}"
    return pack_mix(mix, name, source_names(mix.recipe, get_catalog(location)), takes)


@st.cache_data(max_entries=64, show_spinner=False)
def get_lufs(location: Location, item: Item) -> list[float]:
    """Return the loudness of each source in LUFS; NaN where it is silent."""
    mix = get_mix(location, item)
    return [loudness_lufs(source.audio, mix.recipe.render.sample_rate) for source in mix.sources]


def get_zip(location: Location, item: Item) -> bytes:
    """Return mixture, sources, recipe and labels as a ZIP."""
    return zip_mix(get_mix(location, item))
