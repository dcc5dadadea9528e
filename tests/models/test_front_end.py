"""What a network hears: magnitudes, weighting of frequencies, normalisation, bands."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mixlab.errors import ConfigError
from mixlab.models import MODELS, ModelConfig, build_model, load_weights, network_class, resolve
from mixlab.models.bands import (
    LogFrequencySpectrogram,
    a_weighting_db,
    log_centres_hz,
    log_resolution_limit_hz,
    mel_centres_hz,
)
from mixlab.models.base import TaggingModel
from mixlab.models.front_end import MelFrontEnd
from mixlab.models.pretrained import CHECKPOINTS, mismatches
from mixlab.training.baselines.embeddings import Embeddings
from tests.errors import raises
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


def tone(frequency_hz: float, n_samples: int = 16000, sample_rate: int = 8000) -> Tensor:
    return 0.1 * torch.sin(2 * torch.pi * frequency_hz * torch.arange(n_samples) / sample_rate)[None, None]


def test_magnitudes_say_the_same_in_other_words() -> None:
    audio = noise(2)
    power = front_end(magnitude="linear").magnitudes(audio).numpy()
    sounding = power > 1e-9
    assert sounding.mean() > 0.9
    decibels = front_end().magnitudes(audio).numpy()
    np.testing.assert_allclose(decibels[sounding], 10 * np.log10(power[sounding]), rtol=1e-5, atol=1e-4)
    logarithms = front_end(magnitude="ln").magnitudes(audio).numpy()
    np.testing.assert_allclose(logarithms, decibels * np.log(10) / 10, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("magnitude", ["decibel", "ln", "linear"])
def test_a_weighting_is_a_gain_on_power(magnitude: str) -> None:
    plain = front_end(magnitude=magnitude)
    weighted = front_end(magnitude=magnitude, frequency_weighting="a_weighting")
    gain_db = a_weighting_db(plain.centres_hz).float()[:, None]
    maps = plain.magnitudes(noise(2))
    found = weighted.weighted(weighted.magnitudes(noise(2)))
    if magnitude == "linear":
        torch.testing.assert_close(found, maps * 10 ** (gain_db / 10))
    else:
        torch.testing.assert_close(
            found - maps, gain_db.expand_as(maps) * {"ln": 0.2302585}.get(magnitude, 1)
        )


@pytest.mark.parametrize("magnitude", ["decibel", "linear"])
def test_standardised_excerpts_have_mean_0_and_deviation_1(magnitude: str) -> None:
    """Each for itself, the quietest too; silence and what is equal everywhere become 0."""
    model = front_end(magnitude=magnitude, standardise=True)
    audio = noise(3) * torch.tensor([1.0, 1e-2, 1e-4])[:, None, None]
    maps = model.features(audio)
    torch.testing.assert_close(maps.mean(dim=(1, 2, 3)), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(maps.std(dim=(1, 2, 3), correction=0), torch.ones(3), rtol=1e-3, atol=0)
    torch.testing.assert_close(model.features(audio[1:2])[0], maps[1], rtol=1e-4, atol=1e-4)
    assert model.features(torch.zeros(1, 1, SAMPLES)).abs().max() < 1e-2
    ten = front_end(magnitude=magnitude, standardise=True, scale=10.0)
    torch.testing.assert_close(ten.features(audio), 10 * maps)


@pytest.mark.parametrize("magnitude", ["decibel", "linear"])
def test_per_frequency_flattens_the_training_data_and_keeps_levels(magnitude: str) -> None:
    """By statistics of the training, which stay in evaluation: 6 dB more of an excerpt are still more."""
    model = front_end(magnitude=magnitude, frequency_weighting="per_frequency")
    # Noise that falls off towards high frequencies, as music does.
    batches = [0.1 * torch.cumsum(noise(8, seed), dim=2) / 10 for seed in range(4)]
    model.train()
    for batch in batches:
        model.features(batch)
    model.eval()
    with torch.no_grad():
        raw = torch.cat([model.magnitudes(batch) for batch in batches])
        flat = model.weighted(raw)
        louder = model.weighted(model.magnitudes(2 * batches[0]))
    assert raw.mean(dim=(0, 1, 3)).std() > 1
    torch.testing.assert_close(flat.mean(dim=(0, 1, 3)), torch.zeros(16), rtol=0, atol=0.02)
    torch.testing.assert_close(flat.std(dim=(0, 1, 3)), torch.ones(16), rtol=0.1, atol=0)
    assert (louder.mean(dim=(1, 2, 3)) > flat[:8].mean(dim=(1, 2, 3))).all()
    assert "band_norm.norm.running_mean" in model.state_dict()


def test_mel_centres_are_those_of_the_filters() -> None:
    model = MelFrontEnd(16000, 4096, 1024, 40, 7000.0)
    peaks_hz = model.spec.mel_scale.fb.argmax(dim=0) * (16000 / 4096)
    torch.testing.assert_close(peaks_hz.double(), mel_centres_hz(40, 7000.0), rtol=0, atol=16000 / 4096)


def test_logarithmic_bands_hear_semitones_apart() -> None:
    """Above its limit of resolution every semitone has its own band; far below it, several share one map."""
    spectrogram = LogFrequencySpectrogram(8000, 2048, 512, 84, 4000.0, 12)
    centres = log_centres_hz(84, 4000.0, 12)
    assert centres[0].item() == pytest.approx(4000 / 2**7)
    np.testing.assert_allclose(centres[12:] / centres[:-12], 2.0)
    limit = log_resolution_limit_hz(8000, 2048, 12)
    assert limit == pytest.approx(65.7, abs=0.1)
    loudest = [int(spectrogram(tone(float(f)))[0, 0].mean(dim=1).argmax()) for f in centres]
    clear = [k for k in range(84) if centres[k] > 2 * limit]
    assert [loudest[k] for k in clear] == clear
    for first, least, most in ((0, 0.9, 1.0), (clear[0], 0.0, 0.6)):
        low, high = (spectrogram(tone(float(centres[k])))[0, 0].mean(dim=1) for k in (first, first + 1))
        assert least < torch.nn.functional.cosine_similarity(low, high, dim=0) < most


def test_logarithmic_bands_agree_with_a_constant_q_transform() -> None:
    """librosa's, on a chord: the same bands are the loudest, by much the same distance."""
    librosa = pytest.importorskip("librosa")
    chord = sum((tone(440 * 2 ** (k / 12)) for k in (0, 4, 7)), torch.zeros(1))
    bands = LogFrequencySpectrogram(8000, 4096, 512, 36, 3520 * 2 ** (1 / 12) / 2, 12)
    ours = 10 * torch.log10(bands(chord)[0, 0, :, 8:-8].mean(dim=1)).numpy()
    centres = log_centres_hz(36, 3520 * 2 ** (1 / 12) / 2, 12)
    reference = np.abs(
        librosa.cqt(chord[0, 0].numpy(), sr=8000, hop_length=512, fmin=float(centres[0]), n_bins=36)
    )
    theirs = 20 * np.log10(reference[:, 8:-8].mean(axis=1) + 1e-6)
    notes = np.argsort(ours)[-3:]
    assert set(notes) == set(np.argsort(theirs)[-3:])
    np.testing.assert_allclose(np.diff(ours[np.sort(notes)]), np.diff(theirs[np.sort(notes)]), atol=1.5)


