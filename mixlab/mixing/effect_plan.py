"""Effects as they are computed: what is known is fused, in any number; the rest is applied in its place.

Gain, filters, pitch shift and time stretch become one pass of filters, one of pitch and time, and one of
filters. An effect of one's own stands between two such plans.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mixlab.audio.filters import Section, cascade
from mixlab.audio.io import FloatArray, amplitude
from mixlab.audio.time_pitch import StretchEngine
from mixlab.mixing.custom_effects import apply_checked
from mixlab.mixing.effects import Effect, Gain, HighShelf, LowShelf, Peak, PitchShift, TimeStretch

__all__ = ["EffectPlan", "apply_effects", "apply_plan", "plan_effects", "total_rate"]

_FUSED = frozenset((Gain, LowShelf, HighShelf, Peak, PitchShift, TimeStretch))
"""By their very classes: a subclass may do something else."""


def total_rate(effects: Sequence[Effect]) -> float:
    """Return how many seconds of input one second of output needs: the product of all rates."""
    rate = 1.0
    for effect in effects:
        if isinstance(effect, TimeStretch):
            rate *= effect.rate
    return rate


@dataclass(frozen=True)
class EffectPlan:
    """Effects sorted into what has to be computed: filters, one pass of pitch and time, filters, a gain.

    The pass stands where the first pitch shift stands. A time stretch moves no frequency and a gain
    commutes with everything, so only the order of filters and pitch matters, and is kept.

    Attributes:
        before: Coefficients of the filters before the pass, in order.
        semitones: Pitch change of the pass.
        rate: Tempo change of the pass.
        after: Coefficients of the filters after it.
        gain: Factor on amplitude.
        rest: Effects that are not fused, each with the plan of those between it and the next one.
    """

    before: tuple[Section, ...]
    semitones: float
    rate: float
    after: tuple[Section, ...]
    gain: float
    rest: tuple[tuple[Effect, "EffectPlan"], ...] = ()

    @property
    def stretches(self) -> bool:
        """Whether pitch or time change at all in the fused part."""
        return self.rate != 1.0 or self.semitones != 0.0


def plan_effects(effects: Sequence[Effect], sample_rate: int) -> EffectPlan:
    """Sort effects, as sampled and in their order, for a sample rate in Hz."""
    own = [place for place, effect in enumerate(effects) if type(effect) not in _FUSED]
    if not own:
        return _fuse(effects, sample_rate)
    ends = [*own[1:], len(effects)]
    rest = [(effects[n], _fuse(effects[n + 1 : end], sample_rate)) for n, end in zip(own, ends, strict=True)]
    return replace(_fuse(effects[: own[0]], sample_rate), rest=tuple(rest))


def _fuse(effects: Sequence[Effect], sample_rate: int) -> EffectPlan:
    before: list[Section] = []
    after: list[Section] = []
    semitones, rate, gain = 0.0, 1.0, 1.0
    place = before
    for effect in effects:
        if isinstance(effect, PitchShift):
            semitones += effect.semitones
            place = after
        elif isinstance(effect, TimeStretch):
            rate *= effect.rate
        elif isinstance(effect, Gain):
            gain *= amplitude(effect.gain_db)
        elif isinstance(effect, LowShelf | HighShelf | Peak):
            place.append(effect.section(sample_rate))
    return EffectPlan(tuple(before), semitones, rate, tuple(after), gain)


def apply_effects(
    audio: FloatArray, sample_rate: int, effects: Sequence[Effect], engine: StretchEngine
) -> FloatArray:
    """Apply effects in their order; all pitch and time changes cost one pass together.

    Args:
        audio: float32 ``(channels, samples)``.
        sample_rate: In Hz.
        effects: As sampled.
        engine: Pitch and time engine.

    Returns:
        float32 ``(channels, about samples / total rate)``; not the array passed in when changed.

    Raises:
        ConfigError: an effect of one's own returned what it may not.
    """
    plan = plan_effects(effects, sample_rate)
    audio = apply_plan(audio, sample_rate, plan, engine)
    for effect, following in plan.rest:
        audio = apply_checked(effect, audio, sample_rate, "audio")
        audio = apply_plan(audio, sample_rate, following, engine)
    return audio


def apply_plan(audio: FloatArray, sample_rate: int, plan: EffectPlan, engine: StretchEngine) -> FloatArray:
    """Apply the fused part of a plan; see ``apply_effects``."""
    if not plan.stretches:
        return cascade(audio, plan.before + plan.after, plan.gain)
    # The gain goes with a filter where there is one, and costs nothing there.
    audio = cascade(audio, plan.before, 1.0 if plan.after else plan.gain)
    audio = engine.process(audio, sample_rate, plan.semitones, plan.rate)
    return cascade(audio, plan.after, plan.gain) if plan.after else audio
