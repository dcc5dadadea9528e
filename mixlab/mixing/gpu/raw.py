"""The host's half: excerpts as 16-bit integers and the parameters of everything that is done to them.

Runs in the workers of a loader and touches no device. A batch is a handful of tensors, whatever the number
of its items, so that it travels from process to process in shared memory without being pickled.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

from mixlab.audio.filters import Section
from mixlab.audio.io import FloatArray, amplitude
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import PackReader
from mixlab.catalog.readers import CatalogReader, Reader
from mixlab.errors import AudioError, ConfigError
from mixlab.mixing.candidates import nodes_of
from mixlab.mixing.config import RenderSettings
from mixlab.mixing.effect_plan import EffectPlan, plan_effects
from mixlab.mixing.effects import Effect, effect_name
from mixlab.mixing.hop_levels import own_level_db
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.mixing.rendering import _judge, _never_known, _votes, check_gain, needed_span
from mixlab.mixing.replaying import check_recipe
from mixlab.taxonomy import load_label_set

__all__ = [
    "COLUMNS",
    "PRESENT",
    "STATES",
    "UNCERTAIN",
    "RawBatch",
    "RawItem",
    "join_items",
    "prepare_batch",
    "prepare_item",
]

COLUMNS = ("item", "place", "length", "head", "before", "after", "wet", "scale", "semitones", "rate")
"""What ``RawBatch.table`` holds of each source."""

STATES = ("silent", "uncertain", "present")
"""What ``RawBatch.states`` numbers; ``present`` may still prove to be too soft for ``audible``."""

UNCERTAIN, PRESENT = 1, 2

_PEAK = 32767.0
_IDENTITY: Section = (1.0, 0.0, 0.0, 0.0, 0.0)
# What is left of a filter's impulse response when it is taken to be over.
_DECAYED = 1e-9


@dataclass(frozen=True)
class RawBatch:
    """Sources of a batch as they were read, and what is to be done to them.

    Attributes:
        samples: int16 ``(sources, channels, longest excerpt)``, zero after the end of an excerpt.
        table: float64 ``(sources, columns)``, see ``COLUMNS``: number of the item in the batch and of the
            source in the item; length of the excerpt and samples of context before the source begins; how
            many samples the filters before and after the pass of pitch and time ring on (0: there are none);
            whether there is such a pass; the factor from integers to samples, gain and level included;
            pitch change in semitones; tempo change.
        sections: float64 ``(sources, 2, filters, 5)``: filters before and after the pass, filled up with
            ones that do nothing.
        states: int64 ``(sources,)``, see ``STATES``: what the label rule makes of the stem's own activity.
        sounding: bool ``(sources, 2, hops)``: hops of 100 ms in which the stem sounds, and in which it
            certainly does not.
        votes: bool ``(sources, 3, classes)``: classes that a present source makes present, that it makes
            unknown, and that one of which it is uncertain whether it sounds makes unknown.
        never_known: bool ``(classes,)``: classes that are no instruments.
        items: int64 ``(items, 3)``: epoch, index within it, and attempt.
        settings: How all of them are rendered and labelled.
    """

    samples: Tensor
    table: Tensor
    sections: Tensor
    states: Tensor
    sounding: Tensor
    votes: Tensor
    never_known: Tensor
    items: Tensor
    settings: RenderSettings

    def __len__(self) -> int:
        """Items in the batch."""
        return len(self.items)

    def column(self, name: str) -> Tensor:
        """Return float64 ``(sources,)``, one of ``COLUMNS``."""
        return self.table[:, COLUMNS.index(name)]

    def pin_memory(self) -> "RawBatch":
        """Return the batch in page-locked memory, from where copies to a GPU do not block."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "settings"}
        return replace(self, **{name: tensor.pin_memory() for name, tensor in tensors.items()})


@dataclass(frozen=True)
class _RawSource:
    """A source as read: integers, of which ``head`` of ``length`` samples are missing at the start."""

    integers: NDArray[np.int16]
    scale: float
    length: int
    head: int
    context: int
    plan: EffectPlan
    own_db: FloatArray
    nodes: tuple[str, ...]
    bleed_nodes: tuple[str, ...]


@dataclass(frozen=True)
class RawItem:
    """An item as read; of use to ``join_items`` alone."""

    sources: tuple[_RawSource, ...]
    settings: RenderSettings
    epoch: int
    index: int
    attempt: int


