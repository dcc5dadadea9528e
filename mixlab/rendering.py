"""Turn a recipe into audio and labels. No randomness: the same recipe gives the same mix.

The mixture is the sum of its sources, sample for sample. Each source is read a little wider than
needed, brought to the mix's rate and channels, changed by its effects, cut to length and levelled.
Then it is measured, which decides the labels (design: present, active or audible).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mixlab.audio import FLOOR_DB, HOP_S, FloatArray, amplitude, fit_length, hop_edges, read_resampled
from mixlab.catalog import Catalog
from mixlab.drawing import POSITION_GRID_S
from mixlab.effects import apply_effects, total_rate
from mixlab.errors import CatalogMismatchError
from mixlab.recipes import MixRecipe, RenderSettings, SourceRecipe, label_hash
from mixlab.stretch import get_engine
from mixlab.taxonomy import Evidence, LabelSet, combine_evidence, load_label_set, load_taxonomy, stem_evidence

__all__ = ["CatalogReader", "Explanation", "Mix", "Reader", "Source", "render"]

CONTEXT_S = 3 * POSITION_GRID_S
"""Read on both sides of a chunk and cut off at the end, so that resampling, filters and the stretch
have begun to swing before the chunk starts."""

SourceState = Literal["present", "uncertain", "silent"]

_NOTHING = Evidence(frozenset(), frozenset())


class Reader(Protocol):
    """Reads chunks of a catalog's stems at the mix's rate; files and packs are the two ways to do it."""

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        """Return ``(channels, samples)`` of stem number ``stem`` from ``start_s`` on, silence outside."""
        ...


class CatalogReader:
    """Reads from the corpora's own files: seek, decode the span alone, resample once."""

    def __init__(self, catalog: Catalog) -> None:
        """Read stems of ``catalog``."""
        self._catalog = catalog
        self._rates = catalog.column("sample_rate")
        self._frames = catalog.column("frames")

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        """See ``Reader.read``.

        Raises:
            AudioError: the file is missing, damaged, or has another sample rate than when indexed.
        """
        path, rate, end = self._catalog.audio_path(stem), int(self._rates[stem]), int(self._frames[stem])
        return read_resampled(path, rate, end, start_s, samples, sample_rate, channels)


@dataclass(frozen=True)
class Source:
    """One rendered source of a mix.

    Attributes:
        stem: Key of the stem.
        nodes: Its taxonomy nodes; with several, at least one of them sounds.
        audio: float32 ``(channels, samples)``, after effects and level, as it stands in the mixture.
        active: bool ``(hops,)``: in which hops of 100 ms it sounds.
        silent: bool ``(hops,)``: in which it certainly does not; the hops between are uncertain.
        level_db: RMS of the source in dBFS.
        relative_db: That level less the mixture's, in dB.
        state: ``present``, ``uncertain`` (not silent, but it fails the label rule) or ``silent``.
        reason: Why, in words.
        evidence: What its labels say about the taxonomy's nodes where it sounds.
        verdict: What the label rule made of that for the whole mix.
    """

    stem: str
    nodes: tuple[str, ...]
    audio: FloatArray
    active: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    level_db: float
    relative_db: float
    state: SourceState
    reason: str
    evidence: Evidence
    verdict: Evidence

    @property
    def active_s(self) -> float:
        """Seconds in which the source sounds."""
        return float(self.active.sum()) * HOP_S


@dataclass(frozen=True)
class Explanation:
    """Why a class has its label: ``state`` is ``present``, ``absent`` or ``unknown``."""

    name: str
    state: Literal["present", "absent", "unknown"]
    reason: str


