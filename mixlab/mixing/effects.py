"""Effects: a class samples its values first and applies them later, without randomness.

Built in are those of Bradl, Huber and Pernkopf 2023, section 2.3: amplitude scaling, three filters (high
shelf, low shelf, peaking), pitch shifting and time stretching. A user's own is a subclass of ``Effect``
anywhere, named ``package.module:Class`` (``docs/effects.md``). Configuration, recipes, the fused rendering
and the explorer know effects by ``EFFECTS`` and by what their classes say of themselves.
"""

import inspect
import math
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np

from mixlab.audio.filters import FilterKind, Section, cascade, section
from mixlab.audio.io import FloatArray, amplitude
from mixlab.audio.time_pitch import (
    DEFAULT_ENGINE,
    FASTEST_RATE,
    LONGEST_SEMITONES,
    SLOWEST_RATE,
    get_engine,
)
from mixlab.errors import ConfigError, RecipeError
from mixlab.utils.plugins import find, running
from mixlab.utils.random import Stream
from mixlab.utils.values import settle

__all__ = [
    "EFFECTS",
    "Effect",
    "Gain",
    "HighShelf",
    "LowShelf",
    "Peak",
    "PitchShift",
    "Stage",
    "TimeStretch",
    "decode_effect",
    "describe_effect",
    "effect_name",
    "encode_effect",
    "find_effect",
    "settle_values",
    "value_info",
]

Stage = Literal["source", "mixture"]

Range = tuple[float, float]

E = TypeVar("E", bound="Effect")
F = TypeVar("F", bound="_Filter")

_UNITS = {"hz": "Hz", "khz": "kHz", "db": "dB", "s": "s", "ms": "ms"}
"""What the last part of a value's name says of its unit."""


class Effect:
    """Base of all effects. A subclass is a frozen dataclass; its fields are the values that recipes hold.

    Fields are numbers, texts, true or false, or tuples of these. What an effect needs of chance, ``sample``
    turns into values (noise: into the seed of a generator), so that ``apply`` always gives the same.

    Attributes:
        stage: ``source`` for an effect on each source, ``mixture`` for one on the sum of them.
        changes_pitch_or_time: Such an effect is for sources of non-musical mixes only: those of a musical
            mix would no longer fit together.
    """

    stage: ClassVar[Stage] = "source"
    changes_pitch_or_time: ClassVar[bool] = False

    @classmethod
    def sample(cls, rng: Stream) -> "Effect":
        """Return an effect with random values; all chance comes from ``rng``.

        What a subclass takes besides, by keyword and with a default, are the settings of the effect.
        """
        raise NotImplementedError

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """Return ``audio``, float32 ``(channels, samples)``, changed; the array passed in stays as it is.

        It has the same shape; only the built-in time stretch changes the length.
        """
        raise NotImplementedError


def value_info(title: str, unit: str = "", low: float = -math.inf, high: float = math.inf) -> dict[str, Any]:
    """Return the ``metadata`` of an effect's field: what people read of it, and what a recipe may hold.

    Without it, a value is shown by its name (``rate_hz`` as *rate* in Hz) and has no limits.
    """
    return {"title": title, "unit": unit, "range": (low, high)}


# --- Built-in effects ------------------------------------------------------------------------------------

# What is sampled by default; the paper leaves it open.
GAIN_DB: Range = (-9.0, 6.0)
FILTER_DB: Range = (-12.0, 12.0)
FILTER_Q: Range = (0.5, 2.0)
LOW_SHELF_HZ: Range = (60.0, 800.0)
HIGH_SHELF_HZ: Range = (1500.0, 6000.0)
PEAK_HZ: Range = (100.0, 6000.0)
SEMITONES: Range = (-2.0, 2.0)
STRETCH_RATE: Range = (0.8, 1.25)


# Limits in recipes are far beyond that: outside, filters are none, or unstable.
@dataclass(frozen=True)
class Gain(Effect):
    """Amplitude scaling: +6.02 dB doubles every sample."""

    gain_db: float = field(metadata=value_info("gain", "dB", -200.0, 200.0))

    @classmethod
    def sample(cls, rng: Stream, db: Range = GAIN_DB) -> "Gain":
        """Sample a gain, uniform in dB."""
        return cls(rng.uniform(*db))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return audio * np.float32(amplitude(self.gain_db))


