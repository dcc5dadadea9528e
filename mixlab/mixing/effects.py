"""The effects on one source: sampled into explicit values first, applied later without randomness.

The four of Bradl, Huber and Pernkopf 2023, section 2.3: amplitude scaling, three filters (high shelf,
low shelf, peaking), pitch shifting and time stretching, each with a probability of its own, in random
order. The paper leaves ranges and probabilities open; the defaults here are ours.

A range (``GainRange``) is configuration and draws; an effect (``Gain``) is a value and is applied.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np

from mixlab.audio.filters import FilterKind, Section, cascade, section
from mixlab.audio.io import FloatArray, amplitude
from mixlab.audio.time_pitch import FASTEST_RATE, LONGEST_SEMITONES, SLOWEST_RATE, StretchEngine
from mixlab.errors import ConfigError, RecipeError
from mixlab.utils.random import Stream
from mixlab.utils.values import settle

__all__ = [
    "EFFECTS",
    "PITCH_AND_TIME",
    "Effect",
    "EffectPlan",
    "EffectsConfig",
    "FilterRange",
    "Gain",
    "GainRange",
    "HighShelf",
    "LowShelf",
    "Peak",
    "PitchRange",
    "PitchShift",
    "StretchRange",
    "TimeStretch",
    "apply_effects",
    "apply_plan",
    "decode_effect",
    "encode_effect",
    "plan_effects",
    "sample_effects",
    "total_rate",
]


@dataclass(frozen=True)
class Gain:
    """Amplitude scaling: +6.02 dB doubles every sample."""

    name: ClassVar[str] = "gain"
    gain_db: float

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """Return ``audio`` ``(channels, samples)``, scaled."""
        return audio * np.float32(amplitude(self.gain_db))


@dataclass(frozen=True)
class _Filter:
    """A second-order filter, applied from a state of rest.

    Attributes:
        frequency_hz: Corner or centre; one above 0.45 of the sample rate is brought down to that.
        gain_db: Gain where the filter acts, in dB.
        q: Quality factor.
    """

    name: ClassVar[FilterKind]
    frequency_hz: float
    gain_db: float
    q: float

    def section(self, sample_rate: int) -> Section:
        """Return the filter's coefficients at a sample rate in Hz."""
        return section(self.name, self.frequency_hz, self.gain_db, self.q, sample_rate)

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """Return ``audio`` ``(channels, samples)``, filtered."""
        return cascade(audio, [self.section(sample_rate)])


class LowShelf(_Filter):
    """Low shelf: ``gain_db`` well below ``frequency_hz``, nothing well above it."""

    name = "low_shelf"


class HighShelf(_Filter):
    """High shelf: ``gain_db`` well above ``frequency_hz``, nothing well below it."""

    name = "high_shelf"


class Peak(_Filter):
    """Peaking filter: ``gain_db`` at ``frequency_hz``, bandwidth by ``q``."""

    name = "peak"


@dataclass(frozen=True)
class PitchShift:
    """Pitch change in semitones; the duration stays."""

    name: ClassVar[str] = "pitch_shift"
    semitones: float


@dataclass(frozen=True)
class TimeStretch:
    """Tempo change: ``rate`` 1.25 plays 1.25 times as fast; the pitch stays."""

    name: ClassVar[str] = "time_stretch"
    rate: float


Effect = Gain | LowShelf | HighShelf | Peak | PitchShift | TimeStretch

EFFECTS: dict[str, type[Effect]] = {
    effect.name: effect for effect in (Gain, LowShelf, HighShelf, Peak, PitchShift, TimeStretch)
}


_LIMITS = {"gain_db": (-200.0, 200.0), "frequency_hz": (1.0, 1e6), "q": (0.01, 100.0)}
"""What a recipe may hold, far beyond what is sampled: outside, filters are none, or unstable."""


def encode_effect(effect: Effect) -> dict[str, float | str]:
    """Return an effect as plain data: its stable name and its values."""
    return {"effect": effect.name, **asdict(effect)}


