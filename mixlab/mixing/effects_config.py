"""Settings of the effects: how often, and in which ranges their values are sampled.

The four of Bradl, Huber and Pernkopf 2023, section 2.3, each with a probability of its own, are applied in
random order; those of ``custom`` follow in the order in which they are listed. The paper leaves ranges and
probabilities open; the defaults are ours.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from typing import Any

from mixlab.audio.time_pitch import FASTEST_RATE, LONGEST_SEMITONES, SLOWEST_RATE
from mixlab.errors import ConfigError
from mixlab.mixing.custom_effects import CustomEffect, as_entries, resolve
from mixlab.mixing.effect_presets import PRESETS, Preset
from mixlab.mixing.effects import (
    Effect,
    Gain,
    HighShelf,
    LowShelf,
    Peak,
    PitchShift,
    Range,
    Stage,
    TimeStretch,
    effect_name,
)
from mixlab.mixing.effects.basic import (
    FILTER_DB,
    FILTER_Q,
    GAIN_DB,
    HIGH_SHELF_HZ,
    LOW_SHELF_HZ,
    PEAK_HZ,
    SEMITONES,
    STRETCH_RATE,
)
from mixlab.utils.random import Stream
from mixlab.utils.values import later, settle

__all__ = [
    "PITCH_AND_TIME",
    "EffectsConfig",
    "FilterRange",
    "GainRange",
    "PitchRange",
    "StretchRange",
    "sample_effects",
    "sample_mixture_effects",
]


def _check_p(p: float, where: str) -> None:
    if not 0.0 <= p <= 1.0:
        raise ConfigError(f"{where}.p must be a probability from 0 to 1, found {p}.", code="invalid-setting")


def _check_range(low: float, high: float, where: str, lowest: float, highest: float) -> None:
    if not lowest <= low <= high <= highest:
        raise ConfigError(
            f"{where} must be a range (low, high) within {lowest:g} to {highest:g}, "
            f"found ({low:g}, {high:g}).",
            code="invalid-setting",
        )


@dataclass(frozen=True)
class GainRange:
    """When and how far sources are made louder or softer.

    Attributes:
        p: Probability that a source gets a gain.
        db: Lowest and highest gain in dB, uniform; within -60 to 24.
    """

    p: float = 0.5
    db: Range = GAIN_DB

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, "effects.gain")
        _check_p(self.p, "effects.gain")
        _check_range(*self.db, "effects.gain.db", -60.0, 24.0)

    def sample(self, stream: Stream) -> Gain:
        """Sample a gain."""
        return Gain.sample(stream, self.db)


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
    db: Range = FILTER_DB
    low_shelf_hz: Range = LOW_SHELF_HZ
    high_shelf_hz: Range = HIGH_SHELF_HZ
    peak_hz: Range = PEAK_HZ
    q: Range = FILTER_Q

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
                f"effects.filter.kinds takes one or more of {', '.join(_FILTERS)}, found {self.kinds}.",
                code="invalid-setting",
            )

    def sample(self, stream: Stream) -> LowShelf | HighShelf | Peak:
        """Sample a filter."""
        kind = stream.choice(self.kinds)
        return _FILTERS[kind].sample(stream, getattr(self, f"{kind}_hz"), self.db, self.q)


_FILTERS: dict[str, type[LowShelf | HighShelf | Peak]] = {
    kind.kind: kind for kind in (LowShelf, HighShelf, Peak)
}


@dataclass(frozen=True)
class PitchRange:
    """When and how far the pitch of non-musical sources is shifted.

    Attributes:
        p: Probability that a source is shifted.
        semitones: Lowest and highest shift, uniform, fractions included; within -24 to 24.
    """

    p: float = 0.5
    semitones: Range = SEMITONES

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, "effects.pitch_shift")
        _check_p(self.p, "effects.pitch_shift")
        _check_range(*self.semitones, "effects.pitch_shift.semitones", -LONGEST_SEMITONES, LONGEST_SEMITONES)

    def sample(self, stream: Stream) -> PitchShift:
        """Sample a shift."""
        return PitchShift.sample(stream, self.semitones)


@dataclass(frozen=True)
class StretchRange:
    """When and how far the tempo of non-musical sources is changed.

    Attributes:
        p: Probability that a source is stretched.
        rate: Slowest and fastest rate, log-uniform; within 0.25 to 4. A rate above 1 is faster.
    """

    p: float = 0.5
    rate: Range = STRETCH_RATE

    def __post_init__(self) -> None:
        """Check the values."""
        settle(self, "effects.time_stretch")
        _check_p(self.p, "effects.time_stretch")
        _check_range(*self.rate, "effects.time_stretch.rate", SLOWEST_RATE, FASTEST_RATE)

    def sample(self, stream: Stream) -> TimeStretch:
        """Sample a rate."""
        return TimeStretch.sample(stream, self.rate)


PITCH_AND_TIME = ("pitch_shift", "time_stretch")
"""The settings of the effects that are for non-musical mixes alone (paper, section 2.3)."""


@dataclass(frozen=True)
class EffectsConfig:
    """The four effects of the paper, and any others; set a ``p`` to 0 to switch one off.

    Attributes:
        gain: Amplitude scaling, in both kinds of mix.
        filter: One of three filters, in both kinds of mix.
        pitch_shift: Non-musical mixes only (paper, section 2.3).
        time_stretch: Non-musical mixes only (paper, section 2.3).
        custom: Effects of one's own (docs/effects.md), applied after the four in their order. Each is the
            name ``package.module:Class``, or a mapping of that as ``effect``, its probability as ``p`` (0.5
            by default), for an effect that serves as both its ``stage`` (``source`` or ``mixture``), and
            any of its own settings.
        preset: A set of effects by name (docs/effects.md): ``paper`` is the four alone, ``none`` leaves them
            out, whatever is set for them; ``studio`` and ``wild`` follow them with what recordings have.
            Those of ``custom`` come last in each.

    Example:
        >>> from mixlab import MixConfig
        >>> from mixlab.mixing import EffectsConfig
        >>> MixConfig(effects=EffectsConfig(preset="none")).effects.preset
        'none'
    """

    gain: GainRange = field(default_factory=GainRange)
    filter: FilterRange = field(default_factory=FilterRange)
    pitch_shift: PitchRange = field(default_factory=PitchRange)
    time_stretch: StretchRange = field(default_factory=StretchRange)
    custom: list[str | dict[str, Any]] = later([])
    preset: Preset = later("paper")

    def __post_init__(self) -> None:
        """Take mappings for the four, too; names, mappings and classes for ``custom``.

        Raises:
            ConfigError: a value is of another type or out of its range; the message names it.
        """
        object.__setattr__(self, "custom", as_entries(self.custom))
        settle(self, "effects")

    @cached_property
    def ranges(self) -> tuple[tuple[str, Any], ...]:
        """The four by name."""
        named = ((name, getattr(self, name)) for name in ("gain", "filter", "pitch_shift", "time_stretch"))
        return tuple((name, replace(r, p=0.0) if self.preset == "none" else r) for name, r in named)

    @cached_property
    def musical_ranges(self) -> tuple[tuple[str, Any], ...]:
        """Those that musical mixes have, by name."""
        return tuple((name, sampled) for name, sampled in self.ranges if name not in PITCH_AND_TIME)

    @cached_property
    def entries(self) -> list[Any]:
        """What follows the four, as entries of ``custom``: the preset's, then one's own."""
        return [*PRESETS[self.preset], *self.custom]

    @cached_property
    def custom_effects(self) -> tuple[CustomEffect, ...]:
        """The effects of ``entries``, imported and tried out.

        Raises:
            ConfigError: one does not exist, or does what no effect may; the message says which and what.
        """
        return resolve(self.entries)

    @property
    def contents(self) -> dict[str, str]:
        """Hashes of what effects take their values from besides random numbers, by place and name.

        Folders of sounds are such. It is empty for effects that have none.

        Raises:
            ConfigError: see ``custom_effects``.
        """
        listed = enumerate(self.custom_effects) if self.entries else ()
        found = {f"{n} {effect_name(custom.kind)}": custom.content_hash for n, custom in listed}
        return {name: text for name, text in found.items() if text}

    @classmethod
    def none(cls) -> "EffectsConfig":
        """Return a configuration in which nothing is ever changed."""
        return cls(GainRange(p=0.0), FilterRange(p=0.0), PitchRange(p=0.0), StretchRange(p=0.0))


_place = itemgetter(0)


def sample_effects(
    config: EffectsConfig, streams: Callable[[str], Stream], *, pitch_and_time: bool
) -> tuple[Effect, ...]:
    """Sample the effects of one source, in the order in which they will be applied.

    Args:
        config: Probabilities and ranges.
        streams: Opens the random stream of a purpose. Every effect has its own, so that changing,
            adding or switching off one leaves the values of the others as they were.
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
    effects = [effect for _, effect in sampled]
    if config.entries:
        effects += _sample_custom(config, streams, "source", pitch_and_time=pitch_and_time)
    return tuple(effects)


def sample_mixture_effects(config: EffectsConfig, streams: Callable[[str], Stream]) -> tuple[Effect, ...]:
    """Sample the effects on the sum of the sources, in the order in which they will be applied."""
    return tuple(_sample_custom(config, streams, "mixture", pitch_and_time=True)) if config.entries else ()


def _sample_custom(
    config: EffectsConfig, streams: Callable[[str], Stream], stage: Stage, *, pitch_and_time: bool
) -> list[Effect]:
    sampled = []
    for custom in config.custom_effects:
        if custom.stage == stage and (pitch_and_time or not custom.kind.changes_pitch_or_time):
            stream = streams(custom.purpose)
            if stream.unit() < custom.p:
                sampled.append(custom.sample(stream))
    return sampled
