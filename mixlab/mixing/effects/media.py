"""Carriers: lossy codecs, and the speed of tape machines and turntables."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from mixlab.audio.codecs import CodecFormat, through_codec
from mixlab.audio.io import FloatArray
from mixlab.audio.varispeed import swing_speed
from mixlab.mixing.effects.base import Effect, Range, value_info
from mixlab.utils.random import Stream

__all__ = ["Codec", "Wow"]


@dataclass(frozen=True)
class Codec(Effect):
    """What a lossy codec leaves of a sound, as long as before and where it was (``mixlab.audio.codecs``).

    Attributes:
        codec: ``mp3``, ``opus``, or ``aac``, which needs the program ``ffmpeg``.
        kbps: Bit rate of all channels together; MP3 takes the nearest that it has.
    """

    stage = "either"
    codec: CodecFormat = field(metadata=value_info("codec"))
    kbps: int = field(metadata=value_info("bit rate", "kbit/s", 6, 512))

    @classmethod
    def sample(
        cls, rng: Stream, codecs: tuple[CodecFormat, ...] = ("mp3", "opus"), kbps: Range = (24, 128)
    ) -> "Codec":
        """Sample a codec, and a bit rate, log-uniform."""
        return cls(rng.choice(codecs), round(rng.log_uniform(*kbps)))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``.

        Raises:
            MissingDependencyError: the codec needs what is not installed.
        """
        return through_codec(audio, sample_rate, self.codec, self.kbps)


@dataclass(frozen=True)
class Wow(Effect):
    """Wow and flutter: a speed that swings slowly, and another that trembles; on average it stays.

    Attributes:
        wow_hz: Rate of the slow one: 0.56 Hz is a turn of a record at 33 1/3.
        wow_percent: The most by which it changes the speed, and so the pitch (1 % is 17 cents).
        flutter_hz: Rate of the fast one.
        flutter_percent: The most by which it changes the speed.
        phase: Where the slow one begins, in turns.
    """

    stage = "either"
    changes_pitch_or_time: ClassVar[bool] = True
    wow_hz: float = field(metadata=value_info("wow", "Hz", 0.1, 6.0))
    wow_percent: float = field(metadata=value_info("wow depth", "%", 0.0, 10.0))
    flutter_hz: float = field(metadata=value_info("flutter", "Hz", 4.0, 100.0))
    flutter_percent: float = field(metadata=value_info("flutter depth", "%", 0.0, 5.0))
    phase: float = field(metadata=value_info("phase", "turns", 0.0, 1.0))

    @classmethod
    def sample(
        cls,
        rng: Stream,
        wow_hz: Range = (0.4, 1.5),
        wow_percent: Range = (0.05, 0.6),
        flutter_hz: Range = (6.0, 20.0),
        flutter_percent: Range = (0.0, 0.1),
    ) -> "Wow":
        """Sample both swings: log-uniform in their rates, uniform in their depths."""
        return cls(
            rng.log_uniform(*wow_hz),
            rng.uniform(*wow_percent),
            rng.log_uniform(*flutter_hz),
            rng.uniform(*flutter_percent),
            rng.unit(),
        )

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        wow = (self.wow_hz, 0.01 * self.wow_percent, 2.0 * math.pi * self.phase)
        return swing_speed(audio, sample_rate, [wow, (self.flutter_hz, 0.01 * self.flutter_percent, 0.0)])
