"""Where a sound is heard: reverb, impulse responses, rooms, and the width of the stereo image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from mixlab.audio.convolution import convolve
from mixlab.audio.io import FloatArray
from mixlab.audio.noise import mean_square
from mixlab.audio.rooms import Room, room_response
from mixlab.errors import MissingDependencyError
from mixlab.mixing.effects.base import Effect, Range, value_info
from mixlab.mixing.effects.sound_files import SoundFile, hash_sounds, read_sound, sample_sound
from mixlab.utils.random import Stream

__all__ = ["Convolution", "Reverb", "RoomReverb", "Width"]

_WET: Range = (0.1, 0.6)


def _blend(dry: FloatArray, wet: FloatArray, share: float) -> FloatArray:
    return dry * np.float32(1.0 - share) + wet * np.float32(share)


def _equal_power(response: FloatArray) -> FloatArray:
    """Scale an impulse response so that noise keeps its mean power over all channels."""
    energy = float(np.sum(np.square(response, dtype=np.float64))) / len(response)
    return response / np.float32(max(energy, 1e-30) ** 0.5)


@dataclass(frozen=True)
class Reverb(Effect):
    """Freeverb, by pedalboard: combs and all-passes, without a room of its own. Needs the extra ``effects``.

    Attributes:
        size: 0 to 1; decides how long the sound stays.
        damping: 0 to 1; how much sooner its high frequencies go.
        width: 0 to 1; how much its two channels differ.
        wet: 0 (dry) to 1: part of the reverb, of the same mean power as the sound.
    """

    stage = "either"
    size: float = field(metadata=value_info("size", "", 0.0, 1.0))
    damping: float = field(metadata=value_info("damping", "", 0.0, 1.0))
    width: float = field(metadata=value_info("width", "", 0.0, 1.0))
    wet: float = field(metadata=value_info("wet", "", 0.0, 1.0))

    @classmethod
    def sample(
        cls,
        rng: Stream,
        size: Range = (0.1, 0.9),
        damping: Range = (0.1, 0.9),
        width: Range = (0.5, 1.0),
        wet: Range = _WET,
    ) -> "Reverb":
        """Sample all values, uniform."""
        return cls(rng.uniform(*size), rng.uniform(*damping), rng.uniform(*width), rng.uniform(*wet))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``.

        Raises:
            MissingDependencyError: pedalboard is not installed.
        """
        try:
            pedalboard = import_module("pedalboard")
        except ImportError as error:
            raise MissingDependencyError(
                "The effect 'reverb' needs the package pedalboard: pip install 'mixlab[effects]'. The "
                "effects 'room' and 'convolution' need nothing more."
            ) from error
        unit = pedalboard.Reverb(
            room_size=self.size, damping=self.damping, width=self.width, wet_level=1.0, dry_level=0.0
        )
        wet: FloatArray = unit(np.ascontiguousarray(audio), float(sample_rate))
        scale = (mean_square(audio) / max(mean_square(wet), 1e-30)) ** 0.5
        return _blend(audio, wet * np.float32(scale), self.wet)


@dataclass(frozen=True)
class Convolution(Effect):
    """The sound in a place whose impulse response was recorded: one of a folder.

    Its highest peak counts as the direct sound, which is where it was. It is scaled so that noise keeps its
    level.

    Attributes:
        folder: Folder of the responses, as it was set.
        file: Name of the response within it.
        content: First 16 digits of its SHA-256.
        wet: 0 (dry) to 1.
    """

    stage = "either"
    folder: str = field(metadata=value_info("folder"))
    file: str = field(metadata=value_info("file"))
    content: str = field(metadata=value_info("content"))
    wet: float = field(metadata=value_info("wet", "", 0.0, 1.0))

    @classmethod
    def sample(cls, rng: Stream, folder: str = "", wet: Range = _WET) -> "Convolution":
        """Sample a file and the wet part, uniform.

        Raises:
            ConfigError: the folder does not exist, or holds no audio.
        """
        sound = sample_sound(rng, folder, "convolution")
        return cls(folder, sound.file, sound.content, rng.uniform(*wet))

    @classmethod
    def content_hash(cls, settings: Mapping[str, Any]) -> str:
        """See ``Effect.content_hash``: of all sounds in the folder."""
        return hash_sounds(settings["folder"])

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``.

        Raises:
            ConfigError: the response is not where it was, or another one.
        """
        response = read_sound(SoundFile(self.folder, self.file, self.content), len(audio), sample_rate)
        direct = int(np.abs(response).max(axis=0).argmax()) if response.size else 0
        return _blend(audio, convolve(audio, _equal_power(response[:, direct:])), self.wet)


@dataclass(frozen=True)
class RoomReverb(Effect):
    """The sound in a shoebox room (``mixlab.audio.rooms``), at the level that it has without.

    Attributes:
        size_m: Length, width and height.
        source_m: Where the sound is, from a corner.
        microphone_m: Where the microphone is, or the middle between those of two channels.
        decay_s: Time in which its sound falls by 60 dB.
        wet: 0 (dry) to 1.
        seed: Of the diffuse tail.
    """

    stage = "either"
    size_m: tuple[float, float, float] = field(metadata=value_info("room", "m"))
    source_m: tuple[float, float, float] = field(metadata=value_info("source at", "m"))
    microphone_m: tuple[float, float, float] = field(metadata=value_info("microphone at", "m"))
    decay_s: float = field(metadata=value_info("decay", "s", 0.05, 10.0))
    wet: float = field(metadata=value_info("wet", "", 0.0, 1.0))
    seed: int = field(metadata=value_info("seed"))

    @classmethod
    def sample(
        cls,
        rng: Stream,
        length_m: Range = (3.0, 12.0),
        width_m: Range = (3.0, 10.0),
        height_m: Range = (2.4, 5.0),
        decay_s: Range = (0.15, 1.0),
        wet: Range = (0.3, 1.0),
    ) -> "RoomReverb":
        """Sample a room, and two places at least a seventh of it from its walls; the decay is log-uniform."""
        size = (rng.uniform(*length_m), rng.uniform(*width_m), rng.uniform(*height_m))
        source, microphone = (tuple(rng.uniform(0.15, 0.85) * side for side in size) for _ in range(2))
        return cls(
            size,
            (source[0], source[1], source[2]),
            (microphone[0], microphone[1], microphone[2]),
            rng.log_uniform(*decay_s),
            rng.uniform(*wet),
            rng.below(1 << 32),
        )

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        room = Room(self.size_m, self.source_m, self.microphone_m, self.decay_s, self.seed)
        response = _equal_power(room_response(room, len(audio), sample_rate))
        return _blend(audio, convolve(audio, response), self.wet)


@dataclass(frozen=True)
class Width(Effect):
    """Width of the stereo image. A sound of one channel has none, and stays as it is.

    Attributes:
        width: Factor on what the two channels differ by: 0 is mono, 1 leaves all, 2 doubles it.
    """

    stage = "either"
    width: float = field(metadata=value_info("width", "", 0.0, 4.0))

    @classmethod
    def sample(cls, rng: Stream, width: Range = (0.0, 1.6)) -> "Width":
        """Sample a width, uniform."""
        return cls(rng.uniform(*width))

    def apply(self, audio: FloatArray, sample_rate: int) -> FloatArray:
        """See ``Effect.apply``."""
        if len(audio) != 2:
            return audio.copy()
        middle: FloatArray = audio.mean(axis=0, keepdims=True)
        return middle + np.float32(self.width) * (audio - middle)
