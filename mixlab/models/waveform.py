"""What networks without the mel front end share: the check of their input."""

from torch import Tensor

from mixlab.errors import ConfigError

__all__ = ["check_audio"]


def check_audio(audio: Tensor, name: str, sample_rate: int, min_samples: int) -> None:
    """Refuse what is no batch of mono audio, or shorter than a network's shortest input.

    Args:
        audio: The input, ``(B, 1, T)``.
        name: What messages call the network.
        sample_rate: In Hz.
        min_samples: The shortest ``T``.

    Raises:
        ConfigError: the input has another shape, or is too short.
    """
    if audio.ndim != 3 or audio.shape[1] != 1:
        raise ConfigError(
            f"{name} takes mono audio of shape (B, 1, T), got {tuple(audio.shape)}.", code="wrong-shape"
        )
    if audio.shape[-1] < min_samples:
        raise ConfigError(
            f"Audio of {audio.shape[-1] / sample_rate:.3f} s is too short: {name} needs at least "
            f"{min_samples / sample_rate:.3f} s ({min_samples} samples at {sample_rate} Hz). Use longer "
            "mixes (mix.duration_s) or windows (windows.duration_s).",
            code="audio-too-short",
        )
