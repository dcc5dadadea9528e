"""What a model says about one file: scores of every moment, and what is detected in it."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.errors import ConfigError
from mixlab.evaluation import close_upwards, decide
from mixlab.evaluation.cells import highest
from mixlab.utils.spans import spans

__all__ = ["FileTags"]


@dataclass(frozen=True)
class FileTags:
    """What a model says about one file.

    K moments follow each other without gaps from 0 to the end of the file.

    Attributes:
        path: The file.
        duration_s: Its length in seconds, as decoded.
        labels: The C class names.
        parents: For each class the index of its nearest ancestor, or None.
        thresholds: ``(C,)`` fitted on the run's validation mixes.
        window_s: Length of the windows that the model scores.
        hop_s: Distance of their starts.
        gate_db: Level below which a moment is silent, in dBFS.
        padded: Whether the file is shorter than a window, and silence was added at its end.
        start_s: ``(K,)`` where moments start.
        end_s: ``(K,)`` where they end.
        level_db: ``(K,)`` their RMS level in dBFS.
        scores: ``(K, C)`` hierarchy-consistent probabilities, float32, also where the moment is silent.
        notes: What of the file the model was not given, a sentence each.
        single_label: Whether exactly one class is right at a time: the one with the highest score is
            detected, and ``thresholds`` are NaN.
    """

    path: Path
    duration_s: float
    labels: tuple[str, ...]
    parents: tuple[int | None, ...]
    thresholds: NDArray[np.float64]
    window_s: float
    hop_s: float
    gate_db: float
    padded: bool
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    level_db: NDArray[np.float64]
    scores: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    single_label: bool = False

    @property
    def sounding(self) -> NDArray[np.bool_]:
        """``(K,)`` whether anything sounds, by the level alone."""
        return np.asarray(self.level_db >= self.gate_db)

    @property
    def detected(self) -> NDArray[np.bool_]:
        """``(K, C)`` whether a class is detected: its score or a descendant's reaches its threshold.

        Of single-label models it is the class with the highest score.
        """
        if self.single_label:
            return highest(self.scores) & self.sounding[:, None]
        return close_upwards(decide(self.scores, self.thresholds), self.parents) & self.sounding[:, None]

    @property
    def mean(self) -> NDArray[np.float64]:
        """``(C,)`` mean score over the moments that sound, weighted by their length; NaN without any."""
        if not self.sounding.any():
            return np.full(len(self.labels), math.nan)
        weights = (self.end_s - self.start_s)[self.sounding]
        scores = self.scores[self.sounding].astype(np.float64)
        return np.asarray(np.average(scores, axis=0, weights=weights), np.float64)

    @property
    def max(self) -> NDArray[np.float64]:
        """``(C,)`` highest score over the moments that sound; NaN without any."""
        if not self.sounding.any():
            return np.full(len(self.labels), math.nan)
        return np.asarray(self.scores[self.sounding].max(axis=0), np.float64)

    @property
    def share(self) -> NDArray[np.float64]:
        """``(C,)`` share of what sounds in which each class is detected; 0 where nothing sounds."""
        weights = (self.end_s - self.start_s) * self.sounding
        if not weights.any():
            return np.zeros(len(self.labels))
        return np.asarray(weights @ self.detected / weights.sum(), np.float64)

    @property
    def tags(self) -> tuple[str, ...]:
        """The classes that sound somewhere, the highest mean score first."""
        detected = np.flatnonzero(self.detected.any(axis=0))
        return tuple(self.labels[c] for c in detected[np.argsort(-self.mean[detected], kind="stable")])

    @property
    def decision(self) -> str | None:
        """What a single-label model decides for: the class with the highest mean score; else None."""
        if not self.single_label or not self.sounding.any():
            return None
        return self.labels[int(np.argmax(self.mean))]

    def with_thresholds(self, thresholds: float | ArrayLike) -> "FileTags":
        """Return the same scores, decided at other thresholds: one for all classes, or ``(C,)``.

        Raises:
            ConfigError: there are as many thresholds as neither one nor the classes; or the model is a
                single-label one, in which thresholds have no part.
        """
        if self.single_label:
            raise ConfigError(
                "A single-label run decides for the class with the highest score: thresholds have no part in "
                "it. Leave them out.",
                code="conflicting-settings",
            )
        values = np.asarray(thresholds, np.float64)
        if values.shape not in ((), (len(self.labels),)):
            raise ConfigError(
                f"Expected one threshold or {len(self.labels)}, got shape {values.shape}.", code="wrong-shape"
            )
        return replace(self, thresholds=np.broadcast_to(values, (len(self.labels),)).copy())

    def spans(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """Return for every class where it sounds: (start, end) in seconds, neighbours merged."""
        detected = self.detected
        return {name: self._merged(detected[:, c]) for c, name in enumerate(self.labels)}

    def silent_spans(self) -> tuple[tuple[float, float], ...]:
        """Return where the level is below the gate."""
        return self._merged(~self.sounding)

    def _merged(self, on: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
        return tuple((float(self.start_s[a]), float(self.end_s[b - 1])) for a, b in spans(on))
