"""Which source of a mix a score comes from: each source scored alone, and the mix without each.

A source whose removal takes a false detection away, or whose own sound is taken for the class, is what fooled
the model; one whose removal brings a missed class back is what hid it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.inference.scorer import Scorer, at_rate, with_channels
from mixlab.mixing.rendering import Mix

__all__ = ["Blame", "SourceScores", "blame", "score_sources"]

BATCH = 16
"""Windows that the scorer is given at once."""


@dataclass(frozen=True, eq=False)
class SourceScores:
    """What a scorer says of a mix of S sources, of each by itself, and of the mix without each.

    Attributes:
        labels: The C classes.
        mix: ``(C,)`` scores of the mix.
        alone: ``(S, C)`` of each source alone, at its level in the mix.
        without: ``(S, C)`` of the sum of all other sources; of silence where there is no other.
        before_effects: Whether the mix has effects on the mixture, which are left out of ``alone`` and
            ``without``, so that these are not of the very same sound.
    """

    labels: tuple[str, ...]
    mix: NDArray[np.float32]
    alone: NDArray[np.float32]
    without: NDArray[np.float32]
    before_effects: bool = False


def score_sources(scorer: Scorer, mix: Mix) -> SourceScores:
    """Score a mix, each of its sources alone, and the mix without each.

    Scores are as training and evaluation see them: of whole mixes, not yet made hierarchy-consistent, so that
    those of the mix are the ones that a run stored.

    Args:
        scorer: What scores; its windows are as long as the mix, or it takes any length.
        mix: The mix.

    Raises:
        ConfigError: the mix has no sources.
    """
    if not mix.sources:
        raise ConfigError(
            "This mix has no sources that could be scored one by one: it is silence or noise.",
            code="invalid-setting",
        )
    sources = np.stack([source.audio for source in mix.sources])
    total = sources.sum(axis=0, dtype=np.float64)
    without = (total - sources).astype(np.float32)
    scores = _scores(scorer, np.concatenate([mix.mixture[None], sources, without]), mix)
    n = len(sources)
    return SourceScores(
        labels=scorer.labels,
        mix=scores[0],
        alone=scores[1 : n + 1],
        without=scores[n + 1 :],
        before_effects=bool(mix.recipe.effects),
    )


def _scores(scorer: Scorer, audio: FloatArray, mix: Mix) -> NDArray[np.float32]:
    """Score ``(B, channels, T)`` at the mix's rate."""
    given = with_channels(at_rate(audio, mix.recipe.render.sample_rate, scorer.sample_rate), scorer.channels)
    short = max(scorer.min_samples - given.shape[2], 0)
    given = np.ascontiguousarray(np.pad(given, ((0, 0), (0, 0), (0, short))))
    parts = [scorer.score(given[at : at + BATCH]) for at in range(0, len(given), BATCH)]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Blame:
    """Which source a decision on one class hangs on.

    Attributes:
        source: Its place among the sources; None where no single one decides.
        how: ``decides``: without it the class would not be detected. ``alone``: it is taken for the class by
            itself, but without it the class is detected still. ``hides``: without it the class would be
            detected. ``none``: no single source decides.
        change: The mix's score less the score without it; of ``alone`` the score of the source.
    """

    source: int | None
    how: Literal["decides", "alone", "hides", "none"]
    change: float = 0.0


def blame(scores: SourceScores, column: int, threshold: float) -> Blame:
    """Say which source decides on a class.

    Args:
        scores: Of the mix.
        column: The class.
        threshold: From this score on it is detected.

    Returns:
        Where the class is detected: the source without which the score falls lowest, if it falls below the
        threshold; else the source that reaches the threshold alone with the highest score. Where it is not
        detected: the source without which the score rises most, if it reaches the threshold. Else no source.
    """
    mix, alone, without = (
        np.asarray(values, np.float64)[..., column] for values in (scores.mix, scores.alone, scores.without)
    )
    if mix >= threshold:
        lowest, highest = int(without.argmin()), int(alone.argmax())
        if without[lowest] < threshold:
            return Blame(lowest, "decides", float(mix - without[lowest]))
        if alone[highest] >= threshold:
            return Blame(highest, "alone", float(alone[highest]))
        return Blame(None, "none")
    highest = int(without.argmax())
    if without[highest] >= threshold:
        return Blame(highest, "hides", float(mix - without[highest]))
    return Blame(None, "none")
