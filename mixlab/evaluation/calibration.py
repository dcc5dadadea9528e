"""Whether scores can be read as probabilities: expected calibration error and Brier score."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import brier_score_loss

from mixlab.evaluation.arrays import Floats, check_arrays, count_undefined, mean_defined

__all__ = ["N_BINS", "Calibration", "brier_score", "calibration", "expected_calibration_error"]

N_BINS = 15
"""Bins of equal width over 0..1 (Guo et al., On Calibration of Modern Neural Networks, 2017, section 2)."""


@dataclass(frozen=True)
class Calibration:
    """Means over classes, beside those of the chance-level baseline.

    Where the frequencies of validation hold, the baseline's calibration error is small although it knows
    nothing of the mix: only the Brier score tells it from a model that does.

    Attributes:
        ece: Mean expected calibration error over the classes with known targets.
        brier: Mean Brier score over the same.
        chance_ece: The baseline's.
        chance_brier: The baseline's.
        n_bins: Bins behind ``ece``.
        undefined: Classes without known targets, which are left out.
    """

    ece: float
    brier: float
    chance_ece: float
    chance_brier: float
    n_bins: int
    undefined: int


def expected_calibration_error(
    scores: ArrayLike, targets: ArrayLike, mask: ArrayLike, n_bins: int = N_BINS
) -> Floats:
    """Return the expected calibration error per class ``(C,)`` over known cells; NaN where none is known.

    Scores are sorted into ``n_bins`` bins of equal width, (0, 1/n], (1/n, 2/n] and so on, 0 with the first.
    The error is the sum over the bins of (items in it / known items) * |share of positives - mean score|.
    With few items in a bin it is too high by chance, so it is compared at equal numbers of items only.
    """
    s, t, m = check_arrays(scores, targets, mask)
    result = np.full(s.shape[1], math.nan)
    bins = np.clip(np.ceil(s * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    for c in range(s.shape[1]):
        known = m[:, c]
        if known.any():
            gaps = np.bincount(bins[known, c], weights=t[known, c] - s[known, c], minlength=n_bins)
            result[c] = np.abs(gaps).sum() / known.sum()
    return result


def brier_score(scores: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> Floats:
    """Return the mean squared error of the scores per class ``(C,)`` over known cells; NaN without any."""
    s, t, m = check_arrays(scores, targets, mask)
    result = np.full(s.shape[1], math.nan)
    for c in range(s.shape[1]):
        known = m[:, c]
        if known.any():
            result[c] = brier_score_loss(t[known, c], s[known, c], pos_label=True)
    return result


def calibration(ece: Floats, brier: Floats, chance_ece: Floats, chance_brier: Floats) -> Calibration:
    """Return the means of values per class ``(C,)``."""
    return Calibration(
        ece=mean_defined(ece),
        brier=mean_defined(brier),
        chance_ece=mean_defined(chance_ece),
        chance_brier=mean_defined(chance_brier),
        n_bins=N_BINS,
        undefined=count_undefined(ece),
    )
