"""Keyboards that are synthesizers by nature: electric pianos as FM plays them, organs of drawbars."""

import numpy as np

from mixlab.synthesis.synthesizers.patches import Envelope, FmPatch, Rack

__all__ = ["sample_drawbar_organ", "sample_electric_piano"]

_DRAWBARS = (0.5, 1.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
# Usual registrations, 0 to 8 for each drawbar: jazz, gospel, rock, ballad, all out.
_REGISTRATIONS = (
    (8, 8, 8, 0, 0, 0, 0, 0, 0),
    (8, 8, 8, 0, 0, 0, 0, 0, 8),
    (8, 8, 8, 6, 4, 0, 0, 0, 0),
    (0, 0, 8, 8, 4, 0, 0, 0, 0),
    (8, 8, 8, 8, 8, 8, 8, 8, 8),
    (8, 3, 8, 6, 0, 4, 0, 0, 4),
)


def sample_electric_piano(rng: np.random.Generator) -> tuple[FmPatch, Rack]:
    """Sample an electric piano: a body that barks when struck hard, and a tine that dies away."""
    decay = float(rng.uniform(2.5, 5.0))
    patch = FmPatch(
        ratios=(1.0, 1.0, 1.0, float(rng.choice([14.0, 14.0, 12.0, 7.0]))),
        depths=((0, 1, float(rng.uniform(0.14, 0.32))), (2, 3, float(rng.uniform(0.04, 0.14)))),
        weights=(0.7, 0.0, float(rng.uniform(0.2, 0.4)), 0.0),
        envelopes=(
            Envelope(0.002, decay, 0.0, 0.25),
            Envelope(0.001, 0.6 * decay, 0.12, 0.25),
            Envelope(0.001, 0.5 * decay, 0.0, 0.25),
            Envelope(0.001, float(rng.uniform(0.1, 0.4)), 0.0, 0.1),
        ),
    )
    rack = Rack(
        # Its own preamplifier and an amplifier behind it.
        drive=float(rng.uniform(0.08, 0.35)),
        chorus_ms=float(rng.choice([0.0, rng.uniform(0.8, 2.0)])),
        chorus_hz=float(rng.uniform(0.4, 1.2)),
    )
    return patch, rack


def sample_drawbar_organ(rng: np.random.Generator) -> tuple[FmPatch, Rack]:
    """Sample an organ of drawbars: nine sines, a click, and a loudspeaker that turns slowly or quickly."""
    pulled = np.array(_REGISTRATIONS[int(rng.integers(len(_REGISTRATIONS)))], float)
    weights = np.where(pulled > 0, 10.0 ** (-3.0 * (8.0 - pulled) / 20.0), 0.0)
    percussion = float(rng.choice([0.0, 0.5]))
    held = Envelope(0.004, 0.1, 1.0, 0.06)
    patch = FmPatch(
        ratios=(*_DRAWBARS, 3.0),
        depths=(),
        weights=(*(0.35 * weights / np.sqrt((weights**2).sum())), 0.35 * percussion),
        envelopes=(*(held for _ in _DRAWBARS), Envelope(0.001, 0.35, 0.0, 0.05)),
        lfo_hz=float(rng.choice([0.8, 6.6])),
        lfo_cents=float(rng.uniform(3.0, 8.0)),
    )
    turning = float(rng.uniform(0.25, 0.6))
    return patch, Rack(drive=float(rng.uniform(0.05, 0.5)), chorus_ms=turning, chorus_hz=patch.lfo_hz)
