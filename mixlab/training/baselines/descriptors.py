"""Hand-made descriptors of a mix: MFCC with deltas and the shape of the spectrum, as statistics over time.

The classical recipe of instrument recognition before networks (Tzanetakis and Cook 2002, "Musical genre
classification of audio signals"; Essid et al. 2006), computed by librosa.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.errors import MissingDependencyError

__all__ = ["DescriptorConfig", "describe", "descriptor_names", "load_librosa"]

STATISTICS = ("mean", "std", "p10", "p50", "p90")
_SHAPE = ("centroid", "bandwidth", "rolloff", "flatness", "zero crossings", "level")
_CONTRAST_FROM_HZ = 200.0


@dataclass(frozen=True)
class DescriptorConfig:
    """Resolution of the descriptors.

    Attributes:
        n_fft: Window in samples: 64 ms at 16 kHz.
        hop: Hop in samples.
        n_mels: Mel bands below the MFCC.
        n_mfcc: Coefficients, the first (level) included.
    """

    n_fft: int = 1024
    hop: int = 512
    n_mels: int = 64
    n_mfcc: int = 20


def _n_contrast_bands(sample_rate: int) -> int:
    """Return how many octaves above 200 Hz fit below half the sample rate, at most six."""
    return max(1, min(6, math.floor(math.log2(sample_rate / 2 / _CONTRAST_FROM_HZ))))


def descriptor_names(config: DescriptorConfig, sample_rate: int) -> tuple[str, ...]:
    """Return the names of the values that ``describe`` returns, in order."""
    mfcc = [f"{kind}mfcc {k}" for kind in ("", "delta ", "delta2 ") for k in range(config.n_mfcc)]
    contrast = [f"contrast {k}" for k in range(_n_contrast_bands(sample_rate) + 1)]
    rows = [*mfcc, *contrast, *_SHAPE]
    return tuple(f"{row} {statistic}" for statistic in STATISTICS for row in rows)


def describe(audio: FloatArray, sample_rate: int, config: DescriptorConfig | None = None) -> FloatArray:
    """Return the descriptors of one mix, float32 ``(D,)``; finite also for silence.

    Args:
        audio: float32 ``(1, samples)``, full scale at +-1.
        sample_rate: In Hz.
        config: Resolution.

    Raises:
        MissingDependencyError: librosa is not installed.
    """
    frames = _frames(audio[0], sample_rate, config or DescriptorConfig())
    statistics = [frames.mean(axis=1), frames.std(axis=1), *np.percentile(frames, (10, 50, 90), axis=1)]
    values: FloatArray = np.nan_to_num(np.concatenate(statistics)).astype(np.float32)
    return values


def _frames(signal: FloatArray, sample_rate: int, config: DescriptorConfig) -> NDArray[np.float64]:
    """Return one row per descriptor and one column per frame."""
    feature = load_librosa().feature
    n_fft, hop = min(config.n_fft, len(signal)), config.hop
    power = np.abs(load_librosa().stft(signal, n_fft=n_fft, hop_length=hop)) ** 2
    magnitude = np.sqrt(power)
    mel = feature.melspectrogram(S=power, sr=sample_rate, n_mels=config.n_mels)
    mfcc = feature.mfcc(S=load_librosa().power_to_db(mel, top_db=None), n_mfcc=config.n_mfcc)
    # The regression behind a delta wants an odd number of frames that are there.
    width = min(9, mfcc.shape[1] - 1 + mfcc.shape[1] % 2)
    deltas = [
        feature.delta(mfcc, width=width, order=order, mode="nearest") if width >= 3 else np.zeros_like(mfcc)
        for order in (1, 2)
    ]
    bands = _n_contrast_bands(sample_rate)
    rows = [
        mfcc,
        *deltas,
        feature.spectral_contrast(S=magnitude, sr=sample_rate, n_bands=bands, fmin=_CONTRAST_FROM_HZ),
        feature.spectral_centroid(S=magnitude, sr=sample_rate),
        feature.spectral_bandwidth(S=magnitude, sr=sample_rate),
        feature.spectral_rolloff(S=magnitude, sr=sample_rate),
        feature.spectral_flatness(S=magnitude),
        feature.zero_crossing_rate(signal, frame_length=n_fft, hop_length=hop),
        feature.rms(S=magnitude, frame_length=n_fft),
    ]
    shortest = min(row.shape[1] for row in rows)
    return np.concatenate([row[:, :shortest] for row in rows]).astype(np.float64)


def load_librosa() -> Any:  # noqa: ANN401 - a module
    """Return librosa.

    Raises:
        MissingDependencyError: it is not installed.
    """
    from mixlab.utils.jit import import_alone

    try:
        import_alone("librosa.feature")
        import librosa
    except ImportError as error:
        raise MissingDependencyError(
            "Descriptors need librosa, not installed here: pip install 'mixlab[baselines]'."
        ) from error
    return librosa
