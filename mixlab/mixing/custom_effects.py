"""Effects of a user's own: how a configuration names them, and what is checked before they meet a label.

An effect is tried out once, before anything is mixed; its result is looked at each time. Nothing is
repaired: what comes back in another shape, not finite or silent would make a mix that its labels do not fit.
"""

import inspect
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError, RecipeError
from mixlab.mixing.effects import (
    Effect,
    PitchShift,
    Stage,
    TimeStretch,
    decode_effect,
    effect_name,
    encode_effect,
    find_effect,
    settle_values,
)
from mixlab.mixing.summing import not_finite
from mixlab.utils.plugins import running
from mixlab.utils.random import Stream
from mixlab.utils.values import refuse

__all__ = ["CustomEffect", "apply_checked", "as_entries", "find_fault", "resolve", "try_out"]

_TRIAL_RATE = 16000
_SILENCED = 1e-5
"""What is left of the peak when a sound counts as gone: -100 dB."""

_BEYOND_MEASURE = 1e18
"""A peak of which no effect can be asked to make sense: its square is more than single precision holds."""

_ALONE = threading.RLock()
"""Held while the code of an effect runs: what seeds NumPy, or has an array of its own to work in, is right in
one thread and wrong in two, of which no trial would tell."""


def _let_go() -> None:
    global _ALONE  # a forked process has none of the threads that may hold it
    _ALONE = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@dataclass(frozen=True)
class CustomEffect:
    """One entry of ``mix.effects.custom``.

    Attributes:
        kind: The class of the effect.
        p: Probability, 0 to 1.
        settings: What its ``sample`` is given besides random numbers.
        purpose: Name of its random stream.
        stage: Whether it is applied to each source or to the mixture.
    """

    kind: type[Effect]
    p: float
    settings: Mapping[str, Any]
    purpose: str
    stage: Stage

    def sample(self, stream: Stream) -> Effect:
        """Sample the effect's values.

        Raises:
            ConfigError: they are of other types than the effect states, or out of its own limits; or its
                code fails.
        """
        name = effect_name(self.kind)
        with running("effect", name, f"with the settings {json.dumps(self.settings)}", passing=ConfigError):
            effect = self.kind.sample(stream, **self.settings)
        if type(effect) is not self.kind:
            raise refuse(f"{name}.sample", f"one {self.kind.__name__}", effect)
        return settle_values(effect)

    @cached_property
    def content_hash(self) -> str:
        """What its values depend on besides random numbers, see ``Effect.content_hash``.

        Raises:
            ConfigError: its code fails, or returns no text.
        """
        name = effect_name(self.kind)
        with running("effect", name, f"with the settings {json.dumps(self.settings)}", passing=ConfigError):
            found = self.kind.content_hash(self.settings)
        if not isinstance(found, str):
            raise refuse(f"{name}.content_hash", "a text", found)
        return found


def as_entries(given: object) -> list[dict[str, Any]]:
    """Return what ``mix.effects.custom`` is set to as a list of plain data, see ``as_entry``.

    Raises:
        ConfigError: one of the entries cannot be.
    """
    entries = [given] if isinstance(given, str) or not isinstance(given, Sequence) else given
    return [as_entry(entry, n) for n, entry in enumerate(entries)]