def prepare_batch(recipes: Sequence[MixRecipe], catalog: Catalog, reader: Reader | None = None) -> RawBatch:
    """Read the sources of some recipes, and measure when they sound.

    From a pack its integers are taken as they are, so that the device starts from the very samples that
    ``mixlab.render_mix`` reads. Excerpts from files are rounded to 16 bits of their own peak.

    Args:
        recipes: At least one; all rendered alike (as from one ``MixConfig``), with engine ``vocoder``.
        catalog: The catalog that they name.
        reader: Where samples come from; the corpora's files by default.

    Raises:
        CatalogMismatchError: a recipe does not fit the catalog, see ``render_mix``.
        AudioError: a file is missing or damaged, or its samples are not finite.
        ConfigError: there is no recipe, they are to be rendered differently, with another engine, or with
            effects of one's own.
    """
    reader = reader or CatalogReader(catalog)
    return join_items([prepare_item(recipe, catalog, reader) for recipe in recipes])


def prepare_item(recipe: MixRecipe, catalog: Catalog, reader: Reader) -> RawItem:
    """Read the sources of one recipe; see ``prepare_batch``."""
    check_recipe(recipe, catalog)
    if recipe.render.engine != "vocoder":
        raise ConfigError(
            f"Mixes are rendered in batches by the engine 'vocoder' alone, the recipe has "
            f"{recipe.render.engine!r}. Set mix.engine to 'vocoder', or render with mixlab.render_mix.",
            code="unsupported-engine",
        )
    for effect in recipe.effects:
        raise _only_on_host(effect)
    measured = recipe.mixture_lufs is not None or any(s.snr_db is not None for s in recipe.sources)
    if measured or recipe.noise is not None:
        raise ConfigError(
            "Levels that are measured in the mix (mix.snr_db, mix.mixture_lufs) and items without "
            "instruments (mix.p_negative) are not rendered in batches on a device. Render with MixLoader or "
            "mixlab.render_mix, or leave them out.",
            code="unsupported-device",
        )
    sources = tuple(_read_source(source, catalog, reader, recipe.render) for source in recipe.sources)
    return RawItem(sources, recipe.render, recipe.epoch, recipe.index, recipe.attempt)


def _only_on_host(effect: Effect) -> ConfigError:
    return ConfigError(
        f"The effect {effect_name(type(effect))!r} works on arrays in host memory, so mixes that have it are "
        "not rendered in batches on a device. Render them with MixLoader or mixlab.render_mix, or take it "
        "out of mix.effects.custom, or its preset out of mix.effects.preset.",
        code="unsupported-device",
    )


def _read_source(
    source: SourceRecipe, catalog: Catalog, reader: Reader, settings: RenderSettings
) -> _RawSource:
    stem = catalog.find(source.stem)
    plan = plan_effects(source.effects, settings.sample_rate)
    for effect, _ in plan.rest:
        raise _only_on_host(effect)
    gain = plan.gain * amplitude(source.level_db)
    check_gain(source.stem, gain)
    start_s, samples, context = needed_span(source, settings)
    rate, channels = settings.sample_rate, settings.channels
    raw = np.empty((channels, samples), dtype=np.float32)
    reader.read_into(raw, stem, start_s, rate, gain)
    _check_finite(source.stem, raw)
    own_db = own_level_db(raw, context, plan.rate, settings, gain)
    found = None
    if isinstance(reader, PackReader):
        found = reader.integers(stem, start_s, samples, rate, channels)
    if found:
        integers, head, scale = found
        scale *= gain
    else:
        integers, scale = _round_to_integers(raw)
        head = 0
    nodes = nodes_of(catalog, stem, load_label_set(settings.label_set))
    bleed_nodes = catalog.column("bleed_nodes")[stem]
    return _RawSource(integers, scale, samples, head, context, plan, own_db, nodes, bleed_nodes)


def _check_finite(stem: str, raw: FloatArray) -> None:
    """Refuse what would not stay finite on the device, where nobody looks any more."""
    peak = float(np.abs(raw).max(initial=0.0))
    if not peak < _LARGEST:
        raise AudioError(
            f"Expected finite samples in {stem}, found NaN or a peak of {peak:.3g} after its gain: a corrupt "
            "file, or effects and levels that no sound survives. Index the corpus again, or lower the gains.",
            code="mix-not-finite",
        )


_LARGEST = 1e10
_SILENCE = 1e-30
"""Excerpts that stay below are silence: float files can end in numbers too small to be divided by."""


