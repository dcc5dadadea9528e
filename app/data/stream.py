"""The next mixes of a stream as rows, and what the stream is made of: all of it without reading audio."""

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from app.data import mixes as data
from app.data.bounded_cache import MB, BoundedCache
from app.data.mixes import Location
from app.links import Item
from mixlab import MixlabError, load_label_set
from mixlab.audio.io import encode_wav
from mixlab.mixing.stream_rates import StreamRates, estimate_labels, stream_rates

__all__ = ["COUNTED", "get_rates", "get_rows", "get_sound", "get_validation"]

COUNTED = 512
"""Mixes that are counted for rates: the 95 % interval of a class in 10 % of them is 2.6 % to each side."""


@st.cache_data(max_entries=64, show_spinner=False)
def get_rows(location: Location, item: Item, count: int) -> list[dict[str, Any]]:
    """Return the mixes from an item on: kind, classes, sources and song of each, as the table shows them."""
    catalog = data.get_catalog(location)
    rows = []
    for index in range(item.index, item.index + count):
        recipe = data.get_recipe(location, replace(item, index=index))
        names = load_label_set(recipe.render.label_set).names
        target, mask = estimate_labels(catalog, recipe)
        songs = list(dict.fromkeys(source.stem.rpartition("/")[0] for source in recipe.sources))
        rows.append(
            {
                "index": index,
                "kind": "noise" if recipe.noise is not None else recipe.kind,
                "present": [name for name, there in zip(names, target, strict=True) if there],
                "unknown": [name for name, known in zip(names, mask, strict=True) if not known],
                "sources": [name for name, _ in data.source_names(recipe, catalog)],
                "song": songs[0]
                if len(songs) == 1
                else f"{len(songs)} songs of {recipe.corpus}"
                if songs
                else "",
            }
        )
    return rows


def get_rates(location: Location, item: Item) -> StreamRates:
    """Return what the training stream of an item's settings is made of, whatever its index."""
    return _rates(location, replace(item, index=0, split="train", bypass=()))


def get_validation(location: Location, item: Item) -> StreamRates | str:
    """Return the same of the validation mixes of these settings; a text says why there are none."""
    # Of what is trained on, the share of musical mixes and the effects never reach validation.
    try:
        return _rates(location, replace(item, index=0, split="validation", bypass=()))
    except MixlabError as error:
        return str(error)


@st.cache_resource(max_entries=64, show_spinner=False)
def _rates(location: Location, item: Item) -> StreamRates:
    return stream_rates(
        data.get_catalog(location), data.mix_config(item), seed=item.seed, split=item.split, items=COUNTED
    )


_SOUNDS: BoundedCache[str] = BoundedCache(64 * MB, len)


def get_sound(location: Location, item: Item) -> str:
    """Return a mix as a WAV file in base64; one that would clip is made softer."""
    return _SOUNDS.get((location, item), lambda: _sound(location, item))


def _sound(location: Location, item: Item) -> str:
    mix = data.get_mix(location, item)
    peak = float(np.abs(mix.mixture).max(initial=0.0))
    wav = encode_wav(mix.mixture / np.float32(max(peak, 1.0)), mix.recipe.render.sample_rate)
    return base64.b64encode(wav).decode()