def as_entry(entry: object, number: int) -> dict[str, Any]:
    """Return an entry of ``mix.effects.custom`` as plain data: ``effect``, ``p``, ``stage`` and settings.

    Args:
        entry: A name, the class itself, or a mapping that has one of both as ``effect``.
        number: Of the entry, for messages.

    Raises:
        ConfigError: it is something else, its ``p`` is no probability, or a setting is no plain value.
    """
    where = f"mix.effects.custom[{number}]"
    given = dict(entry) if isinstance(entry, Mapping) else {"effect": entry}
    effect = given.pop("effect", None)
    name = effect_name(effect) if inspect.isclass(effect) and issubclass(effect, Effect) else effect
    if not isinstance(name, str) or not name:
        raise refuse(f"{where}.effect", "package.module:Class", effect)
    p = given.pop("p", 0.5)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0.0 <= p <= 1.0:
        raise refuse(f"{where}.p", "a probability from 0 to 1", p)
    try:
        settings = json.loads(json.dumps(given, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise refuse(where, "settings that are finite numbers, texts or lists of these", given) from error
    return {"effect": name, "p": float(p), **settings}


def resolve(entries: Sequence[Any]) -> tuple[CustomEffect, ...]:
    """Import and try out the effects of ``mix.effects.custom``, as ``as_entry`` returns them.

    Raises:
        ConfigError: see ``try_out``; or there is no such effect, or none at that stage.
    """
    found, seen = [], Counter[tuple[str, str]]()
    for entry in entries:
        settings = {key: value for key, value in entry.items() if key not in ("effect", "p", "stage")}
        kind = find_effect(entry["effect"])
        if kind in (PitchShift, TimeStretch):
            raise ConfigError(
                f"mix.effects.custom has {entry['effect']!r}: set mix.effects.{entry['effect']} instead.",
                code="conflicting-settings",
            )
        name, stage = effect_name(kind), entry.get("stage", kind.stages()[0])
        if stage not in kind.stages():
            raise refuse(f"mix.effects.custom, stage of {name}", " or ".join(kind.stages()), stage)
        # Each of several entries of one effect has a stream of its own, and other effects do not move it.
        purpose = f"effect {name} {seen[name, stage]}"
        found.append(CustomEffect(kind, entry["p"], settings, purpose, stage))
        seen[name, stage] += 1
        try_out(found[-1])
    return tuple(found)


def try_out(custom: CustomEffect) -> None:
    """Sample an effect and apply it to a second of noise, as every mix will.

    Raises:
        ConfigError: its settings are not those of its ``sample``; its values do not survive a recipe; the
            same numbers or values give another result the next time; or see ``apply_checked``.
    """
    name = effect_name(custom.kind)
    signature = inspect.signature(custom.kind.sample)
    try:
        signature.bind(Stream(0), **custom.settings)
    except TypeError as error:
        known = [str(p.replace(annotation=p.empty)) for p in signature.parameters.values()][1:]
        raise ConfigError(
            f"The effect {name!r} does not take the settings {sorted(custom.settings)}: {error}. "
            f"It has {', '.join(known) or 'none'}.",
            code="invalid-setting",
        ) from error
    effect = custom.sample(Stream(0))
    if custom.sample(Stream(0)) != effect:
        raise ConfigError(
            f"The effect {name!r} samples by chance of its own: use nothing but rng in sample.",
            code="unfit-plugin",
        )
    try:
        stored = decode_effect(json.loads(json.dumps(encode_effect(effect))), custom.stage)
    except (TypeError, RecipeError) as error:
        raise ConfigError(
            f"The effect {name!r} has values that recipes cannot hold: {error}", code="unfit-plugin"
        ) from error
    if stored != effect:
        raise ConfigError(
            f"The effect {name!r} comes back from a recipe as {stored}, not as {effect}.", code="unfit-plugin"
        )
    noise = np.random.default_rng(0).normal(0.0, 0.1, (2, _TRIAL_RATE)).astype(np.float32)
    given = noise.copy()
    first, again = (apply_checked(effect, given, _TRIAL_RATE, "a second of noise") for _ in range(2))
    if not np.array_equal(given, noise):
        raise ConfigError(
            f"The effect {name!r} writes into the audio it is given: return a new array.", code="unfit-plugin"
        )
    if not np.array_equal(first, again):
        raise ConfigError(
            f"The effect {name!r} gives other audio when it is applied again: sample the seed of its noise "
            "as a value, and make the noise from that in apply.",
            code="unfit-plugin",
        )


def apply_checked(effect: Effect, audio: FloatArray, sample_rate: int, where: str) -> FloatArray:
    """Apply an effect of its own, float32 ``(channels, samples)``, and look at what came back.

    Args:
        effect: Its values.
        audio: float32 ``(channels, samples)``.
        sample_rate: In Hz.
        where: What ``audio`` is, for the message.

    Raises:
        AudioError: ``audio`` itself is none, as that of a damaged file: the effect is not to blame.
        ConfigError: it returned another shape or type, numbers that are not finite, or silence; or it raised
            any error, also one that would be taken for that of a damaged file.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if not peak < _BEYOND_MEASURE:
        raise not_finite([where])
    with running("effect", effect_name(type(effect)), f"on {where}", passing=ConfigError), _alone(effect):
        found = effect.apply(audio, sample_rate)
    fault = find_fault(found, audio.shape, peak)
    if fault:
        values = json.dumps(encode_effect(effect))
        raise ConfigError(
            f"The effect {values} on {where}: {fault}. Mend its apply, or take it out of the mix.",
            code="unfit-plugin",
        )
    return found


@contextmanager
def _alone(effect: Effect) -> Iterator[None]:
    """Let no other thread run the code of an effect meanwhile, unless it is mixlab's own, which bears it."""
    if type(effect).__module__.startswith("mixlab."):
        yield
        return
    with _ALONE:
        yield


def find_fault(found: Any, shape: tuple[int, ...], peak: float) -> str:  # noqa: ANN401 - whatever came back
    """Say what is wrong with the sound that a user's code returned; '' if nothing is.

    Args:
        found: What it returned.
        shape: ``(channels, samples)`` of what it was given.
        peak: Largest magnitude in that.
    """
    if not isinstance(found, np.ndarray) or found.shape != shape or found.dtype != np.float32:
        is_array = isinstance(found, np.ndarray)
        described = f"{found.dtype} of shape {found.shape}" if is_array else type(found).__name__
        return f"expected float32 of shape {shape} back, found {described}"
    if not np.isfinite(found).all():
        return "expected finite samples back, found NaN or infinity"
    if peak > 0.0 and float(np.abs(found).max()) < _SILENCED * peak:
        return "expected sound back, found silence, which its labels would belie"
    return ""
