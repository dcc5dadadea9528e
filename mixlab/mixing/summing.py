"""The sum of a mix's sources: peak limit, levels, what cancels in it, and that it holds numbers at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray, hop_edges
from mixlab.audio.levels import decibels
from mixlab.errors import AudioError

__all__ = ["Summed", "add_up", "not_finite"]


@dataclass(frozen=True)
class Summed:
    """What adding up the sources of a mix found.

    Attributes:
        levels_db: ``(sources + 1,)``, RMS of the sources and, last, of the mixture in dBFS; of each hop of
            100 ms without its mean, since an offset is not heard.
        scale_db: By how much all were scaled for the peak limit, in dB.
        cancelled: bool ``(sources, hops)``: where others take away what a source adds.
    """

    levels_db: list[float]
    scale_db: float
    cancelled: NDArray[np.bool_]


def add_up(
    audios: FloatArray, mixture: FloatArray, sample_rate: int, peak_limit: float, names: Sequence[str]
) -> Summed:
    """Write the sum of the sources; scale them all, in place, when it would exceed the peak limit.

    Args:
        audios: float32 ``(sources, channels, samples)``, C-contiguous.
        mixture: float32 ``(channels, samples)``, receives the sum.
        sample_rate: In Hz.
        peak_limit: See ``MixConfig``; 0 for none.
        names: Keys of the sources' stems, for the message.

    Raises:
        AudioError: a source or the sum holds values that are not finite.
    """
    from mixlab.audio._kernels import mix as mix_kernels

    edges = _edges(mixture.shape[-1], sample_rate)
    powers = np.empty((len(audios) + 1, len(edges)), dtype=np.float64)
    peak, scale_db = float(mix_kernels.add_up(audios, edges, mixture, powers)), 0.0
    _check_finite(powers, peak, names)
    if 0.0 < peak_limit < peak:
        # A hair below the limit, so that rounding in the sum cannot carry it over.
        scale = np.float32(peak_limit / peak * (1.0 - 1e-6))
        audios *= scale
        mix_kernels.add_up(audios, edges, mixture, powers)
        scale_db = 20.0 * math.log10(float(scale))
    cancelled = np.empty((len(audios), len(edges)), dtype=np.bool_)
    mix_kernels.find_cancelled(audios, edges, powers, cancelled)
    levels_db = decibels(powers.sum(axis=1) / max(mixture.size, 1)).tolist()
    return Summed(levels_db, scale_db, cancelled)


@lru_cache(maxsize=16)
def _edges(samples: int, sample_rate: int) -> NDArray[np.int64]:
    return hop_edges(samples, sample_rate)


def _check_finite(powers: NDArray[np.float64], peak: float, names: Sequence[str]) -> None:
    """Refuse what is no sound: values that are not finite, or so large that their squares are not."""
    if np.isfinite(powers.sum()) and math.isfinite(peak):
        return
    bad = [name for name, power in zip(names, powers[:-1], strict=True) if not np.isfinite(power).all()]
    raise not_finite(bad or names)


def not_finite(names: Sequence[str]) -> AudioError:
    """Return the error that names the sounds whose samples are no numbers, or beyond all measure."""
    return AudioError(
        f"Expected a mix of finite samples, found NaN, infinity or numbers beyond all measure in "
        f"{', '.join(names)}: a corrupt file, or effects and levels that no sound survives. Index the "
        "corpus again to have such files found, or lower the effects' gains.",
        code="mix-not-finite",
    )