def decode_effect(data: Mapping[str, Any]) -> Effect:
    """Return the effect that ``encode_effect`` wrote.

    Raises:
        RecipeError: the name is unknown, or a value is missing, superfluous, not finite or out of range.
    """
    name = data.get("effect") if isinstance(data, Mapping) else data
    if not isinstance(name, str) or name not in EFFECTS or not isinstance(data, Mapping):
        raise RecipeError(f"Effect {name!r} in the recipe does not exist; known are {', '.join(EFFECTS)}.")
    kind = EFFECTS[name]
    expected = {f.name for f in fields(kind)}
    found = set(data) - {"effect"}
    if found != expected:
        raise RecipeError(
            f"Effect {name!r} needs the values {sorted(expected)}, the recipe has {sorted(found)}."
        )
    for key in expected:
        value = data[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise RecipeError(f"Effect {name!r} needs a finite number for {key}, the recipe has {value!r}.")
        low, high = _LIMITS.get(key, (-math.inf, math.inf))
        if not low <= value <= high:
            raise RecipeError(
                f"Effect {name!r} needs {key} from {low:g} to {high:g}, the recipe has {value!r}."
            )
    effect = kind(**{key: float(data[key]) for key in expected})
    if isinstance(effect, TimeStretch) and not SLOWEST_RATE <= effect.rate <= FASTEST_RATE:
        raise RecipeError(
            f"time_stretch needs a rate of {SLOWEST_RATE} to {FASTEST_RATE}, found {effect.rate}."
        )
    if isinstance(effect, PitchShift) and abs(effect.semitones) > LONGEST_SEMITONES:
        raise RecipeError(f"pitch_shift reaches {LONGEST_SEMITONES:g} semitones, found {effect.semitones}.")
    return effect


def _check_p(p: float, where: str) -> None:
    if not 0.0 <= p <= 1.0:
        raise ConfigError(f"{where}.p must be a probability from 0 to 1, found {p}.")


def _check_range(low: float, high: float, where: str, lowest: float, highest: float) -> None:
    if not lowest <= low <= high <= highest:
        raise ConfigError(
            f"{where} must be a range (low, high) within {lowest:g} to {highest:g}, "
            f"found ({low:g}, {high:g})."
        )


@dataclass(frozen=True)
class GainRange:
    """When and how far sources are made louder or softer.

    Attributes:
        p: Probability that a source gets a gain.
        db: Lowest and highest gain in dB, uniform; within -60 to 24.
    """

    p: float = 0.5
    db: tuple[float, float] = (-9.0, 6.0)

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, "effects.gain")
        _check_p(self.p, "effects.gain")
        _check_range(*self.db, "effects.gain.db", -60.0, 24.0)

    def sample(self, stream: Stream) -> Gain:
        """Sample a gain."""
        return Gain(stream.uniform(*self.db))


@dataclass(frozen=True)
class FilterRange:
    """When and how sources are filtered: one of three filters, sampled uniformly from ``kinds``.

    Attributes:
        p: Probability that a source gets a filter.
        kinds: Filters to choose from: ``low_shelf``, ``high_shelf``, ``peak``.
        db: Lowest and highest gain in dB, uniform; within -40 to 40.
        low_shelf_hz: Corner frequencies of the low shelf in Hz, log-uniform.
        high_shelf_hz: Corner frequencies of the high shelf in Hz, log-uniform; a corner above 0.45
            of the sample rate is brought down to it.
        peak_hz: Centre frequencies of the peaking filter in Hz, log-uniform.
        q: Quality factors, log-uniform; within 0.1 to 20.
    """

    p: float = 0.5
    kinds: tuple[str, ...] = ("low_shelf", "high_shelf", "peak")
    db: tuple[float, float] = (-12.0, 12.0)
    low_shelf_hz: tuple[float, float] = (60.0, 800.0)
    high_shelf_hz: tuple[float, float] = (1500.0, 6000.0)
    peak_hz: tuple[float, float] = (100.0, 6000.0)
    q: tuple[float, float] = (0.5, 2.0)

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, "effects.filter")
        _check_p(self.p, "effects.filter")
        _check_range(*self.db, "effects.filter.db", -40.0, 40.0)
        _check_range(*self.q, "effects.filter.q", 0.1, 20.0)
        for name in ("low_shelf_hz", "high_shelf_hz", "peak_hz"):
            low_hz, high_hz = getattr(self, name)
            _check_range(low_hz, high_hz, f"effects.filter.{name}", 10.0, 96000.0)
        wrong = [kind for kind in self.kinds if kind not in _FILTERS]
        if wrong or not self.kinds:
            raise ConfigError(
                f"effects.filter.kinds takes one or more of {', '.join(_FILTERS)}, found {self.kinds}."
            )

    def sample(self, stream: Stream) -> Effect:
        """Sample a filter."""
        kind = stream.choice(self.kinds)
        frequency_hz = stream.log_uniform(*getattr(self, f"{kind}_hz"))
        return _FILTERS[kind](frequency_hz, stream.uniform(*self.db), stream.log_uniform(*self.q))


_FILTERS: dict[str, Callable[[float, float, float], Effect]] = {
    "low_shelf": LowShelf,
    "high_shelf": HighShelf,
    "peak": Peak,
}


@dataclass(frozen=True)
class PitchRange:
    """When and how far the pitch of non-musical sources is shifted.

    Attributes:
        p: Probability that a source is shifted.
        semitones: Lowest and highest shift, uniform, fractions included; within -24 to 24.
    """

    p: float = 0.5
    semitones: tuple[float, float] = (-2.0, 2.0)

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, "effects.pitch_shift")
        _check_p(self.p, "effects.pitch_shift")
        _check_range(*self.semitones, "effects.pitch_shift.semitones", -LONGEST_SEMITONES, LONGEST_SEMITONES)

    def sample(self, stream: Stream) -> PitchShift:
        """Sample a shift."""
        return PitchShift(stream.uniform(*self.semitones))