def _round_to_integers(audio: FloatArray) -> tuple[NDArray[np.int16], float]:
    """Return an excerpt as integers of its own peak, and the factor back."""
    peak = max(float(audio.max()), -float(audio.min()))
    if peak < _SILENCE:
        return np.zeros(audio.shape, dtype=np.int16), 1.0
    return np.rint(audio * np.float32(_PEAK / peak)).astype(np.int16), peak / _PEAK


def join_items(items: Sequence[RawItem]) -> RawBatch:
    """Make a batch of items; see ``prepare_batch``."""
    if not items:
        raise ConfigError("A batch needs at least one recipe, found none.", code="empty-selection")
    settings = items[0].settings
    if any(item.settings != settings for item in items):
        raise ConfigError(
            "The recipes of one batch are rendered alike; found different 'render' settings. Make one batch "
            "for each of them.",
            code="unlike-recipes",
        )
    sources = [source for item in items for source in item.sources]
    places = [(n, place) for n, item in enumerate(items) for place in range(len(item.sources))]
    samples = _stack_samples(sources, settings.channels)
    chains = [_chains(source.plan) for source in sources]
    table = [
        _row(source, *place, *chain) for source, place, chain in zip(sources, places, chains, strict=True)
    ]
    sounding = [(s.own_db >= settings.activity_db, s.own_db < settings.silence_db) for s in sources]
    return RawBatch(
        samples,
        torch.tensor(table, dtype=torch.float64),
        torch.from_numpy(_stack_sections(chains)),
        torch.tensor([STATES.index(_judge(*sounds, 0.0, settings)) for sounds in sounding]),
        torch.from_numpy(np.array(sounding)),
        torch.from_numpy(np.stack([_source_votes(source, settings) for source in sources])),
        torch.from_numpy(_never_known(settings.label_set, settings.label_hash).copy()),
        torch.tensor([(item.epoch, item.index, item.attempt) for item in items]),
        settings,
    )


def _stack_samples(sources: Sequence[_RawSource], channels: int) -> Tensor:
    samples = torch.zeros((len(sources), channels, max(s.length for s in sources)), dtype=torch.int16)
    if get_worker_info() is not None:
        # Before it is filled: so nothing is copied on the way to the consumer.
        samples.share_memory_()  # type: ignore[no-untyped-call]
    for row, source in zip(samples.numpy(), sources, strict=True):
        row[:, source.head : source.head + source.integers.shape[1]] = source.integers
    return samples


_Chain = tuple[Section, ...]


def _chains(plan: EffectPlan) -> tuple[_Chain, _Chain]:
    """Return the filters before and after the pass; all of them before it where there is none."""
    return (plan.before, plan.after) if plan.stretches else (plan.before + plan.after, ())


def _row(source: _RawSource, item: int, place: int, before: _Chain, after: _Chain) -> tuple[float, ...]:
    plan = source.plan
    head = round(source.context / plan.rate)
    return (
        *(item, place, source.length, head, _ring(before), _ring(after), plan.stretches),
        *(source.scale, plan.semitones, plan.rate),
    )


def _ring(chain: _Chain) -> int:
    """Return for how many samples filters in a row sound on after their input has ended."""
    total = 0
    for *_, a1, a2 in chain:
        inner = a1 * a1 - 4.0 * a2
        radius = math.sqrt(a2) if inner < 0.0 else 0.5 * (abs(a1) + math.sqrt(inner))
        # At least a few, for the two zeros; and poles at 0 have no logarithm.
        total += 8 + math.ceil(math.log(_DECAYED) / math.log(min(max(radius, 1e-3), 1.0 - 1e-7)))
    return total


def _stack_sections(chains: Sequence[tuple[_Chain, _Chain]]) -> NDArray[np.float64]:
    most = max(max(len(chain) for chain in pair) for pair in chains)
    stacked = np.empty((len(chains), 2, most, 5), dtype=np.float64)
    stacked[:] = _IDENTITY
    for rows, pair in zip(stacked, chains, strict=True):
        for side, chain in zip(rows, pair, strict=True):
            if chain:
                side[: len(chain)] = chain
    return stacked


def _source_votes(source: _RawSource, settings: RenderSettings) -> NDArray[np.bool_]:
    key = (settings.label_set, settings.label_hash, source.nodes, source.bleed_nodes)
    present, unknown = _votes(*key, False)
    return np.stack([present, unknown, _votes(*key, True)[1]])