@dataclass(frozen=True)
class Mix:
    """A rendered recipe.

    Attributes:
        recipe: What it was rendered from.
        mixture: float32 ``(channels, samples)``, the sum of the sources.
        sources: In the recipe's order.
        target: float32 ``(classes,)``, 1 present, 0 absent; 0 where unknown.
        mask: bool ``(classes,)``, False where unknown: such a class must not enter a loss or a score.
        scale_db: What was taken off all sources to keep the mixture within the peak limit, in dB, <= 0.
        labels: The label set of ``target`` and ``mask``.
    """

    recipe: MixRecipe
    mixture: FloatArray
    sources: tuple[Source, ...]
    target: FloatArray
    mask: NDArray[np.bool_]
    scale_db: float
    labels: LabelSet

    @cached_property
    def frames(self) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Targets and mask per hop of 100 ms, each ``(classes, hops)``: instrument activity.

        A class is present in a hop when a source that has it sounds there, unknown when only a source
        that may have it does, or one of which it is uncertain whether it sounds; else absent. The label
        rule of the whole mix (too brief, inaudible) is not applied to single hops.
        """
        present = np.zeros((len(self.labels), len(self.sources[0].active)), dtype=bool)
        unknown = np.zeros_like(present)
        for source in self.sources:
            target, mask = self.labels.encode(source.evidence)
            present |= (target > 0)[:, None] & source.active
            unknown |= (target > 0)[:, None] & ~source.silent
            unknown |= ~mask[:, None] & ~source.silent
        known = present | ~unknown
        known[[not output.nodes for output in self.labels.outputs]] = False
        return present.astype(np.float32), known

    def explain(self) -> tuple[Explanation, ...]:
        """Say for every class why it is present, absent or unknown."""
        return tuple(_explain(self, i) for i in range(len(self.labels)))


def render(recipe: MixRecipe, catalog: Catalog, reader: Reader | None = None) -> Mix:
    """Render a recipe.

    Args:
        recipe: As drawn, or replayed.
        catalog: The catalog that the recipe names.
        reader: Where samples come from; the corpora's files by default.

    Raises:
        CatalogMismatchError: the recipe was drawn from another catalog, label set or instrument tree.
        AudioError: a file is missing or damaged.
    """
    if recipe.catalog_hash != catalog.content_hash:
        raise CatalogMismatchError(
            f"The recipe was drawn from the catalog with hash {recipe.catalog_hash}, {catalog.path} has hash "
            f"{catalog.content_hash}: stems, labels or splits differ, so it would be another mix. "
            "Open the catalog it was drawn from (with its split method and seed), or draw it again."
        )
    labels = _labels(recipe.render.label_set, recipe.render.label_hash)
    reader = reader or CatalogReader(catalog)
    settings = recipe.render
    numbers = [catalog.find(source.stem) for source in recipe.sources]
    rendered = [_render_source(s, i, settings, reader) for s, i in zip(recipe.sources, numbers, strict=True)]
    audios, mixture, scale_db = _sum([audio for audio, _ in rendered], settings)
    mixture_db = _rms_db(mixture)
    sources = tuple(
        _label_source(catalog, i, audio, own_db, mixture_db, settings)
        for i, audio, (_, own_db) in zip(numbers, audios, rendered, strict=True)
    )
    target, mask = labels.encode(combine_evidence(source.verdict for source in sources))
    return Mix(recipe, mixture, sources, target, mask, scale_db, labels)


@lru_cache(maxsize=16)
def _labels(name: str, expected: str) -> LabelSet:
    """Return a label set as it was when the recipe was drawn; read once, so that it stays so."""
    found = label_hash(name)
    if found != expected:
        raise CatalogMismatchError(
            f"The recipe was drawn with the label set {name!r} of hash {expected}, now it has {found}: it "
            "or the instrument tree has changed, so the labels would differ. Restore it, or draw again."
        )
    return load_label_set(name)


@lru_cache(maxsize=4096)
def _evidence(nodes: tuple[str, ...], bleed_nodes: tuple[str, ...]) -> Evidence:
    return stem_evidence(load_taxonomy(), nodes, bleed_nodes)


def _render_source(
    source: SourceRecipe, stem: int, settings: RenderSettings, reader: Reader
) -> tuple[FloatArray, FloatArray]:
    """Return the source as it will stand in the mixture, and the stem's own level per hop in dBFS."""
    rate = total_rate(source.effects)
    context = round(CONTEXT_S * settings.sample_rate) if source.effects else 0
    samples = math.ceil(settings.samples * rate) + 2 * context
    start_s = source.start_s - context / settings.sample_rate
    raw = reader.read(stem, start_s, samples, settings.sample_rate, settings.channels)
    own_db = _own_level_db(raw[:, context:], rate, settings)
    audio = apply_effects(raw, settings.sample_rate, source.effects, get_engine(settings.engine))
    audio = fit_length(audio[:, round(context / rate) :], settings.samples)
    level = np.float32(amplitude(source.level_db))
    return (audio if source.level_db == 0.0 else audio * level), own_db


def _own_level_db(raw: FloatArray, rate: float, settings: RenderSettings) -> FloatArray:
    """Measure the stem behind each hop of the source, before any effect, in dBFS ``(hops,)``.

    Whether an instrument plays is a question to its own recording: a filter or a gain that turns it
    down does not silence it, and one that turns up its noise does not make it play. A hop of the source
    stands for ``rate`` hops' worth of the file.
    """
    edges = np.rint(hop_edges(settings.samples, settings.sample_rate) * rate).astype(np.int64)
    end = min(round(settings.samples * rate), raw.shape[1])
    power = np.einsum("cn,cn->n", raw[:, :end], raw[:, :end]) / raw.shape[0]
    mean = np.add.reduceat(power.astype(np.float64), edges) / np.diff(np.append(edges, end))
    level_db: FloatArray = (10.0 * np.log10(np.maximum(mean, 10.0 ** (FLOOR_DB / 10.0)))).astype(np.float32)
    return level_db


