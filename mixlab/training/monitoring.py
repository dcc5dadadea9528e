"""What is computed on validation after every epoch, and what the best epoch is chosen by."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mixlab.errors import ConfigError
from mixlab.evaluation import Cells, Metric, find_metrics, measure, metrics_for
from mixlab.evaluation.metrics import SCORE_EPSILON
from mixlab.training.config import TrainConfig

__all__ = ["validation_scores", "watched_metrics"]

SINGLE_LABEL_LOSS = "softmax"
"""The loss under which exactly one class is right for each item."""


def watched_metrics(config: TrainConfig) -> dict[str, Metric]:
    """Return what is computed after every epoch: the metrics that need no threshold and are no mere detail.

    A single-label training (``train.loss=softmax``) decides without thresholds, so it has accuracy and F1
    as well.

    Raises:
        ConfigError: ``monitor`` is none of them, or one of ``metrics`` cannot be used.
    """
    single_label = str(config.loss) == SINGLE_LABEL_LOSS
    usable = metrics_for(find_metrics(config.metrics), single_label=single_label)
    found = {m.name: m for m in usable if not m.detail and (single_label or not m.needs_threshold)}
    if config.monitor not in found:
        raise ConfigError(
            f"train.monitor: expected one of {', '.join(found)}, found {config.monitor!r}. One of "
            "your own is named in train.metrics and needs no threshold: these are fitted at the end.",
            code="invalid-setting",
        )
    return found


def validation_scores(
    parts: Sequence[tuple[np.ndarray, ...]], metrics: Mapping[str, Metric]
) -> dict[str, float]:
    """Return the scores of an epoch by name; NaN where the model diverged.

    The loss of a single-label training is the cross-entropy that it minimises, not that of the cells, as
    reports have it, where one class says about another what the softmax says already.

    Args:
        parts: Scores, targets and mask of batches, ``(N, C)`` each.
        metrics: As ``watched_metrics`` returns them.
    """
    scores, targets, mask = (np.concatenate(x) for x in zip(*parts, strict=True))
    if not np.isfinite(scores).all():
        return dict.fromkeys(metrics, math.nan)
    # Only a single-label training has metrics of its kind.
    single_label = any(metric.single_label for metric in metrics.values())
    cells = Cells.checked(scores, targets, mask, single_label=single_label)
    found = {name: measure(metric, cells).mean for name, metric in metrics.items()}
    if single_label and len(cells):
        found["loss"] = float(-np.log(np.maximum(cells.scores[cells.present], SCORE_EPSILON)).mean())
    return found
