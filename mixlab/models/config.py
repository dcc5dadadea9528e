"""The shape of a network as plain values: what goes into YAML and into a model's card."""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from mixlab.errors import ConfigError

__all__ = ["ARCHITECTURES", "Architecture", "ModelConfig", "n_blocks"]

MAX_BLOCKS = 7

Level = Literal["as_mixed", "peak"]


class Architecture(NamedTuple):
    """What is published of an architecture, and which settings it has.

    Attributes:
        title: One line for people, with the source.
        n_mels: Mel bands of the published network.
        width: ``model.width`` of the published network.
        dense: Units of its hidden fully connected layer; 0 for four times the width, None where the
            head is a single layer.
        fixed_mels: Whether its poolings fit the published number of mel bands only.
        has_layers: Whether the number of blocks can be chosen.
    """

    title: str
    n_mels: int
    width: int
    dense: int | None
    fixed_mels: bool
    has_layers: bool


ARCHITECTURES: dict[str, Architecture] = {
    "short_chunk_cnn": Architecture(
        "VGG-like, 3x3 filters, short chunks (Won et al. 2020)", 128, 128, 0, False, True
    ),
    "short_chunk_cnn_res": Architecture(
        "the same with residual blocks (Won et al. 2020)", 128, 128, 0, False, True
    ),
    "musicnn": Architecture(
        "musically motivated filters (Pons et al. 2018; Won et al. 2020)", 96, 64, 200, False, False
    ),
    "crnn": Architecture(
        "convolutions, then a recurrent layer (Choi et al. 2017; Won et al. 2020)",
        96,
        64,
        None,
        True,
        False,
    ),
    "fcn": Architecture(
        "convolutions only, 29 s input (Choi et al. 2016; Won et al. 2020)", 96, 64, None, True, False
    ),
}
"""Architectures by the stable name that goes into files."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a network; 0 takes the published value of the architecture.

    The defaults are the published network of the paper's section 2.1.

    Attributes:
        architecture: One of short_chunk_cnn, short_chunk_cnn_res, musicnn, crnn, fcn.
        sample_rate: Rate of the audio the model takes, in Hz; must be that of the mixes.
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

    def __post_init__(self) -> None:
        """Refuse settings no network can be built from.

        Raises:
            ConfigError: a value is out of range; the message names it and the allowed range.
        """
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(sorted(ARCHITECTURES))
            raise ConfigError(f"Unknown model.architecture {self.architecture!r}; mixlab has: {known}.")
        for name, least in (("sample_rate", 1), ("n_fft", 1), ("hop", 1), ("width", 0), ("dense", 0)):
            if getattr(self, name) < least:
                choice = "or 0 for the published value, " if least == 0 else ""
                raise ConfigError(f"model.{name} must be at least 1, {choice}got {getattr(self, name)}.")
        if self.level not in get_args(Level):
            raise ConfigError(f"model.level must be one of {', '.join(get_args(Level))}, got {self.level!r}.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.dropout must lie in [0, 1), got {self.dropout}.")
        if not 0 < self.f_max <= self.sample_rate / 2:
            raise ConfigError(
                f"model.f_max must lie in (0, {self.sample_rate / 2:g}] Hz, half of model.sample_rate; "
                f"got {self.f_max:g}."
            )
        self._check_mels()
        self._check_head()

    def _check_mels(self) -> None:
        published = ARCHITECTURES[self.architecture]
        if self.n_mels and self.n_mels < 4:
            raise ConfigError(f"model.n_mels must be at least 4, got {self.n_mels}.")
        if published.fixed_mels and self.n_mels not in (0, published.n_mels):
            raise ConfigError(
                f"{self.architecture} pools {published.n_mels} mel bands down to one: set model.n_mels to 0 "
                f"or {published.n_mels}, got {self.n_mels}."
            )
        if self.n_layers and not published.has_layers:
            raise ConfigError(
                f"model.n_layers belongs to the short-chunk networks; {self.architecture} has a fixed depth, "
                f"so leave it 0, got {self.n_layers}."
            )
        n_mels = self.n_mels or published.n_mels
        most = n_mels.bit_length() - 1
        if self.n_layers != 0 and not 2 <= self.n_layers <= most:
            raise ConfigError(
                f"model.n_layers must be 0 (automatic) or between 2 and {most} for {n_mels} mel bands "
                f"(every block halves them), got {self.n_layers}."
            )

    def _check_head(self) -> None:
        if self.dense and ARCHITECTURES[self.architecture].dense is None:
            raise ConfigError(
                f"{self.architecture} has no hidden fully connected layer: leave model.dense 0, "
                f"got {self.dense}."
            )
        if self.architecture == "crnn" and self.width % 2:
            raise ConfigError(
                f"crnn's recurrent layer has half of model.width units: it must be even, got {self.width}."
            )

    def resolved(self) -> "ModelConfig":
        """Return the configuration with the published value in every place that says 0."""
        published = ARCHITECTURES[self.architecture]
        width = self.width or published.width
        full = replace(
            self,
            n_mels=self.n_mels or published.n_mels,
            width=width,
            dense=0 if published.dense is None else self.dense or published.dense or 4 * width,
        )
        return replace(full, n_layers=n_blocks(full)) if published.has_layers else full


def n_blocks(config: ModelConfig) -> int:
    """Return the number of convolutional blocks of a short-chunk network."""
    n_mels = config.n_mels or ARCHITECTURES[config.architecture].n_mels
    return config.n_layers or min(MAX_BLOCKS, n_mels.bit_length() - 1)
