"""Effects as users write them, sound and faulty; ``tests.own_effects:Tremolo`` names one."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mixlab.audio.io import FloatArray
from mixlab.errors import AudioError
from mixlab.mixing import Effect
from mixlab.utils.random import Stream

TREMOLO = "tests.own_effects:Tremolo"
HISS = "tests.own_effects:Hiss"


@dataclass(frozen=True)
class Tremolo(Effect):
    """A level that swings."""

    rate_hz: float
    depth: float

    @classmethod
    def sample(
        cls, rng: Stream, rate_hz: tuple[float, float] = (2.0, 8.0), depth: tuple[float, float] = (0.2, 0.8)
    ) -> "Tremolo":
        return cls(rng.uniform(*rate_hz), rng.uniform(*depth))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        phase = 2.0 * np.pi * self.rate_hz * np.arange(audio.shape[1]) / sample_rate
        return audio * (1.0 - self.depth * (0.5 - 0.5 * np.cos(phase))).astype(np.float32)


@dataclass(frozen=True)
class Hiss(Effect):
    """Noise under the whole mixture; its seed is a value, so that it is always the same noise."""

    stage = "mixture"
    level_db: float
    seed: int
    colours: tuple[str, ...] = ("white",)

    @classmethod
    def sample(cls, rng: Stream, level_db: float = -60.0) -> "Hiss":
        return cls(level_db, rng.below(1 << 32))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        noise = np.random.default_rng(self.seed).standard_normal(audio.shape, dtype=np.float32)
        return audio + np.float32(10.0 ** (self.level_db / 20.0)) * noise


@dataclass(frozen=True)
class Reverse(Effect):
    """What musical mixes must not have, as its sources would no longer play together."""

    changes_pitch_or_time = True

    @classmethod
    def sample(cls, rng: Stream) -> "Reverse":
        return cls()

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return np.ascontiguousarray(audio[:, ::-1])


@dataclass(frozen=True)
class Gate(Effect):
    """Takes away what lies between two times."""

    start_s: float
    end_s: float

    @classmethod
    def sample(cls, rng: Stream, start_s: float = 0.0, end_s: float = 0.5) -> "Gate":
        return cls(start_s, end_s)

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        kept = audio.copy()
        kept[:, round(self.start_s * sample_rate) : round(self.end_s * sample_rate)] = 0.0
        return kept


@dataclass(frozen=True)
class Echo(Effect):
    """Repeats all of a sound once."""

    delay_s: float

    @classmethod
    def sample(cls, rng: Stream, delay_s: float = 0.25) -> "Echo":
        return cls(delay_s)

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        delay = round(self.delay_s * sample_rate)
        late = np.zeros_like(audio)
        late[:, delay:] = audio[:, : audio.shape[1] - delay]
        return audio + late


# --- What no effect may do -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Faulty(Effect):
    """Base of those with no values and one fault."""

    @classmethod
    def sample(cls, rng: Stream) -> "Faulty":
        return cls()

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio * np.float32(0.5)


class Shorter(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio[:, :-1]


class Mono(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio.mean(axis=0)


class Double(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio * np.float64(0.5)  # type: ignore[no-any-return]


class Nothing(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return None  # type: ignore[return-value]


class NotFinite(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return np.log(audio - audio.max()).astype(np.float32)


class Silent(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return np.zeros_like(audio)


class InPlace(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        audio *= np.float32(0.5)
        return audio


class Random(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio + np.random.default_rng().standard_normal(audio.shape, dtype=np.float32)


@dataclass(frozen=True)
class OwnChance(Effect):
    depth: float

    @classmethod
    def sample(cls, rng: Stream) -> "OwnChance":
        return cls(float(np.random.default_rng().random()))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio * np.float32(self.depth)


@dataclass(frozen=True)
class BigValues(Effect):
    response: np.ndarray

    @classmethod
    def sample(cls, rng: Stream) -> "BigValues":
        return cls(np.ones(3))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio * np.float32(0.5)


@dataclass(frozen=True)
class NaNValue(Effect):
    depth: float

    @classmethod
    def sample(cls, rng: Stream) -> "NaNValue":
        return cls(float("nan"))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio


class AnotherEffect(Faulty):
    @classmethod
    def sample(cls, rng: Stream) -> Faulty:
        return Faulty()


@dataclass
class Thawed(Effect):
    depth: float = 0.0


@dataclass(frozen=True)
class WrongStage(Effect):
    stage: ClassVar = "bus"


@dataclass(frozen=True)
class NamedEffect(Effect):
    effect: str = ""


class NoEffect:
    pass


@dataclass(frozen=True)
class Applyless(Effect):
    @classmethod
    def sample(cls, rng: Stream) -> "Applyless":
        return cls()


@dataclass(frozen=True)
class Sampleless(Effect):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio


@dataclass(frozen=True)
class Unclassed(Sampleless):
    def sample(self, rng: Stream) -> "Unclassed":  # type: ignore[override]
        return self


class Raising(Faulty):
    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        return audio[sample_rate]["left"]


class Unreadable(Faulty):
    """Its error is that of a damaged file, for which another item would stand in."""

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        raise AudioError("impulse.wav is damaged.", code="damaged-audio")


class Rateless(Faulty):
    def apply(self, audio: FloatArray) -> FloatArray:  # type: ignore[override]
        return audio


@dataclass(frozen=True)
class Stateful(Tremolo):
    """It fails late: after it was tried out, on a stem."""

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        if audio.shape != (2, 16000):
            raise AudioError("impulse.wav is damaged.", code="damaged-audio")
        return super().apply(audio, sample_rate)