@dataclass(frozen=True)
class _Filter(Effect):
    """A second-order filter, applied from a state of rest.

    Attributes:
        frequency_hz: Corner or centre; one above 0.45 of the sample rate is brought down to that.
        gain_db: Gain where the filter acts, in dB.
        q: Quality factor.
    """

    kind: ClassVar[FilterKind]
    usual_hz: ClassVar[Range]
    frequency_hz: float = field(metadata=value_info("frequency", "Hz", 1.0, 1e6))
    gain_db: float = field(metadata=value_info("gain", "dB", -200.0, 200.0))
    q: float = field(metadata=value_info("quality factor", "Q", 0.01, 100.0))

    @classmethod
    def sample(
        cls: type[F], rng: Stream, hz: Range | None = None, db: Range = FILTER_DB, q: Range = FILTER_Q
    ) -> F:
        """Sample a filter: log-uniform in frequency and ``q``, uniform in dB."""
        return cls(rng.log_uniform(*(hz or cls.usual_hz)), rng.uniform(*db), rng.log_uniform(*q))

    def section(self, sample_rate: int) -> Section:
        """Return the filter's coefficients at a sample rate in Hz."""
        return section(self.kind, self.frequency_hz, self.gain_db, self.q, sample_rate)

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        return cascade(audio, [self.section(sample_rate)])


class LowShelf(_Filter):
    """Low shelf: ``gain_db`` well below ``frequency_hz``, nothing well above it."""

    kind, usual_hz = "low_shelf", LOW_SHELF_HZ


class HighShelf(_Filter):
    """High shelf: ``gain_db`` well above ``frequency_hz``, nothing well below it."""

    kind, usual_hz = "high_shelf", HIGH_SHELF_HZ


class Peak(_Filter):
    """Peaking filter: ``gain_db`` at ``frequency_hz``, bandwidth by ``q``."""

    kind, usual_hz = "peak", PEAK_HZ


