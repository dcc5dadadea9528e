"""Cached access to catalogs and mixes, by plain values only; pages get everything from here.

Objects that are shared between sessions (catalogs, mixes) are read-only by agreement.
"""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import streamlit as st

from app import settings
from app import texts as words
from app.components.payload import Take, model_front, pack_mix
from app.components.share import share_page
from app.data import runs as runs_data
from app.data.bounded_cache import MB, BoundedCache
from app.links import BY_P, Item
from mixlab import Catalog, Mix, MixConfig, MixlabError, MixRecipe, load_label_set, render_mix, sample_recipe
from mixlab.audio.io import FloatArray, resample
from mixlab.catalog.song_table import SONG_FILE
from mixlab.catalog.statistics import known_nodes
from mixlab.mixing.config import Kind
from mixlab.mixing.preview import (
    find_classes,
    holds_classes,
    loudness_lufs,
    other_kinds,
    without_effects,
    zip_mix,
)
from mixlab.taxonomy import load_taxonomy

__all__ = [
    "LAST_INDEX",
    "NEIGHBOURS",
    "Location",
    "class_names",
    "default_catalog",
    "find_index",
    "find_location",
    "get_catalog",
    "get_lufs",
    "get_mix",
    "get_page",
    "get_payload",
    "get_recipe",
    "get_recipe_payload",
    "get_rendered",
    "get_strip",
    "get_zip",
    "has_classes",
    "instrument_names",
    "mix_config",
    "prepare",
    "source_names",
    "training_config",
    "try_settings",
]

LOCATIONS = ("demo-output/catalog", "demo-output", "catalog", "my-catalog", "starter/catalog")
NEIGHBOURS = 24
LAST_INDEX = 2**31 - 1
# As ``mixlab.models.ModelConfig`` has it, which takes torch to import.
_DEFAULT_MODEL: dict[str, Any] = {
    "architecture": "short_chunk_cnn", "sample_rate": 16000, "n_fft": 512, "hop": 256, "n_mels": 128,
    "f_max": 8000.0, "spectrogram": "mel",
}  # fmt: skip


_WORKER = ThreadPoolExecutor(1, thread_name_prefix="ahead")
_ahead: Future[None] | None = None


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
    config = training_config(item)
    return config if item.split == "train" else config.for_evaluation()


def training_config(item: Item) -> MixConfig:
    """Return the configuration of the training mixes to which an item belongs.

    Raises:
        ConfigError: its settings, as from an address, are none.
    """
    if item.run is None:
        return settings.decode(item.settings, item.p, item.preset)
    own = runs_data.run_mix_config(item.run)
    return own if own.strategies else replace(own, p_musical=item.p)


