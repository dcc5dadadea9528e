"""Synthesizers of our own: subtractive, wavetable and FM, with the effects that records put behind them."""

from mixlab.synthesis.synthesizers.patches import Rack, sample_patch, sample_rack
from mixlab.synthesis.synthesizers.synthesizer import PatchPlayer

__all__ = ["PatchPlayer", "Rack", "sample_patch", "sample_rack"]