@dataclass(frozen=True)
class StretchRange:
    """When and how far the tempo of non-musical sources is changed.

    Attributes:
        p: Probability that a source is stretched.
        rate: Slowest and fastest rate, log-uniform; within 0.25 to 4. A rate above 1 is faster.
    """

    p: float = 0.5
    rate: tuple[float, float] = (0.8, 1.25)

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, "effects.time_stretch")
        _check_p(self.p, "effects.time_stretch")
        _check_range(*self.rate, "effects.time_stretch.rate", SLOWEST_RATE, FASTEST_RATE)

    def sample(self, stream: Stream) -> TimeStretch:
        """Sample a rate."""
        return TimeStretch(stream.log_uniform(*self.rate))


PITCH_AND_TIME = ("pitch_shift", "time_stretch")
"""The effects that are for non-musical mixes alone (paper, section 2.3)."""


@dataclass(frozen=True)
class EffectsConfig:
    """The four effects; set a ``p`` to 0 to switch one off.

    Attributes:
        gain: Amplitude scaling, in both kinds of mix.
        filter: One of three filters, in both kinds of mix.
        pitch_shift: Non-musical mixes only (paper, section 2.3).
        time_stretch: Non-musical mixes only (paper, section 2.3).
    """

    gain: GainRange = field(default_factory=GainRange)
    filter: FilterRange = field(default_factory=FilterRange)
    pitch_shift: PitchRange = field(default_factory=PitchRange)
    time_stretch: StretchRange = field(default_factory=StretchRange)

    def __post_init__(self) -> None:
        """Take mappings for the four, too.

        Raises:
            ConfigError: a value is of another type or out of its range; the message names it.
        """
        settle(self, "effects")

    @cached_property
    def ranges(self) -> tuple[tuple[str, Any], ...]:
        """The four by name."""
        names = ("gain", "filter", "pitch_shift", "time_stretch")
        return tuple((name, getattr(self, name)) for name in names)

    @cached_property
    def musical_ranges(self) -> tuple[tuple[str, Any], ...]:
        """Those that musical mixes have, by name."""
        return tuple((name, sampled) for name, sampled in self.ranges if name not in PITCH_AND_TIME)

    @classmethod
    def none(cls) -> "EffectsConfig":
        """Return a configuration in which no source is ever changed."""
        return cls(GainRange(p=0.0), FilterRange(p=0.0), PitchRange(p=0.0), StretchRange(p=0.0))


_place = itemgetter(0)


def sample_effects(
    config: EffectsConfig, streams: Callable[[str], Stream], *, pitch_and_time: bool
) -> tuple[Effect, ...]:
    """Sample the effects of one source, in the random order in which they will be applied.

    Args:
        config: Probabilities and ranges.
        streams: Opens the random stream of a purpose. Every effect has its own, so that changing or
            switching off one leaves the values of the others as they were.
        pitch_and_time: False for musical mixes, whose sources must keep key and tempo.
    """
    sampled: list[tuple[float, Effect]] = []
    for purpose, choice in config.ranges if pitch_and_time else config.musical_ranges:
        p = choice.p
        if p == 0.0:
            continue
        stream = streams(purpose)
        place = stream.unit()
        if stream.unit() < p:
            sampled.append((place, choice.sample(stream)))
    if len(sampled) > 1:
        sampled.sort(key=_place)
    return tuple([effect for _, effect in sampled])


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
    """

    before: tuple[Section, ...]
    semitones: float
    rate: float
    after: tuple[Section, ...]
    gain: float

    @property
    def stretches(self) -> bool:
        """Whether pitch or time change at all."""
        return self.rate != 1.0 or self.semitones != 0.0


def plan_effects(effects: Sequence[Effect], sample_rate: int) -> EffectPlan:
    """Sort effects, as sampled and in their order, for a sample rate in Hz."""
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
        else:
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
    """
    return apply_plan(audio, sample_rate, plan_effects(effects, sample_rate), engine)


def apply_plan(audio: FloatArray, sample_rate: int, plan: EffectPlan, engine: StretchEngine) -> FloatArray:
    """Apply sorted effects; see ``apply_effects``."""
    if not plan.stretches:
        return cascade(audio, plan.before + plan.after, plan.gain)
    # The gain goes with a filter where there is one, and costs nothing there.
    audio = cascade(audio, plan.before, 1.0 if plan.after else plan.gain)
    audio = engine.process(audio, sample_rate, plan.semitones, plan.rate)
    return cascade(audio, plan.after, plan.gain) if plan.after else audio