def try_settings(location: Location, config: MixConfig, item: Item) -> tuple[str, ...]:
    """Sample one training mix by way of trial, and return what mixlab warns of.

    Raises:
        MixlabError: these settings have no mixes on this catalog.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sample_recipe(get_catalog(location), config, item.seed, 0, item.index)
    return tuple(dict.fromkeys(str(warning.message) for warning in caught))


def _kind(item: Item) -> Kind | None:
    return None if item.mix_kind == BY_P else cast("Kind", item.mix_kind.replace("-", "_"))


def class_names(label_set: str = MixConfig.label_set) -> tuple[str, ...]:
    """Return the classes that mixes are labelled with."""
    return load_label_set(label_set).names


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


def _sound_bytes(mix: Mix) -> int:
    return sum(audio.nbytes for audio in (mix.mixture, *(source.audio for source in mix.sources)))


_MIXES: BoundedCache[Mix] = BoundedCache(512 * MB, _sound_bytes)
_BLOBS: BoundedCache[bytes] = BoundedCache(256 * MB, len)


def _rendered(location: Location, recipe_hash: str, recipe: MixRecipe) -> Mix:
    return _MIXES.get((location, recipe_hash), lambda: render_mix(recipe, get_catalog(location)))


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


def instrument_names(location: Location, label_set: str = MixConfig.label_set) -> tuple[str, ...]:
    """Return what a mix can be asked to hold: the classes of its labels, then instruments of the catalog."""
    classes = class_names(label_set)
    return (*classes, *(node for node in known_nodes(get_catalog(location)) if node not in classes))


def has_classes(location: Location, item: Item, names: Sequence[str]) -> bool:
    """Tell whether an item samples sources of all of some classes or instruments."""
    return holds_classes(get_recipe(location, item), get_catalog(location), names)


def find_index(location: Location, item: Item, names: Sequence[str], step: int = 1) -> int | None:
    """Return the first index from the item's own on that samples all of some classes, or None."""
    return find_classes(
        get_catalog(location),
        mix_config(item),
        names,
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
    about = f"index {item.index} as a {spelt} mix: {_ABOUT[other]}"
    names = source_names(mix.recipe, get_catalog(location))
    return Take(other, name, about, mix.mixture, mix=None if mix.recipe.effects else mix, names=names)


def _dry(location: Location, recipe: MixRecipe) -> Take:
    dry = without_effects(recipe)
    about = "the same sources without any effect"
    if dry == recipe:
        return Take("dry", "Dry", about, missing="No effect is on, so dry and wet are the same.")
    mix = _rendered(location, dry.content_hash, dry)
    names = source_names(dry, get_catalog(location))
    return Take("dry", "Dry", about, mix.mixture, mix=mix, names=names, mixer="mix")


def _with_mixture_effects(own: Take, mix: Mix) -> list[Take]:
    """Return the mix as its sources add up and, where effects on the mixture change that, as it is."""
    if mix.recipe.noise is not None:
        return [replace(own, about="noise, or silence, in place of sources")]
    if not mix.recipe.effects:
        return [own]
    sources: FloatArray = np.sum([source.audio for source in mix.sources], axis=0, dtype=np.float32)
    about = "with the effects on the mixture: what models are given"
    return [
        replace(own, name="Sources", about=f"{own.about}, before those on the mixture", mixture=sources),
        Take("mixture", "Mixture", about, mix.mixture),
    ]


def _before(location: Location, before: Item, mix: Mix) -> Take:
    """Return the same index with the settings it is compared with, as the player can switch to it."""
    about = f"index {before.index} with the settings before they were changed"
    try:
        old = get_mix(location, before)
    except MixlabError as error:
        return Take("before", "Before", about, missing=str(error))
    if old.recipe == mix.recipe:
        return Take("before", "Before", about, missing="These settings make no difference to this index.")
    names = source_names(old.recipe, get_catalog(location))
    fitted = _fitted(old, mix)
    # What is done to a mixture as a whole has no lanes: it then sounds as one.
    lanes = None if old.recipe.effects else fitted
    return Take("before", "Before", about + _say_fitted(old, mix), fitted.mixture, mix=lanes, names=names)


def _fitted(old: Mix, mix: Mix) -> Mix:
    """Return a mix with its sound at the rate, the channels and the length of another one."""
    rate, shape = mix.recipe.render.sample_rate, mix.mixture.shape
    old_rate = old.recipe.render.sample_rate
    if (old_rate, old.mixture.shape) == (rate, shape):
        return old

    def fit(audio: FloatArray) -> FloatArray:
        audio = audio if old_rate == rate else resample(audio, old_rate, rate)
        if len(audio) != shape[0]:
            audio = np.repeat(audio.mean(axis=0, keepdims=True), shape[0], axis=0)
        fitted = np.zeros(shape, dtype=np.float32)
        fitted[:, : audio.shape[1]] = audio[:, : shape[1]]
        return fitted

    sources = tuple(replace(source, audio=fit(source.audio)) for source in old.sources)
    return replace(old, mixture=fit(old.mixture), sources=sources)


def _say_fitted(old: Mix, mix: Mix) -> str:
    """Say what of a mix is changed where it is played beside another one."""
    was, now = old.recipe.render, mix.recipe.render
    said = []
    if was.duration_s > now.duration_s:
        said.append(f"the first {now.duration_s:g} of its {was.duration_s:g} s")
    elif was.duration_s < now.duration_s:
        said.append(f"{was.duration_s:g} s, then silence")
    if was.sample_rate != now.sample_rate:
        said.append(f"brought from {was.sample_rate:,} to {now.sample_rate:,} Hz")
    return f" ({'; '.join(said)})" if said else ""


def get_payload(location: Location, item: Item, before: Item | None = None) -> bytes:
    """Return the player's blob: this mix, the same index before, its counterparts and its dry form."""
    return _BLOBS.get((location, item, before), lambda: _payload(location, item, before, short=False))


def prepare(location: Location, item: Item, before: Item | None, wanted: Sequence[str] = ()) -> None:
    """Make in the background what the page is likely to be asked for next, so that it is there at once.

    What cannot be made, the page tells of when it is asked for it.

    Args:
        location: The catalog.
        item: What is next, or from where on it is searched.
        before: The same index with the settings that it is compared with, if there are any.
        wanted: Classes that it must have.
    """
    global _ahead  # of a hundred steps in a row, only the last is worth preparing
    if _ahead is not None:
        _ahead.cancel()
    _ahead = _WORKER.submit(_prepare, location, item, before, tuple(wanted))


def _prepare(location: Location, item: Item, before: Item | None, wanted: tuple[str, ...]) -> None:
    if wanted:
        index = find_index(location, item, wanted)
        if index is None:
            return
        item = replace(item, index=index)
        before = before and replace(before, index=index)
    get_payload(location, item, before)
    get_lufs(location, item)


def get_page(location: Location, item: Item) -> str:
    """Return a mix as one HTML file with its player, labels and recipe."""
    mix, names = get_mix(location, item), source_names(get_recipe(location, item), get_catalog(location))
    keys = [source.stem for source in mix.sources]
    labels = [
        (
            one.name,
            words.STATE_NAMES[one.state],
            words.in_lanes(one.reason, keys, [name for name, _ in names]),
        )
        for one in mix.explain()
    ]
    title = words.describe(mix).replace("*", "").replace("\\", "")
    about = f"Mix {mix.recipe.content_hash} of mixlab, index {item.index} of seed {item.seed}, {item.split}."
    return share_page(
        _payload(location, item, None, short=True), title, about, labels, mix.recipe.to_json(indent=2),
        words.file_name(mix, item, ""),
    )  # fmt: skip


def _payload(location: Location, item: Item, before: Item | None, *, short: bool) -> bytes:
    """Return the player's blob; a short one, for a page of its own, has no steps."""
    mix = get_mix(location, item)
    kind = mix.recipe.kind
    count = "1 source" if len(mix.sources) == 1 else f"{len(mix.sources)} sources"
    dressed = " with their effects" if any(source.effects for source in mix.recipe.sources) else ""
    own = Take("mix", "This mix", f"{kind.replace('_', '-')}, {count}{dressed}", mix.mixture)
    others = [_counterpart(location, item, other) for other in other_kinds(kind)]
    if before is not None:
        others.insert(0, _before(location, before, mix))
    takes = [*_with_mixture_effects(own, mix), *others, _dry(location, mix.recipe)]
    # While it stays, the player goes on at its place, so that changed settings are heard at once.
    name = f"{location.path} {replace(item, bypass=(), settings='', preset='')}"
    steps = {"previous": item.index > 0, "next": item.index < LAST_INDEX, "random": True}
    front = _front(item, mix.recipe.render.sample_rate)
    return pack_mix(
        mix, name, source_names(mix.recipe, get_catalog(location)), takes, None if short else steps,
        fronts=[front] if front else [], file=words.file_name(mix, item, ""), short=short,
    )  # fmt: skip


def _front(item: Item, rate: int) -> dict[str, Any] | None:
    """Return the mel bands of the run's network, or of the default one; None where it has none, or others."""
    model = _DEFAULT_MODEL if item.run is None else runs_data.run_model(item.run)
    # A network of one's own keeps its settings to itself.
    if model.get("parameters") or model.get("spectrogram") != "mel" or model.get("sample_rate") != rate:
        return None
    n_mels = model["n_mels"] or (128 if str(model["architecture"]).startswith("short_chunk") else 96)
    return model_front(rate, model["n_fft"], model["hop"], n_mels, float(model["f_max"]))


def _recipe_payload(location: Location, recipe: MixRecipe) -> bytes:
    mix = get_rendered(location, recipe)
    count = "1 source" if len(mix.sources) == 1 else f"{len(mix.sources)} sources"
    own = Take("mix", "This mix", f"{recipe.kind.replace('_', '-')}, {count}", mix.mixture)
    names = source_names(recipe, get_catalog(location))
    name = f"{location.path} {recipe.content_hash}"
    # The page has the steps.
    return pack_mix(mix, name, names, _with_mixture_effects(own, mix), {})


def get_recipe_payload(location: Location, recipe: MixRecipe) -> bytes:
    """Return the player's blob of a recipe as it is, without counterparts."""
    return _BLOBS.get((location, recipe.content_hash), lambda: _recipe_payload(location, recipe))


@st.cache_data(max_entries=64, show_spinner=False)
def get_lufs(location: Location, item: Item) -> list[float]:
    """Return the loudness of each source in LUFS; NaN where it is silent."""
    mix = get_mix(location, item)
    return [loudness_lufs(source.audio, mix.recipe.render.sample_rate) for source in mix.sources]


def get_zip(location: Location, item: Item) -> bytes:
    """Return mixture, sources, recipe and labels as a ZIP."""
    return zip_mix(get_mix(location, item))
