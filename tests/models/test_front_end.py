"""What a network hears: magnitudes, weighting of frequencies, normalisation, bands."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mixlab.models import MODELS, build_model, network_class, resolve
from mixlab.models.bands import (
    a_weighting_db,
)
from mixlab.models.base import TaggingModel
from mixlab.models.front_end import MelFrontEnd
from tests.models.test_conformance import SAMPLES, noise, tiny

IEC_TABLE_3 = {
    **{10: -70.4, 12.5: -63.4, 16: -56.7, 20: -50.5, 25: -44.7, 31.5: -39.4, 40: -34.6, 50: -30.2},
    **{63: -26.2, 80: -22.5, 100: -19.1, 125: -16.1, 160: -13.4, 200: -10.9, 250: -8.6, 315: -6.6},
    **{400: -4.8, 500: -3.2, 630: -1.9, 800: -0.8, 1000: 0.0, 1250: 0.6, 1600: 1.0, 2000: 1.2},
    **{2500: 1.3, 3150: 1.2, 4000: 1.0, 5000: 0.5, 6300: -0.1, 8000: -1.1, 10000: -2.5, 12500: -4.3},
    **{16000: -6.6, 20000: -9.3},
}
"""A-weighting in dB at nominal frequencies in Hz, from the standard."""

OPTIONS: dict[str, dict[str, Any]] = {
    "ln": {"magnitude": "ln"},
    "linear": {"magnitude": "linear"},
    "per_frequency": {"frequency_weighting": "per_frequency", "standardise": True},
    "a_weighting": {"frequency_weighting": "a_weighting", "magnitude": "linear", "standardise": True},
    "scaled": {"standardise": True, "scale": 10.0},
    "log_frequency": {"spectrogram": "log_frequency", "bins_per_octave": 13},
}
ON_THE_FRONT_END = [name for name in sorted(MODELS) if issubclass(network_class(name), TaggingModel)]


def front_end(**options: Any) -> MelFrontEnd:
    """A small one for audio at 8 kHz."""
    return MelFrontEnd(8000, 256, 128, 16, 4000.0, **options).eval()


def test_a_weighting_is_the_standard_s() -> None:
    """The exact frequencies of nominal ones are powers of ten in steps of a tenth."""
    steps = np.round(10 * np.log10(np.array(list(IEC_TABLE_3)) / 1000))
    exact = 1000 * 10 ** (steps / 10)
    found = a_weighting_db(torch.tensor(exact)).numpy()
    np.testing.assert_allclose(found.round(1), list(IEC_TABLE_3.values()), atol=1e-9)
    assert a_weighting_db(torch.zeros(1)).item() == -float("inf")


def test_defaults_are_the_published_front_end() -> None:
    """Bit for bit what the blocks did before there were options."""
    model, audio = front_end().train(), noise(3)
    with torch.no_grad():
        power = model.spec(audio)
        expected = model.spec_bn(10.0 * torch.log10(torch.clamp(power, min=1e-10)))
        model.spec_bn.reset_running_stats()
        assert torch.equal(model.features(audio), expected)
    assert {key.split(".")[0] for key in model.state_dict()} == {"spec", "spec_bn"}


@pytest.mark.parametrize("option", sorted(OPTIONS))
@pytest.mark.parametrize("name", ON_THE_FRONT_END)
def test_every_network_takes_every_option(name: str, option: str) -> None:
    """It hears something else, learns, gives finite logits of silence, and is rebuilt from its settings."""
    torch.manual_seed(0)
    config = replace(tiny(name), **OPTIONS[option])
    model = build_model(config, 3)
    model(noise(4)).square().sum().backward()
    missed = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert missed == []
    model.eval()
    audio = noise(2, seed=1)
    with torch.inference_mode():
        logits = model(audio)
        assert torch.isfinite(model(torch.zeros(1, 1, SAMPLES))).all()
        assert model(audio[..., : model.min_samples]).shape == (2, 3)
        again = build_model(resolve(config), 3).eval()
        again.load_state_dict(model.state_dict())
        assert torch.equal(again(audio), logits)
        usual = build_model(tiny(name), 3).eval()
        usual.load_state_dict(model.state_dict(), strict=False)
        assert not torch.allclose(usual.features(audio), model.features(audio))
