"""Named sets of effects: what recordings have that stems lack, as entries of ``mix.effects.custom``.

``studio`` is what a careful producer does: equaliser, compression, some warmth and a room on sources, a
master on the mixture, and the codecs that music is sold in. ``wild`` is what recordings out there have too:
overdrive, noise, narrow bands, telephones, worn tapes, and few bits. What a preset holds decides what seeds
sample, so it changes with ``RECIPE_VERSION`` only.
"""

from typing import Any, Literal

__all__ = ["PRESETS", "Preset"]

Preset = Literal["paper", "none", "studio", "wild"]

_STUDIO: list[dict[str, Any]] = [
    {"effect": "eq_curve", "p": 0.5, "step_db": [-3.0, 3.0], "most_db": 6.0},
    {"effect": "compressor", "p": 0.5},
    {"effect": "saturation", "p": 0.2, "shapes": ["soft"], "drive_db": [-6.0, 9.0]},
    {"effect": "room", "p": 0.35, "decay_s": [0.15, 0.6], "wet": [0.1, 0.5]},
    {"effect": "width", "p": 0.3, "stage": "mixture", "width": [0.6, 1.4]},
    {"effect": "mastering", "p": 0.8},
    {"effect": "codec", "p": 0.3, "stage": "mixture", "kbps": [64, 192]},
]

_WILD: list[dict[str, Any]] = [
    {"effect": "eq_curve", "p": 0.6, "step_db": [-5.0, 5.0], "most_db": 12.0},
    {"effect": "compressor", "p": 0.4},
    {"effect": "saturation", "p": 0.4, "drive_db": [0.0, 24.0]},
    {"effect": "wow", "p": 0.2},
    {"effect": "room", "p": 0.5},
    {"effect": "noise", "p": 0.2},
    {"effect": "band_limit", "p": 0.2},
    {"effect": "noise", "p": 0.3, "stage": "mixture", "snr_db": [5.0, 35.0]},
    {"effect": "wow", "p": 0.15, "stage": "mixture"},
    {"effect": "band_limit", "p": 0.15, "stage": "mixture"},
    {"effect": "telephone", "p": 0.1, "stage": "mixture"},
    {"effect": "width", "p": 0.3, "stage": "mixture"},
    {"effect": "mastering", "p": 0.6, "target_lufs": [-24.0, -7.0], "most_limiting_db": 12.0},
    {"effect": "codec", "p": 0.4, "stage": "mixture", "kbps": [16, 96]},
]

PRESETS: dict[Preset, list[dict[str, Any]]] = {"paper": [], "none": [], "studio": _STUDIO, "wild": _WILD}
"""What each adds to the four effects of the paper; ``none`` takes these away."""
