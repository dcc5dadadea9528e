"""Turn a recipe into audio and labels. No randomness: the same recipe gives the same mix.

The mixture is the sum of its sources, sample for sample, unless the recipe has effects on that sum.
Each source is read a little wider than needed, brought to the mix's rate and channels, changed by its
effects, cut to length and levelled. Then it is measured, which decides the labels (design: present,
active or audible). A source that others cancel, as polarity-inverted doubles do, sounds in no mix:
where that happens, its labels are unknown. So they are where an effect of one's own takes its sound
away.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S, FloatArray, amplitude
from mixlab.audio.loudness import loudness_lufs
from mixlab.audio.time_pitch import get_engine
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.readers import CatalogReader, Reader
from mixlab.errors import AudioError, CatalogMismatchError, ConfigError
from mixlab.mixing.candidates import nodes_of
from mixlab.mixing.config import RenderSettings, label_hash
from mixlab.mixing.effect_plan import apply_plan, plan_effects, total_rate
from mixlab.mixing.hop_levels import (
    Changes,
    apply_rest,
    apply_to_mixture,
    check_frame_hop,
    count_frames,
    frame_level_db,
    own_level_db,
    to_frames,
)
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.mixing.replaying import check_recipe
from mixlab.mixing.sampler import POSITION_GRID_S
from mixlab.mixing.summing import Summed, add_up
from mixlab.mixing.transforms import SourceTransform, transform_sources
from mixlab.taxonomy import Evidence, LabelSet, load_label_set, load_taxonomy, stem_evidence

__all__ = ["CatalogReader", "Explanation", "Mix", "Reader", "Source", "needed_span", "render_mix"]

CONTEXT_S = 3 * POSITION_GRID_S
"""Read on both sides of an excerpt and cut off at the end, so that resampling, filters and the stretch
have begun to swing before the excerpt starts."""

SourceState = Literal["present", "uncertain", "silent"]

_NOTHING = Evidence(frozenset(), frozenset())


@dataclass(frozen=True)
class Source:
    """One rendered source of a mix.

    Attributes:
        stem: Key of the stem.
        nodes: Its taxonomy nodes; with several, at least one of them sounds.
        audio: float32 ``(channels, samples)``, after effects and level, as it stands in the mixture.
        active: bool ``(hops,)``: in which hops of 100 ms it sounds, not cancelled and not changed.
        silent: bool ``(hops,)``: in which it certainly does not; the hops between are uncertain.
        cancelled: bool ``(hops,)``: in which it would sound, but other sources cancel it.
        changed: bool ``(hops,)``: in which its recording no longer tells whether it sounds, since an effect
            of one's own took its sound away, or put some there.
        level_db: RMS of the source in dBFS, without offset.
        relative_db: That level less the mixture's, in dB.
        state: ``present``, ``uncertain`` (not silent, but it fails the label rule) or ``silent``.
        settings: How it was rendered and judged.
        evidence: What its labels say about the taxonomy's nodes where it sounds.
        verdict: What the label rule made of that for the whole mix.
        frames: ``active`` and ``silent`` per frame, each bool ``(frames,)``; frames are hops by default.
    """

    stem: str
    nodes: tuple[str, ...]
    audio: FloatArray
    active: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    cancelled: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    level_db: float
    relative_db: float
    state: SourceState
    settings: RenderSettings
    evidence: Evidence
    verdict: Evidence
    frames: tuple[NDArray[np.bool_], NDArray[np.bool_]]

    @property
    def active_s(self) -> float:
        """Seconds in which the source sounds."""
        return float(self.active.sum()) * HOP_S

    @property
    def reason(self) -> str:
        """Why it has its state, in words."""
        return _why(self)


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
        mixture: float32 ``(channels, samples)``, the sum of the sources; where the recipe has effects on
            the mixture, changed by them.
        sources: In the recipe's order.
        target: float32 ``(classes,)``, 1 present, 0 absent; 0 where unknown.
        mask: bool ``(classes,)``, False where unknown: such a class must not enter a loss or a score.
        scale_db: What was taken off all sources to keep the mixture within the peak limit, in dB, <= 0; of a
            recipe with ``mixture_lufs``, by how much all were scaled for both.
        labels: The label set of ``target`` and ``mask``.
        frame_hop_s: Seconds per frame of ``frames``.
        notes: What effects on the mixture could not do as their values ask, in words.

    Example:
        >>> from mixlab import MixConfig, MixDataset
        >>> mix = MixDataset("my-catalog", MixConfig(duration_s=1.0, sample_rate=16_000)).mix(0)
        >>> mix.mixture.shape, len(mix.explain())
        ((1, 16000), 15)
        >>> {label.state for label in mix.explain()} <= {"present", "absent", "unknown"}
        True
    """

    recipe: MixRecipe
    mixture: FloatArray
    sources: tuple[Source, ...]
    target: FloatArray
    mask: NDArray[np.bool_]
    scale_db: float
    labels: LabelSet
    frame_hop_s: float = HOP_S
    notes: tuple[str, ...] = ()

    @cached_property
    def frames(self) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Targets and mask per frame, each ``(classes, frames)``: instrument activity.

        Frames are hops of 100 ms, or as ``render_mix(frame_hop_s=)`` says. A class is present in a frame
        when a source that has it sounds there, unknown when only a source that may have it does, or one of
        which it is uncertain whether it sounds; else absent. The label rule of the whole mix (too brief,
        inaudible) is not applied to single frames.
        """
        settings = self.recipe.render
        frames = count_frames(settings.samples, settings.sample_rate, self.frame_hop_s)
        present = np.zeros((len(self.labels), frames), dtype=bool)
        unknown = np.zeros_like(present)
        for source in self.sources:
            target, mask = self.labels.encode(source.evidence)
            active, silent = source.frames
            present |= (target > 0)[:, None] & active
            unknown |= (target > 0)[:, None] & ~silent
            unknown |= ~mask[:, None] & ~silent
        known = present | ~unknown
        known[[not output.is_instrument for output in self.labels.outputs]] = False
        return present.astype(np.float32), known

    def explain(self) -> tuple[Explanation, ...]:
        """Say for every class why it is present, absent or unknown."""
        return tuple(_explain(self, i) for i in range(len(self.labels)))


def render_mix(
    recipe: MixRecipe,
    catalog: Catalog,
    reader: Reader | None = None,
    *,
    out: FloatArray | None = None,
    frame_hop_s: float = HOP_S,
    source_transform: SourceTransform | None = None,
) -> Mix:
    """Render a recipe.

    Args:
        recipe: As sampled, or replayed.
        catalog: The catalog that the recipe names; or any that holds its stems, where the recipe carries
            their digests.
        reader: Where samples come from; the corpora's files by default.
        out: Where to write the mixture: float32 ``(channels, samples)``, C-contiguous, such as a row
            of a batch; by default a new array.
        frame_hop_s: Seconds per frame of ``Mix.frames``: one of ``FRAME_HOPS_S``.
        source_transform: Changes each source before they are added up, see ``MixDataset``. Whether a source
            sounds is still told by its recording; its level in the mixture, and what others cancel of it, by
            what was returned.

    Raises:
        CatalogMismatchError: the recipe was sampled from another catalog, and does not say what its stems
            are; a stem is missing, or has other audio or labels; or the label set or instrument tree is
            another.
        AudioError: a file is missing or damaged, or what is rendered of it is not finite.
        ConfigError: ``out`` has another shape, type or order, or there are no such frames; or
            ``source_transform`` failed, or returned what it may not.

    Example:
        >>> from mixlab import Catalog, MixConfig, render_mix, sample_recipe
        >>> catalog = Catalog.open("my-catalog")
        >>> config = MixConfig(duration_s=1.0, sample_rate=16_000)
        >>> mix = render_mix(sample_recipe(catalog, config, seed=0, epoch=0, index=7), catalog)
        >>> mix.mixture.shape, mix.mixture.dtype
        ((1, 16000), dtype('float32'))
    """
    check_frame_hop(frame_hop_s)
    check_recipe(recipe, catalog)
    labels = _labels(recipe.render.label_set, recipe.render.label_hash)
    reader = reader or CatalogReader(catalog)
    settings = recipe.render
    stems = [catalog.find(source.stem) for source in recipe.sources]
    audios = np.empty((len(stems), settings.channels, settings.samples), dtype=np.float32)
    rendered = [
        _render_source(source, stem, settings, reader, audio, frame_hop_s)
        for source, stem, audio in zip(recipe.sources, stems, audios, strict=True)
    ]
    if source_transform is not None:
        transform_sources(source_transform, recipe, audios)
    if out is None:
        out = np.empty(audios.shape[1:], dtype=np.float32)
    elif out.shape != audios.shape[1:] or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise ConfigError(
            f"render_mix(out=) needs a C-contiguous float32 array of shape {audios.shape[1:]}, found "
            f"{out.dtype} of shape {out.shape}{'' if out.flags.c_contiguous else ', not contiguous'}.",
            code="wrong-shape",
        )
    if recipe.noise is not None:
        out[:] = recipe.noise.render(settings.channels, settings.samples, settings.sample_rate)
        target, mask = _targets(catalog, [], [], settings, labels)
        return Mix(recipe, out, (), target, mask, 0.0, labels, frame_hop_s)
    measured = [(own_db, own) for own_db, own, _ in rendered]
    names = [source.stem for source in recipe.sources]
    _set_ratios(recipe, audios, out, [own_db for own_db, _ in measured], names)
    summed = add_up(audios, out, settings.sample_rate, settings.peak_limit, names)
    notes: tuple[str, ...] = ()
    if recipe.effects:
        summed, changes, notes = _change_mixture(recipe, audios, out, summed)
        measured = [(own_db, own | changes) for own_db, own in measured]
    if recipe.mixture_lufs is not None and any(_sounds(own_db, settings) for own_db, _ in measured):
        summed = _set_loudness(recipe, audios, out, summed, names)
    sources = tuple(
        _label_source(catalog, stem, audio, (*own, fine_db), summed, i, settings, labels, frame_hop_s)
        for i, (stem, audio, own, (_, _, fine_db)) in enumerate(
            zip(stems, audios, measured, rendered, strict=True)
        )
    )
    target, mask = _targets(catalog, stems, sources, settings, labels)
    return Mix(recipe, out, sources, target, mask, summed.scale_db, labels, frame_hop_s, notes)


@lru_cache(maxsize=16)
def _labels(name: str, expected: str) -> LabelSet:
    """Return a label set as it was when the recipe was sampled; read once, so that it stays so."""
    found, labels = label_hash(name), load_label_set(name)
    if found != expected:
        raise CatalogMismatchError(
            f"The recipe was sampled with the label set {labels.name!r} of hash {expected}, now it has "
            f"{found}: it or the instrument tree has changed, so the labels would differ. Restore it, or "
            "sample again.",
            code="label-set-mismatch",
        )
    return labels


@lru_cache(maxsize=4096)
def _evidence(nodes: tuple[str, ...], bleed_nodes: tuple[str, ...]) -> Evidence:
    return stem_evidence(load_taxonomy(), nodes, bleed_nodes)


def needed_span(source: SourceRecipe, settings: RenderSettings) -> tuple[float, int, int]:
    """Return what is read for a source: start in seconds, samples at the mix's rate, samples of context.

    The context is read on both sides of the excerpt.
    """
    context = round(CONTEXT_S * settings.sample_rate) if source.effects else 0
    samples = math.ceil(settings.samples * total_rate(source.effects)) + 2 * context
    return source.start_s - context / settings.sample_rate, samples, context


def _render_source(
    source: SourceRecipe,
    stem: int,
    settings: RenderSettings,
    reader: Reader,
    out: FloatArray,
    frame_hop_s: float,
) -> tuple[FloatArray, Changes, FloatArray]:
    """Write the source as it will stand in the mixture.

    Returns:
        The stem's own level per hop in dBFS, what effects that are not fused changed of its sound, and its
        own level per frame.
    """
    plan = plan_effects(source.effects, settings.sample_rate)
    gain = plan.gain * amplitude(source.level_db)
    check_gain(source.stem, gain)
    start_s, samples, context = needed_span(source, settings)
    if not plan.stretches and not plan.before and not plan.after and not context:
        reader.read_into(out, stem, start_s, settings.sample_rate, gain)
        own_db = own_level_db(out, 0, 1.0, settings, gain)
        fine_db = frame_level_db(out, 0, 1.0, settings, own_db, frame_hop_s, gain)
        return own_db, Changes.none(len(own_db)), fine_db
    raw = np.empty((settings.channels, samples), dtype=np.float32)
    reader.read_into(raw, stem, start_s, settings.sample_rate, gain)
    rate = total_rate(source.effects)
    own_db = own_level_db(raw, context, rate, settings, gain)
    fine_db = frame_level_db(raw, context, rate, settings, own_db, frame_hop_s, gain)
    plan = replace(plan, gain=1.0)
    audio = apply_plan(raw, settings.sample_rate, plan, get_engine(settings.engine))
    audio, changes = apply_rest(audio, plan, rate, context, source.stem, settings)
    head = round(context / rate)
    found = min(audio.shape[1] - head, settings.samples)
    out[:, :found] = audio[:, head : head + found]
    out[:, found:] = 0.0
    return own_db, changes, fine_db


def _change_mixture(
    recipe: MixRecipe, audios: FloatArray, out: FloatArray, summed: Summed
) -> tuple[Summed, Changes, tuple[str, ...]]:
    """Apply the effects on the sum of the sources, in place; scale all once more for the peak limit."""
    mixture, changes, notes = apply_to_mixture(out, recipe.effects, recipe.render)
    out[:] = mixture
    return _scale(audios, out, summed, 1.0, recipe.render.peak_limit), changes, notes


def _scale(audios: FloatArray, out: FloatArray, summed: Summed, factor: float, peak_limit: float) -> Summed:
    """Scale sources and mixture alike, in place, by a factor or by less where the peak limit asks for it."""
    peak = float(np.abs(out).max(initial=0.0)) * factor
    scale = np.float32(factor * peak_limit / peak * (1.0 - 1e-6) if 0.0 < peak_limit < peak else factor)
    audios *= scale
    out *= scale
    scale_db = 20.0 * math.log10(float(scale))
    levels_db = [level_db + scale_db for level_db in summed.levels_db]
    return replace(summed, levels_db=levels_db, scale_db=summed.scale_db + scale_db)


def _sounds(own_db: FloatArray, settings: RenderSettings) -> bool:
    return bool((own_db >= settings.activity_db).any())


def _set_ratios(
    recipe: MixRecipe, audios: FloatArray, out: FloatArray, own_db: Sequence[FloatArray], names: Sequence[str]
) -> None:
    """Scale the sources, in place, to the ratios of the first source to them that the recipe states.

    What does not sound in the excerpt has no level that it could be brought to: it stays as it is.
    """
    settings = recipe.render
    if all(source.snr_db is None for source in recipe.sources) or not _sounds(own_db[0], settings):
        return
    levels_db = add_up(audios, out, settings.sample_rate, 0.0, names).levels_db
    for source, audio, own, level_db in zip(recipe.sources, audios, own_db, levels_db[:-1], strict=True):
        if source.snr_db is not None and _sounds(own, settings):
            gain = amplitude(levels_db[0] - source.snr_db - level_db)
            check_gain(source.stem, gain)
            audio *= np.float32(gain)


def _set_loudness(
    recipe: MixRecipe, audios: FloatArray, out: FloatArray, summed: Summed, names: Sequence[str]
) -> Summed:
    """Bring the mixture to the loudness that the recipe states, in place, within the peak limit."""
    settings, target = recipe.render, recipe.mixture_lufs
    found = loudness_lufs(out, settings.sample_rate)
    if target is None or not math.isfinite(found):
        return summed
    gain_db = target - found
    check_gain("the mixture", amplitude(gain_db))
    scaled = _scale(audios, out, summed, amplitude(gain_db), settings.peak_limit)
    if recipe.effects:
        return scaled
    # Once more from the sources, so that it is their sum to the last bit.
    again = add_up(audios, out, settings.sample_rate, settings.peak_limit, names)
    return replace(again, scale_db=scaled.scale_db + again.scale_db)


def check_gain(stem: str, gain: float) -> None:
    """Refuse gains with which samples would leave what single precision can hold.

    Raises:
        AudioError: the gain is beyond +-200 dB.
    """
    if not 1e-10 <= gain <= 1e10:
        raise AudioError(
            f"Expected gains that come to -200 to 200 dB for {stem}, found a factor of {gain:.3g} from its "
            "level and effects together. Lower them.",
            code="gain-out-of-range",
        )


def _label_source(
    catalog: Catalog,
    stem: int,
    audio: FloatArray,
    measured: tuple[FloatArray, Changes, FloatArray],
    summed: Summed,
    place: int,
    settings: RenderSettings,
    labels: LabelSet,
    frame_hop_s: float,
) -> Source:
    level_db = summed.levels_db[place]
    relative_db = level_db - summed.levels_db[-1]
    own_db, changes, fine_db = measured
    sounds, silent = own_db >= settings.activity_db, own_db < settings.silence_db
    cancelled, changed = sounds & summed.cancelled[place], changes.touch(sounds, silent)
    active, silent = sounds & ~cancelled & ~changed, silent & ~changed
    frames = active, silent
    if fine_db is not own_db:
        lost, touched = (
            to_frames(hops, len(fine_db), frame_hop_s) for hops in (cancelled | changed, changed)
        )
        frames = (fine_db >= settings.activity_db) & ~lost, (fine_db < settings.silence_db) & ~touched
    state = _judge(active, silent, relative_db, settings, bool((cancelled | changed).any()))
    nodes = catalog.column("nodes")[stem]
    evidence = _evidence(nodes_of(catalog, stem, labels), catalog.column("bleed_nodes")[stem])
    verdict = _NOTHING
    if state == "present":
        verdict = evidence
    elif state == "uncertain" and settings.uncertain == "mask":
        verdict = _doubted(evidence)
    key = catalog.column("key")[stem]
    return Source(
        key,
        nodes,
        audio,
        active,
        silent,
        cancelled,
        changed,
        level_db,
        relative_db,
        state,
        settings,
        evidence,
        verdict,
        frames,
    )


def _judge(
    active: NDArray[np.bool_],
    silent: NDArray[np.bool_],
    relative_db: float,
    settings: RenderSettings,
    cancelled: bool = False,
) -> SourceState:
    """Apply the label rule to what was measured; ``cancelled`` tells whether others cancel it somewhere."""
    if settings.label_rule == "present":
        return "uncertain" if cancelled and not active.any() else "present"
    active_s = np.count_nonzero(active) * HOP_S
    if active_s == 0.0 and silent.all():
        return "silent"
    if active_s == 0.0 or active_s < settings.min_active_s - 1e-9:
        return "uncertain"
    if settings.label_rule == "audible" and relative_db < settings.audible_db:
        return "uncertain"
    return "present"


def _why(source: Source) -> str:
    settings, active_s = source.settings, source.active_s
    sounds = f"sounds for {active_s:.1f} s"
    if source.cancelled.any():
        cancelled_s = float(source.cancelled.sum()) * HOP_S
        sounds += f" and is cancelled by other sources for {cancelled_s:.1f} s"
    if source.changed.any():
        sounds += f" and is changed too much by an effect for {float(source.changed.sum()) * HOP_S:.1f} s"
    lost = (source.cancelled | source.changed).any()
    if lost and source.state == "uncertain" and active_s < max(settings.min_active_s - 1e-9, HOP_S / 2):
        return sounds
    if settings.label_rule == "present":
        return f"sampled (rule 'present'); {sounds}"
    if source.state == "silent":
        return f"stays below {settings.silence_db:g} dBFS in the excerpt"
    if source.state == "present":
        return sounds
    if active_s == 0.0:
        return f"is soft: between {settings.silence_db:g} and {settings.activity_db:g} dBFS"
    if active_s < settings.min_active_s - 1e-9:
        return f"{sounds}, less than min_active_s {settings.min_active_s:g} s"
    return f"{sounds}, but {source.relative_db:.0f} dB in the mixture (audible_db {settings.audible_db:g})"


@lru_cache(maxsize=4096)
def _doubted(evidence: Evidence) -> Evidence:
    """Return what a source proves of which it is uncertain whether it sounds."""
    return Evidence(frozenset(), evidence.present | evidence.unknown)


@lru_cache(maxsize=16)
def _never_known(label_set: str, expected: str) -> NDArray[np.bool_]:
    """Tell which classes are no instruments: mixes say nothing about them."""
    return ~_labels(label_set, expected).encode(_NOTHING)[1]


@lru_cache(maxsize=4096)
def _votes(
    label_set: str, label_hash: str, nodes: tuple[str, ...], bleed_nodes: tuple[str, ...], doubted: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for which classes a source alone makes the label present, and for which unknown."""
    evidence = _evidence(nodes, bleed_nodes)
    target, mask = _labels(label_set, label_hash).encode(_doubted(evidence) if doubted else evidence)
    return target > 0, ~mask


