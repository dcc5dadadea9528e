"""The biases of the first convolution with a scaled input and without: the thesis's section 5.2.3.2.

It finds the mean absolute bias 3.4 times as large with x10. Where a batch norm follows the convolution, as in
all of mixlab's networks on mel maps, that norm subtracts the bias again: no output depends on it, and its
gradient is what rounding leaves. What the optimizer makes of that is not learning.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from torch import nn

from mixlab.errors import MixlabError
from mixlab.evaluation.report import Table
from mixlab.models.config import FrequencyWeighting, Magnitude
from mixlab.studies.claims import told
from mixlab.studies.preprocessing.grid import MAGNITUDES, WEIGHTINGS, WORDS, name_of
from mixlab.studies.preprocessing.thesis import BIAS_RATIO
from mixlab.studies.results import StudyResults
from mixlab.studies.statistics import estimate
from mixlab.training import load_model
from mixlab.training.run import Run

__all__ = ["BiasPair", "bias_lines", "bias_table", "first_biases", "mean_first_bias"]


@dataclass(frozen=True)
class BiasPair:
    """Mean absolute biases of the first convolution, without scaling and with it, by seed.

    Attributes:
        magnitude: Of the pair's two conditions.
        weighting: Of the pair's two conditions.
        plain: ``(S,)`` without scaling.
        scaled: ``(S,)`` with scaling, of the same seeds.
    """

    magnitude: Magnitude
    weighting: FrequencyWeighting
    plain: tuple[float, ...]
    scaled: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Scaled over plain, by seed."""
        return tuple(b / a for a, b in zip(self.plain, self.scaled, strict=True) if a > 0 and b > 0)


def mean_first_bias(model: nn.Module) -> float:
    """Return the mean absolute bias of a network's first convolution; NaN where it has none."""
    for module in model.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d)):
            return math.nan if module.bias is None else float(module.bias.detach().abs().mean())
    return math.nan


def _of_run(path: Path) -> float:
    try:
        return mean_first_bias(load_model(Run.open(path)))
    except MixlabError:
        return math.nan


def first_biases(results: StudyResults) -> list[BiasPair]:
    """Return the pairs of conditions that differ in scale alone, with the seeds that both have."""
    pairs = []
    for magnitude, weighting in product(MAGNITUDES, WEIGHTINGS):
        plain, scaled = (results.condition(name_of(magnitude, weighting, scaled=s)) for s in (False, True))
        if plain is None or scaled is None:
            continue
        found = [
            (_of_run(plain.runs[seed]), _of_run(scaled.runs[seed]))
            for seed in plain.runs
            if seed in scaled.runs
        ]
        found = [both for both in found if all(map(math.isfinite, both))]
        if found:
            pairs.append(BiasPair(magnitude, weighting, *(tuple(own) for own in zip(*found, strict=True))))
    return pairs


def bias_table(pairs: Sequence[BiasPair]) -> Table:
    """Return a row per pair of conditions."""
    rows = [
        (
            f"{pair.magnitude}, {WORDS[pair.weighting]}",
            f"{np.mean(pair.plain):.4f}",
            f"{np.mean(pair.scaled):.4f}",
            f"{np.mean(pair.ratios):.2f}" if pair.ratios else "-",
        )
        for pair in pairs
    ]
    header = ("magnitude, weighting", "x1", "scaled", f"ratio (the thesis: {BIAS_RATIO})")
    return Table("mean absolute bias of the first convolution, means over seeds", header, tuple(rows), 0)


def bias_lines(pairs: Sequence[BiasPair]) -> list[str]:
    """Say whether biases grow with the input, over all pairs and seeds."""
    claim = f"scaling makes the biases of the first convolution larger (there {BIAS_RATIO} times as large)"
    logs = np.log([ratio for pair in pairs for ratio in pair.ratios])
    if len(logs) < 2:
        return [told(claim, None, "there are no two pairs of runs whose first convolution has biases")]
    over = estimate(logs, None)
    assert over.seeds is not None
    low, high = math.exp(over.seeds.low), math.exp(over.seeds.high)
    mean = math.exp(over.value)
    why = f"geometric mean over {len(logs)} pairs of runs {mean:.2f}, 95 % {low:.2f} to {high:.2f}"
    holds = True if low > 1 else False if high < BIAS_RATIO else None
    note = (
        "in mixlab's own networks a batch norm behind that convolution takes its bias away again, so that no "
        "score depends on it: the ratio says what the optimizer makes of rounding"
    )
    return [told(claim, holds, why), note]
