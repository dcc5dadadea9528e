"""Effects: a class samples its values first and applies them later, without randomness.

Built in are those of Bradl, Huber and Pernkopf 2023, section 2.3 (``basic``), and those that recordings have
(the other modules). A user's own is a subclass of ``Effect`` anywhere, named ``package.module:Class``
(``docs/effects.md``). Configuration, recipes, the fused rendering and the explorer know effects by
``EFFECTS`` and by what their classes say of themselves.
"""

from mixlab.mixing.effects.base import Effect, Range, Stage, value_info
from mixlab.mixing.effects.basic import Gain, HighShelf, LowShelf, Peak, PitchShift, TimeStretch
from mixlab.mixing.effects.channels import Polarity, SwapChannels
from mixlab.mixing.effects.table import (
    EFFECTS,
    decode_effect,
    describe_effect,
    effect_name,
    encode_effect,
    find_effect,
    settle_values,
)

__all__ = [
    "EFFECTS",
    "Effect",
    "Gain",
    "HighShelf",
    "LowShelf",
    "Peak",
    "PitchShift",
    "Polarity",
    "Range",
    "Stage",
    "SwapChannels",
    "TimeStretch",
    "decode_effect",
    "describe_effect",
    "effect_name",
    "encode_effect",
    "find_effect",
    "settle_values",
    "value_info",
]