def _targets(
    catalog: Catalog,
    stems: Sequence[int],
    sources: Sequence[Source],
    settings: RenderSettings,
    labels: LabelSet,
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return target and mask: what ``LabelSet.encode`` makes of all verdicts combined, from votes kept."""
    unknown = _never_known(settings.label_set, settings.label_hash)
    present = np.zeros(len(unknown), dtype=np.bool_)
    bleed = catalog.column("bleed_nodes")
    for stem, source in zip(stems, sources, strict=True):
        doubted = source.state == "uncertain"
        if source.state == "silent" or (doubted and settings.uncertain == "absent"):
            continue
        nodes = nodes_of(catalog, stem, labels)
        votes = _votes(settings.label_set, settings.label_hash, nodes, bleed[stem], doubted)
        present, unknown = present | votes[0], unknown | votes[1]
    return present.astype(np.float32), present | ~unknown


def _explain(mix: Mix, place: int) -> Explanation:
    output = mix.labels.outputs[place]
    if not output.is_instrument:
        return Explanation(output.name, "unknown", "no instrument: mixes say nothing about it")
    states = [output.state(source.verdict) for source in mix.sources]
    if mix.mask[place] and mix.target[place] > 0:
        why = [
            f"{s.stem} {s.reason}" for s, state in zip(mix.sources, states, strict=True) if state == "present"
        ]
        return Explanation(output.name, "present", "; ".join(why))
    if not mix.mask[place]:
        why = [
            f"{s.stem} ({_doubt(s)})"
            for s, state in zip(mix.sources, states, strict=True)
            if state == "unknown"
        ]
        return Explanation(output.name, "unknown", "may sound in " + "; ".join(why))
    if mix.recipe.noise is not None:
        return Explanation(output.name, "absent", "the item is without instruments")
    held = set(output.nodes)
    silent = [f"{s.stem} {s.reason}" for s in mix.sources if held & load_taxonomy().closure(s.nodes)]
    reason = "sampled, but " + "; ".join(silent) if silent else "no source has it"
    return Explanation(output.name, "absent", reason)


def _doubt(source: Source) -> str:
    if source.state == "uncertain":
        return source.reason
    return (
        "is one of several: " + ", ".join(source.nodes)
        if len(source.nodes) > 1
        else (f"is {', '.join(source.nodes)}, closer kind not stated, or bleeds")
    )
