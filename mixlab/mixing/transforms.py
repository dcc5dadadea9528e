"""Functions of a user's own on sources and on items: what they are given, and what is looked at afterwards.

They change sound and items, not labels, and stand in no recipe. Their chance comes from the item's own random
stream, so that an item stays a pure function of seed, epoch and index.
"""

import math
from collections.abc import Callable
from functools import partial
from inspect import isclass, isroutine
from typing import Any

import numpy as np

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.mixing.custom_effects import find_fault
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.utils.plugins import running
from mixlab.utils.random import Stream, open_stream

__all__ = [
    "ItemTransform",
    "SourceTransform",
    "check_transform",
    "transform_id",
    "transform_item",
    "transform_sources",
]

SourceTransform = Callable[[FloatArray, Stream, SourceRecipe], FloatArray]
"""From a source as it will be added to the mixture, float32 ``(channels, samples)``, its random stream and
its recipe to what is added instead: float32 of the same shape, finite and not silent."""

ItemTransform = Callable[[dict[str, Any], Stream], Any]
"""From an item, as ``MixDataset.item`` returns it, and its random stream to what is handed out instead."""


def check_transform(name: str, found: object) -> None:
    """Refuse what cannot be called.

    Raises:
        ConfigError: it is neither None nor something to call.
    """
    if found is not None and not callable(found):
        raise ConfigError(f"{name} must be a function, found {found!r}.", code="wrong-type")


def transform_id(transform: Callable[..., Any]) -> str:
    """Return what tells a transform from others: ``module:name``, and its ``content_hash`` if it has one.

    Its code and its settings cannot be hashed by value. An object whose settings should count has an
    attribute ``content_hash``, a text that changes with them.
    """
    own = getattr(transform, "content_hash", None)
    return _name(transform) + (f"@{own}" if isinstance(own, str) else "")


def _name(transform: object) -> str:
    while isinstance(transform, partial):
        transform = transform.func
    found: Any = transform if isroutine(transform) or isclass(transform) else type(transform)
    # In workers that are spawned the script that was started has another name.
    module = "__main__" if found.__module__ == "__mp_main__" else found.__module__
    return f"{module}:{found.__qualname__}"


def transform_sources(transform: SourceTransform, recipe: MixRecipe, audios: FloatArray) -> None:
    """Let a user's function change the rendered sources of a mix, in place.

    Args:
        transform: The function.
        recipe: What the sources were rendered from; it names their random streams.
        audios: float32 ``(sources, channels, samples)``, before they are added up.

    Raises:
        ConfigError: it returned another shape or type, numbers that are not finite, or silence; or it raised
            any error, also one that would be taken for that of a damaged file.
    """
    for place, (source, audio) in enumerate(zip(recipe.sources, audios, strict=True)):
        peak = float(np.abs(audio).max(initial=0.0))
        if not math.isfinite(peak):
            continue  # a damaged file, of which adding up will say so
        shape = audio.shape
        purpose = f"transform source {place}, attempt {recipe.attempt}"
        where = f"on {source.stem}, {_address(recipe.seed, recipe.index, recipe.epoch)}"
        with running("transform", _name(transform), where, passing=None):
            found = transform(audio, open_stream(recipe.seed, recipe.epoch, recipe.index, purpose), source)
        fault = find_fault(found, shape, peak)
        if fault:
            raise ConfigError(f"The transform {_name(transform)!r} {where}: {fault}.", code="unfit-plugin")
        audio[:] = found


def transform_item(transform: ItemTransform, item: dict[str, Any], seed: int) -> Any:  # noqa: ANN401
    """Return what a user's function makes of an item.

    Args:
        transform: The function.
        item: As ``MixDataset.item`` returns it without a transform.
        seed: Of the stream of items.

    Raises:
        ConfigError: it returned None, or raised any error.
    """
    epoch, index, attempt = item["epoch"], item["index"], item["attempt"]
    where = f"on {_address(seed, index, epoch)}"
    with running("transform", _name(transform), where, passing=None):
        found = transform(item, open_stream(seed, epoch, index, f"transform item, attempt {attempt}"))
    if found is None:
        raise ConfigError(
            f"The transform {_name(transform)!r} {where} returned None: return the item, changed or not.",
            code="unfit-plugin",
        )
    return found


def _address(seed: int, index: int, epoch: int) -> str:
    return f"item {index} of epoch {epoch} (dataset.item({index}, {epoch}) with seed={seed} makes it again)"
