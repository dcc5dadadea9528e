"""Statistics of MFCC: the baseline that Choi et al. 2017 compare the convnet feature with.

Mean and standard deviation over time of 20 MFCC and of their first and second differences, 120 values
(Choi et al. 2017, section 4.2; chapter 6 of Choi's thesis). Differences are between neighbouring frames, as
in the code that the authors published, not librosa's deltas, which fit a line over nine frames.
"""

from dataclasses import dataclass

import numpy as np

from mixlab.audio.io import FloatArray
from mixlab.training.baselines.descriptors import load_librosa
from mixlab.training.baselines.features import Extract
from mixlab.utils.hashing import digest

__all__ = ["N_MFCC", "MfccStatistics", "mfcc_statistics"]

N_MFCC = 20
"""Coefficients, the first (level) included."""

_LEAST = 2048
"""Samples that shorter audio is padded to: one window of librosa's default, three frames."""


def mfcc_statistics(audio: FloatArray, sample_rate: int) -> FloatArray:
    """Return means and deviations of MFCC and their differences, float32 ``(120,)``.

    Args:
        audio: float32 ``(1, samples)``, full scale at +-1.
        sample_rate: In Hz.

    Raises:
        MissingDependencyError: librosa is not installed.
    """
    signal = np.pad(audio[0], (0, max(0, _LEAST - audio.shape[1])))
    mfcc = load_librosa().feature.mfcc(y=signal, sr=sample_rate, n_mfcc=N_MFCC)
    rows = (mfcc, first := np.diff(mfcc), np.diff(first))
    statistics = [statistic for row in rows for statistic in (row.mean(axis=1), row.std(axis=1))]
    return np.concatenate(statistics).astype(np.float32)


@dataclass(frozen=True)
class MfccStatistics:
    """The statistics as an ``Extractor``.

    Attributes:
        sample_rate: Of the audio, in Hz.
    """

    sample_rate: int

    @property
    def content_hash(self) -> str:
        """Changes with the settings and with librosa's release."""
        from importlib.metadata import version

        return digest(["mfcc statistics 1", self.sample_rate, N_MFCC, version("librosa")])

    def load(self) -> Extract:
        """Return the function that computes."""
        return lambda audio: np.stack([mfcc_statistics(one, self.sample_rate) for one in audio])
