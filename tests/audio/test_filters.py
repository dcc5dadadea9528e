"""Filters: the responses asked for, any number in one pass, the same as pedalboard's and SciPy's."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pedalboard
import pytest
from scipy.signal import sosfilt

from mixlab.audio import _kernels as audio_kernels
from mixlab.audio.filters import HIGHEST_CORNER, Section, cascade, section
from mixlab.synthesis import _kernels as synthesis_kernels

RATE = 16000
PLUGINS = {"low_shelf": "LowShelfFilter", "high_shelf": "HighShelfFilter", "peak": "PeakFilter"}


def noise(samples: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, samples))).astype(np.float32)


def gain_db(sections: list[Section], frequency_hz: float) -> float:
    """Measure the gain on a tone, after the filters have swung in."""
    t = np.arange(4 * RATE) / RATE
    tone = np.sin(2 * np.pi * frequency_hz * t).astype(np.float32)[None]
    out = cascade(tone, sections)[0, 2 * RATE :]
    return 10 * np.log10(np.mean(np.square(out, dtype=np.float64)) / 0.5)


@pytest.mark.parametrize("kind", PLUGINS)
@pytest.mark.parametrize(
    ("frequency_hz", "db", "q"), [(80, 9, 0.7), (300, -12, 0.5), (5000, 7, 2.0), (7900, 12, 1.0)]
)
def test_as_pedalboard(kind: str, frequency_hz: float, db: float, q: float) -> None:
    audio = noise(30000)
    corner = min(frequency_hz, HIGHEST_CORNER * RATE)
    plugin = getattr(pedalboard, PLUGINS[kind])(cutoff_frequency_hz=corner, gain_db=db, q=q)
    ours = cascade(audio, [section(kind, frequency_hz, db, q, RATE)])
    # Its sums are in float32 throughout, which shows at low corners; ours agree with float64 (below).
    assert np.abs(ours - plugin.process(audio, float(RATE), reset=True)).max() < 1e-4


def test_gains_are_those_asked_for() -> None:
    low, high, peak = (section(kind, 1000, 9, 1.0, RATE) for kind in PLUGINS)
    assert gain_db([low], 50) == pytest.approx(9, abs=0.1)
    assert gain_db([low], 7500) == pytest.approx(0, abs=0.1)
    assert gain_db([high], 50) == pytest.approx(0, abs=0.1)
    assert gain_db([high], 7500) == pytest.approx(9, abs=0.1)
    assert gain_db([peak], 1000) == pytest.approx(9, abs=0.1)
    assert gain_db([peak], 50) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("samples", [1, 15, 16, 17, 4003])
def test_any_number_of_filters_is_one_pass(count: int, samples: int) -> None:
    rng = np.random.default_rng(count)
    sections = [
        section(
            str(rng.choice(list(PLUGINS))),  # type: ignore[arg-type]
            10 ** rng.uniform(1.8, 3.8),
            rng.uniform(-12, 12),
            10 ** rng.uniform(-0.3, 0.3),
            RATE,
        )
        for _ in range(count)
    ]
    audio = noise(samples, channels=2)
    out = cascade(audio, sections, gain=0.5)
    table = np.array([[b0, b1, b2, 1.0, a1, a2] for b0, b1, b2, a1, a2 in sections])
    expected = 0.5 * sosfilt(table, audio.astype(np.float64), axis=-1)
    # Rounding of the sums in float32, well below what 16 bits resolve.
    assert np.abs(out - expected).max(initial=0) <= 2e-5 * np.abs(expected).max(initial=1e-9)


def test_it_starts_from_rest_and_leaves_its_input() -> None:
    audio = noise(1000)
    before = audio.copy()
    sections = [section("peak", 500, 6, 1.0, RATE)]
    once = cascade(audio, sections)
    np.testing.assert_array_equal(audio, before)
    np.testing.assert_array_equal(cascade(audio, sections), once)
    delayed = np.concatenate([np.zeros((1, 160), np.float32), audio], axis=1)
    np.testing.assert_allclose(cascade(delayed, sections)[:, 160:], once, atol=1e-6)


def test_a_gain_alone_is_a_product() -> None:
    audio = noise(100)
    np.testing.assert_array_equal(cascade(audio, [], 0.25), audio * np.float32(0.25))
    assert cascade(audio, []) is audio


def test_kernels_are_compiled_anew_when_what_they_are_made_of_changes() -> None:
    """numba looks at a kernel's own file alone, so that this has to change with those that it takes from."""
    rooms = [Path(kernels.__path__[0]) for kernels in (audio_kernels, synthesis_kernels)]
    taken = 0
    for file in (file for room in rooms for file in sorted(room.glob("*.py"))):
        text = file.read_text(encoding="utf-8")
        for room, name in re.findall(r"from mixlab\.(audio|synthesis)\._kernels\.(\w+) import", text):
            made_of = rooms[room == "synthesis"] / f"{name}.py"
            digest = hashlib.sha256(made_of.read_bytes()).hexdigest()[:16]
            assert f'"{digest}"' in text, f"{made_of.name} has changed: put {digest} into {file}"
            taken += 1
    assert taken >= 10
