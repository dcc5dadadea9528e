"""Noise at a ratio to the sound: made here, or from a folder of recordings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mixlab.audio.io import FloatArray
from mixlab.audio.noise import NOISES, NoiseKind, add_at_snr
from mixlab.mixing.effects.base import Effect, Range, value_info
from mixlab.mixing.effects.sound_files import SoundFile, hash_sounds, read_looped, sample_sound
from mixlab.utils.random import Stream

__all__ = ["Background", "Noise"]

_SNR_DB: Range = (10.0, 40.0)


@dataclass(frozen=True)
class Noise(Effect):
    """White or pink noise, or hum of the mains at 50 or 60 Hz (``mixlab.audio.noise``).

    Attributes:
        noise: ``white``, ``pink``, ``hum_50`` or ``hum_60``.
        snr_db: Mean power of the sound over that of the noise; silence stays silent.
        seed: Of the noise.
    """

    stage = "either"
    adds_other_sound: ClassVar[bool] = True
    noise: NoiseKind = field(metadata=value_info("noise"))
    snr_db: float = field(metadata=value_info("sound over noise", "dB", -60.0, 120.0))
    seed: int = field(metadata=value_info("seed"))

    @classmethod
    def sample(
        cls,
        rng: Stream,
        noises: tuple[NoiseKind, ...] = ("white", "pink", "hum_50", "hum_60"),
        snr_db: Range = _SNR_DB,
    ) -> "Noise":
        """Sample a kind and a ratio, uniform in dB."""
        return cls(rng.choice(noises), rng.uniform(*snr_db), rng.below(1 << 32))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        noise = NOISES[self.noise](audio.shape[0], audio.shape[1], sample_rate, self.seed)
        return add_at_snr(audio, noise, self.snr_db)


@dataclass(frozen=True)
class Background(Effect):
    """A recording of a folder behind the sound, from anywhere in it; one that ends begins again.

    Attributes:
        folder: Folder of the recordings, as it was set.
        file: Name of the recording within it.
        content: First 16 digits of its SHA-256.
        start_s: Where it starts.
        snr_db: Mean power of the sound over that of the recording.
    """

    stage = "either"
    adds_other_sound: ClassVar[bool] = True
    folder: str = field(metadata=value_info("folder"))
    file: str = field(metadata=value_info("file"))
    content: str = field(metadata=value_info("content"))
    start_s: float = field(metadata=value_info("start", "s", 0.0, 1e6))
    snr_db: float = field(metadata=value_info("sound over background", "dB", -60.0, 120.0))

    @classmethod
    def sample(cls, rng: Stream, folder: str = "", snr_db: Range = _SNR_DB) -> "Background":
        """Sample a file, a place in it, and a ratio, each uniform.

        Raises:
            ConfigError: the folder does not exist, or holds no audio.
        """
        sound = sample_sound(rng, folder, "background")
        return cls(
            folder, sound.file, sound.content, rng.uniform(0.0, sound.duration_s), rng.uniform(*snr_db)
        )

    @classmethod
    def content_hash(cls, settings: Mapping[str, Any]) -> str:
        """See ``Effect.content_hash``: of all sounds in the folder."""
        return hash_sounds(settings["folder"])

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``.

        Raises:
            ConfigError: the recording is not where it was, or another one.
        """
        sound = SoundFile(self.folder, self.file, self.content)
        return add_at_snr(audio, read_looped(sound, self.start_s, audio.shape, sample_rate), self.snr_db)