def _sum(audios: list[FloatArray], settings: RenderSettings) -> tuple[list[FloatArray], FloatArray, float]:
    """Add up the sources; scale them all when the sum would exceed the peak limit."""
    mixture = _add(audios)
    peak = float(np.abs(mixture).max(initial=0.0))
    if settings.peak_limit == 0.0 or peak <= settings.peak_limit:
        return audios, mixture, 0.0
    # A hair below the limit, so that rounding in the sum cannot carry it over.
    scale = np.float32(settings.peak_limit / peak * (1.0 - 1e-6))
    scaled = [audio * scale for audio in audios]
    return scaled, _add(scaled), 20.0 * math.log10(float(scale))


def _add(audios: Sequence[FloatArray]) -> FloatArray:
    mixture = audios[0].copy()
    for audio in audios[1:]:
        mixture += audio
    return mixture


def _rms_db(audio: FloatArray) -> float:
    power = float(np.mean(np.square(audio, dtype=np.float64))) if audio.size else 0.0
    return max(10.0 * math.log10(power), FLOOR_DB) if power > 0 else FLOOR_DB


def _label_source(
    catalog: Catalog,
    stem: int,
    audio: FloatArray,
    own_db: FloatArray,
    mixture_db: float,
    settings: RenderSettings,
) -> Source:
    level_db = _rms_db(audio)
    relative_db = level_db - mixture_db
    active, silent = own_db >= settings.activity_db, own_db < settings.silence_db
    state, reason = _judge(active, silent, relative_db, settings)
    nodes = catalog.column("nodes")[stem]
    evidence = _evidence(nodes, catalog.column("bleed_nodes")[stem])
    verdict = _NOTHING
    if state == "present":
        verdict = evidence
    elif state == "uncertain" and settings.uncertain == "mask":
        verdict = Evidence(frozenset(), evidence.present | evidence.unknown)
    key = catalog.column("key")[stem]
    return Source(key, nodes, audio, active, silent, level_db, relative_db, state, reason, evidence, verdict)


def _judge(
    active: NDArray[np.bool_], silent: NDArray[np.bool_], relative_db: float, settings: RenderSettings
) -> tuple[SourceState, str]:
    """Apply the label rule to what was measured."""
    active_s = float(active.sum()) * HOP_S
    sounds = f"sounds for {active_s:.1f} s"
    if settings.label_rule == "present":
        return "present", f"drawn (rule 'present'); {sounds}"
    if silent.all():
        return "silent", f"stays below {settings.silence_db:g} dBFS in the chunk"
    if active_s == 0.0:
        return "uncertain", f"is soft: between {settings.silence_db:g} and {settings.activity_db:g} dBFS"
    if active_s < settings.min_active_s - 1e-9:
        return "uncertain", f"{sounds}, less than min_active_s {settings.min_active_s:g} s"
    if settings.label_rule == "audible" and relative_db < settings.audible_db:
        return (
            "uncertain",
            f"{sounds}, but {relative_db:.0f} dB in the mixture (audible_db {settings.audible_db:g})",
        )
    return "present", sounds


def _explain(mix: Mix, place: int) -> Explanation:
    output = mix.labels.outputs[place]
    if not output.nodes:
        return Explanation(output.name, "unknown", "no instrument: mixes say nothing about it")
    nodes = set(output.nodes)
    if mix.mask[place] and mix.target[place] > 0:
        why = [f"{s.stem} {s.reason}" for s in mix.sources if nodes & s.verdict.present]
        return Explanation(output.name, "present", "; ".join(why))
    if not mix.mask[place]:
        why = [f"{s.stem} ({_doubt(s)})" for s in mix.sources if nodes & s.verdict.unknown]
        return Explanation(output.name, "unknown", "may sound in " + "; ".join(why))
    silent = [f"{s.stem} {s.reason}" for s in mix.sources if nodes & set(load_taxonomy().closure(s.nodes))]
    reason = "drawn, but " + "; ".join(silent) if silent else "no source has it"
    return Explanation(output.name, "absent", reason)


def _doubt(source: Source) -> str:
    if source.state == "uncertain":
        return source.reason
    return (
        "is one of several: " + ", ".join(source.nodes)
        if len(source.nodes) > 1
        else (f"is {', '.join(source.nodes)}, closer kind not stated, or bleeds")
    )
