"""Examples to try a tagger on: the same sound every time, and never a silent one."""

import numpy as np
import pytest

from mixlab.errors import ConfigError
from mixlab.synthesis.example import EXAMPLE_S, EXAMPLES, render_example
from mixlab.synthesis.plan import plan_songs
from tests.errors import raises

pytest.importorskip("midirenderer", reason="the demo extra is not installed")


def test_an_example_is_sound_of_its_length_and_stays_the_same() -> None:
    audio, rate = render_example("Duo")
    assert audio.shape == (2, round(EXAMPLE_S * rate))
    assert np.abs(audio).max() == pytest.approx(0.8, abs=1e-3)
    # Both halves sound, on both channels.
    for part in np.split(audio, 2, axis=1):
        assert (np.sqrt((part**2).mean(axis=1)) > 0.01).all()
    again, _ = render_example.__wrapped__("Duo")
    np.testing.assert_array_equal(again, audio)
    with pytest.raises(ValueError, match="read-only"):
        audio[0, 0] = 0.0


def test_no_demo_corpus_holds_an_example() -> None:
    seeds = {plan.seed for corpus_seed in range(3) for plan in plan_songs(48, corpus_seed)}
    assert seeds.isdisjoint(example.seed for example in EXAMPLES.values())
    assert all(len(example.instruments) >= 2 for example in EXAMPLES.values())


def test_an_unknown_example_is_refused() -> None:
    with raises(ConfigError, code="invalid-setting", mentions="Choir"):
        render_example("Choir")
