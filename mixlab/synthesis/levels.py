"""Whether a part sounds, and how loud its loudest sample is."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_silent", "peak_of"]


def is_silent(audio: NDArray[np.float32]) -> bool:
    """Tell whether all samples of a part ``(samples,)`` are 0."""
    from mixlab.synthesis._kernels import stems as kernels

    return not kernels.sounds(np.ascontiguousarray(audio))


def peak_of(audio: NDArray[np.float32]) -> float:
    """Return the loudest sample of a part ``(samples,)``, without its sign; 0 for none."""
    return float(max(audio.max(initial=0.0), -audio.min(initial=0.0)))