@dataclass(frozen=True)
class PitchShift(Effect):
    """Pitch change in semitones; the duration stays."""

    changes_pitch_or_time = True
    semitones: float = field(metadata=value_info("pitch", "semitones", -LONGEST_SEMITONES, LONGEST_SEMITONES))

    @classmethod
    def sample(cls, rng: Stream, semitones: Range = SEMITONES) -> "PitchShift":
        """Sample a shift, uniform in semitones, fractions included."""
        return cls(rng.uniform(*semitones))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``; by the default engine."""
        return get_engine(DEFAULT_ENGINE).process(audio, sample_rate, self.semitones, 1.0)


@dataclass(frozen=True)
class TimeStretch(Effect):
    """Tempo change: ``rate`` 1.25 plays 1.25 times as fast; the pitch stays."""

    changes_pitch_or_time = True
    rate: float = field(metadata=value_info("tempo", "times as fast", SLOWEST_RATE, FASTEST_RATE))

    @classmethod
    def sample(cls, rng: Stream, rate: Range = STRETCH_RATE) -> "TimeStretch":
        """Sample a rate, log-uniform."""
        return cls(rng.log_uniform(*rate))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """Return float32 ``(channels, about samples / rate)``; by the default engine."""
        return get_engine(DEFAULT_ENGINE).process(audio, sample_rate, 0.0, self.rate)


EFFECTS: dict[str, type[Effect]] = {
    "gain": Gain,
    "low_shelf": LowShelf,
    "high_shelf": HighShelf,
    "peak": Peak,
    "pitch_shift": PitchShift,
    "time_stretch": TimeStretch,
}
"""The built-in effects by the names that recipes hold."""


# --- Names -----------------------------------------------------------------------------------------------

_NAMES = {kind: name for name, kind in EFFECTS.items()}


def effect_name(kind: type[Effect]) -> str:
    """Return what recipes call an effect: a built-in name, or ``package.module:Class``."""
    return _NAMES.get(kind) or f"{kind.__module__}:{kind.__qualname__}"


def find_effect(name: str) -> type[Effect]:
    """Return the class of an effect: built in, ``package.module:Class`` or an entry point's name.

    Raises:
        ConfigError: there is none of that name, or what has it is no effect.
    """
    kind = find(name, EFFECTS, "mixlab.effects", "effect")
    if name not in EFFECTS:
        _check_class(kind, name)
    return kind


def _check_class(kind: Any, name: str) -> None:  # noqa: ANN401 - whatever has that name
    """Refuse what is no effect before it meets any audio."""
    if not (inspect.isclass(kind) and issubclass(kind, Effect)):
        raise ConfigError(
            f"The effect {name!r}: expected a subclass of mixlab.mixing.Effect, found {kind!r}.",
            code="unfit-plugin",
        )
    if not getattr(getattr(kind, "__dataclass_params__", None), "frozen", False):
        raise ConfigError(
            f"The effect {name!r} must be a frozen dataclass: @dataclass(frozen=True).", code="unfit-plugin"
        )
    if kind.stage not in get_args(Stage):
        raise ConfigError(
            f"The effect {name!r}: expected a stage of {' or '.join(get_args(Stage))}, found {kind.stage!r}.",
            code="unfit-plugin",
        )
    if "effect" in {value.name for value in _values(kind)}:
        raise ConfigError(
            f"The effect {name!r} may call no value 'effect': its name in recipes is called so.",
            code="unfit-plugin",
        )
    _check_methods(kind, name)


def _check_methods(kind: type[Effect], name: str) -> None:
    for method in ("sample", "apply"):
        if inspect.getattr_static(kind, method) is inspect.getattr_static(Effect, method):
            raise ConfigError(
                f"The effect {name!r} has no method {method!r}: see mixlab.mixing.Effect.{method}.",
                code="unfit-plugin",
            )
    if not isinstance(inspect.getattr_static(kind, "sample"), classmethod | staticmethod):
        raise ConfigError(
            f"The effect {name!r}: 'sample' makes the effect, so it must be a @classmethod.",
            code="unfit-plugin",
        )


# --- Plain data ------------------------------------------------------------------------------------------


def _values(effect: Effect | type[Effect]) -> tuple[Field[Any], ...]:
    return fields(effect)  # type: ignore[arg-type]  # every effect is a dataclass, as ``find_effect`` checks


def encode_effect(effect: Effect) -> dict[str, Any]:
    """Return an effect as plain data: its stable name and its values."""
    return {"effect": effect_name(type(effect)), **asdict(effect)}  # type: ignore[call-overload]


def decode_effect(data: Mapping[str, Any], stage: Stage = "source") -> Effect:
    """Return the effect that ``encode_effect`` wrote.

    Raises:
        RecipeError: there is no such effect or not at this stage, or a value is missing, superfluous, of
            another type or out of range.
    """
    name = data.get("effect") if isinstance(data, Mapping) else data
    if not isinstance(name, str) or not isinstance(data, Mapping):
        raise RecipeError(
            f"Effect {name!r} in the recipe does not exist; known are {', '.join(EFFECTS)}.",
            code="unknown-effect",
        )
    try:
        kind = find_effect(name)
    except ConfigError as error:
        raise RecipeError(
            f"The recipe cannot be read without its effects. {error}", code=error.code
        ) from error
    if kind.stage != stage:
        raise RecipeError(
            f"Effect {name!r} is one of a {kind.stage}, the recipe has it for a {stage}.",
            code="invalid-recipe",
        )
    values = {key: value for key, value in data.items() if key != "effect"}
    expected = {value.name for value in _values(kind)}
    if set(values) != expected:
        raise RecipeError(
            f"Effect {name!r} needs the values {sorted(expected)}, the recipe has {sorted(values)}.",
            code="invalid-recipe",
        )
    try:
        with running("effect", name, f"with the values {values}", passing=ConfigError):
            return settle_values(kind(**values))
    except ConfigError as error:
        raise RecipeError(
            f"The recipe holds a value that cannot be. {error}", code="invalid-recipe"
        ) from error


def settle_values(effect: E) -> E:
    """Return an effect with its values brought to the types that its fields state.

    Raises:
        ConfigError: a value is of another type, not finite or out of its range.
    """
    name = effect_name(type(effect))
    settle(effect, name)
    for value in _values(effect):
        low, high = value.metadata.get("range", (-math.inf, math.inf))
        found = getattr(effect, value.name)
        if isinstance(found, int | float) and not low <= found <= high:
            raise ConfigError(
                f"{name}.{value.name}: expected {low:g} to {high:g}, found {found!r}.", code="invalid-setting"
            )
    return effect


def describe_effect(effect: Effect) -> tuple[str, list[tuple[str, str, Any]]]:
    """Return an effect for people: its name, and title, unit and value of each of its values."""
    title = effect_name(type(effect)).rpartition(":")[2].replace("_", " ")
    return title, [(*_title_and_unit(v.name, v.metadata), getattr(effect, v.name)) for v in _values(effect)]


def _title_and_unit(name: str, metadata: Mapping[str, Any]) -> tuple[str, str]:
    head, _, unit = name.rpartition("_")
    if "title" in metadata:
        return metadata["title"], metadata["unit"]
    return (head.replace("_", " "), _UNITS[unit]) if head and unit in _UNITS else (name.replace("_", " "), "")
