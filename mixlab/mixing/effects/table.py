"""The built-in effects by name, and effects as plain data: what recipes hold, and what people read."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import Field, asdict, fields
from typing import Any, TypeVar, get_args

from mixlab.errors import ConfigError, RecipeError
from mixlab.mixing.effects.base import Effect, Stage
from mixlab.mixing.effects.basic import Gain, HighShelf, LowShelf, Peak, PitchShift, TimeStretch
from mixlab.mixing.effects.channels import Polarity, SwapChannels
from mixlab.mixing.effects.dynamics import Compressor, Limiter, Saturation
from mixlab.mixing.effects.mastering import Mastering
from mixlab.mixing.effects.media import Codec, Wow
from mixlab.mixing.effects.noise import Background, Noise
from mixlab.mixing.effects.space import Convolution, Reverb, RoomReverb, Width
from mixlab.mixing.effects.tone import BandLimit, EqCurve, Telephone
from mixlab.utils.plugins import find, running
from mixlab.utils.values import settle

__all__ = [
    "EFFECTS",
    "decode_effect",
    "describe_effect",
    "effect_name",
    "encode_effect",
    "find_effect",
    "settle_values",
]

E = TypeVar("E", bound=Effect)

_UNITS = {"hz": "Hz", "khz": "kHz", "db": "dB", "s": "s", "ms": "ms"}
"""What the last part of a value's name says of its unit."""

EFFECTS: dict[str, type[Effect]] = {
    "gain": Gain,
    "low_shelf": LowShelf,
    "high_shelf": HighShelf,
    "peak": Peak,
    "pitch_shift": PitchShift,
    "time_stretch": TimeStretch,
    "polarity": Polarity,
    "swap_channels": SwapChannels,
    "eq_curve": EqCurve,
    "compressor": Compressor,
    "limiter": Limiter,
    "saturation": Saturation,
    "reverb": Reverb,
    "convolution": Convolution,
    "room": RoomReverb,
    "width": Width,
    "noise": Noise,
    "background": Background,
    "band_limit": BandLimit,
    "telephone": Telephone,
    "codec": Codec,
    "wow": Wow,
    "mastering": Mastering,
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

    Example:
        >>> from mixlab.mixing.effects import find_effect
        >>> find_effect("gain").__name__
        'Gain'
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
    known = (*get_args(Stage), "either")
    if kind.stage not in known:
        raise ConfigError(
            f"The effect {name!r}: expected a stage of {' or '.join(known)}, found {kind.stage!r}.",
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
    """Return an effect as plain data: its stable name and its values.

    Example:
        >>> from mixlab.mixing.effects import Gain, decode_effect, encode_effect
        >>> encode_effect(Gain(-6.0))
        {'effect': 'gain', 'gain_db': -6.0}
        >>> decode_effect({"effect": "gain", "gain_db": -6.0})
        Gain(gain_db=-6.0)
    """
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
    if stage not in kind.stages():
        raise RecipeError(
            f"Effect {name!r} is one of a {kind.stages()[0]}, the recipe has it for a {stage}.",
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
    """Return an effect for people: its name, and title, unit and value of each of its values.

    Example:
        >>> from mixlab.mixing.effects import Gain, describe_effect
        >>> describe_effect(Gain(-6.0))
        ('gain', [('gain', 'dB', -6.0)])
    """
    title = effect_name(type(effect)).rpartition(":")[2].replace("_", " ")
    return title, [(*_title_and_unit(v.name, v.metadata), getattr(effect, v.name)) for v in _values(effect)]


def _title_and_unit(name: str, metadata: Mapping[str, Any]) -> tuple[str, str]:
    head, _, unit = name.rpartition("_")
    if "title" in metadata:
        return metadata["title"], metadata["unit"]
    return (head.replace("_", " "), _UNITS[unit]) if head and unit in _UNITS else (name.replace("_", " "), "")
