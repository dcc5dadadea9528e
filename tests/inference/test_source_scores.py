"""Which source a score comes from: sources add up, and the blame falls on the one that makes the sound."""

from collections.abc import Callable

import numpy as np
import pytest

from mixlab import Catalog, Mix, MixConfig, render_mix, sample_recipe
from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.inference.scorer import Scorer
from mixlab.inference.source_scores import SourceScores, blame, score_sources
from tests.errors import raises


def scorer_of(compute: Callable[[FloatArray], FloatArray], rate: int, channels: int = 1) -> Scorer:
    return Scorer(
        compute=compute, labels=("loud", "any"), parents=(None, None), thresholds=np.array([0.5, 0.5]),
        sample_rate=rate, window_s=4.0, source="a rule", fitted=True, channels=channels,
    )  # fmt: skip


@pytest.fixture(scope="module")
def mix(toy: Catalog) -> Mix:
    """A mix of several sources."""
    config = MixConfig().for_evaluation()
    mixes = (render_mix(sample_recipe(toy, config, 0, 0, i, split="test"), toy) for i in range(50))
    return next(mix for mix in mixes if len(mix.sources) >= 3)


def energies(audio: FloatArray) -> FloatArray:
    """Two scores of what is given: its energy, and a constant."""
    energy = (audio.astype(np.float64) ** 2).sum(axis=(1, 2))
    return np.stack([energy, np.full(len(audio), 0.25)], axis=1).astype(np.float32)


def test_each_score_is_that_of_the_very_sound_it_names(mix: Mix) -> None:
    rate, channels = mix.recipe.render.sample_rate, len(mix.mixture)
    found = score_sources(scorer_of(energies, rate, channels), mix)
    np.testing.assert_allclose(found.mix, energies(mix.mixture[None])[0], rtol=1e-6)
    for place, source in enumerate(mix.sources):
        np.testing.assert_allclose(found.alone[place], energies(source.audio[None])[0], rtol=1e-6)
        rest = sum(other.audio.astype(np.float64) for n, other in enumerate(mix.sources) if n != place)
        rest = np.asarray(rest, np.float32)[None]
        np.testing.assert_allclose(found.without[place], energies(rest)[0], rtol=1e-4, atol=1e-6)
    assert not found.before_effects


def test_the_scorer_is_given_its_own_rate_and_channels(mix: Mix) -> None:
    seen = []

    def compute(audio: FloatArray) -> FloatArray:
        seen.append(audio.shape)
        return np.zeros((len(audio), 2), np.float32)

    rate = mix.recipe.render.sample_rate
    score_sources(scorer_of(compute, rate // 2, 2), mix)
    ((count, channels, samples),) = seen
    assert (count, channels) == (1 + 2 * len(mix.sources), 2)
    assert abs(samples - mix.mixture.shape[1] / 2) <= 2


def test_blame_falls_on_what_decides() -> None:
    def scores(mix: float, alone: list[float], without: list[float]) -> SourceScores:
        columns = (np.array([[x] for x in values], np.float32) for values in (alone, without))
        return SourceScores(("a",), np.array([mix], np.float32), *columns)

    fooled = blame(scores(0.9, [0.1, 0.8], [0.85, 0.2]), 0, 0.5)
    assert (fooled.source, fooled.how) == (1, "decides")
    assert fooled.change == pytest.approx(0.7)
    both = blame(scores(0.9, [0.6, 0.8], [0.85, 0.7]), 0, 0.5)
    assert (both.source, both.how) == (1, "alone")
    together = blame(scores(0.9, [0.1, 0.2], [0.8, 0.7]), 0, 0.5)
    assert (together.source, together.how) == (None, "none")
    masked = blame(scores(0.3, [0.1, 0.2], [0.4, 0.7]), 0, 0.5)
    assert (masked.source, masked.how) == (1, "hides")
    missed = blame(scores(0.3, [0.9, 0.2], [0.4, 0.2]), 0, 0.5)
    assert (missed.source, missed.how) == (None, "none")


def test_a_mix_without_sources_is_refused(toy: Catalog) -> None:
    quiet = MixConfig(p_negative=1.0)
    mix = render_mix(sample_recipe(toy, quiet, 0, 0, 0, split="train"), toy)
    with raises(ConfigError, code="invalid-setting", mentions="no sources"):
        score_sources(scorer_of(energies, mix.recipe.render.sample_rate), mix)
