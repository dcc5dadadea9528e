"""What is computed on validation after every epoch, and what the best epoch is chosen by."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mixlab.errors import ConfigError
from mixlab.evaluation import Cells, Metric, find_metrics, measure
from mixlab.training.config import TrainConfig

__all__ = ["validation_scores", "watched_metrics"]


def watched_metrics(config: TrainConfig) -> dict[str, Metric]:
    """Return what is computed after every epoch: the metrics that need no threshold and are no mere detail.

    Raises:
        ConfigError: ``monitor`` is none of them, or one of ``metrics`` cannot be used.
    """
    found = {m.name: m for m in find_metrics(config.metrics) if not (m.needs_threshold or m.detail)}
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

    Args:
        parts: Scores, targets and mask of batches, ``(N, C)`` each.
        metrics: As ``watched_metrics`` returns them.
    """
    scores, targets, mask = (np.concatenate(x) for x in zip(*parts, strict=True))
    if not np.isfinite(scores).all():
        return dict.fromkeys(metrics, math.nan)
    cells = Cells.checked(scores, targets, mask)
    return {name: measure(metric, cells).mean for name, metric in metrics.items()}