@pytest.mark.parametrize(
    ("name", "change", "n_bands"),
    [
        ("short_chunk_cnn", {}, 103),
        ("short_chunk_cnn", {"bins_per_octave": 24}, 128),
        ("crnn", {}, 96),
        ("musicnn", {"n_mels": 60}, 60),
    ],
)
def test_logarithmic_bands_stay_audible(name: str, change: dict[str, Any], n_bands: int) -> None:
    """0 takes as many as there are down to 20 Hz, at most the published number."""
    config = resolve(ModelConfig(name, spectrogram="log_frequency", **change))
    assert config.n_mels == n_bands
    model = build_model(config, 2)
    assert model.centres_hz.min() >= 20
    assert model.centres_hz.max() < 8000


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"magnitude": "mel"}, "invalid-setting", ("model.magnitude", "decibel, ln, linear", "mel")),
        ({"frequency_weighting": "a"}, "invalid-setting", ("model.frequency_weighting", "a_weighting")),
        ({"spectrogram": "cqt"}, "invalid-setting", ("model.spectrogram", "log_frequency")),
        ({"scale": 0.0}, "invalid-setting", ("model.scale", "0")),
        ({"scale": float("nan")}, "invalid-setting", ("model.scale", "nan")),
        ({"bins_per_octave": 0}, "invalid-setting", ("model.bins_per_octave", "1")),
        ({"bins_per_octave": 24}, "conflicting-settings", ("model.bins_per_octave", "log_frequency", "24")),
        (
            {"spectrogram": "log_frequency", "n_mels": 128},
            "invalid-setting",
            ("model.n_mels", "103", "20 Hz", "8000", "128"),
        ),
        (
            {"architecture": "crnn", "spectrogram": "log_frequency", "f_max": 4000},
            "invalid-setting",
            ("91", "96"),
        ),
        ({"spectrogram": "log_frequency", "f_max": 22.0}, "invalid-setting", ("4", "1")),
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, Any], code: str, mentions: Any) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        resolve(ModelConfig(**change))


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_published_weights_refuse_what_they_never_heard(option: str) -> None:
    entry = CHECKPOINTS["jamendo_musicnn"].model
    assert mismatches(entry, ModelConfig("musicnn", level="peak", hop=512)) == []
    needed = mismatches(entry, ModelConfig("musicnn", **OPTIONS[option]))
    usual = ModelConfig()
    assert set(needed) == {f"model.{name}={getattr(usual, name)}" for name in OPTIONS[option]}
    assert set(needed) <= set(mismatches(entry, ModelConfig("crnn", **OPTIONS[option])))


def test_weights_without_the_statistics_of_bands_are_refused() -> None:
    plain = build_model(tiny("musicnn"), 3)
    with raises(ConfigError, code="weights-mismatch", mentions="band_norm"):
        load_weights(
            build_model(replace(tiny("musicnn"), frequency_weighting="per_frequency"), 3), plain.state_dict()
        )


def test_older_digests_of_networks_stay() -> None:
    """Caches of embeddings are known by the settings that there were when they were written."""
    old = Embeddings("w.pth", ModelConfig("musicnn"), None, True, "abc", "w")
    assert old.content_hash == "eb6b357549fe6705"
    assert replace(old, model=ModelConfig("musicnn", magnitude="ln")).content_hash != old.content_hash
