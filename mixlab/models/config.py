"""Which network, and its settings, as plain values: what goes into YAML and into a model's card."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mixlab.errors import ConfigError

__all__ = [
    "LATER_SETTINGS",
    "MAP_SETTINGS",
    "MEL_SETTINGS",
    "FrequencyWeighting",
    "Level",
    "Magnitude",
    "ModelConfig",
    "SpectrogramKind",
]

Level = Literal["as_mixed", "peak"]
Magnitude = Literal["decibel", "ln", "linear"]
FrequencyWeighting = Literal["bypass", "per_frequency", "a_weighting"]
SpectrogramKind = Literal["mel", "log_frequency"]

MAP_SETTINGS = ("magnitude", "frequency_weighting", "standardise", "scale", "spectrogram", "bins_per_octave")
"""Settings that change what a network hears of the same audio at the same level."""

LATER_SETTINGS = ("level", *MAP_SETTINGS)
"""Settings that came after the first digests of networks; with their defaults they count in none."""

MEL_SETTINGS = ("n_fft", "hop", "n_mels", "f_max", "width", "n_layers", "dense", "dropout", *LATER_SETTINGS)
"""Settings of the networks on mixlab's mel front end; others state their own as ``parameters``."""

_LEAST = {"sample_rate": 1, "n_fft": 1, "hop": 1, "bins_per_octave": 1, "width": 0, "dense": 0}
_CHOICES: dict[str, Any] = {
    "level": Level,
    "magnitude": Magnitude,
    "frequency_weighting": FrequencyWeighting,
    "spectrogram": SpectrogramKind,
}


@dataclass(frozen=True)
class ModelConfig:
    """Which network, and its settings; 0 takes the value that the network was published with.

    The defaults are the published network of the paper's section 2.1. Which of the settings a network has,
    and what it was published with, stands beside it (``TaggingModel.card`` and ``resolve``);
    ``mixlab.models.resolve`` checks them all.

    Attributes:
        architecture: One of short_chunk_cnn, short_chunk_cnn_res, short_chunk_ensemble, musicnn, crnn, fcn,
            rawnet2, stft_convnet, resnet18, resnet50, inception_v3, efficientnet_lite0; or a network of your
            own as ``package.module:Class``, or by the name under which an installed package offers it (entry
            points of the group ``mixlab.models``).
        sample_rate: Rate of the audio the network takes, in Hz; must be that of the mixes.
        n_fft: Window and FFT length of the spectrogram, in samples.
        hop: Hop of the spectrogram, in samples.
        n_mels: Number of mel bands between 0 Hz and ``f_max``. 0 takes 128 for the short-chunk networks
            and those for pictures, and 96 for the others; crnn and fcn have no other choice.
        f_max: Upper edge of the mel bands in Hz; at most half of ``sample_rate``.
        width: Channels. Short-chunk networks: of the first block; blocks are ``w, w, 2w, ..., 2w, 4w``
            wide (published: 128). musicnn: of the back end (64; its front end stays 2 x 204 + 3 x 51).
            crnn and fcn: of the first block (64); crnn's recurrent layer has half as many units.
        n_layers: Blocks of the short-chunk networks, each halving frequency and time. 0 takes as many as
            ``n_mels`` allows, at most seven: seven for 128 mels, six for 64.
        dense: Units of the hidden fully connected layer. 0 takes ``4 * width`` for the short-chunk
            networks, 200 for musicnn; crnn and fcn have none.
        dropout: Dropout probability in the head, in [0, 1).
        level: ``as_mixed`` hears audio at the level it has; ``peak`` scales every input to full scale first,
            by 60 dB at most. Published networks heard mastered music, at full scale.
        magnitude: What the map holds: power in decibels, its natural logarithm (``ln``), or power itself
            (``linear``).
        frequency_weighting: ``bypass``; ``per_frequency`` brings every band to mean 0 and deviation 1 over
            the training data; ``a_weighting`` weighs bands as IEC 61672-1 does.
        standardise: Bring the map of every excerpt to mean 0 and deviation 1 over all its bands and frames.
            Takes the place of the batch norm that published networks have there.
        scale: Factor of the map, after all else.
        spectrogram: ``mel`` bands; or ``log_frequency``: bands of equal width in octaves, ``n_mels`` of them
            down from ``f_max`` (0: as many as reach down to 20 Hz, at most the published number).
        bins_per_octave: Bands per octave of ``log_frequency``. ``n_fft`` limits how many there really are in
            the lower octaves (``mixlab.models.bands.log_resolution_limit_hz``).
        parameters: Settings of rawnet2, stft_convnet, or a network of your own, by the names of its
            constructor's arguments; they take the place of all settings between ``sample_rate`` and here. Of
            networks for pictures, what else they have: channel_conversion, image_size, colour. Of
            short_chunk_ensemble, members: how many networks lie side by side.
    """

    architecture: str = "short_chunk_cnn"
    sample_rate: int = 16000
    n_fft: int = 512
    hop: int = 256
    n_mels: int = 0
    f_max: float = 8000.0
    width: int = 0
    n_layers: int = 0
    dense: int = 0
    dropout: float = 0.5
    level: Level = "as_mixed"
    magnitude: Magnitude = "decibel"
    frequency_weighting: FrequencyWeighting = "bypass"
    standardise: bool = False
    scale: float = 1.0
    spectrogram: SpectrogramKind = "mel"
    bins_per_octave: int = 12
    parameters: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse what no network can be built from.

        Raises:
            ConfigError: a value is out of range; the message names it and the allowed range.
        """
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                choice = "or 0 for the published value, " if least == 0 else ""
                raise ConfigError(
                    f"model.{name} must be at least 1, {choice}got {getattr(self, name)}.",
                    code="invalid-setting",
                )
        for name, choice in _CHOICES.items():
            if getattr(self, name) not in get_args(choice):
                raise ConfigError(
                    f"model.{name} must be one of {', '.join(get_args(choice))}, "
                    f"got {getattr(self, name)!r}.",
                    code="invalid-setting",
                )
        if not 0 <= self.dropout < 1:
            raise ConfigError(
                f"model.dropout must lie in [0, 1), got {self.dropout}.", code="invalid-setting"
            )
        if not 0 < self.scale < math.inf:
            raise ConfigError(
                f"model.scale must be a finite factor above 0, got {self.scale}.", code="invalid-setting"
            )
