"""Which network, and its settings, as plain values: what goes into YAML and into a model's card."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mixlab.errors import ConfigError

__all__ = ["MEL_SETTINGS", "Level", "ModelConfig"]

Level = Literal["as_mixed", "peak"]

MEL_SETTINGS = ("n_fft", "hop", "n_mels", "f_max", "width", "n_layers", "dense", "dropout", "level")
"""Settings of the networks on mixlab's mel front end; others state their own as ``parameters``."""


@dataclass(frozen=True)
class ModelConfig:
    """Which network, and its settings; 0 takes the value that the network was published with.

    The defaults are the published network of the paper's section 2.1. Which of the settings a network has,
    and what it was published with, stands beside it (``TaggingModel.card`` and ``resolve``);
    ``mixlab.models.resolve`` checks them all.

    Attributes:
        architecture: One of short_chunk_cnn, short_chunk_cnn_res, musicnn, crnn, fcn; or a network of your
            own as ``package.module:Class``, or by the name under which an installed package offers it
            (entry points of the group ``mixlab.models``).
        sample_rate: Rate of the audio the network takes, in Hz; must be that of the mixes.
        n_fft: Window and FFT length of the spectrogram, in samples.
        hop: Hop of the spectrogram, in samples.
        n_mels: Number of mel bands between 0 Hz and ``f_max``. 0 takes 128 for the short-chunk networks
            and 96 for the others; crnn and fcn have no other choice.
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
        parameters: Settings of a network of your own, by the names of its constructor's arguments; they take
            the place of all settings between ``sample_rate`` and here.
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
    parameters: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse what no network can be built from.

        Raises:
            ConfigError: a value is out of range; the message names it and the allowed range.
        """
        for name, least in (("sample_rate", 1), ("n_fft", 1), ("hop", 1), ("width", 0), ("dense", 0)):
            if getattr(self, name) < least:
                choice = "or 0 for the published value, " if least == 0 else ""
                raise ConfigError(
                    f"model.{name} must be at least 1, {choice}got {getattr(self, name)}.",
                    code="invalid-setting",
                )
        if self.level not in get_args(Level):
            raise ConfigError(
                f"model.level must be one of {', '.join(get_args(Level))}, got {self.level!r}.",
                code="invalid-setting",
            )
        if not 0 <= self.dropout < 1:
            raise ConfigError(
                f"model.dropout must lie in [0, 1), got {self.dropout}.", code="invalid-setting"
            )
